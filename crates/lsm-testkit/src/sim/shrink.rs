//! Making a history that fails as small as it gets.
//!
//! Delta debugging: what lies behind the failure goes first; then chunks are left out,
//! half of the history at first, then halves of that, down to single operations, for as
//! long as something is still wrong; at last each operation is made smaller. Whatever is
//! wrong with the shorter history counts, be it something else than before.

use std::time::{Duration, Instant};

use super::Item;

/// Looks for a shorter history that fails, for so long. `fails` says what is wrong with a
/// history, if anything is; `wrong` is what it says of the one given. Returns the shortest
/// one that was found, and what is wrong with it.
pub fn shrink<T: Item, W>(
    history: Vec<T>,
    wrong: W,
    time: Duration,
    mut fails: impl FnMut(&[T]) -> Option<W>,
) -> (Vec<T>, W) {
    let begun = Instant::now();
    let mut found = (history, wrong);
    let mut chunk = found.0.len().div_ceil(2);
    while chunk > 0 && begun.elapsed() < time {
        let mut at = 0;
        let mut progress = false;
        while at < found.0.len() && begun.elapsed() < time {
            let without: Vec<_> = leave_out(&found.0, at, chunk);
            match fails(&without) {
                Some(wrong) => {
                    found = (without, wrong);
                    progress = true;
                }
                None => at += chunk,
            }
        }
        // Once more with single operations for as long as that helps.
        if chunk > 1 {
            chunk = chunk.div_ceil(2).min(chunk - 1);
        } else if !progress {
            break;
        }
    }
    smaller_ones(&mut found, begun, time, fails);
    found
}

fn leave_out<T: Clone>(history: &[T], at: usize, count: usize) -> Vec<T> {
    let rest = history.iter().enumerate().filter(|(other, _)| !(at..at + count).contains(other));
    rest.map(|(_, op)| op.clone()).collect()
}

/// Makes each operation smaller for as long as that still fails.
fn smaller_ones<T: Item, W>(
    found: &mut (Vec<T>, W),
    begun: Instant,
    time: Duration,
    mut fails: impl FnMut(&[T]) -> Option<W>,
) {
    let mut at = 0;
    while at < found.0.len() && begun.elapsed() < time {
        let smaller = found.0.get(at).map(Item::smaller).unwrap_or_default();
        let better = smaller.into_iter().find_map(|op| {
            let mut history = found.0.clone();
            history.get_mut(at).into_iter().for_each(|old| *old = op.clone());
            fails(&history).map(|wrong| (history, wrong))
        });
        match better {
            Some(better) => *found = better,
            None => at += 1,
        }
    }
}

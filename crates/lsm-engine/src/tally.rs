//! Counting what readers do, without making them meet.
//!
//! A counter that all readers raise is a cache line that they hand to each other at every
//! read. So each thread raises one of a few sets of counters, which share no line; who
//! wants to know adds them up.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How many sets there are; threads beyond that share them.
const SETS: usize = 16;

/// What filters said, and whether it was right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FilterCounts {
    /// How often a filter said that the key may be there, and it was.
    pub true_positives: u64,
    /// How often a filter said so, and it was not.
    pub false_positives: u64,
    /// How often a filter said that the key is not there.
    pub negatives: u64,
}

/// One thread's counters, in lines that no other set is in, nor the neighbour that
/// processors fetch along with one.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Set {
    true_positives: AtomicU64,
    false_positives: AtomicU64,
    negatives: AtomicU64,
}

/// What the filters of a store said since it was opened.
#[derive(Debug, Default)]
pub(crate) struct FilterTally([Set; SETS]);

/// The number of the set that the calling thread raises.
fn set_of_this_thread() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SET: usize = THREADS.fetch_add(1, Ordering::Relaxed) % SETS;
    }
    // A thread that is ending has none any more.
    SET.try_with(|set| *set).unwrap_or_default()
}

impl FilterTally {
    /// Adds what was counted during one read.
    #[inline]
    pub(crate) fn add(&self, counts: FilterCounts) {
        if counts == FilterCounts::default() {
            return;
        }
        let Some(set) = self.0.get(set_of_this_thread()) else { return };
        let FilterCounts { true_positives, false_positives, negatives } = counts;
        let raised = [
            (&set.true_positives, true_positives),
            (&set.false_positives, false_positives),
            (&set.negatives, negatives),
        ];
        for (counter, by) in raised {
            if by > 0 {
                counter.fetch_add(by, Ordering::Relaxed);
            }
        }
    }

    /// All sets together.
    pub(crate) fn counts(&self) -> FilterCounts {
        let sum = |counter: fn(&Set) -> &AtomicU64| {
            self.0.iter().map(|set| counter(set).load(Ordering::Relaxed)).sum()
        };
        FilterCounts {
            true_positives: sum(|set| &set.true_positives),
            false_positives: sum(|set| &set.false_positives),
            negatives: sum(|set| &set.negatives),
        }
    }
}

/// Bytes that background work moved since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Of tables and filters that flushes and merges wrote.
    pub(crate) written: AtomicU64,
    /// Of blocks that merges read.
    pub(crate) read: AtomicU64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_among_threads() {
        let tally = FilterTally::default();
        let one = FilterCounts { true_positives: 1, false_positives: 2, negatives: 3 };
        std::thread::scope(|scope| {
            for _ in 0..SETS + 3 {
                scope.spawn(|| (0..100).for_each(|_| tally.add(one)));
            }
        });
        let all = 100 * (SETS as u64 + 3);
        let expected =
            FilterCounts { true_positives: all, false_positives: 2 * all, negatives: 3 * all };
        assert_eq!(tally.counts(), expected);
    }
}

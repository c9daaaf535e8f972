//! `compact`: merging what the store holds.
//!
//! 1. The bounds are read, and the store is opened; it has to be there.
//! 2. A thread of its own merges; on a terminal the bar follows what the store says of it.
//! 3. The store is closed, and the bytes before and after are printed.

use std::io::{self, IsTerminal};
use std::ops::Bound;
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Store, bound};
use crate::args::CompactArgs;
use crate::failure::Failure;
use crate::output::Output;

/// How often the bar is drawn.
const LOOK: Duration = Duration::from_millis(50);

pub(super) fn compact(args: &CompactArgs, output: &mut Output) -> Result<(), Failure> {
    let (dir, notation) = (args.dir.as_path(), args.notation.notation());
    let from = bound(dir, "--from", notation, args.from.as_deref())?;
    let to = bound(dir, "--to", notation, args.to.as_deref())?;
    let range = (
        from.map_or(Bound::Unbounded, Bound::Included),
        to.map_or(Bound::Unbounded, Bound::Excluded),
    );
    let store = Store::open(dir)?;
    let before = store.db.stats().table_bytes;
    let bar = progress_bar();
    let merged = thread::scope(|scope| {
        let merging = scope.spawn(|| store.db.compact_range(range));
        while !merging.is_finished() {
            thread::sleep(LOOK);
            show(&store, &bar);
        }
        merging.join()
    });
    bar.finish_and_clear();
    let merged = merged.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let after = store.db.stats().table_bytes;
    merged.map_err(|error| store.failure(error))?;
    store.close()?;
    output.line(&format!("compacted {}: {before} bytes before, {after} after", dir.display()))
}

fn show(store: &Store<'_>, bar: &ProgressBar) {
    let stats = store.db.stats();
    let done = stats.compact_bytes_done;
    bar.set_length(done.saturating_add(stats.compact_bytes_left));
    bar.set_position(done);
}

/// Drawn on a terminal only.
fn progress_bar() -> ProgressBar {
    let target = match io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}, {bytes_per_sec}");
    ProgressBar::with_draw_target(Some(0), target)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

//! The parts alone, each without the store around it.
//!
//! `cargo bench -p lsm-benches --bench parts -- merge` measures what has `merge` in
//! its name. Keys are of two shapes where that matters: decimal digits and random
//! bytes. Values have 100 bytes. Figures are per entry.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a benchmark that fails has nothing to say")]

mod filter;
mod log;
mod manifest;
mod memtable;
mod merge;
mod table;

use std::time::Duration;

use lsm_types::SeqNo;

/// Entries of the memtables, tables and filters that are measured.
const ROWS: u64 = 10_000;

fn main() {
    let mut criterion = lsm_benches::criterion(Duration::from_secs(1));
    memtable::bench(&mut criterion);
    table::bench(&mut criterion);
    filter::bench(&mut criterion);
    merge::bench(&mut criterion);
    log::bench(&mut criterion);
    manifest::bench(&mut criterion);
    criterion.final_summary();
}

fn seq(number: u64) -> SeqNo {
    SeqNo::new(number).unwrap()
}

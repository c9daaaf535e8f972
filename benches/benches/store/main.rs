//! The store, through its handle.
//!
//! `cargo bench -p lsm-benches --bench store -- get` measures what has `get` in its
//! name. Two features change the store that is measured:
//!
//! * `bloom`: `cargo bench -p lsm-benches --bench store -- misses`, and the same with
//!   `--features bloom`, compare a miss over 16 runs without and with filters; the
//!   second run prints the change.
//! * `durability`: every write is synced before it is acknowledged; fills then have
//!   fewer rows, and names of their own.
//!
//! Keys are of two shapes where that matters: decimal digits and random bytes. Values
//! have 100 bytes. Figures are per row. Stores lie in the folder for temporary files;
//! `TMPDIR` names another one.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a benchmark that fails has nothing to say")]

mod fill;
mod get;
mod reopen;
mod scan;

use std::time::Duration;

use lsm_benches::{Row, TempStore};
use lsm_db::LsmConfig;

/// Rows of the stores that are read.
const ROWS: u64 = 100_000;

fn main() {
    let mut criterion = lsm_benches::criterion(Duration::from_secs(2));
    fill::bench(&mut criterion);
    get::bench(&mut criterion);
    scan::bench(&mut criterion);
    reopen::bench(&mut criterion);
    criterion.final_summary();
}

/// Neither flushes nor merges by itself.
fn still() -> LsmConfig {
    LsmConfig::new().memtable_capacity(1 << 30).compaction_trigger(usize::MAX)
}

/// A store of `rows` in exactly `runs` runs, with nothing in the memtable.
fn filled(config: LsmConfig, rows: &[Row], runs: usize) -> TempStore {
    let store = TempStore::filled(config, rows, runs).unwrap();
    let stats = store.db.stats();
    assert_eq!((stats.runs, stats.memtable_bytes), (runs, 0));
    assert_eq!(stats.entries, rows.len() as u64);
    store
}

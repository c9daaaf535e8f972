//! Stores to measure, in the system's folder for temporary files.
//!
//! That folder must lie on a disk: where it lies in memory, syncs cost nothing.
//! `TMPDIR` names another one.

use lsm_db::{Batch, Lsm, LsmConfig, Result};
use tempfile::TempDir;

use crate::Row;

/// Rows written at once by [`TempStore::fill`].
const FILL_BATCH: usize = 1_000;

/// An open store that is removed when it is dropped.
#[derive(Debug)]
pub struct TempStore {
    /// The store. It goes before its directory.
    pub db: Lsm,
    /// Where it is.
    pub dir: TempDir,
}

impl TempStore {
    /// An empty store.
    ///
    /// # Errors
    ///
    /// When there is no temporary directory or the store cannot be opened.
    pub fn new(config: LsmConfig) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        Ok(Self { db: Lsm::open_with(dir.path(), config)?, dir })
    }

    /// A store of `rows` in `runs` runs that each reach over all keys: run `r` has
    /// the rows `r`, `r + runs` and so on. `config` must neither flush nor merge by
    /// itself on the way.
    ///
    /// # Errors
    ///
    /// As [`new`](TempStore::new), and when a write or flush fails.
    pub fn filled(config: LsmConfig, rows: &[Row], runs: usize) -> Result<Self> {
        let store = Self::new(config)?;
        for run in 0..runs {
            let rows: Vec<_> = rows.iter().skip(run).step_by(runs).collect();
            rows.chunks(FILL_BATCH).try_for_each(|rows| store.db.write(batch(rows)))?;
            store.db.flush()?;
        }
        Ok(store)
    }
}

fn batch(rows: &[&Row]) -> Batch {
    let mut batch = Batch::new();
    rows.iter().for_each(|row| batch.put(row.key, row.value));
    batch
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shape;

    #[test]
    fn every_run_reaches_over_all_keys() {
        let rows = Shape::Decimal.rows(64);
        let config = LsmConfig::new().compaction_trigger(usize::MAX);
        let store = TempStore::filled(config, &rows, 16).unwrap();
        let stats = store.db.stats();
        assert_eq!((stats.runs, stats.entries, stats.memtable_bytes), (16, 64, 0));
        let expected: Vec<_> =
            rows.iter().map(|row| (row.key.to_vec(), row.value.to_vec())).collect();
        assert!(store.db.scan(..).unwrap().eq(expected));
    }
}

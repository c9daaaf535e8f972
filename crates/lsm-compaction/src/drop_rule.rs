//! When a tombstone has done its work.

use lsm_manifest::{TableMeta, Version};
use lsm_types::RunNo;

/// Decides for the output of one flush or merge which tombstones it may leave out.
///
/// It looks at the sources as they were when the work began. That is safe: sources
/// older than the inputs are only ever merged with each other, so no key can come
/// to them later.
#[derive(Clone, Debug)]
pub struct DropRule {
    older: Vec<TableMeta>,
}

impl DropRule {
    /// For a merge whose oldest input is the run `oldest`.
    #[must_use]
    pub fn for_merge(version: &Version, oldest: RunNo) -> Self {
        let older = version.tables().filter(|(run, _)| *run < oldest);
        Self { older: older.map(|(_, table)| table.clone()).collect() }
    }

    /// For the flush of the oldest memtable: every run is older than it.
    #[must_use]
    pub fn for_flush(version: &Version) -> Self {
        Self { older: version.tables().map(|(_, table)| table.clone()).collect() }
    }

    /// Whether nothing older could hold `key`, so that a tombstone for it hides
    /// nothing.
    #[must_use]
    pub fn may_drop(&self, key: &[u8]) -> bool {
        !self.older.iter().any(|table| table.may_hold(key))
    }
}

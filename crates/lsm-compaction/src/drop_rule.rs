//! When a tombstone has done its work.

use lsm_manifest::{TableMeta, Version, fence};
use lsm_types::RunNo;

use crate::Plan;

/// Decides for the output of one flush or merge which tombstones it may leave out.
///
/// It looks at the sources as they were when the work began. That is safe: sources
/// older than the inputs are only ever merged with each other, so no key can come
/// to them later. Memtables are newer than any run, and do not matter.
#[derive(Clone, Debug)]
pub struct DropRule {
    /// Of each older run, the tables in the order of their keys.
    older: Vec<Vec<TableMeta>>,
}

impl DropRule {
    /// For a plan that was picked from `version`.
    #[must_use]
    pub fn for_plan(version: &Version, plan: &Plan) -> Self {
        Self::for_merge(version, plan.base)
    }

    /// For a merge whose oldest input is the run `oldest`.
    #[must_use]
    pub fn for_merge(version: &Version, oldest: RunNo) -> Self {
        let older = version.runs().range(..oldest);
        Self { older: older.map(|(_, run)| run.tables.clone()).collect() }
    }

    /// For the flush of the oldest memtable: every run is older than it.
    #[must_use]
    pub fn for_flush(version: &Version) -> Self {
        Self { older: version.runs().values().map(|run| run.tables.clone()).collect() }
    }

    /// Whether nothing older could hold `key`, so that a tombstone for it hides
    /// nothing.
    #[must_use]
    pub fn may_drop(&self, key: &[u8]) -> bool {
        let cut = fence(key);
        let mut older = self.older.iter();
        #[cfg(planted)]
        if lsm_planted::is(lsm_planted::Bug::TombstoneDroppedEarly) {
            let _the_oldest = older.next();
        }
        !older.any(|tables| {
            // Tables of a run that share a fence are told apart by their live ranges.
            let begin = tables.partition_point(|table| table.last.as_slice() < cut);
            let behind = tables.get(begin..).unwrap_or(&[]).iter();
            behind
                .take_while(|table| table.first.as_slice() <= cut)
                .any(|table| table.may_hold(key))
        })
    }
}

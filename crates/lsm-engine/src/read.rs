//! Reading one key.
//!
//! Steps: take the view, then the published number; hash the key, once; ask the
//! memtables, newest first; then the runs, newest first, a few at once: of each the one
//! table whose keys surround the key, and its filter's cache line is asked for; then
//! each filter, and behind those that say yes the blocks. The first answer stands, a
//! tombstone too.
//!
//! Nothing is locked, and nothing allocated: what was found is shown where it lies.

use std::sync::Arc;

use lsm_sstable::BlockEntry;
use lsm_types::{Kind, SeqNo};

use crate::Result;
use crate::shared::Shared;
use crate::table::{BlockBytes, Table, Wanted};
use crate::tally::{FilterCounts, FilterTally};
use crate::value::Value;
use crate::view::{LiveRun, LiveTable, View};

/// Runs whose filters are asked for at once.
const AHEAD: usize = 8;

/// A value where it lies, and what it lies in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'v> {
    pub(crate) value: &'v [u8],
    pub(crate) holder: Holder<'v>,
}

/// What a value lies in: who keeps that, and where in it the value is, keeps the value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Holder<'v> {
    /// A memtable of the view.
    Memtable,
    /// The mapping of a table.
    Mapped(&'v Arc<Table>),
    /// The payload of a block.
    Block(&'v Arc<[u8]>),
}

impl<'v> Found<'v> {
    /// What an entry of a table stands for; a tombstone for nothing.
    pub(crate) fn of(
        table: &'v Arc<Table>,
        entry: &BlockEntry<'v>,
        bytes: &'v BlockBytes<'_>,
    ) -> Option<Self> {
        let holder = match bytes {
            BlockBytes::InPlace(_) => Holder::Mapped(table),
            BlockBytes::Held(bytes) => Holder::Block(bytes),
        };
        (entry.kind == Kind::Put).then_some(Self { value: entry.value, holder })
    }
}

impl LiveRun {
    /// The only table of the run that could hold the key.
    pub(crate) fn candidate(&self, wanted: &Wanted<'_>) -> Option<&Arc<Table>> {
        let key = wanted.key;
        let below = |live: &LiveTable| {
            live.table.is_below(wanted) || live.live.end.as_deref().is_some_and(|end| end <= key)
        };
        let live = match self.tables.as_slice() {
            [live] => Some(live).filter(|live| !below(live)),
            tables => tables.get(tables.partition_point(below)),
        }?;
        let start = live.live.start.as_slice();
        let is_live = start.is_empty() || start <= key;
        (is_live && !live.table.is_above(wanted)).then_some(&live.table)
    }
}

impl Shared {
    /// The value of `key`, if it has one.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.find(key, |found| found.value.to_vec())
    }

    /// The same, not copied where that can be helped.
    pub(crate) fn get_pinned(&self, key: &[u8]) -> Result<Option<Value>> {
        self.find(key, |found| Value::found(&found))
    }

    /// Shows the value of `key` to `visit`, if it has one.
    pub(crate) fn find<R>(
        &self,
        key: &[u8],
        visit: impl FnOnce(Found<'_>) -> R,
    ) -> Result<Option<R>> {
        let (view, snapshot) = self.view.snapshot();
        view.find(key, snapshot, &self.counters.filters, visit)
    }
}

impl View {
    /// Shows the value that `key` had when `snapshot` was the last write to `visit`, if
    /// it had one.
    pub(crate) fn find<R>(
        &self,
        key: &[u8],
        snapshot: SeqNo,
        tally: &FilterTally,
        visit: impl FnOnce(Found<'_>) -> R,
    ) -> Result<Option<R>> {
        let wanted = Wanted::new(key);
        match self.find_in_memtables(&wanted, snapshot) {
            Some(None) => Ok(None),
            Some(Some(found)) => Ok(Some(visit(found))),
            None => {
                let mut said = FilterCounts::default();
                let found = self.find_in_runs(&wanted, &mut said, visit);
                tally.add(said);
                found
            }
        }
    }

    /// What the newest memtable that knows the key says; a tombstone is `None` inside.
    #[inline]
    pub(crate) fn find_in_memtables(
        &self,
        wanted: &Wanted<'_>,
        snapshot: SeqNo,
    ) -> Option<Option<Found<'_>>> {
        // An empty one is not worth the miss in its index.
        let filled = self.buffers().filter(|buffer| !buffer.memtable.is_empty());
        let found = filled
            .filter_map(|buffer| buffer.memtable.get_hashed(wanted.key, wanted.hash, snapshot))
            .next()?;
        let holder = Holder::Memtable;
        Some((found.kind == Kind::Put).then_some(Found { value: found.value, holder }))
    }

    fn find_in_runs<R>(
        &self,
        wanted: &Wanted<'_>,
        said: &mut FilterCounts,
        visit: impl FnOnce(Found<'_>) -> R,
    ) -> Result<Option<R>> {
        let mut visit = Some(visit);
        for runs in self.tables.chains.chunks(AHEAD) {
            let mut candidates = [None; AHEAD];
            for (candidate, run) in candidates.iter_mut().zip(runs) {
                *candidate = run.candidate(wanted);
                if let Some(table) = candidate {
                    table.prefetch_filter(wanted.hash);
                }
            }
            for table in candidates.into_iter().flatten() {
                if !table.passes(wanted, said) {
                    continue;
                }
                let found = table.find(wanted, |entry, bytes| {
                    let found = Found::of(table, &entry, bytes)?;
                    visit.take().map(|visit| visit(found))
                })?;
                table.note(found.is_some(), said);
                if let Some(found) = found {
                    return Ok(found);
                }
            }
        }
        Ok(None)
    }
}

//! The view: everything a read looks at, immutable, taken with one load.

use std::collections::BTreeMap;
use std::sync::Arc;

use lsm_manifest::{Span, Version};
use lsm_types::{RunNo, TableNo};

use crate::Result;
use crate::buffer::Buffer;
use crate::memo::Memos;
use crate::table::Table;

/// A table and the keys it still stands for.
#[derive(Clone, Debug)]
pub(crate) struct LiveTable {
    pub(crate) table: Arc<Table>,
    pub(crate) live: Span,
}

impl LiveTable {
    /// No key that the table stands for lies below this.
    pub(crate) fn first(&self) -> &[u8] {
        self.table.meta().properties().smallest.as_slice().max(&self.live.start)
    }

    /// Whether all keys that the table stands for lie below `key`.
    pub(crate) fn ends_before(&self, key: &[u8]) -> bool {
        self.table.meta().properties().largest.as_slice() < key
            || self.live.end.as_deref().is_some_and(|end| end <= key)
    }

    /// Whether all its keys lie below those of `other`.
    fn is_below(&self, other: &Self) -> bool {
        self.ends_before(other.first())
    }
}

/// A run with its tables open, in the order of their keys.
#[derive(Debug)]
pub(crate) struct LiveRun {
    /// Of several runs that were chained, that of the newest.
    pub(crate) number: RunNo,
    pub(crate) tables: Vec<LiveTable>,
}

impl LiveRun {
    /// The position of the first table that stands for `key` or a key above it.
    pub(crate) fn position(&self, key: &[u8]) -> usize {
        self.tables.partition_point(|live| live.ends_before(key))
    }

    /// The tables that can have keys in `range`.
    pub(crate) fn tables_in(&self, range: &Span) -> &[LiveTable] {
        let tables = self.tables.get(self.position(&range.start)..).unwrap_or_default();
        let Some(end) = range.end.as_deref() else { return tables };
        tables.get(..tables.partition_point(|live| live.first() < end)).unwrap_or(tables)
    }

    /// The tables of two runs as one run; `None` if their keys overlap.
    fn chained(&self, older: &Self) -> Option<Self> {
        let overlaps = self.tables.iter().any(|table| {
            let other = older.tables.get(older.position(table.first()));
            other.is_some_and(|other| !table.is_below(other))
        });
        if overlaps {
            return None;
        }
        let mut tables: Vec<_> = self.tables.iter().chain(&older.tables).cloned().collect();
        tables.sort_by(|a, b| a.first().cmp(b.first()));
        Some(Self { number: self.number, tables })
    }

    /// The only table of the run that could hold `key`.
    pub(crate) fn table_for(&self, key: &[u8]) -> Option<&Table> {
        let live = self.tables.get(self.position(key))?;
        let inside = live.table.meta().properties().smallest.as_slice() <= key;
        (inside && live.live.contains(key)).then_some(&*live.table)
    }
}

/// A version with its tables open.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) version: Version,
    /// Newest first.
    pub(crate) runs: Vec<Arc<LiveRun>>,
    /// The same for readers: neighbours in age whose keys do not overlap are one run.
    pub(crate) chains: Vec<Arc<LiveRun>>,
}

impl Tables {
    /// Opens a version: `open` gives the handle of each table by its number.
    pub(crate) fn new(
        version: Version,
        mut open: impl FnMut(TableNo) -> Result<Arc<Table>>,
    ) -> Result<Self> {
        let mut runs = Vec::with_capacity(version.runs().len());
        for (number, run) in version.runs().iter().rev() {
            let tables = run
                .tables
                .iter()
                .map(|meta| Ok(LiveTable { table: open(meta.number)?, live: meta.live.clone() }));
            let tables = tables.collect::<Result<_>>()?;
            runs.push(Arc::new(LiveRun { number: *number, tables }));
        }
        let chains = chain(&runs);
        Ok(Self { version, runs, chains })
    }

    /// All open tables by number.
    pub(crate) fn handles(&self) -> BTreeMap<TableNo, Arc<Table>> {
        let tables = self.runs.iter().flat_map(|run| &run.tables);
        tables.map(|live| (live.table.number(), Arc::clone(&live.table))).collect()
    }
}

/// Chains runs, newest first, with their older neighbours as long as no keys overlap.
fn chain(runs: &[Arc<LiveRun>]) -> Vec<Arc<LiveRun>> {
    let mut chains: Vec<Arc<LiveRun>> = Vec::with_capacity(runs.len());
    for run in runs {
        let chained = chains.last().and_then(|newer| newer.chained(run));
        match (chained, chains.last_mut()) {
            (Some(chained), Some(last)) => *last = Arc::new(chained),
            _ => chains.push(Arc::clone(run)),
        }
    }
    chains
}

/// What a read sees, together with the published number it loads next.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) active: Arc<Buffer>,
    /// Newest first.
    pub(crate) frozen: Vec<Arc<Buffer>>,
    pub(crate) tables: Arc<Tables>,
    /// Those of the store, which is one for all views.
    pub(crate) memos: Arc<Memos>,
}

impl View {
    /// All memtables, newest first.
    pub(crate) fn buffers(&self) -> impl Iterator<Item = &Arc<Buffer>> {
        std::iter::once(&self.active).chain(&self.frozen)
    }
}

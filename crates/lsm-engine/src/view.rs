//! The view: everything a read looks at, immutable, taken with one load.

use std::collections::BTreeMap;
use std::sync::Arc;

use lsm_manifest::{Span, Version};
use lsm_types::{RunNo, TableNo};

use crate::Result;
use crate::buffer::Buffer;
use crate::table::Table;

/// A table and the keys it still stands for.
#[derive(Clone, Debug)]
pub(crate) struct LiveTable {
    pub(crate) table: Arc<Table>,
    pub(crate) live: Span,
}

/// A run with its tables open, in the order of their keys.
#[derive(Debug)]
pub(crate) struct LiveRun {
    pub(crate) number: RunNo,
    pub(crate) tables: Vec<LiveTable>,
}

impl LiveRun {
    /// The position of the first table that stands for `key` or a key above it.
    pub(crate) fn position(&self, key: &[u8]) -> usize {
        let below = |live: &LiveTable| {
            live.table.meta().properties().largest.as_slice() < key
                || live.live.end.as_deref().is_some_and(|end| end <= key)
        };
        self.tables.partition_point(below)
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
        Ok(Self { version, runs })
    }

    /// All open tables by number.
    pub(crate) fn handles(&self) -> BTreeMap<TableNo, Arc<Table>> {
        let tables = self.runs.iter().flat_map(|run| &run.tables);
        tables.map(|live| (live.table.number(), Arc::clone(&live.table))).collect()
    }
}

/// What a read sees, together with the published number it loads next.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) active: Arc<Buffer>,
    /// Newest first.
    pub(crate) frozen: Vec<Arc<Buffer>>,
    pub(crate) tables: Arc<Tables>,
}

impl View {
    /// All memtables, newest first.
    pub(crate) fn buffers(&self) -> impl Iterator<Item = &Arc<Buffer>> {
        std::iter::once(&self.active).chain(&self.frozen)
    }
}

//! The sources of a view as cursors: memtables and runs.
//!
//! A source shows each key once, as [`lsm_merge`] wants it: of a memtable the newest
//! version that a reader may see, of a run the only one that counts.

use std::sync::Arc;

use lsm_manifest::Span;
use lsm_memtable::MemtableCursor;
use lsm_types::{Cursor, Entry, InternalKey, Kind, SeqNo};

use crate::block_place::Reading;
use crate::run_cursor::RunCursor;
use crate::value::Value;
use crate::view::View;
use crate::{Error, Result};

/// One source of entries.
#[derive(Debug)]
pub(crate) enum Source {
    Memtable(MemtableCursor),
    Run(RunCursor),
}

impl Source {
    /// The key and the value of the current entry, to keep, as what `row` makes of them.
    #[inline(always)]
    pub(crate) fn row<T>(&self, row: impl Fn(Value, Value) -> T) -> Option<T> {
        if let Self::Run(cursor) = self
            && let Some(row) = cursor.mapped_row(&row)
        {
            return Some(row);
        }
        let (key, value) = self.any_row()?;
        Some(row(key, value))
    }

    /// Goes to the first entry behind the block of a run.
    pub(crate) fn leave_block(&mut self) -> Result<()> {
        match self {
            Self::Memtable(_) => Ok(()),
            Self::Run(cursor) => cursor.leave_block(),
        }
    }

    #[inline(never)]
    fn any_row(&self) -> Option<(Value, Value)> {
        match self {
            Self::Memtable(cursor) => {
                let entry = cursor.entry()?;
                Some((Value::copied(entry.user_key), Value::copied(entry.value)))
            }
            Self::Run(cursor) => cursor.row(),
        }
    }

    /// Whether what it shows may lie outside of the range that it was made for.
    #[inline]
    pub(crate) const fn goes_beyond(&self) -> bool {
        matches!(self, Self::Memtable(_))
    }
}

impl View {
    /// Cursors over what a reader with the number `snapshot` may see and what can have
    /// keys in `range`.
    pub(crate) fn sources(
        &self,
        snapshot: SeqNo,
        range: &Arc<Span>,
        reading: Reading,
    ) -> Vec<Source> {
        let memtables = self.buffers().filter(|buffer| !buffer.memtable.is_empty());
        let memtables = memtables.map(|buffer| {
            let cursor = MemtableCursor::new(Arc::clone(&buffer.memtable));
            let cursor = cursor.newest(snapshot);
            Source::Memtable(if reading == Reading::Ahead { cursor.passing() } else { cursor })
        });
        let chains = self.tables.chains.iter().filter(|chain| !chain.tables_in(range).is_empty());
        let chains = chains.map(|chain| {
            Source::Run(RunCursor::new(Arc::clone(chain), Arc::clone(range), reading))
        });
        memtables.chain(chains).collect()
    }
}

fn infallible<T>(result: Result<T, std::convert::Infallible>) -> Result<T> {
    result.map_err(|never| match never {})
}

impl Cursor for Source {
    type Error = Error;

    fn seek(&mut self, target: InternalKey<'_>) -> Result<()> {
        match self {
            Self::Memtable(cursor) => infallible(cursor.seek(target)),
            Self::Run(cursor) => cursor.seek(target),
        }
    }

    fn seek_before(&mut self, target: Option<InternalKey<'_>>) -> Result<()> {
        match self {
            Self::Memtable(cursor) => infallible(cursor.seek_before(target)),
            Self::Run(cursor) => cursor.seek_before(target),
        }
    }

    #[inline(always)]
    fn next(&mut self) -> Result<()> {
        match self {
            Self::Memtable(cursor) => infallible(cursor.next()),
            Self::Run(cursor) => cursor.next(),
        }
    }

    #[inline(always)]
    fn prev(&mut self) -> Result<()> {
        match self {
            Self::Memtable(cursor) => infallible(cursor.prev()),
            Self::Run(cursor) => cursor.prev(),
        }
    }

    #[inline]
    fn entry(&self) -> Option<Entry<'_>> {
        match self {
            Self::Memtable(cursor) => cursor.entry(),
            Self::Run(cursor) => cursor.entry(),
        }
    }

    #[inline(always)]
    fn key(&self) -> Option<(&[u8], Kind)> {
        match self {
            Self::Memtable(cursor) => cursor.key(),
            Self::Run(cursor) => cursor.key(),
        }
    }
}

//! Cursors over the sources of a view: memtables and runs.
//!
//! A cursor owns what it walks and holds a position - table, block, entry - so it
//! can live as long as it likes and move between threads.

use std::ops::Range;
use std::sync::Arc;

use lsm_memtable::MemtableCursor;
use lsm_sstable::{Block, SstError, range_in};
use lsm_types::{Cursor, Entry, InternalKey, Kind, SeqNo};

use crate::table::BlockBytes;
use crate::view::{LiveRun, LiveTable};
use crate::{Error, Result};

/// How blocks come to a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// As a reader: in place or through the cache, verified at first touch.
    Serve,
    /// As a merge: from the disk, verified always, past the cache.
    Merge,
}

/// One source of entries.
#[derive(Debug)]
pub(crate) enum Source {
    Memtable(MemtableCursor),
    Run(RunCursor),
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

    fn next(&mut self) -> Result<()> {
        match self {
            Self::Memtable(cursor) => infallible(cursor.next()),
            Self::Run(cursor) => cursor.next(),
        }
    }

    fn prev(&mut self) -> Result<()> {
        match self {
            Self::Memtable(cursor) => infallible(cursor.prev()),
            Self::Run(cursor) => cursor.prev(),
        }
    }

    fn entry(&self) -> Option<Entry<'_>> {
        match self {
            Self::Memtable(cursor) => cursor.entry(),
            Self::Run(cursor) => cursor.entry(),
        }
    }
}

/// A position in a run: its tables, chained.
#[derive(Debug)]
pub(crate) struct RunCursor {
    run: Arc<LiveRun>,
    reading: Reading,
    /// The position of the current table in the run, and the place inside it.
    at: usize,
    inside: Option<TableCursor>,
}

impl RunCursor {
    pub(crate) fn new(run: Arc<LiveRun>, reading: Reading) -> Self {
        Self { run, reading, at: 0, inside: None }
    }

    /// Makes the first entry of the tables from `at` on the current one.
    fn enter_forward(&mut self, at: usize, from: InternalKey<'_>) -> Result<()> {
        self.inside = None;
        for at in at..self.run.tables.len() {
            let Some(live) = self.run.tables.get(at) else { break };
            let mut cursor = TableCursor::new(live.clone(), self.reading);
            cursor.seek(from)?;
            if cursor.is_somewhere() {
                (self.at, self.inside) = (at, Some(cursor));
                break;
            }
        }
        Ok(())
    }

    /// Makes the last entry of the tables before `end` the current one.
    fn enter_backward(&mut self, end: usize, before: Option<InternalKey<'_>>) -> Result<()> {
        self.inside = None;
        for at in (0..end).rev() {
            let Some(live) = self.run.tables.get(at) else { continue };
            let mut cursor = TableCursor::new(live.clone(), self.reading);
            cursor.seek_before(before)?;
            if cursor.is_somewhere() {
                (self.at, self.inside) = (at, Some(cursor));
                break;
            }
        }
        Ok(())
    }
}

impl Cursor for RunCursor {
    type Error = Error;

    fn seek(&mut self, target: InternalKey<'_>) -> Result<()> {
        self.enter_forward(self.run.position(target.user_key), target)
    }

    fn seek_before(&mut self, target: Option<InternalKey<'_>>) -> Result<()> {
        let all = self.run.tables.len();
        let end = target.map_or(all, |target| (self.run.position(target.user_key) + 1).min(all));
        self.enter_backward(end, target)
    }

    fn next(&mut self) -> Result<()> {
        // An error leaves the cursor nowhere: it must not go on behind a damaged table.
        let Some(mut inside) = self.inside.take() else { return Ok(()) };
        inside.next()?;
        if !inside.is_somewhere() {
            return self.enter_forward(self.at + 1, InternalKey::first_of(b""));
        }
        self.inside = Some(inside);
        Ok(())
    }

    fn prev(&mut self) -> Result<()> {
        let Some(mut inside) = self.inside.take() else { return Ok(()) };
        inside.prev()?;
        if !inside.is_somewhere() {
            return self.enter_backward(self.at, None);
        }
        self.inside = Some(inside);
        Ok(())
    }

    fn entry(&self) -> Option<Entry<'_>> {
        self.inside.as_ref()?.entry()
    }
}

/// A position in the live range of one table.
#[derive(Debug)]
struct TableCursor {
    live: LiveTable,
    reading: Reading,
    place: Option<Place>,
    /// The key of the entry at the place; blocks store keys in pieces.
    key: Vec<u8>,
}

#[derive(Debug)]
struct Place {
    block: usize,
    entry: usize,
    entries: usize,
    seq: SeqNo,
    kind: Kind,
    /// The block's bytes, where they are not read in place.
    held: Option<Arc<[u8]>>,
    /// Where the block's payload and the value lie: in the held bytes, or else in the
    /// mapping.
    payload: Range<usize>,
    value: Range<usize>,
}

impl TableCursor {
    fn new(live: LiveTable, reading: Reading) -> Self {
        Self { live, reading, place: None, key: Vec::new() }
    }

    fn is_somewhere(&self) -> bool {
        self.place.is_some()
    }

    /// Goes to an entry of a block, chosen by `choose`, which is shown the block. Goes
    /// nowhere if the entry is outside the live range; `false` if there is no such
    /// entry in the block.
    fn go(
        &mut self,
        block: usize,
        choose: impl FnOnce(&Block<'_>) -> std::result::Result<usize, SstError>,
    ) -> Result<bool> {
        let table = &self.live.table;
        let Some(handle) = table.meta().block(block) else { return Ok(true) };
        let same = self.place.take().filter(|place| place.block == block);
        let (held, payload) = match same {
            Some(Place { held, payload, .. }) => (held, payload),
            None => {
                let bytes = match self.reading {
                    Reading::Merge => BlockBytes::Held(table.read_block(&handle)?),
                    Reading::Serve => table.block_bytes(&handle)?,
                };
                table.open_block(&handle, bytes.bytes())?;
                match bytes {
                    BlockBytes::Held(held) => {
                        let all = 0..held.len();
                        (Some(held), all)
                    }
                    BlockBytes::InPlace(bytes) => (None, range_in(table.mapped(), bytes)),
                }
            }
        };
        let whole = held.as_deref().unwrap_or_else(|| table.mapped());
        let bytes = whole.get(payload.clone()).unwrap_or_default();
        let opened = Block::parse(bytes, handle.offset).map_err(|error| table.error(error))?;
        let entry = choose(&opened).map_err(|error| table.error(error))?;
        let found = opened.entry(entry).map_err(|error| table.error(error))?;
        let Some(found) = found else { return Ok(false) };
        let (seq, kind, entries) = (found.seq, found.kind, opened.len());
        let value = range_in(whole, found.value);
        found.join(&mut self.key);
        if self.live.live.contains(&self.key) {
            self.place = Some(Place { block, entry, entries, seq, kind, held, payload, value });
        }
        Ok(true)
    }

    /// Goes to the last entry of a block.
    fn go_last(&mut self, block: usize) -> Result<()> {
        self.go(block, |block| Ok(block.len() - 1)).map(drop)
    }
}

impl Cursor for TableCursor {
    type Error = Error;

    fn seek(&mut self, target: InternalKey<'_>) -> Result<()> {
        self.place = None;
        let start = self.live.live.start.clone();
        let target = target.max(InternalKey::first_of(&start));
        let Some(mut block) = self.live.table.meta().find_block(target.user_key) else {
            return Ok(());
        };
        // The index names the block by a shortened key: the entry may be in the next.
        while !self.go(block, |block| block.search(target))? {
            block += 1;
        }
        Ok(())
    }

    fn seek_before(&mut self, target: Option<InternalKey<'_>>) -> Result<()> {
        self.place = None;
        let live_end = self.live.live.end.clone();
        let live_end = live_end.as_deref().map(InternalKey::first_of);
        let end = match (target, live_end) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (end, None) | (None, end) => end,
        };
        let blocks = self.live.table.meta().block_count();
        let found =
            end.and_then(|end| Some((self.live.table.meta().find_block(end.user_key)?, end)));
        let Some((mut block, end)) = found else {
            return self.go_last(blocks.saturating_sub(1));
        };
        // From the block that may hold the end on: back from the first entry at or
        // behind it.
        loop {
            let (mut first, mut behind) = (false, false);
            self.go(block, |block| {
                let at = block.search(end)?;
                (first, behind) = (at == 0, at == block.len());
                Ok(at.saturating_sub(1))
            })?;
            if first {
                self.place = None;
                return match block.checked_sub(1) {
                    Some(before) => self.go_last(before),
                    None => Ok(()),
                };
            }
            // The end may lie in the next block: then that one decides.
            if !behind || block + 1 >= blocks {
                return Ok(());
            }
            block += 1;
        }
    }

    fn next(&mut self) -> Result<()> {
        let Some(place) = &self.place else { return Ok(()) };
        let (block, entry) = (place.block, place.entry);
        if entry + 1 < place.entries {
            return self.go(block, |_| Ok(entry + 1)).map(drop);
        }
        self.place = None;
        self.go(block + 1, |_| Ok(0)).map(drop)
    }

    fn prev(&mut self) -> Result<()> {
        let Some(place) = &self.place else { return Ok(()) };
        let (block, entry) = (place.block, place.entry);
        if let Some(before) = entry.checked_sub(1) {
            return self.go(block, |_| Ok(before)).map(drop);
        }
        self.place = None;
        match block.checked_sub(1) {
            Some(before) => self.go_last(before),
            None => Ok(()),
        }
    }

    fn entry(&self) -> Option<Entry<'_>> {
        let Place { seq, kind, held, value, .. } = self.place.as_ref()?;
        let bytes = held.as_deref().unwrap_or_else(|| self.live.table.mapped());
        let value = bytes.get(value.clone())?;
        Some(Entry { user_key: &self.key, seq: *seq, kind: *kind, value })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use lsm_manifest::Span;
    use lsm_testkit::{Rng, SimDisk};
    use lsm_types::SeqNo;

    use super::*;
    use crate::{Engine, Options};

    fn key(number: u64) -> Vec<u8> {
        format!("{number:04}").into_bytes()
    }

    /// A run of every third number below 600, in tables of a few blocks, of which
    /// each stands for a part of its keys only; and the numbers that are left.
    fn narrowed_run(mmap_reads: bool) -> (Engine, Arc<LiveRun>, Vec<u64>) {
        let options = Options { mmap_reads, table_bytes: 12_000, ..Options::default() };
        let disk = Arc::new(SimDisk::new(1));
        let engine = Engine::open_on(disk, Path::new("/store"), options).unwrap();
        (0..600).step_by(3).for_each(|n| engine.put(&key(n), &[7; 300]).unwrap());
        engine.flush().unwrap();
        let view = engine.shared.view.load_full();
        let run = &view.tables.runs[0];
        assert!(run.tables.len() > 3, "{} tables", run.tables.len());
        let mut left = Vec::new();
        let tables = run.tables.iter().map(|live| {
            let bounds = live.table.meta().properties();
            let number = |key: &[u8]| String::from_utf8_lossy(key).parse::<u64>().unwrap();
            let (first, last) = (number(&bounds.smallest) + 7, number(&bounds.largest) - 7);
            left.extend((first..last).filter(|number| number % 3 == 0));
            let live_range = Span { start: key(first), end: Some(key(last)) };
            LiveTable { table: Arc::clone(&live.table), live: live_range }
        });
        let tables = tables.collect();
        let run = Arc::new(LiveRun { number: run.number, tables });
        (engine, run, left)
    }

    fn at(cursor: &RunCursor) -> Option<u64> {
        let entry = cursor.entry()?;
        Some(String::from_utf8_lossy(entry.user_key).parse().unwrap())
    }

    #[test]
    fn a_run_is_walked_both_ways_from_anywhere_within_live_ranges() {
        for (mmap_reads, reading) in
            [(true, Reading::Serve), (false, Reading::Serve), (true, Reading::Merge)]
        {
            let (_engine, run, left) = narrowed_run(mmap_reads);
            let mut rng = Rng::new(5);
            for _ in 0..300 {
                let target = rng.below(620);
                let mut cursor = RunCursor::new(Arc::clone(&run), reading);
                let from = left.partition_point(|number| *number < target);
                // Before the first version of a key, or behind its last.
                let behind = rng.one_in(2) && left.contains(&target);
                let place = key(target);
                let seq = if behind { SeqNo::ZERO } else { SeqNo::MAX };
                let place = InternalKey { user_key: &place, seq };
                let from = from + usize::from(behind);

                cursor.seek(place).unwrap();
                for expected in left[from..].iter().take(60) {
                    assert_eq!(at(&cursor), Some(*expected), "forward from {target}");
                    cursor.next().unwrap();
                }
                cursor.seek_before(Some(place)).unwrap();
                for expected in left[..from].iter().rev().take(60) {
                    assert_eq!(at(&cursor), Some(*expected), "backward from {target}");
                    cursor.prev().unwrap();
                }
                // Turning round in the middle.
                cursor.seek(place).unwrap();
                if at(&cursor).is_some() && from > 0 {
                    cursor.prev().unwrap();
                    assert_eq!(at(&cursor), Some(left[from - 1]));
                    cursor.next().unwrap();
                    assert_eq!(at(&cursor), Some(left[from]));
                }
            }
            let mut cursor = RunCursor::new(run, reading);
            cursor.seek_before(None).unwrap();
            assert_eq!(at(&cursor), left.last().copied());
            cursor.next().unwrap();
            assert_eq!(at(&cursor), None);
        }
    }
}

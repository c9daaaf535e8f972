//! A position in a run: its tables, one behind the other.
//!
//! A cursor owns what it walks and holds a position - table, block, entry - so it can
//! live as long as it likes and move between threads.
//!
//! # Invariants
//!
//! * It stands on an entry inside its range and the live range of its table, or nowhere.
//!   Where they end in a block is found when the block is entered.
//! * No block is read that lies outside the range, as far as the index tells.
//! * Of the versions of a key it shows the newest. Tables that the engine writes hold
//!   no other; those with hidden versions are walked more slowly.

use std::sync::Arc;

use lsm_manifest::Span;
use lsm_sstable::{BlockHandle, SstError, StoredBlock};
use lsm_types::{Cursor, Entry, InternalKey, Kind};

use crate::block_place::{BlockPlace, Rank, Reading, rank};
use crate::key_buffer::KeyBuffer;
use crate::table::Table;
use crate::value::Value;
use crate::view::{LiveRun, LiveTable};
use crate::{Error, Result};

#[derive(Debug)]
pub(crate) struct RunCursor {
    run: Arc<LiveRun>,
    range: Arc<Span>,
    reading: Reading,
    place: Option<BlockPlace>,
    /// The key of the entry at the place; blocks store keys in pieces.
    key: KeyBuffer,
}

impl RunCursor {
    /// A cursor that stands nowhere yet, for keys in `range`.
    pub(crate) fn new(run: Arc<LiveRun>, range: Arc<Span>, reading: Reading) -> Self {
        Self { run, range, reading, place: None, key: KeyBuffer::default() }
    }

    /// How many keys its run has in its range, if the counts of the index tell: if
    /// there are no tombstones and no hidden versions between the ends.
    pub(crate) fn count_range(&self) -> Result<Option<usize>> {
        let mut count = 0;
        for live in self.run.tables_in(&self.range) {
            let within = live.live.intersect(&self.range);
            let meta = live.table.meta();
            let end = match &within.end {
                Some(end) => rank(&live.table, end, self.reading)?,
                None => {
                    Rank { before: meta.properties().counts.entries, block: meta.block_count() }
                }
            };
            let start = rank(&live.table, &within.start, self.reading)?;
            let [from, to] = [start.block, end.block + 1].map(|block| meta.counts_before(block));
            if (from.tombstones, from.hidden) != (to.tombstones, to.hidden) {
                return Ok(None);
            }
            count += end.before.saturating_sub(start.before);
        }
        Ok(usize::try_from(count).ok())
    }

    /// The key and the value of the current entry, to keep.
    pub(crate) fn row(&self) -> Option<(Value, Value)> {
        let place = self.place.as_ref()?;
        Some((self.key.kept(), place.kept()?))
    }

    /// The same for a short key and a value in a mapping, as what `row` makes of them;
    /// `None` for others.
    #[inline(always)]
    pub(crate) fn mapped_row<T>(&self, row: impl Fn(Value, Value) -> T) -> Option<T> {
        let place = self.place.as_ref()?;
        let key = self.key.inside()?;
        let (table, start, len) = place.mapped_value()?;
        Some(row(key, Value::mapped(table, start, len)))
    }

    /// The block whose first entry a merge stands on, and its table, if all of it lies in
    /// the range and nothing of it has to be looked at one by one.
    #[inline]
    pub(crate) fn whole_block(&self) -> Option<(&Arc<Table>, BlockHandle, StoredBlock<'_>)> {
        let place = self.place.as_ref().filter(|place| place.is_whole())?;
        let table = &self.live(place.table)?.table;
        let (handle, stored) = place.stored(table)?;
        (handle.counts.tombstones == 0).then_some((table, handle, stored))
    }

    /// Goes to the first entry behind the block.
    pub(crate) fn leave_block(&mut self) -> Result<()> {
        if let Some(place) = &mut self.place {
            place.entry = place.within.end.saturating_sub(1);
        }
        self.step()
    }

    fn live(&self, table: usize) -> Option<&LiveTable> {
        self.run.tables.get(table)
    }

    /// Reads a block of a table and finds which of its entries may be stood on. `None` if
    /// there is no such block.
    fn enter(&mut self, table: usize, block: usize) -> Result<Option<BlockPlace>> {
        let Some(live) = self.run.tables.get(table) else { return Ok(None) };
        let place = BlockPlace::enter(live, (table, block), self.reading, &mut self.key)?;
        let Some(mut place) = place else { return Ok(None) };
        let start = self.range.start.as_slice().max(&live.live.start);
        let end = self.range.end.iter().chain(&live.live.end).min();
        if !start.is_empty() && self.begins_with(table, block) {
            place.within.start = self.search(&place, InternalKey::first_of(start))?;
        }
        if let Some(end) = end.filter(|_| self.ends_with(table, block)) {
            place.within.end = self.search(&place, InternalKey::first_of(end))?;
        }
        Ok(Some(place))
    }

    fn search(&self, place: &BlockPlace, target: InternalKey<'_>) -> Result<usize> {
        place.search(target).map_err(|error| self.error(place, error))
    }

    /// Stands on entry `number` of the block, if it may be stood on.
    fn stand(&mut self, mut place: BlockPlace, number: usize) -> Result<bool> {
        let is_there = place.within.contains(&number)
            && place.read(number, &mut self.key).map_err(|error| self.error(&place, error))?;
        if is_there {
            self.place = Some(place);
        }
        Ok(is_there)
    }

    #[cold]
    fn error(&self, place: &BlockPlace, error: SstError) -> Error {
        match self.live(place.table) {
            Some(live) => live.table.error(error),
            None => Error::internal(std::path::Path::new(""), error.to_string()),
        }
    }

    /// Whether the blocks behind block `block` of a table hold no key of the range that
    /// the table stands for.
    fn ends_with(&self, table: usize, block: usize) -> bool {
        let Some(live) = self.live(table) else { return true };
        let Some(end) = self.range.end.iter().chain(&live.live.end).min() else { return false };
        let separator = live.table.meta().separator(block);
        separator.is_some_and(|parts| at_or_above(parts, end))
    }

    /// Whether the blocks before block `block` of a table hold no key of the range that
    /// the table stands for.
    fn begins_with(&self, table: usize, block: usize) -> bool {
        let Some(before) = block.checked_sub(1) else { return true };
        let Some(live) = self.live(table) else { return true };
        let start = self.range.start.as_slice().max(&live.live.start);
        let separator = live.table.meta().separator(before);
        separator.is_some_and(|parts| !at_or_above(parts, start))
    }

    /// Goes to the first entry at or after `from` of the tables from `table` on.
    fn enter_forward(&mut self, table: usize, from: InternalKey<'_>) -> Result<()> {
        for table in table..self.run.tables.len() {
            let Some(live) = self.live(table) else { break };
            let outside = self.range.end.as_deref().is_some_and(|end| live.first() >= end);
            if outside {
                break;
            }
            self.seek_in(table, from)?;
            if self.place.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Goes to the first entry at or after `target` of one table.
    fn seek_in(&mut self, table: usize, target: InternalKey<'_>) -> Result<()> {
        let Some(live) = self.run.tables.get(table) else { return Ok(()) };
        let start = self.range.start.as_slice().max(&live.live.start);
        let is_at_start = target <= InternalKey::first_of(start);
        let from = if is_at_start { start } else { target.user_key };
        let Some(mut block) = live.table.meta().find_block(from) else { return Ok(()) };
        if let Some(handle) = live.table.meta().block(block) {
            live.table.prefetch_block(&handle);
        }
        while let Some(place) = self.enter(table, block)? {
            let mut found = place.within.start;
            if !is_at_start {
                found = found.max(self.search(&place, target)?);
            }
            // The index names the block by a shortened key: the entry may be in the next.
            if self.stand(place, found)? || self.ends_with(table, block) {
                break;
            }
            block += 1;
        }
        if let Some(place) = &self.place {
            place.prefetch_behind();
        }
        Ok(())
    }

    /// Goes to the last entry before `before` of the tables before `end`.
    fn enter_backward(&mut self, end: usize, before: Option<InternalKey<'_>>) -> Result<()> {
        for table in (0..end).rev() {
            let Some(live) = self.live(table) else { continue };
            if live.ends_before(&self.range.start) {
                break;
            }
            self.seek_before_in(table, before)?;
            if self.place.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Goes to the last entry before `target` of one table.
    fn seek_before_in(&mut self, table: usize, target: Option<InternalKey<'_>>) -> Result<()> {
        let Some(live) = self.run.tables.get(table) else { return Ok(()) };
        let limit = self.range.end.iter().chain(&live.live.end).min();
        let limit = limit.map(|end| InternalKey::first_of(end));
        let end = match (target, limit) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (end, None) | (None, end) => end,
        };
        let meta = live.table.meta();
        let blocks = meta.block_count();
        let found = end.and_then(|end| meta.find_block(end.user_key));
        let Some(mut block) = found else {
            return self.last_of(table, blocks.saturating_sub(1));
        };
        // From the block that may hold the end on: back from the first entry at or
        // behind it.
        while let Some(place) = self.enter(table, block)? {
            let found = match target {
                Some(target) => self.search(&place, target)?.min(place.within.end),
                None => place.within.end,
            };
            let is_last = found == place.len();
            match found.checked_sub(1) {
                None => return self.block_before(table, block),
                // The end may lie in the next block: then that one decides.
                Some(_) if is_last && block + 1 < blocks && !self.ends_with(table, block) => {
                    block += 1;
                }
                Some(before) => return self.stand(place, before).map(drop),
            }
        }
        Ok(())
    }

    /// Goes to the last entry of the block before block `block` of a table.
    fn block_before(&mut self, table: usize, block: usize) -> Result<()> {
        match block.checked_sub(1) {
            Some(before) if !self.begins_with(table, block) => self.last_of(table, before),
            _ => Ok(()),
        }
    }

    /// Goes to the last entry of a block.
    fn last_of(&mut self, table: usize, block: usize) -> Result<()> {
        let Some(place) = self.enter(table, block)? else { return Ok(()) };
        let last = place.within.end.saturating_sub(1);
        // A walk from the back comes to a block by its end, and its head is far from there.
        if let Some(live) = self.live(table)
            && let Some(before) = block.checked_sub(1).and_then(|at| live.table.meta().block(at))
        {
            live.table.prefetch_block(&before);
        }
        self.stand(place, last).map(drop)
    }

    /// Moves one entry on within the block, if each key is there once.
    #[inline(always)]
    fn step_near(&mut self) -> bool {
        let Some(place) = &mut self.place else { return false };
        let next = place.entry + 1;
        place.is_plain && next < place.within.end && place.read_usual(next, &mut self.key)
    }

    /// Moves one entry on, whosever version it is.
    fn step(&mut self) -> Result<()> {
        // An error leaves the cursor nowhere: it must not go on behind damage.
        let Some(place) = self.place.take() else { return Ok(()) };
        let (table, block, next) = (place.table, place.block, place.entry + 1);
        if next < place.within.end {
            return self.stand(place, next).map(drop);
        }
        if self.ends_with(table, block) {
            // The next table may go on with the range.
            return self.enter_forward(table + 1, InternalKey::first_of(b""));
        }
        if let Some(next) = self.enter(table, block + 1)? {
            let first = next.within.start;
            self.stand(next, first)?;
        }
        if self.place.is_none() {
            self.enter_forward(table + 1, InternalKey::first_of(b""))?;
        }
        Ok(())
    }

    /// Moves one entry on; if there are hidden versions, over those.
    #[inline(never)]
    fn step_far(&mut self) -> Result<()> {
        if self.hidden_place().is_none() {
            return self.step();
        }
        let key = self.key.key().to_vec();
        while self.place.is_some() && self.key.key() == key {
            self.step()?;
        }
        Ok(())
    }

    /// Moves one entry back within the block, if each key is there once.
    #[inline(always)]
    fn step_back_near(&mut self) -> bool {
        let Some(place) = &mut self.place else { return false };
        let Some(before) = place.entry.checked_sub(1) else { return false };
        let is_there = place.is_plain
            && before >= place.within.start
            && place.read_usual(before, &mut self.key);
        if is_there {
            place.prefetch_before();
        }
        is_there
    }

    /// Moves one entry back, whosever version it is.
    fn step_back(&mut self) -> Result<()> {
        let Some(place) = self.place.take() else { return Ok(()) };
        let (table, block) = (place.table, place.block);
        match place.entry.checked_sub(1).filter(|before| *before >= place.within.start) {
            Some(before) => {
                self.stand(place, before)?;
            }
            None => self.block_before(table, block)?,
        }
        if self.place.is_none() {
            self.enter_backward(table, None)?;
        }
        Ok(())
    }

    #[inline(never)]
    fn step_back_far(&mut self) -> Result<()> {
        self.step_back()?;
        self.go_to_newest()
    }

    /// Goes back from the current entry to the newest version of its key.
    fn go_to_newest(&mut self) -> Result<()> {
        while let Some((table, block, entry)) = self.hidden_place() {
            let key = self.key.key().to_vec();
            self.step_back()?;
            if self.place.is_some() && self.key.key() == key {
                continue;
            }
            if let Some(place) = self.enter(table, block)? {
                self.stand(place, entry)?;
            }
            break;
        }
        Ok(())
    }

    /// Where it stands, if the table has hidden versions.
    fn hidden_place(&self) -> Option<(usize, usize, usize)> {
        let place = self.place.as_ref().filter(|place| !place.is_plain)?;
        Some((place.table, place.block, place.entry))
    }
}

/// Whether a separator, in two pieces, is `key` or lies behind it.
fn at_or_above((prefix, rest): (&[u8], &[u8]), key: &[u8]) -> bool {
    match key.split_at_checked(prefix.len()) {
        Some((head, tail)) => prefix.cmp(head).then_with(|| rest.cmp(tail)).is_ge(),
        None => prefix >= key,
    }
}

impl Cursor for RunCursor {
    type Error = Error;

    fn seek(&mut self, target: InternalKey<'_>) -> Result<()> {
        self.place = None;
        if self.range.end.as_deref().is_some_and(|end| end <= target.user_key) {
            return Ok(());
        }
        self.enter_forward(self.run.position(target.user_key), target)
    }

    fn seek_before(&mut self, target: Option<InternalKey<'_>>) -> Result<()> {
        self.place = None;
        if target.is_some_and(|target| target <= InternalKey::first_of(&self.range.start)) {
            return Ok(());
        }
        let all = self.run.tables.len();
        // A table that begins at the target or behind it is not looked at: it may lie
        // outside the range.
        let end = target.map_or(all, |target| {
            let begins_before = |live: &LiveTable| InternalKey::first_of(live.first()) < target;
            self.run.tables.partition_point(begins_before)
        });
        self.enter_backward(end, target)?;
        self.go_to_newest()
    }

    #[inline(always)]
    fn next(&mut self) -> Result<()> {
        if self.step_near() { Ok(()) } else { self.step_far() }
    }

    #[inline(always)]
    fn prev(&mut self) -> Result<()> {
        if self.step_back_near() { Ok(()) } else { self.step_back_far() }
    }

    #[inline]
    fn entry(&self) -> Option<Entry<'_>> {
        let place = self.place.as_ref()?;
        let value = place.value()?;
        Some(Entry { user_key: self.key.key(), seq: place.seq, kind: place.kind, value })
    }

    #[inline(always)]
    fn key(&self) -> Option<(&[u8], Kind)> {
        Some((self.key.key(), self.place.as_ref()?.kind))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use lsm_compaction::Cuts;
    use lsm_testkit::{Rng, SimDisk};
    use lsm_types::{RunNo, SeqNo};

    use super::*;
    use crate::install::Commit;
    use crate::output::Output;
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

    fn all() -> Arc<Span> {
        Arc::new(Span::all())
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
                let mut cursor = RunCursor::new(Arc::clone(&run), all(), reading);
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
            let mut cursor = RunCursor::new(run, all(), reading);
            cursor.seek_before(None).unwrap();
            assert_eq!(at(&cursor), left.last().copied());
            cursor.next().unwrap();
            assert_eq!(at(&cursor), None);
        }
    }

    /// Tables of the engine hold each key once. One that another program wrote may not.
    #[test]
    fn of_several_versions_in_a_table_the_newest_is_shown() {
        let disk = Arc::new(SimDisk::new(1));
        let engine = Engine::open_on(disk, Path::new("/store"), Options::default()).unwrap();
        let mut output = Output::new(&engine.shared, u64::MAX, Cuts::none(), None);
        let value = [7; 500];
        let (mut newest, mut count) = (Vec::new(), 0);
        for number in 0..200 {
            let key = key(number);
            // Up to thirty, which is more than a block takes.
            for version in (0..=number % 30).rev() {
                let seq = SeqNo::new(1 + version).unwrap();
                let entry = Entry { user_key: &key, seq, kind: Kind::Put, value: &value };
                output.push(&entry).unwrap();
                count += 1;
            }
            newest.push((number, 1 + number % 30));
        }
        let mut commit = Commit::default();
        output.finish(&mut commit).unwrap();
        let table = Arc::clone(&commit.tables[0]);
        assert_eq!(table.meta().properties().counts.entries, count);
        let tables = vec![LiveTable { table, live: Span::all() }];
        let run = Arc::new(LiveRun { number: RunNo::new(1).unwrap(), tables });
        let shown =
            |cursor: &RunCursor| cursor.entry().map(|entry| (at(cursor).unwrap(), entry.seq.get()));
        for from in [0, 1, 57, 150, 199] {
            let mut cursor = RunCursor::new(Arc::clone(&run), all(), Reading::Serve);
            cursor.seek(InternalKey::first_of(&key(from))).unwrap();
            for expected in &newest[from as usize..] {
                assert_eq!(shown(&cursor), Some(*expected), "forward from {from}");
                cursor.next().unwrap();
            }
            assert_eq!(shown(&cursor), None);
            cursor.seek_before(Some(InternalKey::first_of(&key(from)))).unwrap();
            for expected in newest[..from as usize].iter().rev() {
                assert_eq!(shown(&cursor), Some(*expected), "backward from {from}");
                cursor.prev().unwrap();
            }
            assert_eq!(shown(&cursor), None);
        }
        let cursor = RunCursor::new(run, all(), Reading::Serve);
        assert_eq!(cursor.count_range().unwrap(), None, "counts alone do not tell");
    }
}

//! Blocks that a merge carries over whole.
//!
//! Where a merge stands on the first entry of a block and no other input has a key up to
//! the last one, what comes next is that block. Its stored bytes, verified when they were
//! read, become a block of the output: its entries are looked at for what the table says of
//! them, but neither taken apart nor put together, packed or hashed into buckets anew.
//!
//! # Invariants
//!
//! * The output reads as if the entries had gone over one by one; only where its blocks
//!   begin differs. No tombstone goes over this way, since it might be left out.
//! * Blocks stay full: what waits to become a block is cut short only if it is three quarters
//!   of a block already, or [`STRETCH`] such blocks can follow. A short block is never carried
//!   over.

use lsm_sstable::{BlockHandle, Codec, RunMeta, StoredBlock, WriteOptions};

use lsm_merge::Merge;

use crate::shared::Shared;
use crate::source::Source;
use crate::table::Table;

/// So many blocks in a row are worth a short one before them.
const STRETCH: usize = 8;
/// The blocks of a simulation are few.
const STEPPED_STRETCH: usize = 1;

/// Says which blocks go over whole.
#[derive(Debug)]
pub(crate) struct Carry {
    codec: Codec,
    stretch: usize,
}

/// A block that may go over whole.
pub(crate) struct Whole<'r> {
    pub(crate) table: &'r Table,
    pub(crate) block: StoredBlock<'r>,
    pub(crate) last: Vec<u8>,
}

impl Carry {
    pub(crate) fn new(shared: &Shared) -> Self {
        let stretch = if shared.is_stepped() { STEPPED_STRETCH } else { STRETCH };
        Self { codec: shared.disk.options.codec, stretch }
    }

    /// The block that the merge stands at the beginning of, if it may go over whole behind
    /// `waiting` bytes that wait to become a block.
    #[inline]
    pub(crate) fn find<'r>(
        &self,
        rows: &'r Merge<Source>,
        waiting: impl FnOnce() -> usize,
    ) -> Option<Whole<'r>> {
        let Some(Source::Run(cursor)) = rows.source() else { return None };
        let (table, handle, block) = cursor.whole_block()?;
        let last = self.last_key(rows, table.meta(), (&handle, &block), waiting())?;
        Some(Whole { table, block, last })
    }

    #[inline(never)]
    fn last_key(
        &self,
        rows: &Merge<Source>,
        meta: &RunMeta,
        (handle, block): (&BlockHandle, &StoredBlock<'_>),
        waiting: usize,
    ) -> Option<Vec<u8>> {
        let limit = WriteOptions::of(self.codec).block_bytes;
        // Or another entry of the same length would not go in.
        let one = block.raw_bytes() / block.len();
        let is_full = |bytes: usize| bytes >= limit / 4 * 3 || bytes + one > limit;
        if meta.properties().codec != self.codec || !is_full(block.raw_bytes()) {
            return None;
        }
        let is_worth_it =
            waiting == 0 || is_full(waiting) || self.begins_stretch(rows, meta, handle);
        let last = block.last().ok().filter(|_| is_worth_it)?.to_key();
        rows.is_alone_up_to(&last).then_some(last)
    }

    /// Whether as many blocks as are worth it may go over one behind another, none of them
    /// much shorter than the first, as far as the index tells.
    fn begins_stretch(&self, rows: &Merge<Source>, meta: &RunMeta, handle: &BlockHandle) -> bool {
        let first = handle.number as usize;
        let is_long =
            |block: BlockHandle| block.len >= handle.len / 4 * 3 && block.counts.tombstones == 0;
        let mut blocks = first..first + self.stretch;
        let end = meta.separator(first + self.stretch - 1);
        blocks.all(|number| meta.block(number).is_some_and(is_long))
            && end.is_some_and(|(prefix, rest)| rows.is_alone_up_to(&[prefix, rest].concat()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::Arc;

    use lsm_testkit::{Rng, SimDisk};

    use super::*;
    use crate::{Engine, Options, ScanRange};

    type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

    /// A store that merges when it is asked to, and then everything.
    fn open(codec: Codec) -> Engine {
        let options = Options { codec, compaction_trigger: usize::MAX, ..Options::default() };
        Engine::open_on(Arc::new(SimDisk::new(1)), Path::new("/store"), options).unwrap()
    }

    fn codecs() -> Vec<Codec> {
        if cfg!(feature = "lz4") { vec![Codec::Plain, Codec::Lz4] } else { vec![Codec::Plain] }
    }

    fn key(number: u64) -> Vec<u8> {
        format!("key-{number:06}").into_bytes()
    }

    /// Keys above which a value of so many bytes stands, which can be packed in half.
    fn put(engine: &Engine, rows: &mut Rows, numbers: impl IntoIterator<Item = u64>, bytes: usize) {
        let mut rng = Rng::new(7);
        for number in numbers {
            let noise = (0..bytes / 2).map(|_| rng.next_u64() as u8);
            let value: Vec<u8> = noise.chain(vec![b'x'; bytes / 2]).collect();
            engine.put(&key(number), &value).unwrap();
            rows.insert(key(number), value);
        }
        engine.flush().unwrap();
    }

    /// The payload of each block of the oldest run, and how many tables it has.
    fn blocks(engine: &Engine) -> Vec<Vec<u8>> {
        let view = engine.shared.view.load_full();
        let tables = view.tables.runs.iter().last().into_iter().flat_map(|run| &run.tables);
        let blocks = tables.flat_map(|live| {
            live.table.meta().blocks().map(|handle| {
                let read = live.table.read_block(&handle).unwrap();
                read.bytes[read.payload].to_vec()
            })
        });
        blocks.collect()
    }

    /// Rows, counts, bounds and filters are those of `rows`, all of them in one run.
    fn check(engine: &Engine, rows: &Rows) {
        let all = ScanRange::new(&(..));
        let found: Vec<_> = engine.scan(&all).unwrap().collect();
        let expected: Vec<_> = rows.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        assert!(found == expected, "{} rows for {}", found.len(), expected.len());
        let view = engine.shared.view.load_full();
        assert_eq!(view.tables.runs.len(), 1);
        let (mut entries, mut keys, mut values) = (0, 0, 0);
        for live in &view.tables.runs[0].tables {
            let said = live.table.meta().properties();
            entries += said.counts.entries;
            keys += said.key_bytes;
            values += said.value_bytes;
        }
        let bytes = |of: fn((&Vec<u8>, &Vec<u8>)) -> usize| rows.iter().map(of).sum::<usize>();
        assert_eq!(entries, rows.len() as u64);
        assert_eq!(keys, bytes(|(key, _)| key.len()) as u64);
        assert_eq!(values, bytes(|(_, value)| value.len()) as u64);
        for (key, value) in rows {
            assert_eq!(engine.get(key).unwrap().as_ref(), Some(value));
        }
    }

    #[test]
    fn blocks_that_nothing_overlaps_go_over_as_they_are() {
        for codec in codecs() {
            for (bytes, count) in [(100, 8_000), (5_000, 200), (40_000, 60)] {
                let (engine, mut rows) = (open(codec), Rows::new());
                put(&engine, &mut rows, (0..2 * count).step_by(2), bytes);
                let before = blocks(&engine);
                assert!(before.len() > 20, "{}", before.len());
                // One key more, one that is there already, and one behind all others.
                put(&engine, &mut rows, [count | 1, count / 2 * 2, 3 * count], bytes);
                engine.compact_range(&ScanRange::new(&(..))).unwrap();
                let after = blocks(&engine);
                let same = before.iter().filter(|block| after.contains(block)).count();
                assert!(same + 5 >= before.len(), "{same} of {}, {codec:?}", before.len());
                check(&engine, &rows);
            }
        }
    }

    /// Where a short block would come before each block that is carried over.
    #[test]
    fn blocks_stay_full_however_often_keys_come_in_between() {
        for codec in codecs() {
            let (engine, mut rows) = (open(codec), Rows::new());
            put(&engine, &mut rows, (0..6_000).map(|number| 10 * number), 100);
            let blocks_at_first = blocks(&engine).len();
            let mut rng = Rng::new(3);
            for round in (0..60).rev() {
                let step = if codec == Codec::Plain { 35 } else { 95 };
                put(&engine, &mut rows, [10 * step * round + 5, 1 + 10 * rng.below(6_000)], 100);
                engine.compact_range(&ScanRange::new(&(..))).unwrap();
            }
            let blocks = blocks(&engine).len();
            assert!(blocks < blocks_at_first * 4 / 3, "{blocks} of {blocks_at_first}, {codec:?}");
            check(&engine, &rows);
        }
    }

    /// Where each block begins with the fence that the one before ends with.
    #[test]
    fn a_full_table_ends_inside_a_block_where_no_other_fence_changes() {
        let disk = Arc::new(SimDisk::new(1));
        let open = |table_bytes| {
            let options =
                Options { table_bytes, compaction_trigger: usize::MAX, ..Options::default() };
            Engine::open_on(disk.clone(), Path::new("/store"), options).unwrap()
        };
        // One key and then three of each fence, three keys to a block.
        let key = |n: u64| format!("{:0256}{n:06}", n.div_ceil(3)).into_bytes();
        let engine = open(1 << 30);
        (0..300).for_each(|n| engine.put(&key(n), &[7; 1_100]).unwrap());
        engine.flush().unwrap();
        assert!((100..104).contains(&blocks(&engine).len()), "{}", blocks(&engine).len());
        engine.close().unwrap();
        let engine = open(20_000);
        engine.put(&key(0), &[8; 1_100]).unwrap();
        engine.flush().unwrap();
        engine.compact_range(&ScanRange::new(&(..))).unwrap();
        let view = engine.shared.view.load_full();
        assert_eq!(view.tables.runs.len(), 1);
        let tables = view.tables.runs[0].tables.len();
        assert!(tables >= 10, "{tables} tables");
    }

    #[test]
    fn a_tombstone_that_hides_nothing_keeps_no_block_alive() {
        let (engine, mut rows) = (open(Codec::Plain), Rows::new());
        put(&engine, &mut rows, 0..3_000, 100);
        for number in 1_000..2_000 {
            engine.delete(&key(number)).unwrap();
            rows.remove(&key(number));
        }
        engine.flush().unwrap();
        engine.compact_range(&ScanRange::new(&(..))).unwrap();
        check(&engine, &rows);
    }
}

//! Verifying in idle time what nobody has read yet.
//!
//! Steps, by the compaction worker while no merge is due and no memtable waits: pause;
//! compare the checksums of some blocks of one table that was there when the store was
//! opened; until all are compared. Tables that this process writes are verified by
//! birth, so once nothing is left nothing ever is again. A damaged table is fenced from
//! merges, named in the stats, and left alone; reads of its other blocks go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::shared::Shared;
use crate::table::Table;
use crate::work::Work;

/// How long the worker pauses before each step.
pub(crate) const PAUSE: Duration = Duration::from_millis(10);

/// Bytes of a step: with the pauses, at most 25 MB/s and a hundredth of a processor.
const STEP_BYTES: u64 = 256 << 10;

/// Which blocks of a table were found intact, one bit each.
#[derive(Debug)]
pub(crate) struct Verified {
    words: Box<[AtomicU64]>,
    /// How many are not.
    left: AtomicUsize,
}

impl Verified {
    pub(crate) fn new(blocks: usize, all: bool) -> Self {
        let word = if all { u64::MAX } else { 0 };
        Self {
            words: (0..blocks.div_ceil(64)).map(|_| AtomicU64::new(word)).collect(),
            left: AtomicUsize::new(if all { 0 } else { blocks }),
        }
    }

    #[inline]
    pub(crate) fn get(&self, block: usize) -> bool {
        let word = self.words.get(block / 64).map_or(0, |word| word.load(Ordering::Relaxed));
        word & (1 << (block % 64)) != 0
    }

    pub(crate) fn set(&self, block: usize) {
        let Some(word) = self.words.get(block / 64) else { return };
        let bit = 1 << (block % 64);
        if word.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            self.left.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// How many blocks were not found intact yet.
    pub(crate) fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    /// The first block from `from` on that was not, if there is one; perhaps one behind
    /// the last.
    pub(crate) fn first_left(&self, from: usize) -> Option<usize> {
        let words = self.words.iter().map(|word| word.load(Ordering::Relaxed)).enumerate();
        // What lies before `from` counts as done.
        let done = |at: usize| if at == from / 64 { (1 << (from % 64)) - 1 } else { 0 };
        let mut words = words.skip(from / 64).map(|(at, word)| (at, word | done(at)));
        let (at, word) = words.find(|(_, word)| *word != u64::MAX)?;
        Some(at * 64 + word.trailing_ones() as usize)
    }
}

impl Shared {
    /// A table with blocks that nobody has verified, if it is time for them.
    pub(crate) fn to_verify(&self, work: &mut Work) -> Option<Arc<Table>> {
        if work.all_verified {
            return None;
        }
        let view = self.view.load();
        if !view.frozen.is_empty() {
            return None;
        }
        let tables = view.tables.runs.iter().flat_map(|run| &run.tables).map(|live| &live.table);
        let left = |table: &&Arc<Table>| {
            table.blocks_to_verify() > 0 && !work.busy.fenced.contains(&table.number())
        };
        let found = tables.into_iter().find(left).cloned();
        work.all_verified = found.is_none();
        found
    }

    /// Verifies some blocks of `table`.
    pub(crate) fn verify_some(&self, table: &Table) {
        if let Err(error) = table.verify_some(STEP_BYTES) {
            tracing::error!(%error, "found while idle; the table is kept out of merges");
            let mut work = self.work.lock();
            work.fence(table.number(), Arc::new(error));
            self.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_block_is_left_until_it_is_set() {
        for blocks in [1, 63, 64, 65, 200] {
            let verified = Verified::new(blocks, false);
            for block in 0..blocks {
                assert_eq!(
                    (verified.left(), verified.first_left(0)),
                    (blocks - block, Some(block))
                );
                assert!(!verified.get(block));
                verified.set(block);
                verified.set(block);
                assert!(verified.get(block));
            }
            assert_eq!(verified.left(), 0);
            assert!(verified.first_left(0).is_none_or(|block| block >= blocks));
            assert_eq!((Verified::new(blocks, true).left(), verified.get(blocks + 64)), (0, false));
        }
    }

    #[test]
    fn the_next_block_is_found_from_anywhere() {
        let verified = Verified::new(200, false);
        let done = [0, 1, 2, 63, 64, 65, 127, 128, 150];
        done.iter().for_each(|block| verified.set(*block));
        for from in 0..200 {
            let expected = (from..200).find(|block| !done.contains(block));
            assert_eq!(verified.first_left(from), expected, "from {from}");
        }
    }
}

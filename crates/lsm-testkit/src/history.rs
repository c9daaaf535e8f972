//! Random histories: which operations come, on which keys.

use std::ops::Bound;

use crate::Rng;

/// A key.
pub type Key = Vec<u8>;
/// A value.
pub type Value = Vec<u8>;

/// One operation of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Set a key.
    Put(Key, Value),
    /// Delete a key.
    Delete(Key),
    /// Set and delete several keys as one; `None` deletes.
    Batch(Vec<(Key, Option<Value>)>),
    /// Look a key up.
    Get(Key),
    /// Walk a range, so many rows from the front and so many from the back, by turns.
    Scan(Bound<Key>, Bound<Key>),
    /// Bring everything into tables.
    Flush,
    /// Merge all keys of a range.
    Compact(Bound<Key>, Bound<Key>),
    /// Wait until nothing is left to do in the background.
    Settle,
    /// Close and open again.
    Reopen,
}

/// What histories look like: a distribution of operations and keys.
#[derive(Clone, Debug)]
pub struct Shape {
    /// How many different keys there are.
    pub keys: u64,
    /// Values are up to this long.
    pub value_bytes: u64,
    /// Batches hold up to this many operations.
    pub batch_ops: u64,
    /// One operation in so many is a scan.
    pub scan_one_in: u64,
    /// One operation in so many is a flush.
    pub flush_one_in: u64,
    /// One operation in so many is a reopening.
    pub reopen_one_in: u64,
    /// One operation in so many merges what is there, of all keys or some.
    pub compact_one_in: u64,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            keys: 300,
            value_bytes: 60,
            batch_ops: 12,
            scan_one_in: 40,
            flush_one_in: 400,
            reopen_one_in: 1500,
            compact_one_in: 700,
        }
    }
}

/// Makes a history out of a seed.
#[derive(Clone, Debug)]
pub struct Generator {
    rng: Rng,
    shape: Shape,
}

impl Generator {
    /// The history that belongs to `seed`.
    #[must_use]
    pub const fn new(seed: u64, shape: Shape) -> Self {
        Self { rng: Rng::new(seed), shape }
    }

    /// The next operation.
    pub fn op(&mut self) -> Op {
        if self.rng.one_in(self.shape.reopen_one_in) {
            return Op::Reopen;
        }
        if self.rng.one_in(self.shape.compact_one_in) {
            return match self.rng.below(4) {
                0 => Op::Settle,
                1 => Op::Compact(Bound::Unbounded, Bound::Unbounded),
                _ => Op::Compact(self.bound(), self.bound()),
            };
        }
        if self.rng.one_in(self.shape.flush_one_in) {
            return Op::Flush;
        }
        if self.rng.one_in(self.shape.scan_one_in) {
            return Op::Scan(self.bound(), self.bound());
        }
        match self.rng.below(10) {
            0..=3 => Op::Put(self.key(), self.value()),
            4..=5 => Op::Delete(self.key()),
            6 => {
                let ops = self.rng.below(self.shape.batch_ops + 1);
                Op::Batch((0..ops).map(|_| self.change()).collect())
            }
            _ => Op::Get(self.key()),
        }
    }

    fn change(&mut self) -> (Key, Option<Value>) {
        let key = self.key();
        let value = if self.rng.one_in(3) { None } else { Some(self.value()) };
        (key, value)
    }

    /// Keys of all lengths from 0 on, many of them prefixes of others, some long.
    fn key(&mut self) -> Key {
        let number = self.rng.below(self.shape.keys);
        match number % 7 {
            0 => vec![0; (number / 7 % 9) as usize],
            1 => vec![0xff; (number / 7 % 9) as usize],
            2 => [vec![b'p'; 300], number.to_be_bytes().to_vec()].concat(),
            3 => number.to_le_bytes().to_vec(),
            _ => format!("key-{number:06}").into_bytes(),
        }
    }

    fn value(&mut self) -> Value {
        let len = match self.rng.below(20) {
            0 => 0,
            1 => self.rng.below(20 * self.shape.value_bytes + 1),
            _ => self.rng.below(self.shape.value_bytes + 1),
        };
        let fill = self.rng.next_u64().to_le_bytes();
        fill.iter().copied().cycle().take(len as usize).collect()
    }

    fn bound(&mut self) -> Bound<Key> {
        match self.rng.below(4) {
            0 => Bound::Unbounded,
            1 => Bound::Excluded(self.key()),
            _ => Bound::Included(self.key()),
        }
    }
}

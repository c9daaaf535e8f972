//! A value, or a key, that a reader keeps without a copy where that is cheaper.
//!
//! Few bytes are copied into the value itself. Others stay where they lie - in the
//! mapping of a table, or in an unpacked block - and are kept alive by it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use lsm_sstable::range_in;

use crate::read::{Found, Holder};
use crate::table::Table;

/// So many bytes are copied rather than shared: three words but for the byte that counts
/// them.
pub(crate) const INLINE_BYTES: usize = 23;

/// Bytes that stay as they were read, whatever happens to the store.
#[derive(Clone)]
pub struct Value(Place);

/// Whole words throughout: a value is moved several times until it is where it is wanted,
/// and what was just written goes on at once only if it is read in the same pieces.
#[derive(Clone)]
enum Place {
    /// Inside: the bytes, zeros, and in the last byte how many they are.
    Inline(Words),
    /// In a block, or in bytes of its own: where in them it starts, and its length above.
    Held { bytes: Arc<[u8]>, start_and_len: u64 },
    /// In the mapping of a table.
    Mapped { table: Arc<Table>, start: usize, len: usize },
}

/// Aligned, so that what says which of these a place is takes a whole word, too.
#[derive(Clone, Copy)]
#[repr(align(8))]
struct Words([[u8; 8]; 3]);

const _: () = assert!(size_of::<Value>() == 32);
const _: () = assert!(size_of::<Option<Result<(Value, Value), ()>>>() == 64);

impl Value {
    /// A copy.
    #[inline(always)]
    pub(crate) fn copied(bytes: &[u8]) -> Self {
        Self::inline(bytes).unwrap_or_else(|| Self::boxed(bytes))
    }

    #[inline(always)]
    fn inline(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > INLINE_BYTES {
            return None;
        }
        // By words, in registers.
        let mut words = [0_u64; 3];
        let (whole, rest) = bytes.as_chunks::<8>();
        words.iter_mut().zip(whole).for_each(|(word, bytes)| *word = u64::from_le_bytes(*bytes));
        if let Some(word) = words.get_mut(whole.len()) {
            *word = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        }
        Some(Self::of_words(words, bytes.len()))
    }

    /// The first `len` bytes of three words, the lowest first; behind them are zeros.
    #[inline(always)]
    pub(crate) fn of_words([first, second, third]: [u64; 3], len: usize) -> Self {
        let third = third | (len as u64) << 56;
        Self(Place::Inline(Words([first, second, third].map(u64::to_le_bytes))))
    }

    /// A copy outside.
    #[inline(never)]
    pub(crate) fn boxed(bytes: &[u8]) -> Self {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self(Place::Held { bytes: bytes.into(), start_and_len: u64::from(len) << 32 })
    }

    /// What a read found, to keep.
    #[inline]
    pub(crate) fn found(found: &Found<'_>) -> Self {
        let bytes = found.value;
        match found.holder {
            Holder::Memtable => Self::copied(bytes),
            Holder::Mapped(table) => {
                let start = range_in(table.mapped(), bytes).start;
                Self::of_table(bytes, table, start)
            }
            Holder::Block(block) => Self::of_block(bytes, block, range_in(block, bytes).start),
        }
    }

    /// These bytes, which begin at `start` in the mapping of a table.
    #[inline]
    pub(crate) fn of_table(bytes: &[u8], table: &Arc<Table>, start: usize) -> Self {
        Self::inline(bytes).unwrap_or_else(|| Self::mapped(table, start, bytes.len()))
    }

    /// What lies in the mapping of a table.
    #[inline(always)]
    pub(crate) fn mapped(table: &Arc<Table>, start: usize, len: usize) -> Self {
        Self(Place::Mapped { table: Arc::clone(table), start, len })
    }

    /// These bytes, which begin at `start` in a block.
    #[inline]
    pub(crate) fn of_block(bytes: &[u8], block: &Arc<[u8]>, start: usize) -> Self {
        if let Some(value) = Self::inline(bytes) {
            return value;
        }
        match (u32::try_from(start), u32::try_from(bytes.len())) {
            (Ok(start), Ok(len)) => {
                let start_and_len = u64::from(len) << 32 | u64::from(start);
                Self(Place::Held { bytes: Arc::clone(block), start_and_len })
            }
            _ => Self::copied(bytes),
        }
    }
}

impl Deref for Value {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let (bytes, start, len) = match &self.0 {
            Place::Inline(words) => {
                let bytes = words.0.as_flattened();
                (bytes, 0, bytes.last().map_or(0, |len| usize::from(*len)))
            }
            Place::Held { bytes, start_and_len: at } => {
                (&**bytes, *at as u32 as usize, (at >> 32) as usize)
            }
            Place::Mapped { table, start, len } => (table.mapped(), *start, *len),
        };
        // The range was cut out of these bytes, whose length does not change.
        bytes.get(start..start + len).unwrap_or_default()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_what_it_was_made_from() {
        for len in (0..=INLINE_BYTES + 1).chain([100_000]) {
            let bytes: Vec<u8> = (0..len).map(|at| at as u8).collect();
            assert_eq!(*Value::copied(&bytes), *bytes);
            let block: Arc<[u8]> = [b"before", &*bytes, b"behind"].concat().into();
            assert_eq!(*Value::of_block(&bytes, &block, 6).clone(), *bytes);
        }
    }
}

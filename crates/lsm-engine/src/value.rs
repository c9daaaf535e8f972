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

/// So many bytes are copied rather than shared: three words, of the four that a value has.
const INLINE_BYTES: usize = 24;

/// Bytes that stay as they were read, whatever happens to the store.
#[derive(Clone)]
pub struct Value(Place);

#[derive(Clone)]
enum Place {
    Inline {
        bytes: Words,
        len: u8,
    },
    /// In a block, or in bytes of its own.
    Held {
        bytes: Arc<[u8]>,
        start: u32,
        len: u32,
    },
    /// In the mapping of a table.
    Mapped {
        table: Arc<Table>,
        start: u64,
        len: u32,
    },
}

/// A few bytes, at a whole word: a value is moved several times until it is where it is
/// wanted, and words that were just written are read back at once only as they are.
#[derive(Clone, Copy)]
#[repr(align(8))]
struct Words([u8; INLINE_BYTES]);

const _: () = assert!(size_of::<Value>() == 32);

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
        // By words, in registers: what lies behind the bytes is zero.
        let mut words = [0_u64; INLINE_BYTES / 8];
        let (whole, rest) = bytes.as_chunks::<8>();
        words.iter_mut().zip(whole).for_each(|(word, bytes)| *word = u64::from_le_bytes(*bytes));
        if let Some(word) = words.get_mut(whole.len()) {
            *word = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        }
        let mut copy = Words([0; INLINE_BYTES]);
        let room = copy.0.as_chunks_mut::<8>().0;
        room.iter_mut().zip(words).for_each(|(to, word)| *to = word.to_le_bytes());
        Some(Self(Place::Inline { bytes: copy, len: bytes.len() as u8 }))
    }

    #[inline(never)]
    fn boxed(bytes: &[u8]) -> Self {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self(Place::Held { bytes: bytes.into(), start: 0, len })
    }

    /// What a read found, to keep.
    #[inline]
    pub(crate) fn found(found: &Found<'_>) -> Self {
        let bytes = found.value;
        match found.holder {
            Holder::Memtable => Self::copied(bytes),
            Holder::Mapped(table) => {
                let start = range_in(table.mapped(), bytes).start;
                Self::of_table(bytes, || Some(table), start)
            }
            Holder::Block(block) => Self::of_block(bytes, block, range_in(block, bytes).start),
        }
    }

    /// These bytes, which begin at `start` in the mapping of a table.
    #[inline]
    pub(crate) fn of_table<'a>(
        bytes: &[u8],
        table: impl FnOnce() -> Option<&'a Arc<Table>>,
        start: usize,
    ) -> Self {
        if let Some(value) = Self::inline(bytes) {
            return value;
        }
        match (table(), u32::try_from(bytes.len())) {
            (Some(table), Ok(len)) => {
                let table = Arc::clone(table);
                Self(Place::Mapped { table, start: start as u64, len })
            }
            _ => Self::copied(bytes),
        }
    }

    /// These bytes, which begin at `start` in a block.
    #[inline]
    pub(crate) fn of_block(bytes: &[u8], block: &Arc<[u8]>, start: usize) -> Self {
        if let Some(value) = Self::inline(bytes) {
            return value;
        }
        match (u32::try_from(start), u32::try_from(bytes.len())) {
            (Ok(start), Ok(len)) => Self(Place::Held { bytes: Arc::clone(block), start, len }),
            _ => Self::copied(bytes),
        }
    }
}

impl Deref for Value {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let (bytes, start, len) = match &self.0 {
            Place::Inline { bytes, len } => (&bytes.0[..], 0, usize::from(*len)),
            Place::Held { bytes, start, len } => (&**bytes, *start as usize, *len as usize),
            Place::Mapped { table, start, len } => (table.mapped(), *start as usize, *len as usize),
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

//! A value, or a key, that a reader keeps without a copy where that is cheaper.
//!
//! Few bytes are copied into the value itself. Others stay where they lie - in the
//! mapping of a table, or in an unpacked block - and are kept alive by it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::table::Table;

/// So many bytes are copied rather than shared: a value is then four words long.
const INLINE_BYTES: usize = 30;

/// Bytes that stay as they were read, whatever happens to the store.
#[derive(Clone)]
pub struct Value(Place);

#[derive(Clone)]
enum Place {
    Inline {
        len: u8,
        bytes: [u8; INLINE_BYTES],
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

const _: () = assert!(size_of::<Value>() == 32);

impl Value {
    /// A copy.
    pub(crate) fn copied(bytes: &[u8]) -> Self {
        Self::inline(bytes).unwrap_or_else(|| {
            let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            Self(Place::Held { bytes: bytes.into(), start: 0, len })
        })
    }

    #[inline]
    fn inline(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > INLINE_BYTES {
            return None;
        }
        let mut copy = [0; INLINE_BYTES];
        // Two moves of a fixed length, which overlap, for the usual lengths.
        if !copy_ends::<16>(&mut copy, bytes) && !copy_ends::<8>(&mut copy, bytes) {
            copy.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        }
        Some(Self(Place::Inline { len: bytes.len() as u8, bytes: copy }))
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

/// Copies the first and the last `N` bytes, which are all if there are at most twice as
/// many; `false` if there are fewer than `N`.
#[inline]
fn copy_ends<const N: usize>(to: &mut [u8; INLINE_BYTES], from: &[u8]) -> bool {
    let ends = from.first_chunk::<N>().zip(from.last_chunk::<N>());
    let Some((first, last)) = ends else { return false };
    if let Some(to) = to.first_chunk_mut() {
        *to = *first;
    }
    if let Some(to) = to.get_mut(..from.len()).and_then(<[u8]>::last_chunk_mut) {
        *to = *last;
    }
    true
}

impl Deref for Value {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let (bytes, start, len) = match &self.0 {
            Place::Inline { len, bytes } => (&bytes[..], 0, usize::from(*len)),
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

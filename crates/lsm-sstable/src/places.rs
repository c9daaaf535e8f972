//! Where the entries of a block lie, without its bytes.
//!
//! Who walks over a block and cannot keep a borrow of it parses it once and keeps this.
//! Every number is checked before it is used to slice all the same: the bytes may change
//! under a mapping.

use core::ops::Range;

use lsm_types::{Kind, SeqNo};

use crate::Block;
use crate::block::range_in;

/// A block's plan, made from a parsed block.
#[derive(Clone, Copy, Debug)]
pub struct BlockPlaces {
    /// Where the offsets of the entries begin in the payload.
    offsets: usize,
    /// Where the entries begin, from which offsets are counted.
    entries: usize,
    len: usize,
    base: u64,
    delta_bytes: u8,
    delta_mask: u64,
    short: u8,
}

/// Where the parts of one entry lie in the payload of its block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPlaces {
    /// The key without what all keys of the block begin with.
    pub suffix: Range<usize>,
    /// When it was written.
    pub seq: SeqNo,
    /// What it does to the key.
    pub kind: Kind,
    /// The value.
    pub value: Range<usize>,
}

impl BlockPlaces {
    /// The plan of a block over `payload`.
    #[must_use]
    pub fn of(block: &Block<'_>, payload: &[u8]) -> Self {
        Self {
            offsets: range_in(payload, block.offsets.as_flattened()).start,
            entries: range_in(payload, block.entries).start,
            len: block.len(),
            base: block.base,
            delta_bytes: block.delta_bytes,
            delta_mask: block.delta_mask,
            short: block.short,
        }
    }

    /// Where the parts of entry `number` lie in `payload`, the same as before, if the
    /// entry is of the usual kind: sixteen bytes or more, of a short key. For all others
    /// ask [`Block::entry`].
    #[inline]
    #[must_use]
    pub fn entry(&self, payload: &[u8], number: usize) -> Option<EntryPlaces> {
        let offsets = payload.get(self.offsets + 2 * number..self.entries)?;
        let (begin, end) = match offsets.first_chunk::<4>() {
            Some(both) => {
                let both = u32::from_le_bytes(*both);
                (both as u16, Some((both >> 16) as u16))
            }
            None => (u16::from_le_bytes(*offsets.first_chunk::<2>()?), None),
        };
        let begin = self.entries + usize::from(begin);
        let end = end.map_or(payload.len(), |end| self.entries + usize::from(end));
        let bytes = payload.get(begin..end)?;
        let fields = u128::from_le_bytes(*bytes.first_chunk::<16>()?);
        let (kind, len, delta) = (fields as u8, (fields >> 8) as u8, (fields >> 16) as u64);
        let suffix = begin + 2 + usize::from(self.delta_bytes);
        let value = suffix + usize::from(len);
        let seq = SeqNo::new(self.base + (delta & self.delta_mask))?;
        let put = kind == Kind::Put.to_byte();
        let gone = kind == Kind::Delete.to_byte() && value == end;
        if len >= self.short || value > end || !(put || gone) {
            return None;
        }
        let kind = if put { Kind::Put } else { Kind::Delete };
        Some(EntryPlaces { suffix: suffix..value, seq, kind, value: value..end })
    }

    /// How many entries there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a block is never empty")]
    pub const fn len(&self) -> usize {
        self.len
    }
}

//! A data block: entries that can be reached by their number.
//!
//! ```text
//! 0       4   n, the number of entries, at least 1
//! 4       4n  where each entry begins, counted from the end of these offsets
//! 4+4n    ..  entries:
//!             key length varint | value length varint | sequence varint
//!             | kind u8 | key | value
//! ```
//!
//! Entries stand in order without gaps, so a search halves the offsets and both
//! directions cost the same.

use alloc::format;
use alloc::vec::Vec;

use lsm_types::{Entry, InternalKey, Kind, MAX_KEY_BYTES, MAX_VALUE_BYTES, SeqNo, decode};

use crate::SstError;

/// Collects the entries of a block.
#[derive(Debug, Default)]
pub(crate) struct BlockBuilder {
    offsets: Vec<u32>,
    entries: Vec<u8>,
}

impl BlockBuilder {
    pub(crate) fn push(&mut self, entry: &Entry<'_>) {
        self.offsets.push(self.entries.len() as u32);
        let out = &mut self.entries;
        decode::put_varint(out, entry.user_key.len() as u64);
        decode::put_varint(out, entry.value.len() as u64);
        decode::put_varint(out, entry.seq.get());
        out.push(entry.kind.to_byte());
        out.extend_from_slice(entry.user_key);
        out.extend_from_slice(entry.value);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.offsets.len()
    }

    /// How long the payload would be with one more entry of these sizes.
    pub(crate) fn bytes_with(&self, key: usize, value: usize) -> usize {
        // Two lengths of at most five bytes, a sequence of eight, a kind, an offset.
        self.entries.len() + key + value + 5 + 5 + 8 + 1 + 4 * (self.offsets.len() + 2)
    }

    /// The payload; the builder is empty afterwards.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + 4 * self.offsets.len() + self.entries.len());
        out.extend_from_slice(&(self.offsets.len() as u32).to_le_bytes());
        self.offsets.drain(..).for_each(|at| out.extend_from_slice(&at.to_le_bytes()));
        out.append(&mut self.entries);
        out
    }
}

/// A data block, read where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    offsets: &'a [u8],
    entries: &'a [u8],
    /// Where the block stands in its table, for messages.
    at: u64,
}

impl<'a> Block<'a> {
    /// A block over the payload of the section at `at`.
    pub(crate) fn new(payload: &'a [u8], at: u64) -> Result<Self, SstError> {
        let split = || {
            let mut input = payload;
            let count = decode::u32(&mut input)?;
            let offsets = decode::slice(&mut input, (count as usize).checked_mul(4)?)?;
            (count > 0).then_some(Self { offsets, entries: input, at })
        };
        split().ok_or_else(|| SstError::damaged(at, "a block's offsets", "too few bytes"))
    }

    /// How many entries there are; at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a block is never empty")]
    pub const fn len(&self) -> usize {
        self.offsets.len() / 4
    }

    /// Entry `number`, counted from zero; `None` behind the last.
    ///
    /// # Errors
    ///
    /// When the bytes are no entry.
    pub fn entry(&self, number: usize) -> Result<Option<Entry<'a>>, SstError> {
        if number >= self.len() {
            return Ok(None);
        }
        let damaged = || {
            let found = format!("other bytes at entry {number}");
            SstError::damaged(self.at, "an entry", found)
        };
        let begin = self.offset(number).ok_or_else(damaged)?;
        let end = self.offset(number + 1).unwrap_or(self.entries.len());
        let mut input = self.entries.get(begin..end).ok_or_else(damaged)?;
        let mut lengths = || {
            let key = usize::try_from(decode::varint(&mut input)?).ok()?;
            let value = usize::try_from(decode::varint(&mut input)?).ok()?;
            let seq = SeqNo::new(decode::varint(&mut input)?)?;
            Some((key, value, seq, decode::u8(&mut input)?))
        };
        let (key, value, seq, kind) = lengths().ok_or_else(damaged)?;
        let kind = Kind::from_byte(kind).map_err(|error| SstError::kind(self.at, error))?;
        let user_key = decode::slice(&mut input, key).ok_or_else(damaged)?;
        if input.len() != value || key > MAX_KEY_BYTES || value > MAX_VALUE_BYTES {
            return Err(damaged());
        }
        Ok(Some(Entry { user_key, seq, kind, value: input }))
    }

    fn offset(&self, number: usize) -> Option<usize> {
        let at = number.checked_mul(4)?;
        let mut input = self.offsets.get(at..)?;
        Some(decode::u32(&mut input)? as usize)
    }

    /// The number of the first entry at or after `target`, [`len`](Block::len) if
    /// there is none.
    ///
    /// # Errors
    ///
    /// When an entry on the way cannot be read.
    pub fn search(&self, target: InternalKey<'_>) -> Result<usize, SstError> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.entry(middle)? {
                Some(entry) if entry.key() < target => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }
}

//! The index: where the blocks lie, which keys they hold, and how much lies before.
//!
//! ```text
//! number of blocks varint | prefix of all separators: bytes
//! then for each block:
//!   flags u8, bit 0: its last key goes on in the next block
//!   | entries u8 | tombstones u8 | hidden versions u8
//!   | length of the section varint | separator behind the prefix: bytes
//! ```
//!
//! # Invariants
//!
//! * last key of block i <= separator i < first key of block i + 1; with the flag all
//!   three are one key, and the next separator may be it too. The last separator is the table's largest key.
//! * Blocks follow one another from the header to the index with nothing but padding
//!   between, so that an offset is the sum of the lengths before it.
//! * In memory a block takes at most 34 bytes and its separator, and the tables of guides
//!   8 KiB at most; on disk a block takes 64 bytes at least, so that a forged index cannot
//!   ask for much more memory than the file is long.
//!
//! # Search
//!
//! Of each separator the eight bytes behind the common prefix, as a number, are its
//! head. How many heads are below that of a key, `heads` finds; where heads are equal
//! the full separators decide.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use lsm_types::{MAX_KEY_BYTES, decode};

use crate::block::{MAX_ENTRIES, common_prefix};
use crate::heads::Heads;
use crate::section::{ALIGNMENT, SECTION_HEADER_BYTES, align};
use crate::{HEADER_BYTES, SstError};

/// The flag of a block whose last key goes on in the next. Durable.
const CONTINUES: u8 = 1;

/// Every so many blocks the sum of the counts before them is kept.
const COUNTS_STEP: usize = 16;

/// Where a block lies and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHandle {
    /// The block's number, from zero.
    pub number: u32,
    /// Where its section begins.
    pub offset: u64,
    /// How long its section is: frame included, padding not.
    pub len: u64,
    /// What it holds.
    pub counts: Counts,
    /// Whether its last key has older versions in the next block.
    pub continues: bool,
}

/// How many entries of each sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All entries.
    pub entries: u64,
    /// Those of them that are tombstones.
    pub tombstones: u64,
    /// Those of them whose key is that of the entry before them.
    pub hidden: u64,
}

impl Counts {
    fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self {
            entries: self.entries.checked_add(other.entries)?,
            tombstones: self.tombstones.checked_add(other.tombstones)?,
            hidden: self.hidden.checked_add(other.hidden)?,
        })
    }
}

/// A block in twelve bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    /// Where its section begins, in units of the alignment.
    start: u32,
    padding: u8,
    entries: u8,
    tombstones: u8,
    hidden: u8,
    flags: u8,
}

impl Record {
    fn counts(self) -> Counts {
        Counts {
            entries: self.entries.into(),
            tombstones: self.tombstones.into(),
            hidden: self.hidden.into(),
        }
    }
}

/// Collects the index while a table is written.
#[derive(Debug, Default)]
pub(crate) struct IndexBuilder {
    blocks: Vec<(u64, Counts, bool)>,
    separators: Vec<u8>,
    separator_ends: Vec<usize>,
}

impl IndexBuilder {
    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Adds the separator of the next block: `last` is its last key, `next` the first
    /// key of the one that follows. The block itself comes with [`push`](Self::push).
    pub(crate) fn separate(&mut self, last: &[u8], next: Option<&[u8]>) {
        push_separator(&mut self.separators, last, next);
        self.separator_ends.push(self.separators.len());
    }

    /// Adds a block of `len` bytes, whose last key goes on in the next or does not.
    pub(crate) fn push(&mut self, len: u64, counts: Counts, continues: bool) {
        self.blocks.push((len, counts, continues));
    }

    /// No fewer bytes than [`encode`](Self::encode) gives.
    pub(crate) fn most_bytes(&self) -> usize {
        // A record has four counts and flags, and two lengths of at most five bytes.
        self.separators.len() + (self.blocks.len() + 1) * (4 + 5 + 5) + 10
    }

    fn separators(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.separator_ends.iter().map(move |&end| {
            let separator = self.separators.get(start..end).unwrap_or_default();
            start = end;
            separator
        })
    }

    /// The payload of the index section.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        decode::put_varint(&mut out, self.blocks.len() as u64);
        let first = self.separators().next().unwrap_or_default();
        let last = self.separators().last().unwrap_or_default();
        // The separators ascend: what the first and the last share, all share.
        let prefix = common_prefix(first, last);
        decode::put_bytes(&mut out, first.get(..prefix).unwrap_or_default());
        for ((len, counts, continues), separator) in self.blocks.iter().zip(self.separators()) {
            out.push(if *continues { CONTINUES } else { 0 });
            out.extend([counts.entries, counts.tombstones, counts.hidden].map(|count| count as u8));
            decode::put_varint(&mut out, *len);
            decode::put_bytes(&mut out, separator.get(prefix..).unwrap_or_default());
        }
        out
    }
}

/// Appends a short key s with last <= s < next.
fn push_separator(out: &mut Vec<u8>, last: &[u8], next: Option<&[u8]>) {
    let Some(next) = next else { return out.extend_from_slice(last) };
    let same = common_prefix(last, next);
    let (Some(&low), Some(&high)) = (last.get(same), next.get(same)) else {
        // `last` begins `next`, or is the same key.
        return out.extend_from_slice(last);
    };
    if high - low > 1 {
        out.extend_from_slice(last.get(..same).unwrap_or_default());
        out.push(low + 1);
    } else if next.len() > same + 1 {
        out.extend_from_slice(next.get(..=same).unwrap_or_default());
    } else {
        let rest = last.iter().skip(same + 1).position(|byte| *byte != 0xff);
        let end = rest.map_or(last.len(), |at| same + 1 + at + 1);
        out.extend_from_slice(last.get(..end).unwrap_or_default());
        if let (Some(_), Some(byte)) = (rest, out.last_mut()) {
            *byte += 1;
        }
    }
}

/// The index in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    prefix: Box<[u8]>,
    records: Vec<Record>,
    /// The counts before every sixteenth block, and of all at the end.
    sums: Vec<Counts>,
    total: Counts,
    /// The separators behind the prefix, one after another, and where each ends.
    separators: Vec<u8>,
    separator_ends: Vec<u32>,
    heads: Heads,
    /// Where the last block's padding ends.
    end: u64,
}

/// The first eight bytes, or all and zeros behind them.
#[inline]
fn head(suffix: &[u8]) -> u64 {
    if let Some(head) = suffix.first_chunk::<8>() {
        return u64::from_be_bytes(*head);
    }
    if let (Some(first), Some(last)) = (suffix.first_chunk::<4>(), suffix.last_chunk::<4>()) {
        // Where the two overlap they are the same bytes.
        let last = u64::from(u32::from_be_bytes(*last)) << (8 * (8 - suffix.len()));
        return u64::from(u32::from_be_bytes(*first)) << 32 | last;
    }
    suffix.iter().rev().fold(0, |head, byte| head >> 8 | u64::from(*byte) << 56)
}

/// Whether two pieces of the same length are the same bytes. Of short ones, as prefixes
/// are, both ends are looked at: comparing them by a call costs more.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    match a.len() {
        0 => true,
        4..8 => a.first_chunk::<4>() == b.first_chunk() && a.last_chunk::<4>() == b.last_chunk(),
        8..=16 => a.first_chunk::<8>() == b.first_chunk() && a.last_chunk::<8>() == b.last_chunk(),
        _ => a == b,
    }
}

impl Index {
    /// Reads the payload of the index section at `at`, which ends the blocks.
    pub(crate) fn decode(payload: &[u8], at: u64) -> Result<Self, SstError> {
        let damaged = |block: usize, what: &str| {
            SstError::damaged(at, what, format!("another record for block {block}"))
        };
        let mut input = payload;
        let mut first = || {
            let blocks = usize::try_from(decode::varint(&mut input)?).ok()?;
            // A record takes six bytes at least, and its block 64 of the file before us.
            let room = at.saturating_sub(HEADER_BYTES as u64) / ALIGNMENT;
            (blocks > 0 && blocks <= payload.len() / 6 && blocks as u64 <= room)
                .then_some((blocks, decode::bytes(&mut input, MAX_KEY_BYTES)?))
        };
        let announced = || SstError::damaged(at, "an index of one block or more", "other bytes");
        let (blocks, prefix) = first().ok_or_else(announced)?;
        let rest = input.len();
        let mut index = Self {
            prefix: prefix.into(),
            records: Vec::with_capacity(blocks),
            sums: Vec::with_capacity(blocks / COUNTS_STEP + 1),
            total: Counts::default(),
            separators: Vec::with_capacity(rest),
            separator_ends: Vec::with_capacity(blocks),
            heads: Heads::default(),
            end: at,
        };
        let mut heads = Vec::with_capacity(blocks);
        let (mut offset, mut before): (u64, Option<(&[u8], u8)>) = (HEADER_BYTES as u64, None);
        for number in 0..blocks {
            let (record, len, separator) = take_record(&mut input)
                .ok_or_else(|| damaged(number, "a record for each block"))?;
            let end = offset.checked_add(len).and_then(align).filter(|end| *end <= at);
            let end = end.ok_or_else(|| damaged(number, "blocks that end before the index"))?;
            let start = u32::try_from(offset / ALIGNMENT)
                .map_err(|_| damaged(number, "a table of at most 256 GiB"))?;
            let ascends = before.is_none_or(|(before, flags)| {
                before < separator || (flags & CONTINUES != 0 && before == separator)
            });
            if !ascends || prefix.len() + separator.len() > MAX_KEY_BYTES {
                return Err(damaged(number, "ascending separators of at most 2^30 bytes"));
            }
            if number.is_multiple_of(COUNTS_STEP) {
                index.sums.push(index.total);
            }
            let total = index.total.checked_add(record.counts());
            index.total = total.ok_or_else(|| damaged(number, "counts of at most 2^64"))?;
            let padding = (end - offset - len) as u8;
            index.records.push(Record { start, padding, ..record });
            index.separators.extend_from_slice(separator);
            let ends = u32::try_from(index.separators.len());
            index.separator_ends.push(ends.map_err(|_| damaged(number, "shorter separators"))?);
            heads.push(head(separator));
            (offset, before) = (end, Some((separator, record.flags)));
        }
        let continues = before.is_some_and(|(_, flags)| flags & CONTINUES != 0);
        if offset != at || !input.is_empty() || continues {
            return Err(damaged(blocks, "blocks up to the index, and a last one"));
        }
        index.separators.shrink_to_fit();
        index.heads = Heads::new(heads);
        Ok(index)
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) const fn total(&self) -> Counts {
        self.total
    }

    pub(crate) fn block(&self, number: usize) -> Option<BlockHandle> {
        let record = self.records.get(number)?;
        let offset = u64::from(record.start) * ALIGNMENT;
        let next = self.records.get(number + 1);
        let end = next.map(|next| u64::from(next.start) * ALIGNMENT);
        let end = end.unwrap_or(self.end);
        Some(BlockHandle {
            number: number as u32,
            offset,
            len: end.saturating_sub(offset).saturating_sub(record.padding.into()),
            counts: record.counts(),
            continues: record.flags & CONTINUES != 0,
        })
    }

    /// What lies before block `number`; everything, for a number behind the last.
    pub(crate) fn counts_before(&self, number: usize) -> Counts {
        if number >= self.records.len() {
            return self.total;
        }
        let step = number / COUNTS_STEP;
        let sum = self.sums.get(step).copied().unwrap_or_default();
        let rest = self.records.get(step * COUNTS_STEP..number).unwrap_or_default();
        // The total was summed without an overflow, and these are parts of it.
        rest.iter().fold(sum, |sum, record| sum.checked_add(record.counts()).unwrap_or(sum))
    }

    /// The separator of block `number`, in two pieces.
    pub(crate) fn separator(&self, number: usize) -> Option<(&[u8], &[u8])> {
        let end = *self.separator_ends.get(number)? as usize;
        let before = number.checked_sub(1).and_then(|at| self.separator_ends.get(at));
        let start = before.map_or(0, |start| *start as usize);
        Some((&self.prefix, self.separators.get(start..end)?))
    }

    fn suffix(&self, number: usize) -> &[u8] {
        self.separator(number).map_or(&[], |(_, suffix)| suffix)
    }

    /// The first block whose separator is at or after `key`: the one that holds the
    /// newest version of `key`, if any does. `None` behind the last.
    #[inline]
    pub(crate) fn find(&self, key: &[u8]) -> Option<usize> {
        let suffix = match key.split_at_checked(self.prefix.len()) {
            Some((head, suffix)) if same(head, &self.prefix) => suffix,
            _ => return (*key < *self.prefix).then_some(0),
        };
        let wanted = head(suffix);
        let (found, equal) = self.heads.lower_bound(wanted);
        if !equal || self.suffix(found) >= suffix {
            return (found < self.len()).then_some(found);
        }
        Some(self.settle(found, wanted, suffix)).filter(|found| *found < self.len())
    }

    /// Among the blocks from `low` on whose heads are equal, the first whose
    /// separator is at or after the key, or the first behind them.
    fn settle(&self, low: usize, wanted: u64, suffix: &[u8]) -> usize {
        let end = wanted.checked_add(1).map_or(self.len(), |next| self.heads.lower_bound(next).0);
        let (mut low, mut high) = (low, end);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.suffix(middle) < suffix { low = middle + 1 } else { high = middle }
        }
        low
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.records.len() * size_of::<Record>()
            + self.sums.len() * size_of::<Counts>()
            + self.separators.len()
            + self.separator_ends.len() * 4
            + self.heads.memory_bytes()
            + self.prefix.len()
    }
}

/// Takes a record off: its counts and flags, its length, its separator.
fn take_record<'a>(input: &mut &'a [u8]) -> Option<(Record, u64, &'a [u8])> {
    let [flags, entries, tombstones, hidden] = decode::array(input)?;
    let len = decode::varint(input)?;
    let separator = decode::bytes(input, MAX_KEY_BYTES)?;
    let sound = flags & !CONTINUES == 0
        && (1..=MAX_ENTRIES).contains(&(entries as usize))
        && tombstones <= entries
        && hidden <= entries
        && len >= SECTION_HEADER_BYTES as u64;
    let record = Record { start: 0, padding: 0, entries, tombstones, hidden, flags };
    sound.then_some((record, len, separator))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_short_and_between() {
        let keys: [&[u8]; 12] = [
            b"",
            b"\0",
            b"\0\0",
            b"\0\xff",
            b"a",
            b"abc",
            b"abd",
            b"abd\xff\xff",
            b"abe",
            b"b\xff",
            b"c",
            b"\xff\xff",
        ];
        for (at, last) in keys.iter().enumerate() {
            for next in keys.iter().skip(at + 1) {
                let mut separator = Vec::new();
                push_separator(&mut separator, last, Some(next));
                assert!(*last <= separator.as_slice() && separator.as_slice() < *next);
                assert!(separator.len() <= last.len().max(common_prefix(last, next) + 1));
            }
        }
        let mut short = Vec::new();
        push_separator(&mut short, b"user-000017-what-a-long-key", Some(b"user-000019"));
        assert_eq!(short, b"user-000018");
    }
}

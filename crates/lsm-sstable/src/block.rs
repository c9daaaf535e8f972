//! A data block: entries that are found by hash, by order, or by number.
//!
//! ```text
//!  0   1  n, the number of entries, 1 to 253
//!  1   1  w, the width in bytes of a sequence delta, 0 to 7
//!  2   2  b, the number of hash buckets
//!  4   4  p, the length of the common prefix
//!  8   8  base, the lowest sequence number
//! 16   p  the prefix that all keys share
//!  .   b  buckets: the number of an entry, 255 = empty
//!  .  4n  heads: four bytes of each key behind the prefix, zero-padded, big-endian
//!  .  2n  offsets: where each entry begins, counted from the first
//!  .      entries: kind u8 | suffix length varint | delta, w bytes | suffix | value
//! ```
//!
//! # Invariants
//!
//! * A block has at most 65,535 bytes, or one entry: offsets fit two bytes.
//! * Heads only order: equal heads are settled by the rest of the key, then by its
//!   length. A key without the prefix lies before or behind all entries.
//! * Each distinct key is in one bucket, under the number of its newest entry here:
//!   the slot that its hash names, or the next free one. One bucket is always empty.
//! * An entry ends where the next begins, so both directions cost the same.
//! * Every number is checked before it is used to slice: bytes may be forged, or
//!   change under a mapping.

use alloc::format;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::ops::Range;

use lsm_types::{Entry, InternalKey, Kind, MAX_KEY_BYTES, MAX_VALUE_BYTES, SeqNo, decode};

use crate::SstError;

/// The most entries of a block: they are numbered in a byte. Durable.
pub(crate) const MAX_ENTRIES: usize = 253;
/// The longest payload of a block of several entries. Durable.
pub(crate) const MAX_BYTES: usize = 65_535;
/// The fixed fields before the prefix. Durable.
pub(crate) const FIELDS: usize = 16;
/// The bucket that names no entry. Durable.
pub(crate) const EMPTY_BUCKET: u8 = 255;
/// The widest sequence delta in bytes: sequence numbers have 56 bits. Durable.
pub(crate) const MAX_DELTA_BYTES: usize = 7;
/// A suffix below this length has a length of one byte.
const SHORT: u8 = 0x80;
/// Kind, a length of one byte, and eight bytes in which the delta is.
const SHORT_FIELDS: usize = 1 + 1 + 8;

/// The first four bytes of what a key has behind the prefix.
pub(crate) fn head(suffix: &[u8]) -> u32 {
    if let Some(head) = suffix.first_chunk::<4>() {
        return u32::from_be_bytes(*head);
    }
    let byte = |at: usize| suffix.get(at).copied().unwrap_or_default();
    u32::from_be_bytes([byte(0), byte(1), byte(2), 0])
}

/// Where the search for a key's bucket begins.
pub(crate) fn slot(hash: u64, buckets: usize) -> usize {
    ((u64::from(hash as u32) * buckets as u64) >> 32) as usize
}

/// Where `part`, a slice of `whole`, lies in it: for readers that keep places rather
/// than borrows.
#[must_use]
pub fn range_in(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start + part.len()
}

/// A data block, read where it lies.
#[derive(Clone, Copy)]
pub struct Block<'a> {
    prefix: &'a [u8],
    buckets: &'a [u8],
    heads: &'a [[u8; 4]],
    pub(crate) offsets: &'a [[u8; 2]],
    pub(crate) entries: &'a [u8],
    pub(crate) base: u64,
    pub(crate) delta_bytes: u8,
    /// The bits that a delta of so many bytes has.
    pub(crate) delta_mask: u64,
    /// Suffixes below this length have a length of one byte, in a block that is too
    /// short for keys and values above their limits.
    pub(crate) short: u8,
    /// Where the block's section stands in its table, for messages.
    at: u64,
}

/// One entry of a block. Its key is in two pieces, as the block stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockEntry<'a> {
    /// What the key shares with all keys of the block.
    pub prefix: &'a [u8],
    /// The rest of the key.
    pub suffix: &'a [u8],
    /// When it was written.
    pub seq: SeqNo,
    /// What it does to the key.
    pub kind: Kind,
    /// The value; empty for a tombstone.
    pub value: &'a [u8],
}

impl<'a> BlockEntry<'a> {
    /// The key's length in bytes.
    #[must_use]
    pub const fn key_len(&self) -> usize {
        self.prefix.len() + self.suffix.len()
    }

    /// The key, put together.
    #[must_use]
    pub fn to_key(&self) -> Vec<u8> {
        [self.prefix, self.suffix].concat()
    }

    /// How the key stands to another one.
    #[must_use]
    pub fn cmp_key(&self, other: &[u8]) -> Ordering {
        match other.split_at_checked(self.prefix.len()) {
            Some((head, rest)) => self.prefix.cmp(head).then_with(|| self.suffix.cmp(rest)),
            None => self.prefix.cmp(other).then(Ordering::Greater),
        }
    }

    /// The entry with its key written to `buffer`.
    pub fn join<'b>(&self, buffer: &'b mut Vec<u8>) -> Entry<'b>
    where
        'a: 'b,
    {
        buffer.clear();
        buffer.extend_from_slice(self.prefix);
        buffer.extend_from_slice(self.suffix);
        Entry { user_key: buffer, seq: self.seq, kind: self.kind, value: self.value }
    }
}

impl<'a> Block<'a> {
    /// A block over the unpacked payload of the section at `at`.
    ///
    /// # Errors
    ///
    /// When the payload has no room for what its first bytes announce.
    #[inline]
    pub fn parse(payload: &'a [u8], at: u64) -> Result<Self, SstError> {
        match Self::split(payload, at) {
            Some(block) => Ok(block),
            None => Err(Self::refuse(payload, at)),
        }
    }

    #[inline]
    fn split(payload: &'a [u8], at: u64) -> Option<Self> {
        let (fields, rest) = payload.split_first_chunk::<FIELDS>()?;
        let fields = u128::from_le_bytes(*fields);
        let (n, delta_bytes) = (fields as u8 as usize, (fields >> 8) as u8);
        let buckets = (fields >> 16) as u16 as usize;
        let (prefix, rest) = rest.split_at_checked((fields >> 32) as u32 as usize)?;
        let (buckets, rest) = rest.split_at_checked(buckets)?;
        let (heads, rest) = rest.split_at_checked(4 * n)?;
        let (offsets, entries) = rest.split_at_checked(2 * n)?;
        let (heads, offsets) = (heads.as_chunks().0, offsets.as_chunks().0);
        let sound = n > 0
            && n <= MAX_ENTRIES
            && buckets.len() > 1
            && usize::from(delta_bytes) <= MAX_DELTA_BYTES
            && (payload.len() <= MAX_BYTES || n == 1);
        let base = (fields >> 64) as u64;
        if !sound || base > SeqNo::MAX.get() {
            return None;
        }
        let delta_mask = (1 << (8 * u32::from(delta_bytes))) - 1;
        let short = if payload.len() <= MAX_BYTES { SHORT } else { 0 };
        let block = Self {
            prefix,
            buckets,
            heads,
            offsets,
            entries,
            base,
            delta_bytes,
            delta_mask,
            short,
            at,
        };
        (block.offset(0) == Some(0)).then_some(block)
    }

    #[cold]
    fn refuse(payload: &[u8], at: u64) -> SstError {
        let fields = payload.first_chunk::<8>().copied().unwrap_or_default();
        let [n, w, ..] = fields;
        let fields = u64::from_le_bytes(fields);
        let (buckets, prefix) = ((fields >> 16) as u16, fields >> 32);
        let found = format!(
            "{} bytes announcing {n} entries, {w}-byte deltas, {buckets} buckets, \
             a prefix of {prefix} bytes",
            payload.len()
        );
        SstError::damaged(at, "a block that holds what its first bytes announce", found)
    }

    /// How many entries there are; at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a block is never empty")]
    pub const fn len(&self) -> usize {
        self.heads.len()
    }

    /// What all keys of the block begin with.
    #[must_use]
    pub const fn prefix(&self) -> &'a [u8] {
        self.prefix
    }

    fn offset(&self, number: usize) -> Option<usize> {
        self.offsets.get(number).map(|offset| u16::from_le_bytes(*offset) as usize)
    }

    #[cold]
    pub(crate) fn bad_entry(&self, number: usize) -> SstError {
        let expected = format!("entry {number} of the block");
        SstError::damaged(self.at, expected, "bytes that are none")
    }

    /// Entry `number`, counted from zero; `None` behind the last.
    ///
    /// # Errors
    ///
    /// When the bytes are no entry, or one of a kind that a later version knows.
    #[inline]
    pub fn entry(&self, number: usize) -> Result<Option<BlockEntry<'a>>, SstError> {
        let Some(begin) = self.offset(number) else { return Ok(None) };
        self.entry_in(number, begin..self.end_of(number)).map(Some)
    }

    /// Entry `number` if it is there and a [short one](Self::short_entry).
    #[inline]
    pub(crate) fn short_at(&self, number: usize) -> Option<BlockEntry<'a>> {
        self.short_entry(self.offset(number)?..self.end_of(number))
    }

    /// Where entry `number` ends: where the next begins.
    #[inline]
    fn end_of(&self, number: usize) -> usize {
        self.offset(number + 1).unwrap_or(self.entries.len())
    }

    /// Entry `number`, which lies in `range`.
    #[inline]
    fn entry_in(&self, number: usize, range: Range<usize>) -> Result<BlockEntry<'a>, SstError> {
        match self.short_entry(range.clone()) {
            Some(entry) => Ok(entry),
            None => self.any_entry(number, range),
        }
    }

    /// The entry in `range`, if it is one of the usual kind: of ten bytes or more, its
    /// suffix below 128. Most entries are; what is not is left to
    /// [`any_entry`](Self::any_entry), damage too.
    #[inline]
    fn short_entry(&self, range: Range<usize>) -> Option<BlockEntry<'a>> {
        let bytes = self.entries.get(range)?;
        let &[kind, len, ref delta @ ..] = bytes.first_chunk::<SHORT_FIELDS>()?;
        // Numbers of one byte: the compiler sees that these sums cannot overflow.
        let start = 2 + usize::from(self.delta_bytes);
        let end = start + usize::from(len);
        let (suffix, value) = (bytes.get(start..end)?, bytes.get(end..)?);
        let seq = SeqNo::new(self.base + (u64::from_le_bytes(*delta) & self.delta_mask))?;
        let put = kind == Kind::Put.to_byte();
        let gone = kind == Kind::Delete.to_byte() && value.is_empty();
        if len >= self.short || !(put || gone) {
            return None;
        }
        let kind = if put { Kind::Put } else { Kind::Delete };
        Some(BlockEntry { prefix: self.prefix, suffix, seq, kind, value })
    }

    /// Entry `number`, which lies in `range`, whatever it is. The block is a copy, so
    /// that a loop over the usual entries need not keep it in memory.
    #[inline(never)]
    fn any_entry(self, number: usize, range: Range<usize>) -> Result<BlockEntry<'a>, SstError> {
        match self.split_entry(range) {
            Some((2, entry)) => Ok(entry),
            Some((1, entry)) if entry.value.is_empty() => {
                Ok(BlockEntry { kind: Kind::Delete, ..entry })
            }
            Some((kind, _)) => Err(self.bad_kind(kind, number)),
            None => Err(self.bad_entry(number)),
        }
    }

    /// The entry in `range`, as if it were a put, and its kind.
    fn split_entry(&self, range: Range<usize>) -> Option<(u8, BlockEntry<'a>)> {
        let (&kind, mut rest) = self.entries.get(range)?.split_first()?;
        let suffix = usize::try_from(decode::varint(&mut rest)?).ok()?;
        let (delta, rest) = rest.split_at_checked(self.delta_bytes.into())?;
        let delta = delta.iter().rev().fold(0, |delta, byte| delta << 8 | u64::from(*byte));
        let (suffix, value) = rest.split_at_checked(suffix)?;
        let seq = SeqNo::new(self.base + delta)?;
        let fits =
            self.prefix.len() + suffix.len() <= MAX_KEY_BYTES && value.len() <= MAX_VALUE_BYTES;
        let entry = BlockEntry { prefix: self.prefix, suffix, seq, kind: Kind::Put, value };
        fits.then_some((kind, entry))
    }

    #[cold]
    fn bad_kind(&self, kind: u8, number: usize) -> SstError {
        match Kind::from_byte(kind) {
            Err(error) => SstError::kind(self.at, error),
            // A tombstone with a value.
            Ok(_) => self.bad_entry(number),
        }
    }

    /// All entries in order, from either end.
    pub fn iter(&self) -> BlockIter<'a> {
        BlockIter { block: *self, numbers: 0..self.len(), bytes: 0..self.entries.len() }
    }

    /// How `key` stands to the keys of the block: what it has behind the prefix, or
    /// where it lies if it does not begin with it.
    #[inline]
    fn behind_prefix<'k>(&self, key: &'k [u8]) -> Result<&'k [u8], Ordering> {
        match key.split_at_checked(self.prefix.len()) {
            Some((head, rest)) if head == self.prefix => Ok(rest),
            Some((head, _)) => Err(head.cmp(self.prefix)),
            None if key > self.prefix => Err(Ordering::Greater),
            None => Err(Ordering::Less),
        }
    }

    /// The newest entry of `key` and its number, found by the key's
    /// [`hash`](lsm_bloom::hash); `None` if the block has none.
    ///
    /// # Errors
    ///
    /// When an entry on the way cannot be read.
    #[inline]
    pub fn find(&self, key: &[u8], hash: u64) -> Result<Option<(usize, BlockEntry<'a>)>, SstError> {
        let Ok(suffix) = self.behind_prefix(key) else { return Ok(None) };
        let head = head(suffix).to_be_bytes();
        let first = slot(hash, self.buckets.len());
        let (before, from) = self.buckets.split_at_checked(first).unwrap_or((self.buckets, &[]));
        for &bucket in from.iter().chain(before) {
            if bucket == EMPTY_BUCKET {
                break;
            }
            let number = bucket as usize;
            if self.heads.get(number).is_some_and(|other| *other == head)
                && let Some(entry) = self.entry(number)?
                && entry.suffix == suffix
            {
                return Ok(Some((number, entry)));
            }
        }
        Ok(None)
    }

    /// The number of the first entry at or after `target`, [`len`](Block::len) if
    /// there is none.
    ///
    /// # Errors
    ///
    /// When an entry on the way cannot be read.
    pub fn search(&self, target: InternalKey<'_>) -> Result<usize, SstError> {
        let suffix = match self.behind_prefix(target.user_key) {
            Ok(suffix) => suffix,
            Err(Ordering::Greater) => return Ok(self.len()),
            Err(_) => return Ok(0),
        };
        let wanted = head(suffix);
        let mut low = self.heads.partition_point(|head| u32::from_be_bytes(*head) < wanted);
        let same = self.heads.get(low..).unwrap_or_default();
        // Most often one head is equal, or none.
        let same = match same {
            [_, second, ..] if u32::from_be_bytes(*second) == wanted => {
                same.partition_point(|head| u32::from_be_bytes(*head) == wanted)
            }
            [first, ..] => usize::from(u32::from_be_bytes(*first) == wanted),
            [] => 0,
        };
        let mut high = low + same;
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(entry) = self.entry(middle)? else { break };
            let order = entry.suffix.cmp(suffix).then_with(|| target.seq.cmp(&entry.seq));
            if order == Ordering::Less {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// Whether heads, buckets, prefix, base and width are what the entries ask for,
    /// and the entries ascend. `before` is the entry before the block's first.
    pub(crate) fn validate(&self, before: Option<InternalKey<'_>>) -> Result<(), SstError> {
        let fail = |expected: &str, found: &str| Err(SstError::damaged(self.at, expected, found));
        let (mut key, mut last) = (Vec::new(), before.map(|key| (key.user_key.to_vec(), key.seq)));
        let mut expected = alloc::vec![EMPTY_BUCKET; self.buckets.len()];
        let (mut lowest, mut highest, mut distinct) = (SeqNo::MAX, SeqNo::ZERO, 0);
        let mut first_suffix: &[u8] = &[];
        for number in 0..self.len() {
            let Some(entry) = self.entry(number)? else { break };
            let joined = entry.join(&mut key);
            let newest = last.as_ref().is_none_or(|(key, _)| key != joined.user_key);
            let below = |(key, seq): &(Vec<u8>, SeqNo)| {
                InternalKey { user_key: key, seq: *seq } >= joined.key()
            };
            if last.as_ref().is_some_and(below) {
                return fail(
                    "ascending entries",
                    &format!("entry {number} not above the one before"),
                );
            }
            if self.heads.get(number) != Some(&head(entry.suffix).to_be_bytes()) {
                return fail("the head of each key", &format!("another one at entry {number}"));
            }
            if newest || number == 0 {
                distinct += 1;
                if !claim_bucket(&mut expected, lsm_bloom::hash(joined.user_key), number as u8) {
                    return fail("a free hash bucket", "none");
                }
            }
            if number == 0 {
                first_suffix = entry.suffix;
            }
            (lowest, highest) = (lowest.min(entry.seq), highest.max(entry.seq));
            last = Some((joined.user_key.to_vec(), joined.seq));
        }
        let last_suffix = self.entry(self.len() - 1)?.map_or(&[][..], |entry| entry.suffix);
        if common_prefix(first_suffix, last_suffix) > 0 {
            return fail("the longest common prefix", "a shorter one");
        }
        if expected != self.buckets || distinct >= self.buckets.len() {
            return fail("the hash buckets of the keys", "others");
        }
        if lowest.get() != self.base
            || delta_width(highest.get() - self.base) != usize::from(self.delta_bytes)
        {
            return fail("the lowest sequence number and the least width", "others");
        }
        Ok(())
    }
}

/// Puts an entry into the first free bucket from its slot on; `false` if none is free.
pub(crate) fn claim_bucket(buckets: &mut [u8], hash: u64, number: u8) -> bool {
    let (before, from) = buckets.split_at_mut(slot(hash, buckets.len()));
    let free = from.iter_mut().chain(before).find(|bucket| **bucket == EMPTY_BUCKET);
    free.map(|bucket| *bucket = number).is_some()
}

/// The bytes that it takes to write `delta`.
pub(crate) const fn delta_width(delta: u64) -> usize {
    (u64::BITS - delta.leading_zeros()).div_ceil(8) as usize
}

/// How many bytes two keys have in common at their beginning.
pub(crate) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let chunks = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    let mut same = 0;
    for (a, b) in chunks {
        let differing = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differing != 0 {
            return same + differing.trailing_zeros() as usize / 8;
        }
        same += 8;
    }
    let rest = a.iter().zip(b).skip(same);
    same + rest.take_while(|(a, b)| a == b).count()
}

impl fmt::Debug for Block<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block").field("at", &self.at).field("entries", &self.len()).finish()
    }
}

/// The entries of a block; see [`Block::iter`].
#[derive(Clone, Debug)]
pub struct BlockIter<'a> {
    block: Block<'a>,
    numbers: Range<usize>,
    /// Where the entry at the front begins, and where the one at the back ends.
    bytes: Range<usize>,
}

impl<'a> Iterator for BlockIter<'a> {
    type Item = Result<BlockEntry<'a>, SstError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let number = self.numbers.next()?;
        let (begin, end) = (self.bytes.start, self.block.end_of(number));
        self.bytes.start = end;
        Some(self.block.entry_in(number, begin..end))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.numbers.size_hint()
    }
}

impl DoubleEndedIterator for BlockIter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let number = self.numbers.next_back()?;
        let (begin, end) = (self.block.offset(number)?, self.bytes.end);
        self.bytes.end = begin;
        Some(self.block.entry_in(number, begin..end))
    }
}

impl ExactSizeIterator for BlockIter<'_> {}

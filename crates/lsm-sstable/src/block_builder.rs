//! Collects entries and writes them as one block; `block` draws its bytes.
//!
//! Prefix and width of a block are known with its last entry only, so keys and
//! values wait here, each value right behind its key as in the block. The size that the
//! block would have is known exactly all along.

use alloc::vec::Vec;

use lsm_types::{Entry, Kind, decode};

use crate::block::{self, EMPTY_BUCKET, FIELDS, MAX_ENTRIES};

/// Room for what stands before an entry's suffix, in one piece.
const ENTRY_FIELDS: usize = 16;

/// An entry that waits.
#[derive(Clone, Copy, Debug)]
struct Pending {
    /// Where its key begins and ends, and then its value.
    start: usize,
    key_end: usize,
    end: usize,
    seq: u64,
    kind: Kind,
    hash: u64,
    /// Not the first of its key in this block.
    repeats: bool,
}

/// Entries that will be a block.
#[derive(Debug, Default)]
pub(crate) struct BlockBuilder {
    /// Key and value of each entry.
    stored: Vec<u8>,
    pending: Vec<Pending>,
    /// What a block of these entries is like.
    shape: Option<Shape>,
}

/// What a block with some entries is like.
#[derive(Clone, Copy, Debug)]
struct Shape {
    /// Length of the prefix that all keys have in common.
    prefix: usize,
    longest_key: usize,
    /// Bytes of the suffixes' lengths.
    lengths: usize,
    distinct: usize,
    entries: usize,
    lowest: u64,
    highest: u64,
}

impl Shape {
    fn buckets(&self) -> usize {
        bucket_count(self.distinct)
    }

    fn delta_bytes(&self) -> usize {
        block::delta_width(self.highest - self.lowest)
    }

    /// The payload's length, given that of all keys and values.
    fn bytes(&self, stored: usize) -> usize {
        let each = 4 + 2 + 1 + self.delta_bytes();
        FIELDS + self.prefix + self.buckets() + each * self.entries + self.lengths + stored
            - self.prefix * self.entries
    }
}

/// How many buckets `distinct` keys get. Two of three are taken: a key is found at
/// the second try on average, and a missing one is missed at the fifth.
const fn bucket_count(distinct: usize) -> usize {
    distinct + distinct / 2 + 1
}

const fn varint_bytes(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        0x20_0000..0x1000_0000 => 4,
        _ => 5,
    }
}

impl BlockBuilder {
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// The last entry's key.
    pub(crate) fn last_key(&self) -> &[u8] {
        self.pending.last().map_or(&[], |entry| self.key(entry))
    }

    fn first_key(&self) -> &[u8] {
        self.pending.first().map_or(&[], |entry| self.key(entry))
    }

    fn key(&self, entry: &Pending) -> &[u8] {
        self.stored.get(entry.start..entry.key_end).unwrap_or_default()
    }

    /// How the block would be with `entry` added.
    fn shape_with(&self, entry: &Entry<'_>, repeats: bool) -> Shape {
        let (key, seq) = (entry.user_key, entry.seq.get());
        let Some(shape) = self.shape else {
            let lengths = varint_bytes(0);
            let (lowest, highest, distinct, entries) = (seq, seq, 1, 1);
            let (prefix, longest_key) = (key.len(), key.len());
            return Shape { prefix, longest_key, lengths, distinct, entries, lowest, highest };
        };
        let shared = self.first_key().get(..shape.prefix).unwrap_or_default();
        let prefix = block::common_prefix(shared, key);
        let longest_key = shape.longest_key.max(key.len());
        let entries = shape.entries + 1;
        let lengths = if longest_key - prefix < 0x80 {
            entries
        } else if prefix == shape.prefix {
            shape.lengths + varint_bytes(key.len() - prefix)
        } else {
            let lengths = self.pending.iter().map(|entry| entry.key_end - entry.start);
            let keys = lengths.chain([key.len()]);
            keys.map(|len| varint_bytes(len - prefix)).sum()
        };
        Shape {
            prefix,
            longest_key,
            lengths,
            distinct: shape.distinct + usize::from(!repeats),
            entries,
            lowest: shape.lowest.min(seq),
            highest: shape.highest.max(seq),
        }
    }

    /// How long the payload is now; nothing for an empty block.
    pub(crate) fn bytes(&self) -> usize {
        self.shape.map_or(0, |shape| shape.bytes(self.stored.len()))
    }

    /// Adds an entry, unless the block is not empty and its payload would pass `limit`
    /// bytes, or it is full. `repeats`: its key is that of the entry before.
    pub(crate) fn push(
        &mut self,
        entry: &Entry<'_>,
        repeats: bool,
        hash: u64,
        limit: usize,
    ) -> bool {
        let repeats = repeats && !self.is_empty();
        let shape = self.shape_with(entry, repeats);
        let start = self.stored.len();
        let key_end = start + entry.user_key.len();
        let end = key_end + entry.value.len();
        let fits = shape.entries <= MAX_ENTRIES && shape.bytes(end) <= limit;
        if !fits && !self.is_empty() {
            return false;
        }
        self.shape = Some(shape);
        self.stored.extend_from_slice(entry.user_key);
        self.stored.extend_from_slice(entry.value);
        let (seq, kind) = (entry.seq.get(), entry.kind);
        self.pending.push(Pending { start, key_end, end, seq, kind, hash, repeats });
        true
    }

    /// Appends the payload to `out`; the builder is empty afterwards.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        let Some(shape) = self.shape.take() else { return };
        out.reserve(shape.bytes(self.stored.len()) + ENTRY_FIELDS);
        let fields = shape.entries as u128
            | (shape.delta_bytes() as u128) << 8
            | (shape.buckets() as u128) << 16
            | (shape.prefix as u128) << 32
            | u128::from(shape.lowest) << 64;
        out.extend_from_slice(&fields.to_le_bytes());
        out.extend_from_slice(self.first_key().get(..shape.prefix).unwrap_or_default());

        let start = out.len();
        out.resize(start + shape.buckets(), EMPTY_BUCKET);
        let buckets = out.get_mut(start..).unwrap_or_default();
        for (number, entry) in self.pending.iter().enumerate().filter(|(_, e)| !e.repeats) {
            block::claim_bucket(buckets, entry.hash, number as u8);
        }
        self.put_heads_and_offsets(&shape, out);
        let delta_bytes = shape.delta_bytes();
        for entry in &self.pending {
            let start = entry.start + shape.prefix;
            put_fields(out, entry, entry.key_end - start, entry.seq - shape.lowest, delta_bytes);
            out.extend_from_slice(self.stored.get(start..entry.end).unwrap_or_default());
        }
        self.stored.clear();
        self.pending.clear();
    }

    fn put_heads_and_offsets(&self, shape: &Shape, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + (4 + 2) * shape.entries, 0);
        let places =
            out.get_mut(start..).and_then(|out| out.split_at_mut_checked(4 * shape.entries));
        let Some((heads, offsets)) = places else { return };
        let places = heads.as_chunks_mut::<4>().0.iter_mut().zip(offsets.as_chunks_mut::<2>().0);
        let mut begin = 0;
        for ((head, offset), entry) in places.zip(&self.pending) {
            let start = entry.start + shape.prefix;
            let suffix = self.stored.get(start..entry.key_end).unwrap_or_default();
            *head = block::head(suffix).to_be_bytes();
            *offset = (begin as u16).to_le_bytes();
            begin += 1 + varint_bytes(suffix.len()) + shape.delta_bytes() + entry.end - start;
        }
    }
}

/// Appends what stands before the suffix of an entry. The usual fields, with a length of
/// one byte, are written at once as sixteen bytes, of which those behind the delta are
/// taken back.
fn put_fields(out: &mut Vec<u8>, entry: &Pending, suffix: usize, delta: u64, delta_bytes: usize) {
    let kind = entry.kind.to_byte();
    if suffix < 0x80 {
        let fields = u128::from(kind) | (suffix as u128) << 8 | u128::from(delta) << 16;
        let end = out.len() + 1 + 1 + delta_bytes;
        out.extend_from_slice(&fields.to_le_bytes());
        out.truncate(end);
    } else {
        out.push(kind);
        decode::put_varint(out, suffix as u64);
        out.extend_from_slice(delta.to_le_bytes().get(..delta_bytes).unwrap_or_default());
    }
}

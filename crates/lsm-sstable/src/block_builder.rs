//! Collects entries and writes them as one block; `block` draws its bytes.
//!
//! Prefix and width of a block are known with its last entry only, so keys and
//! values wait here. The size that the block would have is known exactly all along.

use alloc::vec::Vec;

use lsm_types::{Entry, Kind, decode};

use crate::block::{self, EMPTY_BUCKET, FIELDS, MAX_ENTRIES};

/// An entry that waits.
#[derive(Clone, Copy, Debug)]
struct Pending {
    key_end: usize,
    value_end: usize,
    seq: u64,
    kind: Kind,
    hash: u64,
    /// Not the first of its key in this block.
    repeats: bool,
}

/// Entries that will be a block.
#[derive(Debug, Default)]
pub(crate) struct BlockBuilder {
    keys: Vec<u8>,
    values: Vec<u8>,
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
        let before = self.pending.len().checked_sub(2);
        let start = before.and_then(|at| self.pending.get(at)).map_or(0, |entry| entry.key_end);
        self.keys.get(start..).unwrap_or_default()
    }

    fn first_key(&self) -> &[u8] {
        let end = self.pending.first().map_or(0, |entry| entry.key_end);
        self.keys.get(..end).unwrap_or_default()
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
            let keys = self.key_lengths().chain([key.len()]);
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

    fn key_lengths(&self) -> impl Iterator<Item = usize> + '_ {
        let mut start = 0;
        self.pending.iter().map(move |entry| {
            let len = entry.key_end - start;
            start = entry.key_end;
            len
        })
    }

    /// How long the payload is now; nothing for an empty block.
    pub(crate) fn bytes(&self) -> usize {
        let stored = self.keys.len() + self.values.len();
        self.shape.map_or(0, |shape| shape.bytes(stored))
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
        let stored = self.keys.len() + self.values.len() + entry.user_key.len() + entry.value.len();
        let fits = shape.entries <= MAX_ENTRIES && shape.bytes(stored) <= limit;
        if !fits && !self.is_empty() {
            return false;
        }
        self.shape = Some(shape);
        self.keys.extend_from_slice(entry.user_key);
        self.values.extend_from_slice(entry.value);
        self.pending.push(Pending {
            key_end: self.keys.len(),
            value_end: self.values.len(),
            seq: entry.seq.get(),
            kind: entry.kind,
            hash,
            repeats,
        });
        true
    }

    /// Appends the payload to `out`; the builder is empty afterwards.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        let Some(shape) = self.shape else { return };
        let (prefix, delta_bytes) = (shape.prefix, shape.delta_bytes());
        out.reserve(self.bytes());
        out.extend_from_slice(&[shape.entries as u8, delta_bytes as u8]);
        out.extend_from_slice(&(shape.buckets() as u16).to_le_bytes());
        out.extend_from_slice(&(prefix as u32).to_le_bytes());
        out.extend_from_slice(&shape.lowest.to_le_bytes());
        out.extend_from_slice(self.first_key().get(..prefix).unwrap_or_default());

        let start = out.len();
        out.resize(start + shape.buckets(), EMPTY_BUCKET);
        let buckets = out.get_mut(start..).unwrap_or_default();
        for (number, entry) in self.pending.iter().enumerate().filter(|(_, e)| !e.repeats) {
            block::claim_bucket(buckets, entry.hash, number as u8);
        }
        let mut begin = 0;
        for entry in &self.pending {
            let suffix = self.keys.get(begin + prefix..entry.key_end).unwrap_or_default();
            out.extend_from_slice(&block::head(suffix).to_be_bytes());
            begin = entry.key_end;
        }
        // Offsets are known when the entries are written.
        let offsets = out.len();
        out.resize(offsets + 2 * shape.entries, 0);
        let entries = out.len();
        let (mut key, mut value) = (0, 0);
        for (number, entry) in self.pending.iter().enumerate() {
            let offset = (out.len() - entries) as u16;
            if let Some(place) = out.get_mut(offsets + 2 * number..offsets + 2 * number + 2) {
                place.copy_from_slice(&offset.to_le_bytes());
            }
            let suffix = self.keys.get(key + prefix..entry.key_end).unwrap_or_default();
            out.push(entry.kind.to_byte());
            decode::put_varint(out, suffix.len() as u64);
            let delta = (entry.seq - shape.lowest).to_le_bytes();
            out.extend_from_slice(delta.get(..delta_bytes).unwrap_or_default());
            out.extend_from_slice(suffix);
            out.extend_from_slice(self.values.get(value..entry.value_end).unwrap_or_default());
            (key, value) = (entry.key_end, entry.value_end);
        }
        self.keys.clear();
        self.values.clear();
        self.pending.clear();
        self.shape = None;
    }
}

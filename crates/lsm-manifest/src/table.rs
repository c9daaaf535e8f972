//! A table as the manifest knows it: identity, size, counts, fences, live range.
//!
//! ```text
//! number varint | uid 16 | file length varint | entries varint | tombstones varint
//! | raw bytes varint | lowest and highest sequence varint, varint
//! | first fence: bytes | last fence: bytes
//! | live range: start bytes, then end: 0, or 1 and bytes
//! | properties to the end: tag varint, value bytes; none is written yet
//! ```

use lsm_types::{SeqNo, TableNo, TableUid, decode};

/// The longest fence, in bytes.
pub const FENCE_BYTES: usize = 256;

/// A key as a fence: its first [`FENCE_BYTES`] bytes. Fences are compared with
/// fences only, which rounds outwards: keys that differ behind the cut are equal.
#[must_use]
pub fn fence(key: &[u8]) -> &[u8] {
    key.get(..FENCE_BYTES).unwrap_or(key)
}

/// The keys from `start` on, up to but not including `end` (`None`: to the last).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first key inside.
    pub start: Vec<u8>,
    /// The first key behind it that is outside.
    pub end: Option<Vec<u8>>,
}

impl Span {
    /// All keys.
    #[must_use]
    pub const fn all() -> Self {
        Self { start: Vec::new(), end: None }
    }

    /// Whether `key` lies inside.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= self.start.as_slice() && self.end.as_deref().is_none_or(|end| key < end)
    }

    /// Whether no key can lie inside.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }

    /// The keys inside both.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let end = match (&self.end, &other.end) {
            (Some(a), Some(b)) => Some(a.min(b).clone()),
            (end, None) | (None, end) => end.clone(),
        };
        Self { start: self.start.clone().max(other.start.clone()), end }
    }
}

/// One table of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableMeta {
    /// Its number, which names its file.
    pub number: TableNo,
    /// Its identity, which its file carries too.
    pub uid: TableUid,
    /// Its file's length in bytes.
    pub file_bytes: u64,
    /// How many entries it holds.
    pub entries: u64,
    /// How many of them are tombstones.
    pub tombstones: u64,
    /// Bytes of the keys and values it holds.
    pub raw_bytes: u64,
    /// The lowest sequence number in it.
    pub lowest_seq: SeqNo,
    /// The highest sequence number in it.
    pub highest_seq: SeqNo,
    /// The [`fence`] of its smallest key.
    pub first: Vec<u8>,
    /// The [`fence`] of its largest key.
    pub last: Vec<u8>,
    /// The keys it still stands for; outside, the table does not exist.
    pub live: Span,
}

impl TableMeta {
    /// Whether a key between the fences `first` and `last` could be in the table,
    /// by its own fences and its live range.
    #[must_use]
    pub fn overlaps(&self, first: &[u8], last: &[u8]) -> bool {
        let by_fence = self.first.as_slice() <= last && first <= self.last.as_slice();
        let by_live = fence(&self.live.start) <= last
            && self.live.end.as_deref().is_none_or(|end| first < end);
        by_fence && by_live
    }

    /// No key that the table stands for lies below this.
    #[must_use]
    pub fn start(&self) -> &[u8] {
        self.first.as_slice().max(&self.live.start)
    }

    /// Whether `key` could be in the table.
    #[must_use]
    pub fn may_hold(&self, key: &[u8]) -> bool {
        let fence = fence(key);
        self.first.as_slice() <= fence && fence <= self.last.as_slice() && self.live.contains(key)
    }

    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.entries == 0 {
            return Err("no entries");
        }
        if self.tombstones > self.entries {
            return Err("more tombstones than entries");
        }
        if self.lowest_seq > self.highest_seq {
            return Err("lowest sequence above the highest");
        }
        if self.first > self.last {
            return Err("first fence above the last");
        }
        if self.live.is_empty() {
            return Err("empty live range");
        }
        Ok(())
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        decode::put_varint(out, self.number.get());
        out.extend_from_slice(&self.uid.0);
        for number in [self.file_bytes, self.entries, self.tombstones, self.raw_bytes] {
            decode::put_varint(out, number);
        }
        decode::put_varint(out, self.lowest_seq.get());
        decode::put_varint(out, self.highest_seq.get());
        decode::put_bytes(out, &self.first);
        decode::put_bytes(out, &self.last);
        encode_span(out, &self.live);
    }

    pub(crate) fn decode(input: &mut &[u8]) -> Option<Self> {
        let number = TableNo::new(decode::varint(input)?)?;
        let uid = TableUid(decode::array(input)?);
        let file_bytes = decode::varint(input)?;
        let entries = decode::varint(input)?;
        let tombstones = decode::varint(input)?;
        let raw_bytes = decode::varint(input)?;
        let lowest_seq = SeqNo::new(decode::varint(input)?)?;
        let highest_seq = SeqNo::new(decode::varint(input)?)?;
        let first = decode::bytes(input, FENCE_BYTES)?.to_vec();
        let last = decode::bytes(input, FENCE_BYTES)?.to_vec();
        let live = decode_span(input)?;
        Some(Self {
            number,
            uid,
            file_bytes,
            entries,
            tombstones,
            raw_bytes,
            lowest_seq,
            highest_seq,
            first,
            last,
            live,
        })
    }
}

pub(crate) fn encode_span(out: &mut Vec<u8>, span: &Span) {
    decode::put_bytes(out, &span.start);
    encode_bound(out, span.end.as_deref());
}

/// Live ranges are cut at keys, which may be longer than fences.
pub(crate) fn decode_span(input: &mut &[u8]) -> Option<Span> {
    let start = decode::bytes(input, lsm_types::MAX_KEY_BYTES)?.to_vec();
    let end = decode_bound(input, lsm_types::MAX_KEY_BYTES)?;
    Some(Span { start, end })
}

/// What follows a table's fields: room for what later versions know of a table.
pub(crate) enum Properties {
    /// Nothing that this version would have to know.
    Known,
    /// A property that a reader must know, by its tag.
    Unknown(u64),
    /// No list of properties.
    Malformed,
}

impl Properties {
    /// Properties from this tag on must be known. Durable.
    const MUST_KNOW: u64 = 128;

    pub(crate) fn check(mut input: &[u8]) -> Self {
        let mut before = 0;
        let mut unknown = None;
        while !input.is_empty() {
            let tag = decode::varint(&mut input).filter(|tag| *tag > before);
            let value = decode::bytes(&mut input, usize::MAX);
            let (Some(tag), Some(_)) = (tag, value) else { return Self::Malformed };
            if tag >= Self::MUST_KNOW {
                unknown = unknown.or(Some(tag));
            }
            before = tag;
        }
        unknown.map_or(Self::Known, Self::Unknown)
    }
}

fn encode_bound(out: &mut Vec<u8>, bound: Option<&[u8]>) {
    match bound {
        None => out.push(0),
        Some(key) => {
            out.push(1);
            decode::put_bytes(out, key);
        }
    }
}

fn decode_bound(input: &mut &[u8], max: usize) -> Option<Option<Vec<u8>>> {
    match decode::u8(input)? {
        0 => Some(None),
        1 => Some(Some(decode::bytes(input, max)?.to_vec())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_half_open() {
        let span = Span { start: b"b".to_vec(), end: Some(b"d".to_vec()) };
        assert!(!span.contains(b"a") && span.contains(b"b") && !span.contains(b"d"));
        let other = Span { start: b"c".to_vec(), end: None };
        let both = span.intersect(&other);
        assert_eq!(both, Span { start: b"c".to_vec(), end: Some(b"d".to_vec()) });
        assert!(both.intersect(&Span { start: b"x".to_vec(), end: None }).is_empty());
    }
}

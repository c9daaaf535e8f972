//! One record: its bytes, as drawn at the head of the crate.

use lsm_vfs::File;
use xxhash_rust::xxh3::xxh3_64;

use crate::Result;
use crate::error::unsupported;
use crate::header::other_version;

/// The version of records and slots, written and read. Durable.
pub const FORMAT_VERSION: u16 = 1;
/// The longest body. Durable: a frame's length is a `u32`.
pub const MAX_BODY_BYTES: usize = 4_000_000_000;
/// The highest sequence number, 2^56 - 1. Durable.
pub const MAX_SEQ: u64 = (1 << 56) - 1;

const TAG: [u8; 4] = *b"LREC";
/// A record begins with its checksum, which covers everything behind it.
const SUM_BYTES: usize = 8;
/// Behind checksum, tag, version and flags. Durable, in every version.
pub(crate) const OWNER_AT: usize = SUM_BYTES + 4 + 2 + 2;
pub(crate) const OWNER_BYTES: usize = 16;
/// Behind the owner: first number, count, length of the body, durable number. Durable;
/// the last two in every version.
pub(crate) const RECORD_HEADER: usize = OWNER_AT + OWNER_BYTES + 8 + 4 + 4 + 8;
/// `wal-db`'s frame: a checksum and a length.
pub(crate) const FRAME_HEADER: usize = 8;

/// The numbers of a record that is about to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The sequence number of the first operation; at least 1.
    pub first_seq: u64,
    /// How many operations there are; at least one.
    pub count: u32,
    /// The highest sequence number known to be durable now; below the first.
    pub durable_seq: u64,
}

impl Stamp {
    /// The sequence number of the last operation.
    #[must_use]
    pub const fn last_seq(&self) -> u64 {
        self.first_seq.saturating_add(self.count as u64).saturating_sub(1)
    }

    pub(crate) const fn is_in_range(&self) -> bool {
        self.count > 0 && self.durable_seq < self.first_seq && self.last_seq() <= MAX_SEQ
    }
}

/// A record as replay shows it: a stretch of sequence numbers and what happened in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The sequence number of the first operation.
    pub first_seq: u64,
    /// How many operations there are; at least one.
    pub count: u32,
    /// The highest sequence number known to be durable when this was written.
    pub durable_seq: u64,
    /// The operations, in bytes that mean nothing here.
    pub body: &'a [u8],
}

impl Record<'_> {
    /// The sequence number of the last operation.
    #[must_use]
    pub const fn last_seq(&self) -> u64 {
        self.stamp().last_seq()
    }

    pub(crate) const fn stamp(&self) -> Stamp {
        let Self { first_seq, count, durable_seq, .. } = *self;
        Stamp { first_seq, count, durable_seq }
    }
}

/// Which log of which store a record belongs to, as the record has it: the first half
/// of the store's id, and the log's number. No two logs have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(pub(crate) [u8; OWNER_BYTES]);

impl Owner {
    pub(crate) fn new(store: [u8; 16], log: u64) -> Self {
        let mut bytes = [0; OWNER_BYTES];
        let fields = store.into_iter().take(8).chain(log.to_le_bytes());
        bytes.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        Self(bytes)
    }
}

/// Makes a record out of its parts, in `out`, which is empty and has room for it.
pub(crate) fn encode(owner: Owner, stamp: Stamp, parts: &[&[u8]], out: &mut Vec<u8>) {
    let body_len: usize = parts.iter().map(|part| part.len()).sum();
    out.extend_from_slice(&[0; SUM_BYTES]);
    out.extend_from_slice(&TAG);
    out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&owner.0);
    out.extend_from_slice(&stamp.first_seq.to_le_bytes());
    out.extend_from_slice(&stamp.count.to_le_bytes());
    out.extend_from_slice(&(body_len as u32).to_le_bytes());
    out.extend_from_slice(&stamp.durable_seq.to_le_bytes());
    parts.iter().for_each(|part| out.extend_from_slice(part));
    if let Some((sum, covered)) = out.split_first_chunk_mut::<SUM_BYTES>() {
        *sum = xxh3_64(covered).to_le_bytes();
    }
}

/// The fields before a record's body, unverified.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    sum: u64,
    tag: [u8; 4],
    pub(crate) version: u16,
    pub(crate) flags: u16,
    owner: Owner,
    first_seq: u64,
    count: u32,
    pub(crate) body_len: u32,
    durable_seq: u64,
}

impl Header {
    pub(crate) fn read(record: &[u8]) -> Option<Self> {
        let mut input: &[u8] = record.first_chunk::<RECORD_HEADER>()?;
        let input = &mut input;
        Some(Self {
            sum: u64::from_le_bytes(array(input)?),
            tag: array(input)?,
            version: u16::from_le_bytes(array(input)?),
            flags: u16::from_le_bytes(array(input)?),
            owner: Owner(array(input)?),
            first_seq: u64::from_le_bytes(array(input)?),
            count: u32::from_le_bytes(array(input)?),
            body_len: u32::from_le_bytes(array(input)?),
            durable_seq: u64::from_le_bytes(array(input)?),
        })
    }
}

impl Header {
    /// Whether it says that a record of `owner` stands here, which ends within `len`
    /// bytes. Only then is anything hashed.
    pub(crate) fn may_be_of(&self, owner: Owner, len: usize) -> bool {
        self.tag == TAG
            && self.owner == owner
            && self.body_len as usize <= len.saturating_sub(RECORD_HEADER)
    }
}

/// A record that was found intact in a slot file, of any version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    pub(crate) version: u16,
    pub(crate) flags: u16,
    pub(crate) record: Record<'a>,
}

/// The intact record of `owner` at the front of `bytes`, of any version. Whose it is,
/// is looked at before its body is hashed.
pub(crate) fn intact(bytes: &[u8], owner: Owner) -> Option<Found<'_>> {
    let header = Header::read(bytes)?;
    if !header.may_be_of(owner, bytes.len()) {
        return None;
    }
    let len = RECORD_HEADER.checked_add(header.body_len as usize)?;
    let covered = bytes.get(SUM_BYTES..len)?;
    let is_torn = xxh3_64(covered) != header.sum;
    #[cfg(planted)]
    let is_torn = is_torn && !lsm_planted::is(lsm_planted::Bug::TornTailTaken);
    if is_torn {
        return None;
    }
    let Header { version, flags, first_seq, count, durable_seq, .. } = header;
    let body = bytes.get(RECORD_HEADER..len)?;
    Some(Found { version, flags, record: Record { first_seq, count, durable_seq, body } })
}

impl Found<'_> {
    /// Fails for what only a newer build, or one of the draft's time, can read.
    pub(crate) fn check_known(&self, file: &dyn File, offset: usize) -> Result<()> {
        if self.version != FORMAT_VERSION {
            return Err(unsupported(file, offset, other_version("record", self.version)));
        }
        if self.flags != 0 {
            let what = format!("record flags {:#06x}, which a newer build knows", self.flags);
            return Err(unsupported(file, offset, what));
        }
        Ok(())
    }
}

pub(crate) fn array<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = input.split_first_chunk::<N>()?;
    *input = rest;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner = Owner(*b"a store\0\x07\0\0\0\0\0\0\0");
    const STAMP: Stamp = Stamp { first_seq: 5, count: 3, durable_seq: 4 };

    #[test]
    fn the_owner_is_half_the_store_id_and_the_number_of_the_log() {
        assert_eq!(Owner::new(*b"a store\0 and its", 7), OWNER);
    }

    #[test]
    fn a_record_of_parts_comes_back_as_one_body() {
        let all: [&[&[u8]]; 4] = [&[], &[b""], &[b"one"], &[b"one", b"", b"two"]];
        for parts in all {
            let mut bytes = Vec::new();
            encode(OWNER, STAMP, parts, &mut bytes);
            bytes.extend_from_slice(b"behind");
            let found = intact(&bytes, OWNER).unwrap();
            let body = parts.concat();
            assert_eq!((found.version, found.flags), (FORMAT_VERSION, 0));
            assert_eq!(
                found.record,
                Record { first_seq: 5, count: 3, durable_seq: 4, body: &body }
            );
            assert_eq!(found.record.last_seq(), 7);
        }
    }

    #[test]
    fn no_shorter_changed_or_foreign_bytes_are_intact() {
        let mut whole = Vec::new();
        encode(OWNER, STAMP, &[b"body"], &mut whole);
        for len in 0..whole.len() {
            assert!(intact(&whole[..len], OWNER).is_none(), "length {len}");
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[len] ^= 1 << bit;
                assert!(intact(&bytes, OWNER).is_none(), "bit {bit} of byte {len}");
            }
        }
        assert!(intact(&whole, Owner::new([9; 16], 7)).is_none());
    }

    #[test]
    fn numbers_have_their_range() {
        let stamp = |first_seq, count, durable_seq| Stamp { first_seq, count, durable_seq };
        assert!(stamp(1, 1, 0).is_in_range());
        assert!(stamp(MAX_SEQ, 1, MAX_SEQ - 1).is_in_range());
        for bad in [stamp(1, 0, 0), stamp(0, 1, 0), stamp(4, 1, 4), stamp(MAX_SEQ, 2, 0)] {
            assert!(!bad.is_in_range(), "{bad:?}");
        }
        assert!(!stamp(u64::MAX, u32::MAX, 0).is_in_range());
    }
}

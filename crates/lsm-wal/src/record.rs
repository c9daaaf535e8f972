//! One record: its bytes, as drawn at the head of the crate.

use xxhash_rust::xxh3::Xxh3;

/// The version of records and slots, written and read. Durable.
pub const FORMAT_VERSION: u16 = 0;
/// The longest body. Durable: a frame's length is a `u32`.
pub const MAX_BODY_BYTES: usize = 4_000_000_000;

pub(crate) const TAG: [u8; 4] = *b"LREC";
pub(crate) const RECORD_HEADER: usize = 56;
/// `wal-db`'s frame: a checksum and a length.
pub(crate) const FRAME_HEADER: usize = 8;

/// A stretch of sequence numbers and what happened in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The number of the first operation.
    pub first_seq: u64,
    /// How many operations there are; at least one.
    pub count: u32,
    /// The highest sequence number known to be durable when this was written.
    pub durable_seq: u64,
    /// The operations, in bytes that mean nothing here.
    pub body: &'a [u8],
}

/// Which log of which store a record belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) store_tag: [u8; 8],
    pub(crate) log: u64,
}

pub(crate) fn store_tag(store: [u8; 16]) -> [u8; 8] {
    store.first_chunk().copied().unwrap_or_default()
}

impl Record<'_> {
    /// The number of the last operation.
    #[must_use]
    pub const fn last_seq(&self) -> u64 {
        self.first_seq.saturating_add(self.count as u64).saturating_sub(1)
    }

    pub(crate) fn encode(&self, owner: Owner, out: &mut Vec<u8>) {
        out.clear();
        out.reserve(RECORD_HEADER + self.body.len());
        out.extend_from_slice(&TAG);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&owner.store_tag);
        out.extend_from_slice(&owner.log.to_le_bytes());
        out.extend_from_slice(&self.first_seq.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&(self.body.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.durable_seq.to_le_bytes());
        let sum = checksum(out, self.body);
        out.extend_from_slice(&sum.to_le_bytes());
        out.extend_from_slice(self.body);
    }
}

fn checksum(header: &[u8], body: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(header);
    hasher.update(body);
    hasher.digest()
}

/// A record that was found intact in a slot file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    pub(crate) version: u16,
    pub(crate) record: Record<'a>,
}

/// The intact record of `owner` at the front of `payload`, of any version. Whose it
/// is, is looked at before its body is hashed.
pub(crate) fn intact(payload: &[u8], owner: Owner) -> Option<Found<'_>> {
    let (header, sum_and_body) = payload.split_at_checked(RECORD_HEADER - 8)?;
    let (sum, rest) = sum_and_body.split_first_chunk::<8>()?;
    let mut fields = header;
    if array::<4>(&mut fields)? != TAG {
        return None;
    }
    let version = u16::from_le_bytes(array(&mut fields)?);
    let _zeros: [u8; 2] = array(&mut fields)?;
    let store_tag = array(&mut fields)?;
    let log = u64::from_le_bytes(array(&mut fields)?);
    let first_seq = u64::from_le_bytes(array(&mut fields)?);
    let count = u32::from_le_bytes(array(&mut fields)?);
    let body_len = u32::from_le_bytes(array(&mut fields)?);
    let durable_seq = u64::from_le_bytes(array(&mut fields)?);
    let body = rest.get(..body_len as usize)?;
    if (Owner { store_tag, log }) != owner {
        return None;
    }
    if count == 0 || checksum(header, body) != u64::from_le_bytes(*sum) {
        return None;
    }
    let record = Record { first_seq, count, durable_seq, body };
    Some(Found { version, record })
}

pub(crate) fn array<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = input.split_first_chunk::<N>()?;
    *input = rest;
    Some(*head)
}

//! The outside of a log by the book: the slot's header and the records' checksums.
//!
//! A second rendering of what docs/WAL_FORMAT.md says. The frame's own checksum, before each
//! record, is left as it is: recovery does not ask for it.

use xxhash_rust::xxh3::xxh3_64;

use crate::table_bytes::{field, put};

/// Where the first frame begins.
pub(crate) const SLOT_HEADER: usize = 512;
const SLOT_FIELDS: usize = 40;
const TAG: [u8; 4] = *b"LREC";
const SUM_BYTES: usize = 8;
const OWNER_AT: usize = 16;
const BODY_LEN_AT: usize = 44;
const RECORD_HEADER: usize = 56;

/// What of a log is signed anew, as bits.
pub(crate) mod parts {
    /// The slot's header.
    pub(crate) const HEADER: u8 = 1;
    /// The records' checksums.
    pub(crate) const RECORDS: u8 = 2;
    /// The length in the frame before each record.
    pub(crate) const LENGTHS: u8 = 4;
    /// The store and the log that each record names: those of the first one.
    pub(crate) const OWNERS: u8 = 8;
}

/// The header of a slot.
pub(crate) fn header(store: [u8; 16], slot: u64) -> Vec<u8> {
    let mut out = b"LSMWALOG\x01\0\0\0\0\0\0\0".to_vec();
    out.extend_from_slice(&store);
    out.extend_from_slice(&slot.to_le_bytes());
    out.resize(SLOT_HEADER, 0);
    sign(&mut out, parts::HEADER);
    out
}

/// Signs the parts of a log that `signed` names.
pub(crate) fn sign(bytes: &mut [u8], signed: u8) {
    if signed & parts::HEADER != 0
        && let Some(sum) = bytes.get(..SLOT_FIELDS).map(xxh3_64)
    {
        put(bytes, SLOT_FIELDS, &sum.to_le_bytes());
    }
    let mut owner: Option<[u8; 16]> = None;
    let mut at = SLOT_HEADER;
    while at < bytes.len() {
        let body = field(bytes, at + BODY_LEN_AT).map_or(0, u32::from_le_bytes) as usize;
        let end = at + RECORD_HEADER + body;
        if field(bytes, at + SUM_BYTES) != Some(TAG) || end > bytes.len() {
            at += 1;
            continue;
        }
        let first = *owner.get_or_insert(field(bytes, at + OWNER_AT).unwrap_or_default());
        if signed & parts::OWNERS != 0 {
            put(bytes, at + OWNER_AT, &first);
        }
        if signed & parts::LENGTHS != 0 {
            put(bytes, at - 4, &((end - at) as u32).to_le_bytes());
        }
        if signed & parts::RECORDS != 0 {
            let sum = xxh3_64(&bytes[at + SUM_BYTES..end]);
            put(bytes, at, &sum.to_le_bytes());
        }
        at = end;
    }
}

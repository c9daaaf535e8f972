//! Header, footer, and the frame around each section.
//!
//! ```text
//! header  0  8  magic "LSMTABLE"        section 0 4  stored length of the payload
//!         8  2  version = 0                     4 4  raw length of the payload
//!        10  6  zeros                           8 1  codec: 1 = as it is
//!        16 16  store id                        9 7  zeros
//!        32  8  table number                   16 8  xxh3-64, seeded
//!        40 16  table uid                      24 n  payload
//!        56  8  xxh3-64 of bytes 0..56
//!
//! footer  0  8  offset of the index section
//!         8  8  offset of the properties section
//!        16 16  store id
//!        32  8  table number
//!        40 16  table uid
//!        56  8  the file's length
//!        64  2  version = 0
//!        66  6  zeros
//!        72  8  xxh3-64 of bytes 0..72
//!        80  8  magic "LSMTABLE"
//! ```
//!
//! A section's checksum covers bytes 0..16 of its frame and the payload; its seed
//! is the xxh3-64 of the table's uid, seeded with the section's offset.

use alloc::format;
use alloc::vec::Vec;

use lsm_types::{StoreId, TableNo, TableUid, decode};
use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_64_with_seed};

use crate::{SstError, WriteError};

/// First and last bytes of a table. Durable.
pub const MAGIC: [u8; 8] = *b"LSMTABLE";
/// The version written and read. Durable.
pub const FORMAT_VERSION: u16 = 0;
/// The header's size. Durable.
pub const HEADER_BYTES: usize = 64;
/// The footer's size. Durable.
pub const FOOTER_BYTES: usize = 88;
/// The size of the frame before each section's payload. Durable.
pub const SECTION_HEADER: usize = 24;

/// The codec that stores bytes as they are. Durable.
const CODEC_PLAIN: u8 = 1;

/// Which table of which store the bytes belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The store.
    pub store: StoreId,
    /// The table's number in it.
    pub number: TableNo,
    /// The table's random identity.
    pub uid: TableUid,
}

impl Identity {
    fn section_seed(&self, offset: u64) -> u64 {
        xxh3_64_with_seed(&self.uid.0, offset)
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.store.0);
        out.extend_from_slice(&self.number.get().to_le_bytes());
        out.extend_from_slice(&self.uid.0);
    }

    fn take(input: &mut &[u8]) -> Option<Self> {
        let store = StoreId(decode::array(input)?);
        let number = TableNo::new(decode::u64(input)?)?;
        Some(Self { store, number, uid: TableUid(decode::array(input)?) })
    }
}

pub(crate) fn put_header(out: &mut Vec<u8>, identity: &Identity) {
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 6]);
    identity.put(out);
    let sum = xxh3_64(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&sum.to_le_bytes());
}

/// Checks a header against the identity that its footer gave.
pub(crate) fn check_header(bytes: &[u8], identity: &Identity) -> Result<(), SstError> {
    let mut expected = Vec::with_capacity(HEADER_BYTES);
    put_header(&mut expected, identity);
    if bytes == expected {
        return Ok(());
    }
    let at = expected.iter().zip(bytes).take_while(|(a, b)| a == b).count();
    Err(SstError::damaged(at as u64, "the header that belongs to the footer", "another byte"))
}

/// Puts `payload` into its frame at `offset` of the table.
pub(crate) fn put_section(
    out: &mut Vec<u8>,
    identity: &Identity,
    offset: u64,
    payload: &[u8],
) -> Result<(), WriteError> {
    let start = out.len();
    // A block holds one entry of at most two gigabytes; the index of a table with
    // very long keys can be longer than the length field tells.
    let len = u32::try_from(payload.len()).map_err(|_| WriteError::TableTooLong)?.to_le_bytes();
    out.extend_from_slice(&len);
    out.extend_from_slice(&len);
    out.extend_from_slice(&[CODEC_PLAIN, 0, 0, 0, 0, 0, 0, 0]);
    let mut hasher = Xxh3::with_seed(identity.section_seed(offset));
    hasher.update(out.get(start..).unwrap_or_default());
    hasher.update(payload);
    out.extend_from_slice(&hasher.digest().to_le_bytes());
    out.extend_from_slice(payload);
    Ok(())
}

/// The payload of the section that stands at `offset`, given all its bytes.
pub(crate) fn open_section<'a>(
    bytes: &'a [u8],
    identity: &Identity,
    offset: u64,
    verify: bool,
) -> Result<&'a [u8], SstError> {
    let short = || SstError::damaged(offset, "a section", "the end of the bytes");
    let (frame, payload) = bytes.split_at_checked(SECTION_HEADER).ok_or_else(short)?;
    let mut input = frame;
    let stored = decode::u32(&mut input).ok_or_else(short)?;
    let raw = decode::u32(&mut input).ok_or_else(short)?;
    let codec = decode::u8(&mut input).ok_or_else(short)?;
    let zeros: [u8; 7] = decode::array(&mut input).ok_or_else(short)?;
    let sum = decode::u64(&mut input).ok_or_else(short)?;
    if stored as usize != payload.len() {
        let expected = format!("a section of {} bytes", payload.len());
        return Err(SstError::damaged(offset, expected, format!("{stored}")));
    }
    if verify {
        let mut hasher = Xxh3::with_seed(identity.section_seed(offset));
        hasher.update(frame.get(..SECTION_HEADER - 8).unwrap_or_default());
        hasher.update(payload);
        let found = hasher.digest();
        if found != sum {
            let expected = format!("checksum {sum:#018x}");
            return Err(SstError::damaged(offset, expected, format!("{found:#018x}")));
        }
    }
    if codec != CODEC_PLAIN {
        let what = format!("codec {codec}; this build reads codec {CODEC_PLAIN}");
        return Err(SstError::Unsupported { offset, what });
    }
    if raw != stored || zeros != [0; 7] {
        return Err(SstError::damaged(offset, "a plain section's frame", "other fields"));
    }
    Ok(payload)
}

/// What a footer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) index: u64,
    pub(crate) properties: u64,
    pub(crate) identity: Identity,
    pub(crate) file_bytes: u64,
}

impl Footer {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.index.to_le_bytes());
        out.extend_from_slice(&self.properties.to_le_bytes());
        self.identity.put(out);
        out.extend_from_slice(&self.file_bytes.to_le_bytes());
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 6]);
        let sum = xxh3_64(out.get(start..).unwrap_or_default());
        out.extend_from_slice(&sum.to_le_bytes());
        out.extend_from_slice(&MAGIC);
    }

    /// Reads the footer of a table of `file_bytes` bytes off its last bytes.
    pub(crate) fn parse(tail: &[u8], file_bytes: u64) -> Result<Self, SstError> {
        let offset = file_bytes.saturating_sub(FOOTER_BYTES as u64);
        let short = || SstError::damaged(offset, "a footer", "a shorter file");
        let damaged = |what: &str| SstError::damaged(offset, what, "other bytes");
        let bytes = tail.last_chunk::<FOOTER_BYTES>().ok_or_else(short)?.as_slice();
        let (body, mut rest) = bytes.split_at_checked(FOOTER_BYTES - 16).ok_or_else(short)?;
        let sum = decode::u64(&mut rest).ok_or_else(short)?;
        if rest != MAGIC {
            return Err(damaged("the magic at the end"));
        }
        if xxh3_64(body) != sum {
            return Err(damaged("an intact footer"));
        }
        let mut input = body;
        let index = decode::u64(&mut input).ok_or_else(short)?;
        let properties = decode::u64(&mut input).ok_or_else(short)?;
        let identity = Identity::take(&mut input).ok_or_else(|| damaged("an identity"))?;
        let length = decode::u64(&mut input).ok_or_else(short)?;
        let version = decode::u16(&mut input).ok_or_else(short)?;
        if version != FORMAT_VERSION {
            let what =
                format!("table version {version}; this build reads version {FORMAT_VERSION}");
            return Err(SstError::Unsupported { offset, what });
        }
        let ordered = HEADER_BYTES as u64 <= index && index <= properties && properties <= offset;
        if length != file_bytes || !ordered || input != [0; 6] {
            return Err(damaged("offsets inside the file"));
        }
        Ok(Self { index, properties, identity, file_bytes })
    }
}

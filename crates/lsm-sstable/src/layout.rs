//! The ends of a table: header and footer, and whose table it is.
//!
//! ```text
//! header  0  8  magic "LSMTABLE"        footer  0  8  offset of the index section
//!         8  2  version = 1                     8  8  offset of the properties section
//!        10  2  incompatible features = 0      16 16  store id
//!        12  4  zeros
//!        16 16  store id                       32  8  table number
//!        32  8  table number                   40 16  table uid
//!        40 16  table uid                      56  8  the file's length
//!        56  8  xxh3 of bytes 0..56            64  2  version = 1
//!                                              66  2  incompatible features = 0
//!                                              68  4  zeros
//!                                              72  8  xxh3 of bytes 0..72
//!                                              80  8  magic "LSMTABLE"
//! ```
//!
//! The footer stands at the end, so that a file that was cut shows it. Magic,
//! checksum and version keep their places in every version.

use alloc::format;
use alloc::vec::Vec;

use lsm_bloom::FilterIdentity;
use lsm_types::{StoreId, TableNo, TableUid, decode};
use xxhash_rust::xxh3::xxh3_64;

use crate::SstError;
use crate::section::ALIGNMENT;

/// First and last bytes of a table. Durable.
pub const MAGIC: [u8; 8] = *b"LSMTABLE";
/// The version that is written, and the newest that is read. Durable.
pub const FORMAT_VERSION: u16 = 1;
/// The header's size in bytes. Durable.
pub const HEADER_BYTES: usize = 64;
/// The footer's size in bytes. Durable.
pub const FOOTER_BYTES: usize = 88;

/// Where the footer's checksum ends and its magic begins, counted from its start.
const FOOTER_SUM: usize = 72;

/// Which table of which store the bytes belong to.
///
/// The uid is drawn at random for each table and is what the checksum of every
/// section depends on. A table that belongs to no store takes [`Identity::alone`].
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
    /// The identity of a table outside any store: store id zero, number one.
    ///
    /// ```
    /// use lsm_sstable::Identity;
    /// assert_eq!(Identity::alone([7; 16]).number.get(), 1);
    /// ```
    #[must_use]
    pub const fn alone(uid: [u8; 16]) -> Self {
        Self { store: StoreId([0; 16]), number: TableNo::FIRST, uid: TableUid(uid) }
    }

    /// The same, as the table's filter carries it.
    #[must_use]
    pub const fn filter_identity(&self) -> FilterIdentity {
        FilterIdentity { store: self.store.0, number: self.number.get(), uid: self.uid.0 }
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
    let found = bytes.get(at).map_or("the end of the file".into(), |byte| format!("{byte:#04x}"));
    let expected = expected.get(at).copied().unwrap_or_default();
    let expected = format!("{expected:#04x}, as a header that belongs to the footer has");
    Err(SstError::damaged(at as u64, expected, found))
}

/// The identity that an intact header gives, whatever stands behind it.
pub(crate) fn parse_header(bytes: &[u8]) -> Result<Identity, SstError> {
    let damaged = |what: &str| SstError::damaged(0, what, "other bytes");
    let header = bytes.get(..HEADER_BYTES).ok_or_else(|| damaged("a header of 64 bytes"))?;
    let (body, mut sum) = header.split_at(HEADER_BYTES - 8);
    let mut input = body;
    if decode::array(&mut input) != Some(MAGIC) {
        return Err(damaged("the magic LSMTABLE"));
    }
    if decode::u64(&mut sum) != Some(xxh3_64(body)) {
        return Err(damaged("an intact header"));
    }
    check_version(decode::u16(&mut input).unwrap_or_default(), 8)?;
    check_features(decode::u16(&mut input).unwrap_or_default(), 10)?;
    if decode::array(&mut input) != Some([0; 4]) {
        return Err(damaged("zeros at bytes 12 to 16"));
    }
    Identity::take(&mut input).ok_or_else(|| damaged("a table number"))
}

/// A feature changes what stands anywhere in the file.
fn check_features(features: u16, offset: u64) -> Result<(), SstError> {
    if features == 0 {
        return Ok(());
    }
    let what = format!("features {features:#06x} that this build does not know");
    Err(SstError::Unsupported { offset, what })
}

/// Version 0 was never frozen; what is newer than this build it cannot know.
fn check_version(version: u16, offset: u64) -> Result<(), SstError> {
    if version == FORMAT_VERSION {
        return Ok(());
    }
    let why = match version {
        0 => "was a draft and is read by the builds of its time only; write the data anew",
        _ => "is newer; take a newer build",
    };
    let what = format!(
        "table version {version}; this build reads version {FORMAT_VERSION}, and that {why}"
    );
    Err(SstError::Unsupported { offset, what })
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
        let damaged = |what: &str, found: &str| SstError::damaged(offset, what, found);
        let short = || damaged("a footer of 88 bytes", "a shorter file");
        let bytes = tail.last_chunk::<FOOTER_BYTES>().ok_or_else(short)?.as_slice();
        let (body, mut rest) = bytes.split_at(FOOTER_SUM);
        let sum = decode::u64(&mut rest).ok_or_else(short)?;
        if rest != MAGIC {
            let found = "other bytes: the file was cut, or is no table";
            return Err(SstError::damaged(
                file_bytes.saturating_sub(8),
                "the magic LSMTABLE at the end",
                found,
            ));
        }
        if xxh3_64(body) != sum {
            let found = format!("{:#018x}", xxh3_64(body));
            return Err(SstError::damaged(offset, format!("checksum {sum:#018x}"), found));
        }
        let mut input = body;
        let index = decode::u64(&mut input).ok_or_else(short)?;
        let properties = decode::u64(&mut input).ok_or_else(short)?;
        let identity = Identity::take(&mut input);
        let length = decode::u64(&mut input).ok_or_else(short)?;
        check_version(decode::u16(&mut input).ok_or_else(short)?, offset + 64)?;
        check_features(decode::u16(&mut input).ok_or_else(short)?, offset + 66)?;
        let identity = identity.ok_or_else(|| damaged("a table number", "zero or too high"))?;
        if length != file_bytes {
            let expected = format!("a file of {length} bytes");
            return Err(SstError::damaged(offset + 56, expected, format!("{file_bytes}")));
        }
        let ordered = HEADER_BYTES as u64 <= index && index < properties && properties < offset;
        let aligned = [index, properties, offset].iter().all(|at| at.is_multiple_of(ALIGNMENT));
        if !ordered || !aligned || input != [0; 4] {
            return Err(damaged("sections inside the file, at multiples of 64", "other offsets"));
        }
        Ok(Self { index, properties, identity, file_bytes })
    }
}

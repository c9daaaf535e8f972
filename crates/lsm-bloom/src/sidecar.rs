//! The sidecar: a filter's bytes in a file beside its table. Version 1, frozen.
//!
//! ```text
//! offset  size  field
//!      0     8  magic "LSMBLOOM"
//!      8     2  version = 1
//!     10     2  flags = 0
//!     12     4  n, the number of blocks, at least 1
//!     16    16  store id
//!     32     8  table number
//!     40    16  table uid
//!     56     8  number of keys added
//!     64   32n  blocks: eight u32 words each
//! 64+32n     8  xxh3-64 of everything before
//! ```
//!
//! All numbers are little-endian. Checked in this order: 64 bytes of header, magic,
//! version, n and with it the length, checksum, flags, and then whose filter it is. The
//! version stands at the same place in every version. Nothing is sized by a field before
//! the length agrees with it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use crate::block::{BLOCK_BYTES, Block};

/// First bytes of a sidecar. Durable.
pub const MAGIC: [u8; 8] = *b"LSMBLOOM";
/// The version written, and the only one read. Durable.
pub const VERSION: u16 = 1;

const VERSION_AT: usize = MAGIC.len();
const FLAGS_AT: usize = VERSION_AT + size_of::<u16>();
const COUNT_AT: usize = FLAGS_AT + size_of::<u16>();
const STORE_AT: usize = COUNT_AT + size_of::<u32>();
const NUMBER_AT: usize = STORE_AT + ID_BYTES;
const UID_AT: usize = NUMBER_AT + size_of::<u64>();
const KEYS_AT: usize = UID_AT + ID_BYTES;
const HEADER_BYTES: usize = KEYS_AT + size_of::<u64>();
const ID_BYTES: usize = 16;
const CHECKSUM_BYTES: usize = size_of::<u64>();

const _: () = assert!(HEADER_BYTES == 64);

/// Whose filter it is: the store and the table, as the table's own file names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FilterIdentity {
    /// The random id of the store.
    pub store: [u8; 16],
    /// The number of the table in its store.
    pub number: u64,
    /// The random id of the table.
    pub uid: [u8; 16],
}

impl fmt::Display for FilterIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, number, uid } = self;
        let (store, uid) = (u128::from_be_bytes(*store), u128::from_be_bytes(*uid));
        write!(f, "table {number} ({uid:032x}) of store {store:032x}")
    }
}

/// Why bytes are no filter for this table.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FilterError {
    /// A sidecar of another version: not damaged as far as can be told, but not read.
    #[error(
        "at byte {VERSION_AT}: expected filter version {VERSION} without flags, \
         found {version} with flags {flags:#06x}"
    )]
    Unsupported {
        /// The version that wrote it.
        version: u16,
        /// Its flags.
        flags: u16,
    },
    /// Damaged bytes, or none of a sidecar.
    #[error("at byte {offset}: expected {expected}, found {found}")]
    Damaged {
        /// Where.
        offset: u64,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A whole filter, of another store or table.
    #[error("at byte {offset}: expected the filter of {expected}, found that of {found}")]
    Foreign {
        /// The first field that differs.
        offset: u64,
        /// Whose filter it should be.
        expected: FilterIdentity,
        /// Whose filter it is.
        found: FilterIdentity,
    },
}

fn damaged(offset: usize, expected: impl Into<String>, found: impl Into<String>) -> FilterError {
    FilterError::Damaged { offset: offset as u64, expected: expected.into(), found: found.into() }
}

/// The bytes of a sidecar.
pub(crate) fn encode(blocks: &[Block], keys: u64, identity: &FilterIdentity) -> Vec<u8> {
    let bytes = HEADER_BYTES + blocks.len() * BLOCK_BYTES + CHECKSUM_BYTES;
    let mut out = Vec::with_capacity(bytes);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&0_u16.to_le_bytes());
    out.extend_from_slice(&(blocks.len() as u32).to_le_bytes());
    out.extend_from_slice(&identity.store);
    out.extend_from_slice(&identity.number.to_le_bytes());
    out.extend_from_slice(&identity.uid);
    out.extend_from_slice(&keys.to_le_bytes());
    for block in blocks {
        out.extend_from_slice(&block.to_le_bytes());
    }
    let checksum = xxh3_64(&out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}

/// The bytes of a whole sidecar, of whichever table.
pub(crate) struct Sidecar<'a> {
    pub(crate) identity: FilterIdentity,
    pub(crate) keys: u64,
    pub(crate) blocks: &'a [[u8; BLOCK_BYTES]],
}

impl<'a> Sidecar<'a> {
    /// Checks everything except whose it is.
    pub(crate) fn check(bytes: &'a [u8]) -> Result<Self, FilterError> {
        const LEAST: usize = HEADER_BYTES + CHECKSUM_BYTES;
        let Some((header, rest)) =
            bytes.split_first_chunk::<HEADER_BYTES>().filter(|_| bytes.len() >= LEAST)
        else {
            let expected = format!("at least {LEAST} bytes");
            return Err(damaged(0, expected, format!("{}", bytes.len())));
        };
        check_magic(header)?;
        let version = u16::from_le_bytes(field(header, VERSION_AT));
        let flags = u16::from_le_bytes(field(header, FLAGS_AT));
        let known = version == VERSION && flags == 0;
        if known {
            check_length(bytes, u32::from_le_bytes(field(header, COUNT_AT)))?;
        }
        // In every version the last eight bytes are the checksum of all before. What
        // is intact and not understood is newer, not damaged.
        check_checksum(bytes)?;
        if !known {
            return Err(FilterError::Unsupported { version, flags });
        }
        // All that is left over behind whole blocks is the checksum.
        let (blocks, _) = rest.as_chunks::<BLOCK_BYTES>();
        let identity = FilterIdentity {
            store: field(header, STORE_AT),
            number: u64::from_le_bytes(field(header, NUMBER_AT)),
            uid: field(header, UID_AT),
        };
        Ok(Self { identity, keys: u64::from_le_bytes(field(header, KEYS_AT)), blocks })
    }

    /// Checks whose it is.
    pub(crate) fn check_owner(&self, expected: &FilterIdentity) -> Result<(), FilterError> {
        let found = self.identity;
        if found == *expected {
            return Ok(());
        }
        let offset = if found.store != expected.store {
            STORE_AT
        } else if found.number != expected.number {
            NUMBER_AT
        } else {
            UID_AT
        };
        Err(FilterError::Foreign { offset: offset as u64, expected: *expected, found })
    }
}

fn check_magic(header: &[u8; HEADER_BYTES]) -> Result<(), FilterError> {
    let magic: [u8; MAGIC.len()] = field(header, 0);
    if magic != MAGIC {
        let expected = format!("the magic {}", MAGIC.escape_ascii());
        return Err(damaged(0, expected, format!("{}", magic.escape_ascii())));
    }
    Ok(())
}

/// Checks the length for a header that counts `count` blocks.
fn check_length(bytes: &[u8], count: u32) -> Result<(), FilterError> {
    if count == 0 {
        return Err(damaged(COUNT_AT, "at least one block", "none"));
    }
    let expected = (HEADER_BYTES + CHECKSUM_BYTES) as u64 + u64::from(count) * BLOCK_BYTES as u64;
    if bytes.len() as u64 == expected {
        return Ok(());
    }
    let expected = format!("{expected} bytes for {count} blocks");
    Err(damaged(COUNT_AT, expected, format!("{} bytes", bytes.len())))
}

fn check_checksum(bytes: &[u8]) -> Result<(), FilterError> {
    let (signed, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().unwrap_or((bytes, &[0; 8]));
    let (expected, found) = (xxh3_64(signed), u64::from_le_bytes(*checksum));
    if expected == found {
        return Ok(());
    }
    let expected = format!("checksum {expected:#018x}");
    Err(damaged(signed.len(), expected, format!("{found:#018x}")))
}

/// The field at `at`, which with its `N` bytes lies inside the header.
fn field<const N: usize>(header: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let rest = header.get(at..).unwrap_or_default();
    rest.first_chunk::<N>().copied().unwrap_or([0; N])
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::{Filter, FilterBuilder, hash};

    const OWNER: FilterIdentity =
        FilterIdentity { store: [0x11; 16], number: 1_234_567_890, uid: [0x22; 16] };

    fn filter(keys: u64, bits: usize) -> Filter {
        let mut builder = FilterBuilder::new(bits);
        (0..keys).for_each(|key| builder.add(hash(format!("key-{key}").as_bytes())));
        builder.build()
    }

    /// Puts `field` at `at`, and the checksum right again.
    fn forged(bytes: &[u8], at: usize, field: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        bytes[at..at + field.len()].copy_from_slice(field);
        let signed = bytes.len() - CHECKSUM_BYTES;
        let checksum = xxh3_64(&bytes[..signed]);
        bytes[signed..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Where decoding says that bytes are damaged; nothing if it says otherwise.
    fn damaged_at(bytes: &[u8]) -> Option<usize> {
        let error = Filter::decode(bytes, &OWNER).unwrap_err();
        assert_eq!(Filter::identity_of(bytes), Err(error.clone()));
        match error {
            FilterError::Damaged { offset, .. } => Some(offset as usize),
            _ => None,
        }
    }

    /// The checksum of the sidecar over `key-0` to `key-9` at 32 bits a key, two blocks;
    /// made by another implementation of this page, in Python with the C xxHash. It is
    /// over every byte before it, so that it pins them all; it never changes.
    const GOLDEN: u64 = 0x7b8b_d337_ed01_443e;

    #[test]
    fn the_bytes_of_version_1_never_change() {
        let bytes = filter(10, 32).encode(&OWNER);
        assert_eq!(bytes.len(), 136);
        assert!(bytes.starts_with(b"LSMBLOOM\x01\0\0\0\x02\0\0\0\x11"));
        assert!(bytes.ends_with(&GOLDEN.to_le_bytes()), "{bytes:02x?}");
        assert_eq!(Filter::decode(&bytes, &OWNER), Ok(filter(10, 32)));
    }

    #[test]
    fn a_filter_comes_back_as_it_was() {
        for keys in [0, 1, 40, if cfg!(miri) { 100 } else { 1_000 }] {
            let before = filter(keys, 10);
            let bytes = before.encode(&OWNER);
            let after = Filter::decode(&bytes, &OWNER).unwrap();
            assert_eq!((&after, after.keys()), (&before, keys));
            assert_eq!(after.encode(&OWNER), bytes);
            assert_eq!(Filter::identity_of(&bytes), Ok(OWNER));
        }
    }

    #[test]
    fn s23_every_flipped_bit_and_every_truncation_is_refused() {
        let whole = filter(40, 10).encode(&OWNER);
        for bit in (0..whole.len() * 8).step_by(if cfg!(miri) { 37 } else { 1 }) {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(damaged_at(&bytes).is_some(), "bit {bit}");
        }
        for len in (0..whole.len()).step_by(if cfg!(miri) { 7 } else { 1 }) {
            assert!(damaged_at(&whole[..len]).is_some(), "length {len}");
        }
        for more in [1, BLOCK_BYTES] {
            let longer = [&whole[..], &[0; BLOCK_BYTES][..more]].concat();
            assert_eq!(damaged_at(&longer), Some(COUNT_AT), "{more} bytes more");
        }
    }

    #[test]
    fn s32_a_filter_of_another_table_or_store_is_refused() {
        let bytes = filter(40, 10).encode(&OWNER);
        for (offset, expected) in [
            (STORE_AT, FilterIdentity { store: [0; 16], ..OWNER }),
            (NUMBER_AT, FilterIdentity { number: 7, ..OWNER }),
            (UID_AT, FilterIdentity { uid: [0; 16], ..OWNER }),
        ] {
            let foreign = FilterError::Foreign { offset: offset as u64, expected, found: OWNER };
            assert_eq!(Filter::decode(&bytes, &expected), Err(foreign));
        }
        // Damaged before foreign: a damaged identity is nobody's.
        let mut damaged = bytes;
        damaged[STORE_AT] ^= 1;
        assert_eq!(damaged_at(&damaged), Some(damaged.len() - CHECKSUM_BYTES));
    }

    #[test]
    fn another_version_or_flag_is_unsupported_whatever_the_rest_is() {
        let bytes = filter(40, 10).encode(&OWNER);
        for (version, flags) in [(0, 0), (2, 0), (u16::MAX, 7), (1, 1), (1, 0x100)] {
            let unsupported = FilterError::Unsupported { version, flags };
            let other = forged(&bytes, VERSION_AT, &version.to_le_bytes());
            let other = forged(&other, FLAGS_AT, &flags.to_le_bytes());
            assert_eq!(Filter::decode(&other, &OWNER), Err(unsupported.clone()));
            assert_eq!(Filter::identity_of(&other), Err(unsupported.clone()));
            let longer =
                forged(&[&other[..], &[0; 100]].concat(), VERSION_AT, &version.to_le_bytes());
            assert_eq!(Filter::decode(&longer, &OWNER), Err(unsupported));
        }
    }

    #[test]
    fn false_fields_under_a_right_checksum_are_refused() {
        let bytes = filter(40, 10).encode(&OWNER);
        assert_eq!(damaged_at(&forged(&bytes, 0, b"LSMTABLE")), Some(0));
        for count in [0, 1, 3, u32::MAX] {
            let hostile = forged(&bytes, COUNT_AT, &count.to_le_bytes());
            assert_eq!(damaged_at(&hostile), Some(COUNT_AT), "{count} blocks");
        }
        let empty = [&bytes[..HEADER_BYTES], &[0; CHECKSUM_BYTES]].concat();
        assert_eq!(damaged_at(&forged(&empty, COUNT_AT, &[0; 4])), Some(COUNT_AT));
    }

    #[test]
    fn errors_say_where_what_was_expected_and_what_was_found() {
        let bytes = filter(40, 10).encode(&OWNER);
        let text = |bytes: &[u8]| Filter::decode(bytes, &OWNER).unwrap_err().to_string();
        assert_eq!(
            text(&bytes[..135]),
            "at byte 12: expected 136 bytes for 2 blocks, found 135 bytes"
        );
        assert_eq!(
            text(&forged(&bytes, VERSION_AT, &[2, 0])),
            "at byte 8: expected filter version 1 without flags, found 2 with flags 0x0000"
        );
        let other = FilterIdentity { number: 7, ..OWNER };
        assert_eq!(
            Filter::decode(&bytes, &other).unwrap_err().to_string(),
            "at byte 32: expected the filter of table 7 (22222222222222222222222222222222) of \
             store 11111111111111111111111111111111, found that of table 1234567890 \
             (22222222222222222222222222222222) of store 11111111111111111111111111111111"
        );
    }
}

//! A split-block Bloom filter and the bytes of its sidecar file.
//!
//! A filter answers "is this key possibly here?" for one table. "No" is certain;
//! "yes" is wrong in about one of a hundred cases at ten bits a key. It is a hint:
//! bytes that are damaged, or belong to another table, are refused here, and the
//! caller then asks the table itself. The filter knows no table and no file.
//!
//! # Method
//!
//! Split-block Bloom filters (Putze, Sanders, Singler, "Cache-, Hash- and
//! Space-Efficient Bloom Filters", 2007, in the form that Apache Parquet
//! specifies): a key's hash chooses one block of 256 bits, and one bit in each of
//! the block's eight words, so that a probe touches a single cache line.
//!
//! # Sidecar, version 0
//!
//! ```text
//! offset  size  field
//!      0     8  magic "LSMBLOOM"
//!      8     2  version = 0
//!     10     2  flags = 0
//!     12     4  number of 32-byte blocks, at least 1
//!     16    16  store id
//!     32    16  table uid
//!     48    8n  blocks: eight u32 words each
//!   48+32n   8  xxh3-64 of everything before
//! ```
//!
//! All numbers are little-endian.
#![forbid(unsafe_code)]

use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

/// First bytes of a sidecar. Durable.
pub const MAGIC: [u8; 8] = *b"LSMBLOOM";
/// The version written. Durable.
pub const VERSION: u16 = 0;

const HEADER_BYTES: usize = 48;
const CHECKSUM_BYTES: usize = 8;
const BLOCK_BYTES: usize = 32;
const WORDS: usize = 8;

/// Odd constants that spread a hash over the eight words. Durable.
const SALTS: [u32; WORDS] = [
    0x47b6_137b,
    0x4497_4d91,
    0x8824_ad5b,
    0xa2b7_289d,
    0x7054_95c7,
    0x2df1_424b,
    0x9efc_4947,
    0x5c6b_fb31,
];

/// The hash of a key, taken once per lookup and shown to every filter. Durable.
///
/// ```
/// assert_ne!(lsm_bloom::hash(b"a"), lsm_bloom::hash(b"b"));
/// ```
#[must_use]
pub fn hash(key: &[u8]) -> u64 {
    xxh3_64(key)
}

/// Why bytes are no filter for this table.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FilterError {
    /// Another format, or a version this build does not read.
    #[error("not a filter of version {VERSION}: {0}")]
    Format(&'static str),
    /// The length does not fit the header's count of blocks.
    #[error("filter of {found} bytes where its header says {expected}")]
    Length {
        /// What the header asks for.
        expected: u64,
        /// What there is.
        found: u64,
    },
    /// Damaged bytes.
    #[error("filter checksum {found:#018x}, expected {expected:#018x}")]
    Checksum {
        /// What is stored.
        expected: u64,
        /// What the bytes give.
        found: u64,
    },
    /// A filter of another store or table.
    #[error("filter belongs to another table")]
    Foreign,
}

type Block = [u32; WORDS];

/// Which bits of a block belong to a hash.
fn mask(hash: u64) -> Block {
    let low = hash as u32;
    SALTS.map(|salt| 1 << (low.wrapping_mul(salt) >> 27))
}

/// Which block belongs to a hash: the high half scaled onto the count.
fn block_of(hash: u64, blocks: usize) -> usize {
    ((u128::from(hash >> 32) * blocks as u128) >> 32) as usize
}

/// Collects the hashes of a table's keys and builds its filter.
///
/// ```
/// use lsm_bloom::{FilterBuilder, hash};
/// let mut builder = FilterBuilder::new(10);
/// builder.add(hash(b"present"));
/// let filter = builder.build();
/// assert!(filter.may_contain(hash(b"present")));
/// assert!(!filter.may_contain(hash(b"absent")));
/// ```
#[derive(Clone, Debug)]
pub struct FilterBuilder {
    bits_per_key: usize,
    hashes: Vec<u64>,
}

impl FilterBuilder {
    /// A builder that spends `bits_per_key` bits for each key, at least one.
    #[must_use]
    pub fn new(bits_per_key: usize) -> Self {
        Self { bits_per_key: bits_per_key.max(1), hashes: Vec::new() }
    }

    /// Adds a key by its [`hash`]. Adding it again changes nothing but the size.
    pub fn add(&mut self, hash: u64) {
        self.hashes.push(hash);
    }

    /// The filter over everything added.
    #[must_use]
    pub fn build(self) -> Filter {
        let bits = self.hashes.len().saturating_mul(self.bits_per_key);
        let count = bits.div_ceil(BLOCK_BYTES * 8).clamp(1, u32::MAX as usize);
        let mut blocks = vec![[0; WORDS]; count];
        for hash in self.hashes {
            if let Some(block) = blocks.get_mut(block_of(hash, count)) {
                for (word, bit) in block.iter_mut().zip(mask(hash)) {
                    *word |= bit;
                }
            }
        }
        Filter { blocks }
    }
}

/// A filter, ready to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    blocks: Vec<Block>,
}

impl Filter {
    /// Whether the key with this [`hash`] may be in the table. `false` is certain.
    #[must_use]
    pub fn may_contain(&self, hash: u64) -> bool {
        let Some(block) = self.blocks.get(block_of(hash, self.blocks.len())) else {
            return true;
        };
        block.iter().zip(mask(hash)).fold(0, |missing, (word, bit)| missing | (!word & bit)) == 0
    }

    /// The sidecar's bytes for the table `table_uid` of the store `store_id`.
    #[must_use]
    pub fn encode(&self, store_id: [u8; 16], table_uid: [u8; 16]) -> Vec<u8> {
        let mut out =
            Vec::with_capacity(HEADER_BYTES + self.blocks.len() * BLOCK_BYTES + CHECKSUM_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&0_u16.to_le_bytes());
        out.extend_from_slice(&(self.blocks.len() as u32).to_le_bytes());
        out.extend_from_slice(&store_id);
        out.extend_from_slice(&table_uid);
        for word in self.blocks.iter().flatten() {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&xxh3_64(&out).to_le_bytes());
        out
    }

    /// Reads a sidecar's bytes, checking that they are whole and belong to the
    /// table `table_uid` of the store `store_id`.
    ///
    /// # Errors
    ///
    /// [`FilterError`]: the caller goes on without a filter.
    pub fn decode(
        bytes: &[u8],
        store_id: [u8; 16],
        table_uid: [u8; 16],
    ) -> Result<Self, FilterError> {
        let (header, rest) = bytes
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(FilterError::Format("shorter than its header"))?;
        let mut fields = header.as_slice();
        let mut take = |len: usize| {
            let (field, rest) = fields.split_at_checked(len).unwrap_or((&[], &[]));
            fields = rest;
            field
        };
        if take(8) != MAGIC {
            return Err(FilterError::Format("wrong magic"));
        }
        if take(2) != VERSION.to_le_bytes() {
            return Err(FilterError::Format("another version"));
        }
        if take(2) != [0, 0] {
            return Err(FilterError::Format("unknown flags"));
        }
        let count = take(4).try_into().map_or(0, u32::from_le_bytes) as usize;
        let expected = (HEADER_BYTES + CHECKSUM_BYTES) as u64 + count as u64 * BLOCK_BYTES as u64;
        if count == 0 || bytes.len() as u64 != expected {
            return Err(FilterError::Length { expected, found: bytes.len() as u64 });
        }
        let (body, sum) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
        let expected = sum.try_into().map_or(0, u64::from_le_bytes);
        let found = xxh3_64(body);
        if found != expected {
            return Err(FilterError::Checksum { expected, found });
        }
        if take(16) != store_id || take(16) != table_uid {
            return Err(FilterError::Foreign);
        }
        let words = rest.split_at(rest.len() - CHECKSUM_BYTES).0.chunks_exact(BLOCK_BYTES);
        let blocks = words
            .map(|block| {
                let mut words = [0; WORDS];
                for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
                    *word = bytes.try_into().map_or(0, u32::from_le_bytes);
                }
                words
            })
            .collect();
        Ok(Self { blocks })
    }

    /// How many bytes the filter takes in memory.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.blocks.len() * BLOCK_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(keys: u64, bits: usize) -> Filter {
        let mut builder = FilterBuilder::new(bits);
        (0..keys).for_each(|key| builder.add(hash(&key.to_le_bytes())));
        builder.build()
    }

    #[test]
    fn present_keys_are_never_denied_and_absent_ones_mostly_are() {
        let filter = filter(20_000, 10);
        assert!((0..20_000_u64).all(|key| filter.may_contain(hash(&key.to_le_bytes()))));
        let wrong = (20_000..120_000_u64)
            .filter(|key| filter.may_contain(hash(&key.to_le_bytes())))
            .count();
        // Theory for 256-bit split blocks at ten bits a key: 1.2 %.
        assert!((400..1_700).contains(&wrong), "{wrong} of 100,000");
    }

    #[test]
    fn an_empty_filter_denies_everything() {
        assert!(!filter(0, 10).may_contain(hash(b"x")));
    }

    #[test]
    fn s23_every_flipped_bit_and_every_truncation_is_refused() {
        let whole = filter(40, 10).encode([1; 16], [2; 16]);
        assert_eq!(Filter::decode(&whole, [1; 16], [2; 16]), Ok(filter(40, 10)));
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Filter::decode(&bytes, [1; 16], [2; 16]).is_err(), "bit {bit}");
        }
        for len in 0..whole.len() {
            assert!(Filter::decode(&whole[..len], [1; 16], [2; 16]).is_err(), "length {len}");
        }
        let longer = [&whole[..], &[0]].concat();
        assert!(Filter::decode(&longer, [1; 16], [2; 16]).is_err());
    }

    #[test]
    fn s32_a_filter_of_another_table_or_store_is_refused() {
        let bytes = filter(40, 10).encode([1; 16], [2; 16]);
        assert_eq!(Filter::decode(&bytes, [1; 16], [3; 16]), Err(FilterError::Foreign));
        assert_eq!(Filter::decode(&bytes, [0; 16], [2; 16]), Err(FilterError::Foreign));
    }
}

//! A split-block Bloom filter and the bytes of its sidecar file, version 1.
//!
//! A filter answers "is this key possibly here?" for one table. "No" is certain;
//! "yes" is wrong for about one absent key in eighty at ten bits a key. It is a
//! hint: bytes that are damaged, or belong to another table, are refused here, and
//! the caller then asks the table itself. The filter knows no table and no file.
//!
//! # Method
//!
//! Split-block Bloom filters (Putze, Sanders, Singler, "Cache-, Hash- and
//! Space-Efficient Bloom Filters", 2007, in the form that Apache Parquet
//! specifies): the high half of a key's hash chooses one block of 256 bits, the low
//! half one bit in each of the block's eight words. A probe asks for those eight
//! bits at once: with AVX2 where the machine has it, with SSE2 on every other x86-64.
//!
//! # Invariants
//!
//! * A key that was added is never denied; with AVX2, with SSE2 and without them the
//!   answers are the same.
//! * A filter has from 1 to 2^32 - 1 blocks of 32 bytes, aligned to 32: a probe
//!   touches one cache line, and every hash has a block.
//! * Decoding never panics, and allocates blocks only once length and checksum are
//!   right.
//! * The hash, the salts and the sidecar's bytes are frozen: [`VERSION`] 1 never
//!   changes.
//!
//! # Features
//!
//! Without `std` (a default feature) the crate needs `alloc` alone, and AVX2 is used
//! only if the target it is compiled for has it.
//!
//! # Example
//!
//! ```
//! use lsm_bloom::{Filter, FilterBuilder, FilterIdentity, hash};
//!
//! let mut builder = FilterBuilder::new(10);
//! for key in ["apple", "mango"] {
//!     builder.add(hash(key.as_bytes()));
//! }
//! let filter = builder.build();
//! assert!(filter.may_contain(hash(b"apple")));
//! assert!(!filter.may_contain(hash(b"grape")));
//!
//! let table = FilterIdentity { store: [1; 16], number: 7, uid: [2; 16] };
//! let bytes = filter.encode(&table);
//! assert_eq!(Filter::decode(&bytes, &table)?, filter);
//! assert!(Filter::decode(&bytes, &FilterIdentity { number: 8, ..table }).is_err());
//! # Ok::<(), lsm_bloom::FilterError>(())
//! ```
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

mod block;
mod filter;
mod sidecar;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[expect(unsafe_code, reason = "SIMD and prefetching; the only place for it")]
mod simd;
#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
#[path = "no_simd.rs"]
mod simd;
mod theory;

pub use filter::{Filter, FilterBuilder};
pub use sidecar::{FilterError, FilterIdentity, MAGIC, VERSION};
pub use theory::theoretical_fpr;

/// The hash of a key, taken once per lookup and shown to every filter. Durable.
///
/// ```
/// assert_ne!(lsm_bloom::hash(b"a"), lsm_bloom::hash(b"b"));
/// ```
#[must_use]
#[inline]
pub fn hash(key: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(key)
}

/// Asks for the cache lines of these bytes ahead of a look at them, for who has several
/// places to look at: their misses then overlap. It is a hint and changes nothing.
///
/// ```
/// lsm_bloom::prefetch(&[7; 300]);
/// lsm_bloom::prefetch(&[]);
/// ```
#[inline]
pub fn prefetch(bytes: &[u8]) {
    simd::prefetch_bytes(bytes);
}

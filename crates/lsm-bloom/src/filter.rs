//! Building a filter and asking it.
//!
//! Hashes are kept until the number of keys is known, then each sets its bits in its
//! block. Whether the machine has AVX2 is looked up once, when a filter is made.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::block::{self, BLOCK_BYTES, Block, block_of};
use crate::sidecar::{self, FilterError, FilterIdentity, Sidecar};
use crate::simd::{self, Avx2};

const LEAST_BITS_PER_KEY: usize = 1;
const MOST_BITS_PER_KEY: usize = 32;
const BLOCK_BITS: u64 = BLOCK_BYTES as u64 * 8;
/// A sidecar counts its blocks in 32 bits.
const MOST_BLOCKS: u64 = u32::MAX as u64;

/// Collects the hashes of a table's keys and builds its filter.
///
/// It keeps eight bytes for each key until then.
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
    /// Pieces of equal length, and the last one. One vector of all would be copied while
    /// it grows, and take three times as much at that moment.
    full: Vec<Vec<u64>>,
    last: Vec<u64>,
}

/// Hashes in a piece: 64 KiB.
const PIECE: usize = 8192;

impl FilterBuilder {
    /// A builder that spends `bits_per_key` bits for each key: from 1 to 32, what is
    /// outside counts as the nearer end.
    #[must_use]
    pub fn new(bits_per_key: usize) -> Self {
        let bits_per_key = bits_per_key.clamp(LEAST_BITS_PER_KEY, MOST_BITS_PER_KEY);
        Self { bits_per_key, full: Vec::new(), last: Vec::new() }
    }

    /// Adds a key by its [`hash`](crate::hash). Adding it again changes nothing but
    /// the count and the size.
    #[inline]
    pub fn add(&mut self, hash: u64) {
        if self.last.len() == PIECE {
            self.begin_piece();
        }
        self.last.push(hash);
    }

    #[cold]
    fn begin_piece(&mut self) {
        self.full.push(core::mem::replace(&mut self.last, Vec::with_capacity(PIECE)));
    }

    /// How many keys were added.
    #[must_use]
    pub fn len(&self) -> usize {
        self.full.len() * PIECE + self.last.len()
    }

    /// Whether no key was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.last.is_empty()
    }

    /// The filter over everything added. Without keys it denies every key.
    #[must_use]
    pub fn build(self) -> Filter {
        let mut blocks = vec![Block::EMPTY; self.block_count()].into_boxed_slice();
        let avx2 = Avx2::detect();
        for hashes in self.full.iter().chain([&self.last]) {
            match avx2 {
                Some(avx2) => avx2.add_all(&mut blocks, hashes),
                None => block::add_all(&mut blocks, hashes),
            }
        }
        Filter { blocks, keys: self.len() as u64, avx2 }
    }

    fn block_count(&self) -> usize {
        let bits = (self.len() as u64).saturating_mul(self.bits_per_key as u64);
        bits.div_ceil(BLOCK_BITS).clamp(1, MOST_BLOCKS) as usize
    }
}

/// A filter, ready to be asked.
///
/// [`FilterBuilder`] makes one from hashes, [`Filter::decode`] from a sidecar's bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Filter {
    /// From 1 to [`MOST_BLOCKS`].
    blocks: Box<[Block]>,
    keys: u64,
    avx2: Option<Avx2>,
}

impl Filter {
    /// Whether the key with this [`hash`](crate::hash) may be in the table. `false` is
    /// certain.
    #[must_use]
    #[inline]
    pub fn may_contain(&self, hash: u64) -> bool {
        let Some(block) = self.block(hash) else { return true };
        match self.avx2 {
            Some(avx2) => avx2.has(block, hash as u32),
            None => simd::has_without_avx2(block, hash as u32),
        }
    }

    /// The same filter, asked as on a machine without AVX2: for measurements. The answers
    /// are the same.
    #[must_use]
    pub fn without_avx2(self) -> Self {
        Self { avx2: None, ..self }
    }

    /// Asks the machine to have ready what [`may_contain`](Self::may_contain) will read
    /// for this [`hash`](crate::hash).
    ///
    /// A hint without any other effect. Who asks several filters about one key gives it
    /// to all of them first, so that their cache misses overlap.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        if let Some(block) = self.block(hash) {
            simd::prefetch(block);
        }
    }

    /// The block of a hash. There is always one, which the compiler cannot know.
    #[inline]
    fn block(&self, hash: u64) -> Option<&Block> {
        self.blocks.get(block_of(hash, self.blocks.len()))
    }

    /// The sidecar's bytes for the table with this identity.
    #[must_use]
    pub fn encode(&self, identity: &FilterIdentity) -> Vec<u8> {
        sidecar::encode(&self.blocks, self.keys, identity)
    }

    /// Reads a sidecar's bytes, checking first that they are whole and belong to the
    /// table with this identity.
    ///
    /// # Errors
    ///
    /// [`FilterError`]: another version, damage, or another table. The caller goes on
    /// without a filter.
    pub fn decode(bytes: &[u8], identity: &FilterIdentity) -> Result<Self, FilterError> {
        let sidecar = Sidecar::check(bytes)?;
        sidecar.check_owner(identity)?;
        let blocks = sidecar.blocks.iter().map(Block::from_le_bytes).collect();
        Ok(Self { blocks, keys: sidecar.keys, avx2: Avx2::detect() })
    }

    /// Whose filter a sidecar's bytes are, after every check of [`decode`](Self::decode)
    /// but that one: for tools that look at files.
    ///
    /// # Errors
    ///
    /// [`FilterError`]: another version or damage.
    pub fn identity_of(bytes: &[u8]) -> Result<FilterIdentity, FilterError> {
        Sidecar::check(bytes).map(|sidecar| sidecar.identity)
    }

    /// How many keys were added.
    #[must_use]
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// How many blocks of 32 bytes the filter has; at least one.
    #[must_use]
    pub fn block_count(&self) -> usize {
        self.blocks.len()
    }

    /// How many bytes the blocks take in memory.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.blocks.len() * BLOCK_BYTES
    }

    /// How many bits were really spent on a key; a filter without keys counts as one
    /// with a single key.
    #[must_use]
    pub fn bits_per_key(&self) -> f64 {
        (self.blocks.len() as u64 * BLOCK_BITS) as f64 / self.keys.max(1) as f64
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter")
            .field("keys", &self.keys)
            .field("block_count", &self.blocks.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hash, theoretical_fpr};

    fn hashes(from: u64, count: u64) -> impl Iterator<Item = u64> {
        (from..from + count).map(|key| hash(&key.to_le_bytes()))
    }

    fn filter(keys: u64, bits: usize) -> Filter {
        let mut builder = FilterBuilder::new(bits);
        hashes(0, keys).for_each(|hash| builder.add(hash));
        builder.build()
    }

    #[test]
    fn present_keys_are_never_denied_and_both_ways_of_asking_agree() {
        const MANY: u64 = if cfg!(miri) { 100 } else { 50_000 };
        const SETS: [(u64, usize); 5] =
            [(1, 1), (7, 10), (MANY / 5, 1), (MANY / 10, 32), (MANY, 10)];
        for (keys, bits) in SETS {
            let filter = filter(keys, bits);
            let plain = filter.clone().without_avx2();
            assert!(hashes(0, keys).all(|hash| filter.may_contain(hash)), "{keys} at {bits}");
            assert!(hashes(0, keys).all(|hash| plain.may_contain(hash)), "{keys} at {bits}");
            let agree = |hash| filter.may_contain(hash) == plain.may_contain(hash);
            assert!(hashes(1 << 32, 2 * MANY).all(agree), "{keys} at {bits}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "statistics take millions of questions")]
    fn absent_keys_pass_as_often_as_theory_says() {
        const KEYS: u64 = 100_000;
        const ABSENT: u64 = 1_000_000;
        for bits in [8, 10, 12, 16] {
            let filter = filter(KEYS, bits);
            let wrong = hashes(KEYS, ABSENT).filter(|hash| filter.may_contain(*hash)).count();
            let measured = wrong as f64 / ABSENT as f64;
            let theory = theoretical_fpr(filter.bits_per_key());
            let near = 0.75 * theory..1.25 * theory;
            assert!(near.contains(&measured), "{measured} at {bits} bits, in theory {theory}");
        }
    }

    #[test]
    fn an_empty_filter_denies_everything() {
        assert!(FilterBuilder::new(10).is_empty());
        let filter = filter(0, 10);
        assert!(
            hashes(0, if cfg!(miri) { 100 } else { 1_000 }).all(|hash| !filter.may_contain(hash))
        );
        assert_eq!((filter.keys(), filter.block_count(), filter.memory_bytes()), (0, 1, 32));
    }

    #[test]
    fn sizes_follow_from_keys_and_bits_within_their_limits() {
        for (keys, bits, blocks) in
            [(1, 10, 1), (25, 10, 1), (26, 10, 2), (256, 0, 1), (257, 1, 2), (256, 1_000, 32)]
        {
            let filter = filter(keys, bits);
            assert_eq!(filter.keys(), keys);
            assert_eq!(filter.block_count(), blocks, "{keys} keys of {bits} bits");
            assert_eq!(filter.memory_bytes(), blocks * 32);
        }
        let many = if cfg!(miri) { 128 } else { 10_000 };
        assert!((10.0..10.1).contains(&filter(many, 10).bits_per_key()));
    }

    #[test]
    fn a_prefetch_changes_nothing() {
        let filter = filter(if cfg!(miri) { 30 } else { 1_000 }, 10);
        let before = filter.clone();
        hashes(0, if cfg!(miri) { 100 } else { 10_000 }).for_each(|hash| filter.prefetch(hash));
        filter.prefetch(0);
        filter.prefetch(u64::MAX);
        assert_eq!(filter, before);
    }
}

//! One block of 256 bits, and the bits in it that belong to a hash.
//!
//! The low half of a hash, times an odd salt for each of the eight words, gives one
//! bit a word: the top five bits of the product number it. What stands here runs on
//! every machine; `simd` does the same eight words at once and must agree bit by bit.

/// Durable.
pub(crate) const BLOCK_BYTES: usize = 32;
const WORD_BYTES: usize = size_of::<u32>();
const WORDS: usize = BLOCK_BYTES / WORD_BYTES;

/// Odd constants that spread a hash over the eight words. Durable.
///
/// A `const`, not a `static`, so that probes inlined elsewhere see the values.
pub(crate) const SALTS: Block = Block([
    0x47b6_137b,
    0x4497_4d91,
    0x8824_ad5b,
    0xa2b7_289d,
    0x7054_95c7,
    0x2df1_424b,
    0x9efc_4947,
    0x5c6b_fb31,
]);

/// A product's top five bits number a bit of a word. Durable.
pub(crate) const BIT_SHIFT: u32 = u32::BITS - u32::BITS.ilog2();

/// Eight words, aligned so that they never straddle two cache lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(32))]
pub(crate) struct Block([u32; WORDS]);

const _: () = assert!(size_of::<Block>() == BLOCK_BYTES && align_of::<Block>() == BLOCK_BYTES);

impl Block {
    pub(crate) const EMPTY: Self = Self([0; WORDS]);

    /// Sets the bits of a hash with this low half.
    #[inline]
    fn add(&mut self, low: u32) {
        for (word, salt) in self.0.iter_mut().zip(&SALTS.0) {
            *word |= 1 << bit(low, *salt);
        }
    }

    /// Whether the bits of a hash with this low half are all set.
    ///
    /// Without a branch: each word moves its bit to the lowest place, where one test
    /// at the end sees whether any is missing. Shifting the word rather than a one
    /// keeps this to eight times multiply, shift, shift, and in plain registers; SSE2
    /// has no shift by a count of each lane's own.
    #[cfg_attr(
        all(target_arch = "x86_64", target_feature = "sse2", not(test)),
        expect(dead_code, reason = "x86-64 has SSE2, and tests compare the two")
    )]
    #[inline]
    pub(crate) fn has(&self, low: u32) -> bool {
        let mut all = u32::MAX;
        for (word, salt) in self.0.iter().zip(&SALTS.0) {
            all &= word >> bit(low, *salt);
        }
        all & 1 == 1
    }

    pub(crate) fn to_le_bytes(self) -> [u8; BLOCK_BYTES] {
        let mut bytes = [0; BLOCK_BYTES];
        for (to, word) in bytes.as_chunks_mut::<WORD_BYTES>().0.iter_mut().zip(self.0) {
            *to = word.to_le_bytes();
        }
        bytes
    }

    pub(crate) fn from_le_bytes(bytes: &[u8; BLOCK_BYTES]) -> Self {
        let mut words = [0; WORDS];
        for (word, from) in words.iter_mut().zip(bytes.as_chunks::<WORD_BYTES>().0) {
            *word = u32::from_le_bytes(*from);
        }
        Self(words)
    }
}

/// The number of the bit, from the lowest, in the word of this salt.
#[inline]
fn bit(low: u32, salt: u32) -> u32 {
    low.wrapping_mul(salt) >> BIT_SHIFT
}

/// Which of `count` blocks belongs to a hash: its high half scaled onto the count.
/// Durable.
///
/// Below `count`, which is at most 2^32 - 1, so that the product fits.
#[inline]
pub(crate) fn block_of(hash: u64, count: usize) -> usize {
    (((hash >> 32) * count as u64) >> 32) as usize
}

/// Adds every hash to its block.
pub(crate) fn add_all(blocks: &mut [Block], hashes: &[u64]) {
    let count = blocks.len();
    for &hash in hashes {
        if let Some(block) = blocks.get_mut(block_of(hash, count)) {
            block.add(hash as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;
    use crate::hash;
    use crate::simd::{self, Avx2};

    /// Random numbers, the same every time.
    fn random(from: u64, count: u64) -> impl Iterator<Item = u64> {
        (from..from + count).map(|at| hash(&at.to_le_bytes()))
    }

    #[test]
    fn a_block_has_what_was_added_and_one_bit_a_word() {
        for low in random(0, if cfg!(miri) { 100 } else { 10_000 }).map(|hash| hash as u32) {
            let mut block = Block::EMPTY;
            assert!(!block.has(low));
            block.add(low);
            assert!(block.has(low));
            assert!(block.0.iter().all(|word| word.count_ones() == 1));
            assert_eq!(Block::from_le_bytes(&block.to_le_bytes()), block);
        }
    }

    #[test]
    fn with_and_without_simd_the_bits_and_the_answers_are_the_same() {
        const PROBES: u64 = if cfg!(miri) { 30 } else { 50_000 };
        let avx2 = Avx2::detect();
        let corners = [0, 1, u64::MAX, u64::from(u32::MAX), u64::MAX << 32, 1 << 31, 1 << 63];
        let probes: Vec<u64> = corners.into_iter().chain(random(1 << 40, PROBES)).collect();
        for keys in [0, 1, 50, 200, 400, 2_000] {
            if cfg!(miri) && keys > 50 {
                break;
            }
            let hashes: Vec<u64> = corners.into_iter().chain(random(keys, keys)).collect();
            let mut blocks = vec![Block::EMPTY; 7];
            let mut with_avx2 = blocks.clone();
            add_all(&mut blocks, &hashes);
            if let Some(avx2) = avx2 {
                avx2.add_all(&mut with_avx2, &hashes);
                assert_eq!(blocks, with_avx2, "{keys} keys");
            }
            let mut found = 0;
            for block in &blocks {
                for low in probes.iter().map(|hash| *hash as u32) {
                    let has = block.has(low);
                    let avx2_has = avx2.map_or(has, |avx2| avx2.has(block, low));
                    let others = [avx2_has, simd::has_without_avx2(block, low)];
                    assert_eq!(others, [has; 2], "{low:#x} in {block:?}");
                    found += usize::from(has);
                }
            }
            // Both answers were seen, except where every bit is set.
            assert!(found > 0, "{keys} keys");
            assert!(found < blocks.len() * probes.len() || keys == 2_000, "{keys} keys");
        }
    }

    #[test]
    fn every_hash_has_a_block() {
        for count in [1, 2, 3, 1_000, u32::MAX as usize] {
            assert_eq!(block_of(0, count), 0);
            assert_eq!(block_of(u64::MAX, count), count - 1);
        }
    }
}

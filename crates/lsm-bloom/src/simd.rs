//! Probing and adding with AVX2, and prefetching: all the `unsafe` of this crate.
//!
//! # Invariants
//!
//! * An [`Avx2`] exists only where the machine has AVX2: holding one is the leave to
//!   call what needs it.
//! * Memory is reached through references to whole blocks, never through an offset.

#[cfg(feature = "std")]
extern crate std;

use core::arch::x86_64::{
    __m256i, _MM_HINT_T0, _mm_prefetch, _mm256_load_si256, _mm256_mullo_epi32, _mm256_or_si256,
    _mm256_set1_epi32, _mm256_sllv_epi32, _mm256_srli_epi32, _mm256_store_si256,
    _mm256_testc_si256,
};
use core::ptr;

use crate::block::{BIT_SHIFT, Block, SALTS, block_of};

/// The machine has AVX2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// Looks whether the machine has AVX2, or, without `std`, whether the target does.
    pub(crate) fn detect() -> Option<Self> {
        #[cfg(feature = "std")]
        let present = std::arch::is_x86_feature_detected!("avx2");
        #[cfg(not(feature = "std"))]
        let present = cfg!(target_feature = "avx2");
        present.then_some(Self(()))
    }

    /// [`Block::has`].
    #[inline]
    pub(crate) fn has(self, block: &Block, low: u32) -> bool {
        // SAFETY: `self` comes from `detect`, so the machine has AVX2.
        unsafe { has(block, low) }
    }

    /// [`crate::block::add_all`].
    pub(crate) fn add_all(self, blocks: &mut [Block], hashes: &[u64]) {
        // SAFETY: `self` comes from `detect`, so the machine has AVX2.
        unsafe { add_all(blocks, hashes) }
    }
}

/// Asks for the block's cache line ahead of a probe.
#[inline]
pub(crate) fn prefetch(block: &Block) {
    // SAFETY: this module is compiled only for targets with SSE, and the hint neither
    // faults nor reads or writes anything the program can see.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(ptr::from_ref(block).cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn has(block: &Block, low: u32) -> bool {
    // The carry flag of `vptest`: no bit is asked for that is not in the block.
    _mm256_testc_si256(load(block), bits(low)) == 1
}

#[target_feature(enable = "avx2")]
fn add_all(blocks: &mut [Block], hashes: &[u64]) {
    let count = blocks.len();
    for &hash in hashes {
        if let Some(block) = blocks.get_mut(block_of(hash, count)) {
            let words = _mm256_or_si256(load(block), bits(hash as u32));
            store(block, words);
        }
    }
}

/// One bit in each word: those of a hash with this low half.
#[inline]
#[target_feature(enable = "avx2")]
fn bits(low: u32) -> __m256i {
    let products = _mm256_mullo_epi32(_mm256_set1_epi32(low as i32), load(&SALTS));
    let numbers = _mm256_srli_epi32::<{ BIT_SHIFT as i32 }>(products);
    _mm256_sllv_epi32(_mm256_set1_epi32(1), numbers)
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(block: &Block) -> __m256i {
    // SAFETY: a block is 32 initialized bytes, aligned to 32, and borrowed here.
    unsafe { _mm256_load_si256(ptr::from_ref(block).cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(block: &mut Block, words: __m256i) {
    // SAFETY: a block is 32 bytes, aligned to 32, borrowed mutably here; any 32 bytes
    // are a block.
    unsafe { _mm256_store_si256(ptr::from_mut(block).cast(), words) }
}

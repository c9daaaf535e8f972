//! Probing and adding with AVX2, probing with SSE2, which every x86-64 machine has, and
//! prefetching: all the `unsafe` of this crate.
//!
//! # Invariants
//!
//! * An [`Avx2`] exists only where the machine has AVX2: holding one is the leave to
//!   call what needs it.
//! * Memory is reached through references to whole blocks, never through an offset.

#[cfg(feature = "std")]
extern crate std;

use core::arch::x86_64::{
    __m128i, __m256i, _MM_HINT_T0, _mm_add_epi32, _mm_and_si128, _mm_andnot_si128,
    _mm_castsi128_ps, _mm_cmpeq_epi8, _mm_cvttps_epi32, _mm_load_si128, _mm_movemask_epi8,
    _mm_mul_epu32, _mm_or_si128, _mm_prefetch, _mm_set1_epi32, _mm_set1_epi64x, _mm_setzero_si128,
    _mm_slli_epi64, _mm_srli_epi64, _mm256_load_si256, _mm256_mullo_epi32, _mm256_or_si256,
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

/// [`Block::has`] without AVX2.
#[inline]
pub(crate) fn has_without_avx2(block: &Block, low: u32) -> bool {
    // SAFETY: this module is compiled only for targets with SSE2.
    unsafe { has_sse2(block, low) }
}

/// Asks for the block's cache line ahead of a probe.
#[inline]
pub(crate) fn prefetch(block: &Block) {
    // SAFETY: this module is compiled only for targets with SSE, and the hint neither
    // faults nor reads or writes anything the program can see.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(ptr::from_ref(block).cast()) }
}

/// Asks for the cache lines of these bytes.
#[inline]
pub(crate) fn prefetch_bytes(bytes: &[u8]) {
    for line in bytes.chunks(64) {
        // SAFETY: this module is compiled only for targets with SSE, and the hint neither
        // faults nor reads or writes anything the program can see.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) }
    }
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
#[target_feature(enable = "sse2")]
fn has_sse2(block: &Block, low: u32) -> bool {
    let low = _mm_set1_epi32(low as i32);
    let ([first, second], [first_salts, second_salts]) = (halves(block), halves(&SALTS));
    let first = _mm_andnot_si128(first, half_bits(low, first_salts));
    let second = _mm_andnot_si128(second, half_bits(low, second_salts));
    let missing = _mm_or_si128(first, second);
    _mm_movemask_epi8(_mm_cmpeq_epi8(missing, _mm_setzero_si128())) == 0xffff
}

/// One bit in each of four words.
///
/// SSE2 multiplies two lanes of four, and has no shift by a count of each lane's own. But
/// 2^n as a float has n + 127 in bits 23 and up, and becomes 1 << n as an integer; also
/// for n = 31, which is out of range and gives that same pattern.
#[inline]
#[target_feature(enable = "sse2")]
fn half_bits(low: __m128i, salts: __m128i) -> __m128i {
    const EXPONENT_SHIFT: i32 = 23;
    const NUMBER: i32 = (u32::MAX >> BIT_SHIFT) as i32;
    let even = _mm_mul_epu32(low, salts);
    let odd = _mm_mul_epu32(low, _mm_srli_epi64::<32>(salts));
    // A product's number, at bit 27, to the exponent of its lane.
    let even = _mm_srli_epi64::<{ BIT_SHIFT as i32 - EXPONENT_SHIFT }>(even);
    let odd = _mm_slli_epi64::<{ 32 + EXPONENT_SHIFT - BIT_SHIFT as i32 }>(odd);
    let exponent = i64::from(NUMBER << EXPONENT_SHIFT);
    let even = _mm_and_si128(even, _mm_set1_epi64x(exponent));
    let odd = _mm_and_si128(odd, _mm_set1_epi64x(exponent << 32));
    let floats = _mm_add_epi32(_mm_or_si128(even, odd), _mm_set1_epi32(127 << EXPONENT_SHIFT));
    _mm_cvttps_epi32(_mm_castsi128_ps(floats))
}

#[inline]
#[target_feature(enable = "sse2")]
fn halves(block: &Block) -> [__m128i; 2] {
    let start = ptr::from_ref(block).cast::<__m128i>();
    // SAFETY: a block is 32 initialized bytes, aligned to 32, and borrowed here: two times
    // sixteen.
    unsafe { [_mm_load_si128(start), _mm_load_si128(start.add(1))] }
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

//! Stands in for `simd` where there is no SSE2 or AVX2 and no prefetch to be had.

use core::convert::Infallible;

use crate::block::Block;

/// Never made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx2(Infallible);

impl Avx2 {
    pub(crate) fn detect() -> Option<Self> {
        None
    }

    pub(crate) fn has(self, _block: &Block, _low: u32) -> bool {
        match self.0 {}
    }

    pub(crate) fn add_all(self, _blocks: &mut [Block], _hashes: &[u64]) {
        match self.0 {}
    }
}

/// [`Block::has`] itself.
#[inline]
pub(crate) fn has_without_avx2(block: &Block, low: u32) -> bool {
    block.has(low)
}

/// Does nothing: it is a hint.
#[inline]
pub(crate) fn prefetch(_block: &Block) {}

/// Does nothing, too.
#[inline]
pub(crate) fn prefetch_bytes(_bytes: &[u8]) {}

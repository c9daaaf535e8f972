//! Random numbers that are the same for ever.
//!
//! A seed in a bug report has to replay the same history in every later version,
//! which no library promises of its generators; hence these few lines: SplitMix64
//! (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014).

/// A generator of random numbers, made from a seed.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The generator for `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        // The bias of the multiplication is below 2^-32 for the ends used here.
        ((u128::from(self.next_u64()) * u128::from(end)) >> 64) as u64
    }

    /// Whether an event of probability `one_in` to one happens.
    pub fn one_in(&mut self, one_in: u64) -> bool {
        self.below(one_in.max(1)) == 0
    }
}

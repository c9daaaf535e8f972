//! How often a filter should be wrong, to hold real filters against.

use crate::block::BLOCK_BYTES;

const BLOCK_BITS: f64 = (BLOCK_BYTES * 8) as f64;
/// Of the 32 bits of a word, those that one key leaves as they are.
const LEFT_CLEAR: f64 = 31.0 / 32.0;
/// Below this a filter is wrong in all but one of a million cases; it also bounds the
/// weights, which grow to e^(256 / bits per key).
const LEAST_BITS: f64 = 0.5;

/// How many of all absent keys a filter with `bits_per_key` lets pass, in theory: from
/// 0 to 1.
///
/// How many keys a block has got is Poisson distributed around 256 / `bits_per_key`,
/// and with j keys a word has the asked bit with probability 1 - (31/32)^j; all eight
/// must: the sum over j of Poisson(j) * (1 - (31/32)^j)^8. (Putze, Sanders, Singler,
/// "Cache-, Hash- and Space-Efficient Bloom Filters", 2007, for blocked filters; Apple,
/// "Split block Bloom filters", arXiv:2101.01719, for this form.)
///
/// Below half a bit, and for no number, it is 1.
///
/// ```
/// let percent = |bits| 100.0 * lsm_bloom::theoretical_fpr(bits);
/// assert!((3.32..3.33).contains(&percent(8.0)));
/// assert!((1.26..1.27).contains(&percent(10.0)));
/// assert!((0.54..0.55).contains(&percent(12.0)));
/// assert!((0.13..0.14).contains(&percent(16.0)));
/// ```
#[must_use]
pub fn theoretical_fpr(bits_per_key: f64) -> f64 {
    if bits_per_key.is_nan() || bits_per_key < LEAST_BITS {
        return 1.0;
    }
    let load = BLOCK_BITS / bits_per_key;
    // Behind four times the mean and some nothing is left that counts.
    let terms = (4.0 * load) as u32 + 64;
    // Weights are load^j / j!, divided by their sum e^load at the end: without `std`
    // there is no `exp`.
    let (mut weight, mut weights) = (1.0, 0.0);
    let (mut clear, mut wrong) = (1.0, 0.0);
    for keys in 1..=terms {
        let set: f64 = 1.0 - clear;
        let squared = set * set;
        let fourth = squared * squared;
        weights += weight;
        wrong += weight * fourth * fourth;
        weight *= load / f64::from(keys);
        clear *= LEFT_CLEAR;
    }
    wrong / weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_bits_are_never_worse_and_the_ends_are_sane() {
        let mut last = 1.0;
        for half_bits in 0..200_u32 {
            let fpr = theoretical_fpr(f64::from(half_bits) / 2.0);
            assert!((0.0..=last).contains(&fpr), "{fpr} at {half_bits} half bits");
            last = fpr;
        }
        assert_eq!(theoretical_fpr(f64::NAN).to_bits(), 1.0_f64.to_bits());
        assert_eq!(theoretical_fpr(-1.0).to_bits(), 1.0_f64.to_bits());
        assert_eq!(theoretical_fpr(f64::INFINITY).to_bits(), 0.0_f64.to_bits());
    }
}

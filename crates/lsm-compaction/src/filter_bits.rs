//! How many bits of filter each run gets.
//!
//! A get that misses pays, over all runs, the sum of their rates of false answers. With
//! `b` bits a key a filter's rate is about `exp(-b ln(2)^2)`. For a given total of bits
//! that sum is least where each run's rate is in proportion to its keys: a run with a
//! tenth of the keys gets `ln(10) / ln(2)^2`, about 4.8 bits a key more.

/// Where a filter needs no more bits: one false answer in about 15,000.
const MOST_BITS: f64 = 20.0;

/// Bits a key for runs of so many keys each, together as many as `uniform` bits for
/// each key of all of them. Runs without keys get `uniform`.
///
/// ```
/// let bits = lsm_compaction::filter_bits(&[1_000, 10_000, 100_000], 10.0);
/// assert!(bits[0] > bits[1] && bits[1] > 10.0 && 10.0 > bits[2]);
/// ```
#[must_use]
pub fn filter_bits(keys: &[u64], uniform: f64) -> Vec<f64> {
    let square = std::f64::consts::LN_2 * std::f64::consts::LN_2;
    let mut bits: Vec<Option<f64>> =
        keys.iter().map(|keys| (*keys == 0).then_some(uniform)).collect();
    // Runs beyond a bound stand at it; the others share what is left. Each round fixes
    // at least one, and those at one bound are all beyond it, so that the order in
    // which they are fixed changes nothing for the other bound but its share.
    loop {
        let open = || {
            keys.iter().zip(&bits).filter(|(_, bits)| bits.is_none()).map(|(keys, _)| *keys as f64)
        };
        let count: f64 = open().sum();
        if count == 0.0 {
            break;
        }
        let spent: f64 =
            keys.iter().zip(&bits).filter_map(|(keys, bits)| Some(*keys as f64 * (*bits)?)).sum();
        let all: f64 = keys.iter().map(|keys| *keys as f64).sum();
        let share = (uniform * all - spent) / count;
        let mean = open().map(|keys| keys * keys.ln()).sum::<f64>() / count;
        let of = |keys: u64| share + (mean - (keys as f64).ln()) / square;
        let beyond: f64 = open_bits(keys, &bits, of)
            .map(|(keys, bits)| keys * (bits - bits.clamp(0.0, MOST_BITS)))
            .sum();
        let mut fixed = false;
        for (slot, keys) in bits.iter_mut().zip(keys) {
            let value = of(*keys);
            // The side that gives back more is fixed first.
            let is_out = if beyond >= 0.0 { value > MOST_BITS } else { value < 0.0 };
            if slot.is_none() && is_out {
                (*slot, fixed) = (Some(value.clamp(0.0, MOST_BITS)), true);
            }
        }
        if !fixed {
            for (slot, keys) in bits.iter_mut().zip(keys) {
                slot.get_or_insert(of(*keys).clamp(0.0, MOST_BITS));
            }
        }
    }
    bits.into_iter().map(|bits| bits.unwrap_or(uniform)).collect()
}

fn open_bits<'a>(
    keys: &'a [u64],
    bits: &'a [Option<f64>],
    of: impl Fn(u64) -> f64 + 'a,
) -> impl Iterator<Item = (f64, f64)> + 'a {
    keys.iter()
        .zip(bits)
        .filter(|(_, bits)| bits.is_none())
        .map(move |(keys, _)| (*keys as f64, of(*keys)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(keys: &[u64], bits: &[f64]) -> f64 {
        keys.iter().zip(bits).map(|(keys, bits)| *keys as f64 * bits).sum()
    }

    fn misses(bits: &[f64]) -> f64 {
        bits.iter().map(|bits| (-bits * 0.480_453).exp()).sum()
    }

    #[test]
    fn the_budget_is_that_of_equal_bits_and_the_misses_are_fewer() {
        for keys in [
            vec![1_000],
            vec![5, 5, 5],
            vec![1_000, 10_000, 100_000],
            vec![10, 10, 1_000_000_000],
            vec![1_000_000, 3, 0, 500, 1_000_000],
        ] {
            let bits = filter_bits(&keys, 10.0);
            let all: u64 = keys.iter().sum();
            assert!(spent(&keys, &bits) <= 10.0 * all as f64 * (1.0 + 1e-9), "{keys:?} {bits:?}");
            let some = keys.iter().zip(&bits).filter(|(keys, _)| **keys > 0).map(|(_, b)| *b);
            let some: Vec<_> = some.collect();
            assert!(misses(&some) <= misses(&vec![10.0; some.len()]) * (1.0 + 1e-9), "{bits:?}");
            assert!(bits.iter().all(|bits| (0.0..=MOST_BITS).contains(bits)), "{bits:?}");
        }
    }

    #[test]
    fn a_run_with_a_tenth_of_the_keys_gets_nearly_five_bits_more() {
        let bits = filter_bits(&[100, 1_000], 10.0);
        assert!((bits[0] - bits[1] - 4.79).abs() < 0.01, "{bits:?}");
    }

    #[test]
    fn little_to_spend_goes_to_the_small_runs() {
        let bits = filter_bits(&[10, 1_000_000], 0.001);
        assert!(bits[1] < bits[0] && bits[1] >= 0.0, "{bits:?}");
    }
}

//! The rows: what the key and the value of row number `i` are, and in which order rows come.
//!
//! Invariants, all without memory per row:
//! - Stored keys have even numbers inside, missing keys odd ones, so that a missing key lies between
//!   stored ones and no fence tells it apart.
//! - A value says which row and which version of it it is, and is pseudo-random behind that:
//!
//! ```text
//! | tag of the row, 8 | version, 8, masked by the tag | pseudo-random from both, 84 |
//! ```

use std::sync::Arc;

use anyhow::{Result, bail};
use lsm_bench_record::Shape;

pub(crate) const KEY_BYTES: usize = 16;
pub(crate) const VALUE_BYTES: usize = 100;
/// Bytes of one row, for amplification figures.
pub(crate) const ROW_BYTES: u64 = (KEY_BYTES + VALUE_BYTES) as u64;

pub(crate) type Key = [u8; KEY_BYTES];
pub(crate) type Value = [u8; VALUE_BYTES];

/// The fractional part of the golden ratio, the usual increment of a mixing sequence.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// Keeps the tags of values apart from the bytes of random keys, which are mixed from the same numbers.
const TAG_SALT: u64 = 0x5851_f42d_4c95_7f2d;

/// The rows `0..n` of a run.
#[derive(Clone)]
pub(crate) struct Rows {
    pub(crate) shape: Shape,
    pub(crate) n: u64,
}

impl Rows {
    /// The key of stored row `i`; rows from `n` on are those that a workload inserts.
    pub(crate) fn key(&self, i: u64) -> Key {
        encode(self.shape, 2 * i)
    }

    /// A key that is never stored, for any `i`.
    pub(crate) fn missing_key(&self, i: u64) -> Key {
        encode(self.shape, 2 * i + 1)
    }

    /// The rows in ascending order of their keys. Takes memory only for random keys.
    pub(crate) fn in_key_order(&self) -> KeyOrder {
        match self.shape {
            Shape::Decimal => KeyOrder(None),
            Shape::Random => {
                let mut order: Vec<u32> = (0..self.n as u32).collect();
                order.sort_unstable_by_key(|&i| self.key(u64::from(i)));
                KeyOrder(Some(order.into()))
            }
        }
    }

    /// The rows in an order without pattern.
    pub(crate) fn shuffled(&self) -> Shuffle {
        Shuffle::new(self.n)
    }
}

/// Maps a rank in key order to the row.
#[derive(Clone)]
pub(crate) struct KeyOrder(Option<Arc<[u32]>>);

impl KeyOrder {
    pub(crate) fn row(&self, rank: u64) -> u64 {
        self.0.as_ref().map_or(rank, |order| u64::from(order[rank as usize]))
    }
}

/// A permutation of `0..n` that is computed, not stored: an invertible mix of the next power of two,
/// repeated until the result is below `n`.
#[derive(Clone, Copy)]
pub(crate) struct Shuffle {
    n: u64,
    mask: u64,
    shift: u32,
}

impl Shuffle {
    pub(crate) fn new(n: u64) -> Self {
        let bits = n.max(2).next_power_of_two().trailing_zeros();
        Self { n, mask: (1 << bits) - 1, shift: bits.div_ceil(2) }
    }

    pub(crate) fn at(&self, i: u64) -> u64 {
        debug_assert!(i < self.n);
        let mut x = i;
        loop {
            // Each step is invertible on `bits` bits: an odd factor, and a shift of at least half.
            x = x.wrapping_mul(0xd134_2543_de82_ef95) & self.mask;
            x ^= x >> self.shift;
            x = x.wrapping_mul(0xaf25_1af3_b0f0_25b5).wrapping_add(GOLDEN) & self.mask;
            x ^= x >> self.shift;
            x = x.wrapping_mul(0xb564_ef22_ec7a_ece5) & self.mask;
            if x < self.n {
                return x;
            }
        }
    }
}

/// The value of version `version` of row `i`.
pub(crate) fn value(i: u64, version: u64) -> Value {
    let mut bytes = [0; VALUE_BYTES];
    let tag = tag(i);
    bytes[..8].copy_from_slice(&tag.to_le_bytes());
    bytes[8..16].copy_from_slice(&(version ^ tag.rotate_left(32)).to_le_bytes());
    for (word, chunk) in bytes.chunks_mut(8).enumerate().skip(2) {
        chunk.copy_from_slice(&body_word(tag, version, word).to_le_bytes()[..chunk.len()]);
    }
    bytes
}

/// Checks that `bytes` is a value of row `i`, by its length, its head and its end, and returns its
/// version.
pub(crate) fn version_of(i: u64, bytes: &[u8]) -> Result<u64> {
    let tag = tag(i);
    if bytes.len() != VALUE_BYTES || tag_of(bytes) != tag {
        bail!("row {i}: the value is another row's, or damaged ({} bytes)", bytes.len());
    }
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[8..16]);
    let version = u64::from_le_bytes(word) ^ tag.rotate_left(32);
    let last = VALUE_BYTES / 8;
    if bytes[last * 8..] != body_word(tag, version, last).to_le_bytes()[..VALUE_BYTES % 8] {
        bail!("row {i}: the end of the value is damaged");
    }
    Ok(version)
}

/// Checks that `bytes` is version `version` of row `i`.
pub(crate) fn check_value(i: u64, version: u64, bytes: &[u8]) -> Result<()> {
    let found = version_of(i, bytes)?;
    if found != version {
        bail!("row {i}: version {found} was read, version {version} was written last");
    }
    Ok(())
}

/// What a value of row `i` starts with, whatever its version.
pub(crate) fn tag(i: u64) -> u64 {
    mix(i ^ TAG_SALT)
}

/// The first eight bytes of a value; zero for a shorter one, which then fails its check.
pub(crate) fn tag_of(value: &[u8]) -> u64 {
    value.first_chunk().map_or(0, |head| u64::from_le_bytes(*head))
}

/// Mixes a number into one that looks unrelated (the finalizer of SplitMix64). A bijection.
pub(crate) fn mix(x: u64) -> u64 {
    let mut x = x.wrapping_add(GOLDEN);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A word of a value. Built with the feature `lz4`, every second one is the same in all values,
/// so that a compressor finds about half of each.
fn body_word(tag: u64, version: u64, word: usize) -> u64 {
    if cfg!(feature = "lz4") && word % 2 == 1 {
        return GOLDEN;
    }
    mix(tag.wrapping_add(version.wrapping_mul(GOLDEN)).wrapping_add(word as u64))
}

fn encode(shape: Shape, number: u64) -> Key {
    match shape {
        Shape::Decimal => decimal(number),
        Shape::Random => {
            let mut key = [0; KEY_BYTES];
            let first = mix(number);
            key[..8].copy_from_slice(&first.to_be_bytes());
            key[8..].copy_from_slice(&mix(first ^ number).to_be_bytes());
            key
        }
    }
}

/// 16 decimal digits, two at a time.
fn decimal(number: u64) -> Key {
    const PAIRS: [[u8; 2]; 100] = {
        let mut pairs = [[0; 2]; 100];
        let mut i = 0;
        while i < 100 {
            pairs[i] = [b'0' + (i / 10) as u8, b'0' + (i % 10) as u8];
            i += 1;
        }
        pairs
    };
    let mut key = [b'0'; KEY_BYTES];
    let mut rest = number;
    for pair in key.chunks_exact_mut(2).rev() {
        pair.copy_from_slice(&PAIRS[(rest % 100) as usize]);
        rest /= 100;
    }
    key
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn decimal_keys_are_zero_padded_and_ordered() {
        assert_eq!(&decimal(0), b"0000000000000000");
        assert_eq!(&decimal(1_234_567), b"0000000001234567");
        assert!((0..1_000).map(decimal).is_sorted());
    }

    /// A shuffle that repeated a row would fill less than it says.
    #[test]
    fn a_shuffle_hands_out_every_row_once() {
        for n in [1, 2, 3, 64, 1_000, 4_097] {
            let shuffle = Shuffle::new(n);
            let rows: HashSet<u64> = (0..n).map(|i| shuffle.at(i)).collect();
            assert_eq!(rows.len() as u64, n);
            assert!(rows.iter().all(|&row| row < n));
        }
    }

    #[test]
    fn a_missing_key_is_never_a_stored_one() {
        for shape in [Shape::Decimal, Shape::Random] {
            let rows = Rows { shape, n: 1_000 };
            let stored: HashSet<Key> = (0..2_000).map(|i| rows.key(i)).collect();
            assert_eq!(stored.len(), 2_000);
            assert!((0..2_000).all(|i| !stored.contains(&rows.missing_key(i))));
        }
    }

    #[test]
    fn key_order_is_ascending() {
        for shape in [Shape::Decimal, Shape::Random] {
            let rows = Rows { shape, n: 1_000 };
            let order = rows.in_key_order();
            assert!((0..1_000).map(|rank| rows.key(order.row(rank))).is_sorted());
        }
    }

    /// Another row's value, another version's and a damaged one are each told apart.
    #[test]
    fn a_wrong_value_is_noticed() {
        assert_eq!(version_of(7, &value(7, 3)).unwrap(), 3);
        assert!(check_value(7, 3, &value(7, 3)).is_ok());
        assert!(check_value(7, 4, &value(7, 3)).is_err());
        assert!(check_value(8, 3, &value(7, 3)).is_err());
        assert!(version_of(7, &value(7, 3)[..99]).is_err());
        let mut damaged = value(7, 3);
        damaged[99] ^= 1;
        assert!(version_of(7, &damaged).is_err());
    }
}

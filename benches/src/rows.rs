//! Rows: what the key and the value of row number `n` are, and in which order.
//!
//! Stored keys have even numbers inside and missing ones odd numbers, so that a
//! missing key lies between stored ones and no fence tells it apart.

use std::fmt;

use lsm_testkit::Rng;

/// A key: 16 bytes of either shape.
pub type Key = [u8; 16];
/// A value.
pub type Value = [u8; 100];

/// Keeps the bytes of values apart from those of random keys.
const VALUE_SEED: u64 = 0x5851_f42d_4c95_7f2d;
/// Decides every order that [`shuffled`] makes.
const ORDER_SEED: u64 = 1;

/// What keys look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// 16 decimal digits: long common prefixes, and the order of the rows is that
    /// of their keys.
    Decimal,
    /// 16 random bytes.
    Random,
}

/// One stored row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its key.
    pub key: Key,
    /// Its value.
    pub value: Value,
}

impl Shape {
    /// Both shapes.
    pub const ALL: [Self; 2] = [Self::Decimal, Self::Random];

    /// The key of the stored row `row`.
    #[must_use]
    pub fn key(self, row: u64) -> Key {
        self.encode(2 * row)
    }

    /// A key that no row has, near that of row `row` if keys are decimal.
    #[must_use]
    pub fn missing_key(self, row: u64) -> Key {
        self.encode(2 * row + 1)
    }

    /// The rows `0..count`, by their numbers.
    #[must_use]
    pub fn rows(self, count: u64) -> Vec<Row> {
        (0..count).map(|row| Row { key: self.key(row), value: value(row) }).collect()
    }

    /// The rows `0..count`, by their keys.
    #[must_use]
    pub fn sorted_rows(self, count: u64) -> Vec<Row> {
        let mut rows = self.rows(count);
        rows.sort_unstable_by_key(|row| row.key);
        rows
    }

    fn encode(self, number: u64) -> Key {
        match self {
            Self::Decimal => digits(number),
            Self::Random => bytes(number),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Decimal => "decimal keys",
            Self::Random => "random keys",
        })
    }
}

/// The value of row `row`: bytes that nothing compresses.
#[must_use]
pub fn value(row: u64) -> Value {
    bytes(row ^ VALUE_SEED)
}

/// The items in an order that looks random and is always the same.
#[must_use]
pub fn shuffled<T>(mut items: Vec<T>) -> Vec<T> {
    let mut rng = Rng::new(ORDER_SEED);
    for left in (1..items.len()).rev() {
        items.swap(left, rng.below(left as u64 + 1) as usize);
    }
    items
}

fn digits(mut number: u64) -> Key {
    let mut key = [b'0'; 16];
    for digit in key.iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
    }
    key
}

fn bytes<const LEN: usize>(seed: u64) -> [u8; LEN] {
    let mut rng = Rng::new(seed);
    let mut out = [0; LEN];
    for word in out.chunks_mut(8) {
        word.iter_mut().zip(rng.next_u64().to_le_bytes()).for_each(|(to, from)| *to = from);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_are_distinct_and_missing_ones_are_missing() {
        for shape in Shape::ALL {
            let stored: BTreeSet<_> = (0..1_000).map(|row| shape.key(row)).collect();
            assert_eq!(stored.len(), 1_000, "{shape}");
            assert!((0..1_000).all(|row| !stored.contains(&shape.missing_key(row))), "{shape}");
        }
    }

    #[test]
    fn decimal_keys_ascend_with_their_rows() {
        assert_eq!(&Shape::Decimal.key(21), b"0000000000000042");
        assert_eq!(Shape::Decimal.rows(1_000), Shape::Decimal.sorted_rows(1_000));
    }

    #[test]
    fn a_shuffle_keeps_every_item_and_is_always_the_same() {
        let once = shuffled((0..1_000).collect());
        assert_eq!(once, shuffled((0..1_000).collect()));
        assert!(!once.is_sorted());
        assert_eq!(once.iter().copied().collect::<BTreeSet<_>>(), (0..1_000).collect());
    }
}

//! Sequence numbers: the order of all writes of a store.

use core::fmt;

/// The position of one operation in the order of all writes.
///
/// Zero stands for "before the first write". The numbers end at 2^56 - 1, so that
/// a number and a kind fit one machine word; a store that writes a million times a
/// second gets there after two thousand years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeqNo(u64);

impl SeqNo {
    /// Before the first write.
    pub const ZERO: SeqNo = SeqNo(0);
    /// The last number there is; as a snapshot it sees everything.
    pub const MAX: SeqNo = SeqNo((1 << 56) - 1);

    /// The number with this value, or `None` above [`SeqNo::MAX`].
    ///
    /// ```
    /// use lsm_types::SeqNo;
    /// assert_eq!(SeqNo::new(7).map(SeqNo::get), Some(7));
    /// assert_eq!(SeqNo::new(u64::MAX), None);
    /// ```
    #[must_use]
    pub const fn new(value: u64) -> Option<Self> {
        if value <= Self::MAX.0 { Some(Self(value)) } else { None }
    }

    /// The value.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number `count` later, or `None` where the numbers end.
    #[must_use]
    pub const fn checked_add(self, count: u64) -> Option<Self> {
        match self.0.checked_add(count) {
            Some(value) => Self::new(value),
            None => None,
        }
    }
}

impl fmt::Display for SeqNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

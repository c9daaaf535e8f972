//! Entries and their order.

use core::cmp::Ordering;

use crate::{Kind, SeqNo};

/// A place in the order of entries: user key upwards, then sequence downwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InternalKey<'a> {
    /// The key the user gave.
    pub user_key: &'a [u8],
    /// When it was written.
    pub seq: SeqNo,
}

impl<'a> InternalKey<'a> {
    /// The place before every version of `user_key`.
    #[must_use]
    pub const fn first_of(user_key: &'a [u8]) -> Self {
        Self { user_key, seq: SeqNo::MAX }
    }
}

impl Ord for InternalKey<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.user_key.cmp(other.user_key).then_with(|| other.seq.cmp(&self.seq))
    }
}

impl PartialOrd for InternalKey<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// One version of one key, borrowed from wherever it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The key the user gave.
    pub user_key: &'a [u8],
    /// When it was written.
    pub seq: SeqNo,
    /// What it does to the key.
    pub kind: Kind,
    /// The value; empty for a tombstone.
    pub value: &'a [u8],
}

impl<'a> Entry<'a> {
    /// The entry's place in the order.
    #[must_use]
    pub const fn key(&self) -> InternalKey<'a> {
        InternalKey { user_key: self.user_key, seq: self.seq }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_versions_come_first_and_keys_come_in_byte_order() {
        let at =
            |user_key, seq| InternalKey { user_key, seq: SeqNo::new(seq).unwrap_or(SeqNo::MAX) };
        let sorted = [at(b"", 3), at(b"a", 9), at(b"a", 2), at(b"a\0", 5), at(b"b", 1)];
        assert!(sorted.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(InternalKey::first_of(b"a") < at(b"a", 9));
    }
}

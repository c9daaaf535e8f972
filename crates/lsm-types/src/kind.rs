//! What an entry does to its key. The numbers are durable: never reuse one.

use thiserror::Error;

/// What an entry does to its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The key is gone: a tombstone. Its value is empty.
    Delete = 1,
    /// The key has this value.
    Put = 2,
}

/// Kinds that no release writes yet. Behind a right checksum such a number comes from
/// a newer build; a batch has five bits for it.
const RESERVED: core::ops::RangeInclusive<u8> = 3..=31;

/// A byte that is no kind this build can apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KindError {
    /// The number belongs to a kind of a later format: 3 range delete, 4 merge,
    /// 5 expiring put, 6 separated value, up to 31 not yet given.
    #[error("entry kind {0} is reserved for a later format version; a newer lsm-db is needed")]
    Reserved(u8),
    /// The number belongs to nothing.
    #[error("{0} is not an entry kind (expected 1 or 2)")]
    Unknown(u8),
}

impl Kind {
    /// The kind's durable number.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        self as u8
    }

    /// The kind behind a durable number.
    ///
    /// # Errors
    ///
    /// [`KindError`] for every number but those of [`Kind`]; it tells the reserved
    /// ones from nonsense.
    ///
    /// ```
    /// use lsm_types::{Kind, KindError};
    /// assert_eq!(Kind::from_byte(2), Ok(Kind::Put));
    /// assert_eq!(Kind::from_byte(0), Err(KindError::Unknown(0)));
    /// assert_eq!(Kind::from_byte(3), Err(KindError::Reserved(3)));
    /// ```
    #[inline]
    pub fn from_byte(byte: u8) -> Result<Self, KindError> {
        match byte {
            1 => Ok(Self::Delete),
            2 => Ok(Self::Put),
            reserved if RESERVED.contains(&reserved) => Err(KindError::Reserved(reserved)),
            other => Err(KindError::Unknown(other)),
        }
    }
}

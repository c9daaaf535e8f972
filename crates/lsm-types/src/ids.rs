//! Names of durable things, as types: a table's number is not a log's.

use core::fmt;

/// The highest number a file may have: names carry ten decimal digits.
pub const MAX_FILE_NO: u64 = 9_999_999_999;

macro_rules! file_number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The lowest number.
            pub const FIRST: Self = Self(1);

            /// The number with this value; `None` for zero and above [`MAX_FILE_NO`].
            #[must_use]
            pub const fn new(value: u64) -> Option<Self> {
                if value == 0 || value > MAX_FILE_NO { None } else { Some(Self(value)) }
            }

            /// The value.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

file_number! {
    /// A table's number; never used twice in a store.
    TableNo
}
file_number! {
    /// A log's number; never used twice in a store.
    LogNo
}
file_number! {
    /// The number of the file that a log is written to.
    SlotNo
}
file_number! {
    /// A run's number. Among the runs of a version a higher one is newer.
    RunNo
}

/// The random identity of a store, carried by each of its files.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StoreId(pub [u8; 16]);

/// The random identity of one table, shared by its blocks, its filter and its
/// entry in the manifest: a swapped or stale file is noticed by it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TableUid(pub [u8; 16]);

fn hex(bytes: &[u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Display for TableUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for TableUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

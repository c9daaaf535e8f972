//! The one trait that sources of entries implement.

use crate::{Entry, InternalKey, Kind};

/// A position in an ordered source of entries.
///
/// A cursor starts nowhere ([`entry`](Cursor::entry) is `None`) until it is told
/// to seek. Stepping off either end leaves it nowhere again. After an error the
/// cursor stays nowhere; the caller must not take that for the end, the error has
/// already said so.
pub trait Cursor {
    /// What can go wrong while moving.
    type Error;

    /// Moves to the first entry at or after `target`.
    ///
    /// # Errors
    ///
    /// Whatever reading the source can fail with; so for all four moves.
    fn seek(&mut self, target: InternalKey<'_>) -> Result<(), Self::Error>;

    /// Moves to the last entry before `target`, or to the last of all for `None`.
    ///
    /// # Errors
    ///
    /// As [`seek`](Cursor::seek).
    fn seek_before(&mut self, target: Option<InternalKey<'_>>) -> Result<(), Self::Error>;

    /// Moves one entry on.
    ///
    /// # Errors
    ///
    /// As [`seek`](Cursor::seek).
    fn next(&mut self) -> Result<(), Self::Error>;

    /// Moves one entry back.
    ///
    /// # Errors
    ///
    /// As [`seek`](Cursor::seek).
    fn prev(&mut self) -> Result<(), Self::Error>;

    /// The entry under the cursor.
    fn entry(&self) -> Option<Entry<'_>>;

    /// The key of the entry under the cursor, and what it does to it: for who does not
    /// want the value, which may be cheaper.
    #[inline]
    fn key(&self) -> Option<(&[u8], Kind)> {
        self.entry().map(|entry| (entry.user_key, entry.kind))
    }
}

//! Streaming over a range: rows are read when they are asked for.

use std::fmt;
use std::iter::FusedIterator;

use crate::Result;
use crate::open::Engine;
use crate::rows::Rows;
use crate::scan::ScanRange;
use crate::value::Value;

/// Rows of a range as they were at a moment, from both ends. After an error it keeps
/// giving that error.
pub struct Range {
    rows: Rows,
}

impl Engine {
    /// The rows of a range as they are now. Nothing is read before it is asked for.
    #[must_use]
    pub fn range(&self, range: &ScanRange) -> Range {
        let (view, snapshot) = self.shared.pinned();
        Range::new(Rows::new(view, snapshot, range.span().clone()))
    }
}

impl Range {
    pub(crate) fn new(rows: Rows) -> Self {
        Self { rows }
    }

    /// Goes to `key`: the next row from the front is the first one at or after it.
    /// Rows that were taken from the back stay taken.
    ///
    /// # Errors
    ///
    /// When a block on the way cannot be read or is damaged.
    pub fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.rows.seek(key)
    }
}

impl Iterator for Range {
    type Item = Result<(Value, Value)>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.rows.advance() {
            Ok(true) => self.rows.kept().map(Ok),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// An error counts as one row, and no row behind it.
    fn count(mut self) -> usize {
        let mut count = 0;
        loop {
            match self.rows.advance() {
                Ok(true) => count += 1,
                Ok(false) => return count,
                Err(_) => return count + 1,
            }
        }
    }

    fn last(mut self) -> Option<Self::Item> {
        self.next_back()
    }
}

impl DoubleEndedIterator for Range {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        match self.rows.advance_back() {
            Ok(true) => self.rows.kept_back().map(Ok),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

impl FusedIterator for Range {}

impl fmt::Debug for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Range").finish_non_exhaustive()
    }
}

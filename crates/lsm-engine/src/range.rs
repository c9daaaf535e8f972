//! Streaming over a range: rows are read when they are asked for.

use std::fmt;
use std::iter::FusedIterator;

use crate::open::Engine;
use crate::rows::Rows;
use crate::scan::ScanRange;
use crate::value::Value;
use crate::{Error, Result};

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

    /// The next row from the front, where it lies.
    #[inline]
    pub fn next_ref(&mut self) -> Option<Result<(&[u8], &[u8])>> {
        self.rows.next().map(|row| row.map(|row| (row.key, row.value))).transpose()
    }

    /// The next row from the back, where it lies.
    #[inline]
    pub fn next_back_ref(&mut self) -> Option<Result<(&[u8], &[u8])>> {
        self.rows.next_back().map(|row| row.map(|row| (row.key, row.value))).transpose()
    }

    /// The next row from the front as what `row` makes of it, or what `end` makes of the
    /// end or of the error that is there instead.
    ///
    /// Made where it is wanted: moving a row of two values takes longer than finding it.
    #[inline(always)]
    pub fn next_with<T>(
        &mut self,
        row: impl Fn(Value, Value) -> T,
        end: impl Fn(Option<Error>) -> T,
    ) -> T {
        if self.rows.advance()
            && let Some(taken) = self.rows.taken()
            && let Some(row) = taken.row(row)
        {
            return row;
        }
        end(self.rows.check().err())
    }

    /// The same from the back.
    #[inline(always)]
    pub fn next_back_with<T>(
        &mut self,
        row: impl Fn(Value, Value) -> T,
        end: impl Fn(Option<Error>) -> T,
    ) -> T {
        if self.rows.advance_back()
            && let Some(taken) = self.rows.taken_back()
            && let Some(row) = taken.row(row)
        {
            return row;
        }
        end(self.rows.check().err())
    }
}

impl Iterator for Range {
    type Item = Result<(Value, Value)>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.next_with(|key, value| Some(Ok((key, value))), |error| error.map(Err))
    }

    /// An error counts as one row, and no row behind it.
    fn count(mut self) -> usize {
        let mut count = 0;
        while self.rows.advance() {
            count += 1;
        }
        count + usize::from(self.rows.check().is_err())
    }

    fn last(mut self) -> Option<Self::Item> {
        self.next_back()
    }
}

impl DoubleEndedIterator for Range {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.next_back_with(|key, value| Some(Ok((key, value))), |error| error.map(Err))
    }
}

impl FusedIterator for Range {}

impl fmt::Debug for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Range").finish_non_exhaustive()
    }
}

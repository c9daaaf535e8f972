//! The rows of a table in order, from either end.

use core::fmt;

use crate::reader::{Data, Place};
use crate::{Row, RunReader, SstError};

/// Rows between two places; see [`RunReader::iter`].
///
/// Its length is exact. A damaged block gives one error, and after it the iterator
/// is at its end: whoever goes on past errors walks the table with
/// [`Salvage`](crate::Salvage).
#[derive(Clone)]
pub struct Iter<'r, 'a> {
    reader: &'r RunReader<'a>,
    front: End<'a>,
    back: End<'a>,
    left: u64,
}

/// A place, and the block that it is in once it was opened.
#[derive(Clone)]
struct End<'a> {
    place: Place,
    data: Option<Data<'a>>,
}

impl<'r, 'a> Iter<'r, 'a> {
    pub(crate) fn new(reader: &'r RunReader<'a>, start: Place, end: Place) -> Self {
        let left = reader.rank_of(end).saturating_sub(reader.rank_of(start));
        let end_of = |place| End { place, data: None };
        Self { reader, front: end_of(start), back: end_of(end), left }
    }

    /// The row at the front, and a step behind it: first of all where a block lies open.
    #[inline(never)]
    fn step(&mut self) -> Result<Option<Row<'a>>, SstError> {
        let End { place, data } = &mut self.front;
        loop {
            if data.is_none() {
                *data = self.reader.data(place.block)?;
            }
            let Some(open) = data.as_ref() else { return Ok(None) };
            if let Some(row) = open.row(place.entry)? {
                place.entry += 1;
                return Ok(Some(row));
            }
            (*place, *data) = (Place { block: place.block + 1, entry: 0 }, None);
        }
    }

    /// A step before the back, and the row there.
    #[inline(never)]
    fn step_back(&mut self) -> Result<Option<Row<'a>>, SstError> {
        let End { place, data } = &mut self.back;
        while place.entry == 0 {
            let Some(block) = place.block.checked_sub(1) else { return Ok(None) };
            let entries = self.reader.meta().block(block).map_or(0, |block| block.counts.entries);
            (*place, *data) = (Place { block, entry: entries as usize }, None);
        }
        if data.is_none() {
            *data = self.reader.data(place.block)?;
        }
        place.entry -= 1;
        data.as_ref().map_or(Ok(None), |data| data.row(place.entry))
    }

    /// Ends the iteration if the step failed.
    fn after(
        &mut self,
        row: Result<Option<Row<'a>>, SstError>,
    ) -> Option<Result<Row<'a>, SstError>> {
        if row.is_err() {
            self.left = 0;
        }
        row.transpose()
    }
}

impl<'a> End<'a> {
    /// Row `number` of the open block, if it is a usual one: made where the caller
    /// wants it, while [`step`](Iter::step) hands it from function to function.
    #[inline]
    fn short_row(&self, number: usize) -> Option<Row<'a>> {
        self.data.as_ref()?.short_row(number)
    }
}

impl<'a> Iterator for Iter<'_, 'a> {
    type Item = Result<Row<'a>, SstError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        if let Some(row) = self.front.short_row(self.front.place.entry) {
            self.front.place.entry += 1;
            return Some(Ok(row));
        }
        let row = self.step();
        self.after(row)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.left);
        (left.unwrap_or(usize::MAX), left.ok())
    }

    /// Reads nothing.
    fn count(self) -> usize {
        self.len()
    }

    /// Reads one block.
    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        let skipped = self.left.min(n as u64);
        if skipped > 0 {
            let rank = self.reader.rank_of(self.front.place) + skipped;
            self.front = End { place: self.reader.place_of_rank(rank), data: None };
            self.left -= skipped;
        }
        self.next()
    }

    /// Reads one block.
    fn last(mut self) -> Option<Self::Item> {
        self.next_back()
    }
}

impl DoubleEndedIterator for Iter<'_, '_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        if let Some(number) = self.back.place.entry.checked_sub(1)
            && let Some(row) = self.back.short_row(number)
        {
            self.back.place.entry = number;
            return Some(Ok(row));
        }
        let row = self.step_back();
        self.after(row)
    }

    /// Reads one block.
    fn nth_back(&mut self, n: usize) -> Option<Self::Item> {
        let skipped = self.left.min(n as u64);
        if skipped > 0 {
            let rank = self.reader.rank_of(self.back.place) - skipped;
            self.back = End { place: self.reader.place_of_rank(rank), data: None };
            self.left -= skipped;
        }
        self.next_back()
    }
}

impl ExactSizeIterator for Iter<'_, '_> {}

impl core::iter::FusedIterator for Iter<'_, '_> {}

impl fmt::Debug for Iter<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").field("left", &self.left).finish_non_exhaustive()
    }
}

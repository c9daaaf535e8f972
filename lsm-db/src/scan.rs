//! Rows of a range.

use std::iter::FusedIterator;

/// The rows of a range as they were when [`Lsm::scan`](crate::Lsm::scan) was
/// called, by ascending key, from either end.
///
/// The length is exact. The rows were read, checked and copied at the call, so
/// iterating cannot fail; memory grows with the range.
///
/// ```
/// # fn main() -> Result<(), lsm_db::Error> {
/// # let dir = tempfile::tempdir()?;
/// # let db = lsm_db::Lsm::open(dir.path())?;
/// for key in ["a", "b", "c"] {
///     db.put(key, "v")?;
/// }
/// let mut scan = db.scan(..)?;
/// assert_eq!(scan.len(), 3);
/// assert_eq!(scan.next(), Some((b"a".to_vec(), b"v".to_vec())));
/// assert_eq!(scan.next_back(), Some((b"c".to_vec(), b"v".to_vec())));
/// assert_eq!(scan.len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a scan does nothing until its rows are taken"]
pub struct Scan {
    rows: lsm_engine::Scan,
}

impl Scan {
    pub(crate) fn new(rows: lsm_engine::Scan) -> Self {
        Self { rows }
    }
}

impl Iterator for Scan {
    type Item = (Vec<u8>, Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        self.rows.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rows.size_hint()
    }

    fn count(self) -> usize {
        self.rows.count()
    }

    fn nth(&mut self, skip: usize) -> Option<Self::Item> {
        self.rows.nth(skip)
    }

    fn last(self) -> Option<Self::Item> {
        self.rows.last()
    }
}

impl DoubleEndedIterator for Scan {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.rows.next_back()
    }

    fn nth_back(&mut self, skip: usize) -> Option<Self::Item> {
        self.rows.nth_back(skip)
    }
}

impl ExactSizeIterator for Scan {
    fn len(&self) -> usize {
        self.rows.len()
    }
}

impl FusedIterator for Scan {}

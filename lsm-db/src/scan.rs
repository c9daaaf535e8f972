//! Rows of a range.

use std::iter::FusedIterator;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// The rows of a range as they were when [`Lsm::scan`](crate::Lsm::scan) was
/// called, by ascending key, from either end.
///
/// The length is exact. It is found when it is first asked for; where rows of several
/// files or of the write buffer lie in the range, that takes a walk over their keys.
/// `scan(..).take(n).collect()` asks for it, a `for` loop over `scan(..).take(n)` does
/// not.
///
/// All that can fail was done at the call: what the range holds was read once and
/// compared with its checksums, unless that was done before. Rows are then made one by
/// one, and memory does not grow with the range. Where files are not read in place -
/// without [`mmap_reads`](crate::LsmConfig::mmap_reads), with compression, or with
/// [`paranoid_checks`](crate::LsmConfig::paranoid_checks) - the rows were copied at the call instead. [`Lsm::range`](crate::Lsm::range) reads row by row in
/// every case.
///
/// A scan keeps the files and write buffers that it reads, until it is dropped.
///
/// # Panics
///
/// When somebody else changes a file of the store while it is scanned, so that rows can
/// no longer be read that were intact at the call.
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

// What a panic can leave half done is a step of the scan alone: after it, a scan is not
// used again. The store behind it is only read.
impl UnwindSafe for Scan {}
impl RefUnwindSafe for Scan {}

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

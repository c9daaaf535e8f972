//! Rows of a range, streaming.

use std::iter::FusedIterator;
use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::{Error, Result, Value};

/// The rows of a range as they were when it was made, by ascending key, from either end:
/// see [`Lsm::range`](crate::Lsm::range) and [`Lsm::prefix`](crate::Lsm::prefix).
///
/// Each row is read when it is asked for, so that a range costs what is taken of it.
/// After an error, every further row is the same error: it never ends early in silence. So
/// end the loop at an error: skipping errors, as by `flatten`, goes on for ever.
///
/// It keeps the files and write buffers that it reads, until it is dropped, and may
/// outlive the store's handle.
///
/// ```
/// # fn main() -> Result<(), lsm_db::Error> {
/// # let dir = tempfile::tempdir()?;
/// # let db = lsm_db::Lsm::open(dir.path())?;
/// for key in ["a", "b", "c", "d"] {
///     db.put(key, key.repeat(3))?;
/// }
/// let mut rows = db.range(b"b".to_vec()..);
/// assert_eq!(rows.next().unwrap()?.1, "bbb");
/// assert_eq!(rows.next_back().unwrap()?.0, "d");
/// db.delete("c")?;
/// assert_eq!(rows.next().unwrap()?.0, "c", "as it was when the range was made");
/// assert!(rows.next().is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a range does nothing until its rows are taken"]
pub struct Range {
    rows: lsm_engine::Range,
}

// What a panic can leave half done is a step of the range alone, which is not used again
// after it. The store behind it is only read.
impl UnwindSafe for Range {}
impl RefUnwindSafe for Range {}

impl Range {
    pub(crate) fn new(rows: lsm_engine::Range) -> Self {
        Self { rows }
    }

    /// Goes to `key`, forward or backward: the next row from the front is the first one
    /// at or after it, within the range. Rows that were taken from the back stay taken.
    /// Once the front has come to its end, so has the back, until it goes elsewhere.
    ///
    /// # Errors
    ///
    /// [`Io`](crate::Error::Io) or [`Corruption`](crate::Error::Corruption) when what
    /// is there cannot be read; every further row is that error then.
    ///
    /// ```
    /// # fn main() -> Result<(), lsm_db::Error> {
    /// # let dir = tempfile::tempdir()?;
    /// # let db = lsm_db::Lsm::open(dir.path())?;
    /// for key in ["a", "b", "c", "d"] {
    ///     db.put(key, "v")?;
    /// }
    /// let mut rows = db.range(..);
    /// rows.seek("bb")?;
    /// assert_eq!(rows.next().unwrap()?.0, "c");
    /// rows.seek("a")?;
    /// assert_eq!(rows.next().unwrap()?.0, "a");
    /// # Ok(())
    /// # }
    /// ```
    pub fn seek(&mut self, key: impl AsRef<[u8]>) -> Result<()> {
        self.rows.seek(key.as_ref()).map_err(Error::engine)
    }

    /// As `next`, for who is done with a row before asking for the next: key and value
    /// are lent where they lie. It is the fastest way over many rows: a [`Value`] to keep
    /// costs about as much as finding the row.
    ///
    /// ```
    /// # fn main() -> Result<(), lsm_db::Error> {
    /// # let dir = tempfile::tempdir()?;
    /// # let db = lsm_db::Lsm::open(dir.path())?;
    /// # db.put("a", "three")?;
    /// # db.put("b", "four")?;
    /// let mut bytes = 0;
    /// let mut rows = db.range(..);
    /// while let Some(row) = rows.next_ref() {
    ///     let (_, value) = row?;
    ///     bytes += value.len();
    /// }
    /// assert_eq!(bytes, 9);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn next_ref(&mut self) -> Option<Result<(&[u8], &[u8])>> {
        lent(self.rows.next_ref())
    }

    /// As `next_back`, lending as [`next_ref`](Range::next_ref) does.
    #[inline]
    pub fn next_back_ref(&mut self) -> Option<Result<(&[u8], &[u8])>> {
        lent(self.rows.next_back_ref())
    }
}

#[inline]
fn lent<'a>(
    row: Option<Result<(&'a [u8], &'a [u8]), lsm_engine::Error>>,
) -> Option<Result<(&'a [u8], &'a [u8])>> {
    row.map(|row| row.map_err(Error::engine))
}

#[inline(always)]
fn row(key: lsm_engine::Value, value: lsm_engine::Value) -> Option<Result<(Value, Value)>> {
    Some(Ok((Value::new(key), Value::new(value))))
}

#[cold]
fn end(error: Option<lsm_engine::Error>) -> Option<Result<(Value, Value)>> {
    error.map(|error| Err(Error::engine(error)))
}

impl Iterator for Range {
    type Item = Result<(Value, Value)>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.rows.next_with(row, end)
    }

    /// How many rows are left. An error counts as one, and nothing behind it.
    fn count(self) -> usize {
        self.rows.count()
    }

    fn last(mut self) -> Option<Self::Item> {
        self.next_back()
    }
}

impl DoubleEndedIterator for Range {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.rows.next_back_with(row, end)
    }
}

impl FusedIterator for Range {}

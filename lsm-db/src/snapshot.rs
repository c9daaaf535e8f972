//! A moment of the store.

use std::ops::RangeBounds;
use std::panic::{RefUnwindSafe, UnwindSafe};

use lsm_engine::ScanRange;

use crate::{Error, Range, Result, Scan, Value};

/// The store as it was at a moment, from [`Lsm::snapshot`](crate::Lsm::snapshot).
///
/// It owns what it reads: files and write buffers stay as long as it does, whatever is
/// written, merged or removed, and it may outlive the store's handle. So it costs nothing
/// to take and memory and space to keep: [`Lsm::stats`](crate::Lsm::stats) tells how much.
///
/// ```
/// # fn main() -> Result<(), lsm_db::Error> {
/// # let dir = tempfile::tempdir()?;
/// # let db = lsm_db::Lsm::open(dir.path())?;
/// db.put("account-1", "100")?;
/// let before = db.snapshot();
/// db.put("account-1", "70")?;
/// db.put("account-2", "30")?;
/// assert_eq!(before.get("account-1")?, Some(b"100".to_vec()));
/// assert_eq!(before.range(..).count(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Snapshot {
    inner: lsm_engine::Snapshot,
}

// It is only read.
impl UnwindSafe for Snapshot {}
impl RefUnwindSafe for Snapshot {}

impl Snapshot {
    pub(crate) fn new(inner: lsm_engine::Snapshot) -> Self {
        Self { inner }
    }

    /// As [`Lsm::get`](crate::Lsm::get), of this moment.
    ///
    /// # Errors
    ///
    /// As [`Lsm::get`](crate::Lsm::get).
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>> {
        self.inner.get(key.as_ref()).map_err(Error::engine)
    }

    /// As [`Lsm::get_pinned`](crate::Lsm::get_pinned), of this moment.
    ///
    /// # Errors
    ///
    /// As [`Lsm::get`](crate::Lsm::get).
    pub fn get_pinned(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        Ok(self.inner.get_pinned(key.as_ref()).map_err(Error::engine)?.map(Value::new))
    }

    /// As [`Lsm::scan`](crate::Lsm::scan), of this moment.
    ///
    /// # Errors
    ///
    /// As [`Lsm::scan`](crate::Lsm::scan).
    pub fn scan<R>(&self, range: R) -> Result<Scan>
    where
        R: RangeBounds<Vec<u8>>,
    {
        self.inner.scan(&ScanRange::new(&range)).map(Scan::new).map_err(Error::engine)
    }

    /// As [`Lsm::range`](crate::Lsm::range), of this moment.
    pub fn range<R>(&self, range: R) -> Range
    where
        R: RangeBounds<Vec<u8>>,
    {
        Range::new(self.inner.range(&ScanRange::new(&range)))
    }

    /// As [`Lsm::prefix`](crate::Lsm::prefix), of this moment.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Range {
        Range::new(self.inner.range(&ScanRange::prefix(prefix.as_ref())))
    }
}

//! A moment of the store, to read at leisure.

use std::fmt;
use std::sync::Arc;

use lsm_types::SeqNo;

use crate::Result;
use crate::open::Engine;
use crate::range::Range;
use crate::rows::Rows;
use crate::scan::{Scan, ScanRange};
use crate::sync::shown;
use crate::tally::FilterTally;
use crate::value::Value;
use crate::view::View;

/// The store as it was at a moment. It owns what it needs: files and memtables stay as
/// long as it does, whatever becomes of the store.
#[derive(Clone)]
pub struct Snapshot {
    view: shown::Arc<View>,
    seq: SeqNo,
    filters: Arc<FilterTally>,
}

impl Engine {
    /// The store as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let (view, seq) = self.shared.pinned();
        Snapshot { view, seq, filters: Arc::clone(&self.shared.counters.filters) }
    }
}

impl Snapshot {
    /// The value that `key` had, if it had one.
    ///
    /// # Errors
    ///
    /// When a block that could hold it cannot be read or is damaged.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.view.find(key, self.seq, &self.filters, |found| found.value.to_vec())
    }

    /// The same, not copied where that can be helped.
    ///
    /// # Errors
    ///
    /// As [`get`](Snapshot::get).
    pub fn get_pinned(&self, key: &[u8]) -> Result<Option<Value>> {
        self.view.find(key, self.seq, &self.filters, |found| Value::found(&found))
    }

    /// The rows of a range, with infallible items.
    ///
    /// # Errors
    ///
    /// When a block of the range cannot be read or is damaged.
    pub fn scan(&self, range: &ScanRange) -> Result<Scan> {
        Scan::new(shown::Arc::clone(&self.view), self.seq, range)
    }

    /// The rows of a range, read when they are asked for.
    #[must_use]
    pub fn range(&self, range: &ScanRange) -> Range {
        Range::new(Rows::new(shown::Arc::clone(&self.view), self.seq, Arc::clone(range.span())))
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("seq", &self.seq).finish_non_exhaustive()
    }
}

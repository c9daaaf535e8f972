//! A moment of the store, to read at leisure.

use std::fmt;
use std::sync::Arc;

use lsm_types::SeqNo;

use crate::Result;
use crate::open::Engine;
use crate::range::Range;
use crate::rows::Rows;
use crate::scan::{Scan, ScanRange};
use crate::view::View;

/// The store as it was at a moment. It owns what it needs: files and memtables stay as
/// long as it does, whatever becomes of the store.
#[derive(Clone)]
pub struct Snapshot {
    view: Arc<View>,
    seq: SeqNo,
}

impl Engine {
    /// The store as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let (view, seq) = self.shared.pinned();
        Snapshot { view, seq }
    }
}

impl Snapshot {
    /// The rows of a range, with infallible items.
    ///
    /// # Errors
    ///
    /// When a block of the range cannot be read or is damaged.
    pub fn scan(&self, range: &ScanRange) -> Result<Scan> {
        Scan::new(Arc::clone(&self.view), self.seq, range)
    }

    /// The rows of a range, read when they are asked for.
    #[must_use]
    pub fn range(&self, range: &ScanRange) -> Range {
        Range::new(Rows::new(Arc::clone(&self.view), self.seq, Arc::clone(range.span())))
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("seq", &self.seq).finish_non_exhaustive()
    }
}

//! Scanning a range: a snapshot of the moment of the call.
//!
//! Everything that can fail happens at the call: the sources are merged from the
//! start of the range to its end, and the visible rows are copied into one buffer.
//! Rows are cut out of it when they are asked for, from either end. Nothing outside
//! the range is read, save what shares a block with it.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use lsm_memtable::MemtableCursor;
use lsm_merge::{Merge, Newest};
use lsm_types::{InternalKey, Kind};

use crate::Result;
use crate::shared::Shared;
use crate::source::{Reading, RunCursor, Source};
use crate::view::View;

/// The keys from a first one on, up to but not including an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanRange {
    start: Vec<u8>,
    end: Option<Vec<u8>>,
}

impl ScanRange {
    /// The keys that `range` contains. A key directly behind another is that key
    /// and a zero byte.
    pub fn new(range: &impl RangeBounds<Vec<u8>>) -> Self {
        let behind = |key: &Vec<u8>| {
            let mut next = Vec::with_capacity(key.len() + 1);
            next.extend_from_slice(key);
            next.push(0);
            next
        };
        let start = match range.start_bound() {
            Bound::Included(key) => key.clone(),
            Bound::Excluded(key) => behind(key),
            Bound::Unbounded => Vec::new(),
        };
        let end = match range.end_bound() {
            Bound::Included(key) => Some(behind(key)),
            Bound::Excluded(key) => Some(key.clone()),
            Bound::Unbounded => None,
        };
        Self { start, end }
    }

    fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }

    fn ends_before(&self, key: &[u8]) -> bool {
        self.end.as_deref().is_some_and(|end| end <= key)
    }
}

impl View {
    /// Cursors over everything in the view.
    fn sources(&self) -> Vec<Source> {
        let memtables = self
            .buffers()
            .map(|buffer| Source::Memtable(MemtableCursor::new(Arc::clone(&buffer.memtable))));
        let runs = self
            .tables
            .runs
            .iter()
            .map(|run| Source::Run(RunCursor::new(Arc::clone(run), Reading::Serve)));
        memtables.chain(runs).collect()
    }
}

impl Shared {
    /// The rows of `range` as they are now.
    pub(crate) fn scan(&self, range: &ScanRange) -> Result<Scan> {
        let mut scan = Scan::default();
        if range.is_empty() {
            return Ok(scan);
        }
        let (view, snapshot) = self.view.snapshot();
        let merge = Merge::forward(view.sources(), InternalKey::first_of(&range.start))?;
        let mut rows = Newest::new(merge, snapshot);
        while let Some(entry) = rows.next()? {
            if range.ends_before(entry.user_key) {
                break;
            }
            if entry.kind == Kind::Put {
                scan.push(entry.user_key, entry.value);
            }
        }
        Ok(scan)
    }
}

/// Where a row's key and value end in the buffer; the row before ends where it
/// begins.
#[derive(Clone, Copy)]
struct Ends {
    key: usize,
    value: usize,
}

/// Rows of a range, from both ends.
#[derive(Default)]
pub struct Scan {
    bytes: Vec<u8>,
    rows: Vec<Ends>,
    front: usize,
    /// Rows taken from the back.
    taken_back: usize,
}

impl Scan {
    fn push(&mut self, key: &[u8], value: &[u8]) {
        self.bytes.extend_from_slice(key);
        let key = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.rows.push(Ends { key, value: self.bytes.len() });
    }

    fn row(&self, number: usize) -> Option<(Vec<u8>, Vec<u8>)> {
        let begin = match number.checked_sub(1) {
            Some(before) => self.rows.get(before)?.value,
            None => 0,
        };
        let ends = self.rows.get(number)?;
        let key = self.bytes.get(begin..ends.key)?;
        Some((key.to_vec(), self.bytes.get(ends.key..ends.value)?.to_vec()))
    }
}

impl Iterator for Scan {
    type Item = (Vec<u8>, Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        self.nth(0)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }

    fn count(self) -> usize {
        self.len()
    }

    fn nth(&mut self, skip: usize) -> Option<Self::Item> {
        let skip = skip.min(self.len());
        self.front += skip;
        if self.len() == 0 {
            return None;
        }
        self.front += 1;
        self.row(self.front - 1)
    }

    fn last(mut self) -> Option<Self::Item> {
        self.next_back()
    }
}

impl DoubleEndedIterator for Scan {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.nth_back(0)
    }

    fn nth_back(&mut self, skip: usize) -> Option<Self::Item> {
        let skip = skip.min(self.len());
        self.taken_back += skip;
        if self.len() == 0 {
            return None;
        }
        self.taken_back += 1;
        self.row(self.rows.len() - self.taken_back)
    }
}

impl ExactSizeIterator for Scan {
    fn len(&self) -> usize {
        self.rows.len() - self.front - self.taken_back
    }
}

impl FusedIterator for Scan {}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan").field("rows_left", &self.len()).finish()
    }
}

//! Scanning a range by infallible rows: a snapshot of the moment of the call.
//!
//! Whatever can fail happens at the call. Where blocks are read in place, every block
//! of the range is verified then, and rows are made when they are asked for: memory does
//! not grow with the range. Where they are not - with compression, or without a
//! mapping - the rows are copied into one buffer at the call.
//!
//! # Invariants
//!
//! * Nothing outside the range is read, save what shares a block with it.
//! * The length is exact. It is found when it is first asked for: by counts of the
//!   index where one run alone has keys in the range and no tombstones among them, else
//!   by a walk over the keys.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, OnceLock};

use lsm_manifest::Span;
use lsm_types::SeqNo;

use crate::open::Engine;
use crate::rows::{Row, Rows};
use crate::shared::Shared;
use crate::sync::shown;
use crate::view::{LiveRun, View};
use crate::{Error, Result};

/// The keys from a first one on, up to but not including an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanRange {
    span: Arc<Span>,
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
        Self { span: Arc::new(Span { start, end }) }
    }

    /// The keys that begin with `prefix`.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        // Behind them comes what is one higher in the last byte that can be.
        let mut end = prefix.to_vec();
        while end.last() == Some(&u8::MAX) {
            end.pop();
        }
        let end = end.pop().map(|last| {
            end.push(last + 1);
            end
        });
        Self { span: Arc::new(Span { start: prefix.to_vec(), end }) }
    }

    pub(crate) fn span(&self) -> &Arc<Span> {
        &self.span
    }
}

impl Engine {
    /// The rows of a range as they are now.
    ///
    /// # Errors
    ///
    /// When a block of the range cannot be read or is damaged.
    pub fn scan(&self, range: &ScanRange) -> Result<Scan> {
        let (view, snapshot) = self.shared.pinned();
        Scan::new(view, snapshot, range)
    }
}

impl Shared {
    /// The view in force, to keep, and the last write that its reader sees.
    pub(crate) fn pinned(&self) -> (shown::Arc<View>, SeqNo) {
        self.view.pinned(|view| view.active.last_seq())
    }
}

/// Rows of a range, from both ends.
pub struct Scan {
    from: From,
    /// Rows taken from the front and from the back.
    taken: [usize; 2],
}

enum From {
    Tables { rows: Box<Rows>, len: OnceLock<usize> },
    Copy(Copied),
}

/// Rows one behind the other.
#[derive(Default)]
struct Copied {
    bytes: Vec<u8>,
    ends: Vec<Ends>,
}

/// Where a row's key and value end in the buffer; the row before ends where it
/// begins.
#[derive(Clone, Copy)]
struct Ends {
    key: usize,
    value: usize,
}

impl Copied {
    fn push(&mut self, row: &Row<'_>) {
        self.bytes.extend_from_slice(row.key);
        let key = self.bytes.len();
        self.bytes.extend_from_slice(row.value);
        self.ends.push(Ends { key, value: self.bytes.len() });
    }

    fn row(&self, number: usize) -> Option<(Vec<u8>, Vec<u8>)> {
        let begin = match number.checked_sub(1) {
            Some(before) => self.ends.get(before)?.value,
            None => 0,
        };
        let ends = self.ends.get(number)?;
        let key = self.bytes.get(begin..ends.key)?;
        Some((key.to_vec(), self.bytes.get(ends.key..ends.value)?.to_vec()))
    }
}

impl Scan {
    pub(crate) fn new(view: shown::Arc<View>, snapshot: SeqNo, range: &ScanRange) -> Result<Self> {
        let span = range.span();
        let tables = || view.tables.chains.iter().flat_map(|chain| chain.tables_in(span));
        let is_lazy = span.is_empty() || tables().all(|live| live.table.is_in_place());
        if is_lazy && !span.is_empty() {
            view.tables.chains.iter().try_for_each(|chain| verify(chain, span))?;
        }
        let mut rows = Rows::new(view, snapshot, Arc::clone(span));
        if is_lazy {
            rows.start()?;
            let from = From::Tables { rows: Box::new(rows), len: OnceLock::new() };
            return Ok(Self { from, taken: [0, 0] });
        }
        let mut copied = Copied::default();
        while let Some(row) = rows.next()? {
            copied.push(&row);
        }
        Ok(Self { from: From::Copy(copied), taken: [0, 0] })
    }

    /// How many rows the range has.
    fn total(&self) -> usize {
        match &self.from {
            From::Copy(copied) => copied.ends.len(),
            From::Tables { rows, len } => {
                *len.get_or_init(|| count(rows).unwrap_or_else(|error| broken(&error)))
            }
        }
    }

    fn left(&self) -> usize {
        self.total().saturating_sub(self.taken.iter().sum())
    }

    /// Goes over `skip` rows and gives the one behind them.
    #[inline]
    fn take(&mut self, from_back: bool, skip: usize) -> Option<(Vec<u8>, Vec<u8>)> {
        let [front, back] = &mut self.taken;
        match &mut self.from {
            From::Copy(copied) => {
                let left = copied.ends.len() - *front - *back;
                let taken = if from_back { back } else { front };
                *taken += left.min(skip.saturating_add(1));
                if skip >= left {
                    return None;
                }
                let at = *taken - 1;
                copied.row(if from_back { copied.ends.len() - 1 - at } else { at })
            }
            From::Tables { rows, .. } => {
                let taken = if from_back { back } else { front };
                for _ in 0..skip {
                    let row = if from_back { rows.next_back() } else { rows.next() };
                    row.unwrap_or_else(|error| broken(&error))?;
                    *taken += 1;
                }
                let row = if from_back { rows.next_back() } else { rows.next() };
                let row = row.unwrap_or_else(|error| broken(&error))?;
                *taken += 1;
                Some((row.key.to_vec(), row.value.to_vec()))
            }
        }
    }
}

/// Every block of the range was found intact at the call. If one is not any more, the
/// file was changed by somebody else under the mapping: rows would be missing, and the
/// caller cannot be told otherwise.
#[cold]
#[expect(clippy::panic, reason = "to end early would be a wrong answer")]
fn broken(error: &Error) -> ! {
    panic!("a file of the store was changed while it was scanned: {error}");
}

/// Verifies the blocks of a run that can have keys in `range`.
fn verify(run: &LiveRun, range: &Span) -> Result<()> {
    run.tables_in(range).iter().try_for_each(|live| {
        let meta = live.table.meta();
        let first = meta.find_block(range.start.as_slice().max(&live.live.start));
        let end = range.end.iter().chain(&live.live.end).min();
        let last = end.and_then(|end| meta.find_block(end));
        live.table.verify_blocks(first.unwrap_or_default(), last.unwrap_or(usize::MAX))
    })
}

/// How many rows the range has: by counts where they tell, else one by one.
fn count(rows: &Rows) -> Result<usize> {
    let mut rows = rows.again();
    rows.start()?;
    if let Some(count) = rows.counted()? {
        return Ok(count);
    }
    let mut count = 0;
    while rows.advance() {
        count += 1;
    }
    rows.check().map(|()| count)
}

impl Iterator for Scan {
    type Item = (Vec<u8>, Vec<u8>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.take(false, 0)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left(), Some(self.left()))
    }

    fn count(self) -> usize {
        self.left()
    }

    fn nth(&mut self, skip: usize) -> Option<Self::Item> {
        self.take(false, skip)
    }

    fn last(mut self) -> Option<Self::Item> {
        self.next_back()
    }
}

impl DoubleEndedIterator for Scan {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.take(true, 0)
    }

    fn nth_back(&mut self, skip: usize) -> Option<Self::Item> {
        self.take(true, skip)
    }
}

impl ExactSizeIterator for Scan {
    fn len(&self) -> usize {
        self.left()
    }
}

impl FusedIterator for Scan {}

/// Without its length: that may take a walk over the range.
impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [front, back] = self.taken;
        f.debug_struct("Scan").field("taken_front", &front).field("taken_back", &back).finish()
    }
}

//! A version as the rules see it: its runs, newest first, with their sums, and
//! where merges that were begun stand.
//!
//! A merge is carried out in slices, from the smallest key upwards. After each one
//! the first table left in every run that is being drained stands for keys from the
//! slice's end on: its live range begins there. That mark, the *cursor*, is how an
//! unfinished merge is found again: neighbours with the same cursor are being drained
//! together, into the next older run. Nothing else remembers it, so a merge goes on
//! after a crash as it goes on after a slice.

use std::collections::BTreeSet;
use std::ops::Range;

use lsm_manifest::{Run, Version};
use lsm_types::RunNo;

use crate::Busy;

/// A run and what it adds up to.
pub(crate) struct RunShape<'a> {
    pub(crate) number: RunNo,
    pub(crate) run: &'a Run,
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
    pub(crate) tombstones: u64,
    /// Where a merge that drains the run goes on.
    cursor: Option<&'a [u8]>,
    /// Whether a plan works on it now.
    pub(crate) is_taken: bool,
    /// Whether a plan may take it: it is not taken, and none of its tables is damaged.
    pub(crate) is_free: bool,
}

/// Runs that are merged into the oldest of them, as positions in [`Shape::runs`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) runs: Range<usize>,
}

/// All runs, newest first.
pub(crate) struct Shape<'a> {
    pub(crate) runs: Vec<RunShape<'a>>,
}

impl<'a> Shape<'a> {
    pub(crate) fn new(version: &'a Version, busy: &Busy) -> Self {
        let fenced: BTreeSet<RunNo> = if busy.fenced.is_empty() {
            BTreeSet::new()
        } else {
            let tables = version.tables();
            tables.filter(|(_, table)| busy.fenced.contains(&table.number)).map(|it| it.0).collect()
        };
        let runs = version.runs().iter().rev().map(|(number, run)| {
            let mut shape = RunShape {
                number: *number,
                run,
                bytes: 0,
                entries: 0,
                tombstones: 0,
                cursor: cursor(run),
                is_taken: busy.runs.contains(number),
                is_free: !fenced.contains(number) && !busy.runs.contains(number),
            };
            for table in &run.tables {
                shape.bytes = shape.bytes.saturating_add(table.file_bytes);
                shape.entries = shape.entries.saturating_add(table.entries);
                shape.tombstones = shape.tombstones.saturating_add(table.tombstones);
            }
            shape
        });
        Self { runs: runs.collect() }
    }

    pub(crate) fn slice(&self, range: Range<usize>) -> &[RunShape<'a>] {
        self.runs.get(range).unwrap_or(&[])
    }

    pub(crate) fn bytes(&self, range: Range<usize>) -> u64 {
        self.slice(range).iter().map(|run| run.bytes).sum()
    }

    /// The merges that were begun, newest first.
    pub(crate) fn unfinished(&self) -> Vec<Stretch> {
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(cursor) = self.runs.get(at).map(|run| run.cursor) {
            let same =
                self.slice(at..self.runs.len()).iter().take_while(|run| run.cursor == cursor);
            let (begin, end) = (at, at + same.count());
            at = end;
            if cursor.is_none() {
                continue;
            }
            // What drains into the oldest run may have emptied it.
            let end = (end + 1).min(self.runs.len());
            if end - begin >= 2 {
                found.push(Stretch { runs: begin..end });
                at = end;
            }
        }
        found
    }

    /// The stretches of free runs in which nothing has begun, newest first.
    pub(crate) fn segments(&self, unfinished: &[Stretch]) -> Vec<Range<usize>> {
        let is_open = |at: usize| {
            self.runs.get(at).is_some_and(|run| run.is_free)
                && !unfinished.iter().any(|stretch| stretch.runs.contains(&at))
        };
        let mut found = Vec::new();
        let mut at = 0;
        while at < self.runs.len() {
            let end = (at..self.runs.len()).find(|at| !is_open(*at)).unwrap_or(self.runs.len());
            if end > at {
                found.push(at..end);
            }
            at = end + 1;
        }
        found
    }
}

/// The key from which on the run is left, if it is being drained.
pub(crate) fn cursor(run: &Run) -> Option<&[u8]> {
    let start = run.tables.first()?.live.start.as_slice();
    (!start.is_empty()).then_some(start)
}

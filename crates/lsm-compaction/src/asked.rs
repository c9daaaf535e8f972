//! What somebody asks to be merged: keys, out of all runs that were there at the time.
//!
//! The end of it: among these runs only the oldest holds keys of the span, each once,
//! and none of its tables there holds a tombstone or keys that it no longer stands for.
//! Steps, each a plan; the version alone says which is next:
//!
//! 1. Where there are more runs than one merge takes, neighbours become one, those with
//!    the fewest bytes.
//! 2. The span is widened to where tables of the oldest run begin. Tables of upper runs
//!    that reach across its ends are written anew, cut there, each in its own run: so
//!    what lies outside is left alone.
//! 3. Upper runs are drained into the oldest one inside the span, slice by slice.
//! 4. Tables of the oldest run with tombstones or stale keys are written anew.
//!
//! Only a merge of all keys leaves a cursor behind, so that it goes on after a crash. A
//! narrower one that was given up leaves runs with fewer keys, which is what it was for.

use std::ops::Range;
use std::slice::from_ref;

use lsm_manifest::{FENCE_BYTES, Run, Span, TableMeta, Version, fence};
use lsm_types::{RunNo, TableNo};

use crate::plan::{rewrite, slice_of};
use crate::policy::{MAX_INPUTS, Policy};
use crate::rules::cheapest;
use crate::shape::{RunShape, Shape, cursor};
use crate::slice::{Inputs, ends_before};
use crate::{Busy, Plan, Reason};

/// What somebody asks to be merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The keys.
    pub span: Span,
    /// The newest run at the time. Newer ones are left alone.
    pub newest: RunNo,
}

/// Why what is asked for cannot be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hindered {
    /// Another plan works on one of the runs.
    Taken,
    /// This table is damaged.
    Damaged(TableNo),
}

impl Asked {
    /// Whether the run is one of those that it is about.
    #[must_use]
    pub fn concerns(&self, run: RunNo) -> bool {
        run <= self.newest
    }

    /// Bytes of all tables that are still to be read, roughly: none if nothing is left
    /// to do.
    #[must_use]
    pub fn bytes_left(&self, version: &Version) -> u64 {
        let mut runs = version.runs().range(..=self.newest).map(|(_, run)| run);
        let Some(oldest) = runs.next() else { return 0 };
        let uppers: Vec<_> = runs.flat_map(|run| tables_in(run, &self.span)).collect();
        let is_below = |table: &&TableMeta| {
            let reaches = |upper: &&TableMeta| upper.overlaps(&table.first, &table.last);
            is_unclean(table) || uppers.iter().any(reaches)
        };
        let below = tables_in(oldest, &self.span).filter(is_below);
        uppers.iter().copied().chain(below).map(|table| table.file_bytes).sum()
    }
}

impl Policy {
    /// The next step of what somebody asked for, whatever the trigger; `None` if it is
    /// done.
    ///
    /// # Errors
    ///
    /// When it cannot go on now, or not at all.
    pub fn pick_asked(
        &self,
        version: &Version,
        busy: &Busy,
        asked: &Asked,
    ) -> Result<Option<Plan>, Hindered> {
        let shape = Shape::new(version, busy);
        let newer = shape.runs.iter().take_while(|run| !asked.concerns(run.number)).count();
        let runs = newer..shape.runs.len();
        let Some((oldest, uppers)) = shape.slice(runs.clone()).split_last() else {
            return Ok(None);
        };
        let has = |run: &RunShape<'_>, span| tables_in(run.run, span).next().is_some();
        if !uppers.iter().any(|upper| has(upper, &asked.span)) {
            return cleaned(self, oldest, busy, &asked.span);
        }
        let span = widened(&asked.span, oldest.run);
        let mut drained: Vec<_> = uppers.iter().filter(|upper| has(upper, &span)).collect();
        let plan = if drained.len() >= MAX_INPUTS {
            return fewer_runs(self, &shape, runs, version, busy).map(Some);
        } else if let Some((upper, table)) = across(&drained, &span) {
            check_free(&[upper], busy)?;
            let cuts = [Some(&span.start), span.end.as_ref()].into_iter().flatten();
            let cuts = cuts.filter(|cut| !cut.is_empty()).cloned().collect();
            let inputs = inputs_of(&[], upper, false);
            rewrite(self, &inputs, from_ref(table)).map(|plan| Plan { cuts, ..plan })
        } else {
            let inputs = Inputs {
                cursor: &span.start,
                until: span.end.as_deref(),
                is_marked: span == Span::all(),
                ..inputs_of(&drained, oldest, true)
            };
            drained.push(oldest);
            check_free(&drained, busy)?;
            slice_of(self, &inputs, version)
        };
        Ok(plan.map(|plan| Plan { reason: Reason::Asked, ..plan }))
    }
}

/// A table of the oldest run is written anew, if one has to be.
fn cleaned(
    policy: &Policy,
    oldest: &RunShape<'_>,
    busy: &Busy,
    span: &Span,
) -> Result<Option<Plan>, Hindered> {
    let Some(table) = tables_in(oldest.run, span).find(|table| is_unclean(table)) else {
        return Ok(None);
    };
    check_free(&[oldest], busy)?;
    let plan = rewrite(policy, &inputs_of(&[], oldest, true), from_ref(table));
    Ok(plan.map(|plan| Plan { reason: Reason::Asked, ..plan }))
}

/// Neighbours become one run, because there are too many for one merge.
fn fewer_runs(
    policy: &Policy,
    shape: &Shape<'_>,
    runs: Range<usize>,
    version: &Version,
    busy: &Busy,
) -> Result<Plan, Hindered> {
    let begun = shape.unfinished().into_iter().map(|stretch| stretch.runs);
    let begun = begun.filter(|begun| begun.start >= runs.start && begun.len() <= MAX_INPUTS);
    let found = begun.min_by_key(|begun| shape.bytes(begun.clone()));
    let found = found.or_else(|| cheapest(shape, &runs, MAX_INPUTS)).ok_or(Hindered::Taken)?;
    let is_bottom = found.end == shape.runs.len();
    let runs: Vec<_> = shape.slice(found).iter().collect();
    check_free(&runs, busy)?;
    let (oldest, uppers) = runs.split_last().ok_or(Hindered::Taken)?;
    let cursor = uppers.first().and_then(|run| cursor(run.run)).unwrap_or(&[]);
    let inputs = Inputs { cursor, ..inputs_of(uppers, oldest, is_bottom) };
    let plan = slice_of(policy, &inputs, version).ok_or(Hindered::Taken)?;
    Ok(Plan { reason: Reason::Asked, ..plan })
}

fn inputs_of<'a>(uppers: &[&RunShape<'a>], base: &RunShape<'a>, is_bottom: bool) -> Inputs<'a> {
    Inputs {
        drained: uppers.iter().map(|run| (run.number, run.run)).collect(),
        base: (base.number, base.run),
        cursor: &[],
        until: None,
        is_marked: true,
        is_bottom,
    }
}

fn check_free(runs: &[&RunShape<'_>], busy: &Busy) -> Result<(), Hindered> {
    if runs.iter().any(|run| run.is_taken) {
        return Err(Hindered::Taken);
    }
    let mut tables = runs.iter().flat_map(|run| &run.run.tables).map(|table| table.number);
    let damaged = tables.find(|table| busy.fenced.contains(table));
    damaged.map_or(Ok(()), |table| Err(Hindered::Damaged(table)))
}

/// The tables that may stand for keys inside.
fn tables_in<'r>(run: &'r Run, span: &Span) -> impl Iterator<Item = &'r TableMeta> {
    let is_in = |table: &&TableMeta| {
        !ends_before(table, fence(&span.start))
            && span.end.as_deref().is_none_or(|end| table.start() < end)
    };
    run.tables.iter().filter(is_in)
}

/// Whether a table at the bottom holds what a merge would leave out.
fn is_unclean(table: &TableMeta) -> bool {
    table.tombstones > 0
        || table.live.start > table.first
        || table.live.end.as_ref().is_some_and(|end| *end <= table.last)
}

/// The span, widened so that no table of the oldest run lies across its ends, and that
/// these are no longer than a fence.
fn widened(span: &Span, oldest: &Run) -> Span {
    let across = |key: &[u8]| {
        let lies = |table: &&TableMeta| table.start() < key && !ends_before(table, key);
        oldest.tables.iter().find(lies)
    };
    let start = fence(&span.start);
    let start = across(start).map_or(start, TableMeta::start).to_vec();
    let end = span.end.as_deref().and_then(|end| {
        if end.len() <= FENCE_BYTES && across(end).is_none() {
            return Some(end.to_vec());
        }
        let mut starts = oldest.tables.iter().map(TableMeta::start);
        starts.find(|start| *start >= end && start.len() <= FENCE_BYTES).map(<[u8]>::to_vec)
    });
    Span { start, end }
}

/// A table of an upper run that lies across one of the span's ends.
fn across<'r, 'a>(
    uppers: &[&'r RunShape<'a>],
    span: &Span,
) -> Option<(&'r RunShape<'a>, &'a TableMeta)> {
    let ends = || [Some(&span.start), span.end.as_ref()].into_iter().flatten();
    let lies = |table: &TableMeta| {
        ends().any(|end| table.start() < end.as_slice() && !ends_before(table, end))
    };
    uppers.iter().find_map(|upper| {
        let tables = &upper.run.tables;
        tables.iter().find(|table| lies(table)).map(|table| (*upper, table))
    })
}

//! The next slice of a merge: how far it goes, and what it takes in.
//!
//! All tables of the runs being drained, and those of the base run that share keys
//! with them, are walked in the order of their first keys. Tables that overlap form a
//! *component*. A table alone in its component is moved to the base run by an edit,
//! unless it is small, or dense with tombstones at the bottom; tables of the base run
//! that nothing overlaps are passed over. A slice is either moves or a merge. It ends
//! between two components once it is large enough; inside one only at the first key
//! of a table, of the base run if there is one within twice the size.
//!
//! # Invariants
//!
//! * What is left of an input after a slice is one live range, that from the slice's
//!   end on: slices go upwards from the cursor.
//! * A slice ends at a key of at most [`FENCE_BYTES`] bytes, so that fences on both
//!   sides of it differ.
//! * No output spans a table of the base run that was passed over: there is a cut.

use lsm_manifest::{FENCE_BYTES, Run, TableMeta};
use lsm_types::RunNo;

use crate::policy::{DENSE_PART, MAX_MOVES, Policy};

/// Runs being merged: the base run, and those that are drained into it.
pub(crate) struct Inputs<'a> {
    /// Newest first.
    pub(crate) drained: Vec<(RunNo, &'a Run)>,
    pub(crate) base: (RunNo, &'a Run),
    /// Where the merge goes on.
    pub(crate) cursor: &'a [u8],
    /// Where it ends, if not behind the last key. No table lies on both sides of it.
    pub(crate) until: Option<&'a [u8]>,
    /// Whether a cursor is left behind by which the merge is found again.
    pub(crate) is_marked: bool,
    pub(crate) is_bottom: bool,
}

/// A table that a slice takes in, or moves.
#[derive(Clone, Copy)]
pub(crate) struct Item<'a> {
    pub(crate) run: RunNo,
    pub(crate) is_base: bool,
    pub(crate) table: &'a TableMeta,
}

/// A slice, from the cursor to `end`.
#[derive(Default)]
pub(crate) struct Slice<'a> {
    /// Inputs of a merge; empty if tables are moved.
    pub(crate) merged: Vec<Item<'a>>,
    pub(crate) moved: Vec<Item<'a>>,
    /// The first key behind the slice; `None`: the merge is done.
    pub(crate) end: Option<&'a [u8]>,
    /// Keys before which an output must end.
    pub(crate) cuts: Vec<&'a [u8]>,
    bytes: u64,
}

/// Tables by their first keys, out of several runs.
struct Sweep<'a> {
    drained: Vec<(RunNo, &'a [TableMeta])>,
    base: (RunNo, &'a [TableMeta]),
}

impl<'a> Sweep<'a> {
    fn new(inputs: &Inputs<'a>) -> Self {
        let inside = |run: &'a Run| {
            let tables = behind(&run.tables, inputs.cursor);
            let Some(until) = inputs.until else { return tables };
            let end = tables.partition_point(|table| table.start() < until);
            tables.get(..end).unwrap_or(tables)
        };
        let drained = inputs.drained.iter().map(|(no, run)| (*no, inside(run)));
        let (base, run) = inputs.base;
        Self { drained: drained.collect(), base: (base, inside(run)) }
    }

    fn first_drained(&self) -> Option<&'a [u8]> {
        self.drained.iter().filter_map(|(_, tables)| tables.first()).map(TableMeta::start).min()
    }

    /// Passes over tables of the base run below everything that is drained, and returns
    /// the first key of the first of them.
    fn pass_over(&mut self) -> Option<&'a [u8]> {
        let first = self.first_drained()?;
        let passed = self.base.1.first().filter(|table| ends_before(table, first))?;
        self.base.1 = behind(self.base.1, first);
        Some(passed.start())
    }

    fn peek(&self) -> Option<Item<'a>> {
        let item = |(run, tables): &(RunNo, &'a [TableMeta]), is_base| {
            tables.first().map(|table| Item { run: *run, is_base, table })
        };
        let drained = self.drained.iter().filter_map(|lane| item(lane, false));
        drained.chain(item(&self.base, true)).min_by_key(|item| item.table.start())
    }

    fn next(&mut self) -> Option<Item<'a>> {
        let item = self.peek()?;
        let mut lanes = self.drained.iter_mut();
        let lane = match item.is_base {
            true => Some(&mut self.base),
            false => lanes.find(|(run, _)| *run == item.run),
        };
        if let Some((_, tables)) = lane {
            *tables = tables.get(1..).unwrap_or(&[]);
        }
        Some(item)
    }
}

pub(crate) fn ends_before(table: &TableMeta, key: &[u8]) -> bool {
    table.last.as_slice() < key || table.live.end.as_deref().is_some_and(|end| end <= key)
}

/// What a run holds from `key` on.
fn behind<'a>(tables: &'a [TableMeta], key: &[u8]) -> &'a [TableMeta] {
    tables.get(tables.partition_point(|table| ends_before(table, key))..).unwrap_or(&[])
}

/// The next slice; `None` if nothing is left to be drained.
pub(crate) fn next<'a>(policy: &Policy, inputs: &Inputs<'a>) -> Option<Slice<'a>> {
    let mut sweep = Sweep::new(inputs);
    let mut slice = Slice::default();
    loop {
        if sweep.first_drained().is_none() {
            break;
        }
        let passed = sweep.pass_over();
        let Some(first) = sweep.peek().map(|item| item.table.start()) else { break };
        let begun = slice.bytes > 0;
        if begun && (slice.bytes >= policy.slice_bytes || slice.moved.len() >= MAX_MOVES) {
            slice.end = can_end(first).then_some(first);
            if slice.end.is_some() {
                break;
            }
        }
        let (component, cut) = component(policy, inputs, &mut sweep, slice.bytes);
        let moves = cut.is_none() && is_moved(policy, inputs, &component);
        // Moves and merges are not mixed; a merge that is small takes a table in.
        let ends = if moves {
            !slice.merged.is_empty() && slice.bytes >= policy.slice_bytes / 4
        } else {
            !slice.moved.is_empty()
        };
        if ends && can_end(first) {
            slice.end = Some(first);
            break;
        }
        slice.cuts.extend(passed.filter(|_| !slice.merged.is_empty()));
        slice.bytes += component.iter().map(|item| item.table.file_bytes.max(1)).sum::<u64>();
        if moves && slice.merged.is_empty() {
            slice.moved.extend(component);
        } else {
            // Not reached with moves before it, except where no slice can end.
            slice.merged.append(&mut slice.moved);
            slice.merged.extend(component);
        }
        if cut.is_some() {
            slice.end = cut;
            break;
        }
    }
    slice.cuts.retain(|cut| can_end(cut));
    (slice.bytes > 0).then_some(slice)
}

/// The tables that overlap the next one, directly or by others, and the key at which
/// they are cut because there are too many.
fn component<'a>(
    policy: &Policy,
    inputs: &Inputs<'a>,
    sweep: &mut Sweep<'a>,
    before: u64,
) -> (Vec<Item<'a>>, Option<&'a [u8]>) {
    let mut items: Vec<Item<'a>> = Vec::new();
    let mut reach: Option<&[u8]> = None;
    while let Some(item) = sweep.peek() {
        let start = item.table.start();
        if reach.is_some_and(|reach| start > reach) {
            break;
        }
        let is_behind = items.first().is_some_and(|first| first.table.start() < start);
        if is_behind && start > inputs.cursor && can_end(start) {
            let whole = items.iter().filter(|item| ends_before(item.table, start));
            let bytes = before + whole.map(|item| item.table.file_bytes).sum::<u64>();
            let limit = policy.slice_bytes.saturating_mul(if item.is_base { 1 } else { 2 });
            if bytes >= limit {
                items.retain(|item| item.table.start() < start);
                return (items, Some(start));
            }
        }
        reach = reach.max(Some(&item.table.last));
        items.extend(sweep.next());
    }
    (items, None)
}

fn can_end(key: &[u8]) -> bool {
    !key.is_empty() && key.len() <= FENCE_BYTES
}

/// Whether a component is a table that the base run can take as it is.
fn is_moved(policy: &Policy, inputs: &Inputs<'_>, component: &[Item<'_>]) -> bool {
    let [item] = component else { return false };
    let table = item.table;
    let dense = table.tombstones.saturating_mul(DENSE_PART) >= table.entries;
    let purged = inputs.is_bottom && table.tombstones > 0 && dense;
    // A table that is partly used up holds bytes that only a merge frees.
    let is_whole = table.live.end.is_none() && table.live.start <= table.first;
    !item.is_base && !purged && is_whole && !policy.is_small(table.file_bytes)
}

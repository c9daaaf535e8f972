//! A plan: what to do next, and the edit that commits it.
//!
//! # Invariants
//!
//! * The edit is made of the plan and the outputs alone. It stays right while flushes
//!   add runs and other plans, on other runs, are committed.
//! * What an input held inside the plan's span is gone with the edit, and in the base
//!   run instead; what it held behind the span's end stays, by its live range.
//! * After the edit every run that is still being drained is marked with the same
//!   cursor, the span's end.

use std::collections::BTreeSet;

use lsm_manifest::{EditOp, Span, TableMeta, Version, fence};
use lsm_types::{RunNo, TableNo};

use crate::policy::Policy;
use crate::shape::{Shape, cursor};
use crate::slice::{self, Inputs, Item, Slice};
use crate::{Busy, Load, Reason, rules};

/// A table that a plan reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its run.
    pub run: RunNo,
    /// The table.
    pub table: TableNo,
    /// The table's length in bytes.
    pub bytes: u64,
    /// The keys that it stands for now.
    pub live: Span,
    /// Whether it holds keys behind the plan's span, and stays for them.
    pub stays: bool,
}

/// One step: tables are moved, or a slice of several runs is merged.
///
/// To carry it out: if [`moves`](Self::moves), commit [`edit`](Self::edit) of no
/// outputs. Else merge what the inputs hold inside [`span`](Self::span), end an output
/// where [`Cuts`](crate::Cuts) says so and when it has `table_bytes`, and commit the edit
/// of the outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Why.
    pub reason: Reason,
    /// All runs that the plan works on, newest first: a contiguous stretch of the order
    /// of age; where somebody [asks](crate::Asked) for some of the keys, of the order of
    /// those that hold any. The last is `base`.
    pub runs: Vec<RunNo>,
    /// The run that takes the outputs, and with them their age.
    pub base: RunNo,
    /// The level that the outputs are added with.
    pub level: u8,
    /// Whether no run is older than `base`, so that no tombstone is needed.
    pub is_bottom: bool,
    /// The keys that are merged. Its end is where the merge goes on.
    pub span: Span,
    /// What is read; empty if tables are moved.
    pub inputs: Vec<Input>,
    /// Keys, in order, before which an output must end: [`Cuts`](crate::Cuts) knows them.
    pub cuts: Vec<Vec<u8>>,
    /// An output ends when it is so long.
    pub table_bytes: u64,
    /// What the whole merge costs of the credit: 0 except with its first slice, for
    /// [`Reason::Credit`].
    pub charge: u64,
    pub(crate) moved: Vec<TableMeta>,
    pub(crate) marked: Vec<(TableNo, Span)>,
    /// Where tables of the base run begin by their live ranges that stay: fences do not
    /// tell an output before them from what they held.
    pub(crate) narrowed: Vec<Vec<u8>>,
}

impl Plan {
    /// Whether the plan is an edit alone.
    #[must_use]
    pub fn moves(&self) -> bool {
        self.inputs.is_empty()
    }

    /// The tables that are moved to the base run.
    #[must_use]
    pub fn moved(&self) -> &[TableMeta] {
        &self.moved
    }

    /// Bytes of all inputs.
    #[must_use]
    pub fn input_bytes(&self) -> u64 {
        self.inputs.iter().map(|input| input.bytes).sum()
    }

    /// The operations that commit the plan with these outputs.
    #[must_use]
    pub fn edit(&self, outputs: Vec<TableMeta>) -> Vec<EditOp> {
        let mut ops = Vec::new();
        for input in &self.inputs {
            #[cfg(planted)]
            if input.stays && self.keeps_by_mistake(input) {
                continue;
            }
            ops.push(if input.stays {
                EditOp::SetLive { table: input.table, live: self.rest_of(&input.live) }
            } else {
                EditOp::RemoveTable(input.table)
            });
        }
        ops.extend(self.moved.iter().map(|table| EditOp::RemoveTable(table.number)));
        for (table, live) in &self.marked {
            ops.push(EditOp::SetLive { table: *table, live: live.clone() });
        }
        let (run, level) = (self.base, self.level);
        let added = outputs.into_iter().chain(self.moved.iter().cloned());
        ops.extend(added.map(|mut table| {
            let end = self.narrowed.iter().find(|start| **start > table.last).cloned();
            table.live = Span { start: Vec::new(), end };
            EditOp::AddTable { run, level, table }
        }));
        ops
    }

    /// A planted bug: an input of another drained run than the newest is not narrowed.
    #[cfg(planted)]
    fn keeps_by_mistake(&self, input: &Input) -> bool {
        let newest = self.inputs.iter().map(|input| input.run).max();
        lsm_planted::is(lsm_planted::Bug::InputNotNarrowed)
            && input.run != self.base
            && Some(input.run) != newest
    }

    fn rest_of(&self, live: &Span) -> Span {
        let start = self.span.end.clone().unwrap_or_default();
        live.intersect(&Span { start, end: None })
    }
}

impl Policy {
    /// The next step; `None` when nothing is due, or what is due is busy.
    #[must_use]
    pub fn pick(&self, version: &Version, busy: &Busy, load: Load) -> Option<Plan> {
        let shape = Shape::new(version, busy);
        let choice = rules::choose(self, &shape, load)?;
        let (base, drained) = shape.slice(choice.stretch.runs.clone()).split_last()?;
        let oldest = shape.runs.last()?.number;
        let inputs = Inputs {
            drained: drained.iter().map(|run| (run.number, run.run)).collect(),
            base: (base.number, base.run),
            cursor: drained.first().and_then(|run| cursor(run.run)).unwrap_or(&[]),
            until: None,
            is_marked: true,
            is_bottom: base.number == oldest,
        };
        let mut plan = match choice.only.and_then(|at| base.run.tables.get(at)) {
            Some(tables) => rewrite(self, &inputs, tables)?,
            None => slice_of(self, &inputs, version)?,
        };
        plan.reason = choice.reason;
        if choice.reason == Reason::Credit {
            plan.charge = shape.bytes(choice.stretch.runs);
        }
        Some(plan)
    }
}

fn empty(inputs: &Inputs<'_>) -> Plan {
    let drained = inputs.drained.iter().map(|(run, _)| *run);
    Plan {
        reason: Reason::Unfinished,
        runs: drained.chain([inputs.base.0]).collect(),
        base: inputs.base.0,
        level: u8::from(inputs.is_bottom),
        is_bottom: inputs.is_bottom,
        span: Span::all(),
        inputs: Vec::new(),
        cuts: Vec::new(),
        table_bytes: u64::MAX,
        charge: 0,
        moved: Vec::new(),
        marked: Vec::new(),
        narrowed: Vec::new(),
    }
}

fn input(item: &Item<'_>, end: Option<&[u8]>) -> Input {
    let Item { run, table, .. } = *item;
    Input {
        run,
        table: table.number,
        bytes: table.file_bytes,
        live: table.live.clone(),
        stays: end.is_some_and(|end| holds_from(table, end)),
    }
}

/// Whether the table stands for keys from `end` on, which is no longer than a fence.
fn holds_from(table: &TableMeta, end: &[u8]) -> bool {
    table.last.as_slice() >= end && table.live.end.as_deref().is_none_or(|live| live > end)
}

/// Neighbouring tables of the base run are written anew, as one if they are not too long.
pub(crate) fn rewrite(policy: &Policy, inputs: &Inputs<'_>, tables: &[TableMeta]) -> Option<Plan> {
    let (run, base) = inputs.base;
    let (first, last) = (tables.first()?, tables.last()?);
    let items = tables.iter().map(|table| Item { run, is_base: true, table });
    let is_part = base.tables.len() > tables.len();
    let bytes = tables.iter().map(|table| table.file_bytes).sum::<u64>();
    Some(Plan {
        level: if is_part { base.level } else { u8::from(inputs.is_bottom) },
        span: Span { start: first.live.start.clone(), end: last.live.end.clone() },
        inputs: items.map(|item| input(&item, None)).collect(),
        table_bytes: policy.table_bytes.max(bytes),
        narrowed: last.live.end.iter().cloned().collect(),
        ..empty(inputs)
    })
}

pub(crate) fn slice_of(policy: &Policy, inputs: &Inputs<'_>, version: &Version) -> Option<Plan> {
    let slice = slice::next(policy, inputs)?;
    let end = slice.end.or(inputs.until);
    // Where nothing was left of the first base run, the next older one takes its place,
    // with tables that begin below the cursor.
    let starts = slice.merged.iter().map(|item| item.table.start());
    let start = starts.fold(inputs.cursor, |least, start| least.min(start));
    let mut plan = Plan {
        span: Span { start: start.to_vec(), end: end.map(<[u8]>::to_vec) },
        inputs: slice.merged.iter().map(|item| input(item, end)).collect(),
        cuts: slice.cuts.iter().map(|cut| cut.to_vec()).collect(),
        moved: slice.moved.iter().map(|item| item.table.clone()).collect(),
        ..empty(inputs)
    };
    let removed = plan.inputs.iter().filter(|input| !input.stays).map(|input| input.table);
    let removed: BTreeSet<_> = removed.chain(plan.moved.iter().map(|table| table.number)).collect();
    let (_, base) = inputs.base;
    let from_base = slice.merged.iter().filter(|item| item.is_base);
    if from_base.filter(|item| removed.contains(&item.table.number)).count() < base.tables.len() {
        plan.level = base.level;
    }
    plan.narrowed = narrowed(inputs, &slice, &removed);
    if end.is_some() && inputs.is_marked {
        let staying = plan.inputs.iter().filter(|input| input.stays).map(|input| input.table);
        let staying: BTreeSet<_> = staying.collect();
        // The first table left in each run carries the cursor; an input that stays does
        // so by itself.
        for (_, run) in &inputs.drained {
            let first = run.tables.iter().find(|table| !removed.contains(&table.number));
            if let Some(table) = first.filter(|table| !staying.contains(&table.number)) {
                plan.marked.push((table.number, plan.rest_of(&table.live)));
            }
        }
    }
    size_outputs(policy, inputs, version, &mut plan);
    Some(plan)
}

/// The starts of the live ranges of tables that stay in the base run beside the outputs.
fn narrowed(inputs: &Inputs<'_>, slice: &Slice<'_>, removed: &BTreeSet<TableNo>) -> Vec<Vec<u8>> {
    let tables = inputs.base.1.tables.as_slice();
    let first = tables.partition_point(|table| table.last.as_slice() < inputs.cursor);
    let taken = slice.merged.iter().chain(&slice.moved);
    let Some(reach) = taken.map(|item| item.table.last.as_slice()).max() else {
        return Vec::new();
    };
    // Tables stand in the order of their live ranges: one that begins far behind by its own
    // may begin here by its fence.
    let beside = tables.get(first..).unwrap_or(&[]).iter();
    let beside = beside.filter(|table| table.first.as_slice() <= reach);
    let stays = beside.filter(|table| !removed.contains(&table.number));
    let begins = stays.map(|table| match slice.end {
        // What stays of an input begins where the slice ends.
        Some(end) if table.start() < end && holds_from(table, end) => (end, table),
        _ => (table.start(), table),
    });
    let by_live = begins.filter(|(start, table)| *start > table.first.as_slice());
    by_live.map(|(start, _)| start.to_vec()).collect()
}

/// Sets the outputs' size, and above the lowest run cuts at the first keys of that
/// run's tables, so that a later merge into it finds tables that end where its own do.
fn size_outputs(policy: &Policy, inputs: &Inputs<'_>, version: &Version, plan: &mut Plan) {
    let runs = inputs.drained.iter().map(|(_, run)| *run).chain([inputs.base.1]);
    let whole = runs.map(lsm_manifest::Run::file_bytes).sum();
    let aim = policy.table_bytes_of(whole);
    let bytes = plan.input_bytes();
    // Of equal size, rather than full ones and a rest.
    let pieces = bytes.div_ceil(aim).max(1);
    plan.table_bytes = bytes.div_ceil(pieces).max(1);
    let Some((_, lowest)) = version.runs().first_key_value() else { return };
    if plan.is_bottom || pieces < 2 {
        return;
    }
    // Inside the slice; nothing ends before the first of all tables.
    let span = &plan.span;
    let tables = lowest.tables.get(1..).unwrap_or(&[]);
    let first = tables.partition_point(|table| table.start() <= span.start.as_slice());
    let is_inside = |table: &TableMeta| span.end.as_deref().is_none_or(|end| table.start() < end);
    let between = tables.get(first..tables.partition_point(is_inside)).unwrap_or(&[]);
    let count = usize::try_from(pieces - 1).unwrap_or(usize::MAX).min(between.len());
    let starts = (0..count).filter_map(|n| between.get((n + 1) * between.len() / (count + 1)));
    plan.cuts.extend(starts.map(|table| fence(table.start()).to_vec()));
    plan.cuts.sort();
    plan.cuts.dedup();
    if count > 0 {
        // Keys are not spread evenly: only what is far too long is cut by its length.
        plan.table_bytes = plan.table_bytes.saturating_mul(2);
    }
}

//! Compaction: carrying out what the policy plans, one step at a time.
//!
//! Steps: ask the policy for a plan, and mark its runs as taken, under one lock; merge
//! what the inputs hold inside the plan's span, reading each block from the disk and
//! verifying it; leave out tombstones that hide nothing; commit one edit that adds the
//! outputs and narrows or removes the inputs; give the runs back. A plan that only moves
//! tables is its edit alone. Work is given up as soon as the store is being closed: what
//! was committed stays, and the rest is picked anew. A damaged input is kept out of all
//! further merges.
//!
//! At rest, when no memtable was filled for a while, more is merged than the shape asks
//! for, paid from a credit of one byte for each byte flushed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lsm_compaction::{Cuts, DropRule, Load, Plan, Policy};
use lsm_manifest::Edit;
use lsm_merge::Merge;
use lsm_types::TableNo;

use crate::block_place::Reading;
use crate::filter_bits;
use crate::install::Commit;
use crate::output::Output;
use crate::run_cursor::RunCursor;
use crate::shared::Shared;
use crate::source::Source;
use crate::throttle::SlowReason;
use crate::view::{LiveRun, LiveTable, Tables};
use crate::work::Work;
use crate::{Error, Options, Result};

/// The store is at rest when nothing was flushed for so long.
pub(crate) const REST_AFTER: Duration = Duration::from_millis(100);

/// Writers wait for merges when a tier has so many times more runs than the trigger.
const RUNS_PER_TRIGGER: usize = 6;

/// A plan, and the version that it was picked from.
pub(crate) struct Step {
    pub(crate) tables: Arc<Tables>,
    pub(crate) plan: Plan,
    /// For whom, if somebody asked for it.
    pub(crate) asked: Option<u64>,
}

impl Options {
    /// The policy that these settings ask for.
    pub(crate) fn policy(&self) -> Policy {
        Policy::new(self.compaction_trigger, self.table_bytes)
    }

    /// With so many runs in a tier writers wait for merges.
    pub(crate) fn most_runs(&self) -> usize {
        self.compaction_trigger.max(2).saturating_mul(RUNS_PER_TRIGGER)
    }
}

impl Shared {
    /// The step that somebody or the policy asks for now.
    pub(crate) fn next_merge(&self, work: &Work) -> Option<Step> {
        if self.is_stopping() {
            return None;
        }
        let view = self.view.load();
        if !work.asked.is_empty() {
            return self.next_beside_asked(work, &view.tables);
        }
        let is_at_rest = view.frozen.is_empty() && work.rest.lasts() >= REST_AFTER;
        let load = match is_at_rest {
            true => Load::Idle { credit: work.credit },
            false => Load::Writing,
        };
        let policy = self.disk.options.policy();
        let plan = policy.pick(&view.tables.version, &work.busy, load)?;
        Some(Step { tables: Arc::clone(&view.tables), plan, asked: None })
    }

    /// Carries out one step, if one is due.
    pub(crate) fn merge_once(&self) -> Result<()> {
        let Step { tables, plan, asked } = {
            let mut work = self.work.lock();
            let Some(next) = self.next_merge(&work) else { return Ok(()) };
            work.busy.take(&next.plan);
            work.credit = work.credit.saturating_sub(next.plan.charge);
            work.asked_last = next.asked.is_some();
            next
        };
        tracing::debug!(reason = %plan.reason, runs = ?plan.runs, bytes = plan.input_bytes(), "merging");
        let merged = self.merge(&tables, &plan);
        let (merged, damaged) = match merged {
            Err(error @ (Error::Damaged { .. } | Error::Unsupported { .. })) => {
                let damaged = table_of(&tables, &error);
                let error = Arc::new(error);
                let damaged = damaged.map(|table| (table, Arc::clone(&error)));
                (Err(Error::Background(error)), damaged)
            }
            merged => (merged, None),
        };
        drop(tables);
        let mut work = self.work.lock();
        work.busy.release(&plan);
        damaged.into_iter().for_each(|(table, why)| work.fence(table, why));
        match (&merged, asked) {
            (Ok(()), Some(id)) => work.note_asked(id, plan.input_bytes()),
            (Ok(()), None) => {}
            (Err(_), _) => work.credit = work.credit.saturating_add(plan.charge),
        }
        self.changed.notify_all();
        merged
    }

    fn merge(&self, tables: &Tables, plan: &Plan) -> Result<()> {
        let begun = Instant::now();
        let mut commit = Commit { is_merge: true, ..Commit::default() };
        if plan.moves() {
            commit.edit = Edit { ops: plan.edit(Vec::new()) };
            return self.install(commit);
        }
        let policy = self.disk.options.policy();
        let rule = DropRule::for_plan(&tables.version, plan);
        let cuts = Cuts::for_plan(&policy, &tables.version, plan);
        let filter_bits = filter_bits::for_merge(tables, plan);
        let mut output = Output::new(self, plan.table_bytes, cuts, filter_bits);
        let rows = Merge::forward(inputs(tables, plan), &plan.span.start)?;
        output.fill(rows, &rule, true)?;
        let outputs = output.finish(&mut commit)?;
        self.interlude();
        commit.edit = Edit { ops: plan.edit(outputs) };
        self.install(commit)?;
        output.keep();
        self.throttle.measured(SlowReason::Merge, plan.input_bytes(), begun.elapsed());
        Ok(())
    }
}

/// The table that an error is about.
fn table_of(tables: &Tables, error: &Error) -> Option<TableNo> {
    let (Error::Damaged { path, .. } | Error::Unsupported { path, .. }) = error else {
        return None;
    };
    let mut inputs = tables.runs.iter().flat_map(|run| &run.tables).map(|live| &live.table);
    inputs.find(|table| table.path() == path).map(|table| table.number())
}

/// Cursors over what the inputs hold inside the plan's span, one for each run.
fn inputs(tables: &Tables, plan: &Plan) -> Vec<Source> {
    let span = Arc::new(plan.span.clone());
    let of_run = |run: &Arc<LiveRun>| {
        let is_input =
            |live: &&LiveTable| plan.inputs.iter().any(|input| input.table == live.table.number());
        let inside = run.tables.iter().filter(is_input).map(|live| LiveTable {
            table: Arc::clone(&live.table),
            live: live.live.intersect(&span),
        });
        let tables: Vec<_> = inside.collect();
        let run = LiveRun { number: run.number, tables };
        (!run.tables.is_empty())
            .then(|| Source::Run(RunCursor::new(Arc::new(run), Arc::clone(&span), Reading::Merge)))
    };
    tables.runs.iter().filter(|run| plan.runs.contains(&run.number)).filter_map(of_run).collect()
}

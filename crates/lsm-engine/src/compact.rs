//! Compaction: a contiguous stretch of runs becomes one.
//!
//! Steps: ask the policy for a plan; merge the inputs, reading each block from the
//! disk and verifying it; leave out tombstones that hide nothing; commit one edit
//! that removes the inputs and adds the output in their place. It gives way as soon
//! as the store is being closed. A damaged input is kept out of all further merges.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use lsm_compaction::{DropRule, MergePlan, PickOptions, pick};
use lsm_manifest::{EditOp, Span};
use lsm_merge::Merge;
use lsm_types::TableNo;

use crate::install::Commit;
use crate::output::Output;
use crate::run_cursor::{Reading, RunCursor};
use crate::shared::Shared;
use crate::source::Source;
use crate::throttle::SlowReason;
use crate::view::{LiveRun, Tables};
use crate::{Error, Result};

impl Shared {
    /// The merge that the policy asks for now; `fenced` tables stay out of it.
    pub(crate) fn next_merge(&self, fenced: &BTreeSet<TableNo>) -> Option<MergePlan> {
        let options = PickOptions { trigger: self.disk.options.compaction_trigger };
        pick(&self.view.load().tables.version, fenced, options)
    }

    /// Carries out one merge, if one is due.
    pub(crate) fn merge_once(&self) -> Result<()> {
        let fenced = self.work.lock().fenced.clone();
        let Some(plan) = self.next_merge(&fenced) else { return Ok(()) };
        // Flushes only add runs, and nobody else merges: the plan's runs are there.
        let tables = Arc::clone(&self.view.load().tables);
        let inputs: Vec<_> =
            tables.runs.iter().filter(|run| plan.inputs.contains(&run.number)).cloned().collect();
        let merged = self.merge(&tables, &plan, &inputs);
        if let Err(Error::Damaged { path, .. } | Error::Unsupported { path, .. }) = &merged {
            let inputs = inputs.iter().flat_map(|run| &run.tables).map(|live| &live.table);
            for table in inputs.filter(|table| table.path() == path) {
                self.fence(table.number());
            }
        }
        merged
    }

    fn merge(&self, tables: &Tables, plan: &MergePlan, inputs: &[Arc<LiveRun>]) -> Result<()> {
        let begun = Instant::now();
        let rule = DropRule::for_merge(&tables.version, plan.output);
        let all = Arc::new(Span::all());
        let cursor = |run| RunCursor::new(Arc::clone(run), Arc::clone(&all), Reading::Merge);
        let sources = inputs.iter().map(|run| Source::Run(cursor(run))).collect();
        let mut output = Output::new(self);
        output.fill(Merge::forward(sources, b"")?, &rule, true)?;

        let mut commit = Commit { is_merge: true, ..Commit::default() };
        let inputs = inputs.iter().flat_map(|run| &run.tables);
        let bytes = inputs.clone().map(|live| live.table.meta().file_bytes()).sum();
        commit.edit.ops.extend(inputs.map(|live| EditOp::RemoveTable(live.table.number())));
        output.finish(&mut commit, || Ok((plan.output, plan.level)))?;
        self.install(commit)?;
        output.keep();
        self.throttle.measured(SlowReason::Merge, bytes, begun.elapsed());
        Ok(())
    }
}

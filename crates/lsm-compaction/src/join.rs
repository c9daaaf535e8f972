//! Flushes that need no run of their own.

use lsm_manifest::{TableMeta, Version};
use lsm_types::RunNo;

use crate::Busy;
use crate::policy::Policy;
use crate::shape::cursor;

impl Policy {
    /// The run that the tables of a flush join: the newest one, if it shares no key with
    /// any of them. They are newer than all of it, so gets and scans find what they
    /// found, and a sequential load is written once and stays one run.
    ///
    /// Small tables make a run of their own, to be merged. So does any flush while the
    /// newest run is being merged or is damaged.
    ///
    /// Ask under the lock that guards `busy`, and put the run into [`Busy::runs`] until
    /// the flush is committed: a plan that was picked in between would not know of the
    /// new tables.
    #[must_use]
    pub fn join_newest(
        &self,
        version: &Version,
        busy: &Busy,
        tables: &[TableMeta],
    ) -> Option<RunNo> {
        self.trigger()?;
        let (number, run) = version.runs().last_key_value()?;
        let is_free = !busy.runs.contains(number)
            && cursor(run).is_none()
            && !run.tables.iter().any(|table| busy.fenced.contains(&table.number));
        let fits = |new: &TableMeta| {
            let at = run.tables.partition_point(|table| table.last < new.first);
            let is_apart = run.tables.get(at).is_none_or(|table| new.last < table.first);
            is_apart && !self.is_small(new.file_bytes)
        };
        (is_free && tables.iter().all(fits)).then_some(*number)
    }
}

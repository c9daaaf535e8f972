//! Flushes that need no run of their own.

use lsm_manifest::Version;
use lsm_types::RunNo;

use crate::Busy;
use crate::policy::Policy;
use crate::shape::cursor;

impl Policy {
    /// The run that the tables of a flush join: the newest one, if it holds nothing
    /// between the fences `first` and `last`. They are newer than all of it and share
    /// no key with it, so gets and scans find what they found, and a sequential load
    /// is written once and stays one run.
    ///
    /// `bytes` is the length of the tables together: small ones make a run of their
    /// own, to be merged. So does any flush while the newest run is being merged or is
    /// damaged.
    #[must_use]
    pub fn join_newest(
        &self,
        version: &Version,
        busy: &Busy,
        (first, last): (&[u8], &[u8]),
        bytes: u64,
    ) -> Option<RunNo> {
        self.trigger()?;
        let (number, run) = version.runs().last_key_value()?;
        let is_damaged = |table| busy.fenced.contains(&table);
        let is_free = !busy.runs.contains(number)
            && cursor(run).is_none()
            && !run.tables.iter().any(|table| is_damaged(table.number));
        let at = run.tables.partition_point(|table| table.last.as_slice() < first);
        let is_apart = run.tables.get(at).is_none_or(|table| last < table.first.as_slice());
        (is_free && is_apart && !self.is_small(bytes)).then_some(*number)
    }
}

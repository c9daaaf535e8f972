//! Flushing: the oldest frozen memtable becomes tables.
//!
//! Steps: of each key the newest version, without tombstones that hide nothing, is
//! written into tables; they are synced and named; one edit adds them as the newest
//! run, says up to which write everything is in tables, and lets the memtable's log
//! go. The memtable stays readable until that moment.

use std::sync::Arc;
use std::time::Instant;

use lsm_compaction::DropRule;
use lsm_manifest::EditOp;
use lsm_memtable::MemtableCursor;
use lsm_merge::Merge;
use lsm_types::{RunNo, SeqNo};

use crate::Result;
use crate::install::Commit;
use crate::output::Output;
use crate::shared::Shared;
use crate::source::Source;
use crate::throttle::SlowReason;

impl Shared {
    /// Flushes the oldest frozen memtable, if there is one.
    pub(crate) fn flush_oldest(&self) -> Result<()> {
        let view = self.view.load_full();
        let Some(buffer) = view.frozen.last() else { return Ok(()) };
        let begun = Instant::now();
        let rule = DropRule::for_flush(&view.tables.version);
        let cursor = MemtableCursor::once(Arc::clone(&buffer.memtable)).newest(SeqNo::MAX);
        let rows = Merge::forward(vec![Source::Memtable(cursor)], b"")?;
        let mut output = Output::new(self);
        output.fill(rows, &rule, false)?;

        let mut commit = Commit { flushed: Some(buffer.id), ..Commit::default() };
        output.finish(&mut commit, || Ok((self.allocate::<RunNo>()?, 0)))?;
        self.throttle.measured(SlowReason::Flush, buffer.written(), begun.elapsed());
        commit.edit.ops.push(EditOp::LastSeq(buffer.last_seq()));
        commit.edit.ops.extend(buffer.log().map(EditOp::RemoveLog));
        #[cfg(feature = "durability")]
        self.install_with_spares(commit)?;
        #[cfg(not(feature = "durability"))]
        self.install(commit)?;
        output.keep();
        Ok(())
    }
}

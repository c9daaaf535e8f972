//! Flushing: the oldest frozen memtable becomes tables.
//!
//! Steps: of each key the newest version, without tombstones that hide nothing, is
//! written into tables; they are synced and named; one edit adds them to the newest run,
//! if they share no key with it, or as a newer one, says up to which write everything is in tables, and lets the memtable's log
//! go. The memtable stays readable until that moment.

use std::sync::Arc;
use std::time::Instant;

use lsm_compaction::{Cuts, DropRule};
use lsm_manifest::{EditOp, TableMeta};
use lsm_memtable::MemtableCursor;
use lsm_merge::Merge;
use lsm_types::{RunNo, SeqNo};

use crate::Result;
use crate::filter_bits;
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
        let options = &self.disk.options;
        let bytes = buffer.memtable.live_bytes() as u64;
        let cuts = Cuts::for_flush(&options.policy(), &view.tables.version, bytes);
        let filter_bits = filter_bits::for_flush(&view.tables, buffer.memtable.len() as u64);
        let mut output = Output::new(self, options.table_bytes, cuts, filter_bits);
        output.fill(rows, &rule, false)?;

        let mut commit = Commit { flushed: Some(buffer.id), ..Commit::default() };
        let tables = output.finish(&mut commit)?;
        self.interlude();
        self.throttle.measured(SlowReason::Flush, buffer.written(), begun.elapsed());
        commit.edit.ops.push(EditOp::LastSeq(buffer.last_seq()));
        commit.edit.ops.extend(buffer.log().map(EditOp::RemoveLog));
        let written = tables.iter().map(|table| table.file_bytes).sum::<u64>();
        let joined = self.join_newest(&tables);
        let outcome = self.commit_flush(commit, tables, joined);
        let mut work = self.work.lock();
        if let Some((run, _)) = joined {
            work.busy.runs.remove(&run);
        }
        if outcome.is_ok() {
            work.credit = work.credit.saturating_add(written);
        }
        self.changed.notify_all();
        drop(work);
        outcome?;
        output.keep();
        Ok(())
    }

    /// The run that these tables join, and its level: no merge takes it until the flush
    /// is committed. `None` if they make a run of their own.
    fn join_newest(&self, tables: &[TableMeta]) -> Option<(RunNo, u8)> {
        let mut work = self.work.lock();
        let view = self.view.load();
        let version = &view.tables.version;
        let run = self.disk.options.policy().join_newest(version, &work.busy, tables)?;
        // What somebody waits for must not grow.
        if work.asked.iter().any(|asked| asked.asked.concerns(run)) {
            return None;
        }
        let level = version.runs().get(&run)?.level;
        work.busy.runs.insert(run);
        Some((run, level))
    }

    fn commit_flush(
        &self,
        mut commit: Commit,
        tables: Vec<TableMeta>,
        joined: Option<(RunNo, u8)>,
    ) -> Result<()> {
        if !tables.is_empty() {
            let (run, level) = match joined {
                Some(joined) => joined,
                None => (self.allocate::<RunNo>()?, 0),
            };
            let add = |table| EditOp::AddTable { run, level, table };
            commit.edit.ops.extend(tables.into_iter().map(add));
        }
        #[cfg(feature = "durability")]
        return self.install_with_spares(commit);
        #[cfg(not(feature = "durability"))]
        self.install(commit)
    }
}

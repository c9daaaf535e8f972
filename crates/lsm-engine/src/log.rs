//! Logs: one that is written, one prepared in advance.
//!
//! A log is named in the manifest, durably, before its first record. Writers take
//! the spare; the flush worker puts a new one in its place with the commit that it
//! makes anyway. Only if there is none does a writer make its own. Log numbers are
//! given out under the lock `logs`, so they are used in the order in which the
//! manifest learns of them.

use lsm_manifest::{Edit, EditOp};
use lsm_types::{LogNo, SlotNo};
use lsm_wal::{LogWriter, create_slot};

use crate::Result;
use crate::install::Commit;
use crate::names::FileName;
use crate::shared::Shared;

/// What is guarded by the lock `logs`.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    spare: Option<LogWriter>,
}

impl Shared {
    /// A log that the manifest names and that nobody writes to yet.
    pub(crate) fn take_spare_log(&self) -> Result<LogWriter> {
        let mut logs = self.logs.lock();
        if let Some(spare) = logs.spare.take() {
            return Ok(spare);
        }
        let (log, slot, op) = self.new_log()?;
        let committed = self.install(Commit { edit: Edit { ops: vec![op] }, ..Commit::default() });
        self.settle_slot(slot, committed)?;
        Ok(log)
    }

    /// Commits, and prepares a spare log in the same edit if there is none. That
    /// the spare could not be made is no reason not to commit.
    pub(crate) fn install_with_spare(&self, mut commit: Commit) -> Result<()> {
        let mut logs = self.logs.lock();
        if logs.spare.is_some() {
            return self.install(commit);
        }
        match self.new_log() {
            Ok((log, slot, op)) => {
                commit.edit.ops.push(op);
                let committed = self.install(commit);
                self.settle_slot(slot, committed)?;
                logs.spare = Some(log);
                Ok(())
            }
            Err(error) => {
                tracing::warn!(%error, "no spare log: the next memtable's first write makes it");
                self.install(commit)
            }
        }
    }

    /// Makes a slot, durably, and the edit that names it.
    fn new_log(&self) -> Result<(LogWriter, SlotNo, EditOp)> {
        let slot: SlotNo = self.allocate()?;
        let log: LogNo = self.allocate()?;
        let dir = &*self.disk.dir;
        let name = FileName::Slot(slot).name();
        let made = create_slot(dir, &name, self.store.0, slot.get())?;
        self.sync_names()?;
        match LogWriter::start(made, self.store.0, log.get()) {
            Ok(writer) => Ok((writer, slot, EditOp::AddLog { log, slot })),
            Err(error) => {
                crate::cleaner::remove(dir, &name);
                Err(error.into())
            }
        }
    }

    /// Takes a slot back when it is certain that the manifest does not name it.
    fn settle_slot(&self, slot: SlotNo, committed: Result<()>) -> Result<()> {
        if committed.is_err() && !self.is_refused() {
            crate::cleaner::remove(&*self.disk.dir, &FileName::Slot(slot).name());
        }
        committed
    }

    /// Lets go of all logs, once everything is in tables: a store that was closed
    /// cleanly names none.
    pub(crate) fn release_logs(&self) -> Result<()> {
        drop(self.writer.lock().take_log());
        let mut logs = self.logs.lock();
        logs.spare = None;
        let version = self.view.load_full();
        let live = version.tables.version.logs().keys();
        let ops: Vec<_> = live.map(|log| EditOp::RemoveLog(*log)).collect();
        if ops.is_empty() {
            return Ok(());
        }
        self.install(Commit { edit: Edit { ops }, ..Commit::default() })
    }
}

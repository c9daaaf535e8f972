//! Logs: one that is written, some prepared in advance, slots that are used again.
//!
//! A log is named in the manifest, durably, before its first record. Writers take a
//! spare; the flush worker makes up for it with the commit that it makes anyway. Only
//! if there is none does a writer make its own. When the memtable of a log is in
//! tables and the manifest no longer names the log, its slot waits for the next one:
//! its blocks are there already, and a sync has nothing but bytes to write.
//!
//! # Invariants
//!
//! * Logs are used in the order of their numbers: who numbers one holds `making`
//!   until the manifest names it and it is a spare or in use.
//! * `logs` is held for a few instructions; no I/O happens under it.
//! * A slot is in one place: in use, spare, retired, free, or removed. It becomes free
//!   only after the edit that removes its log is durable.
//! * What a sync makes durable is a prefix of the order of writes: older logs go
//!   before the current one.
//! * Nothing is said to be durable that rests on a replayed log before what was
//!   replayed is in tables. Where a sync had failed, the log may be whole in memory
//!   alone, and another sync of the same bytes proves nothing.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::Duration;

use lsm_manifest::{Edit, EditOp};
use lsm_types::{LogNo, SlotNo};
use lsm_wal::{LogSync, LogWriter, Slot, Stamp, create_slot};

use crate::buffer::{Buffer, BufferId};
use crate::cleaner::Garbage;
use crate::install::Commit;
use crate::names::FileName;
use crate::options::SyncPolicy;
use crate::shared::Shared;
use crate::write::{Write, Writer, Writes};
use crate::{Error, Result};

/// How long a leader waits for those who wrote along last time: less than a sync
/// takes, which they would have to wait for otherwise.
pub(crate) const GATHER: Duration = Duration::from_micros(100);
/// Logs named in advance: a writer that fills a memtable finds the next one although
/// the flush that makes up for it is still under way.
const SPARES: usize = 2;
/// An interval of nothing would keep a processor busy.
const LEAST_INTERVAL: Duration = Duration::from_millis(1);
/// Slots kept for logs to come; more are removed.
const FREE_SLOTS: usize = 4;
/// Slots kept when the store has come to rest.
const SLOTS_AT_REST: usize = 1;
/// What the buffer for a single operation keeps between writes.
const KEPT_BYTES: usize = 1 << 20;

/// What the writer knows of logs.
#[derive(Debug, Default)]
pub(crate) struct Logging {
    current: Option<LogWriter>,
    /// Whether the current log has records that were not synced.
    is_dirty: bool,
    /// Older logs with such records, oldest first, and the last number in each.
    older: Vec<(u64, LogSync)>,
    /// A single operation, encoded.
    scratch: Vec<u8>,
}

/// What is guarded by the lock `logs`.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    spares: VecDeque<LogWriter>,
    /// Slots of logs that are not written to any more, until the manifest forgets them.
    retired: BTreeMap<SlotNo, Slot>,
    free: Vec<Slot>,
    is_closing: bool,
}

/// A log in the making.
struct NewLog {
    writer: LogWriter,
    op: EditOp,
    /// Whether its slot is new, and nobody else's.
    is_fresh: bool,
}

impl Shared {
    /// Whether every group is synced before it is acknowledged.
    pub(crate) fn syncs_each_group(&self) -> bool {
        self.disk.options.sync_policy == SyncPolicy::Always
    }

    /// Up to which number all writes are known to be durable, in logs or tables.
    fn durable_seq(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    pub(crate) fn raise_durable(&self, seq: u64) {
        self.durable.fetch_max(seq, Ordering::AcqRel);
    }

    /// Appends a group to the log, and syncs it if the policy says so. A log that
    /// fails otherwise than for want of room ends all writing: what it holds is
    /// unknown.
    pub(crate) fn log_group(
        &self,
        writer: &mut Writer,
        active: &Buffer,
        writes: &Writes<'_>,
    ) -> Result<()> {
        let last_seq = writer.last_seq.get();
        let Logging { current, is_dirty, scratch, .. } = &mut writer.logging;
        let log = match current {
            Some(log) => log,
            none => none.insert(self.take_spare()?),
        };
        if let Some(number) = LogNo::new(log.log()) {
            active.set_log(number);
        }
        scratch.clear();
        if let Write::One(op) = &writes.own {
            op.encode(scratch);
        }
        let mut parts = vec![scratch.as_slice()];
        parts.extend(writes.batches().map(lsm_types::Batch::bytes));
        let stamp = Stamp {
            first_seq: last_seq + 1,
            count: u32::try_from(writes.ops()).unwrap_or(u32::MAX),
            durable_seq: self.durable_seq(),
        };
        #[cfg(planted)]
        let stamp = append_half(log, writes, stamp, &mut parts)?;
        let mut outcome = log.append(stamp, &parts);
        if outcome.is_ok() {
            *is_dirty = true;
            if self.syncs_each_group() {
                outcome = log.sync();
            }
        }
        let failed = log.has_failed();
        scratch.shrink_to(KEPT_BYTES);
        outcome.map_err(|error| if failed { self.refuse(error.into()) } else { error.into() })?;
        if self.syncs_each_group() {
            *is_dirty = false;
            self.raise_durable(last_seq + writes.ops() as u64);
        }
        Ok(())
    }

    /// Waits until what was replayed at open is in tables.
    pub(crate) fn await_replayed(&self) -> Result<()> {
        let Some(last) = self.replayed.load(Ordering::Acquire).checked_sub(1) else {
            return Ok(());
        };
        self.wait_flushed(BufferId(last))?;
        self.replayed.store(0, Ordering::Release);
        Ok(())
    }

    /// Whether a sync would find something to do, and would not have to wait for it.
    pub(crate) fn has_unsynced(&self) -> bool {
        let logging = &self.writer.lock().logging;
        let is_replayed = self.replayed.load(Ordering::Acquire) != 0;
        !is_replayed && (logging.is_dirty || !logging.older.is_empty())
    }

    /// Makes everything durable that was written before the call.
    pub(crate) fn sync(&self) -> Result<()> {
        self.await_replayed()?;
        self.sync_logs()
    }

    /// The same for what was written since open.
    pub(crate) fn sync_logs(&self) -> Result<()> {
        // One at a time: who finds nothing to do must not overtake who does it.
        let _turn = self.syncing.lock();
        let (last_seq, older, current) = {
            let mut writer = self.writer.lock();
            self.check_refused()?;
            let last_seq = writer.last_seq.get();
            let logging = &mut writer.logging;
            let is_dirty = std::mem::take(&mut logging.is_dirty);
            let current = logging.current.as_ref().filter(|_| is_dirty).map(LogWriter::sync_handle);
            (last_seq, std::mem::take(&mut logging.older), current)
        };
        // What is in tables by now needs no log.
        let durable = self.durable_seq();
        let older = older.into_iter().filter(|(last, _)| *last > durable).map(|(_, log)| log);
        for log in older.chain(current) {
            log.sync().map_err(|error| self.refuse(error.into()))?;
        }
        if self.replayed.load(Ordering::Acquire) == 0 {
            self.raise_durable(last_seq);
        }
        Ok(())
    }

    /// Syncs every so often, until the store is closed. A panic ends all writing, like
    /// one of a worker: what is acknowledged would not become durable any more.
    pub(crate) fn sync_regularly(&self, every: Duration) {
        let every = every.max(LEAST_INTERVAL);
        if catch_unwind(AssertUnwindSafe(|| self.sync_every(every))).is_err() {
            self.refuse(Error::internal(self.disk.dir.path(), "the sync worker panicked"));
        }
    }

    fn sync_every(&self, every: Duration) {
        loop {
            let mut work = self.work.lock();
            self.changed.wait_while_for(&mut work, |work| !work.stop, every);
            if work.stop {
                return;
            }
            drop(work);
            if let Err(error) = self.sync() {
                tracing::warn!(%error, "the log could not be synced");
                if self.is_refused() {
                    return;
                }
            }
        }
    }

    /// Lets go of the current log, whose memtable is being frozen.
    pub(crate) fn retire_log(&self, writer: &mut Writer) {
        let last_seq = writer.last_seq.get();
        let logging = &mut writer.logging;
        let Some(log) = logging.current.take() else { return };
        if std::mem::take(&mut logging.is_dirty) {
            let durable = self.durable_seq();
            logging.older.retain(|(last, _)| *last > durable);
            logging.older.push((last_seq, log.sync_handle()));
        }
        let slot = log.into_slot();
        if let Some(number) = SlotNo::new(slot.number()) {
            self.logs.lock().retired.insert(number, slot);
        }
    }

    /// A log that the manifest names and that nobody writes to yet.
    fn take_spare(&self) -> Result<LogWriter> {
        if let Some(spare) = self.logs.lock().spares.pop_front() {
            return Ok(spare);
        }
        let _making = self.making.lock();
        // Whoever was making one has finished.
        if let Some(spare) = self.logs.lock().spares.pop_front() {
            return Ok(spare);
        }
        let new = self.new_log()?;
        let edit = Edit { ops: vec![new.op.clone()] };
        let committed = self.install(Commit { edit, ..Commit::default() });
        self.settle_log(new, committed)
    }

    /// Commits, and makes up for spares in the same edit. That one could not be made
    /// is no reason not to commit.
    pub(crate) fn install_with_spares(&self, mut commit: Commit) -> Result<()> {
        let _making = self.making.lock();
        let missing = SPARES.saturating_sub(self.logs.lock().spares.len());
        let mut made = Vec::new();
        for _ in 0..missing {
            match self.new_log() {
                Ok(new) => made.push(new),
                Err(error) => {
                    tracing::warn!(%error, "no spare log: the next memtable's first write makes it");
                    break;
                }
            }
        }
        commit.edit.ops.extend(made.iter().map(|new| new.op.clone()));
        let committed = self.install(commit);
        match committed {
            Ok(()) => {
                self.logs.lock().spares.extend(made.into_iter().map(|new| new.writer));
                Ok(())
            }
            Err(error) => {
                made.into_iter().for_each(|new| self.take_back(new));
                Err(error)
            }
        }
    }

    /// Starts a log in a free slot, or makes one, durably; and the edit that names it.
    fn new_log(&self) -> Result<NewLog> {
        let log: LogNo = self.allocate()?;
        let free = self.logs.lock().free.pop();
        let is_fresh = free.is_none();
        let slot = match free {
            Some(slot) => slot,
            None => {
                let number: SlotNo = self.allocate()?;
                let name = FileName::Slot(number).name();
                let slot = create_slot(&*self.disk.dir, &name, self.store.0, number.get())?;
                self.sync_names()?;
                slot
            }
        };
        let number = SlotNo::new(slot.number());
        let number = number
            .ok_or_else(|| Error::internal(self.disk.dir.path(), "a slot without a number"))?;
        let writer = LogWriter::start(slot, self.store.0, log.get())?;
        Ok(NewLog { writer, op: EditOp::AddLog { log, slot: number }, is_fresh })
    }

    fn settle_log(&self, new: NewLog, committed: Result<()>) -> Result<LogWriter> {
        match committed {
            Ok(()) => Ok(new.writer),
            Err(error) => {
                self.take_back(new);
                Err(error)
            }
        }
    }

    /// Takes a slot back when it is certain that the manifest does not name it.
    fn take_back(&self, new: NewLog) {
        if self.is_refused() {
            return;
        }
        let slot = new.writer.into_slot();
        if !new.is_fresh {
            self.logs.lock().free.push(slot);
        } else if let Some(number) = SlotNo::new(slot.number()) {
            crate::cleaner::remove(&*self.disk.dir, &FileName::Slot(number).name());
        }
    }

    /// Takes the slots of logs that the manifest names no longer: keeps some for logs
    /// to come, and says which files are to be removed.
    pub(crate) fn reclaim_slots(&self, released: Vec<SlotNo>) -> Vec<SlotNo> {
        // Recovery reads slots whole: one that a huge batch has stretched goes.
        let capacity = self.disk.options.memtable_capacity as u64;
        let most_bytes = capacity.saturating_mul(4).saturating_add(2 << 20);
        let mut logs = self.logs.lock();
        let mut gone = Vec::new();
        for number in released {
            match logs.retired.remove(&number) {
                Some(slot)
                    if !logs.is_closing
                        && logs.free.len() < FREE_SLOTS
                        && slot.file_bytes() <= most_bytes =>
                {
                    logs.free.push(slot);
                }
                _ => gone.push(number),
            }
        }
        gone
    }

    /// Removes free slots but one: at rest more are not needed.
    pub(crate) fn trim_slots(&self) {
        let trimmed = {
            let mut logs = self.logs.lock();
            let kept = logs.free.len().min(SLOTS_AT_REST);
            logs.free.split_off(kept)
        };
        let names = trimmed.iter().filter_map(|slot| SlotNo::new(slot.number()));
        let names: Vec<_> = names.map(|number| FileName::Slot(number).name()).collect();
        if !names.is_empty() {
            let _ = self.disk.cleaner.send(Garbage::Remove { names, file: None, map: None });
        }
    }

    /// Lets go of all logs, once everything is in tables: a store that was closed
    /// cleanly names none.
    pub(crate) fn release_logs(&self) -> Result<()> {
        {
            let mut writer = self.writer.lock();
            self.retire_log(&mut writer);
        }
        let _making = self.making.lock();
        let free = {
            let mut logs = self.logs.lock();
            logs.is_closing = true;
            logs.spares.clear();
            std::mem::take(&mut logs.free)
        };
        for number in free.iter().filter_map(|slot| SlotNo::new(slot.number())) {
            crate::cleaner::remove(&*self.disk.dir, &FileName::Slot(number).name());
        }
        let view = self.view.load_full();
        let live = view.tables.version.logs().keys();
        let ops: Vec<_> = live.map(|log| EditOp::RemoveLog(*log)).collect();
        if ops.is_empty() {
            return Ok(());
        }
        self.install(Commit { edit: Edit { ops }, ..Commit::default() })
    }
}

/// A planted bug: the first operation of a batch is a record of its own. What is left to be
/// logged comes back in `parts`, with its stamp.
#[cfg(planted)]
fn append_half<'a>(
    log: &mut LogWriter,
    writes: &'a Writes<'_>,
    stamp: Stamp,
    parts: &mut Vec<&'a [u8]>,
) -> Result<Stamp> {
    let Write::Batch(batch) = &writes.own else { return Ok(stamp) };
    let Some(Ok(first)) = batch.ops().next() else { return Ok(stamp) };
    if stamp.count < 2 || batch.len() < 2 || !lsm_planted::is(lsm_planted::Bug::BatchSplit) {
        return Ok(stamp);
    }
    let mut half = Vec::new();
    first.encode(&mut half);
    log.append(Stamp { count: 1, ..stamp }, &[&half])?;
    let rest = batch.bytes().get(half.len()..).unwrap_or_default();
    *parts = std::iter::once(rest)
        .chain(writes.batches().skip(1).map(lsm_types::Batch::bytes))
        .collect();
    Ok(Stamp { first_seq: stamp.first_seq + 1, count: stamp.count - 1, ..stamp })
}

//! Writing: the one way in for `put`, `delete` and `write`.
//!
//! Steps: refuse what can never be written; wait for room; take the writer's lock;
//! number the operations; log them as one record and sync (feature `durability`);
//! apply the same bytes to the memtable; publish the last number; if the memtable
//! is full, freeze it. A write that fails is not visible.

use std::sync::Arc;

use lsm_types::{Batch, SeqNo};
use parking_lot::MutexGuard;

use crate::buffer::{Buffer, BufferId};
use crate::shared::Shared;
use crate::view::View;
use crate::{Error, Result};

/// What is guarded by the lock `writer`.
#[derive(Debug)]
pub(crate) struct Writer {
    last_seq: SeqNo,
    next_buffer: u64,
    /// Set while a batch is being logged and applied; found set, a writer panicked.
    applying: bool,
    #[cfg(feature = "durability")]
    log: Option<lsm_wal::LogWriter>,
}

impl Writer {
    pub(crate) fn new(last_seq: SeqNo, next_buffer: u64) -> Self {
        Self {
            last_seq,
            next_buffer,
            applying: false,
            #[cfg(feature = "durability")]
            log: None,
        }
    }

    /// The log of the active memtable, taken away.
    #[cfg(feature = "durability")]
    pub(crate) fn take_log(&mut self) -> Option<lsm_wal::LogWriter> {
        self.log.take()
    }
}

impl Shared {
    /// Writes a batch: all of it or nothing.
    pub(crate) fn write(&self, batch: &Batch) -> Result<()> {
        batch.check()?;
        if batch.is_empty() {
            return Ok(());
        }
        let mut writer = self.lock_writer_with_room()?;
        self.check_sound(&writer)?;
        let last = writer.last_seq.checked_add(batch.len() as u64).ok_or_else(|| {
            Error::UsedUp { path: self.disk.dir.path().into(), what: "sequence numbers" }
        })?;
        let active = Arc::clone(&self.view.load().active);
        writer.applying = true;
        #[cfg(feature = "durability")]
        if let Err(error) = self.log_batch(&mut writer, &active, batch) {
            // Either the log is as it was, or all writing has ended.
            writer.applying = false;
            return Err(error);
        }
        let mut seq = writer.last_seq;
        for op in batch.ops() {
            // The batch is ours: its bytes were made by its own methods.
            let op = op.map_err(|error| self.refuse(error.into()))?;
            seq = seq.checked_add(1).unwrap_or(last);
            active.memtable.insert(op.key, seq, op.kind, op.value);
        }
        writer.applying = false;
        writer.last_seq = last;
        active.set_last_seq(last);
        self.publish(last);

        let capacity = self.disk.options.memtable_capacity;
        if !active.is_full(capacity) {
            return Ok(());
        }
        let frozen = self.freeze(&mut writer);
        drop(writer);
        if capacity == 0 { self.wait_flushed(frozen) } else { Ok(()) }
    }

    /// Takes the writer's lock when there is room for another frozen memtable; others
    /// who waited may have taken it meanwhile.
    fn lock_writer_with_room(&self) -> Result<MutexGuard<'_, Writer>> {
        loop {
            self.wait_for_room()?;
            let writer = self.writer.lock();
            if self.has_room() {
                return Ok(writer);
            }
        }
    }

    /// Fails if no write is taken any more, or a writer panicked over a batch.
    fn check_sound(&self, writer: &Writer) -> Result<()> {
        self.check_refused()?;
        if writer.applying {
            let error = Error::internal(self.disk.dir.path(), "a writer panicked");
            return Err(self.refuse(error));
        }
        Ok(())
    }

    /// Appends the batch to the log and syncs. A log that fails otherwise than for
    /// want of room ends all writing: what it holds is unknown.
    #[cfg(feature = "durability")]
    fn log_batch(&self, writer: &mut Writer, active: &Buffer, batch: &Batch) -> Result<()> {
        let last_seq = writer.last_seq.get();
        let log = match &mut writer.log {
            Some(log) => log,
            none => none.insert(self.take_spare_log()?),
        };
        if let Some(number) = lsm_types::LogNo::new(log.log()) {
            active.set_log(number);
        }
        let record = lsm_wal::Record {
            first_seq: last_seq + 1,
            count: u32::try_from(batch.len()).unwrap_or(u32::MAX),
            // Every earlier write was synced before it was acknowledged.
            durable_seq: last_seq,
            body: batch.bytes(),
        };
        let appended = log.append(&record).map_err(Error::from);
        let failed = log.has_failed();
        appended.map_err(|error| if failed { self.refuse(error) } else { error })
    }

    /// Freezes the active memtable, which keeps being read, and puts a new one in
    /// its place. Returns which one was frozen.
    fn freeze(&self, writer: &mut Writer) -> BufferId {
        let id = BufferId(writer.next_buffer);
        writer.next_buffer += 1;
        #[cfg(feature = "durability")]
        drop(writer.log.take());
        let next = Arc::new(Buffer::new(id, self.disk.options.memtable_capacity));
        let mut frozen = id;
        self.replace_view(|view| {
            frozen = view.active.id;
            let mut buffers = vec![Arc::clone(&view.active)];
            buffers.extend(view.frozen.iter().cloned());
            View { active: next, frozen: buffers, tables: Arc::clone(&view.tables) }
        });
        self.notify();
        frozen
    }

    /// Brings everything written so far into tables.
    pub(crate) fn flush(&self) -> Result<()> {
        let mut writer = self.writer.lock();
        let view = self.view.load_full();
        let last = if view.active.memtable.is_empty() {
            view.frozen.first().map(|buffer| buffer.id)
        } else {
            self.check_sound(&writer)?;
            Some(self.freeze(&mut writer))
        };
        drop(writer);
        last.map_or(Ok(()), |last| self.wait_flushed(last))
    }
}

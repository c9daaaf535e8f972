//! Appending to the current log: reserve, encode, append; a failure is final.

use std::io;
use std::sync::Arc;
use std::thread;

use lsm_vfs::File;
use wal_db::{Wal, WalConfig, WalError};

use crate::error::{frame, invalid};
use crate::header::SLOT_HEADER;
use crate::record::{FRAME_HEADER, Owner, RECORD_HEADER, encode};
use crate::slot::{Slot, SlotStore};
use crate::{LogError, LogSync, MAX_BODY_BYTES, Result, Stamp};

/// What the buffers keep between records; larger records give theirs back.
const KEPT_BUFFER_BYTES: usize = 1 << 20;

/// The writer of one log. One thread uses it at a time, which `&mut` says.
pub struct LogWriter {
    wal: Wal<SlotStore>,
    slot: Slot,
    owner: Owner,
    /// Where the next record has to begin; the first one may begin anywhere.
    next_seq: Option<u64>,
    buffer: Vec<u8>,
}

impl LogWriter {
    /// Starts log number `log` of the store in a slot. The number must be above those
    /// of all logs that were ever written to the slot.
    ///
    /// # Errors
    ///
    /// When the slot belongs to another store, had a log of this number or a higher
    /// one, or has failed a write or a sync.
    pub fn start(mut slot: Slot, store: [u8; 16], log: u64) -> Result<Self> {
        slot.health.check(&*slot.file)?;
        if slot.header.store != store {
            return Err(invalid(&*slot.file, "the slot belongs to another store"));
        }
        if log <= slot.last_log {
            let what = format!("log {log} cannot follow log {} in its slot", slot.last_log);
            return Err(invalid(&*slot.file, what));
        }
        slot.last_log = log;
        let config = WalConfig::new().with_max_record_size(u32::MAX);
        let wal = Wal::with_store_and_config(SlotStore::new(Arc::clone(&slot.file)), config)
            .map_err(|error| from_wal(error, &*slot.file))?;
        let owner = Owner::new(store, log);
        Ok(Self { wal, slot, owner, next_seq: None, buffer: Vec::new() })
    }

    /// The log's number.
    #[must_use]
    pub const fn log(&self) -> u64 {
        self.slot.last_log
    }

    /// The number of its slot.
    #[must_use]
    pub const fn slot(&self) -> u64 {
        self.slot.number()
    }

    /// Appends a record whose body is `parts`, one behind another. It is not synced.
    ///
    /// # Errors
    ///
    /// With kind `InvalidInput` if the record can be in no log, or not at this place:
    /// it must begin behind the last one. When there is no room for it. Both leave the
    /// log as it was. Any other failure is final ([`has_failed`](LogWriter::has_failed)):
    /// recovery may or may not find the record.
    pub fn append(&mut self, stamp: Stamp, parts: &[&[u8]]) -> Result<()> {
        self.slot.health.check(&*self.slot.file)?;
        let payload_len = RECORD_HEADER + self.checked_body(stamp, parts)?;
        self.buffer
            .try_reserve(payload_len)
            .map_err(|_| frame(&*self.slot.file, io::ErrorKind::OutOfMemory.into()))?;
        let end = SLOT_HEADER as u64 + self.wal.len() + (FRAME_HEADER + payload_len) as u64;
        self.slot.reserve(end)?;
        encode(self.owner, stamp, parts, &mut self.buffer);
        let appended = self.frame_and_write();
        self.buffer.clear();
        self.buffer.shrink_to(KEPT_BUFFER_BYTES);
        if let Err(error) = appended {
            self.slot.health.fail();
            return Err(from_wal(error, &*self.slot.file));
        }
        self.next_seq = Some(stamp.last_seq() + 1);
        Ok(())
    }

    /// The length of the body, if the record can be appended.
    fn checked_body(&self, stamp: Stamp, parts: &[&[u8]]) -> Result<usize> {
        let invalid = |what: String| Err(invalid(&*self.slot.file, what));
        let len = parts.iter().try_fold(0_usize, |len, part| len.checked_add(part.len()));
        let Some(len) = len.filter(|len| *len <= MAX_BODY_BYTES) else {
            return invalid(format!("a body of more than {MAX_BODY_BYTES} bytes"));
        };
        if !stamp.is_in_range() {
            return invalid(format!("numbers out of range: {stamp:?}"));
        }
        match self.next_seq {
            // Recovery would end here and lose what comes behind.
            Some(next) if next != stamp.first_seq => {
                let first = stamp.first_seq;
                invalid(format!("a record from sequence {first} on where {next} is the next"))
            }
            _ => Ok(len),
        }
    }

    /// `wal-db` keeps a buffer for each thread that appends, as long as its longest
    /// record was. A long record therefore gets a thread that ends behind it.
    fn frame_and_write(&self) -> wal_db::Result<()> {
        let append = || self.wal.append(&self.buffer).map(drop);
        if self.buffer.len() <= KEPT_BUFFER_BYTES {
            return append();
        }
        thread::scope(|scope| {
            match thread::Builder::new().name("lsm-log-record".into()).spawn_scoped(scope, append) {
                Ok(thread) => thread.join().unwrap_or_else(|_| {
                    let source = io::Error::other("the thread that wrote the record panicked");
                    Err(WalError::Io { context: "writing a record", source })
                }),
                // No thread to be had: the buffer stays.
                Err(_) => append(),
            }
        })
    }

    /// Makes everything durable that was appended. A failure is final.
    ///
    /// # Errors
    ///
    /// When this or any earlier sync or write of the log failed.
    pub fn sync(&self) -> Result<()> {
        self.sync_handle().sync()
    }

    /// A handle that syncs the log from any thread, also while records are appended
    /// and after the writer has gone.
    #[must_use]
    pub fn sync_handle(&self) -> LogSync {
        let Slot { file, health, .. } = &self.slot;
        LogSync { file: Arc::clone(file), health: Arc::clone(health), log: self.log() }
    }

    /// Whether a write or a sync has failed; then the log takes no further record.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.slot.health.has_failed()
    }

    /// Bytes of frames written to the log so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.wal.len()
    }

    /// Whether nothing was written yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wal.is_empty()
    }

    /// The slot, for the next log: once nothing names this one any more, durably.
    #[must_use = "a slot that is not used again has to be removed"]
    pub fn into_slot(self) -> Slot {
        self.slot
    }
}

/// Our own error out of the one that `wal-db` carried, or its own words.
fn from_wal(error: WalError, file: &dyn File) -> LogError {
    match error {
        WalError::Io { source, .. } => match source.downcast::<lsm_vfs::Error>() {
            Ok(disk) => LogError::Disk(disk),
            Err(source) => frame(file, source),
        },
        other => frame(file, io::Error::other(other)),
    }
}

impl std::fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogWriter")
            .field("path", &self.slot.file.path())
            .field("log", &self.log())
            .field("bytes", &self.len())
            .field("failed", &self.has_failed())
            .finish()
    }
}

//! Appending to the current log: reserve, append, sync; a failure is final.

use std::io;
use std::path::Path;
use std::sync::Arc;

use lsm_vfs::File;
use wal_db::{Wal, WalConfig, WalError};

use crate::record::{FRAME_HEADER, MAX_BODY_BYTES, Owner, RECORD_HEADER, store_tag};
use crate::slot::{Reserved, SlotStore};
use crate::{LogError, Record, Result};

/// The writer of one log. One thread uses it at a time, which `&mut` says.
pub struct LogWriter {
    wal: Wal<SlotStore>,
    file: Arc<dyn File>,
    owner: Owner,
    reserved: Reserved,
    buffer: Vec<u8>,
    failed: bool,
}

impl LogWriter {
    /// Starts log number `log` of the store in a slot that
    /// [`create_slot`](crate::create_slot) has just made.
    ///
    /// # Errors
    ///
    /// When the framing library refuses the empty slot.
    pub fn start(file: Arc<dyn File>, store: [u8; 16], log: u64) -> Result<Self> {
        let config = WalConfig::new().with_max_record_size(u32::MAX);
        let wal = Wal::with_store_and_config(SlotStore::new(Arc::clone(&file)), config)
            .map_err(|error| from_wal(error, file.path()))?;
        let owner = Owner { store_tag: store_tag(store), log };
        let (reserved, buffer) = (Reserved::new(), Vec::new());
        Ok(Self { wal, file, owner, reserved, buffer, failed: false })
    }

    /// The log's number.
    #[must_use]
    pub const fn log(&self) -> u64 {
        self.owner.log
    }

    /// Whether an append or a sync has failed; then the log takes no further one.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        self.failed
    }

    /// Appends a record and makes it durable.
    ///
    /// # Errors
    ///
    /// When there is no room, which leaves the log as it was; or when a write or
    /// the sync fails, which is final ([`has_failed`](LogWriter::has_failed)): the
    /// record may or may not be found by recovery.
    pub fn append(&mut self, record: &Record<'_>) -> Result<()> {
        if self.failed {
            let refused = io::Error::other("an earlier write or sync of this log failed");
            return Err(LogError::Frame { path: self.file.path().into(), source: refused });
        }
        if record.body.len() > MAX_BODY_BYTES {
            let long = io::Error::new(io::ErrorKind::InvalidInput, "record body is too long");
            return Err(LogError::Frame { path: self.file.path().into(), source: long });
        }
        let framed = FRAME_HEADER + RECORD_HEADER + record.body.len();
        self.reserved.grow_to(&*self.file, self.wal.len() + framed as u64)?;
        record.encode(self.owner, &mut self.buffer);
        let appended = self.wal.append_and_sync(&self.buffer);
        self.buffer.shrink_to(KEPT_BUFFER_BYTES);
        appended.map(drop).map_err(|error| {
            self.failed = true;
            from_wal(error, self.file.path())
        })
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
}

/// What the encoding buffer keeps between records; larger batches give theirs back.
const KEPT_BUFFER_BYTES: usize = 1 << 20;

/// Our own error out of the one that `wal-db` carried, or its own words.
fn from_wal(error: WalError, path: &Path) -> LogError {
    let path = path.to_path_buf();
    match error {
        WalError::Io { source, .. } => match source.downcast::<lsm_vfs::Error>() {
            Ok(disk) => LogError::Disk(disk),
            Err(source) => LogError::Frame { path, source },
        },
        other => LogError::Frame { path, source: io::Error::other(other) },
    }
}

impl std::fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogWriter")
            .field("path", &self.file.path())
            .field("log", &self.owner.log)
            .field("bytes", &self.len())
            .field("failed", &self.failed)
            .finish()
    }
}

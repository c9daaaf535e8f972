//! A slot: the file that one log after the other is written to, and its place under
//! `wal-db`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lsm_vfs::{Dir, File, Name, write_all_at};
use wal_db::{WalError, WalStore};

use crate::Result;
use crate::header::{SLOT_HEADER, SlotHeader};
use crate::sync::Health;

/// Room is reserved by this much at once: the file's length then changes once in so
/// many bytes and not with every record.
const RESERVE_BYTES: u64 = 64 * 1024;
/// Zeros are written in pieces of this size, a page. One write may become one large
/// folio in the page cache, and a sync writes folios whole: with pieces of 64 KiB
/// each small record was measured to cost 64 KiB of writing, with these 4.4 KiB.
const PAGE_BYTES: u64 = 4096;

/// A slot file ready for a log: fresh, or used by a log that was let go. What such a
/// log left behind stays until it is written over; its number tells its records apart.
#[derive(Debug)]
pub struct Slot {
    pub(crate) header: SlotHeader,
    pub(crate) file: Arc<dyn File>,
    /// So many bytes are known to be there: records or zeros, not a hole and not
    /// beyond the end.
    pub(crate) written: u64,
    /// The number of the last log that was written here; none has zero.
    pub(crate) last_log: u64,
    pub(crate) health: Arc<Health>,
}

impl Slot {
    /// A slot of which nothing but the header is written.
    pub(crate) fn fresh(header: SlotHeader, file: Arc<dyn File>) -> Self {
        let (written, health) = (SLOT_HEADER as u64, Arc::default());
        Self { header, file, written, last_log: 0, health }
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.header.slot
    }

    /// Its file.
    #[must_use]
    pub const fn file(&self) -> &Arc<dyn File> {
        &self.file
    }

    /// How long the file has become. Recovery reads all of it: a slot that one huge
    /// batch has stretched is better removed than used again.
    #[must_use]
    pub const fn file_bytes(&self) -> u64 {
        self.written
    }

    /// Makes sure that the first `end` bytes of the file are there. Zeros that were
    /// written before a failure stay: they are an end like any other.
    pub(crate) fn reserve(&mut self, end: u64) -> Result<()> {
        while self.written < end {
            let stop = (self.written + 1).next_multiple_of(RESERVE_BYTES);
            while self.written < stop {
                // Up to the next page, which no record has touched.
                let piece = PAGE_BYTES - self.written % PAGE_BYTES;
                let zeros = [0; PAGE_BYTES as usize];
                let zeros = zeros.get(..piece as usize).unwrap_or(&zeros);
                write_all_at(&*self.file, self.written, zeros)?;
                self.written += piece;
            }
        }
        Ok(())
    }
}

/// Makes the slot file `name` for the store and makes its header durable. The
/// caller syncs the directory before anyone relies on the name.
///
/// # Errors
///
/// When the file cannot be made, written or synced; it is then removed again as
/// far as that goes.
pub fn create_slot(dir: &dyn Dir, name: &Name, store: [u8; 16], slot: u64) -> Result<Slot> {
    create(dir, name, SlotHeader { features: 0, store, slot })
}

pub(crate) fn create(dir: &dyn Dir, name: &Name, header: SlotHeader) -> Result<Slot> {
    let file = dir.create(name)?;
    let written = write_all_at(&*file, 0, &header.encode()).and_then(|()| file.sync());
    match written {
        Ok(()) => Ok(Slot::fresh(header, file)),
        Err(error) => {
            // The number is never used again; open removes what stays behind.
            let _ = dir.remove(name);
            Err(error.into())
        }
    }
}

/// The slot as `wal-db` sees it: an empty store that only grows. Whatever a log
/// before left in the file is not there for it.
#[derive(Debug)]
pub(crate) struct SlotStore {
    file: Arc<dyn File>,
    /// Bytes of frames written so far.
    len: AtomicU64,
}

impl SlotStore {
    pub(crate) fn new(file: Arc<dyn File>) -> Self {
        Self { file, len: AtomicU64::new(0) }
    }
}

/// `wal-db` carries an `io::Error`; ours rides inside it and is taken out again.
fn carried(context: &'static str, error: lsm_vfs::Error) -> WalError {
    WalError::Io { context, source: io::Error::new(error.kind(), error) }
}

fn unsupported(context: &'static str) -> WalError {
    let error = io::Error::new(io::ErrorKind::Unsupported, "a log is only appended to");
    WalError::Io { context, source: error }
}

impl WalStore for SlotStore {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> wal_db::Result<()> {
        write_all_at(&*self.file, SLOT_HEADER as u64 + offset, bytes)
            .map_err(|error| carried("writing a record", error))?;
        self.len.fetch_max(offset + bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Not used: what is here was written by somebody else, and is read past `wal-db`.
    fn read_at(&self, _: u64, _: &mut [u8]) -> wal_db::Result<usize> {
        Err(unsupported("reading the log"))
    }

    fn truncate(&self, _: u64) -> wal_db::Result<()> {
        Err(unsupported("cutting the log"))
    }

    /// Not used: syncs go to the file, past `wal-db`, so that any thread can make them.
    fn sync(&self) -> wal_db::Result<()> {
        Err(unsupported("syncing the log"))
    }

    fn len(&self) -> wal_db::Result<u64> {
        Ok(self.len.load(Ordering::Relaxed))
    }
}

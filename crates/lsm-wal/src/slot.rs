//! A slot: the file that a log is written to, and its place under `wal-db`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lsm_vfs::{Dir, File, Name, read_up_to, write_all_at};
use wal_db::{WalError, WalStore};
use xxhash_rust::xxh3::xxh3_64;

use crate::record::array;
use crate::{FORMAT_VERSION, LogError, Result};

/// First bytes of a slot. Durable.
pub(crate) const MAGIC: [u8; 8] = *b"LSMWALOG";
/// Where frames begin: one sector. Durable.
pub(crate) const SLOT_HEADER: usize = 512;

/// Room is reserved by this much at once: the file's length then changes once in so
/// many bytes and not with every record.
const RESERVE_BYTES: u64 = 16 * 1024;
/// Zeros are written in pieces of this size, a page. One write may become one large
/// folio in the page cache, and a sync writes folios whole: with pieces of 64 KiB
/// each small record was measured to cost 64 KiB of writing, with these 4.4 KiB.
const ZEROS_BYTES: usize = 4096;

fn header(store: [u8; 16], slot: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(SLOT_HEADER);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 6]);
    out.extend_from_slice(&store);
    out.extend_from_slice(&slot.to_le_bytes());
    let sum = xxh3_64(&out);
    out.extend_from_slice(&sum.to_le_bytes());
    out.resize(SLOT_HEADER, 0);
    out
}

/// Makes the slot file `name` for the store and makes its header durable. The
/// caller syncs the directory before anyone relies on the name.
///
/// # Errors
///
/// When the file cannot be made, written or synced; it is then removed again as
/// far as that goes.
pub fn create_slot(
    dir: &dyn Dir,
    name: &Name,
    store: [u8; 16],
    slot: u64,
) -> Result<Arc<dyn File>> {
    let file = dir.create(name)?;
    let written = write_all_at(&*file, 0, &header(store, slot)).and_then(|()| file.sync());
    match written {
        Ok(()) => Ok(file),
        Err(error) => {
            // The number is never used again; open removes what stays behind.
            let _ = dir.remove(name);
            Err(error.into())
        }
    }
}

/// Checks that a file's first bytes are the header of this slot of this store.
pub(crate) fn check_header(
    file: &dyn File,
    bytes: &[u8],
    store: [u8; 16],
    slot: u64,
) -> Result<()> {
    let damaged = |expected: &str, found: &str| LogError::Damaged {
        path: file.path().to_path_buf(),
        offset: 0,
        expected: expected.into(),
        found: found.into(),
    };
    let found = bytes.get(..SLOT_HEADER).unwrap_or(bytes);
    if found == header(store, slot) {
        return Ok(());
    }
    let mut input = found;
    let magic: Option<[u8; 8]> = array(&mut input);
    let version: Option<u16> = array(&mut input).map(u16::from_le_bytes);
    let intact = found.get(..40).zip(found.get(40..48)).is_some_and(|(body, sum)| {
        sum.try_into().is_ok_and(|sum| u64::from_le_bytes(sum) == xxh3_64(body))
    });
    match (magic, version) {
        (Some(MAGIC), Some(version)) if intact && version != FORMAT_VERSION => {
            Err(LogError::Unsupported {
                path: file.path().to_path_buf(),
                offset: 8,
                what: format!("log version {version}; this build reads {FORMAT_VERSION}"),
            })
        }
        (Some(MAGIC), _) if intact => {
            Err(damaged("the log of this store", "the log of another store or slot"))
        }
        _ => Err(damaged("the header of a log", "other bytes")),
    }
}

/// The slot as `wal-db` sees it: an empty store that only grows.
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

/// The part of a file that is known to be there, records or zeros.
#[derive(Debug)]
pub(crate) struct Reserved(u64);

impl Reserved {
    /// A slot as [`create_slot`] leaves it.
    pub(crate) const fn new() -> Self {
        Self(SLOT_HEADER as u64)
    }

    /// Makes sure that `frames` bytes of frames find room. Zeros that were written
    /// before a failure stay: they are an end like any other.
    pub(crate) fn grow_to(&mut self, file: &dyn File, frames: u64) -> Result<()> {
        while self.0 < SLOT_HEADER as u64 + frames {
            let end = self.0 + RESERVE_BYTES;
            while self.0 < end {
                write_all_at(file, self.0, &[0; ZEROS_BYTES])?;
                self.0 += ZEROS_BYTES as u64;
            }
        }
        Ok(())
    }
}

/// `wal-db` carries an `io::Error`; ours rides inside it and is taken out again.
fn carried(context: &'static str, error: lsm_vfs::Error) -> WalError {
    WalError::Io { context, source: io::Error::new(error.kind(), error) }
}

impl WalStore for SlotStore {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> wal_db::Result<()> {
        write_all_at(&*self.file, SLOT_HEADER as u64 + offset, bytes)
            .map_err(|error| carried("writing a record", error))?;
        self.len.fetch_max(offset + bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> wal_db::Result<usize> {
        read_up_to(&*self.file, SLOT_HEADER as u64 + offset, bytes)
            .map_err(|error| carried("reading a record", error))
    }

    fn truncate(&self, _: u64) -> wal_db::Result<()> {
        let error = io::Error::new(io::ErrorKind::Unsupported, "a log is never cut");
        Err(WalError::Io { context: "cutting the log", source: error })
    }

    fn sync(&self) -> wal_db::Result<()> {
        self.file.sync().map_err(|error| carried("syncing the log", error))
    }

    fn len(&self) -> wal_db::Result<u64> {
        Ok(self.len.load(Ordering::Relaxed))
    }
}

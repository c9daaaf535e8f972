//! Recovering: what the logs of an unclean stop hold becomes frozen memtables.
//!
//! Each live log is replayed into a memtable of its own, which the flush worker
//! brings into tables like any other; open does not wait for that. Without the
//! feature `durability` a store that names a live log is refused.

use lsm_manifest::Version;
use lsm_types::{LogNo, SeqNo};

use crate::Result;
use crate::buffer::Buffer;
use crate::shared::Disk;

/// What the logs held.
#[derive(Debug)]
pub(crate) struct Replay {
    /// A memtable for each log that had records, oldest first.
    pub(crate) buffers: Vec<Buffer>,
    /// Logs that had none.
    pub(crate) empty: Vec<LogNo>,
    /// The last write of the store.
    pub(crate) last_seq: SeqNo,
    pub(crate) records: u64,
    pub(crate) cut_bytes: u64,
}

/// Replays the live logs of `version`. Nothing is changed on disk.
#[cfg(feature = "durability")]
pub(crate) fn replay(disk: &Disk, store: [u8; 16], version: &Version) -> Result<Replay> {
    use crate::Error;
    use crate::buffer::BufferId;
    use crate::names::FileName;
    use lsm_types::{BatchError, BatchOps, KindError};
    use lsm_wal::Refused;

    let mut live = Vec::new();
    for (log, slot) in version.logs() {
        let file = disk.dir.open(&FileName::Slot(*slot).name(), false).map_err(|error| {
            if error.is_not_found() {
                Error::damaged(&error.path, "the manifest names this log, and it is missing")
            } else {
                Error::Disk(error)
            }
        })?;
        live.push(lsm_wal::LiveLog { log: log.get(), slot: slot.get(), file });
    }
    let buffers: Vec<_> = (0..)
        .zip(version.logs().keys())
        .map(|(id, log)| {
            let buffer = Buffer::new(BufferId(id), version.last_seq(), disk);
            buffer.set_log(*log);
            buffer
        })
        .collect();
    let done = lsm_wal::replay(&live, store, version.last_seq().get(), |at, record| {
        let ops = || BatchOps::new(record.body);
        // The whole record is checked before any of it is applied.
        let count = ops().try_fold(0_u32, |count, op| op.map(|_| count + 1));
        match count {
            Ok(count) if count == record.count => {}
            Ok(count) => {
                return Err(format!("{count} operations instead of {}", record.count).into());
            }
            Err(error @ (BatchError::Keyspace | BatchError::Kind(KindError::Reserved(_)))) => {
                return Err(Refused::Unsupported(error.to_string()));
            }
            Err(error) => return Err(error.to_string().into()),
        }
        let buffer = buffers.get(at).ok_or("a log that is not live")?;
        let numbers = record.first_seq..=record.last_seq();
        for (number, op) in numbers.zip(ops()) {
            let seq = SeqNo::new(number).ok_or("a sequence number out of range")?;
            let op = op.map_err(|error| error.to_string())?;
            buffer.memtable.insert(op.key, seq, op.kind, op.value);
            buffer.set_last_seq(seq);
            buffer.add_bytes(op.key.len() + op.value.len());
        }
        Ok(())
    })?;
    // What was replayed may have been in the page cache only. This makes it durable,
    // unless a sync had failed: see the head of `log`.
    live.iter().try_for_each(|log| log.file.sync())?;
    let last_seq = SeqNo::new(done.last_seq).unwrap_or(SeqNo::MAX);
    let (buffers, empty): (Vec<_>, Vec<_>) =
        buffers.into_iter().partition(|buffer| !buffer.memtable.is_empty());
    Ok(Replay {
        buffers,
        empty: empty.iter().filter_map(Buffer::log).collect(),
        last_seq,
        records: done.records,
        cut_bytes: done.cut_bytes,
    })
}

/// Refuses a store whose manifest names a live log.
#[cfg(not(feature = "durability"))]
pub(crate) fn replay(disk: &Disk, _: [u8; 16], version: &Version) -> Result<Replay> {
    if !version.logs().is_empty() {
        let what = "the store was not closed cleanly and has a log, which may hold writes; \
                    open it once with the feature `durability`";
        let path = disk.dir.path().to_path_buf();
        return Err(crate::Error::Unsupported { path, what: what.into() });
    }
    let last_seq = version.last_seq();
    Ok(Replay { buffers: Vec::new(), empty: Vec::new(), last_seq, records: 0, cut_bytes: 0 })
}

//! A log: its slot's header, its records, and what a check of it says.
//!
//! Which logs count, and behind which sequence number they begin, the manifest says. A log alone is
//! read from its own first record on.

use std::path::Path;
use std::sync::Arc;

use lsm_types::{BatchError, BatchOps, KindError, Op, decode};
use lsm_vfs::File;
use lsm_wal::{LiveLog, LogError, Record, Refused, list_items, replay, replay_lists};

use super::fault::{Checked, Class, Fault};
use super::file::Kind;
use super::text::count;

/// Where records begin, and what stands before a record's body.
pub(super) const FIRST_RECORD: u64 = 512;
pub(super) const RECORD_HEADER: u64 = 8 + 56;

/// What a log says of itself, unchecked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Says {
    pub(super) version: u16,
    /// Its bodies are lists of byte strings, not batches.
    pub(super) lists: bool,
    pub(super) store: [u8; 16],
    pub(super) slot: u64,
    /// The number of the log, in its first record.
    pub(super) log: u64,
    pub(super) first_seq: u64,
}

impl Says {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let header = || {
            let mut input = bytes.get(8..)?;
            let version = decode::u16(&mut input)?;
            let lists = decode::u16(&mut input)? == 1;
            decode::array::<4>(&mut input)?;
            let store = decode::array(&mut input)?;
            let slot = decode::u64(&mut input)?;
            Some(Self { version, lists, store, slot, log: 0, first_seq: 0 })
        };
        let record = || {
            // Behind the frame and the checksum: tag; version, flags and store tag.
            let mut input = bytes.get(FIRST_RECORD as usize + 16..)?.strip_prefix(b"LREC")?;
            decode::array::<12>(&mut input)?;
            Some((decode::u64(&mut input)?, decode::u64(&mut input)?))
        };
        let (log, first_seq) = record().unwrap_or_default();
        Self { log, first_seq, ..header().unwrap_or_default() }
    }
}

/// Shows `visit` the records of one log, read from its own first record on, and where each begins.
/// Gives how many bytes behind the last are no record.
pub(super) fn records(
    file: Arc<dyn File>,
    says: Says,
    visit: &mut dyn FnMut(u64, &Record<'_>) -> Result<(), Refused>,
) -> Result<u64, LogError> {
    let live = [LiveLog { log: says.log, slot: says.slot, file }];
    let mut offset = FIRST_RECORD;
    let visit = |_: usize, record: &Record<'_>| {
        visit(offset, record)?;
        offset += RECORD_HEADER + record.body.len() as u64;
        Ok(())
    };
    let before = says.first_seq.saturating_sub(1);
    let replayed = if says.lists {
        replay_lists(&live, says.store, before, visit)
    } else {
        replay(&live, says.store, before, visit)
    };
    Ok(replayed?.cut_bytes)
}

/// The operations of a record, all of them or why there are none.
pub(super) fn operations<'a>(record: &Record<'a>) -> Result<Vec<Op<'a>>, Refused> {
    let ops: Result<Vec<_>, _> = BatchOps::new(record.body).collect();
    match ops {
        Ok(ops) if ops.len() as u64 == u64::from(record.count) => Ok(ops),
        Ok(ops) => Err(format!("{} operations instead of {}", ops.len(), record.count).into()),
        Err(error @ (BatchError::Keyspace | BatchError::Kind(KindError::Reserved(_)))) => {
            Err(Refused::Unsupported(error.to_string()))
        }
        Err(error) => Err(error.to_string().into()),
    }
}

pub(super) fn checked(path: &Path, bytes: u64) -> Checked {
    Checked { path: path.to_owned(), kind: Kind::Log.name(), bytes, blocks: 0, entries: 0 }
}

/// Checks a log by itself.
pub(super) fn check_alone(path: &Path, file: Arc<dyn File>, says: Says) -> (u64, Vec<Fault>) {
    let mut entries = 0;
    let read = records(file, says, &mut |_, record| {
        let found = if says.lists { list_items(record)?.len() } else { operations(record)?.len() };
        entries += found as u64;
        Ok(())
    });
    let faults = match read {
        Ok(cut) => torn(path, cut),
        Err(error) => vec![refused(error)],
    };
    (entries, faults)
}

/// Checks the logs that a manifest names, in their order, behind `last_seq`. Gives how many
/// operations each holds.
pub(super) fn check_chain(
    dir: &Path,
    logs: &[LiveLog],
    store: [u8; 16],
    last_seq: u64,
) -> (Vec<u64>, Vec<Fault>) {
    let mut entries = vec![0; logs.len()];
    let done = replay(logs, store, last_seq, |at, record| {
        let found = operations(record)?.len() as u64;
        entries.get_mut(at).into_iter().for_each(|entries| *entries += found);
        Ok(())
    });
    let faults = match done {
        Ok(done) => torn(dir, done.cut_bytes),
        Err(error) => vec![refused(error).because("the store does not open")],
    };
    (entries, faults)
}

pub(super) fn torn(path: &Path, cut: u64) -> Vec<Fault> {
    if cut == 0 {
        return Vec::new();
    }
    let torn = count(cut, "byte");
    let text =
        format!("{torn} behind the last record of a log: a torn tail, which recovery ends at");
    vec![Fault::note(path, text)]
}

pub(super) fn refused(error: LogError) -> Fault {
    match error {
        LogError::Disk(error) => Fault::unreadable(&error.path.clone(), error),
        LogError::Frame { path, source } => Fault::unreadable(&path, source),
        LogError::Unsupported { path, offset, what } => {
            Fault::new(&path, Class::Unsupported, offset, "what this build reads", what)
        }
        LogError::Damaged { path, offset, expected, found } => {
            Fault::new(&path, Class::Damaged, offset, expected, found)
        }
    }
}

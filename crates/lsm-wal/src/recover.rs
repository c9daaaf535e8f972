//! Reading live logs back.
//!
//! Steps: for each live log in the order of its number, walk its frames; the next
//! record must be of this log and start at the last sequence + 1. The first place
//! where that fails ends this log; the next log goes on if it starts at the last
//! sequence + 1. At the end, any intact record that was left over and that knew a
//! durable sequence above the last one replayed proves damage.

use std::sync::Arc;

use lsm_vfs::{File, read_whole};

use crate::error::damaged;
use crate::header::{LISTS, SLOT_HEADER, SlotHeader};
use crate::left_over::left_over;
use crate::record::{FRAME_HEADER, Owner, RECORD_HEADER, intact};
use crate::{Record, Refused, Result};

/// A log that the manifest names.
#[derive(Clone, Debug)]
pub struct LiveLog {
    /// Its number.
    pub log: u64,
    /// The number of the file it was written to.
    pub slot: u64,
    /// That file.
    pub file: Arc<dyn File>,
}

/// What replaying the live logs came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// The last sequence number, of the store or of the last record.
    pub last_seq: u64,
    /// How many records were replayed.
    pub records: u64,
    /// Bytes of torn records: of records of these logs, whole or begun, that were not
    /// replayed. What older logs left in the same files is not counted.
    pub cut_bytes: u64,
}

/// Where a log ended that has an intact record behind its end.
struct Broken<'a> {
    durable_seq: u64,
    at: usize,
    file: &'a dyn File,
}

/// Replays `logs`, given in the order of their numbers, behind `last_seq`; shows
/// each record with the position of its log in `logs`. Nothing is written.
///
/// # Errors
///
/// When a log cannot be read, is of another version or store, is damaged, or
/// `visit` refuses a record (its text becomes part of the error).
pub fn replay(
    logs: &[LiveLog],
    store: [u8; 16],
    last_seq: u64,
    visit: impl FnMut(usize, &Record<'_>) -> Result<(), Refused>,
) -> Result<Replayed> {
    replay_with(logs, store, 0, last_seq, visit)
}

/// Replays logs whose bodies are lists, as those of a [`Log`](crate::Log) are; its own
/// slots it replays itself. [`list_items`](crate::list_items) takes such a body apart.
///
/// # Errors
///
/// As [`replay`].
pub fn replay_lists(
    logs: &[LiveLog],
    store: [u8; 16],
    last_seq: u64,
    visit: impl FnMut(usize, &Record<'_>) -> Result<(), Refused>,
) -> Result<Replayed> {
    replay_with(logs, store, LISTS, last_seq, visit)
}

/// Replays logs whose slots have the incompatible `features`.
fn replay_with(
    logs: &[LiveLog],
    store: [u8; 16],
    features: u16,
    last_seq: u64,
    mut visit: impl FnMut(usize, &Record<'_>) -> Result<(), Refused>,
) -> Result<Replayed> {
    let mut done = Replayed { last_seq, ..Replayed::default() };
    let mut broken: Option<Broken<'_>> = None;
    for (number, live) in logs.iter().enumerate() {
        let file = &*live.file;
        let bytes = read_whole(file)?;
        SlotHeader { features, store, slot: live.slot }.check(file, &bytes)?;
        let owner = Owner::new(store, live.log);
        let mut at = SLOT_HEADER;
        while let Some(record) = next_record(file, &bytes, at, owner, done.last_seq)? {
            visit(number, &record).map_err(|refused| refused.at(file, at))?;
            done.last_seq = record.last_seq();
            done.records += 1;
            at += FRAME_HEADER + RECORD_HEADER + record.body.len();
        }
        let rest = left_over(file, &bytes, at, owner)?;
        done.cut_bytes += rest.bytes;
        if let Some(durable_seq) = rest.durable_seq
            && broken.as_ref().is_none_or(|broken| broken.durable_seq < durable_seq)
        {
            broken = Some(Broken { durable_seq, at, file });
        }
    }
    match broken.filter(|broken| broken.durable_seq > done.last_seq) {
        None => Ok(done),
        Some(Broken { durable_seq, at, file }) => {
            let expected = format!("the record of sequence {}", done.last_seq.saturating_add(1));
            let found =
                format!("damage, before a record that knew sequence {durable_seq} to be durable");
            Err(damaged(file, at, expected, found))
        }
    }
}

/// The record whose frame begins at `at`, if it is the next of its chain. The frame
/// itself is not looked at: the record says how long it is, and proves it.
fn next_record<'a>(
    file: &dyn File,
    bytes: &'a [u8],
    at: usize,
    owner: Owner,
    last_seq: u64,
) -> Result<Option<Record<'a>>> {
    let place = bytes.get(at + FRAME_HEADER..).unwrap_or_default();
    let Some(found) = intact(place, owner) else { return Ok(None) };
    let offset = at + FRAME_HEADER;
    found.check_known(file, offset)?;
    let record = found.record;
    if last_seq.checked_add(1) != Some(record.first_seq) {
        return Ok(None);
    }
    if !record.stamp().is_in_range() {
        let found = format!("{:?}", record.stamp());
        return Err(damaged(file, offset, "a record with numbers in their ranges", found));
    }
    Ok(Some(record))
}

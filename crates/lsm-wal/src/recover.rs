//! Reading live logs back.
//!
//! Steps: for each live log in the order of its number, walk its frames; the next
//! record must be of this log and start at the last sequence + 1. The first place
//! where that fails ends this log; the next log goes on if it starts at the last
//! sequence + 1. At the end, any intact record that was left over and that knew a
//! durable sequence above the last one replayed proves damage.

use std::sync::Arc;

use lsm_vfs::{File, read_whole};

use crate::record::{FRAME_HEADER, Owner, RECORD_HEADER, TAG, intact, store_tag};
use crate::slot::{SLOT_HEADER, check_header};
use crate::{FORMAT_VERSION, LogError, Record, Result};

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
    /// Bytes of torn tails, not counting the zeros that a slot ends with.
    pub cut_bytes: u64,
}

/// An intact record behind a break.
struct LeftOver<'a> {
    durable_seq: u64,
    broke_at: u64,
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
    mut visit: impl FnMut(usize, &Record<'_>) -> Result<(), String>,
) -> Result<Replayed> {
    let mut done = Replayed { last_seq, ..Replayed::default() };
    let mut left_over: Option<LeftOver<'_>> = None;
    for (number, live) in logs.iter().enumerate() {
        let file = &*live.file;
        let bytes = read_whole(file)?;
        check_header(file, &bytes, store, live.slot)?;
        let owner = Owner { store_tag: store_tag(store), log: live.log };
        let mut at = SLOT_HEADER;
        while let Some(record) = next_record(file, &bytes, at, owner, done.last_seq)? {
            visit(number, &record).map_err(|found| LogError::Damaged {
                path: file.path().to_path_buf(),
                offset: at as u64,
                expected: "a record that can be replayed".into(),
                found,
            })?;
            done.last_seq = record.last_seq();
            done.records += 1;
            at += FRAME_HEADER + RECORD_HEADER + record.body.len();
        }
        let rest = bytes.get(at..).unwrap_or_default();
        let zeros = rest.iter().rev().take_while(|byte| **byte == 0).count();
        done.cut_bytes += (rest.len() - zeros) as u64;
        if let Some(durable_seq) = highest_durable(rest, owner)
            && left_over.as_ref().is_none_or(|found| found.durable_seq < durable_seq)
        {
            left_over = Some(LeftOver { durable_seq, broke_at: at as u64, file });
        }
    }
    match left_over.filter(|found| found.durable_seq > done.last_seq) {
        None => Ok(done),
        Some(found) => Err(LogError::Damaged {
            path: found.file.path().to_path_buf(),
            offset: found.broke_at,
            expected: format!("the record of sequence {}", done.last_seq.saturating_add(1)),
            found: format!(
                "damage, before a record that knew sequence {} to be durable",
                found.durable_seq
            ),
        }),
    }
}

/// The record whose frame begins at `at`, if it is the next of its chain.
fn next_record<'a>(
    file: &dyn File,
    bytes: &'a [u8],
    at: usize,
    owner: Owner,
    last_seq: u64,
) -> Result<Option<Record<'a>>> {
    let payload = bytes.get(at + FRAME_HEADER..).unwrap_or_default();
    let Some(found) = intact(payload, owner) else { return Ok(None) };
    if found.version != FORMAT_VERSION {
        return Err(LogError::Unsupported {
            path: file.path().to_path_buf(),
            offset: at as u64,
            what: format!("record version {}; this build reads {FORMAT_VERSION}", found.version),
        });
    }
    let framed = bytes.get(at + FRAME_HEADER - 4..).and_then(|bytes| bytes.first_chunk::<4>());
    let length_fits = framed.is_some_and(|length| {
        u32::from_le_bytes(*length) as usize == RECORD_HEADER + found.record.body.len()
    });
    let follows = last_seq.checked_add(1) == Some(found.record.first_seq);
    Ok((follows && length_fits).then_some(found.record))
}

/// The highest durable sequence that an intact record of this log tells of.
fn highest_durable(rest: &[u8], owner: Owner) -> Option<u64> {
    let mut highest = None;
    let mut at = 0;
    while let Some(found) = rest.get(at..).and_then(find_tag) {
        at += found;
        let record = rest.get(at..).and_then(|payload| intact(payload, owner));
        highest = highest.max(record.map(|found| found.record.durable_seq));
        at += 1;
    }
    highest
}

fn find_tag(bytes: &[u8]) -> Option<usize> {
    bytes.windows(TAG.len()).position(|window| window == TAG)
}

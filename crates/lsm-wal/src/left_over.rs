//! What stands behind the end of a log: records of it that were not replayed.
//!
//! A slot is used by one log after the other, so most of what is there belongs to
//! older ones, or is zero, and there may be much of it. Only what names this log
//! counts. Store tag and log number stand side by side in each record, so they are
//! searched for together, as 16 bytes that nothing else has: a copy of a record inside
//! of a body apart, which can tell of nothing that the original does not tell of.

use lsm_vfs::File;
use memchr::memmem;

use crate::Result;
use crate::error::damaged;
use crate::record::{FRAME_HEADER, Header, OWNER_AT, Owner, RECORD_HEADER, intact};

/// So many times the file's length may be hashed. Records do not overlap, save for
/// copies inside of bodies; bytes made up to look like a million records, each as long
/// as the file, are refused before they take hours.
const HASHED_TIMES: usize = 8;

/// What an ended log left behind its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOver {
    /// Bytes of records, whole or begun.
    pub(crate) bytes: u64,
    /// The highest durable number that a whole one tells of.
    pub(crate) durable_seq: Option<u64>,
}

/// Looks for records of `owner` from `end` on, at every byte.
pub(crate) fn left_over(
    file: &dyn File,
    bytes: &[u8],
    end: usize,
    owner: Owner,
) -> Result<LeftOver> {
    let mut left = LeftOver::default();
    let finder = memmem::Finder::new(&owner.0);
    let mut budget = bytes.len().saturating_mul(HASHED_TIMES);
    // Where the next owner may stand, and up to where bytes were counted.
    let (mut at, mut counted) = (end + OWNER_AT, end);
    while let Some(found) = bytes.get(at..).and_then(|rest| finder.find(rest)) {
        at += found;
        let start = at - OWNER_AT;
        let place = bytes.get(start..).unwrap_or_default();
        let header = Header::read(place);
        let claimed = header.map_or(0, |header| header.body_len as usize);
        let hashed = header.filter(|header| header.may_be_of(owner, place.len()));
        budget = budget.checked_sub(hashed.map_or(0, |_| claimed)).ok_or_else(|| {
            let found = "more of them, one over the other, than a log can hold";
            damaged(file, start, "records one behind another", found)
        })?;
        let frame = start.saturating_sub(FRAME_HEADER).max(end);
        let stop = match intact(place, owner) {
            Some(whole) => {
                whole.check_known(file, start)?;
                left.durable_seq = left.durable_seq.max(Some(whole.record.durable_seq));
                // What its body holds is none of the log's.
                let stop = start + RECORD_HEADER + whole.record.body.len();
                at = stop + OWNER_AT;
                stop
            }
            None => {
                at += 1;
                let framed = bytes.get(frame + 4..).and_then(|bytes| bytes.first_chunk::<4>());
                let agree = framed.is_some_and(|framed| {
                    u32::from_le_bytes(*framed) as usize == RECORD_HEADER + claimed
                });
                // A length that frame and record agree on is believed.
                (start + RECORD_HEADER + if agree { claimed } else { 0 }).min(bytes.len())
            }
        };
        left.bytes += stop.saturating_sub(frame.max(counted)) as u64;
        counted = counted.max(stop);
    }
    Ok(left)
}

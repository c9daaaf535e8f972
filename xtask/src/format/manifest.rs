//! A manifest: its two commit slots, its frames, and what a check of it says.
//!
//! Slots and frames are taken apart here for looking at; what counts, `lsm_manifest::recover` says.
//! Whether a slot is intact is found out by making it again from what it says.

use std::path::Path;

use lsm_manifest::{
    Edit, FIRST_FRAME, FORMAT_VERSION, Head, MAGIC, ManifestError, PAGE_BYTES, Recovered,
    SLOT_BYTES, recover,
};
use lsm_types::{StoreId, decode};
use xxhash_rust::xxh3::xxh3_64;

use super::fault::{Checked, Class, Fault};
use super::file::Kind;
use super::text::count;

/// One of the two commit slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Empty,
    Intact(Head),
    Broken,
}

/// One edit in the file.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) offset: u64,
    pub(super) len: u64,
    pub(super) number: u64,
    pub(super) edit: Edit,
}

pub(super) fn slots(bytes: &[u8]) -> [Slot; 2] {
    [0, 1].map(|number| {
        let slot = bytes.get(number * PAGE_BYTES..number * PAGE_BYTES + SLOT_BYTES);
        match slot {
            Some(slot) if slot.iter().all(|byte| *byte == 0) => Slot::Empty,
            Some(slot) => head(slot).map_or(Slot::Broken, Slot::Intact),
            None => Slot::Broken,
        }
    })
}

fn head(slot: &[u8]) -> Option<Head> {
    let mut input = slot;
    let magic = decode::array(&mut input)? == MAGIC;
    let version = decode::u16(&mut input)? == FORMAT_VERSION;
    decode::array::<6>(&mut input)?;
    let head = Head {
        store: StoreId(decode::array(&mut input)?),
        generation: decode::u64(&mut input)?,
        committed: decode::u64(&mut input)?,
        chain: decode::u64(&mut input)?,
    };
    (magic && version && head.encode() == slot).then_some(head)
}

/// The intact frames from the snapshot on, up to edit `last`.
pub(super) fn frames(bytes: &[u8], store: StoreId, last: u64) -> Vec<Frame> {
    let (mut at, mut chain, mut found) = (FIRST_FRAME, xxh3_64(&store.0), Vec::new());
    while let Some((next, sum)) = bytes.get(at..).and_then(|rest| frame_at(rest, chain)) {
        if next.number > last {
            break;
        }
        found.push(Frame { offset: at as u64, ..next });
        at += found.last().map_or(0, |frame| frame.len as usize);
        chain = sum;
    }
    found
}

/// The frame at the front of `rest`, behind one whose checksum is `chain`, and its own checksum.
fn frame_at(rest: &[u8], chain: u64) -> Option<(Frame, u64)> {
    let (header, mut input) = rest.split_at_checked(12)?;
    let mut fields = header;
    let len = decode::u32(&mut fields)? as usize;
    let number = decode::u64(&mut fields)?;
    let sum = decode::u64(&mut input)?;
    let payload = decode::slice(&mut input, len)?;
    let intact = sum == xxh3_64(&[&chain.to_le_bytes(), header, payload].concat());
    let edit = Edit::decode(payload).ok().filter(|_| intact)?;
    Some((Frame { offset: 0, len: 20 + len as u64, number, edit }, sum))
}

/// Checks a manifest; gives what it says if it can be read.
pub(super) fn check(path: &Path, bytes: &[u8]) -> (Checked, Vec<Fault>, Option<Recovered>) {
    let kind = Kind::Manifest.name();
    let checked =
        Checked { path: path.to_owned(), kind, bytes: bytes.len() as u64, blocks: 0, entries: 0 };
    let recovered = match recover(bytes) {
        Ok(recovered) => recovered,
        Err(error) => return (checked, vec![refused(path, error)], None),
    };
    let mut faults: Vec<Fault> = unused_space(path, bytes).into_iter().collect();
    for (number, slot) in slots(bytes).into_iter().enumerate() {
        if slot == Slot::Broken {
            let text = format!("commit slot {number} is not intact; the other one counts");
            faults.push(Fault::note(path, text));
        }
    }
    if recovered.slot_is_behind {
        let text = format!(
            "edits up to {} count, although no slot says so; the next open writes one",
            recovered.last_edit
        );
        faults.push(Fault::note(path, text));
    }
    if recovered.torn_bytes > 0 {
        let torn = count(recovered.torn_bytes, "byte");
        let text = format!("{torn} behind the last edit: a torn tail, which the next open cuts");
        faults.push(Fault::note(path, text));
    }
    (checked, faults, Some(recovered))
}

/// Behind each slot there are zeros to the end of its page.
fn unused_space(path: &Path, bytes: &[u8]) -> Option<Fault> {
    let pages = bytes.get(..FIRST_FRAME)?;
    let unused = |at: &usize| at % PAGE_BYTES >= SLOT_BYTES;
    let spoilt = |at: &usize| pages.get(*at).is_some_and(|byte| *byte != 0);
    let at = (0..FIRST_FRAME).filter(unused).find(spoilt)?;
    let expected = "zeros between a slot and the end of its page";
    let fault = Fault::new(path, Class::Damaged, at as u64, expected, "other bytes");
    Some(fault.because("none: these bytes are not used"))
}

fn refused(path: &Path, error: ManifestError) -> Fault {
    let fault = match error {
        ManifestError::Unsupported(found) => {
            let expected = "a manifest that this build reads";
            Fault::new(path, Class::Unsupported, None, expected, found)
        }
        ManifestError::Damaged { offset, expected, found } => {
            Fault::new(path, Class::Damaged, offset, expected, found)
        }
    };
    fault.because("the store does not open")
}

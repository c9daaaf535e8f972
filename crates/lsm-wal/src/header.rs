//! The header of a slot file: its bytes, as drawn at the head of the crate, and the
//! check that a slot is the one that is meant.

use lsm_vfs::File;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{damaged, unsupported};
use crate::record::array;
use crate::{FORMAT_VERSION, Result};

/// First bytes of a slot. Durable.
pub(crate) const MAGIC: [u8; 8] = *b"LSMWALOG";
/// Where frames begin: one sector. Durable.
pub(crate) const SLOT_HEADER: usize = 512;
/// What the header's checksum covers. Durable, in every version.
const COVERED: usize = 40;
const VERSION_AT: usize = 8;
const FEATURES_AT: usize = 10;

/// Incompatible feature: bodies are lists of byte strings, not batches. Durable.
pub(crate) const LISTS: u16 = 1;
/// Where a slot of lists is marked when nothing in it counts any more. Durable.
pub(crate) const MARK_AT: usize = 48;

/// Whose slot it is and what stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotHeader {
    /// Incompatible features, as bits.
    pub(crate) features: u16,
    pub(crate) store: [u8; 16],
    pub(crate) slot: u64,
}

impl SlotHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SLOT_HEADER);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&self.features.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.store);
        out.extend_from_slice(&self.slot.to_le_bytes());
        let sum = xxh3_64(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out.resize(SLOT_HEADER, 0);
        out
    }

    /// Reads a header of this version, without features that nobody knows. Which bytes
    /// are reserved is checked last, by writing it again: a version or a feature may
    /// have a use for them.
    pub(crate) fn read(file: &dyn File, bytes: &[u8]) -> Result<Self> {
        let none = || damaged(file, 0, "the header of a log", "other bytes");
        let found = bytes.get(..SLOT_HEADER).unwrap_or(bytes);
        let (covered, sum) = found.split_at_checked(COVERED).ok_or_else(none)?;
        let mut input = covered;
        let magic: [u8; 8] = array(&mut input).ok_or_else(none)?;
        let version = array(&mut input).map(u16::from_le_bytes).ok_or_else(none)?;
        let features = array(&mut input).map(u16::from_le_bytes).ok_or_else(none)?;
        let _zeros: [u8; 4] = array(&mut input).ok_or_else(none)?;
        let store = array(&mut input).ok_or_else(none)?;
        let slot = array(&mut input).map(u64::from_le_bytes).ok_or_else(none)?;
        if magic != MAGIC || sum.first_chunk() != Some(&xxh3_64(covered).to_le_bytes()) {
            return Err(none());
        }
        if version != FORMAT_VERSION {
            return Err(unsupported(file, VERSION_AT, other_version("log", version)));
        }
        check_features(file, features & !LISTS)?;
        let header = Self { features, store, slot };
        let mut expected = header.encode();
        if features & LISTS != 0 && header.begins_mark(found) {
            let marks = found.get(MARK_AT..).into_iter().flatten();
            let room = expected.iter_mut().skip(MARK_AT).take(size_of::<u64>());
            room.zip(marks).for_each(|(byte, mark)| *byte = *mark);
        }
        if expected != found {
            return Err(damaged(
                file,
                0,
                "the header of a log",
                "reserved bytes that are not zero",
            ));
        }
        Ok(header)
    }

    /// What stands at [`MARK_AT`] in a slot of which nothing counts any more.
    pub(crate) fn mark(&self) -> [u8; 8] {
        let mut header = self.encode();
        header.truncate(MARK_AT);
        xxh3_64(&header).to_le_bytes()
    }

    /// Whether a file's first bytes, with this header, have the mark.
    pub(crate) fn is_marked(&self, bytes: &[u8]) -> bool {
        bytes.get(MARK_AT..).is_some_and(|rest| rest.starts_with(&self.mark()))
    }

    /// Whether they have some of its first bytes, or none, and zeros: a kill may cut the
    /// writing of it short.
    fn begins_mark(&self, bytes: &[u8]) -> bool {
        let mark = self.mark();
        let found = bytes.get(MARK_AT..).unwrap_or_default().iter().zip(&mark);
        let mut rest = found.skip_while(|(byte, mark)| byte == mark);
        rest.all(|(byte, _)| *byte == 0)
    }

    /// Checks that a file's first bytes are this header.
    pub(crate) fn check(&self, file: &dyn File, bytes: &[u8]) -> Result<()> {
        let found = Self::read(file, bytes)?;
        check_features(file, found.features & !self.features)?;
        if found == *self {
            return Ok(());
        }
        let (expected, other) = if found.store != self.store {
            ("the log of this store", "the log of another store")
        } else if found.slot != self.slot {
            ("the log of this slot", "the log of another slot")
        } else {
            ("bodies that are lists", "batches of a store")
        };
        Err(damaged(file, 0, expected, other))
    }
}

fn check_features(file: &dyn File, unknown: u16) -> Result<()> {
    if unknown == 0 {
        return Ok(());
    }
    let what = format!(
        "incompatible features {unknown:#06x}, which are not enabled or which a newer build knows"
    );
    Err(unsupported(file, FEATURES_AT, what))
}

/// Says of something intact of another version what would read it.
pub(crate) fn other_version(what: &str, found: u16) -> String {
    let whose = match found {
        0 => "a draft that was never frozen: only the builds of its time read it",
        _ => "a newer build wrote it",
    };
    format!("{what} version {found}, {whose}; this build reads version {FORMAT_VERSION}")
}

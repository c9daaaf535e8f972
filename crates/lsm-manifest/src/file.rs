//! The bytes of the manifest file, version 1.
//!
//! ```text
//!       0  slot 0  (512 bytes), then zeros
//!    4096  slot 1  (512 bytes), then zeros
//!    8192  frame of the snapshot, then a frame for each edit, then zeros: room
//!          that was reserved for later edits
//!
//! slot   0  8  magic "LSMMANIF"          frame   0  4  length of the payload
//!        8  2  version = 1                       4  8  edit number
//!       10  2  incompatible features = 0        12  8  checksum
//!       12  4  zeros                            20  n  payload: an edit
//!       16 16  store id
//!       32  8  generation
//!       40  8  committed length
//!       48  8  chain
//!       56  .. zeros
//!      504  8  xxh3-64 of bytes 0..504
//! ```
//!
//! A frame's checksum is the xxh3-64 of the checksum of the frame before (for the
//! first one, of the xxh3-64 of the store id), its length and number (bytes 0..12)
//! and its payload, one after another.
//! The chain in a slot is the checksum of the last frame below the committed
//! length. The slot of generation g is slot g mod 2: the two are written in turn. They
//! lie in pages of their own, so that no write and no bad sector of 4 KiB takes both.

use lsm_types::{StoreId, decode};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::{Edit, ManifestError, OpError, Version};

/// First bytes of each slot. Durable.
pub const MAGIC: [u8; 8] = *b"LSMMANIF";
/// The version written and read. Durable.
pub const FORMAT_VERSION: u16 = 1;
/// A slot's size: one sector, which a disk writes whole or not at all. Durable.
pub const SLOT_BYTES: usize = 512;
/// From one slot to the next, and from the second to the first frame. Durable.
pub const PAGE_BYTES: usize = 4096;
/// Where the first frame begins. Durable.
pub const FIRST_FRAME: usize = 2 * PAGE_BYTES;
/// The highest generation and the highest edit number: 2^56 - 1. Durable.
const MAX_COUNT: u64 = (1 << 56) - 1;

const FRAME_HEADER: usize = 20;
/// Where the second slot of version 0 was, which was never frozen.
const DRAFT_SLOT: usize = SLOT_BYTES;
/// First bytes of the manifest of the crate published under this name.
const TEXT_MAGIC: &[u8] = b"LSMDB-MANIFEST";

/// What a commit slot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The store.
    pub store: StoreId,
    /// How many times a slot was written.
    pub generation: u64,
    /// Everything below this offset is committed.
    pub committed: u64,
    /// The checksum of the last committed frame.
    pub chain: u64,
}

impl Head {
    /// The slot's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; SLOT_BYTES] {
        let mut fields = Vec::with_capacity(SLOT_BYTES);
        fields.extend_from_slice(&MAGIC);
        fields.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        fields.extend_from_slice(&[0; 6]);
        fields.extend_from_slice(&self.store.0);
        for number in [self.generation, self.committed, self.chain] {
            fields.extend_from_slice(&number.to_le_bytes());
        }
        fields.resize(SLOT_BYTES - 8, 0);
        let sum = xxh3_64(&fields);
        fields.extend_from_slice(&sum.to_le_bytes());
        let mut slot = [0; SLOT_BYTES];
        slot.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        slot
    }

    /// What the bytes of slot `number` say; nothing if they are not intact.
    fn decode(number: u64, slot: &[u8]) -> Result<Option<Self>, ManifestError> {
        let Some((body, sum)) = slot.split_last_chunk::<8>() else { return Ok(None) };
        if !body.starts_with(&MAGIC) || xxh3_64(body) != u64::from_le_bytes(*sum) {
            return Ok(None);
        }
        let mut input = body.get(MAGIC.len()..).unwrap_or_default();
        let (version, features) = (decode::u16(&mut input), decode::u16(&mut input));
        check_readable(version.unwrap_or_default(), features.unwrap_or_default())?;
        let head = Self::fields(&mut input).filter(|head| {
            let zeros = input.iter().all(|byte| *byte == 0);
            let counted = (1..=MAX_COUNT).contains(&head.generation);
            zeros && counted && head.generation % 2 == number
        });
        let at = number as usize * PAGE_BYTES;
        let none = || ManifestError::damaged(at, "a slot of this place", "fields out of range");
        head.ok_or_else(none).map(Some)
    }

    fn fields(input: &mut &[u8]) -> Option<Self> {
        let zeros = decode::array(input)? == [0; 4];
        let head = Self {
            store: StoreId(decode::array(input)?),
            generation: decode::u64(input)?,
            committed: decode::u64(input)?,
            chain: decode::u64(input)?,
        };
        zeros.then_some(head)
    }
}

/// Says of an intact slot that another build is needed.
fn check_readable(version: u16, features: u16) -> Result<(), ManifestError> {
    let whose = match version {
        FORMAT_VERSION if features == 0 => return Ok(()),
        FORMAT_VERSION => {
            return Err(ManifestError::Unsupported(format!(
                "incompatible features {features:#06x} in manifest version {FORMAT_VERSION}; a \
                 newer build wrote them, this one knows none"
            )));
        }
        0 => "a draft that was never frozen: only the builds of its time read it",
        _ => "a newer build wrote it",
    };
    Err(ManifestError::Unsupported(format!(
        "written in manifest version {version}, {whose}; this build reads version {FORMAT_VERSION}"
    )))
}

/// Where the slot of `generation` lies.
#[must_use]
pub const fn slot_offset(generation: u64) -> u64 {
    (generation % 2) * PAGE_BYTES as u64
}

/// The frame of edit `number` behind a frame whose checksum is `chain`, and its
/// own checksum.
#[must_use]
pub fn frame(chain: u64, number: u64, edit: &Edit) -> (Vec<u8>, u64) {
    let payload = edit.encode();
    let mut out = Vec::with_capacity(FRAME_HEADER + payload.len());
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    let sum = frame_checksum(chain, &out, &payload);
    out.extend_from_slice(&sum.to_le_bytes());
    out.extend_from_slice(&payload);
    (out, sum)
}

fn frame_checksum(chain: u64, header: &[u8], payload: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    [&chain.to_le_bytes(), header, payload].iter().for_each(|part| hasher.update(part));
    hasher.digest()
}

/// The bytes of a new manifest whose snapshot, edit `number`, makes `version`,
/// committed as `generation`.
#[must_use]
pub fn new_file(
    store: StoreId,
    generation: u64,
    number: u64,
    version: &Version,
) -> (Vec<u8>, Head) {
    let (snapshot, chain) = frame(xxh3_64(&store.0), number, &version.snapshot());
    let committed = (FIRST_FRAME + snapshot.len()) as u64;
    let head = Head { store, generation, committed, chain };
    let mut out = vec![0; FIRST_FRAME];
    let at = slot_offset(generation) as usize;
    out.splice(at..at + SLOT_BYTES, head.encode());
    out.extend_from_slice(&snapshot);
    (out, head)
}

/// What a manifest's bytes say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The version after all edits that count.
    pub version: Version,
    /// The head as a slot should now say it: everything that counts is committed.
    pub head: Head,
    /// The number of the last edit.
    pub last_edit: u64,
    /// Where the snapshot ends and the first edit behind it begins.
    pub snapshot_end: u64,
    /// The committed length that the slot says.
    pub slot_committed: u64,
    /// Whether both slots are intact: one was written since the file was.
    pub has_both_slots: bool,
    /// Whether the slot says less than `head`: edits behind it were intact.
    pub slot_is_behind: bool,
    /// Bytes behind the last edit that counts, without the zeros at the end of the
    /// file: a torn tail. (Zeros are room kept for later edits.)
    pub torn_bytes: u64,
}

/// Reads a manifest.
///
/// # Errors
///
/// [`ManifestError::Unsupported`] for another format or version,
/// [`ManifestError::Damaged`] when anything below the committed length is not
/// intact.
pub fn recover(bytes: &[u8]) -> Result<Recovered, ManifestError> {
    let (head, has_both_slots) = read_head(bytes)?;
    let mut fold = Fold { bytes, at: FIRST_FRAME, chain: xxh3_64(&head.store.0), number: None };
    let mut version = Version::default();
    let mut snapshot_end = None;
    while (fold.at as u64) < head.committed {
        let at = fold.at;
        let edit = fold.take()?.ok_or_else(|| {
            ManifestError::damaged(at, "an intact edit below the committed length", "damaged bytes")
        })?;
        version = version
            .fold(&edit)
            .map_err(|error| ManifestError::damaged(at, "an edit that fits", error.to_string()))?;
        snapshot_end.get_or_insert(fold.at as u64);
    }
    if fold.at as u64 != head.committed || fold.chain != head.chain {
        let expected = format!("edits up to byte {} with chain {:#x}", head.committed, head.chain);
        let found = format!("byte {} with chain {:#x}", fold.at, fold.chain);
        return Err(ManifestError::damaged(fold.at, expected, found));
    }
    // What follows was written but perhaps not acknowledged: it counts as far as it
    // is intact, because everything an edit names was durable before the edit.
    let mut end = fold.at;
    let mut chain = fold.chain;
    let mut last_edit = fold.number.unwrap_or_default();
    while let Some(edit) = fold.take()? {
        version = version
            .fold(&edit)
            .map_err(|error| ManifestError::damaged(end, "an edit that fits", error.to_string()))?;
        (end, chain, last_edit) = (fold.at, fold.chain, fold.number.unwrap_or(last_edit));
    }
    let committed = end as u64;
    let rest = bytes.get(end..).unwrap_or_default();
    let zeros = rest.iter().rev().take_while(|byte| **byte == 0).count();
    Ok(Recovered {
        version,
        head: Head { committed, chain, ..head },
        last_edit,
        snapshot_end: snapshot_end.unwrap_or(committed),
        slot_committed: head.committed,
        has_both_slots,
        slot_is_behind: committed != head.committed,
        torn_bytes: (rest.len() - zeros) as u64,
    })
}

/// The valid slot of the higher generation, and whether both are valid.
fn read_head(bytes: &[u8]) -> Result<(Head, bool), ManifestError> {
    if bytes.starts_with(TEXT_MAGIC) {
        let text = "written by the published lsm-db crate (its MANIFEST is text); this build \
                    reads its own binary format only";
        return Err(ManifestError::Unsupported(text.into()));
    }
    let slot = |at: usize| bytes.get(at..at + SLOT_BYTES).unwrap_or_default();
    let mut newest: Option<Head> = None;
    let mut slots = 0;
    for number in 0..2 {
        let head = Head::decode(number, slot(number as usize * PAGE_BYTES))?;
        slots += usize::from(head.is_some());
        newest = newest.into_iter().chain(head).max_by_key(|head| head.generation);
    }
    let Some(head) = newest else {
        Head::decode(1, slot(DRAFT_SLOT))?;
        return Err(ManifestError::damaged(0, "a valid commit slot", "none"));
    };
    if head.committed > bytes.len() as u64 {
        let expected = format!("{} committed bytes", head.committed);
        return Err(ManifestError::damaged(bytes.len(), expected, "the end of the file"));
    }
    Ok((head, slots == 2))
}

/// Walks the frames of a manifest.
struct Fold<'a> {
    bytes: &'a [u8],
    at: usize,
    chain: u64,
    number: Option<u64>,
}

impl Fold<'_> {
    /// The next frame's edit, or `None` where no intact frame with the next number
    /// stands. An intact frame that holds no edit is an error.
    fn take(&mut self) -> Result<Option<Edit>, ManifestError> {
        let Some(found) = self.intact() else { return Ok(None) };
        let (number, sum, payload) = found;
        let edit = Edit::decode(payload).map_err(|error| {
            let at = self.at + FRAME_HEADER + error.offset();
            match error {
                OpError::Unknown { what, .. } => ManifestError::Unsupported(format!(
                    "edit {number} is intact, but at byte {at} has {what}, which manifest version \
                     {FORMAT_VERSION} does not know; a newer build wrote it"
                )),
                OpError::Malformed { .. } => {
                    ManifestError::damaged(at, "an operation", error.to_string())
                }
            }
        })?;
        self.at += FRAME_HEADER + payload.len();
        (self.chain, self.number) = (sum, Some(number));
        Ok(Some(edit))
    }

    fn intact(&self) -> Option<(u64, u64, &[u8])> {
        let bytes = self.bytes.get(self.at..)?;
        let (header, mut input) = bytes.split_at_checked(FRAME_HEADER - 8)?;
        let mut fields = header;
        let len = decode::u32(&mut fields)? as usize;
        let number = decode::u64(&mut fields)?;
        let sum = decode::u64(&mut input)?;
        let payload = decode::slice(&mut input, len)?;
        let follows = (1..=MAX_COUNT).contains(&number)
            && self.number.is_none_or(|last| last.checked_add(1) == Some(number));
        (follows && frame_checksum(self.chain, header, payload) == sum)
            .then_some((number, sum, payload))
    }
}

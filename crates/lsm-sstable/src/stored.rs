//! Blocks as they are stored, which go from one table to another without being taken
//! apart: payload and codec stay, the frame is made anew for the new place.
//!
//! # Invariants
//!
//! * The bytes come out of [`RunMeta::open_block`](crate::RunMeta::open_block) with
//!   `verify`: nothing damaged gets a new checksum.
//! * What a table says of its entries is read off the entries: each is looked at once, and
//!   compared with the one before.

use alloc::vec::Vec;

use lsm_types::{Kind, SeqNo};

use crate::block::BlockEntry;
use crate::section::{Codec, RawFrame, SECTION_HEADER_BYTES};
use crate::{Block, BlockHandle, Counts, SstError};

/// A block of a table with its stored bytes; see
/// [`RunWriter::carry`](crate::RunWriter::carry).
#[derive(Clone, Copy, Debug)]
pub struct StoredBlock<'a> {
    pub(crate) codec: Codec,
    /// Length of the payload before compression.
    pub(crate) raw: usize,
    pub(crate) stored: &'a [u8],
    block: Block<'a>,
}

/// What a table has to say of the entries of a block.
pub(crate) struct Survey {
    pub(crate) counts: Counts,
    pub(crate) key_bytes: u64,
    pub(crate) value_bytes: u64,
    pub(crate) lowest_seq: SeqNo,
    pub(crate) highest_seq: SeqNo,
    pub(crate) last_seq: SeqNo,
}

impl<'a> StoredBlock<'a> {
    pub(crate) fn new(
        handle: &BlockHandle,
        section: &'a [u8],
        block: Block<'a>,
        raw: usize,
    ) -> Result<Self, SstError> {
        let frame = RawFrame::parse(section, handle.offset)?;
        let codec = match frame.codec == Codec::Plain as u8 {
            true => Codec::Plain,
            false => Codec::Lz4,
        };
        let stored = section.get(SECTION_HEADER_BYTES..).unwrap_or_default();
        Ok(Self { codec, raw, stored, block })
    }

    /// How long its payload is before compression.
    #[must_use]
    pub const fn raw_bytes(&self) -> usize {
        self.raw
    }

    /// How many entries it has.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a block is never empty")]
    pub const fn len(&self) -> usize {
        self.block.len()
    }

    /// Its first entry.
    ///
    /// # Errors
    ///
    /// When the bytes are none.
    pub fn first(&self) -> Result<BlockEntry<'a>, SstError> {
        self.at(0)
    }

    /// Its last entry.
    ///
    /// # Errors
    ///
    /// When the bytes are none.
    pub fn last(&self) -> Result<BlockEntry<'a>, SstError> {
        self.at(self.block.len().saturating_sub(1))
    }

    fn at(&self, number: usize) -> Result<BlockEntry<'a>, SstError> {
        self.block.entry(number)?.ok_or_else(|| self.block.bad_entry(number))
    }

    /// Looks at all entries, and gives the hash of each key to `hashed` if there is one.
    pub(crate) fn survey(&self, mut hashed: Option<impl FnMut(u64)>) -> Result<Survey, SstError> {
        let (mut lowest, mut highest, mut key) = (SeqNo::MAX, SeqNo::ZERO, Vec::new());
        let (mut counts, mut key_bytes, mut value_bytes) = (Counts::default(), 0, 0);
        let mut before: Option<BlockEntry<'_>> = None;
        for (number, entry) in self.block.iter().enumerate() {
            let entry = entry?;
            let repeats = before.is_some_and(|before| before.suffix == entry.suffix);
            let ascends = |before: BlockEntry<'_>| {
                if repeats { entry.seq < before.seq } else { before.suffix < entry.suffix }
            };
            if !before.is_none_or(ascends) {
                return Err(self.block.bad_entry(number));
            }
            if let Some(hashed) = hashed.as_mut().filter(|_| !repeats) {
                hashed(lsm_bloom::hash(entry.join(&mut key).user_key));
            }
            counts.entries += 1;
            counts.tombstones += u64::from(entry.kind == Kind::Delete);
            counts.hidden += u64::from(repeats);
            key_bytes += entry.key_len() as u64;
            value_bytes += entry.value.len() as u64;
            (lowest, highest) = (lowest.min(entry.seq), highest.max(entry.seq));
            before = Some(entry);
        }
        let last_seq = before.map_or(SeqNo::ZERO, |entry| entry.seq);
        let (lowest_seq, highest_seq) = (lowest, highest);
        Ok(Survey { counts, key_bytes, value_bytes, lowest_seq, highest_seq, last_seq })
    }
}

//! What is known of a table without its data: index and properties.
//!
//! ```text
//! index entry, one a block:
//!   offset varint | length varint | entries varint | last key: bytes
//!   | last sequence varint
//!
//! properties, each a tag, a length and bytes; unknown tags are passed over:
//!    1 entries varint           6 smallest key
//!    2 tombstones varint        7 largest key
//!    3 hidden versions varint   8 lowest sequence varint
//!    4 raw bytes varint         9 highest sequence varint
//!    5 blocks varint           10 smallest expiry (reserved), 11 largest (reserved)
//! ```

use alloc::format;
use alloc::vec::Vec;

use lsm_types::{InternalKey, MAX_KEY_BYTES, SeqNo, decode};

use crate::layout::{self, Footer};
use crate::{Block, FOOTER_BYTES, HEADER_BYTES, Identity, SECTION_HEADER, SstError};

/// Where a block lies and how far it reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockHandle {
    /// Where its section begins.
    pub offset: u64,
    /// How long its section is, frame included.
    pub len: u64,
    /// How many entries it holds.
    pub entries: u64,
    /// The key of its last entry.
    pub last_key: Vec<u8>,
    /// The sequence number of its last entry.
    pub last_seq: SeqNo,
}

impl BlockHandle {
    /// The place of its last entry.
    #[must_use]
    pub fn last(&self) -> InternalKey<'_> {
        InternalKey { user_key: &self.last_key, seq: self.last_seq }
    }
}

/// Counts and bounds over a whole table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// All entries.
    pub entries: u64,
    /// Those of them that are tombstones.
    pub tombstones: u64,
    /// Those of them that are older versions of the key before them.
    pub hidden: u64,
    /// Bytes of keys and values.
    pub raw_bytes: u64,
    /// Data blocks.
    pub blocks: u64,
    /// The smallest key.
    pub smallest: Vec<u8>,
    /// The largest key.
    pub largest: Vec<u8>,
    /// The lowest sequence number.
    pub lowest_seq: SeqNo,
    /// The highest sequence number.
    pub highest_seq: SeqNo,
}

impl Properties {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut number = |tag, value| {
            let mut bytes = Vec::new();
            decode::put_varint(&mut bytes, value);
            put_property(&mut out, tag, &bytes);
        };
        number(1, self.entries);
        number(2, self.tombstones);
        number(3, self.hidden);
        number(4, self.raw_bytes);
        number(5, self.blocks);
        number(8, self.lowest_seq.get());
        number(9, self.highest_seq.get());
        put_property(&mut out, 6, &self.smallest);
        put_property(&mut out, 7, &self.largest);
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut input = bytes;
        let mut found = Self::default();
        while !input.is_empty() {
            let tag = decode::varint(&mut input)?;
            let value = decode::bytes(&mut input, MAX_KEY_BYTES)?;
            let number = || decode::varint(&mut &*value);
            match tag {
                1 => found.entries = number()?,
                2 => found.tombstones = number()?,
                3 => found.hidden = number()?,
                4 => found.raw_bytes = number()?,
                5 => found.blocks = number()?,
                6 => found.smallest = value.to_vec(),
                7 => found.largest = value.to_vec(),
                8 => found.lowest_seq = SeqNo::new(number()?)?,
                9 => found.highest_seq = SeqNo::new(number()?)?,
                _ => {}
            }
        }
        Some(found)
    }
}

fn put_property(out: &mut Vec<u8>, tag: u64, value: &[u8]) {
    decode::put_varint(out, tag);
    decode::put_bytes(out, value);
}

pub(crate) fn encode_index(blocks: &[BlockHandle]) -> Vec<u8> {
    let mut out = Vec::new();
    for block in blocks {
        decode::put_varint(&mut out, block.offset);
        decode::put_varint(&mut out, block.len);
        decode::put_varint(&mut out, block.entries);
        decode::put_bytes(&mut out, &block.last_key);
        decode::put_varint(&mut out, block.last_seq.get());
    }
    out
}

fn decode_index(bytes: &[u8], end: u64) -> Option<Vec<BlockHandle>> {
    let mut input = bytes;
    let mut blocks: Vec<BlockHandle> = Vec::new();
    let mut expected = HEADER_BYTES as u64;
    while !input.is_empty() {
        let block = BlockHandle {
            offset: decode::varint(&mut input)?,
            len: decode::varint(&mut input)?,
            entries: decode::varint(&mut input)?,
            last_key: decode::bytes(&mut input, MAX_KEY_BYTES)?.to_vec(),
            last_seq: SeqNo::new(decode::varint(&mut input)?)?,
        };
        let ascending = blocks.last().is_none_or(|before| before.last() < block.last());
        if block.offset != expected || block.len < SECTION_HEADER as u64 || !ascending {
            return None;
        }
        expected = block.offset.checked_add(block.len)?;
        blocks.push(block);
    }
    (expected == end && !blocks.is_empty()).then_some(blocks)
}

/// A table's footer, index and properties, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunMeta {
    identity: Identity,
    file_bytes: u64,
    blocks: Vec<BlockHandle>,
    properties: Properties,
}

impl RunMeta {
    /// How many of a table's last bytes hold everything but the data: call with
    /// the last [`FOOTER_BYTES`] (or more) bytes of a table of `file_bytes` bytes.
    ///
    /// # Errors
    ///
    /// When there is no intact footer.
    pub fn tail_bytes(tail: &[u8], file_bytes: u64) -> Result<u64, SstError> {
        Ok(file_bytes - Footer::parse(tail, file_bytes)?.index)
    }

    /// Reads header and tail of a table of `file_bytes` bytes. `tail` is at least
    /// [`tail_bytes`](RunMeta::tail_bytes) long.
    ///
    /// # Errors
    ///
    /// When anything of it is not intact, or of another version.
    pub fn parse(header: &[u8], tail: &[u8], file_bytes: u64) -> Result<Self, SstError> {
        let footer = Footer::parse(tail, file_bytes)?;
        let identity = footer.identity;
        layout::check_header(header.get(..HEADER_BYTES).unwrap_or(header), &identity)?;
        let section = |from: u64, to: u64| {
            let short = || SstError::damaged(from, "a section", "too few bytes");
            let begin = (tail.len() as u64).checked_sub(file_bytes - from).ok_or_else(short)?;
            let bytes = tail.get(begin as usize..).ok_or_else(short)?;
            let bytes = bytes.get(..(to - from) as usize).ok_or_else(short)?;
            layout::open_section(bytes, &identity, from, true)
        };
        let index = section(footer.index, footer.properties)?;
        let blocks = decode_index(index, footer.index)
            .ok_or_else(|| SstError::damaged(footer.index, "an index of all blocks", "another"))?;
        let end = file_bytes - FOOTER_BYTES as u64;
        let properties = Properties::decode(section(footer.properties, end)?)
            .ok_or_else(|| SstError::damaged(footer.properties, "properties", "other bytes"))?;
        let counted = blocks.iter().try_fold(0_u64, |sum, block| sum.checked_add(block.entries));
        if counted != Some(properties.entries) || blocks.len() as u64 != properties.blocks {
            let found = format!("{counted:?} entries in {} blocks", blocks.len());
            let expected = format!("{} in {}", properties.entries, properties.blocks);
            return Err(SstError::damaged(footer.properties, expected, found));
        }
        Ok(Self { identity, file_bytes, blocks, properties })
    }

    pub(crate) fn new(
        identity: Identity,
        file_bytes: u64,
        blocks: Vec<BlockHandle>,
        properties: Properties,
    ) -> Self {
        Self { identity, file_bytes, blocks, properties }
    }

    /// Whose table this is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The table's length in bytes.
    #[must_use]
    pub const fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// The table's counts and bounds.
    #[must_use]
    pub const fn properties(&self) -> &Properties {
        &self.properties
    }

    /// The data blocks in order; at least one.
    #[must_use]
    pub fn blocks(&self) -> &[BlockHandle] {
        &self.blocks
    }

    /// The number of the first block whose last entry is at or after `target`:
    /// `None` when all lie before it.
    #[must_use]
    pub fn find_block(&self, target: InternalKey<'_>) -> Option<usize> {
        let found = self.blocks.partition_point(|block| block.last() < target);
        (found < self.blocks.len()).then_some(found)
    }

    /// The block that `handle` tells of, out of its section's bytes. With `verify`
    /// its checksum is compared first.
    ///
    /// # Errors
    ///
    /// When the bytes are not that block.
    pub fn open_block<'a>(
        &self,
        handle: &BlockHandle,
        section: &'a [u8],
        verify: bool,
    ) -> Result<Block<'a>, SstError> {
        let payload = layout::open_section(section, &self.identity, handle.offset, verify)?;
        let block = Block::new(payload, handle.offset)?;
        if block.len() as u64 != handle.entries {
            let expected = format!("{} entries", handle.entries);
            return Err(SstError::damaged(handle.offset, expected, format!("{}", block.len())));
        }
        Ok(block)
    }
}

//! What is known of a table without its data: identity, index and properties.

use alloc::format;
use alloc::vec::Vec;

use crate::index::{BlockHandle, Counts, Index};
use crate::layout::{self, Footer};
use crate::properties::Properties;
use crate::section::{self, Expected, Payload, SECTION_HEADER_BYTES, SectionKind};
use crate::{Block, FOOTER_BYTES, HEADER_BYTES, Identity, SstError, StoredBlock};

/// A table's footer, index and properties, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunMeta {
    identity: Identity,
    file_bytes: u64,
    index: Index,
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
        let end = file_bytes - FOOTER_BYTES as u64;
        let ends =
            [(footer.index, footer.properties), (footer.properties, end)].map(|(from, to)| {
                let begin = (tail.len() as u64).checked_sub(file_bytes - from)? as usize;
                tail.get(begin..)?.get(..(to - from) as usize)
            });
        let [Some(index), Some(properties)] = ends else {
            return Err(SstError::damaged(footer.index, "index and properties", "too few bytes"));
        };
        let index = open_whole(index, &identity, footer.index, SectionKind::Index)?;
        let index = Index::decode(index, footer.index)?;
        let at = footer.properties;
        let properties = open_whole(properties, &identity, at, SectionKind::Properties)?;
        let properties = Properties::decode(properties, at)?;
        let meta = Self { identity, file_bytes, index, properties };
        meta.agree(at)?;
        Ok(meta)
    }

    /// Index and properties tell of the same table.
    fn agree(&self, at: u64) -> Result<(), SstError> {
        let (counts, said) = (self.index.total(), &self.properties);
        if counts != said.counts || self.index.len() as u64 != said.blocks {
            let expected = format!("{:?} in {} blocks", counts, self.index.len());
            let found = format!("{:?} in {}", said.counts, said.blocks);
            return Err(SstError::damaged(at, expected, found));
        }
        let last = self.index.separator(self.index.len().saturating_sub(1));
        let last: Vec<u8> = last.map_or_else(Vec::new, |(prefix, rest)| [prefix, rest].concat());
        if last != said.largest || said.smallest > said.largest {
            let expected = "the last separator as the largest key, the smallest below";
            return Err(SstError::damaged(at, expected, "other keys"));
        }
        if said.lowest_seq > said.highest_seq {
            let found = format!("{} and {}", said.lowest_seq, said.highest_seq);
            return Err(SstError::damaged(at, "ascending sequence numbers", found));
        }
        Ok(())
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

    /// How many data blocks there are; at least one.
    #[must_use]
    pub fn block_count(&self) -> usize {
        self.index.len()
    }

    /// Block `number`, counted from zero; `None` behind the last.
    #[must_use]
    pub fn block(&self, number: usize) -> Option<BlockHandle> {
        self.index.block(number)
    }

    /// All blocks in order.
    pub fn blocks(&self) -> impl DoubleEndedIterator<Item = BlockHandle> + '_ {
        (0..self.block_count()).filter_map(|number| self.index.block(number))
    }

    /// The number of the block that holds the newest version of `user_key` if any
    /// does, and otherwise the first entry behind it or the block before that one.
    /// `None` when all keys lie before it.
    #[must_use]
    pub fn find_block(&self, user_key: &[u8]) -> Option<usize> {
        self.index.find(user_key)
    }

    /// The shortened key between block `number` and the next: at or above all keys of
    /// the one, below those of the other. It comes in two pieces.
    #[must_use]
    pub fn separator(&self, number: usize) -> Option<(&[u8], &[u8])> {
        self.index.separator(number)
    }

    /// The block that the entry number `rank`, counted from zero, stands in.
    pub(crate) fn block_of_rank(&self, rank: u64) -> usize {
        let (mut low, mut high) = (0, self.block_count());
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            if self.counts_before(middle).entries <= rank { low = middle } else { high = middle }
        }
        low
    }

    /// What stands before block `number`; the counts of the table for a number behind
    /// the last.
    #[must_use]
    pub fn counts_before(&self, number: usize) -> Counts {
        self.index.counts_before(number)
    }

    /// Bytes that index and properties take in memory.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let keys = self.properties.smallest.len() + self.properties.largest.len();
        size_of::<Self>() + self.index.memory_bytes() + keys
    }

    /// The payload of a block, out of its section's bytes (padding left out). With
    /// `verify` its checksum is compared first.
    ///
    /// # Errors
    ///
    /// When the bytes are not that block.
    #[inline]
    pub fn open_block<'a>(
        &self,
        handle: &BlockHandle,
        section: &'a [u8],
        verify: bool,
    ) -> Result<Payload<'a>, SstError> {
        let (identity, offset) = (&self.identity, handle.offset);
        let kind = SectionKind::Block;
        let expected = Expected { identity, offset, kind, number: handle.number };
        section::open_section(section, expected, verify)
    }

    /// The block over its unpacked payload.
    ///
    /// # Errors
    ///
    /// When the payload is none, or has not as many entries as the index says.
    #[inline]
    pub fn parse_block<'a>(
        &self,
        handle: &BlockHandle,
        payload: &'a [u8],
    ) -> Result<Block<'a>, SstError> {
        let block = Block::parse(payload, handle.offset)?;
        if block.len() as u64 != handle.counts.entries {
            let expected = format!("{} entries, as the index says", handle.counts.entries);
            return Err(SstError::damaged(handle.offset, expected, format!("{}", block.len())));
        }
        Ok(block)
    }

    /// The block as it is stored, to be carried over to another table: `section` are bytes
    /// that [`open_block`](RunMeta::open_block) has verified, and `payload` is what they
    /// unpack to.
    ///
    /// # Errors
    ///
    /// As [`parse_block`](RunMeta::parse_block).
    pub fn stored_block<'a>(
        &self,
        handle: &BlockHandle,
        section: &'a [u8],
        payload: &'a [u8],
    ) -> Result<StoredBlock<'a>, SstError> {
        let block = self.parse_block(handle, payload)?;
        StoredBlock::new(handle, section, block, payload.len())
    }

    /// Where the properties begin in the table `bytes`.
    pub(crate) fn properties_offset(&self, bytes: &[u8]) -> Result<u64, SstError> {
        Ok(Footer::parse(bytes, self.file_bytes)?.properties)
    }

    /// Where index and properties end, padding not included, in the table `bytes`.
    pub(crate) fn tail_ends(&self, bytes: &[u8]) -> Result<[u64; 2], SstError> {
        let footer = Footer::parse(bytes, self.file_bytes)?;
        let end = |at: u64| {
            let rest = bytes.get(at as usize..).unwrap_or_default();
            let stored = section::RawFrame::parse(rest, at)?.stored;
            Ok(at + SECTION_HEADER_BYTES as u64 + u64::from(stored))
        };
        Ok([end(footer.index)?, end(footer.properties)?])
    }
}

/// The payload of a plain section whose padded bytes these are.
fn open_whole<'a>(
    bytes: &'a [u8],
    identity: &Identity,
    offset: u64,
    kind: SectionKind,
) -> Result<&'a [u8], SstError> {
    let stored = section::RawFrame::parse(bytes, offset)?.stored as usize;
    let len = stored.saturating_add(SECTION_HEADER_BYTES);
    if section::align(len as u64) != Some(bytes.len() as u64) {
        let expected = format!("a section that ends {} bytes on", bytes.len());
        return Err(SstError::damaged(offset + 8, expected, format!("{stored} bytes")));
    }
    let expected = Expected { identity, offset, kind, number: 0 };
    match section::open_section(bytes.get(..len).unwrap_or(bytes), expected, true)? {
        Payload::Plain(payload) => Ok(payload),
        Payload::Packed(_) => Err(SstError::damaged(offset, "a plain section", "a packed one")),
    }
}

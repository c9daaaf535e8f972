//! Writing a table: entries go in one by one, finished bytes come out in between.

use alloc::vec::Vec;

use lsm_types::{Entry, InternalKey, Kind, MAX_KEY_BYTES, MAX_VALUE_BYTES};
use thiserror::Error;

use crate::block::BlockBuilder;
use crate::layout::{self, Footer, Identity};
use crate::meta::{BlockHandle, Properties, RunMeta, encode_index};

/// What a block is filled up to, in bytes of its payload.
const BLOCK_TARGET_BYTES: usize = 4096;
/// The most entries of a block. Durable: later versions number them in a byte.
const BLOCK_MAX_ENTRIES: usize = 253;

/// An entry that cannot be written. The writer is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WriteError {
    /// Not above the entry before.
    #[error("entries must ascend: key up, sequence number down")]
    Order,
    /// Above [`MAX_KEY_BYTES`].
    #[error("key longer than 2^30 bytes")]
    KeyTooLong,
    /// Above [`MAX_VALUE_BYTES`].
    #[error("value longer than 2^30 bytes")]
    ValueTooLong,
    /// A tombstone with a value.
    #[error("a tombstone has no value")]
    TombstoneValue,
    /// The index of the table would be longer than 2^32 bytes.
    #[error("the keys of the table are too long for its index")]
    TableTooLong,
    /// A table without entries is no table.
    #[error("a table holds at least one entry")]
    Empty,
}

/// A finished table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSummary {
    /// Its index and properties, as reading them back would give.
    pub meta: RunMeta,
}

/// Writes one table.
///
/// The bytes collect in the writer; whoever writes the file takes them out with
/// [`take_bytes`](RunWriter::take_bytes) as often as it likes, so that memory does
/// not grow with the table.
#[derive(Debug)]
pub struct RunWriter {
    identity: Identity,
    out: Vec<u8>,
    taken: u64,
    block: BlockBuilder,
    blocks: Vec<BlockHandle>,
    properties: Properties,
    last_key: Vec<u8>,
    last_seq: lsm_types::SeqNo,
}

impl RunWriter {
    /// A writer for the table that `identity` names.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        let mut out = Vec::new();
        layout::put_header(&mut out, &identity);
        Self {
            identity,
            out,
            taken: 0,
            block: BlockBuilder::default(),
            blocks: Vec::new(),
            properties: Properties::default(),
            last_key: Vec::new(),
            last_seq: lsm_types::SeqNo::MAX,
        }
    }

    fn check(&self, entry: &Entry<'_>) -> Result<(), WriteError> {
        if entry.user_key.len() > MAX_KEY_BYTES {
            return Err(WriteError::KeyTooLong);
        }
        if entry.value.len() > MAX_VALUE_BYTES {
            return Err(WriteError::ValueTooLong);
        }
        if entry.kind == Kind::Delete && !entry.value.is_empty() {
            return Err(WriteError::TombstoneValue);
        }
        let last = InternalKey { user_key: &self.last_key, seq: self.last_seq };
        if self.properties.entries > 0 && entry.key() <= last {
            return Err(WriteError::Order);
        }
        Ok(())
    }

    /// Adds an entry.
    ///
    /// # Errors
    ///
    /// When it is not above the last one or breaks a limit; nothing has changed.
    pub fn push(&mut self, entry: &Entry<'_>) -> Result<(), WriteError> {
        self.check(entry)?;
        let bytes = self.block.bytes_with(entry.user_key.len(), entry.value.len());
        let full = bytes > BLOCK_TARGET_BYTES || self.block.len() == BLOCK_MAX_ENTRIES;
        if full && !self.block.is_empty() {
            self.close_block()?;
        }
        self.block.push(entry);
        let seen = &mut self.properties;
        if seen.entries == 0 {
            seen.smallest = entry.user_key.to_vec();
            (seen.lowest_seq, seen.highest_seq) = (entry.seq, entry.seq);
        } else if entry.user_key == self.last_key {
            seen.hidden += 1;
        }
        seen.entries += 1;
        seen.tombstones += u64::from(entry.kind == Kind::Delete);
        seen.raw_bytes += (entry.user_key.len() + entry.value.len()) as u64;
        seen.lowest_seq = seen.lowest_seq.min(entry.seq);
        seen.highest_seq = seen.highest_seq.max(entry.seq);
        self.last_key.clear();
        self.last_key.extend_from_slice(entry.user_key);
        self.last_seq = entry.seq;
        Ok(())
    }

    fn offset(&self) -> u64 {
        self.taken + self.out.len() as u64
    }

    fn close_block(&mut self) -> Result<(), WriteError> {
        let offset = self.offset();
        let entries = self.block.len() as u64;
        layout::put_section(&mut self.out, &self.identity, offset, &self.block.finish())?;
        self.blocks.push(BlockHandle {
            offset,
            len: self.offset() - offset,
            entries,
            last_key: self.last_key.clone(),
            last_seq: self.last_seq,
        });
        Ok(())
    }

    /// How many finished bytes wait to be taken.
    #[must_use]
    pub fn ready_bytes(&self) -> usize {
        self.out.len()
    }

    /// The finished bytes, to be written right behind those taken before.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        self.taken = self.offset();
        core::mem::take(&mut self.out)
    }

    /// About how long the table would be if it ended now.
    #[must_use]
    pub fn estimated_bytes(&self) -> u64 {
        self.offset() + self.block.bytes_with(0, 0) as u64
    }

    /// How many entries were added.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.properties.entries
    }

    /// Closes the table and gives the last bytes with a summary.
    ///
    /// # Errors
    ///
    /// [`WriteError::Empty`] when nothing was added, [`WriteError::TableTooLong`] when
    /// the keys are too long for an index.
    pub fn finish(mut self) -> Result<(Vec<u8>, RunSummary), WriteError> {
        if self.block.is_empty() {
            return Err(WriteError::Empty);
        }
        self.close_block()?;
        self.properties.blocks = self.blocks.len() as u64;
        self.properties.largest = core::mem::take(&mut self.last_key);
        let index = self.offset();
        layout::put_section(&mut self.out, &self.identity, index, &encode_index(&self.blocks))?;
        let properties = self.offset();
        let encoded = self.properties.encode();
        layout::put_section(&mut self.out, &self.identity, properties, &encoded)?;
        let file_bytes = self.offset() + crate::FOOTER_BYTES as u64;
        let footer = Footer { index, properties, identity: self.identity, file_bytes };
        footer.put(&mut self.out);
        let meta = RunMeta::new(self.identity, file_bytes, self.blocks, self.properties);
        Ok((self.out, RunSummary { meta }))
    }
}

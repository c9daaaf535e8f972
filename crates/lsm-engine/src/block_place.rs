//! A block that a cursor is in, and an entry of it.
//!
//! The place owns the block's bytes, or what keeps them mapped, so the cursor needs no
//! borrow. They were parsed once when the block was entered, and are checked all the same
//! with every entry: they may change under a mapping.

use std::ops::Range;
use std::sync::Arc;

use lsm_sstable::{Block, BlockHandle, BlockPlaces, SstError, StoredBlock, range_in};
use lsm_types::{InternalKey, Kind, SeqNo};

use crate::Result;
use crate::key_buffer::KeyBuffer;
use crate::table::{BlockBytes, ReadBlock, Table};
use crate::value::{INLINE_BYTES, Value};
use crate::view::LiveTable;

/// How far ahead of a walk from the back bytes are asked for: some rows of usual size.
const PREFETCH_BYTES: usize = 1024;
const CACHE_LINE_BYTES: usize = 64;

/// How blocks come to a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// As a reader: in place or out of the cache, verified at first touch. What passes by
    /// does not sweep the cache.
    Serve,
    /// The same ahead of a reader, while the keys are being deleted: the writer is not asked
    /// to keep them in order.
    Ahead,
    /// As a merge: from the disk, verified always, past the cache.
    Merge,
}

/// A block, and an entry in it.
#[derive(Debug)]
pub(crate) struct BlockPlace {
    /// The position of the table in the run.
    pub(crate) table: usize,
    pub(crate) block: usize,
    /// Where the block begins in its file, for messages.
    offset: u64,
    /// Whether every key of the table is there once.
    pub(crate) is_plain: bool,
    /// The entries that may be stood on.
    pub(crate) within: Range<usize>,
    bytes: Bytes,
    /// Where the block's payload lies in the bytes.
    payload: Range<usize>,
    /// The block as it is stored, if a merge reads it.
    section: Option<Arc<[u8]>>,
    places: BlockPlaces,
    /// The entry that is stood on, and what of it is not its key.
    pub(crate) entry: usize,
    pub(crate) seq: SeqNo,
    pub(crate) kind: Kind,
    /// Where the value lies in the bytes.
    value: Range<usize>,
}

/// Where a block's bytes are.
#[derive(Debug)]
enum Bytes {
    /// In the mapping of a table.
    InPlace(Arc<Table>),
    Held(Arc<[u8]>),
}

impl Bytes {
    #[inline(always)]
    fn all(&self) -> &[u8] {
        match self {
            Self::InPlace(table) => table.mapped(),
            Self::Held(bytes) => bytes,
        }
    }
}

impl BlockPlace {
    /// Reads a block of a table of the run, and stands on no entry yet. `None` if there
    /// is no such block.
    pub(crate) fn enter(
        live: &LiveTable,
        (table, block): (usize, usize),
        reading: Reading,
        key: &mut KeyBuffer,
    ) -> Result<Option<Self>> {
        let meta = live.table.meta();
        let Some(handle) = meta.block(block) else { return Ok(None) };
        let Loaded { bytes, payload, section } = read(&live.table, &handle, reading)?;
        let whole = bytes.all().get(payload.clone()).unwrap_or_default();
        let opened = live.table.open_block(&handle, whole)?;
        key.set_prefix(opened.prefix());
        let places = BlockPlaces::of(&opened, whole);
        Ok(Some(Self {
            table,
            block,
            offset: handle.offset,
            is_plain: meta.properties().counts.hidden == 0,
            within: 0..opened.len(),
            bytes,
            payload,
            section,
            places,
            entry: 0,
            seq: SeqNo::ZERO,
            kind: Kind::Put,
            value: 0..0,
        }))
    }

    /// How many entries the block has.
    pub(crate) const fn len(&self) -> usize {
        self.places.len()
    }

    /// The first entry of the block at or after `target`.
    pub(crate) fn search(&self, target: InternalKey<'_>) -> Result<usize, SstError> {
        Block::parse(self.payload(), self.offset)?.search(target)
    }

    #[inline(always)]
    fn payload(&self) -> &[u8] {
        self.bytes.all().get(self.payload.clone()).unwrap_or_default()
    }

    /// Reads entry `number`, if it is there and of the usual kind.
    #[inline(always)]
    pub(crate) fn read_usual(&mut self, number: usize, key: &mut KeyBuffer) -> bool {
        let payload = self.payload();
        let Some(found) = self.places.entry(payload, number) else { return false };
        key.set_suffix(payload.get(found.suffix.start..).unwrap_or_default(), found.suffix.len());
        let start = self.payload.start;
        self.value = start + found.value.start..start + found.value.end;
        (self.entry, self.seq, self.kind) = (number, found.seq, found.kind);
        true
    }

    /// Reads entry `number`; `false` if there is none.
    #[inline(never)]
    pub(crate) fn read(&mut self, number: usize, key: &mut KeyBuffer) -> Result<bool, SstError> {
        if self.read_usual(number, key) {
            return Ok(true);
        }
        let payload = self.payload();
        let Some(entry) = Block::parse(payload, self.offset)?.entry(number)? else {
            return Ok(false);
        };
        key.set_suffix(entry.suffix, entry.suffix.len());
        let value = range_in(self.bytes.all(), entry.value);
        (self.entry, self.seq, self.kind, self.value) = (number, entry.seq, entry.kind, value);
        Ok(true)
    }

    /// Whether a merge stands at the beginning of the block, and may take all of it.
    #[inline(always)]
    pub(crate) fn is_whole(&self) -> bool {
        self.entry == 0 && self.section.is_some() && self.is_plain && self.within == (0..self.len())
    }

    /// The block as it is stored, for a merge.
    pub(crate) fn stored(&self, table: &Table) -> Option<(BlockHandle, StoredBlock<'_>)> {
        let (section, meta) = (self.section.as_deref()?, table.meta());
        let handle = meta.block(self.block)?;
        // It was parsed when it was entered: it is a block.
        Some((handle, meta.stored_block(&handle, section, self.payload()).ok()?))
    }

    /// The value of the entry.
    #[inline]
    pub(crate) fn value(&self) -> Option<&[u8]> {
        self.bytes.all().get(self.value.clone())
    }

    /// Asks for the rows behind the entry, which was sought: they all come to be wanted
    /// now.
    pub(crate) fn prefetch_behind(&self) {
        let end = self.payload.end.min(self.value.start + PREFETCH_BYTES);
        if let Some(ahead) = self.bytes.all().get(self.value.start..end) {
            lsm_sstable::prefetch(ahead);
        }
    }

    /// Asks for what a walk from the back comes to next but a few: processors see such a
    /// walk coming later than one from the front.
    #[inline(always)]
    pub(crate) fn prefetch_before(&self) {
        let start = self.value.start.saturating_sub(PREFETCH_BYTES);
        if let Some(ahead) = self.bytes.all().get(start..start + 2 * CACHE_LINE_BYTES) {
            lsm_sstable::prefetch(ahead);
        }
    }

    /// Where the value of the entry lies in a mapping, if it is too long to be held inside
    /// a [`Value`].
    #[inline(always)]
    pub(crate) fn mapped_value(&self) -> Option<(&Arc<Table>, usize, usize)> {
        let (Bytes::InPlace(table), len) = (&self.bytes, self.value.len()) else { return None };
        (len > INLINE_BYTES).then_some((table, self.value.start, len))
    }

    /// The value of the entry, to keep.
    pub(crate) fn kept(&self) -> Option<Value> {
        let bytes = self.value()?;
        Some(match &self.bytes {
            Bytes::InPlace(table) => Value::of_table(bytes, table, self.value.start),
            Bytes::Held(held) => Value::of_block(bytes, held, self.value.start),
        })
    }
}

/// A block's bytes, and where in them its payload is.
struct Loaded {
    bytes: Bytes,
    payload: Range<usize>,
    /// The block as it is stored, for a merge.
    section: Option<Arc<[u8]>>,
}

fn read(table: &Arc<Table>, handle: &BlockHandle, reading: Reading) -> Result<Loaded> {
    let bytes = match reading {
        Reading::Merge => {
            let ReadBlock { bytes, payload, section } = table.read_block(handle)?;
            return Ok(Loaded { bytes: Bytes::Held(bytes), payload, section: Some(section) });
        }
        Reading::Serve | Reading::Ahead => table.peek_block_bytes(handle)?.0,
    };
    let (bytes, payload) = match bytes {
        BlockBytes::InPlace(payload) => {
            (Bytes::InPlace(Arc::clone(table)), range_in(table.mapped(), payload))
        }
        BlockBytes::Held(held) => {
            let all = 0..held.len();
            (Bytes::Held(held), all)
        }
    };
    Ok(Loaded { bytes, payload, section: None })
}

/// How many entries of a table lie before a key, and in which block the first behind it
/// is looked for.
pub(crate) struct Rank {
    pub(crate) before: u64,
    pub(crate) block: usize,
}

pub(crate) fn rank(table: &Arc<Table>, key: &[u8], reading: Reading) -> Result<Rank> {
    let meta = table.meta();
    let block = meta.find_block(key).unwrap_or(meta.block_count());
    let mut before = meta.counts_before(block).entries;
    if let Some(handle) = meta.block(block) {
        let Loaded { bytes, payload, .. } = read(table, &handle, reading)?;
        let opened = table.open_block(&handle, bytes.all().get(payload).unwrap_or_default())?;
        let found = opened.search(InternalKey::first_of(key));
        before += found.map_err(|error| table.error(error))? as u64;
    }
    Ok(Rank { before, block })
}

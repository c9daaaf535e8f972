//! A whole table in memory: for tools and tests, and for anyone without an engine.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::ops::{Bound, Range, RangeBounds};

use lsm_types::{InternalKey, Kind, SeqNo};

use crate::block::range_in;
use crate::iter::Iter;
use crate::{Block, BlockEntry, Properties, RunMeta, SstError, validate};

/// A table over bytes that it borrows. Blocks that are stored plainly are read in
/// place; each block's checksum is compared whenever it is opened.
///
/// ```
/// use lsm_sstable::{Identity, RunReader, RunWriter, WriteOptions};
/// let mut writer = RunWriter::new(Identity::alone([7; 16]), WriteOptions::default())?;
/// for (key, value) in [("a", "1"), ("b", "2"), ("c", "3")] {
///     writer.push(key.as_bytes(), value.as_bytes())?;
/// }
/// let table = writer.finish()?.bytes;
///
/// let reader = RunReader::new(&table)?;
/// assert_eq!(reader.get(b"b")?.unwrap().value(), b"2");
/// let last = reader.iter().next_back().unwrap()?;
/// assert_eq!((last.to_key(), last.value()), (b"c".to_vec(), &b"3"[..]));
/// assert_eq!(reader.range("b"..)?.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RunReader<'a> {
    bytes: &'a [u8],
    meta: RunMeta,
}

/// A place in a table: a block and an entry in it. Behind the last entry: the first
/// block that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) block: usize,
    pub(crate) entry: usize,
}

impl Place {
    const FIRST: Self = Self { block: 0, entry: 0 };
}

impl<'a> RunReader<'a> {
    /// Reads header, index, properties and footer.
    ///
    /// # Errors
    ///
    /// When they are not intact.
    pub fn new(bytes: &'a [u8]) -> Result<Self, SstError> {
        Ok(Self { bytes, meta: RunMeta::parse(bytes, bytes, bytes.len() as u64)? })
    }

    /// The table's identity and index.
    #[must_use]
    pub const fn meta(&self) -> &RunMeta {
        &self.meta
    }

    /// The table's counts and bounds.
    #[must_use]
    pub const fn properties(&self) -> &Properties {
        self.meta.properties()
    }

    /// Reads everything and compares it with everything else: checksums, order, heads,
    /// hash buckets, separators, counts, padding.
    ///
    /// # Errors
    ///
    /// The first thing that is not as the format wants it. [`problems`](crate::problems)
    /// gives all of them.
    pub fn validate(&self) -> Result<(), SstError> {
        validate::blocks(self.bytes, &self.meta, &mut |problem| Err(problem.error))
    }

    /// The unpacked payload of block `number`, verified, for [`Block::parse`]; `None`
    /// behind the last.
    ///
    /// # Errors
    ///
    /// When it is damaged.
    pub fn payload(&self, number: usize) -> Result<Option<Cow<'a, [u8]>>, SstError> {
        let Some(handle) = self.meta.block(number) else { return Ok(None) };
        let section = crate::section_bytes(self.bytes, &handle)?;
        let payload = self.meta.open_block(&handle, section, true)?.unpack()?;
        self.meta.parse_block(&handle, &payload)?;
        Ok(Some(payload))
    }

    /// Block `number`, verified; `None` behind the last.
    pub(crate) fn data(&self, number: usize) -> Result<Option<Data<'a>>, SstError> {
        let Some(payload) = self.payload(number)? else { return Ok(None) };
        let at = self.meta.block(number).map_or(0, |handle| handle.offset);
        Ok(Some(match payload {
            Cow::Borrowed(bytes) => Data::Borrowed(Block::parse(bytes, at)?),
            Cow::Owned(bytes) => Data::Unpacked { bytes: bytes.into(), at },
        }))
    }

    /// The newest version of `key`, a tombstone perhaps.
    ///
    /// # Errors
    ///
    /// When the block that would hold it is damaged.
    pub fn get(&self, key: &[u8]) -> Result<Option<Row<'a>>, SstError> {
        let Some(number) = self.meta.find_block(key) else { return Ok(None) };
        let Some(data) = self.data(number)? else { return Ok(None) };
        match data.block()?.find(key, lsm_bloom::hash(key))? {
            Some((entry, _)) => data.row(entry),
            None => Ok(None),
        }
    }

    /// The version of `key` that was the newest when `seq` was the last write.
    ///
    /// # Errors
    ///
    /// As [`get`](RunReader::get).
    pub fn get_at(&self, key: &[u8], seq: SeqNo) -> Result<Option<Row<'a>>, SstError> {
        let (place, data) = self.place_of(InternalKey { user_key: key, seq })?;
        let row = data.map_or(Ok(None), |data| data.row(place.entry))?;
        Ok(row.filter(|row| row.cmp_key(key) == Ordering::Equal))
    }

    /// The place of the first entry at or after `target`, and its block.
    fn place_of(&self, target: InternalKey<'_>) -> Result<(Place, Option<Data<'a>>), SstError> {
        let end = (self.end(), None);
        let Some(mut block) = self.meta.find_block(target.user_key) else { return Ok(end) };
        // The first block can end before the target: its separator is not a key of it,
        // or the key's older versions are in the next one.
        while let Some(data) = self.data(block)? {
            let opened = data.block()?;
            let (entry, entries) = (opened.search(target)?, opened.len());
            if entry < entries {
                return Ok((Place { block, entry }, Some(data)));
            }
            block += 1;
        }
        Ok(end)
    }

    /// How many entries stand before `place`.
    pub(crate) fn rank_of(&self, place: Place) -> u64 {
        self.meta.counts_before(place.block).entries + place.entry as u64
    }

    /// How many entries, of all versions, have a key below `key`. It reads one block.
    ///
    /// # Errors
    ///
    /// When that block is damaged.
    pub fn rank(&self, key: &[u8]) -> Result<u64, SstError> {
        Ok(self.rank_of(self.place_of(InternalKey::first_of(key))?.0))
    }

    /// How many entries, of all versions, have keys in `range`. It reads two blocks.
    ///
    /// # Errors
    ///
    /// When one of these is damaged.
    pub fn count<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Result<u64, SstError> {
        let (start, end) = self.places(range)?;
        Ok(self.rank_of(end).saturating_sub(self.rank_of(start)))
    }

    fn places<K: AsRef<[u8]>>(
        &self,
        range: impl RangeBounds<K>,
    ) -> Result<(Place, Place), SstError> {
        let first_of = |key: &[u8]| Ok(self.place_of(InternalKey::first_of(key))?.0);
        let before = |key: &K| first_of(key.as_ref());
        let behind = |key: &K| {
            // The first key behind another one is that key and a zero.
            let next = [key.as_ref(), &[0]].concat();
            first_of(&next)
        };
        let start = match range.start_bound() {
            Bound::Included(key) => before(key)?,
            Bound::Excluded(key) => behind(key)?,
            Bound::Unbounded => Place::FIRST,
        };
        let end = match range.end_bound() {
            Bound::Included(key) => behind(key)?,
            Bound::Excluded(key) => before(key)?,
            Bound::Unbounded => self.end(),
        };
        Ok((start, end))
    }

    /// All entries in order, from either end.
    pub fn iter(&self) -> Iter<'_, 'a> {
        Iter::new(self, Place::FIRST, self.end())
    }

    /// The entries from the first one at or after `target` on: the versions of a key
    /// from a sequence number on, then the keys behind it.
    ///
    /// # Errors
    ///
    /// When the block that holds it is damaged.
    pub fn seek(&self, target: InternalKey<'_>) -> Result<Iter<'_, 'a>, SstError> {
        Ok(Iter::new(self, self.place_of(target)?.0, self.end()))
    }

    /// Behind the last entry.
    fn end(&self) -> Place {
        Place { block: self.meta.block_count(), entry: 0 }
    }

    /// The place of the entry number `rank`, counted from zero.
    pub(crate) fn place_of_rank(&self, rank: u64) -> Place {
        let block = self.meta.block_of_rank(rank);
        let before = self.meta.counts_before(block).entries;
        Place { block, entry: rank.saturating_sub(before) as usize }
    }

    /// The entries whose keys are in `range`, from either end. An empty or inverted
    /// range has none.
    ///
    /// # Errors
    ///
    /// When a block at one of the range's ends is damaged.
    pub fn range<K: AsRef<[u8]>>(
        &self,
        range: impl RangeBounds<K>,
    ) -> Result<Iter<'_, 'a>, SstError> {
        let (start, end) = self.places(range)?;
        Ok(Iter::new(self, start, end))
    }
}

/// A block where it lies, or unpacked.
#[derive(Clone)]
pub(crate) enum Data<'a> {
    Borrowed(Block<'a>),
    Unpacked { bytes: Arc<[u8]>, at: u64 },
}

impl<'a> Data<'a> {
    pub(crate) fn block(&self) -> Result<Block<'_>, SstError> {
        match self {
            Self::Borrowed(block) => Ok(*block),
            Self::Unpacked { bytes, at } => Block::parse(bytes, *at),
        }
    }

    /// Entry `number` of the block; `None` behind its last.
    #[inline]
    pub(crate) fn row(&self, number: usize) -> Result<Option<Row<'a>>, SstError> {
        match self {
            Self::Borrowed(block) => {
                Ok(block.entry(number)?.map(|entry| Row(RowData::Borrowed(entry))))
            }
            Self::Unpacked { bytes, at } => Self::unpacked_row(bytes, *at, number),
        }
    }

    /// Entry `number` of a block that is read in place, if it is a usual one.
    #[inline]
    pub(crate) fn short_row(&self, number: usize) -> Option<Row<'a>> {
        let Self::Borrowed(block) = self else { return None };
        Some(Row(RowData::Borrowed(block.short_at(number)?)))
    }

    fn unpacked_row(
        bytes: &Arc<[u8]>,
        at: u64,
        number: usize,
    ) -> Result<Option<Row<'a>>, SstError> {
        let Some(entry) = Block::parse(bytes, at)?.entry(number)? else { return Ok(None) };
        let row = UnpackedRow {
            prefix: range_in(bytes, entry.prefix),
            suffix: range_in(bytes, entry.suffix),
            value: range_in(bytes, entry.value),
            seq: entry.seq,
            kind: entry.kind,
            bytes: Arc::clone(bytes),
        };
        Ok(Some(Row(RowData::Unpacked(row))))
    }
}

/// One version of one key. Its key is in two pieces, as the block stores it.
#[derive(Clone)]
pub struct Row<'a>(RowData<'a>);

#[derive(Clone)]
enum RowData<'a> {
    Borrowed(BlockEntry<'a>),
    Unpacked(UnpackedRow),
}

#[derive(Clone)]
struct UnpackedRow {
    bytes: Arc<[u8]>,
    prefix: Range<usize>,
    suffix: Range<usize>,
    value: Range<usize>,
    seq: SeqNo,
    kind: Kind,
}

impl<'a> Row<'a> {
    /// The value, without the row: borrowed from the table's bytes where its block is
    /// stored plainly.
    #[must_use]
    pub fn into_value(self) -> Cow<'a, [u8]> {
        match self.0 {
            RowData::Borrowed(entry) => Cow::Borrowed(entry.value),
            RowData::Unpacked(row) => {
                Cow::Owned(row.bytes.get(row.value).unwrap_or_default().to_vec())
            }
        }
    }

    fn entry(&self) -> BlockEntry<'_> {
        match &self.0 {
            RowData::Borrowed(entry) => *entry,
            RowData::Unpacked(row) => {
                let part = |range: &Range<usize>| row.bytes.get(range.clone()).unwrap_or_default();
                BlockEntry {
                    prefix: part(&row.prefix),
                    suffix: part(&row.suffix),
                    seq: row.seq,
                    kind: row.kind,
                    value: part(&row.value),
                }
            }
        }
    }

    /// The key: what all keys of its block begin with, and the rest.
    #[must_use]
    pub fn key_parts(&self) -> (&[u8], &[u8]) {
        let entry = self.entry();
        (entry.prefix, entry.suffix)
    }

    /// The key, put together.
    #[must_use]
    pub fn to_key(&self) -> Vec<u8> {
        self.entry().to_key()
    }

    /// How the key stands to another one.
    #[must_use]
    pub fn cmp_key(&self, other: &[u8]) -> Ordering {
        self.entry().cmp_key(other)
    }

    /// The value; empty for a tombstone.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        self.entry().value
    }

    /// When the version was written.
    #[must_use]
    pub fn seq(&self) -> SeqNo {
        self.entry().seq
    }

    /// What it does to the key.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.entry().kind
    }
}

impl fmt::Debug for RunReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunReader").field("identity", self.meta.identity()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = self.entry();
        f.debug_struct("Row")
            .field("key", &format_args!("\"{}\"", entry.to_key().escape_ascii()))
            .field("seq", &entry.seq)
            .field("kind", &entry.kind)
            .field("value_bytes", &entry.value.len())
            .finish()
    }
}

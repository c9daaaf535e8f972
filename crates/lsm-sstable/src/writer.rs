//! Writing a table: entries go in one by one, or by the block as another table stores
//! them; finished bytes come out in between.

use alloc::vec::Vec;
use core::cmp::Ordering;

use lsm_bloom::{Filter, FilterBuilder};
use lsm_types::{Entry, Kind, MAX_KEY_BYTES, MAX_VALUE_BYTES, SeqNo};
use thiserror::Error;

use crate::block::MAX_BYTES;
use crate::block_builder::BlockBuilder;
use crate::index::{Counts, IndexBuilder};
use crate::layout::{self, Footer, Identity};
use crate::properties::Properties;
use crate::section::{self, ALIGNMENT, Codec, Frame, SECTION_HEADER_BYTES, SectionKind};
use crate::{RunMeta, SstError, StoredBlock};

/// An entry that cannot be written. The writer is as it was before.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Error)]
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
    /// The table would pass 256 GiB, or its index 4 GiB. What was added can be finished.
    #[error("the table is too long: end it and begin another")]
    TableTooLong,
    /// A table without entries is no table.
    #[error("a table holds at least one entry")]
    Empty,
    /// Compression that this build does not have.
    #[error("this build has no feature `lz4`")]
    NoLz4,
    /// A block that was to be carried over is not what its table says: give the table up
    /// that it was for.
    #[error("the block to be carried over: {0}")]
    Carried(SstError),
    /// What was written cannot be read back: a bug.
    #[error("the table that was written is none: {0}")]
    Unreadable(SstError),
}

/// How a table is written. All choices can be read by the same reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteOptions {
    /// What a block is filled up to, in bytes of its frame and its payload before
    /// compression; an entry may be longer and then has a block of its own.
    /// From 256 to 65,535; other numbers are taken for the nearest of these.
    pub block_bytes: usize,
    /// How blocks are stored where that saves an eighth of their length.
    pub codec: Codec,
    /// Bits that a filter over the keys spends on each, from 1 to 32; `None` makes no
    /// filter.
    pub filter_bits: Option<usize>,
}

impl WriteOptions {
    /// Plain blocks of 4 KiB and no filter.
    pub const PLAIN: Self = Self { block_bytes: 4096, codec: Codec::Plain, filter_bits: None };
    /// Compressed blocks of 16 KiB and no filter.
    pub const LZ4: Self = Self { block_bytes: 16_384, codec: Codec::Lz4, filter_bits: None };

    /// Blocks of the length that suits `codec`, and no filter.
    #[must_use]
    pub const fn of(codec: Codec) -> Self {
        match codec {
            Codec::Plain => Self::PLAIN,
            Codec::Lz4 => Self::LZ4,
        }
    }
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self::PLAIN
    }
}

/// No block begins at or behind this offset: readers count in units of 64 bytes, in
/// 32 bits. Durable.
const MAX_OFFSET: u64 = 1 << 38;

/// No more memory is asked for ahead of the bytes that will be taken.
const MOST_AHEAD: usize = 1 << 20;

/// A finished table.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Finished {
    /// The last bytes: all of them if none were taken before.
    pub bytes: Vec<u8>,
    /// Index and properties, as reading them back gives.
    pub meta: RunMeta,
    /// The filter over the keys, if one was asked for.
    pub filter: Option<Filter>,
}

/// Writes one table.
///
/// The bytes collect in the writer; whoever writes a file takes them out with
/// [`take_bytes`](RunWriter::take_bytes) as often as it likes, so that memory grows
/// with the index alone: about 50 bytes and a shortened key a block, and eight bytes a
/// key where a filter is made.
///
/// ```
/// use lsm_sstable::{Identity, RunReader, RunWriter, WriteOptions};
/// let mut writer = RunWriter::new(Identity::alone([7; 16]), WriteOptions::default())?;
/// writer.push(b"apple", b"red")?;
/// writer.push(b"banana", b"yellow")?;
/// assert!(writer.push(b"apricot", b"orange").is_err(), "not above banana");
/// let table = writer.finish()?.bytes;
/// assert_eq!(RunReader::new(&table)?.get(b"apple")?.unwrap().value(), b"red");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RunWriter {
    identity: Identity,
    options: WriteOptions,
    /// The longest payload of a block of several entries.
    block_limit: usize,
    out: Vec<u8>,
    taken: u64,
    /// Entries that wait. Empty while a block that was carried over has no separator yet.
    block: BlockBuilder,
    block_counts: Counts,
    carried: Option<Carried>,
    /// The payload of a block before it is compressed.
    scratch: Vec<u8>,
    /// Bytes of all payloads before they were compressed.
    raw_bytes: u64,
    index: IndexBuilder,
    properties: Properties,
    last_seq: SeqNo,
    filter: Option<FilterBuilder>,
}

/// A block that was carried over: what the index is told once the next key is known.
#[derive(Debug)]
struct Carried {
    /// Its last key.
    last: Vec<u8>,
    len: u64,
    counts: Counts,
}

impl RunWriter {
    /// A writer for the table that `identity` names.
    ///
    /// # Errors
    ///
    /// [`WriteError::NoLz4`] when compression is asked of a build without it.
    pub fn new(identity: Identity, options: WriteOptions) -> Result<Self, WriteError> {
        if options.codec == Codec::Lz4 && !cfg!(feature = "lz4") {
            return Err(WriteError::NoLz4);
        }
        let mut out = Vec::new();
        layout::put_header(&mut out, &identity);
        Ok(Self {
            identity,
            options,
            block_limit: options.block_bytes.clamp(256, MAX_BYTES) - SECTION_HEADER_BYTES,
            out,
            taken: 0,
            block: BlockBuilder::default(),
            block_counts: Counts::default(),
            carried: None,
            scratch: Vec::new(),
            raw_bytes: 0,
            index: IndexBuilder::default(),
            properties: Properties { codec: options.codec, ..Properties::default() },
            last_seq: SeqNo::MAX,
            filter: options.filter_bits.map(FilterBuilder::new),
        })
    }

    /// Whether the entry's key is that of the entry before; an error if it cannot be
    /// written behind it.
    fn check(&self, entry: &Entry<'_>) -> Result<bool, WriteError> {
        if entry.user_key.len() > MAX_KEY_BYTES {
            return Err(WriteError::KeyTooLong);
        }
        if entry.value.len() > MAX_VALUE_BYTES {
            return Err(WriteError::ValueTooLong);
        }
        if entry.kind == Kind::Delete && !entry.value.is_empty() {
            return Err(WriteError::TombstoneValue);
        }
        match entry.user_key.cmp(self.last_key()) {
            _ if self.entries() == 0 => Ok(false),
            Ordering::Greater => Ok(false),
            Ordering::Equal if entry.seq < self.last_seq => Ok(true),
            _ => Err(WriteError::Order),
        }
    }

    /// Adds a key and its value, for those who keep one version of a key: a put with
    /// sequence number zero.
    ///
    /// # Errors
    ///
    /// As [`add`](RunWriter::add).
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), WriteError> {
        self.add(&Entry { user_key: key, seq: SeqNo::ZERO, kind: Kind::Put, value })
    }

    /// Adds an entry.
    ///
    /// # Errors
    ///
    /// When it is not above the last one or breaks a limit; nothing has changed.
    pub fn add(&mut self, entry: &Entry<'_>) -> Result<(), WriteError> {
        let repeats = self.check(entry)?;
        if self.carried.is_some() {
            self.check_room(entry.user_key, 0)?;
            self.separate_carried(Some(entry.user_key));
        }
        let first = self.entries() == 0;
        let hash = lsm_bloom::hash(entry.user_key);
        if !self.block.push(entry, repeats, hash, self.block_limit) {
            self.check_room(entry.user_key, 0)?;
            self.write_block(Some(entry.user_key))?;
            self.block.push(entry, repeats, hash, self.block_limit);
        }
        if let Some(filter) = self.filter.as_mut().filter(|_| !repeats) {
            filter.add(hash);
        }
        let seen = &mut self.properties;
        if first {
            seen.smallest = entry.user_key.to_vec();
            (seen.lowest_seq, seen.highest_seq) = (entry.seq, entry.seq);
        }
        for counts in [&mut seen.counts, &mut self.block_counts] {
            counts.entries += 1;
            counts.tombstones += u64::from(entry.kind == Kind::Delete);
            counts.hidden += u64::from(repeats);
        }
        seen.key_bytes += entry.user_key.len() as u64;
        seen.value_bytes += entry.value.len() as u64;
        seen.lowest_seq = seen.lowest_seq.min(entry.seq);
        seen.highest_seq = seen.highest_seq.max(entry.seq);
        self.last_seq = entry.seq;
        Ok(())
    }

    /// Adds a whole block of another table, as it is stored: neither packed nor put
    /// together anew. Its entries are looked at all the same, for their order, the table's
    /// counts and bounds, and the filter.
    ///
    /// What waits becomes a block before it, however short. Who cares for full blocks
    /// looks at [`waiting_bytes`](RunWriter::waiting_bytes), and whether the block itself
    /// is as long and as compressed as those that are written here.
    ///
    /// # Errors
    ///
    /// [`WriteError::Order`] and [`WriteError::TableTooLong`]: nothing has changed.
    /// [`WriteError::Carried`]: the table is to be given up.
    pub fn carry(&mut self, block: &StoredBlock<'_>) -> Result<(), WriteError> {
        let first = block.first().map_err(WriteError::Carried)?.to_key();
        let last = block.last().map_err(WriteError::Carried)?.to_key();
        let begins = self.entries() == 0;
        if !begins && first.as_slice() <= self.last_key() {
            return Err(WriteError::Order);
        }
        self.check_room(first.as_slice().max(&last), block.stored.len())?;
        let filter = self.filter.as_mut().map(|filter| move |hash| filter.add(hash));
        let found = block.survey(filter).map_err(WriteError::Carried)?;
        if !self.block.is_empty() {
            self.write_block(Some(&first))?;
        }
        self.separate_carried(Some(&first));
        let (offset, number) = (self.offset(), self.index.len() as u32);
        let start = section::begin_section(&mut self.out);
        self.out.extend_from_slice(block.stored);
        let (codec, raw) = (block.codec, block.raw);
        self.raw_bytes += raw as u64;
        let frame = Frame { kind: SectionKind::Block, codec, number, raw };
        let len = section::end_section(&mut self.out, start, &self.identity, offset, &frame)?;
        self.carried = Some(Carried { last, len, counts: found.counts });

        let seen = &mut self.properties;
        if begins {
            seen.smallest = first;
            (seen.lowest_seq, seen.highest_seq) = (found.lowest_seq, found.highest_seq);
        }
        seen.counts.entries += found.counts.entries;
        seen.counts.tombstones += found.counts.tombstones;
        seen.counts.hidden += found.counts.hidden;
        seen.key_bytes += found.key_bytes;
        seen.value_bytes += found.value_bytes;
        seen.lowest_seq = seen.lowest_seq.min(found.lowest_seq);
        seen.highest_seq = seen.highest_seq.max(found.highest_seq);
        self.last_seq = found.last_seq;
        Ok(())
    }

    /// Tells the index of the block that was carried over last, now that the next key is
    /// known.
    fn separate_carried(&mut self, next: Option<&[u8]>) {
        let Some(Carried { last, len, counts }) = self.carried.take() else { return };
        self.index.separate(&last, next);
        self.index.push(len, counts, next == Some(&*last));
    }

    /// The last key.
    fn last_key(&self) -> &[u8] {
        self.carried.as_ref().map_or_else(|| self.block.last_key(), |carried| &carried.last)
    }

    /// Whether the table can go on behind the block that waits, and one of so many bytes
    /// that is carried over behind it, so that it can always be finished where it stands.
    fn check_room(&self, next: &[u8], carried: usize) -> Result<(), WriteError> {
        let carried = (SECTION_HEADER_BYTES + carried) as u64 + ALIGNMENT;
        let block = (SECTION_HEADER_BYTES + self.block.bytes()) as u64 + ALIGNMENT + carried;
        // Behind this block come one more, and perhaps two separators.
        let keys = self.last_key().len() + next.len();
        let index = self.index.most_bytes() + 2 * keys;
        if self.offset() + block >= MAX_OFFSET || index as u64 >= u64::from(u32::MAX) {
            return Err(WriteError::TableTooLong);
        }
        Ok(())
    }

    fn offset(&self) -> u64 {
        self.taken + self.out.len() as u64
    }

    /// Writes the block that waits; `next` is the key that will follow it.
    fn write_block(&mut self, next: Option<&[u8]>) -> Result<(), WriteError> {
        let offset = self.offset();
        // Blocks begin at multiples of 64 below 2^38: their numbers have 32 bits.
        let number = self.index.len() as u32;
        let continues = next == Some(self.block.last_key());
        self.index.separate(self.block.last_key(), next);
        let start = section::begin_section(&mut self.out);
        let (codec, raw) = if self.options.codec == Codec::Lz4 {
            self.scratch.clear();
            self.block.finish(&mut self.scratch);
            (pack(&self.scratch, &mut self.out), self.scratch.len())
        } else {
            self.block.finish(&mut self.out);
            (Codec::Plain, self.out.len() - start - SECTION_HEADER_BYTES)
        };
        self.raw_bytes += raw as u64;
        let frame = Frame { kind: SectionKind::Block, codec, number, raw };
        let len = section::end_section(&mut self.out, start, &self.identity, offset, &frame)?;
        self.index.push(len, core::mem::take(&mut self.block_counts), continues);
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
        // Who takes bytes in turns takes about as many each time.
        let next = Vec::with_capacity(self.out.len().min(MOST_AHEAD));
        core::mem::replace(&mut self.out, next)
    }

    /// How long the payload is that waits to become a block; zero right behind a block.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.block.bytes()
    }

    /// About how long the table would be if it ended now: what waits is taken to be
    /// compressed as well as what does not.
    #[must_use]
    pub fn estimated_bytes(&self) -> u64 {
        let (written, waiting) = (self.offset(), self.block.bytes() as u64);
        let stored = u128::from(waiting) * u128::from(written);
        written + (stored / u128::from(self.raw_bytes.max(written))) as u64
    }

    /// How many entries were added.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.properties.counts.entries
    }

    /// Closes the table.
    ///
    /// # Errors
    ///
    /// [`WriteError::Empty`] when nothing was added, [`WriteError::TableTooLong`] when
    /// the keys are too long for an index.
    pub fn finish(mut self) -> Result<Finished, WriteError> {
        if self.entries() == 0 {
            return Err(WriteError::Empty);
        }
        self.properties.largest = self.last_key().to_vec();
        match self.carried.is_some() {
            true => self.separate_carried(None),
            false => self.write_block(None)?,
        }
        self.properties.blocks = self.index.len() as u64;
        // The tail begins here: header and tail are read back below.
        let tail = self.out.len();
        let index = self.offset();
        let payload = self.index.encode();
        self.put_section(SectionKind::Index, &payload)?;
        let properties = self.offset();
        let payload = self.properties.encode();
        self.put_section(SectionKind::Properties, &payload)?;
        let file_bytes = self.offset() + crate::FOOTER_BYTES as u64;
        let footer = Footer { index, properties, identity: self.identity, file_bytes };
        footer.put(&mut self.out);

        let mut header = Vec::with_capacity(crate::HEADER_BYTES);
        layout::put_header(&mut header, &self.identity);
        let tail = self.out.get(tail..).unwrap_or_default();
        let meta = RunMeta::parse(&header, tail, file_bytes).map_err(WriteError::Unreadable)?;
        Ok(Finished { bytes: self.out, meta, filter: self.filter.map(FilterBuilder::build) })
    }

    fn put_section(&mut self, kind: SectionKind, payload: &[u8]) -> Result<(), WriteError> {
        let offset = self.offset();
        let start = section::begin_section(&mut self.out);
        self.out.extend_from_slice(payload);
        let frame = Frame { kind, codec: Codec::Plain, number: 0, raw: payload.len() };
        section::end_section(&mut self.out, start, &self.identity, offset, &frame).map(drop)
    }
}

/// Appends `raw` to `out`, compressed if that saves an eighth.
#[cfg(feature = "lz4")]
fn pack(raw: &[u8], out: &mut Vec<u8>) -> Codec {
    if raw.len() <= section::MAX_PACKED_RAW {
        let packed = lz4_flex::block::compress(raw);
        if packed.len() <= raw.len() - raw.len() / 8 {
            out.extend_from_slice(&packed);
            return Codec::Lz4;
        }
    }
    out.extend_from_slice(raw);
    Codec::Plain
}

#[cfg(not(feature = "lz4"))]
fn pack(raw: &[u8], out: &mut Vec<u8>) -> Codec {
    out.extend_from_slice(raw);
    Codec::Plain
}

//! An open table: its file, its mapping, its filter, and blocks on demand.
//!
//! A block is read in place from the mapping, or by a call through the cache where
//! there is no mapping; in the cache are blocks that were unpacked or read by calls.
//! Its checksum is compared at first touch, except in tables that this process wrote,
//! or at every touch if the settings say so; merges read by calls and compare always,
//! so that nothing damaged is signed anew.

use std::cmp;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lsm_block_cache::{BlockCache, CacheKey};
use lsm_manifest::{TableMeta, fence};
use lsm_sstable::{
    Block, BlockEntry, BlockHandle, Codec, FOOTER_BYTES, Filter, HEADER_BYTES, Identity, Payload,
    RunMeta, SstError, range_in,
};
use lsm_types::{StoreId, TableNo};
use lsm_vfs::{File, Map, read_exact_at};

use crate::cleaner::{Cleaner, Garbage};
use crate::names::FileName;
use crate::shared::Disk;
use crate::tally::{FilterCounts, Traffic};
use crate::verify::Verified;
use crate::{Error, Result};

/// What stands before the entries of a usual block: frame, fields, prefix, buckets,
/// heads and offsets.
const LEADING_BYTES: u64 = 384;

/// The payload of a block: in the mapping, or held.
pub(crate) enum BlockBytes<'a> {
    InPlace(&'a [u8]),
    Held(Arc<[u8]>),
}

impl BlockBytes<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::InPlace(bytes) => bytes,
            Self::Held(bytes) => bytes,
        }
    }
}

/// Where a block came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockOrigin {
    /// The mapping of its table.
    Mapping,
    /// The cache.
    Cache,
    /// A read from the disk.
    Disk,
}

/// A key whose first bytes are at hand as a number, so that most keys are told apart
/// without a look at the rest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'k> {
    pub(crate) key: &'k [u8],
    pub(crate) hash: u64,
    head: u128,
}

impl<'k> Wanted<'k> {
    pub(crate) fn new(key: &'k [u8]) -> Self {
        Self { key, hash: lsm_sstable::hash(key), head: head(key) }
    }

    /// In the order of the keys.
    pub(crate) fn cmp_key(&self, other: &Self) -> cmp::Ordering {
        self.head.cmp(&other.head).then_with(|| self.key.cmp(other.key))
    }
}

/// The first sixteen bytes of a key, or all and zeros behind them.
fn head(key: &[u8]) -> u128 {
    if let Some(head) = key.first_chunk::<16>() {
        return u128::from_be_bytes(*head);
    }
    key.iter().rev().fold(0, |head, byte| head >> 8 | u128::from(*byte) << 120)
}

/// An open table.
#[derive(Debug)]
pub(crate) struct Table {
    meta: RunMeta,
    path: PathBuf,
    file: Arc<dyn File>,
    map: Option<Map>,
    verified: Verified,
    /// Whether blocks that were verified are verified again.
    paranoid: bool,
    traffic: Arc<Traffic>,
    /// None without the feature `bloom`.
    filter: Option<Filter>,
    /// The heads of its smallest and its largest key.
    heads: (u128, u128),
    cache: Arc<BlockCache>,
    cleaner: Cleaner,
    /// Set once no version holds the table any more: its files go with it.
    removed: AtomicBool,
}

impl Table {
    /// Opens the table that the manifest describes and checks that it is that one.
    pub(crate) fn open(disk: &Disk, store: StoreId, expected: &TableMeta) -> Result<Self> {
        let name = FileName::Table(expected.number).name();
        let file = disk.dir.open(&name, false).map_err(|error| {
            let path = error.path.clone();
            if error.is_not_found() {
                Error::damaged(&path, "the manifest names this table, and it is missing")
            } else {
                Error::Disk(error)
            }
        })?;
        let path = file.path().to_path_buf();
        let found = file.len()?;
        if found != expected.file_bytes {
            let what = format!("expected {} bytes, found {found}", expected.file_bytes);
            return Err(Error::damaged(&path, what));
        }
        let meta = read_meta(&*file, found)?;
        let identity = Identity { store, number: expected.number, uid: expected.uid };
        if *meta.identity() != identity {
            let what = "expected the table that the manifest names, found another table's file";
            return Err(Error::damaged(&path, what));
        }
        let properties = meta.properties();
        let counts = properties.counts;
        let same = (counts.entries, counts.tombstones) == (expected.entries, expected.tombstones)
            && fence(&properties.smallest) == expected.first
            && fence(&properties.largest) == expected.last
            && properties.highest_seq == expected.highest_seq;
        if !same {
            return Err(Error::damaged(
                &path,
                "its counts or bounds are not those in the manifest",
            ));
        }
        #[cfg(feature = "bloom")]
        let filter = crate::output::read_filter(disk, &meta);
        #[cfg(not(feature = "bloom"))]
        let filter = None;
        Ok(Self::assemble(disk, meta, file, filter, false))
    }

    /// A table that this process has just written, with its filter.
    pub(crate) fn written(disk: &Disk, meta: RunMeta, filter: Option<Filter>) -> Result<Self> {
        let file = disk.dir.open(&FileName::Table(meta.identity().number).name(), false)?;
        let filter_bytes = filter.as_ref().map_or(0, |filter| filter.memory_bytes() as u64);
        disk.traffic.written.fetch_add(meta.file_bytes() + filter_bytes, Ordering::Relaxed);
        Ok(Self::assemble(disk, meta, file, filter, true))
    }

    fn assemble(
        disk: &Disk,
        meta: RunMeta,
        file: Arc<dyn File>,
        filter: Option<Filter>,
        written_here: bool,
    ) -> Self {
        // A file system that cannot map is no error: blocks are then read by calls.
        let map = disk.options.mmap_reads.then(|| file.map(meta.file_bytes()).ok()).flatten();
        Self {
            verified: Verified::new(meta.block_count(), written_here),
            paranoid: disk.options.paranoid_checks,
            traffic: Arc::clone(&disk.traffic),
            heads: (head(&meta.properties().smallest), head(&meta.properties().largest)),
            filter,
            path: file.path().to_path_buf(),
            meta,
            file,
            map,
            cache: Arc::clone(&disk.cache),
            cleaner: disk.cleaner.clone(),
            removed: AtomicBool::new(false),
        }
    }

    pub(crate) fn meta(&self) -> &RunMeta {
        &self.meta
    }

    pub(crate) fn number(&self) -> TableNo {
        self.meta.identity().number
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Says that no version holds the table any more.
    pub(crate) fn set_removed(&self) {
        self.removed.store(true, Ordering::Release);
    }

    pub(crate) fn error(&self, error: SstError) -> Error {
        Error::table(&self.path, error)
    }

    /// The payload of a block, verified as the head of this file says.
    pub(crate) fn block_bytes(&self, handle: &BlockHandle) -> Result<BlockBytes<'_>> {
        Ok(self.load(handle, true)?.0)
    }

    /// The same for who passes by: what is in the cache is used, and nothing new is kept
    /// there. Says where the block came from, too.
    pub(crate) fn peek_block_bytes(
        &self,
        handle: &BlockHandle,
    ) -> Result<(BlockBytes<'_>, BlockOrigin)> {
        self.load(handle, false)
    }

    fn load(&self, handle: &BlockHandle, keep: bool) -> Result<(BlockBytes<'_>, BlockOrigin)> {
        let key = CacheKey { file: self.number().get(), offset: handle.offset };
        let packed = match self.mapped_payload(handle)? {
            Some(Payload::Plain(bytes)) => {
                return Ok((BlockBytes::InPlace(bytes), BlockOrigin::Mapping));
            }
            packed => packed,
        };
        if let Some(bytes) = self.cache.get(key) {
            return Ok((BlockBytes::Held(bytes), BlockOrigin::Cache));
        }
        let (bytes, origin): (Arc<[u8]>, _) = match packed {
            Some(packed) => {
                let bytes = packed.unpack().map_err(|error| self.error(error))?;
                (bytes.into(), BlockOrigin::Mapping)
            }
            None => (self.fetch(handle)?, BlockOrigin::Disk),
        };
        if keep {
            self.cache.insert(key, Arc::clone(&bytes));
        }
        Ok((BlockBytes::Held(bytes), origin))
    }

    /// The payload of a block as it lies in the mapping, if there is one.
    #[inline]
    fn mapped_payload(&self, handle: &BlockHandle) -> Result<Option<Payload<'_>>> {
        let Some(map) = &self.map else { return Ok(None) };
        let (block, start) = (handle.number as usize, handle.offset as usize);
        let end = handle.offset.saturating_add(handle.len) as usize;
        let section = map.bytes().get(start..end).unwrap_or_default();
        let verify = self.paranoid || !self.verified.get(block);
        let payload = self.meta.open_block(handle, section, verify);
        let payload = payload.map_err(|error| self.error(error))?;
        if verify {
            self.check_entries(handle, &payload)?;
            self.verified.set(block);
        }
        Ok(Some(payload))
    }

    /// Reads all entries of a block once, and compares their order with itself and with
    /// the index: what scans rely on is more than a checksum.
    fn check_entries(&self, handle: &BlockHandle, payload: &Payload<'_>) -> Result<()> {
        let Payload::Plain(bytes) = payload else { return Ok(()) };
        let damaged = |what: &str| {
            let what = format!("at byte {}: expected {what}, found others", handle.offset);
            Error::damaged(&self.path, what)
        };
        let (mut first, mut before): (Option<BlockEntry<'_>>, Option<BlockEntry<'_>>) =
            (None, None);
        for entry in self.open_block(handle, bytes)?.iter() {
            let entry = entry.map_err(|error| self.error(error))?;
            let ascends = |before: BlockEntry<'_>| {
                before.suffix.cmp(entry.suffix).then_with(|| entry.seq.cmp(&before.seq)).is_lt()
            };
            if !before.is_none_or(ascends) {
                return Err(damaged("ascending entries"));
            }
            first = first.or(Some(entry));
            before = Some(entry);
        }
        let number = handle.number as usize;
        let separator = |number| {
            let (prefix, rest) = self.meta.separator(number)?;
            Some([prefix, rest].concat())
        };
        let is_above =
            |entry: BlockEntry<'_>, separator: Vec<u8>| entry.cmp_key(&separator).is_gt();
        let last_is_above = before.zip(separator(number)).is_some_and(|(a, b)| is_above(a, b));
        let begins_behind = match number.checked_sub(1) {
            // The key that ends there may go on here.
            Some(number) if self.meta.block(number).is_some_and(|block| block.continues) => true,
            Some(number) => first.zip(separator(number)).is_some_and(|(a, b)| is_above(a, b)),
            None => true,
        };
        if last_is_above || !begins_behind {
            return Err(damaged("keys between the separators of the index"));
        }
        Ok(())
    }

    /// How many blocks of the mapping nobody has verified yet. Others are verified
    /// whenever they are read.
    pub(crate) fn blocks_to_verify(&self) -> usize {
        if self.map.is_some() { self.verified.left() } else { 0 }
    }

    /// Verifies blocks that nobody has verified yet, up to so many bytes.
    pub(crate) fn verify_some(&self, bytes: u64) -> Result<()> {
        let mut done = 0;
        while done < bytes && self.blocks_to_verify() > 0 {
            let next = self.verified.first_left(0).and_then(|block| self.meta.block(block));
            let Some(handle) = next else { break };
            self.mapped_payload(&handle)?;
            done += handle.len;
        }
        Ok(())
    }

    /// A block for a merge, read from the disk and verified.
    pub(crate) fn read_block(&self, handle: &BlockHandle) -> Result<ReadBlock> {
        self.traffic.read.fetch_add(handle.len, Ordering::Relaxed);
        let mut section: Arc<[u8]> = std::iter::repeat_n(0, handle.len as usize).collect();
        // Nobody else has it yet: nothing is copied.
        read_exact_at(&*self.file, handle.offset, Arc::make_mut(&mut section))?;
        let damaged = |error| self.error(error);
        let (bytes, payload) =
            match self.meta.open_block(handle, &section, true).map_err(damaged)? {
                Payload::Plain(payload) => (Arc::clone(&section), range_in(&section, payload)),
                packed => {
                    let bytes: Arc<[u8]> = packed.unpack().map_err(damaged)?.into();
                    let all = 0..bytes.len();
                    (bytes, all)
                }
            };
        Ok(ReadBlock { bytes, payload, section })
    }

    fn fetch(&self, handle: &BlockHandle) -> Result<Arc<[u8]>> {
        let mut section = vec![0; handle.len as usize];
        read_exact_at(&*self.file, handle.offset, &mut section)?;
        let payload = self.meta.open_block(handle, &section, true);
        Ok(payload.and_then(Payload::unpack).map_err(|error| self.error(error))?.into())
    }

    /// Whether all blocks are read where they lie in the mapping, and are verified once.
    pub(crate) fn is_in_place(&self) -> bool {
        !self.paranoid && self.map.is_some() && self.meta.properties().codec == Codec::Plain
    }

    /// Verifies the blocks from one to another, both included, as
    /// [`block_bytes`](Self::block_bytes) does.
    pub(crate) fn verify_blocks(&self, first: usize, last: usize) -> Result<()> {
        let mut from = first;
        while self.verified.left() > 0
            && let Some(number) = self.verified.first_left(from).filter(|number| *number <= last)
            && let Some(handle) = self.meta.block(number)
        {
            self.open_block(&handle, self.block_bytes(&handle)?.bytes())?;
            from = number + 1;
        }
        Ok(())
    }

    /// The mapped bytes of the table; none where it is not mapped.
    #[inline]
    pub(crate) fn mapped(&self) -> &[u8] {
        self.map.as_ref().map_or(&[], |map| map.bytes())
    }

    pub(crate) fn open_block<'a>(
        &self,
        handle: &BlockHandle,
        payload: &'a [u8],
    ) -> Result<Block<'a>> {
        self.meta.parse_block(handle, payload).map_err(|error| self.error(error))
    }

    /// Whether all its keys are below this one.
    pub(crate) fn is_below(&self, wanted: &Wanted<'_>) -> bool {
        let (_, largest) = self.heads;
        largest < wanted.head
            || (largest == wanted.head && *self.meta.properties().largest < *wanted.key)
    }

    /// Whether all its keys are above this one.
    pub(crate) fn is_above(&self, wanted: &Wanted<'_>) -> bool {
        let (smallest, _) = self.heads;
        wanted.head < smallest
            || (wanted.head == smallest && *wanted.key < *self.meta.properties().smallest)
    }

    /// Bits of its filter, if it has one.
    pub(crate) fn filter_bits(&self) -> u64 {
        self.filter.as_ref().map_or(0, |filter| filter.memory_bytes() as u64 * 8)
    }

    /// Asks for what the filter will look at.
    pub(crate) fn prefetch_filter(&self, hash: u64) {
        if let Some(filter) = &self.filter {
            filter.prefetch(hash);
        }
    }

    /// Whether the table may hold the key, as far as its filter knows.
    pub(crate) fn passes(&self, wanted: &Wanted<'_>, said: &mut FilterCounts) -> bool {
        let passes = self.filter_says(wanted.hash) != Some(false);
        said.negatives += u64::from(!passes);
        passes
    }

    /// What the filter says of a key with this hash, if there is one.
    pub(crate) fn filter_says(&self, hash: u64) -> Option<bool> {
        Some(self.filter.as_ref()?.may_contain(hash))
    }

    /// Takes note of whether a key that [passed](Self::passes) was there.
    pub(crate) fn note(&self, found: bool, said: &mut FilterCounts) {
        if self.filter.is_some() {
            said.true_positives += u64::from(found);
            said.false_positives += u64::from(!found);
        }
    }

    /// The block that holds the newest version of the key, if any does.
    pub(crate) fn locate(&self, wanted: &Wanted<'_>) -> Option<BlockHandle> {
        self.meta.block(self.meta.find_block(wanted.key)?)
    }

    /// Asks for the beginning of a block that is read in place: what leads to its entries.
    pub(crate) fn prefetch_block(&self, handle: &BlockHandle) {
        let start = handle.offset as usize;
        let len = handle.len.min(LEADING_BYTES) as usize;
        if let Some(leading) = self.mapped().get(start..start.saturating_add(len)) {
            lsm_sstable::prefetch(leading);
        }
    }

    /// Shows the newest version of a key in the table to `visit`, and the block it is in.
    pub(crate) fn find<R>(
        &self,
        wanted: &Wanted<'_>,
        visit: impl FnOnce(BlockEntry<'_>, &BlockBytes<'_>) -> R,
    ) -> Result<Option<R>> {
        let Some(handle) = self.locate(wanted) else { return Ok(None) };
        self.prefetch_block(&handle);
        let bytes = self.block_bytes(&handle)?;
        self.find_in(&handle, &bytes, wanted, |entry| visit(entry, &bytes))
    }

    /// Shows the newest version of a key in a block to `visit`.
    pub(crate) fn find_in<'b, R>(
        &self,
        handle: &BlockHandle,
        bytes: &'b BlockBytes<'_>,
        wanted: &Wanted<'_>,
        visit: impl FnOnce(BlockEntry<'b>) -> R,
    ) -> Result<Option<R>> {
        let block = self.open_block(handle, bytes.bytes())?;
        let found = block.find(wanted.key, wanted.hash).map_err(|error| self.error(error))?;
        Ok(found.map(|(_, entry)| visit(entry)))
    }
}

/// A block as a merge reads it.
pub(crate) struct ReadBlock {
    /// What its payload lies in, unpacked, and where.
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) payload: Range<usize>,
    /// The block as it is stored.
    pub(crate) section: Arc<[u8]>,
}

/// Reads a table's header, index, properties and footer.
fn read_meta(file: &dyn File, file_bytes: u64) -> Result<RunMeta> {
    let damaged = |error| Error::table(file.path(), error);
    let mut footer = [0; FOOTER_BYTES];
    let footer_at = file_bytes.saturating_sub(FOOTER_BYTES as u64);
    read_exact_at(file, footer_at, &mut footer)?;
    let tail_bytes = RunMeta::tail_bytes(&footer, file_bytes).map_err(damaged)?;
    let mut header = [0; HEADER_BYTES];
    read_exact_at(file, 0, &mut header)?;
    // At most the file's own length, which is what the manifest says it is.
    let mut tail = vec![0; tail_bytes as usize];
    read_exact_at(file, file_bytes - tail_bytes, &mut tail)?;
    RunMeta::parse(&header, &tail, file_bytes).map_err(damaged)
}

impl Drop for Table {
    fn drop(&mut self) {
        let (file, map) = (Arc::clone(&self.file), self.map.take());
        let garbage = if self.removed.load(Ordering::Acquire) {
            let number = self.number();
            let names = vec![FileName::Table(number).name(), FileName::Filter(number).name()];
            Garbage::Remove { names, file: Some(file), map }
        } else {
            Garbage::Release { file, map }
        };
        // After the store was closed nobody listens; the next open collects.
        let _ = self.cleaner.send(garbage);
    }
}

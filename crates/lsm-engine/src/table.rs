//! An open table: its file, its mapping, its filter, and blocks on demand.
//!
//! A block is read in place from the mapping, or by a call through the cache where
//! there is no mapping. Its checksum is compared at first touch, except in tables
//! that this process wrote; merges read by calls and compare always, so that
//! nothing damaged is signed anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use lsm_block_cache::{BlockCache, CacheKey};
use lsm_manifest::{TableMeta, fence};
use lsm_sstable::{
    Block, BlockHandle, Codec, FOOTER_BYTES, Filter, HEADER_BYTES, Identity, Payload, RunMeta,
    SstError,
};
use lsm_types::{Kind, StoreId, TableNo};
use lsm_vfs::{File, Map, read_exact_at};

use crate::cleaner::{Cleaner, Garbage};
use crate::names::FileName;
use crate::shared::Disk;
use crate::{Error, Result};

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

/// Which blocks were found intact, one bit each.
#[derive(Debug)]
struct Verified(Box<[AtomicU64]>);

impl Verified {
    fn new(blocks: usize, all: bool) -> Self {
        let word = if all { u64::MAX } else { 0 };
        Self((0..blocks.div_ceil(64)).map(|_| AtomicU64::new(word)).collect())
    }

    fn get(&self, block: usize) -> bool {
        let word = self.0.get(block / 64).map_or(0, |word| word.load(Ordering::Relaxed));
        word & (1 << (block % 64)) != 0
    }

    fn set(&self, block: usize) {
        if let Some(word) = self.0.get(block / 64) {
            word.fetch_or(1 << (block % 64), Ordering::Relaxed);
        }
    }
}

/// An open table.
#[derive(Debug)]
pub(crate) struct Table {
    meta: RunMeta,
    path: PathBuf,
    file: Arc<dyn File>,
    map: Option<Map>,
    verified: Verified,
    /// None without the feature `bloom`.
    filter: Option<Filter>,
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
        let number = handle.number as usize;
        let key = CacheKey { file: self.number().get(), offset: handle.offset };
        if let Some(map) = &self.map {
            let end = handle.offset.saturating_add(handle.len) as usize;
            let section = map.bytes().get(handle.offset as usize..end).unwrap_or_default();
            let verified = self.verified.get(number);
            let payload = self.meta.open_block(handle, section, !verified);
            let payload = payload.map_err(|error| self.error(error))?;
            if !verified {
                self.verified.set(number);
            }
            match payload {
                Payload::Plain(bytes) => return Ok(BlockBytes::InPlace(bytes)),
                Payload::Packed(_) => {}
            }
            if let Some(bytes) = self.cache.get(key) {
                return Ok(BlockBytes::Held(bytes));
            }
            let bytes: Arc<[u8]> = payload.unpack().map_err(|error| self.error(error))?.into();
            self.cache.insert(key, Arc::clone(&bytes));
            return Ok(BlockBytes::Held(bytes));
        }
        if let Some(bytes) = self.cache.get(key) {
            return Ok(BlockBytes::Held(bytes));
        }
        let bytes = self.read_block(handle)?;
        self.cache.insert(key, Arc::clone(&bytes));
        Ok(BlockBytes::Held(bytes))
    }

    /// The payload of a block, read from the disk and verified.
    pub(crate) fn read_block(&self, handle: &BlockHandle) -> Result<Arc<[u8]>> {
        let mut section = vec![0; handle.len as usize];
        read_exact_at(&*self.file, handle.offset, &mut section)?;
        let payload = self.meta.open_block(handle, &section, true);
        Ok(payload.and_then(Payload::unpack).map_err(|error| self.error(error))?.into())
    }

    pub(crate) fn map(&self) -> Option<&Map> {
        self.map.as_ref()
    }

    /// Whether all blocks are read where they lie in the mapping.
    pub(crate) fn is_in_place(&self) -> bool {
        self.map.is_some() && self.meta.properties().codec == Codec::Plain
    }

    /// Verifies the blocks from one to another, both included, as
    /// [`block_bytes`](Self::block_bytes) does.
    pub(crate) fn verify_blocks(&self, first: usize, last: usize) -> Result<()> {
        let last = last.min(self.meta.block_count().saturating_sub(1));
        for number in first..=last {
            if self.verified.get(number) {
                continue;
            }
            if let Some(handle) = self.meta.block(number) {
                self.open_block(&handle, self.block_bytes(&handle)?.bytes())?;
            }
        }
        Ok(())
    }

    /// The mapped bytes of the table; none where it is not mapped.
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

    /// Whether the table may hold the key with this hash, as far as its filter
    /// knows.
    pub(crate) fn may_contain(&self, hash: u64) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.may_contain(hash))
    }

    /// The newest version of `user_key`, whose hash is `hash`, in the table; a
    /// tombstone as `None` inside.
    pub(crate) fn get(&self, user_key: &[u8], hash: u64) -> Result<Option<Option<Vec<u8>>>> {
        let Some(number) = self.meta.find_block(user_key) else { return Ok(None) };
        let Some(handle) = self.meta.block(number) else { return Ok(None) };
        let bytes = self.block_bytes(&handle)?;
        let block = self.open_block(&handle, bytes.bytes())?;
        let found = block.find(user_key, hash).map_err(|error| self.error(error))?;
        Ok(found.map(|(_, entry)| match entry.kind {
            Kind::Put => Some(entry.value.to_vec()),
            Kind::Delete => None,
        }))
    }
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

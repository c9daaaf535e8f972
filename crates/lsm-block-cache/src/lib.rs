//! A weighted concurrent cache: pieces of files by file and place, bounded by bytes.
//!
//! It knows neither what a block is nor where it came from. Eviction is
//! `quick_cache`'s (a variant of Clock-PRO, so one pass over a large file does not
//! sweep out what is used often). A capacity of zero keeps nothing.
#![forbid(unsafe_code)]

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::Weighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

/// What stands for a piece: a number for its file and its place in it. A file's
/// number must never be given to another file while the cache lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CacheKey {
    /// The file.
    pub file: u64,
    /// The place in it, in bytes.
    pub offset: u64,
}

/// How many lookups were answered and how many were not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Answered.
    pub hits: u64,
    /// Not answered.
    pub misses: u64,
}

/// Average size that the cache expects of a piece, to size its table.
const EXPECTED_PIECE_BYTES: u64 = 4096;

#[derive(Clone, Debug)]
struct ByBytes;

impl Weighter<CacheKey, Arc<[u8]>> for ByBytes {
    fn weight(&self, _: &CacheKey, bytes: &Arc<[u8]>) -> u64 {
        // Nothing weighs nothing: empty pieces would be kept for ever.
        bytes.len().max(1) as u64
    }
}

/// Multiplies and folds: the keys are our own numbers, nobody can choose them.
#[derive(Clone, Copy, Debug, Default)]
struct FoldHash;

#[derive(Debug, Default)]
struct Fold(u64);

impl BuildHasher for FoldHash {
    type Hasher = Fold;

    fn build_hasher(&self) -> Fold {
        Fold::default()
    }
}

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, value: u64) {
        // The golden ratio's fraction, as in Fibonacci hashing (Knuth, vol. 3, 6.4).
        let wide = u128::from(self.0 ^ value ^ 0x517c_c1b7_2722_0a95) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (wide >> 64) as u64 ^ wide as u64;
    }
}

type Pieces = Cache<CacheKey, Arc<[u8]>, ByBytes, FoldHash>;

/// The cache. Cheap to share behind an `Arc`; no call waits for I/O.
pub struct BlockCache {
    pieces: Option<Pieces>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl BlockCache {
    /// A cache of at most `capacity` bytes; zero switches it off.
    ///
    /// ```
    /// use lsm_block_cache::{BlockCache, CacheKey};
    /// let cache = BlockCache::new(1 << 20);
    /// let key = CacheKey { file: 1, offset: 64 };
    /// assert!(cache.get(key).is_none());
    /// cache.insert(key, b"block".as_slice().into());
    /// assert_eq!(cache.get(key).as_deref(), Some(b"block".as_slice()));
    /// ```
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        let pieces = (capacity > 0).then(|| {
            let items = (capacity / EXPECTED_PIECE_BYTES).clamp(16, 1 << 24) as usize;
            Cache::with(items, capacity, ByBytes, FoldHash, DefaultLifecycle::default())
        });
        Self { pieces, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// Whether anything can be kept.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.pieces.is_some()
    }

    /// The piece, if it is kept.
    #[must_use]
    pub fn get(&self, key: CacheKey) -> Option<Arc<[u8]>> {
        let found = self.pieces.as_ref()?.get(&key);
        let count = if found.is_some() { &self.hits } else { &self.misses };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Keeps a piece; others may have to go.
    pub fn insert(&self, key: CacheKey, bytes: Arc<[u8]>) {
        if let Some(pieces) = &self.pieces {
            pieces.insert(key, bytes);
        }
    }

    /// Bytes kept now.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.pieces.as_ref().map_or(0, Cache::weight)
    }

    /// Lookups so far.
    #[must_use]
    pub fn counts(&self) -> CacheCounts {
        CacheCounts {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockCache")
            .field("on", &self.is_on())
            .field("bytes", &self.bytes())
            .field("counts", &self.counts())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(len: usize) -> Arc<[u8]> {
        vec![7; len].into()
    }

    #[test]
    fn it_holds_no_more_than_its_capacity() {
        let cache = BlockCache::new(1 << 20);
        for file in 0..50 {
            for offset in 0..100 {
                cache.insert(CacheKey { file, offset: offset * 4096 }, piece(4096));
            }
        }
        assert!(cache.bytes() <= 1 << 20, "{} bytes", cache.bytes());
        assert!(cache.bytes() > 1 << 18, "{} bytes", cache.bytes());
    }

    #[test]
    fn what_is_kept_is_found_and_counted() {
        let cache = BlockCache::new(1 << 20);
        let key = |offset| CacheKey { file: 7, offset };
        cache.insert(key(4096), piece(10));
        assert!(cache.is_on());
        assert_eq!(cache.get(key(4096)).as_deref(), Some(&[7; 10][..]));
        assert!(cache.get(key(0)).is_none());
        assert_eq!(cache.counts(), CacheCounts { hits: 1, misses: 1 });
        let shown = format!("{cache:?}");
        assert!(shown.contains("on: true") && shown.contains("hits: 1"), "{shown}");
    }

    #[test]
    fn bytes_are_hashed_one_by_one() {
        let of = |bytes: &[u8]| {
            let mut hasher = Fold::default();
            hasher.write(bytes);
            hasher.finish()
        };
        assert!(of(b"ab") != of(b"ba") && of(b"ab") == of(b"ab"));
    }

    #[test]
    fn zero_switches_it_off() {
        let cache = BlockCache::new(0);
        let key = CacheKey { file: 1, offset: 0 };
        cache.insert(key, piece(1));
        assert!(cache.get(key).is_none());
        assert_eq!((cache.bytes(), cache.counts()), (0, CacheCounts::default()));
    }
}

//! The settings.

#[cfg(feature = "durability")]
use std::time::Duration;

use lsm_engine::Options;

/// The default of [`LsmConfig::memtable_capacity`]: 4 MiB.
pub const DEFAULT_MEMTABLE_CAPACITY: usize = 4 * 1024 * 1024;

/// The default of [`LsmConfig::compaction_trigger`]: 4 runs.
pub const DEFAULT_COMPACTION_TRIGGER: usize = 4;

/// The default of [`LsmConfig::block_cache_capacity`]: 8 MiB.
pub const DEFAULT_BLOCK_CACHE_CAPACITY: usize = 8 * 1024 * 1024;

/// The largest files have at most so many bytes, and at least ...
const MOST_TABLE_BYTES: u64 = 32 << 20;
/// ... so many.
const LEAST_TABLE_BYTES: u64 = 16 << 10;

/// When a logged write is made durable, for
/// [`LsmConfig::sync_policy`] (feature `durability`).
///
/// Every write is in the log, handed to the operating system, before it is
/// acknowledged; the policy says when the log is synced to the drive.
///
/// | policy | the process is killed | the power fails |
/// |---|---|---|
/// | `Always` | every acknowledged write survives | every acknowledged write survives |
/// | `Interval(d)` | every acknowledged write survives | what was written up to `d` before, and during two syncs, may be lost, the newest first |
/// | `OnFlush` | every acknowledged write survives | what is not in files yet may be lost, the newest first |
///
/// Whatever is lost, what is left is a prefix of the order of writes, and batches are
/// whole. [`Lsm::sync`](crate::Lsm::sync) makes everything durable at once, under any
/// policy.
#[cfg(feature = "durability")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncPolicy {
    /// Before it is acknowledged. Writers who come at the same time share a sync.
    #[default]
    Always,
    /// In the background, every so often, at least a millisecond apart. The time that a
    /// sync takes comes on top.
    Interval(Duration),
    /// When its write buffer is flushed to files.
    OnFlush,
}

/// How blocks of new files are stored, for
/// [`LsmConfig::compression`] (feature `lz4`).
#[cfg(feature = "lz4")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// As they are: reads use them in place, where files are mapped.
    #[default]
    None,
    /// By LZ4, where that makes them shorter. Reads unpack a block when they first need
    /// it; the block cache keeps it.
    Lz4,
}

/// How a store is run, for [`Lsm::open_with`](crate::Lsm::open_with).
///
/// Nothing of it is written to disk: every open may choose anew.
///
/// ```
/// use lsm_db::LsmConfig;
/// let config = LsmConfig::new().memtable_capacity(16 << 20).compaction_trigger(1);
/// assert_eq!(config.memtable_capacity_bytes(), 16 << 20);
/// assert_eq!(config.compaction_trigger_runs(), 2);
/// assert_eq!(config.block_cache_capacity_bytes(), lsm_db::DEFAULT_BLOCK_CACHE_CAPACITY);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LsmConfig {
    memtable_capacity: usize,
    compaction_trigger: usize,
    block_cache_capacity: usize,
    mmap_reads: bool,
    paranoid_checks: bool,
    #[cfg(feature = "lz4")]
    compression: Compression,
    #[cfg(feature = "durability")]
    sync_policy: SyncPolicy,
}

impl LsmConfig {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes of live keys and values the write buffer takes before it is
    /// flushed. Bookkeeping is not counted, so memory is somewhat higher; up to four
    /// full buffers may wait for their flush. With 0 every write is flushed before
    /// it returns.
    #[must_use]
    pub fn memtable_capacity(mut self, bytes: usize) -> Self {
        self.memtable_capacity = bytes;
        self
    }

    /// The setting of [`memtable_capacity`](Self::memtable_capacity).
    #[must_use]
    pub fn memtable_capacity_bytes(&self) -> usize {
        self.memtable_capacity
    }

    /// How many runs of like size start a merge in the background; twice as many while
    /// write buffers are filled one after another. Lower keeps reads
    /// fast, higher merges less. When nobody writes, more is merged, until there are fewer
    /// runs than this. Above three times as many of like size writers are slowed down, more
    /// and more, and at six times as many they wait for merges. Below 2 it becomes 2;
    /// `usize::MAX` never merges and holds nobody up.
    #[must_use]
    pub fn compaction_trigger(mut self, runs: usize) -> Self {
        self.compaction_trigger = runs.max(2);
        self
    }

    /// The setting of [`compaction_trigger`](Self::compaction_trigger).
    #[must_use]
    pub fn compaction_trigger_runs(&self) -> usize {
        self.compaction_trigger
    }

    /// How many bytes of blocks the cache may keep; 0 switches it off. Where files
    /// are read through a mapping, their blocks are used in place and the operating
    /// system's page cache keeps them: then only compressed blocks are in it, unpacked.
    #[must_use]
    pub fn block_cache_capacity(mut self, bytes: usize) -> Self {
        self.block_cache_capacity = bytes;
        self
    }

    /// The setting of [`block_cache_capacity`](Self::block_cache_capacity).
    #[must_use]
    pub fn block_cache_capacity_bytes(&self) -> usize {
        self.block_cache_capacity
    }

    /// Whether files are read through a mapping, where the system has one; `true` unless
    /// told otherwise. Without it every block is read by a call and kept in the block
    /// cache, which should then be larger: reads are slower, but a bad sector or a file
    /// that someone cut is an [`Io`](crate::Error::Io) instead of the end of the process
    /// by `SIGBUS`.
    ///
    /// ```
    /// let config = lsm_db::LsmConfig::new().mmap_reads(false).block_cache_capacity(256 << 20);
    /// assert!(!config.mmap_reads_on());
    /// assert!(lsm_db::LsmConfig::new().mmap_reads_on());
    /// ```
    #[must_use]
    pub fn mmap_reads(mut self, on: bool) -> Self {
        self.mmap_reads = on;
        self
    }

    /// The setting of [`mmap_reads`](Self::mmap_reads).
    #[must_use]
    pub fn mmap_reads_on(&self) -> bool {
        self.mmap_reads
    }

    /// Whether a block's checksum is compared whenever it is read, and not only at its
    /// first touch; `false` unless told otherwise. It finds what rots in memory or under
    /// a mapping while the store is open, for a microsecond a read. Blocks in the block
    /// cache were compared when they came in.
    ///
    /// ```
    /// let config = lsm_db::LsmConfig::new().paranoid_checks(true);
    /// assert!(config.paranoid_checks_on());
    /// assert!(!lsm_db::LsmConfig::new().paranoid_checks_on());
    /// ```
    #[must_use]
    pub fn paranoid_checks(mut self, on: bool) -> Self {
        self.paranoid_checks = on;
        self
    }

    /// The setting of [`paranoid_checks`](Self::paranoid_checks).
    #[must_use]
    pub fn paranoid_checks_on(&self) -> bool {
        self.paranoid_checks
    }

    /// How blocks of files written from now on are stored; [`Compression::None`] unless
    /// told otherwise. Whatever this says, files that are there already are read, but
    /// compressed ones only by builds with the feature `lz4`.
    ///
    /// ```
    /// use lsm_db::{Compression, LsmConfig};
    /// let config = LsmConfig::new().compression(Compression::Lz4);
    /// assert_eq!(config.compression_setting(), Compression::Lz4);
    /// assert_eq!(LsmConfig::new().compression_setting(), Compression::None);
    /// ```
    #[cfg(feature = "lz4")]
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// The setting of [`compression`](Self::compression).
    #[cfg(feature = "lz4")]
    #[must_use]
    pub fn compression_setting(&self) -> Compression {
        self.compression
    }

    /// When logged writes are made durable; [`SyncPolicy::Always`] unless told
    /// otherwise.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lsm_db::{LsmConfig, SyncPolicy};
    /// let config = LsmConfig::new().sync_policy(SyncPolicy::Interval(Duration::from_millis(50)));
    /// assert_eq!(LsmConfig::new().sync_policy_setting(), SyncPolicy::Always);
    /// assert_ne!(config.sync_policy_setting(), SyncPolicy::Always);
    /// ```
    #[cfg(feature = "durability")]
    #[must_use]
    pub fn sync_policy(mut self, policy: SyncPolicy) -> Self {
        self.sync_policy = policy;
        self
    }

    /// The setting of [`sync_policy`](Self::sync_policy).
    #[cfg(feature = "durability")]
    #[must_use]
    pub fn sync_policy_setting(&self) -> SyncPolicy {
        self.sync_policy
    }

    pub(crate) fn options(&self) -> Options {
        let options = Options {
            memtable_capacity: self.memtable_capacity,
            compaction_trigger: self.compaction_trigger,
            block_cache_capacity: self.block_cache_capacity,
            mmap_reads: self.mmap_reads,
            paranoid_checks: self.paranoid_checks,
            table_bytes: self.table_bytes(),
            #[cfg(feature = "durability")]
            sync_policy: match self.sync_policy {
                SyncPolicy::Always => lsm_engine::SyncPolicy::Always,
                SyncPolicy::Interval(every) => lsm_engine::SyncPolicy::Interval(every),
                SyncPolicy::OnFlush => lsm_engine::SyncPolicy::OnFlush,
            },
            ..Options::default()
        };
        #[cfg(feature = "lz4")]
        let options = Options {
            codec: match self.compression {
                Compression::None => lsm_engine::Codec::Plain,
                Compression::Lz4 => lsm_engine::Codec::Lz4,
            },
            ..options
        };
        options
    }

    /// The size of the largest files: eight write buffers, within reason. So a store of
    /// small buffers is merged in small steps, too.
    fn table_bytes(&self) -> u64 {
        (self.memtable_capacity as u64).saturating_mul(8).clamp(LEAST_TABLE_BYTES, MOST_TABLE_BYTES)
    }
}

impl Default for LsmConfig {
    fn default() -> Self {
        Self {
            memtable_capacity: DEFAULT_MEMTABLE_CAPACITY,
            compaction_trigger: DEFAULT_COMPACTION_TRIGGER,
            block_cache_capacity: DEFAULT_BLOCK_CACHE_CAPACITY,
            mmap_reads: true,
            paranoid_checks: false,
            #[cfg(feature = "lz4")]
            compression: Compression::None,
            #[cfg(feature = "durability")]
            sync_policy: SyncPolicy::Always,
        }
    }
}

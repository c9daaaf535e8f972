//! The settings.

use lsm_engine::Options;

/// The default of [`LsmConfig::memtable_capacity`]: 4 MiB.
pub const DEFAULT_MEMTABLE_CAPACITY: usize = 4 * 1024 * 1024;

/// The default of [`LsmConfig::compaction_trigger`]: 4 runs.
pub const DEFAULT_COMPACTION_TRIGGER: usize = 4;

/// The default of [`LsmConfig::block_cache_capacity`]: 8 MiB.
pub const DEFAULT_BLOCK_CACHE_CAPACITY: usize = 8 * 1024 * 1024;

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

    /// How many runs start a merge in the background. Lower keeps reads fast,
    /// higher merges less. When there are four times as many runs, writers wait for
    /// merges. Below 2 it becomes 2; `usize::MAX` never merges and holds nobody up.
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
    /// system's page cache keeps them.
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

    pub(crate) fn options(&self) -> Options {
        Options {
            memtable_capacity: self.memtable_capacity,
            compaction_trigger: self.compaction_trigger,
            block_cache_capacity: self.block_cache_capacity,
            ..Options::default()
        }
    }
}

impl Default for LsmConfig {
    fn default() -> Self {
        Self {
            memtable_capacity: DEFAULT_MEMTABLE_CAPACITY,
            compaction_trigger: DEFAULT_COMPACTION_TRIGGER,
            block_cache_capacity: DEFAULT_BLOCK_CACHE_CAPACITY,
        }
    }
}

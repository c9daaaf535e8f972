//! The engine's settings, as data.

#[cfg(feature = "durability")]
use std::time::Duration;

use lsm_sstable::Codec;

/// When logged writes are made durable, beyond surviving the process.
#[cfg(feature = "durability")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncPolicy {
    /// Before they are acknowledged.
    #[default]
    Always,
    /// By a sync in the background every so often.
    Interval(Duration),
    /// With the flush of their memtable.
    OnFlush,
}

/// How a store is run. Nothing here is written to disk: every open may choose anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// A memtable is full at this many bytes of live keys and values. At 0 each
    /// write is flushed before it returns.
    pub memtable_capacity: usize,
    /// As many runs as this start a merge; `usize::MAX` switches merging off.
    pub compaction_trigger: usize,
    /// Bytes of blocks that the cache may keep; 0 switches it off.
    pub block_cache_capacity: usize,
    /// Whether tables are read through a mapping where the file system has one;
    /// otherwise blocks are read by calls and kept in the cache.
    pub mmap_reads: bool,
    /// Whether the checksum of a block is compared whenever it is read, and not only at
    /// first touch.
    pub paranoid_checks: bool,
    /// The largest tables have about this many bytes; those of small runs are smaller.
    pub table_bytes: u64,
    /// How blocks are stored where that makes them shorter. Every build reads what it
    /// has the feature for, whatever this says.
    pub codec: Codec,
    /// When logged writes are made durable.
    #[cfg(feature = "durability")]
    pub sync_policy: SyncPolicy,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            memtable_capacity: 4 << 20,
            compaction_trigger: 4,
            block_cache_capacity: 8 << 20,
            mmap_reads: true,
            paranoid_checks: false,
            table_bytes: 32 << 20,
            codec: Codec::Plain,
            #[cfg(feature = "durability")]
            sync_policy: SyncPolicy::Always,
        }
    }
}

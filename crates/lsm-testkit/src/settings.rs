//! Settings of a store, drawn at random.
//!
//! The same numbers are drawn whatever the features are, so that a seed gives the same
//! history to every build; what a build cannot do is left out when it is opened.

#[cfg(feature = "durability")]
use std::time::Duration;

#[cfg(feature = "lz4")]
use lsm_db::Compression;
use lsm_db::LsmConfig;
#[cfg(feature = "durability")]
use lsm_db::SyncPolicy;

use crate::Rng;

/// When logged writes are made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Before they are acknowledged.
    Always,
    /// Every so many milliseconds.
    Interval(u64),
    /// With the flush of their memtable.
    OnFlush,
}

/// How a store is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The size of the write buffer in bytes.
    pub memtable_capacity: usize,
    /// Runs of a tier that begin a merge.
    pub compaction_trigger: usize,
    /// The size of the block cache in bytes.
    pub block_cache_capacity: usize,
    /// Whether blocks are read by mappings.
    pub mmap_reads: bool,
    /// Whether every read compares checksums.
    pub paranoid_checks: bool,
    /// Whether new blocks are compressed, in builds with `lz4`.
    pub lz4: bool,
    /// When writes are made durable, in builds with `durability`.
    pub policy: Policy,
}

impl Default for Settings {
    /// A small store, so that a short history flushes and merges.
    fn default() -> Self {
        Self {
            memtable_capacity: 600,
            compaction_trigger: 3,
            block_cache_capacity: 64 << 10,
            mmap_reads: true,
            paranoid_checks: false,
            lz4: false,
            policy: Policy::Always,
        }
    }
}

impl Settings {
    /// Any settings at all. Small write buffers are rarer than others: a long history
    /// spends its time on flushes with them.
    pub fn draw(rng: &mut Rng) -> Self {
        let memtable_capacity = match rng.below(48) {
            0 => 0,
            exponent @ 1..=4 => 200 << exponent,
            exponent => 16_000 << (exponent % 9),
        };
        let trigger = [2, 3, 4, 8, usize::MAX][rng.below(5) as usize];
        // Without merges every flush adds a run, and small ones without end.
        let compaction_trigger = if memtable_capacity < 64_000 { trigger.min(8) } else { trigger };
        let block_cache_capacity = [0, 4 << 10, 64 << 10, 8 << 20][rng.below(4) as usize];
        let policy = match rng.below(4) {
            0 => Policy::Interval(1 + rng.below(20)),
            1 => Policy::OnFlush,
            _ => Policy::Always,
        };
        Self {
            memtable_capacity,
            compaction_trigger,
            block_cache_capacity,
            mmap_reads: rng.one_in(2),
            paranoid_checks: rng.one_in(4),
            lz4: rng.one_in(2),
            policy,
        }
    }

    /// Any settings with a small write buffer, for short histories.
    pub fn draw_small(rng: &mut Rng) -> Self {
        let memtable_capacity = 150 << rng.below(5);
        Self { memtable_capacity, compaction_trigger: 2 + rng.below(4) as usize, ..Self::draw(rng) }
    }

    /// The same settings as the store takes them.
    #[must_use]
    pub fn config(&self) -> LsmConfig {
        let config = LsmConfig::new()
            .memtable_capacity(self.memtable_capacity)
            .compaction_trigger(self.compaction_trigger)
            .block_cache_capacity(self.block_cache_capacity)
            .mmap_reads(self.mmap_reads)
            .paranoid_checks(self.paranoid_checks);
        #[cfg(feature = "lz4")]
        let config =
            config.compression(if self.lz4 { Compression::Lz4 } else { Compression::None });
        #[cfg(feature = "durability")]
        let config = config.sync_policy(match self.policy {
            Policy::Always => SyncPolicy::Always,
            Policy::Interval(millis) => SyncPolicy::Interval(Duration::from_millis(millis)),
            Policy::OnFlush => SyncPolicy::OnFlush,
        });
        config
    }

    /// What an acknowledged write survives under these settings and features.
    #[must_use]
    pub fn promise(&self) -> Promise {
        // A write that is in tables when it returns needs no log.
        let in_tables = self.memtable_capacity == 0;
        let logged = cfg!(feature = "durability");
        Promise {
            kill: in_tables || logged,
            power: in_tables || (logged && self.policy == Policy::Always),
        }
    }
}

/// What an acknowledged write survives, though nothing was flushed or synced after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promise {
    /// That the process is killed.
    pub kill: bool,
    /// That the power fails.
    pub power: bool,
}

//! What a store can tell of itself.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::held::HeldStats;
use crate::shared::Shared;
use crate::tally::FilterCounts;
use crate::throttle::SlowReason;

/// One level of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LevelStats {
    /// Its number; new runs are on level 0.
    pub level: u8,
    /// How many runs there are.
    pub runs: usize,
    /// How many tables they consist of.
    pub tables: usize,
    /// Bytes of their files.
    pub bytes: u64,
    /// Entries in them, tombstones included.
    pub entries: u64,
    /// Tombstones in them.
    pub tombstones: u64,
}

/// A store at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The levels that have runs.
    pub levels: Vec<LevelStats>,
    /// Bytes of live keys and values in memtables.
    pub memtable_bytes: u64,
    /// Memtables that wait for their flush.
    pub frozen_memtables: usize,
    /// Memtables flushed since open.
    pub flushes: u64,
    /// Merges since open.
    pub compactions: u64,
    /// Bytes of blocks in the cache.
    pub cache_bytes: u64,
    /// Cache lookups that were answered since open.
    pub cache_hits: u64,
    /// Cache lookups that were not.
    pub cache_misses: u64,
    /// Blocks whose checksums nobody has compared since open.
    pub unverified_blocks: u64,
    /// Bytes of tables and filters that flushes and merges wrote since open.
    pub background_bytes_written: u64,
    /// Bytes of blocks that merges read since open.
    pub background_bytes_read: u64,
    /// Bytes of tables that were merged for those who wait for
    /// [`compact`](crate::Engine::compact) now.
    pub asked_bytes_done: u64,
    /// Bytes of tables that are still to be merged for them, roughly.
    pub asked_bytes_left: u64,
    /// What filters said since open.
    pub filters: FilterCounts,
    /// What readers keep of what the store has done with.
    pub held: HeldStats,
    /// Log records replayed at open.
    pub recovered_records: u64,
    /// Bytes of torn log records cut off at open.
    pub recovered_cut_bytes: u64,
    /// How long writers were slowed down since open, all of them together.
    pub slowed: Duration,
    /// How long they were stopped, because slowing down was not enough.
    pub stopped: Duration,
    /// Why they are being slowed down now, if they are.
    pub slow_reason: Option<SlowReason>,
    /// What is wrong in the background.
    pub background_error: Option<String>,
}

impl Shared {
    pub(crate) fn stats(&self) -> Stats {
        let view = self.view.load_full();
        let mut levels: BTreeMap<u8, LevelStats> = BTreeMap::new();
        for run in view.tables.version.runs().values() {
            let level = levels.entry(run.level).or_default();
            level.level = run.level;
            level.runs += 1;
            level.tables += run.tables.len();
            for table in &run.tables {
                level.bytes += table.file_bytes;
                level.entries += table.entries;
                level.tombstones += table.tombstones;
            }
        }
        let tables = view.tables.runs.iter().flat_map(|run| &run.tables);
        let (slowed, stopped) = self.throttle.times();
        let (asked_bytes_done, asked_bytes_left) = self.asked_bytes(&view.tables.version);
        let cache = self.disk.cache.counts();
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            levels: levels.into_values().collect(),
            memtable_bytes: view.buffers().map(|buffer| buffer.memtable.live_bytes() as u64).sum(),
            frozen_memtables: view.frozen.len(),
            flushes: count(&self.counters.flushes),
            compactions: count(&self.counters.compactions),
            cache_bytes: self.disk.cache.bytes(),
            cache_hits: cache.hits,
            cache_misses: cache.misses,
            unverified_blocks: tables.map(|live| live.table.blocks_to_verify() as u64).sum(),
            background_bytes_written: count(&self.disk.traffic.written),
            background_bytes_read: count(&self.disk.traffic.read),
            asked_bytes_done,
            asked_bytes_left,
            filters: self.counters.filters.counts(),
            held: self.held(),
            recovered_records: count(&self.counters.recovered_records),
            recovered_cut_bytes: count(&self.counters.recovered_cut_bytes),
            slowed,
            stopped,
            slow_reason: self.throttle.reason(),
            background_error: self.background_error().map(|error| error.to_string()),
        }
    }
}

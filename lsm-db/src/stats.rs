//! What a store can tell of itself.

use std::time::Duration;

/// A store at one moment, from [`Lsm::stats`](crate::Lsm::stats).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The levels that have runs, newest data first.
    pub levels: Vec<LevelStats>,
    /// Runs on all levels.
    pub runs: usize,
    /// Table files on all levels.
    pub tables: usize,
    /// Bytes of all table files, filters not counted.
    pub table_bytes: u64,
    /// Entries in tables: a key counts once for each table that has a version of
    /// it, and tombstones count.
    pub entries: u64,
    /// Tombstones among them.
    pub tombstones: u64,
    /// Bytes of live keys and values that are not in tables yet.
    pub memtable_bytes: u64,
    /// Full write buffers that wait for their flush.
    pub frozen_memtables: usize,
    /// Write buffers flushed since open.
    pub flushes: u64,
    /// Merges done since open.
    pub compactions: u64,
    /// Bytes of blocks in the cache.
    pub cache_bytes: u64,
    /// Cache lookups that found their block, since open.
    pub cache_hits: u64,
    /// Cache lookups that did not.
    pub cache_misses: u64,
    /// Bytes of files that flushes and merges wrote since open.
    pub background_bytes_written: u64,
    /// Bytes of files that merges read since open.
    pub background_bytes_read: u64,
    /// Bytes of files that were merged for the calls of
    /// [`compact`](crate::Lsm::compact) and [`compact_range`](crate::Lsm::compact_range)
    /// that wait now.
    pub compact_bytes_done: u64,
    /// Bytes of files that are still to be merged for them, roughly; 0 when none waits.
    pub compact_bytes_left: u64,
    /// How often a filter let a key pass that was there, since open (feature `bloom`).
    pub filter_true_positives: u64,
    /// How often a filter let a key pass that was not there, since open.
    pub filter_false_positives: u64,
    /// How often a filter spared a look into a file, since open.
    pub filter_negatives: u64,
    /// For how long the oldest snapshot, range or scan that is still held has been
    /// reading what the store itself has done with; `None` if there is none.
    pub held_for: Option<Duration>,
    /// Table files that are there for those readers alone, and go when they go.
    pub held_tables: usize,
    /// Bytes of these files, and of write buffers that are there for readers alone.
    pub held_bytes: u64,
    /// Log records replayed at open (feature `durability`).
    pub recovered_records: u64,
    /// Bytes of half-written log records that open cut off: at most the last writes
    /// before an unclean stop, which were not acknowledged, or not durable yet under a
    /// sync policy other than `Always`.
    pub recovered_cut_bytes: u64,
    /// How long writers were slowed down since open, all of them together: each write
    /// pays for its bytes with sleeps of at most a millisecond.
    pub slowed: Duration,
    /// How long writers were stopped since open, because slowing down was not enough; a
    /// group of them counts once.
    pub stopped: Duration,
    /// Why writers are being slowed down now, if they are.
    pub slow_reason: Option<SlowReason>,
    /// What is wrong in the background: why writes are refused, the failure of the last
    /// flush or merge, which is tried again, or damage that was found while idle.
    pub background_error: Option<String>,
}

/// What writers are slowed down for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlowReason {
    /// Full write buffers wait for their flush.
    Flush,
    /// Runs wait to be merged.
    Merge,
}

/// One level of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LevelStats {
    /// The level's number; new runs are on level 0.
    pub level: u8,
    /// Runs on it.
    pub runs: usize,
    /// Table files they consist of.
    pub tables: usize,
    /// Bytes of these files.
    pub bytes: u64,
    /// Entries in them, tombstones included.
    pub entries: u64,
    /// Tombstones in them.
    pub tombstones: u64,
}

impl Stats {
    pub(crate) fn new(found: lsm_engine::Stats) -> Self {
        let levels: Vec<_> = found.levels.into_iter().map(LevelStats::new).collect();
        Self {
            runs: levels.iter().map(|level| level.runs).sum(),
            tables: levels.iter().map(|level| level.tables).sum(),
            table_bytes: levels.iter().map(|level| level.bytes).sum(),
            entries: levels.iter().map(|level| level.entries).sum(),
            tombstones: levels.iter().map(|level| level.tombstones).sum(),
            levels,
            memtable_bytes: found.memtable_bytes,
            frozen_memtables: found.frozen_memtables,
            flushes: found.flushes,
            compactions: found.compactions,
            cache_bytes: found.cache_bytes,
            cache_hits: found.cache_hits,
            cache_misses: found.cache_misses,
            background_bytes_written: found.background_bytes_written,
            background_bytes_read: found.background_bytes_read,
            compact_bytes_done: found.asked_bytes_done,
            compact_bytes_left: found.asked_bytes_left,
            filter_true_positives: found.filters.true_positives,
            filter_false_positives: found.filters.false_positives,
            filter_negatives: found.filters.negatives,
            held_for: found.held.oldest,
            held_tables: found.held.tables,
            held_bytes: found.held.bytes,
            recovered_records: found.recovered_records,
            recovered_cut_bytes: found.recovered_cut_bytes,
            slowed: found.slowed,
            stopped: found.stopped,
            slow_reason: found.slow_reason.map(SlowReason::new),
            background_error: found.background_error,
        }
    }
}

impl SlowReason {
    fn new(found: lsm_engine::SlowReason) -> Self {
        match found {
            lsm_engine::SlowReason::Merge => Self::Merge,
            _ => Self::Flush,
        }
    }
}

impl LevelStats {
    fn new(found: lsm_engine::LevelStats) -> Self {
        let lsm_engine::LevelStats { level, runs, tables, bytes, entries, tombstones } = found;
        Self { level, runs, tables, bytes, entries, tombstones }
    }
}

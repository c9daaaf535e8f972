//! Slowing writers down before they have to be stopped.
//!
//! Writers are faster than flushing and merging. Where those fall behind, each write
//! takes up a time for its bytes, the longer the further they are behind, on a clock
//! that all writers share. Whoever finds that clock ahead of the real one sleeps until
//! it is not, a millisecond at most at once. So all writers together come down to the
//! pace of the background smoothly, and the hard stop of
//! [`wait_for_room`](Shared::wait_for_room) is rarely met.
//!
//! # Invariants
//!
//! * Below half of a limit nobody owes anything, and a write reads two numbers. The
//!   limits are those at which writers stop: four frozen memtables, the memory of as
//!   many full ones, or a tier of six times as many runs as the trigger. For the bytes of
//!   the upper runs they are never stopped.
//! * At a limit a byte takes up four times what the background was last measured to take
//!   for it, half way between that and half of the limit twice as much.
//! * What a sleep took longer than it should counts for what follows.

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::{Duration, Instant};

use lsm_compaction::Debt;

use crate::Options;
use crate::shared::Shared;
use crate::view::View;
use crate::work::MAX_FROZEN;

/// Less than this is not slept: the timer is not that fine.
const LEAST_SLEEP_NS: u64 = 100_000;
const LONGEST_SLEEP_NS: u64 = 1_000_000;
/// Further than this the clock of the writers is never ahead.
const MOST_AHEAD_NS: u64 = 20_000_000;
/// The pace before anything was measured: 200 MB/s.
const FIRST_PACE_NS_PER_KIB: u64 = 5_000;
/// What a memtable takes however small its capacity is.
const LEAST_MEMTABLE_BYTES: usize = 256 << 10;
/// Where fewer bytes were flushed or merged, a pace is measured as if it were so many.
const LEAST_MEASURED_BYTES: u64 = 256 << 10;
/// A measured pace counts for so much of the next estimate: one part of four.
const NEW_PART: u64 = 4;

/// What writers have to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlowReason {
    /// Memtables wait for their flush.
    Flush,
    /// Runs wait to be merged.
    Merge,
}

impl fmt::Display for SlowReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flush => "memtables wait for their flush",
            Self::Merge => "runs wait to be merged",
        })
    }
}

/// What writers owe, and what they have paid.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// What a KiB owes now for memory and for runs, in nanoseconds.
    memory_toll: AtomicU64,
    merge_toll: AtomicU64,
    /// Runs of the fullest tier.
    tier_runs: AtomicUsize,
    /// What the frozen memtables take, and how many there are.
    frozen_bytes: AtomicU64,
    frozen: AtomicUsize,
    /// Up to when the writers' bytes take, in nanoseconds since `begun`.
    busy_until_ns: AtomicU64,
    begun: Instant,
    slept_ns: AtomicU64,
    stopped_ns: AtomicU64,
    flush_ns_per_kib: AtomicU64,
    merge_ns_per_kib: AtomicU64,
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Self {
            memory_toll: AtomicU64::new(0),
            merge_toll: AtomicU64::new(0),
            tier_runs: AtomicUsize::new(0),
            frozen_bytes: AtomicU64::new(0),
            frozen: AtomicUsize::new(0),
            busy_until_ns: AtomicU64::new(0),
            begun: Instant::now(),
            slept_ns: AtomicU64::new(0),
            stopped_ns: AtomicU64::new(0),
            flush_ns_per_kib: AtomicU64::new(FIRST_PACE_NS_PER_KIB),
            merge_ns_per_kib: AtomicU64::new(FIRST_PACE_NS_PER_KIB),
        }
    }

    /// Notes how long the background took for so many bytes.
    pub(crate) fn measured(&self, reason: SlowReason, bytes: u64, took: Duration) {
        let pace = match reason {
            SlowReason::Flush => &self.flush_ns_per_kib,
            SlowReason::Merge => &self.merge_ns_per_kib,
        };
        // What is smaller is all fixed cost, which says nothing of a byte's.
        let measured = nanos(took).saturating_mul(1024) / bytes.max(LEAST_MEASURED_BYTES);
        let before = pace.load(Relaxed);
        let next = before - before / NEW_PART + measured / NEW_PART;
        pace.store(next, Relaxed);
    }

    /// Sets the tolls for a new view.
    pub(crate) fn set_for(&self, view: &View, options: &Options) {
        let debt = options.policy().debt(&view.tables.version);
        self.tier_runs.store(debt.tier_runs, Relaxed);
        let pace = self.merge_ns_per_kib.load(Relaxed);
        let runs = toll(debt.tier_runs, options.most_runs(), pace);
        self.merge_toll.store(runs.max(upper_toll(&debt, options, pace)), Relaxed);
        let frozen = view.frozen.iter().map(|buffer| buffer.memtable.memory_bytes()).sum::<usize>();
        self.frozen_bytes.store(frozen as u64, Relaxed);
        self.frozen.store(view.frozen.len(), Relaxed);
        self.set_memory(view.active.memtable.memory_bytes(), options.memtable_capacity);
    }

    /// Whether merging is so far behind that writers are slowed down for it.
    pub(crate) fn owes_merges(&self) -> bool {
        self.merge_toll.load(Relaxed) > 0
    }

    /// Whether a memtable waits while another one is flushed.
    pub(crate) fn flushes_wait(&self) -> bool {
        self.frozen.load(Relaxed) > 1
    }

    /// How many runs the fullest tier has.
    #[inline]
    pub(crate) fn tier_runs(&self) -> usize {
        self.tier_runs.load(Relaxed)
    }

    /// Sets the toll for an active memtable of so many bytes beside the frozen ones.
    /// Alone it owes nothing.
    #[inline]
    pub(crate) fn set_memory(&self, active: usize, capacity: usize) {
        let frozen = self.frozen_bytes.load(Relaxed) as usize;
        if frozen == 0 && self.memory_toll.load(Relaxed) == 0 {
            return;
        }
        let have = if frozen == 0 { 0 } else { frozen.saturating_add(active) };
        let most = capacity.saturating_add(LEAST_MEMTABLE_BYTES).saturating_mul(MAX_FROZEN);
        let pace = self.flush_ns_per_kib.load(Relaxed);
        let count = self.frozen.load(Relaxed);
        self.memory_toll.store(toll(have, most, pace).max(toll(count, MAX_FROZEN, pace)), Relaxed);
    }

    /// Why writers are being slowed down now, if they are.
    pub(crate) fn reason(&self) -> Option<SlowReason> {
        match (self.memory_toll.load(Relaxed), self.merge_toll.load(Relaxed)) {
            (0, 0) => None,
            (memory, merge) if merge > memory => Some(SlowReason::Merge),
            _ => Some(SlowReason::Flush),
        }
    }

    /// How long writers have slept since open, and how long they were stopped.
    pub(crate) fn times(&self) -> (Duration, Duration) {
        let of = |counter: &AtomicU64| Duration::from_nanos(counter.load(Relaxed));
        (of(&self.slept_ns), of(&self.stopped_ns))
    }

    pub(crate) fn note_stop(&self, took: Duration) {
        add(&self.stopped_ns, took);
    }

    /// Takes up the time of a write of so many bytes, and sleeps if the writers are ahead.
    #[inline]
    pub(crate) fn pay(&self, bytes: usize) {
        let toll = self.memory_toll.load(Relaxed).max(self.merge_toll.load(Relaxed));
        if toll > 0 {
            self.take_up((bytes as u64).saturating_mul(toll) / 1024);
        }
    }

    #[cold]
    fn take_up(&self, ns: u64) {
        let now = nanos(self.begun.elapsed());
        let until = |busy: u64| busy.max(now).saturating_add(ns).min(now + MOST_AHEAD_NS);
        let before = self.busy_until_ns.fetch_update(Relaxed, Relaxed, |busy| Some(until(busy)));
        let ahead = before.map_or(0, |busy| until(busy) - now);
        if ahead < LEAST_SLEEP_NS {
            return;
        }
        std::thread::sleep(Duration::from_nanos(ahead.min(LONGEST_SLEEP_NS)));
        add(&self.slept_ns, self.begun.elapsed().saturating_sub(Duration::from_nanos(now)));
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// What a KiB takes up where there are `have` of at most `most`.
fn toll(have: usize, most: usize, pace: u64) -> u64 {
    let half = most / 2;
    let above = have.saturating_sub(half) as u64;
    let room = most.saturating_sub(half).max(1) as u64;
    pace.saturating_mul(4 * above.min(room)) / room
}

/// What a KiB takes up for the upper runs. They may have the bytes of half of a full first
/// tier more than half of the lower run; from there on it rises until they have half of
/// the lower run more, or as much again if that is more.
fn upper_toll(debt: &Debt, options: &Options, pace: u64) -> u64 {
    let memtable = options.memtable_capacity.max(LEAST_MEMTABLE_BYTES) as u64;
    let free = memtable.saturating_mul(options.most_runs() as u64 / 2);
    let room = free.max(debt.lower_bytes / 2).max(1);
    let above = u128::from(debt.upper_bytes.saturating_sub(free).min(room));
    let toll = u128::from(pace) * 4 * above / u128::from(room);
    u64::try_from(toll).unwrap_or(u64::MAX)
}

fn add(counter: &AtomicU64, took: Duration) {
    counter.fetch_add(nanos(took), Relaxed);
}

impl Shared {
    /// Lets a writer of so many bytes wait for its part, if the background is behind.
    #[inline]
    pub(crate) fn slow_down(&self, bytes: usize) {
        match self.is_stepped() {
            false => self.throttle.pay(bytes),
            true => self.interlude(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_up_below_half_and_four_times_the_pace_at_the_limit() {
        let tolls = [0, 1, 2, 3, 4, 9].map(|have| toll(have, 4, 1_000));
        assert_eq!(tolls, [0, 0, 0, 2_000, 4_000, 4_000]);
        assert_eq!(toll(1_000, usize::MAX, u64::MAX), 0, "merging is switched off");
        assert_eq!(toll(1, 0, 1_000), 4_000);
    }

    #[test]
    fn upper_runs_owe_from_half_of_the_lower_one_and_a_tier_on() {
        let mib = 1_u64 << 20;
        let options = Options { memtable_capacity: 1 << 20, ..Options::default() };
        let toll = |upper, lower| {
            let debt = Debt { tier_runs: 0, upper_bytes: upper * mib, lower_bytes: lower * mib };
            upper_toll(&debt, &options, 1_000)
        };
        let tolls = [0, 12, 15, 24, 99].map(|upper| toll(upper, 4));
        assert_eq!(tolls, [0, 0, 1_000, 4_000, 4_000]);
        let tolls = [12, 62, 112, 999].map(|upper| toll(upper, 200));
        assert_eq!(tolls, [0, 2_000, 4_000, 4_000]);
        let off = Options { compaction_trigger: usize::MAX, ..options.clone() };
        let debt = Debt { tier_runs: 0, upper_bytes: u64::MAX / 4, lower_bytes: 0 };
        assert_eq!(upper_toll(&debt, &off, u64::MAX), 0, "nothing is merged");
    }

    #[test]
    fn writers_sleep_until_their_clock_is_not_ahead() {
        let throttle = Throttle::new();
        throttle.pay(1 << 20);
        assert_eq!(throttle.times().0, Duration::ZERO, "no toll");
        throttle.memory_toll.store(50_000, Relaxed);
        assert_eq!(throttle.reason(), Some(SlowReason::Flush));
        throttle.pay(1024);
        assert_eq!(throttle.times().0, Duration::ZERO, "too little for a timer");
        throttle.pay(1024 * 100);
        let slept = throttle.times().0;
        assert!(slept >= Duration::from_nanos(LONGEST_SLEEP_NS), "{slept:?}");
        throttle.pay(usize::MAX);
        let now = nanos(throttle.begun.elapsed());
        assert!(throttle.busy_until_ns.load(Relaxed) <= now + MOST_AHEAD_NS);
    }

    /// The pace holds for all threads together: each byte takes its time from the same
    /// clock.
    #[test]
    fn threads_share_the_clock() {
        let throttle = Throttle::new();
        throttle.memory_toll.store(20_000, Relaxed);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..50).for_each(|_| throttle.pay(10 << 10)));
            }
        });
        // 200 writes of 10 KiB at 20 us a KiB; the last may leave some of it to others.
        let least = Duration::from_nanos(200 * 10 * 20_000 - MOST_AHEAD_NS);
        assert!(throttle.begun.elapsed() >= least, "{:?}", throttle.begun.elapsed());
    }

    #[test]
    fn one_memtable_alone_owes_nothing_and_the_toll_grows_with_the_next() {
        let throttle = Throttle::new();
        let mib = 1 << 20;
        throttle.set_memory(100 * mib, mib);
        assert_eq!(throttle.reason(), None);
        throttle.frozen_bytes.store(2 * mib as u64, Relaxed);
        let mut last = 0;
        for (active, owes) in
            [(0, false), (mib / 2, false), (mib, true), (2 * mib, true), (3 * mib, true)]
        {
            throttle.set_memory(active, mib);
            let toll = throttle.memory_toll.load(Relaxed);
            assert_eq!((toll > last, throttle.reason().is_some()), (owes, owes), "{active}");
            last = toll;
        }
        assert_eq!(last, 4 * FIRST_PACE_NS_PER_KIB, "at the limit");
        throttle.frozen_bytes.store(0, Relaxed);
        throttle.set_memory(3 * mib, mib);
        assert_eq!(throttle.reason(), None);
    }

    #[test]
    fn the_pace_follows_what_is_measured() {
        let throttle = Throttle::new();
        for _ in 0..50 {
            throttle.measured(SlowReason::Merge, 1 << 20, Duration::from_millis(100));
        }
        let pace = throttle.merge_ns_per_kib.load(Relaxed);
        assert!((90_000..=98_000).contains(&pace), "{pace}");
        assert_eq!(throttle.flush_ns_per_kib.load(Relaxed), FIRST_PACE_NS_PER_KIB);
    }
}

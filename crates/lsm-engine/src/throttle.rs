//! Slowing writers down before they have to be stopped.
//!
//! Writers are faster than flushing and merging. Where those fall behind, each write
//! owes a time for its bytes, the more the further they are behind; whoever finds
//! enough of it owing sleeps it off, a millisecond at most at once. So writers come
//! down to the pace of the background smoothly, and the hard stop of
//! [`wait_for_room`](Shared::wait_for_room) is rarely met.
//!
//! # Invariants
//!
//! * Below half of a limit nobody owes anything, and a write reads two numbers. The
//!   limits are those at which writers stop: for memory, four full memtables beside the
//!   active one.
//! * At a limit a byte owes twice what the background was last measured to take for it.
//! * What a sleep took longer than it should is paid back.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::Options;
use crate::shared::Shared;
use crate::view::View;
use crate::work::{MAX_FROZEN, RUNS_PER_TRIGGER};

/// Less than this is not slept: the timer is not that fine.
const LEAST_SLEEP_NS: u64 = 100_000;
const LONGEST_SLEEP_NS: u64 = 1_000_000;
/// More than this is forgiven.
const MOST_OWED_NS: u64 = 20_000_000;
/// The pace before anything was measured: 200 MB/s.
const FIRST_PACE_NS_PER_KIB: u64 = 5_000;
/// What a memtable takes however small its capacity is.
const LEAST_MEMTABLE_BYTES: usize = 256 << 10;
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
    /// What the frozen memtables take.
    frozen_bytes: AtomicU64,
    owed_ns: AtomicU64,
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
            frozen_bytes: AtomicU64::new(0),
            owed_ns: AtomicU64::new(0),
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
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let measured = took.saturating_mul(1024) / bytes.max(1024);
        let before = pace.load(Relaxed);
        let next = before - before / NEW_PART + measured / NEW_PART;
        pace.store(next, Relaxed);
    }

    /// Sets the tolls for a new view.
    pub(crate) fn set_for(&self, view: &View, options: &Options) {
        let most_runs = options.compaction_trigger.saturating_mul(RUNS_PER_TRIGGER);
        let runs = view.tables.runs.len();
        let merge = toll(runs, most_runs, self.merge_ns_per_kib.load(Relaxed));
        self.merge_toll.store(merge, Relaxed);
        let frozen = view.frozen.iter().map(|buffer| buffer.memtable.memory_bytes()).sum::<usize>();
        self.frozen_bytes.store(frozen as u64, Relaxed);
        self.set_memory(view.active.memtable.memory_bytes(), options.memtable_capacity);
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
        self.memory_toll.store(toll(have, most, self.flush_ns_per_kib.load(Relaxed)), Relaxed);
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

    /// Owes for a write of so many bytes, and sleeps if there is enough to pay.
    #[inline]
    pub(crate) fn pay(&self, bytes: usize) {
        let toll = self.memory_toll.load(Relaxed).max(self.merge_toll.load(Relaxed));
        if toll > 0 {
            self.owe((bytes as u64).saturating_mul(toll) / 1024);
        }
    }

    #[cold]
    fn owe(&self, ns: u64) {
        let owed = self.owed_ns.fetch_add(ns, Relaxed).saturating_add(ns).min(MOST_OWED_NS);
        if owed < LEAST_SLEEP_NS {
            return;
        }
        // Another writer may pay meanwhile: what it took is not there any more.
        let owed = self.owed_ns.swap(0, Relaxed).min(MOST_OWED_NS);
        if owed < LEAST_SLEEP_NS {
            self.owed_ns.fetch_add(owed, Relaxed);
            return;
        }
        let begun = Instant::now();
        std::thread::sleep(Duration::from_nanos(owed.min(LONGEST_SLEEP_NS)));
        let took = begun.elapsed();
        add(&self.slept_ns, took);
        let left = owed.saturating_sub(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        self.owed_ns.fetch_add(left, Relaxed);
    }
}

/// What a KiB owes where there are `have` of at most `most`.
fn toll(have: usize, most: usize, pace: u64) -> u64 {
    let half = most / 2;
    let above = have.saturating_sub(half) as u64;
    let room = most.saturating_sub(half).max(1) as u64;
    2 * pace.saturating_mul(above.min(room)) / room
}

fn add(counter: &AtomicU64, took: Duration) {
    counter.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
}

impl Shared {
    /// Lets a writer of so many bytes wait for its part, if the background is behind.
    #[inline]
    pub(crate) fn slow_down(&self, bytes: usize) {
        self.throttle.pay(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_owes_below_half_and_all_owe_twice_the_pace_at_the_limit() {
        assert_eq!(
            [0, 1, 2, 3, 4, 9].map(|have| toll(have, 4, 1_000)),
            [0, 0, 0, 1_000, 2_000, 2_000]
        );
        assert_eq!(toll(1_000, usize::MAX, u64::MAX), 0, "merging is switched off");
        assert_eq!(toll(1, 0, 1_000), 2_000);
    }

    #[test]
    fn debts_are_slept_off_a_millisecond_at_a_time() {
        let throttle = Throttle::new();
        throttle.pay(1 << 20);
        assert_eq!(throttle.times().0, Duration::ZERO, "no toll");
        throttle.memory_toll.store(50_000, Relaxed);
        assert_eq!(throttle.reason(), Some(SlowReason::Flush));
        throttle.pay(1024);
        assert_eq!(throttle.times().0, Duration::ZERO, "50 microseconds are carried on");
        throttle.pay(1024 * 100);
        let slept = throttle.times().0;
        assert!(slept >= Duration::from_nanos(LONGEST_SLEEP_NS), "{slept:?}");
        let owed = throttle.owed_ns.load(Relaxed);
        assert!(owed <= 5_050_000 - LONGEST_SLEEP_NS, "{owed}");
        throttle.pay(usize::MAX);
        assert!(throttle.owed_ns.load(Relaxed) <= MOST_OWED_NS);
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
        assert_eq!(last, 2 * FIRST_PACE_NS_PER_KIB, "at the limit");
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

//! Random histories of logs in recycled slots, cut short at random moments.
//!
//! What a manifest would say is kept beside the disk and durable at once: the live
//! logs, and the last number that is in tables.

use std::path::Path;

use lsm_testkit::{Crash, Rng, SimDisk};
use lsm_vfs::Dir;
use lsm_wal::{LogWriter, Slot};

use crate::support::{PATH, STORE, live, name, open, replay_all, slot, stamp};

/// What was promised, and what a manifest would say, once so many events were done.
#[derive(Clone, Debug, Default)]
struct Moment {
    events: usize,
    /// Log and slot of each live log, in order.
    live: Vec<(u64, u64)>,
    /// The last number that is in tables.
    flushed: u64,
    acknowledged: u64,
    begun: u64,
}

/// Everything that was ever written: body and first number.
type Written = Vec<(u64, Vec<u8>)>;

struct History {
    rng: Rng,
    now: Moment,
    moments: Vec<Moment>,
    written: Written,
    writers: Vec<(LogWriter, u64)>,
    free: Vec<Slot>,
    next_log: u64,
}

impl History {
    fn new(seed: u64) -> Self {
        let (now, moments, written) = (Moment::default(), Vec::new(), Vec::new());
        let (writers, free) = (Vec::new(), Vec::new());
        Self { rng: Rng::new(seed), now, moments, written, writers, free, next_log: 1 }
    }

    fn last_seq(&self) -> u64 {
        self.now.begun
    }

    fn note(&mut self, disk: &SimDisk) {
        self.now.events = disk.events();
        self.moments.push(self.now.clone());
    }

    /// Begins a new log: the one before is synced first.
    fn rotate(&mut self, dir: &dyn Dir, disk: &SimDisk) {
        self.sync();
        let number = self.next_log;
        self.next_log += 1;
        let slot = self.free.pop().unwrap_or_else(|| slot(dir, number));
        self.now.live.push((number, slot.number()));
        let writer = LogWriter::start(slot, STORE, number).unwrap();
        self.writers.push((writer, self.last_seq()));
        self.note(disk);
    }

    fn sync(&mut self) {
        if let Some((writer, _)) = self.writers.last() {
            writer.sync_handle().sync().unwrap();
            self.now.acknowledged = self.now.begun;
        }
    }

    /// All but the current log are in tables; the slot of the oldest is free.
    fn release(&mut self, disk: &SimDisk) {
        if self.writers.len() < 2 {
            return;
        }
        let (writer, _) = self.writers.remove(0);
        self.now.flushed = self.writers[0].1;
        self.now.live.remove(0);
        self.note(disk);
        self.free.push(writer.into_slot());
    }

    fn append(&mut self, disk: &SimDisk) {
        let count = 1 + self.rng.below(4) as u32;
        let len = if self.rng.one_in(20) { 9_000 } else { self.rng.below(300) };
        let bytes: Vec<u8> = (0..len).map(|_| self.rng.next_u64() as u8).collect();
        let first_seq = self.last_seq() + 1;
        let stamp = stamp(first_seq, count, self.now.acknowledged);
        self.written.push((first_seq, bytes.clone()));
        // From its first event on it may be there.
        self.now.begun = stamp.last_seq();
        self.note(disk);
        let (writer, _) = self.writers.last_mut().unwrap();
        let half = bytes.len() / 2;
        writer.append(stamp, &[&bytes[..half], &bytes[half..]]).unwrap();
        self.note(disk);
    }
}

/// Replays what a crash left and holds it against what was promised.
fn check(disk: &SimDisk, moment: &Moment, begun: u64, written: &Written, what: &str) {
    let dir = open(disk, Path::new(PATH));
    let logs: Vec<_> = moment
        .live
        .iter()
        .map(|(log, slot)| live(*log, *slot, dir.open(&name(*slot), false).unwrap()))
        .collect();
    let (done, seen) = replay_all(&logs, moment.flushed);
    let done = done.unwrap_or_else(|error| panic!("{what}: {error}"));
    let acknowledged = moment.acknowledged;
    assert!(done.last_seq >= acknowledged, "{what}: {} of {acknowledged}", done.last_seq);
    assert!(done.last_seq <= begun, "{what}: {} of {begun}", done.last_seq);
    let expected =
        written.iter().filter(|(seq, _)| (moment.flushed + 1..=done.last_seq).contains(seq));
    assert!(
        seen.iter().map(|(_, seq, body)| (seq, body)).eq(expected.map(|(s, b)| (s, b))),
        "{what}"
    );
}

#[test]
fn s01_to_s07_whatever_a_crash_leaves_is_a_prefix_with_all_that_was_synced() {
    for seed in 0..40 {
        let disk = SimDisk::new(seed);
        let dir = open(&disk, Path::new(PATH));
        let mut history = History::new(seed);
        history.rotate(&*dir, &disk);
        for _ in 0..120 {
            match history.rng.below(12) {
                0 => history.rotate(&*dir, &disk),
                1 => history.release(&disk),
                2..=4 => {
                    history.sync();
                    history.note(&disk);
                }
                _ => history.append(&disk),
            }
        }
        let first = history.moments[0].events;
        for round in 0..60 {
            let at = first + history.rng.below((disk.events() - first) as u64 + 1) as usize;
            // Promises count when they were made, beginnings before they end.
            let made = history.moments.iter().rev().find(|moment| moment.events <= at).unwrap();
            let begun = history
                .moments
                .iter()
                .take_while(|moment| moment.events <= at)
                .map(|moment| moment.begun)
                .max()
                .unwrap();
            let how = match round % 6 {
                0 => Crash::Kill,
                1 => Crash::LoseAll,
                2 => Crash::LengthsOnly,
                3 => Crash::NamesOnly,
                _ => Crash::Random(seed * 1_000 + round),
            };
            let left = disk.crash(at, how);
            let what = format!("seed {seed}, {how:?} at {at}");
            check(&left, made, begun, &history.written, &what);
        }
    }
}

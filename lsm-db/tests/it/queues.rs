//! Queues: what is deleted lies in ranges, and readers remember which ranges are dead.
//! Random histories of that shape against a `BTreeMap`, and readers beside writers
//! inside and outside of the dead ranges.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use lsm_db::{Batch, Lsm, LsmConfig, Snapshot};
use lsm_testkit::{Rng, SimDisk};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;
type Keys = Vec<Vec<u8>>;

fn key(queue: u64, number: u64) -> Vec<u8> {
    format!("queue{queue}/{number:06}").into_bytes()
}

fn prefix(queue: u64) -> Vec<u8> {
    format!("queue{queue}/").into_bytes()
}

fn keys(rows: impl Iterator<Item = lsm_db::Result<(lsm_db::Value, lsm_db::Value)>>) -> Keys {
    rows.map(|row| row.unwrap().0.to_vec()).collect()
}

/// A store, what it must hold, and snapshots with what they must show.
struct Queues {
    db: Lsm,
    model: Map,
    /// The head and the tail of each queue.
    ends: [(u64, u64); 2],
    held: VecDeque<(Snapshot, Map)>,
    rng: Rng,
}

impl Queues {
    fn put(&mut self, key: Vec<u8>) {
        let value = vec![self.rng.below(256) as u8; self.rng.below(40) as usize];
        self.db.put(&key, &value).unwrap();
        self.model.insert(key, value);
    }

    fn delete(&mut self, key: &[u8]) {
        self.db.delete(key).unwrap();
        self.model.remove(key);
    }

    fn step(&mut self) {
        let queue = self.rng.below(2);
        let (head, tail) = self.ends[queue as usize];
        let many = 1 + self.rng.below(150);
        match self.rng.below(40) {
            0..=4 => {
                (tail..tail + many).for_each(|number| self.put(key(queue, number)));
                self.ends[queue as usize].1 = tail + many;
            }
            5..=9 => {
                let end = tail.min(head + many);
                (head..end).for_each(|number| self.delete(&key(queue, number)));
                self.ends[queue as usize].0 = end;
            }
            10..=13 => {
                let end = tail.min(head + many);
                let mut batch = Batch::new();
                for number in head..end {
                    batch.delete(key(queue, number));
                    self.model.remove(&key(queue, number));
                }
                batch.put(key(queue, tail), b"batch");
                self.model.insert(key(queue, tail), b"batch".to_vec());
                self.db.write(batch).unwrap();
                self.ends[queue as usize] = (end, tail + 1);
            }
            // Something comes back to where all was deleted, alone or in a batch, and goes.
            14 => {
                let number = self.rng.below(head + 1);
                self.put(key(queue, number));
            }
            15 => {
                let (a, b) = (self.rng.below(head + 1), self.rng.below(head + 1));
                let mut batch = Batch::new();
                batch.put(key(queue, a), b"back");
                batch.delete(key(queue, b));
                self.db.write(batch).unwrap();
                self.model.insert(key(queue, a), b"back".to_vec());
                self.model.remove(&key(queue, b));
            }
            16..=17 => (0..3).for_each(|_| {
                let number = self.rng.below(head + 1);
                self.delete(&key(queue, number));
            }),
            18 if self.rng.one_in(3) => self.db.flush().unwrap(),
            19 => self.held.push_back((self.db.snapshot(), self.model.clone())),
            20 if self.held.len() > 4 => drop(self.held.pop_front()),
            21..=23 => self.look_at_held(),
            _ => self.look(queue),
        }
    }

    fn look(&mut self, queue: u64) {
        let snapshot = self.db.snapshot();
        check(&snapshot, &self.model, queue, &mut self.rng);
        let first = self.model.keys().next().cloned();
        let found = self.db.scan(..).unwrap().next().map(|(key, _)| key);
        assert_eq!(found, first);
    }

    fn look_at_held(&mut self) {
        let queue = self.rng.below(2);
        for (snapshot, model) in &self.held {
            check(snapshot, model, queue, &mut self.rng);
        }
    }
}

/// Compares parts of what a snapshot shows.
fn check(snapshot: &Snapshot, model: &Map, queue: u64, rng: &mut Rng) {
    let inside = |prefix: &[u8]| -> Keys {
        model.keys().filter(|key| key.starts_with(prefix)).cloned().collect()
    };
    let expected = inside(&prefix(queue));
    let some =
        |keys: &mut dyn Iterator<Item = &Vec<u8>>| -> Keys { keys.take(10).cloned().collect() };
    match rng.below(5) {
        0 => assert_eq!(keys(snapshot.prefix(prefix(queue))), expected),
        1 => {
            // Behind a slash comes a zero. Collecting asks for the length.
            let range = prefix(queue)..format!("queue{queue}0").into_bytes();
            let scan = snapshot.scan(range).unwrap();
            let found: Keys = scan.map(|(key, _)| key).take(10).collect();
            assert_eq!(found, some(&mut expected.iter()));
        }
        2 => {
            let found = keys(snapshot.prefix(prefix(queue)).rev().take(10));
            assert_eq!(found, some(&mut expected.iter().rev()));
        }
        3 => {
            let from = key(queue, rng.below(3_000));
            let to = key(queue, rng.below(3_000));
            let expected: Keys =
                expected.into_iter().filter(|key| *key >= from && *key < to).collect();
            assert_eq!(keys(snapshot.range(from.clone()..to.clone())), expected);
            assert_eq!(snapshot.scan(from..to).unwrap().len(), expected.len());
        }
        _ => {
            let mut rows = snapshot.range(..);
            let target = key(queue, rng.below(3_000));
            rows.seek(&target).unwrap();
            let expected: Keys = model.range(target..).map(|(key, _)| key.clone()).collect();
            assert_eq!(keys(rows.by_ref().take(3)), expected[..expected.len().min(3)]);
            let left = expected.get(3..).unwrap_or_default();
            assert_eq!(keys(rows.rev()), left.iter().rev().cloned().collect::<Keys>());
        }
    }
}

fn drive(seed: u64, config: LsmConfig) {
    let disk = Arc::new(SimDisk::new(seed));
    let db = Lsm::open_on(disk.clone(), "/store", config.clone()).unwrap();
    let (held, ends) = (VecDeque::new(), [(0, 0); 2]);
    let mut queues = Queues { db, model: Map::new(), ends, held, rng: Rng::new(seed) };
    for _ in 0..1_500 {
        queues.step();
        if queues.rng.one_in(400) {
            queues.db.close().unwrap();
            queues.db = Lsm::open_on(disk.clone(), "/store", config.clone()).unwrap();
        }
    }
    let all: Map = queues.db.scan(..).unwrap().collect();
    assert_eq!(all, queues.model, "seed {seed}");
}

#[test]
fn queues_equal_a_map_whatever_comes_between() {
    for (seed, (capacity, trigger)) in
        (1..).zip([(1 << 20, 4), (20_000, 2), (4_000, 3), (30_000, usize::MAX), (1_000, 2)])
    {
        let config = LsmConfig::new().memtable_capacity(capacity).compaction_trigger(trigger);
        drive(seed, config);
    }
}

/// What the first writer does, in order; a write is a put or a delete of one number.
fn history(rng: &mut Rng, steps: usize) -> Vec<(u64, bool)> {
    let (mut head, mut tail) = (0, 0);
    let mut writes = Vec::new();
    while writes.len() < steps {
        match rng.below(8) {
            0..=2 => {
                let many = 1 + rng.below(60);
                writes.extend((tail..tail + many).map(|number| (number, true)));
                tail += many;
            }
            3..=6 => {
                let end = tail.min(head + 1 + rng.below(60));
                writes.extend((head..end).map(|number| (number, false)));
                head = end;
            }
            _ => {
                // Back into the dead range, and out of it again.
                let number = rng.below(head + 1).max(head.saturating_sub(300));
                writes.push((number, true));
                if number < head {
                    writes.push((number, false));
                }
            }
        }
    }
    writes
}

/// The first three rows after each number of writes.
fn heads(writes: &[(u64, bool)]) -> Vec<Keys> {
    let mut state = std::collections::BTreeSet::new();
    let first = |state: &std::collections::BTreeSet<u64>| -> Keys {
        state.iter().take(3).map(|number| key(1, *number)).collect()
    };
    let mut heads = vec![first(&state)];
    for (number, is_put) in writes {
        if *is_put {
            state.insert(*number);
        } else {
            state.remove(number);
        }
        heads.push(first(&state));
    }
    heads
}

/// Each peek is a state between the last write that was done before it and the last one
/// that was begun when it ended; and a snapshot shows the same however often it is asked.
#[test]
fn peeks_beside_writers_are_states_in_between() {
    for (seed, capacity) in [(1, 4_000), (2, 40_000), (3, 1 << 20)] {
        let disk = Arc::new(SimDisk::new(seed));
        let config = LsmConfig::new().memtable_capacity(capacity).compaction_trigger(2);
        let db = Lsm::open_on(disk, "/store", config).unwrap();
        let writes = history(&mut Rng::new(seed), 20_000);
        let heads = heads(&writes);
        let (begun, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for (number, is_put) in &writes {
                    begun.fetch_add(1, Ordering::SeqCst);
                    if *is_put {
                        db.put(key(1, *number), b"job").unwrap();
                    } else {
                        db.delete(key(1, *number)).unwrap();
                    }
                    done.fetch_add(1, Ordering::SeqCst);
                }
                ended.store(true, Ordering::SeqCst);
            });
            // Another writer beside the queue, whose writes join the same groups.
            scope.spawn(|| {
                for number in (0..).take_while(|_| !ended.load(Ordering::SeqCst)) {
                    db.put(key(2 * (number % 2), number % 5_000), b"beside").unwrap();
                }
            });
            for _ in 0..2 {
                scope.spawn(|| {
                    while !ended.load(Ordering::SeqCst) {
                        peek(&db, &heads, &begun, &done);
                    }
                });
            }
        });
        peek(&db, &heads, &begun, &done);
    }
}

fn peek(db: &Lsm, heads: &[Keys], begun: &AtomicUsize, done: &AtomicUsize) {
    let before = done.load(Ordering::SeqCst);
    let snapshot = db.snapshot();
    let after = begun.load(Ordering::SeqCst);
    let found = keys(snapshot.prefix(prefix(1)).take(3));
    assert!(
        heads[before..=after].contains(&found),
        "{:?} is no state from {before} to {after}",
        found.iter().map(|key| key.escape_ascii().to_string()).collect::<Vec<_>>(),
    );
    assert_eq!(keys(snapshot.prefix(prefix(1)).take(3)), found, "the same snapshot");
    if let Some(first) = found.first() {
        assert!(snapshot.get(first).unwrap().is_some(), "a get sees what a scan sees");
    }
}

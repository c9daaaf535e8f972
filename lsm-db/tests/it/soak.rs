//! Many threads at once: six writers, three readers that scan, merges throughout.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use lsm_db::{Batch, Lsm, LsmConfig};
use lsm_testkit::{Model, Rng};

const WRITERS: u64 = 6;
const WRITES: u64 = 8_000;

/// A writer's history over its own keys; what it should leave behind.
fn write(db: &Lsm, writer: u64) -> Model {
    let mut rng = Rng::new(writer);
    let mut model = Model::new();
    let mut left = WRITES;
    while left > 0 {
        let mut batch = Batch::new();
        for _ in 0..=rng.below(4) {
            let key = format!("{writer}/{:04}", rng.below(700)).into_bytes();
            if rng.one_in(4) {
                batch.delete(&key);
                model.remove(&key);
            } else {
                let value = left.to_string().repeat(1 + rng.below(8) as usize).into_bytes();
                batch.put(&key, &value);
                model.insert(key, value);
            }
            left = left.saturating_sub(1);
        }
        db.write(batch).unwrap();
    }
    model
}

/// Scans, up and down, until the writers have ended; returns how many rows it saw.
fn scan(db: &Lsm, stop: &AtomicBool) -> u64 {
    let mut rows = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut scan = db.scan(..).unwrap();
        let expected = scan.len();
        let up: Vec<_> = scan.by_ref().map(|(key, _)| key).collect();
        assert!(up.is_sorted_by(|a, b| a < b), "a scan is not strictly ascending");
        assert_eq!(up.len(), expected);
        let down: Vec<_> = db.scan(..).unwrap().rev().map(|(key, _)| key).collect();
        assert!(down.is_sorted_by(|a, b| a > b), "a scan is not strictly descending");
        rows += (up.len() + down.len()) as u64;
    }
    rows
}

#[test]
fn six_writers_and_three_scanners_agree_in_the_end() {
    let temp = tempfile::tempdir().unwrap();
    let config = LsmConfig::new().memtable_capacity(4 << 10).compaction_trigger(3);
    let db = Lsm::open_with(temp.path(), config.clone()).unwrap();
    let stop = AtomicBool::new(false);
    let seen = AtomicU64::new(0);
    let mut model = Model::new();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                scope.spawn({
                    let db = &db;
                    move || write(db, writer)
                })
            })
            .collect();
        for _ in 0..3 {
            scope.spawn(|| seen.fetch_add(scan(&db, &stop), Ordering::Relaxed));
        }
        let outcomes: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        // Before anything can fail: the scanners wait for it.
        stop.store(true, Ordering::Relaxed);
        for outcome in outcomes {
            model.extend(outcome.unwrap());
        }
    });
    assert!(db.stats().compactions > 3, "{:?}", db.stats());
    assert!(seen.load(Ordering::Relaxed) > 0);
    let contents = |db: &Lsm| db.scan(..).unwrap().collect::<Model>();
    assert_eq!(contents(&db), model);
    db.close().unwrap();
    assert_eq!(contents(&Lsm::open_with(temp.path(), config).unwrap()), model);
}

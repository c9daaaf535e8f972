//! What merging does to the shape of a store.

use std::path::Path;
use std::sync::Arc;

use lsm_db::{Lsm, LsmConfig};
use lsm_testkit::{Rng, SimDisk};

use crate::{Held, eventually};

const CAPACITY: usize = 16 << 10;

fn open(disk: &Arc<SimDisk>) -> Lsm {
    let config = LsmConfig::new().memtable_capacity(CAPACITY);
    Lsm::open_on(disk.clone(), "/store", config).unwrap()
}

fn key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

fn bytes_on_disk(disk: &SimDisk) -> usize {
    disk.contents(Path::new("/store")).values().map(Vec::len).sum()
}

#[test]
fn a_load_in_the_order_of_keys_is_written_once() {
    let disk = Arc::new(SimDisk::new(1));
    let db = open(&disk);
    let rows = 20_000;
    (0..rows).for_each(|n| db.put(key(n), [7; 100]).unwrap());
    db.flush().unwrap();
    eventually("there is one run, or two", || db.stats().runs <= 2);
    // A little more than once: the machine may have stood still for a moment, in which the
    // store took itself to be at rest.
    let stats = db.stats();
    assert!(stats.background_bytes_written < rows * 108 * 3 / 2, "{stats:?}");
    assert_eq!(db.scan(..).unwrap().len() as u64, rows);
}

#[test]
fn a_store_at_rest_has_few_runs_and_little_that_is_stale() {
    let disk = Arc::new(SimDisk::new(2));
    let db = open(&disk);
    let mut rng = Rng::new(2);
    for _ in 0..30_000 {
        db.put(key(rng.below(5_000)), [rng.below(256) as u8; 100]).unwrap();
    }
    db.flush().unwrap();
    eventually("there are at most two runs", || db.stats().runs <= 2);
    eventually("old versions are gone", || db.stats().table_bytes < 5_000 * 108 * 13 / 10);
    assert!((4_900..=5_000).contains(&db.scan(..).unwrap().len()));
}

#[test]
fn what_is_deleted_gives_its_space_back() {
    let disk = Arc::new(SimDisk::new(3));
    let db = open(&disk);
    let rows = 10_000;
    (0..rows).for_each(|n| db.put(key(n * 7_919 % rows), [7; 100]).unwrap());
    (0..rows).for_each(|n| db.delete(key(n)).unwrap());
    db.flush().unwrap();
    eventually("no file is left of it", || db.stats().entries < rows / 10);
    eventually("little is left", || db.stats().table_bytes < 128 << 10);
    eventually("the space is free", || bytes_on_disk(&disk) < 1 << 20);
    assert_eq!(db.scan(..).unwrap().len(), 0);
    // A snapshot keeps what it sees, and nobody else's.
    db.put("a", "b").unwrap();
    let before = db.snapshot();
    db.delete("a").unwrap();
    db.flush().unwrap();
    assert_eq!((before.range(..).count(), db.range(..).count()), (1, 0));
}

#[test]
fn without_a_trigger_nothing_is_merged() {
    let disk = Arc::new(SimDisk::new(4));
    let config = LsmConfig::new().memtable_capacity(CAPACITY).compaction_trigger(usize::MAX);
    let db = Lsm::open_on(disk, "/store", config).unwrap();
    for round in 0..20 {
        (0..200).for_each(|n| db.put(key(n), [round; 10]).unwrap());
        db.flush().unwrap();
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    let stats = db.stats();
    assert_eq!((stats.runs, stats.compactions), (20, 0), "{stats:?}");
}

/// A store of runs that all reach over the same keys: of each pair so many runs of so many
/// rows, oldest first, that nobody has merged.
fn with_runs(disk: &Arc<SimDisk>, runs: &[(usize, u64)]) {
    let config = LsmConfig::new().memtable_capacity(64 << 20).compaction_trigger(usize::MAX);
    let db = Lsm::open_on(disk.clone(), "/store", config).unwrap();
    for (count, rows) in runs {
        for run in 0..*count {
            // The first and the last key, and others in between.
            let step = u64::MAX / (rows - 1);
            (0..*rows).for_each(|n| db.put(key(n * step), [run as u8; 100]).unwrap());
            db.flush().unwrap();
        }
    }
    db.close().unwrap();
}

#[test]
fn a_second_merge_runs_beside_the_first_while_writers_would_be_slowed_down() {
    let disk = Arc::new(SimDisk::new(9));
    with_runs(&disk, &[(1, 12_000), (7, 200), (7, 10)]);
    // The first number after an open is the first of a hundred: the first merge's table
    // cannot be synced.
    let config = LsmConfig::new().compaction_trigger(2);
    disk.hold_syncs(Some("1.sst.tmp"));
    let db = Lsm::open_on(disk.clone(), "/store", config).unwrap();
    let held = Held::new(&disk, "1.sst.tmp");
    eventually("another merge is done", || db.stats().compactions > 0);
    let tables = disk.contents(Path::new("/store"));
    assert!(tables.keys().any(|name| name.ends_with("1.sst.tmp")), "{:?}", tables.keys());
    drop(held);
    db.wait_idle().unwrap();
    let stats = db.stats();
    assert!(stats.runs <= 2, "{stats:?}");
    assert_eq!(db.scan(..).unwrap().len(), 12_000 + 199 + 9);
}

#[test]
fn closing_gives_a_merge_up_at_a_clean_point() {
    for seed in 0..3 {
        let disk = Arc::new(SimDisk::new(seed));
        with_runs(&disk, &[(4, 30_000)]);
        let names = || disk.contents(Path::new("/store")).into_keys().collect::<Vec<_>>();
        let before = names();
        let config = LsmConfig::new().compaction_trigger(2);
        let db = Lsm::open_on(disk.clone(), "/store", config).unwrap();
        eventually("a merge has begun", || names().iter().any(|name| name.ends_with(".tmp")));
        let begun = disk.events();
        db.close().unwrap();
        // All of it would be more than a hundred and fifty writes.
        let events = disk.events() - begun;
        assert!(events < 40, "{events} events");
        assert_eq!(names(), before);
    }
}

//! What merging does to the shape of a store.

use std::path::Path;
use std::sync::Arc;

use lsm_db::{Lsm, LsmConfig};
use lsm_testkit::{Rng, SimDisk};

use crate::eventually;

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

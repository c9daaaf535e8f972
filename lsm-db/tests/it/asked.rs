//! Merges that somebody asks for, and waiting until nothing is left to do.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use lsm_db::{Error, Lsm, LsmConfig};
use lsm_testkit::{Rng, SimDisk};
use lsm_vfs::Name;

const DIR: &str = "/store";

fn open(disk: &SimDisk, trigger: usize) -> Lsm {
    let config = LsmConfig::new().memtable_capacity(8 << 10).compaction_trigger(trigger);
    Lsm::open_on(Arc::new(disk.clone()), DIR, config).unwrap()
}

fn key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

fn files(disk: &SimDisk, suffix: &str) -> Vec<String> {
    let names = disk.contents(Path::new(DIR)).into_keys();
    names.filter(|name| name.ends_with(suffix)).collect()
}

/// Runs of random keys up to `keys`, one key in five deleted at the end.
fn fill(db: &Lsm, rng: &mut Rng, keys: u64) {
    for _ in 0..4 * keys {
        db.put(key(rng.below(keys)), [rng.below(256) as u8; 40]).unwrap();
    }
    (0..keys).step_by(5).for_each(|n| db.delete(key(n)).unwrap());
}

#[test]
fn compact_stores_each_key_once_whatever_the_trigger() {
    for trigger in [2, 4, usize::MAX] {
        let disk = SimDisk::new(1);
        let db = open(&disk, trigger);
        db.compact().unwrap();
        fill(&db, &mut Rng::new(1), 2_000);
        let held = db.snapshot();
        let before: Vec<_> = db.scan(..).unwrap().collect();
        db.compact().unwrap();
        let stats = db.stats();
        assert_eq!((stats.runs, stats.tombstones), (1, 0), "{trigger}: {stats:?}");
        assert_eq!(stats.entries, before.len() as u64, "{trigger}");
        assert_eq!((stats.compact_bytes_done, stats.compact_bytes_left), (0, 0));
        assert!(held.scan(..).unwrap().eq(before.iter().cloned()));
        assert!(db.scan(..).unwrap().eq(before));
        // There is nothing to do the second time.
        db.compact().unwrap();
        assert_eq!(db.stats().compactions, stats.compactions);
        (0..2_000).for_each(|n| db.delete(key(n)).unwrap());
        db.compact().unwrap();
        assert_eq!((db.stats().entries, db.stats().tables), (0, 0), "{trigger}");
    }
}

#[test]
fn compact_range_leaves_other_files_alone() {
    let disk = SimDisk::new(2);
    let db = open(&disk, usize::MAX);
    // Three runs of three tables each, one for each third of the keys.
    for round in 0..3 {
        for third in 0..3 {
            (0..50).for_each(|n| db.put(key(third * 1_000 + n), [round; 40]).unwrap());
            db.flush().unwrap();
        }
    }
    (0..50).for_each(|n| db.delete(key(1_000 + n)).unwrap());
    let before = files(&disk, ".sst");
    let range = key(1_000).to_vec()..key(2_000).to_vec();
    db.compact_range(range).unwrap();
    db.wait_idle().unwrap();
    let after = files(&disk, ".sst");
    assert_eq!((before.len(), after.len()), (9, 6), "{after:?}");
    assert!(after.iter().all(|name| before.contains(name)), "{before:?} {after:?}");
    assert_eq!(db.stats().entries, 300, "of the second third nothing is left");
    // Ranges that hold nothing.
    let compactions = db.stats().compactions;
    db.compact_range(key(5_000).to_vec()..).unwrap();
    db.compact_range(key(9).to_vec()..key(9).to_vec()).unwrap();
    db.compact_range(key(9).to_vec()..key(8).to_vec()).unwrap();
    assert_eq!(db.stats().compactions, compactions);
}

#[test]
fn compact_ends_while_others_write() {
    for (seed, trigger) in [(1, 2), (2, 4), (3, usize::MAX)] {
        let disk = SimDisk::new(seed);
        let db = open(&disk, trigger);
        fill(&db, &mut Rng::new(seed), 1_000);
        let (stop, writes) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..2 {
                let (db, stop, writes) = (&db, &stop, &writes);
                scope.spawn(move || {
                    let mut rng = Rng::new(thread);
                    while !stop.load(Ordering::Relaxed) {
                        db.put(key(rng.below(1_000)), [1; 40]).unwrap();
                        writes.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let range = key(300).to_vec()..key(600).to_vec();
            let outcome = db.compact().and_then(|()| db.compact_range(range));
            let begun = writes.load(Ordering::Relaxed);
            super::eventually("writing went on", || writes.load(Ordering::Relaxed) > begun);
            stop.store(true, Ordering::Relaxed);
            outcome.unwrap();
        });
        db.compact().unwrap();
        let stats = db.stats();
        assert_eq!((stats.runs, stats.tombstones), (1, 0), "{stats:?}");
        assert_eq!(stats.entries, db.scan(..).unwrap().len() as u64);
    }
}

#[test]
fn several_may_ask_at_once() {
    let disk = SimDisk::new(4);
    let db = open(&disk, 3);
    fill(&db, &mut Rng::new(4), 2_000);
    std::thread::scope(|scope| {
        for n in 0..4 {
            let db = &db;
            scope.spawn(move || match n {
                0 => db.compact().unwrap(),
                1 => db.wait_idle().unwrap(),
                n => db.compact_range(key(n * 300).to_vec()..key(n * 500).to_vec()).unwrap(),
            });
        }
    });
    assert_eq!((db.stats().runs, db.stats().tombstones), (1, 0));
}

#[test]
fn the_stats_tell_how_far_it_is() {
    let disk = SimDisk::new(9);
    let db = open(&disk, usize::MAX);
    fill(&db, &mut Rng::new(9), 2_000);
    db.flush().unwrap();
    let bytes = db.stats().table_bytes;
    std::thread::scope(|scope| {
        let held = super::Held::new(&disk, ".sst.tmp");
        let asked = scope.spawn(|| db.compact());
        let left = || db.stats().compact_bytes_left;
        super::eventually("somebody waits", || left() > 0);
        assert_eq!((db.stats().compact_bytes_done, left()), (0, bytes));
        drop(held);
        asked.join().unwrap().unwrap();
    });
    let stats = db.stats();
    assert_eq!((stats.compact_bytes_done, stats.compact_bytes_left), (0, 0));
}

#[test]
fn wait_idle_leaves_nothing_to_do_and_no_file_behind() {
    let disk = SimDisk::new(5);
    let db = open(&disk, 4);
    db.wait_idle().unwrap();
    fill(&db, &mut Rng::new(5), 3_000);
    db.flush().unwrap();
    db.wait_idle().unwrap();
    let stats = db.stats();
    assert!(stats.runs <= 2, "{stats:?}");
    assert_eq!((stats.frozen_memtables, files(&disk, ".sst").len()), (0, stats.tables));
    assert_eq!(files(&disk, ".tmp"), [""; 0]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(db.stats(), stats, "something was left to do");
}

/// Tables, filters, the manifest, and what is kept of logs.
#[cfg(feature = "durability")]
#[test]
fn space_comes_back_when_everything_is_deleted() {
    let disk = SimDisk::new(8);
    let db = open(&disk, 4);
    let mut rng = Rng::new(8);
    (0..20_000).for_each(|_| db.put(key(rng.next_u64()), [7; 100]).unwrap());
    let keys: Vec<_> = db.scan(..).unwrap().map(|row| row.0).collect();
    keys.iter().for_each(|key| db.delete(key).unwrap());
    db.flush().unwrap();
    db.wait_idle().unwrap();
    assert_eq!((db.stats().tables, files(&disk, ".sst").len()), (0, 0), "{:?}", db.stats());
    let contents = disk.contents(Path::new(DIR));
    let is_log = |name: &&String| name.ends_with(".log");
    let others = contents.iter().filter(|(name, _)| !is_log(name));
    let bytes: usize = others.map(|(_, bytes)| bytes.len()).sum();
    assert!(bytes < 1 << 20, "{bytes} bytes: {:?}", contents.keys());
    // Two that are named in advance, and one that is free.
    let slots = contents.keys().filter(is_log).count();
    assert!(slots <= 3, "{slots} slots");
}

#[test]
fn s12_who_waits_is_told_of_a_failure_and_may_ask_again() {
    let disk = SimDisk::new(6);
    let db = open(&disk, usize::MAX);
    fill(&db, &mut Rng::new(6), 500);
    db.flush().unwrap();
    let before: Vec<_> = db.scan(..).unwrap().collect();
    disk.set_room(Some(2_000));
    let error = db.compact().unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(db.compact_range(key(0).to_vec()..).is_err());
    assert!(db.stats().background_error.is_some());
    assert!(db.scan(..).unwrap().eq(before.iter().cloned()));
    disk.set_room(None);
    db.compact().unwrap();
    assert_eq!((db.stats().runs, db.stats().background_error), (1, None));
    assert!(db.scan(..).unwrap().eq(before));
    // A flush that fails is told, too.
    db.put("k", "v").unwrap();
    disk.set_room(Some(0));
    assert!(db.compact().is_err() && db.wait_idle().is_err());
    disk.set_room(None);
    db.wait_idle().unwrap();
}

#[test]
fn s21_a_damaged_table_is_named_by_whoever_waits() {
    let disk = SimDisk::new(7);
    let db = open(&disk, usize::MAX);
    fill(&db, &mut Rng::new(7), 1_000);
    db.close().unwrap();
    let name = files(&disk, ".sst").swap_remove(0);
    let mut bytes = disk.contents(Path::new(DIR)).remove(&name).unwrap();
    bytes[2_000] ^= 1;
    disk.put_file(Path::new(DIR), &Name::new(&name).unwrap(), &bytes);
    let db = open(&disk, 4);
    for _ in 0..2 {
        let error = db.compact().unwrap_err();
        assert!(matches!(error, Error::Corruption { .. }), "{error:?}");
        assert!(error.to_string().contains(&name), "{error}");
    }
    let error = db.wait_idle().unwrap_err().to_string();
    assert!(error.contains(&name), "{error}");
    assert!(db.stats().background_error.unwrap().contains(&name));
}

//! What the reference says, sentence by sentence.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::eventually;
use lsm_db::{Batch, Lsm, LsmConfig};
use lsm_testkit::SimDisk;

fn open(config: LsmConfig) -> (tempfile::TempDir, Lsm) {
    let temp = tempfile::tempdir().unwrap();
    let db = Lsm::open_with(temp.path(), config).unwrap();
    (temp, db)
}

fn never_compact() -> LsmConfig {
    LsmConfig::new().compaction_trigger(usize::MAX)
}

fn keys(db: &Lsm) -> Vec<Vec<u8>> {
    db.scan(..).unwrap().map(|(key, _)| key).collect()
}

#[test]
fn keys_are_ordered_byte_by_byte() {
    let (_temp, db) = open(LsmConfig::new());
    let sorted: Vec<&[u8]> = vec![
        b"",
        b"\0",
        b"\0\0",
        b"A",
        b"a",
        b"a\0",
        b"aa",
        b"b",
        b"\x7f",
        b"\x80",
        b"\xff",
        b"\xff\xff",
    ];
    for key in sorted.iter().rev() {
        db.put(key, key).unwrap();
    }
    assert_eq!(keys(&db), sorted);
    db.flush().unwrap();
    assert_eq!(keys(&db), sorted);
    for key in &sorted {
        assert_eq!(db.get(key).unwrap().as_deref(), Some(*key));
    }
}

#[test]
fn empty_keys_and_values_are_keys_and_values() {
    let (temp, db) = open(LsmConfig::new());
    db.put("", "").unwrap();
    db.put("k", "").unwrap();
    assert_eq!(db.get("").unwrap(), Some(vec![]));
    drop(db);
    let db = Lsm::open(temp.path()).unwrap();
    assert_eq!(db.get("").unwrap(), Some(vec![]));
    assert_eq!(db.get("k").unwrap(), Some(vec![]));
    db.delete("").unwrap();
    db.flush().unwrap();
    assert_eq!(keys(&db), [b"k".to_vec()]);
}

#[test]
fn s45_the_last_operation_of_a_batch_wins() {
    let (_temp, db) = open(LsmConfig::new());
    let mut batch = Batch::new();
    for n in 0..1_000 {
        batch.put("same", n.to_string());
    }
    batch.put("gone", "v");
    batch.delete("gone");
    batch.delete("back");
    batch.put("back", "v");
    assert_eq!(batch.len(), 1_004);
    db.write(batch).unwrap();
    assert_eq!(db.get("same").unwrap(), Some(b"999".to_vec()));
    assert_eq!(db.get("gone").unwrap(), None);
    assert_eq!(db.get("back").unwrap(), Some(b"v".to_vec()));
    db.write(Batch::new()).unwrap();
    db.delete("absent").unwrap();
    assert_eq!(db.scan(..).unwrap().count(), 2);
}

#[test]
fn a_batch_is_seen_as_a_whole_or_not_at_all() {
    let (_temp, db) = open(LsmConfig::new().memtable_capacity(4 << 10).compaction_trigger(3));
    let db = Arc::new(db);
    let stop = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (db, stop) = (Arc::clone(&db), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut last = 0;
                while !stop.load(Ordering::Relaxed) {
                    let rows: Vec<_> = db.scan(..).unwrap().collect();
                    assert!(rows.is_empty() || rows.len() == 10, "{} rows", rows.len());
                    assert!(rows.windows(2).all(|pair| pair[0].1 == pair[1].1), "{rows:?}");
                    let round: u64 = rows
                        .first()
                        .map_or(0, |row| String::from_utf8_lossy(&row.1).parse().unwrap());
                    assert!(round >= last, "{round} after {last}");
                    last = round;
                }
            })
        })
        .collect();
    for round in 1..=1_500_u64 {
        let mut batch = Batch::new();
        for key in 0..10 {
            batch.put(format!("k{key}"), round.to_string());
        }
        db.write(batch).unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    readers.into_iter().for_each(|reader| reader.join().unwrap());
}

#[test]
fn s50_a_scan_is_a_snapshot_of_the_moment_of_the_call() {
    let (_temp, db) = open(LsmConfig::new().memtable_capacity(1 << 10).compaction_trigger(2));
    for n in 0..200 {
        db.put(format!("k{n:03}"), "old").unwrap();
    }
    let scan = db.scan(..).unwrap();
    for n in 0..200 {
        db.put(format!("k{n:03}"), "new").unwrap();
        db.put(format!("l{n:03}"), "new").unwrap();
    }
    db.delete("k000").unwrap();
    db.flush().unwrap();
    drop(db);
    // It outlives flushes, merges, and the store itself.
    assert_eq!(scan.len(), 200);
    assert!(scan.into_iter().all(|(_, value)| value == b"old"));
}

#[test]
fn a_scan_walks_both_ways_and_meets_in_the_middle() {
    let (_temp, db) = open(LsmConfig::new());
    for n in 0..7_u8 {
        db.put([n], [n]).unwrap();
    }
    let mut scan = db.scan(..).unwrap();
    let mut seen = Vec::new();
    for left in (0..7).rev() {
        let row = if left % 2 == 0 { scan.next() } else { scan.next_back() };
        seen.push(row.unwrap().0[0]);
        assert_eq!(scan.len(), left);
        assert_eq!(scan.size_hint(), (left, Some(left)));
    }
    assert_eq!(seen, [0, 6, 1, 5, 2, 4, 3]);
    assert_eq!((scan.next(), scan.next_back(), scan.next()), (None, None, None));

    let mut scan = db.scan(..).unwrap();
    assert_eq!(scan.nth(2).unwrap().0, [2]);
    assert_eq!(scan.nth_back(1).unwrap().0, [5]);
    assert_eq!(scan.len(), 2);
    assert_eq!(scan.last().unwrap().0, [4]);
    assert_eq!(db.scan(..).unwrap().nth(7), None);
    assert_eq!(db.scan(..).unwrap().nth_back(usize::MAX), None);
    assert_eq!(db.scan(..).unwrap().rev().count(), 7);
}

#[test]
fn empty_and_inverted_ranges_have_no_rows() {
    let (_temp, db) = open(LsmConfig::new());
    for key in ["a", "b", "c"] {
        db.put(key, "v").unwrap();
    }
    db.flush().unwrap();
    let key = |text: &str| text.as_bytes().to_vec();
    let count = |range| db.scan(range).unwrap().count();
    use std::ops::Bound::{Excluded, Included, Unbounded};
    assert_eq!(count((Included(key("b")), Excluded(key("b")))), 0);
    assert_eq!(count((Excluded(key("b")), Excluded(key("b")))), 0);
    assert_eq!(count((Excluded(key("b")), Included(key("b")))), 0);
    assert_eq!(count((Included(key("b")), Included(key("b")))), 1);
    assert_eq!(count((Included(key("c")), Included(key("a")))), 0);
    assert_eq!(count((Excluded(key("a")), Unbounded)), 2);
    assert_eq!(count((Unbounded, Excluded(key("")))), 0);
    assert_eq!(count((Unbounded, Included(key("zz")))), 3);
    assert_eq!(db.scan(key("a")..key("c")).unwrap().count(), 2);
    assert_eq!(db.scan(key("b")..).unwrap().count(), 2);
}

#[test]
fn capacity_zero_flushes_at_every_write() {
    let (_temp, db) = open(never_compact().memtable_capacity(0));
    for n in 1..=5_usize {
        db.put(n.to_string(), "v").unwrap();
        assert_eq!(db.stats().runs, n);
        assert_eq!(db.stats().memtable_bytes, 0);
    }
}

#[test]
fn a_full_buffer_is_flushed_and_stays_readable() {
    let (_temp, db) = open(never_compact().memtable_capacity(10 << 10));
    for n in 0..1_000 {
        db.put(format!("k{n:04}"), [7; 100]).unwrap();
        assert_eq!(db.get(format!("k{:04}", n / 2)).unwrap(), Some(vec![7; 100]));
    }
    eventually("ten flushes", || db.stats().flushes >= 10);
    // A replaced value no longer counts.
    let before = db.stats().flushes;
    db.flush().unwrap();
    for _ in 0..50 {
        db.put("same", [7; 1_000]).unwrap();
    }
    assert_eq!(db.stats().memtable_bytes, 1_004);
    assert!(db.stats().flushes <= before + 1);
}

#[test]
fn the_trigger_bounds_the_number_of_runs() {
    let (_temp, db) = open(LsmConfig::new().compaction_trigger(4));
    for n in 0..40 {
        db.put(format!("k{}", n % 13), n.to_string()).unwrap();
        db.flush().unwrap();
    }
    eventually("fewer runs than the trigger", || db.stats().runs < 4);
    assert_eq!(db.scan(..).unwrap().count(), 13);
    assert!(db.stats().compactions > 0);
}

#[test]
fn the_largest_trigger_never_compacts() {
    let (_temp, db) = open(never_compact());
    for n in 0..30_usize {
        db.put("k", n.to_string()).unwrap();
        db.flush().unwrap();
    }
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!((db.stats().runs, db.stats().compactions), (30, 0));
    assert_eq!(db.get("k").unwrap(), Some(b"29".to_vec()));
}

#[test]
fn s52_a_deleted_key_does_not_come_back_and_leaves_nothing_behind() {
    let (temp, db) = open(LsmConfig::new().compaction_trigger(2));
    for round in 0..6 {
        for n in 0..100 {
            db.put(format!("k{n}"), round.to_string()).unwrap();
        }
        db.flush().unwrap();
        for n in 0..100 {
            db.delete(format!("k{n}")).unwrap();
        }
        db.flush().unwrap();
        assert_eq!(db.scan(..).unwrap().count(), 0);
    }
    eventually("no table is left", || db.stats().tables == 0);
    drop(db);
    let names: Vec<_> =
        std::fs::read_dir(temp.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["MANIFEST"]);
}

#[test]
fn flushing_nothing_does_nothing() {
    let disk = Arc::new(SimDisk::new(1));
    let db = Lsm::open_on(Arc::clone(&disk) as _, "/store", LsmConfig::new()).unwrap();
    db.put("k", "v").unwrap();
    db.flush().unwrap();
    let before = disk.events();
    db.flush().unwrap();
    db.flush().unwrap();
    assert_eq!(disk.events(), before);
}

#[test]
fn a_clean_drop_and_a_close_keep_what_was_buffered() {
    let temp = tempfile::tempdir().unwrap();
    for round in 0..4_usize {
        let db = Lsm::open(temp.path()).unwrap();
        assert_eq!(db.scan(..).unwrap().count(), round);
        assert_eq!(db.stats().recovered_records, 0, "closed cleanly, no log is live");
        db.put(round.to_string(), "v").unwrap();
        if round % 2 == 0 { drop(db) } else { db.close().unwrap() }
    }
}

#[test]
fn drop_joins_all_threads_and_frees_the_directory() {
    let disk = Arc::new(SimDisk::new(1));
    for _ in 0..20 {
        let config = LsmConfig::new().memtable_capacity(64).compaction_trigger(2);
        let db = Lsm::open_on(Arc::clone(&disk) as _, "/store", config).unwrap();
        for n in 0..20 {
            db.put(n.to_string(), "a value that fills the buffer").unwrap();
        }
        assert!(disk.threads() >= 2, "{} threads", disk.threads());
        drop(db);
        assert_eq!(disk.threads(), 0);
    }
}

#[test]
fn one_handle_serves_many_threads() {
    let (_temp, db) = open(LsmConfig::new().memtable_capacity(8 << 10));
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let db = &db;
            scope.spawn(move || {
                for n in 0..500 {
                    let key = format!("{writer}-{n:03}");
                    db.put(&key, &key).unwrap();
                    assert_eq!(db.get(&key).unwrap(), Some(key.into_bytes()));
                }
            });
        }
    });
    assert_eq!(db.scan(..).unwrap().count(), 2_000);
}

#[test]
fn debug_output_says_something_and_no_contents() {
    let (_temp, db) = open(LsmConfig::new());
    // Bytes that would show as `83, 83, 83` in a list and as `SSS` in a text.
    db.put("SSSSSS", "SSSSSS").unwrap();
    let before = format!("{db:?}");
    db.flush().unwrap();
    let mut batch = Batch::new();
    batch.put("SSSSSS", "SSSSSS");
    let text = format!("{before} {db:?} {:?} {batch:?}", db.scan(..).unwrap());
    assert!(text.contains("Lsm") && text.contains("Scan") && text.contains("Batch"));
    assert!(!text.contains("SSS") && !text.contains("83, 83"), "{text}");
}

/// A store that was closed cleanly is read and nothing else: a reopening syncs the directory,
/// and changes no byte.
#[test]
fn a_clean_reopening_writes_nothing() {
    let disk = Arc::new(SimDisk::new(1));
    let open = || Lsm::open_on(disk.clone(), "db", LsmConfig::new()).unwrap();
    for flushes in 0..3 {
        for flush in 0..flushes {
            let db = open();
            db.put(format!("k{flush}"), b"v").unwrap();
            db.close().unwrap();
        }
        open().close().unwrap();
        let (before, events, syncs) = (disk.contents("db".as_ref()), disk.events(), disk.syncs());
        open().close().unwrap();
        assert_eq!(disk.contents("db".as_ref()), before, "after {flushes} flushes");
        assert_eq!((disk.events() - events, disk.syncs() - syncs), (1, 1), "{flushes} flushes");
    }
}

//! A log by itself: numbers, groups, slots, release, locks, damage.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;

use lsm_testkit::{EIO, Fault, SimDisk};
use lsm_vfs::{Fs, Name};
use lsm_wal::{Log, LogError, LogOptions, Result};

use crate::support::PATH;

const SMALL: LogOptions = LogOptions { slot_bytes: 600 };

/// What a log showed when it was opened: number and bytes.
type Seen = Vec<(u64, Vec<u8>)>;

fn open(fs: &dyn Fs, options: LogOptions) -> Result<(Log, Seen)> {
    let mut seen = Seen::new();
    let log = Log::open_on(fs, PATH, options, |seq, bytes| {
        seen.push((seq, bytes.to_vec()));
        Ok(())
    })?;
    Ok((log, seen))
}

fn item(seq: u64) -> Vec<u8> {
    format!("number {seq}").repeat(seq as usize % 9).into_bytes()
}

/// Appends as many, the first ones of a log.
fn append(log: &Log, count: u64) {
    (1..=count).for_each(|seq| assert_eq!(log.append(&item(seq)).unwrap(), seq));
}

fn names(disk: &SimDisk) -> Vec<String> {
    disk.contents(Path::new(PATH)).into_keys().collect()
}

#[test]
fn what_was_appended_comes_back_with_its_number() {
    let disk = SimDisk::new(1);
    let (log, seen) = open(&disk, SMALL).unwrap();
    assert_eq!((log.last_seq(), seen.len()), (0, 0));
    for seq in 1..=60 {
        assert_eq!(log.append(&item(seq)).unwrap(), seq);
    }
    assert_eq!(log.append_unsynced(&item(61)).unwrap(), 61);
    assert_eq!((log.last_seq(), log.durable_seq()), (61, 60));
    log.sync().unwrap();
    assert_eq!(log.durable_seq(), 61);
    drop(log);
    assert!(names(&disk).len() > 5);
    for _ in 0..3 {
        let (log, seen) = open(&disk, SMALL).unwrap();
        assert!(seen.into_iter().eq((1..=61).map(|seq| (seq, item(seq)))));
        assert_eq!((log.last_seq(), log.durable_seq()), (61, 61));
        assert_eq!(log.replayed().cut_bytes, 0);
    }
}

#[test]
fn numbers_go_on_when_all_was_let_go() {
    let disk = SimDisk::new(2);
    let (log, _) = open(&disk, SMALL).unwrap();
    append(&log, 60);
    let before = names(&disk);
    log.release(30).unwrap();
    let after = names(&disk);
    assert!(after.len() < before.len() && before.ends_with(&after));
    drop(log);
    let (log, seen) = open(&disk, SMALL).unwrap();
    assert!(seen[0].0 > 1 && seen[0].0 <= 31, "{}", seen[0].0);
    log.release(u64::MAX).unwrap();
    assert_eq!(names(&disk), [format!("log-{:020}.log", 61)]);
    drop(log);
    for _ in 0..2 {
        let (log, seen) = open(&disk, SMALL).unwrap();
        assert_eq!((log.last_seq(), seen.len()), (60, 0));
    }
    let (log, _) = open(&disk, SMALL).unwrap();
    assert_eq!(log.append(b"next").unwrap(), 61);
}

#[test]
fn threads_share_records_and_none_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new").join("log");
    let options = LogOptions { slot_bytes: 20_000 };
    let log = Log::open(&path, options, |_, _| Ok(())).unwrap();
    let given = Mutex::new(BTreeSet::new());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (log, given) = (&log, &given);
            scope.spawn(move || {
                for at in 0..50 {
                    let text = format!("{at} of {thread}");
                    let seq = log.append(text.as_bytes()).unwrap();
                    assert!(log.durable_seq() >= seq);
                    assert!(given.lock().unwrap().insert((seq, text.into_bytes())));
                }
            });
        }
    });
    drop(log);
    let mut seen = BTreeSet::new();
    let log = Log::open(&path, options, |seq, bytes| {
        seen.insert((seq, bytes.to_vec()));
        Ok(())
    })
    .unwrap();
    assert!(seen == given.into_inner().unwrap());
    assert!(log.replayed().records <= 400);
}

#[test]
fn s40_a_second_open_is_refused_and_dropping_the_log_ends_that() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Log::open(dir.path(), SMALL, |_, _| Ok(()));
    let log = open().unwrap();
    match open().unwrap_err() {
        LogError::Disk(error) => assert_eq!(error.kind(), std::io::ErrorKind::ResourceBusy),
        other => panic!("{other}"),
    }
    drop(log);
    open().unwrap();
}

#[test]
fn s44_an_empty_one_and_one_longer_than_a_slot() {
    let disk = SimDisk::new(3);
    let (log, _) = open(&disk, SMALL).unwrap();
    let long = vec![9; 2 << 20];
    assert_eq!(log.append(b"").unwrap(), 1);
    assert_eq!(log.append(&long).unwrap(), 2);
    assert_eq!(log.append(b"").unwrap(), 3);
    drop(log);
    let (_, seen) = open(&disk, SMALL).unwrap();
    assert!(seen == [(1, vec![]), (2, long), (3, vec![])]);
}

#[test]
fn s30_a_missing_slot_is_damage_and_nothing_is_touched() {
    let disk = SimDisk::new(4);
    let (log, _) = open(&disk, SMALL).unwrap();
    append(&log, 60);
    drop(log);
    let names = names(&disk);
    disk.remove_file(Path::new(PATH), &Name::new(&names[2]).unwrap());
    let before = disk.contents(Path::new(PATH));
    let error = open(&disk, SMALL).unwrap_err();
    assert!(matches!(error, LogError::Damaged { .. }), "{error}");
    assert!(disk.contents(Path::new(PATH)) == before);
}

#[test]
fn s24_a_bit_flip_before_the_last_record_is_damage() {
    let disk = SimDisk::new(5);
    let (log, _) = open(&disk, LogOptions::default()).unwrap();
    append(&log, 5);
    drop(log);
    let (name, whole) = disk.contents(Path::new(PATH)).pop_first().unwrap();
    for at in [20, 600, 512 + 8 + 20] {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        disk.put_file(Path::new(PATH), &Name::new(&name).unwrap(), &bytes);
        assert!(open(&disk, SMALL).is_err(), "byte {at}");
    }
}

#[test]
fn files_of_others_are_left_alone() {
    let disk = SimDisk::new(6);
    drop(open(&disk, SMALL).unwrap());
    for name in ["notes", "log-1.log", "log-00000000000000000000.log", "log-x.log", "MANIFEST"] {
        disk.put_file(Path::new(PATH), &Name::new(name).unwrap(), b"mine");
    }
    let (log, _) = open(&disk, SMALL).unwrap();
    append(&log, 60);
    log.release(60).unwrap();
    let others = disk.contents(Path::new(PATH)).into_values().filter(|bytes| bytes == b"mine");
    assert_eq!(others.count(), 5);
}

#[test]
fn s13_a_failed_call_is_told_and_reopening_heals() {
    for after in 0..200 {
        let disk = SimDisk::new(7);
        let (log, _) = open(&disk, SMALL).unwrap();
        let mut acknowledged = 0;
        disk.set_fault(Some(Fault { after, errno: EIO, sticky: false }));
        let mut failed = false;
        for seq in 1..=30 {
            match log.append(&item(seq)) {
                Ok(given) => {
                    assert_eq!(given, acknowledged + 1);
                    acknowledged = given;
                }
                // Refused for good, or as if it had never been tried.
                Err(_) => {
                    failed = true;
                    match log.append(&item(seq)) {
                        Ok(given) => acknowledged = given,
                        Err(_) => break,
                    }
                }
            }
        }
        assert!(failed || disk.calls() <= after + 1, "call {after}");
        disk.set_fault(None);
        drop(log);
        let (log, seen) = open(&disk, SMALL).unwrap();
        assert!(seen.len() as u64 >= acknowledged, "call {after}");
        for (at, (seq, _)) in seen.iter().enumerate() {
            assert_eq!(*seq, at as u64 + 1);
        }
        assert_eq!(log.append(b"healed").unwrap(), seen.len() as u64 + 1);
    }
}

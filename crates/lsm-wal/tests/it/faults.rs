//! Calls that fail: want of room leaves the log as it was, anything else is final.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use lsm_testkit::{EIO, ENOSPC, Fault, SimDisk};
use lsm_vfs::RealFs;
use lsm_wal::{LogError, LogWriter, MAX_SEQ, Replayed, create_slot};

use crate::support::{
    PATH, STORE, body, bytes, live, name, one_log, open, put, replay_all, replay_one, stamp,
};

fn disk_kind(error: &LogError) -> Option<ErrorKind> {
    match error {
        LogError::Disk(error) => Some(error.kind()),
        _ => None,
    }
}

#[test]
fn s10_a_full_disk_leaves_the_log_as_it_was() {
    let (disk, mut writer) = one_log(3);
    disk.set_room(Some(10_000));
    let len = writer.len();
    let error = writer.append(stamp(4, 1, 3), &[&[1; 80_000]]).unwrap_err();
    assert_eq!(disk_kind(&error), Some(ErrorKind::StorageFull));
    assert!(!writer.has_failed() && writer.len() == len);
    // What fits still goes in.
    put(&mut writer, 4);
    disk.set_room(None);
    put(&mut writer, 5);
    writer.append(stamp(6, 1, 5), &[&[1; 80_000]]).unwrap();
    let (done, _) =
        replay_all(&[live(1, 1, open(&disk, Path::new(PATH)).open(&name(1), false).unwrap())], 0);
    assert_eq!(done.unwrap(), Replayed { last_seq: 6, records: 6, cut_bytes: 0 });
}

#[test]
fn s10_each_failed_write_is_told_and_the_log_goes_on_or_is_done() {
    for errno in [EIO, ENOSPC] {
        let mut sticky = 0;
        for after in 0..40 {
            let (disk, mut writer) = one_log(2);
            disk.set_fault(Some(Fault { after, errno, sticky: false }));
            let long = vec![3; 80_000];
            let done = writer.append(stamp(3, 1, 2), &[&long]);
            disk.set_fault(None);
            let last = match (done, writer.has_failed()) {
                (Ok(()), false) => 3,
                (Err(error), failed) => {
                    assert!(disk_kind(&error).is_some(), "{error}");
                    sticky += u32::from(failed);
                    if failed {
                        // Nothing more goes in, and nothing more is promised.
                        assert!(writer.append(stamp(3, 1, 2), &[b""]).is_err());
                        assert!(writer.sync().is_err());
                        assert!(LogWriter::start(writer.into_slot(), STORE, 2).is_err());
                    } else {
                        writer.append(stamp(3, 1, 2), &[&long]).unwrap();
                    }
                    if failed { 2 } else { 3 }
                }
                other => panic!("{other:?}"),
            };
            let file = open(&disk, Path::new(PATH)).open(&name(1), false).unwrap();
            let (replayed, _) = replay_all(&[live(1, 1, file)], 0);
            assert_eq!(replayed.unwrap().last_seq, last, "call {after}");
        }
        assert_eq!(sticky, 1, "the write of the record is one call");
    }
}

#[test]
fn s13_a_failed_sync_is_final_in_every_handle() {
    let (disk, mut writer) = one_log(2);
    let (one, other) = (writer.sync_handle(), writer.sync_handle());
    writer.append(stamp(3, 1, 2), &[b"not durable"]).unwrap();
    disk.set_fault(Some(Fault { after: 0, errno: EIO, sticky: false }));
    assert!(disk_kind(&one.sync().unwrap_err()).is_some());
    disk.set_fault(None);
    // The disk says that all is well again. It is not.
    let events = disk.events();
    for error in [other.sync(), writer.sync(), one.sync()] {
        assert!(error.unwrap_err().to_string().contains("an earlier write or sync"));
    }
    assert!(writer.append(stamp(4, 1, 3), &[b""]).is_err());
    assert!(writer.has_failed() && other.has_failed());
    assert_eq!(disk.events(), events);
    assert_eq!(other.log(), 1);
    let error = LogWriter::start(writer.into_slot(), STORE, 2).unwrap_err();
    assert!(error.to_string().contains("an earlier write or sync"), "{error}");
}

#[test]
fn s13_a_late_handle_of_an_older_log_fails_the_new_one_in_the_slot() {
    let (disk, writer) = one_log(2);
    let old = writer.sync_handle();
    let mut new = LogWriter::start(writer.into_slot(), STORE, 2).unwrap();
    put(&mut new, 3);
    disk.set_fault(Some(Fault { after: 0, errno: EIO, sticky: false }));
    assert!(old.sync().is_err());
    disk.set_fault(None);
    assert!(new.has_failed() && new.sync().is_err());
}

#[test]
fn syncs_go_on_beside_appends_and_after_the_writer_has_gone() {
    let (disk, mut writer) = one_log(1);
    let handle = writer.sync_handle();
    std::thread::scope(|scope| {
        let syncing = scope.spawn(|| (0..200).try_for_each(|_| handle.sync()));
        for seq in 2..=200 {
            writer.append(stamp(seq, 1, 0), &[&body(seq)]).unwrap();
        }
        syncing.join().unwrap().unwrap();
    });
    drop(writer);
    handle.sync().unwrap();
    let after = disk.crash(disk.events(), lsm_testkit::Crash::LoseAll);
    assert_eq!(replay_one(&bytes(&after, 1), 1, 0).unwrap().last_seq, 200);
}

#[test]
fn s17_interrupted_and_short_calls_go_on() {
    let disk = SimDisk::new(6);
    disk.set_choppy(true);
    let dir = open(&disk, Path::new(PATH));
    let slot = create_slot(&*dir, &name(1), STORE, 1).unwrap();
    let file = Arc::clone(slot.file());
    let mut writer = LogWriter::start(slot, STORE, 1).unwrap();
    (1..=30).for_each(|seq| put(&mut writer, seq));
    let (done, seen) = replay_all(&[live(1, 1, file)], 0);
    assert_eq!(done.unwrap(), Replayed { last_seq: 30, records: 30, cut_bytes: 0 });
    assert!(seen.iter().all(|(_, seq, found)| *found == body(*seq)));
}

#[test]
fn mistakes_of_the_caller_leave_the_log_as_it_was() {
    let (disk, mut writer) = one_log(2);
    let events = disk.events();
    for bad in [
        stamp(4, 1, 2),
        stamp(2, 1, 1),
        stamp(3, 0, 2),
        stamp(3, 1, 3),
        stamp(MAX_SEQ, 2, 0),
        stamp(u64::MAX, u32::MAX, 0),
    ] {
        match writer.append(bad, &[b"body"]).unwrap_err() {
            LogError::Frame { source, .. } => {
                assert_eq!(source.kind(), ErrorKind::InvalidInput, "{source}");
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(disk.events(), events);
    put(&mut writer, 3);
}

#[test]
fn s09_a_slot_that_cannot_be_made_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    drop(create_slot(&*open(&RealFs, dir.path()), &name(1), STORE, 1).unwrap());
    // The name is taken: what is there is not ours to remove.
    assert!(create_slot(&*open(&RealFs, dir.path()), &name(1), STORE, 1).is_err());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    for (after, left) in [(0, 0), (1, 0), (2, 0)] {
        let disk = SimDisk::new(7);
        let dir = open(&disk, Path::new(PATH));
        disk.set_fault(Some(Fault { after, errno: EIO, sticky: false }));
        assert!(create_slot(&*dir, &name(1), STORE, 1).is_err());
        assert_eq!(disk.contents(Path::new(PATH)).len(), left, "call {after}");
    }
}

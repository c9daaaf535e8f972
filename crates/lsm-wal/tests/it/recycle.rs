//! Slots that are used again: what older logs left in them is neither data nor damage.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lsm_testkit::SimDisk;
use lsm_wal::{LogWriter, Replayed};

use crate::support::{
    OVERHEAD, PATH, SLOT_HEADER, STORE, bytes, live, name, one_log, open, replay_all, slot, stamp,
    start,
};

/// Writes `records` records with bodies of `len` bytes, behind `last_seq`.
fn fill(writer: &mut LogWriter, last_seq: u64, records: u64, len: usize) {
    for seq in last_seq + 1..=last_seq + records {
        writer.append(stamp(seq, 1, last_seq), &[&vec![seq as u8; len]]).unwrap();
    }
}

#[test]
fn older_records_behind_the_end_do_not_count_wherever_they_lie() {
    for len in 0..150 {
        let disk = SimDisk::new(len as u64);
        let dir = open(&disk, Path::new(PATH));
        let mut old = start(&*dir, 1);
        fill(&mut old, 0, 12, 37);
        let mut new = LogWriter::start(old.into_slot(), STORE, 2).unwrap();
        fill(&mut new, 12, 3, len);
        let file = dir.open(&name(1), false).unwrap();
        let (done, seen) = replay_all(&[live(2, 1, file)], 12);
        assert_eq!(done.unwrap(), Replayed { last_seq: 15, records: 3, cut_bytes: 0 }, "{len}");
        assert_eq!(seen.len(), 3);
    }
}

#[test]
fn s05_a_torn_overwrite_of_older_records_is_cut_at_every_byte() {
    let disk = SimDisk::new(1);
    let dir = open(&disk, Path::new(PATH));
    let mut old = start(&*dir, 1);
    fill(&mut old, 0, 12, 37);
    let before = bytes(&disk, 1);
    let mut new = LogWriter::start(old.into_slot(), STORE, 2).unwrap();
    fill(&mut new, 12, 3, 300);
    let after = bytes(&disk, 1);
    let frame = OVERHEAD + 300;
    let start = SLOT_HEADER + 2 * frame;
    for cut in start..start + frame {
        let mut torn = after[..cut].to_vec();
        torn.extend_from_slice(&before[cut..]);
        let (done, _) = replay_all(&[live(2, 1, crate::support::file(&torn))], 12);
        let done = done.unwrap();
        assert_eq!((done.last_seq, done.records), (14, 2), "cut at {cut}");
        // From its owner on the record is known as begun. Before, the older bytes may
        // happen to be those that are missing.
        let known = cut - start >= 8 + 32;
        let expected = if known { OVERHEAD..=frame } else { 0..=frame };
        assert!(expected.contains(&(done.cut_bytes as usize)), "cut at {cut}: {done:?}");
    }
}

#[test]
fn a_slot_is_started_with_rising_numbers_of_its_own_store_only() {
    let (_, writer) = one_log(1);
    let error = LogWriter::start(writer.into_slot(), STORE, 1).unwrap_err();
    assert!(error.to_string().contains("log 1 cannot follow log 1"), "{error}");
    let (_, writer) = one_log(1);
    let error = LogWriter::start(writer.into_slot(), [7; 16], 2).unwrap_err();
    assert!(error.to_string().contains("another store"), "{error}");
}

#[test]
fn a_used_slot_does_not_grow_before_its_old_end() {
    let disk = SimDisk::new(3);
    let dir = open(&disk, Path::new(PATH));
    let mut old = start(&*dir, 1);
    fill(&mut old, 0, 3_000, 37);
    let len = bytes(&disk, 1).len();
    assert!(len >= 3_000 * (OVERHEAD + 37) && len.is_multiple_of(64 << 10), "{len}");
    let slot = old.into_slot();
    assert_eq!((slot.number(), slot.file_bytes()), (1, len as u64));
    let mut new = LogWriter::start(slot, STORE, 2).unwrap();
    let before = disk.events();
    fill(&mut new, 3_000, 2_900, 37);
    // One write each, and nothing else.
    assert_eq!(disk.events() - before, 2_900);
    assert_eq!(bytes(&disk, 1).len(), len);
    assert_eq!(new.into_slot().file_bytes(), len as u64);
}

#[test]
fn a_log_longer_than_the_one_before_goes_on_into_new_room() {
    let disk = SimDisk::new(4);
    let dir = open(&disk, Path::new(PATH));
    let mut old = start(&*dir, 1);
    fill(&mut old, 0, 3, 10);
    let mut new = LogWriter::start(old.into_slot(), STORE, 2).unwrap();
    // A record longer than any slot was so far, too.
    new.append(stamp(4, 1, 3), &[&[7; 3_000_000], &[8; 11]]).unwrap();
    fill(&mut new, 4, 100, 1_000);
    let file = dir.open(&name(1), false).unwrap();
    let (done, seen) = replay_all(&[live(2, 1, file)], 3);
    assert_eq!(done.unwrap(), Replayed { last_seq: 104, records: 101, cut_bytes: 0 });
    assert_eq!(seen[0].2.len(), 3_000_011);
    assert!(seen[0].2.ends_with(&[8; 11]));
}

#[test]
fn s27_64_mib_of_older_records_are_passed_over_fast() {
    let disk = SimDisk::new(5);
    let dir = open(&disk, Path::new(PATH));
    let writer = LogWriter::start(slot(&*dir, 1), STORE, 1).unwrap();
    // The same record 64 MiB long, as an older log would have left it many times.
    let mut old = writer;
    fill(&mut old, 0, 1, 116);
    let image = bytes(&disk, 1);
    let record = &image[SLOT_HEADER..SLOT_HEADER + OVERHEAD + 116];
    let mut left = image[..SLOT_HEADER].to_vec();
    while left.len() < 64 << 20 {
        left.extend_from_slice(record);
    }
    let file = crate::support::file(&left);
    let begun = Instant::now();
    let (done, _) = replay_all(&[live(9, 1, Arc::clone(&file))], 50);
    let took = begun.elapsed();
    assert_eq!(done.unwrap(), Replayed { last_seq: 50, records: 0, cut_bytes: 0 });
    assert!(took < Duration::from_secs(2), "{took:?}");
}

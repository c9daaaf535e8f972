//! Logs on the real disk: append, replay, tear, damage.

use lsm_vfs::{Dir, RealFs};
use lsm_wal::{LiveLog, LogError, Replayed, replay};

use crate::support::{STORE, live, name, open, stamp, start};

/// Writes records of two operations each: log 1 has numbers 1 to 10, log 2 has 11 to 14.
fn two_logs(dir: &dyn Dir) {
    let mut next = 1;
    for (log, records) in [(1, 5), (2, 2)] {
        let mut writer = start(dir, log);
        for _ in 0..records {
            let body = format!("body of {next}").repeat(next as usize);
            writer.append(stamp(next, 2, next - 1), &[body.as_bytes()]).unwrap();
            writer.sync().unwrap();
            next += 2;
        }
    }
}

fn replay_all(dir: &dyn Dir, logs: &[u64]) -> Result<(Replayed, Vec<(usize, u64)>), LogError> {
    let live: Vec<_> = logs
        .iter()
        .map(|log| LiveLog { log: *log, slot: *log, file: dir.open(&name(*log), false).unwrap() })
        .collect();
    let mut seen = Vec::new();
    let done = replay(&live, STORE, 0, |at, record| {
        assert_eq!(
            record.body,
            format!("body of {}", record.first_seq).repeat(record.first_seq as usize).as_bytes()
        );
        seen.push((at, record.first_seq));
        Ok(())
    })?;
    Ok((done, seen))
}

#[test]
fn records_come_back_in_order_across_logs() {
    let temp = tempfile::tempdir().unwrap();
    let dir = open(&RealFs, temp.path());
    two_logs(&*dir);
    let (done, seen) = replay_all(&*dir, &[1, 2]).unwrap();
    assert_eq!(done, Replayed { last_seq: 14, records: 7, cut_bytes: 0 });
    assert_eq!(seen, [(0, 1), (0, 3), (0, 5), (0, 7), (0, 9), (1, 11), (1, 13)]);
}

/// Where each record of a log's file begins and where the last one ends.
fn bounds(bytes: &[u8]) -> Vec<usize> {
    let mut bounds: Vec<_> =
        bytes.windows(4).enumerate().filter(|(_, w)| w == b"LREC").map(|(at, _)| at - 16).collect();
    let end = bytes.len() - bytes.iter().rev().take_while(|byte| **byte == 0).count();
    bounds.push(end);
    bounds
}

#[test]
fn s26_a_torn_last_record_is_cut_and_counted() {
    let temp = tempfile::tempdir().unwrap();
    let dir = open(&RealFs, temp.path());
    two_logs(&*dir);
    let path = temp.path().join("slot-2");
    let whole = std::fs::read(&path).unwrap();
    let bounds = bounds(&whole);
    for len in bounds[1]..bounds[2] {
        std::fs::write(&path, &whole[..len]).unwrap();
        let (done, _) = replay_all(&*dir, &[1, 2]).unwrap();
        assert_eq!((done.last_seq, done.records), (12, 6), "length {len}");
        assert!(done.cut_bytes as usize <= len - bounds[1]);
    }
}

#[test]
fn s24_a_bit_flip_in_the_middle_of_the_log_is_damage() {
    let temp = tempfile::tempdir().unwrap();
    let dir = open(&RealFs, temp.path());
    two_logs(&*dir);
    let path = temp.path().join("slot-1");
    let whole = std::fs::read(&path).unwrap();
    let bounds = bounds(&whole);
    for byte in bounds[0]..bounds[5] {
        for bit in [1, 0x80] {
            let mut bytes = whole.clone();
            bytes[byte] ^= bit;
            std::fs::write(&path, &bytes).unwrap();
            match replay_all(&*dir, &[1, 2]) {
                Err(LogError::Damaged { .. } | LogError::Unsupported { .. }) => {}
                // wal-db's own checksum is not what the reader relies on.
                Ok((done, _)) => assert_eq!((done.records, done.last_seq), (7, 14), "{byte}"),
                Err(other) => panic!("{other}"),
            }
        }
    }
    assert_eq!(std::fs::read(&path).unwrap().len(), whole.len());
}

#[test]
fn s07_a_record_behind_a_lost_one_that_was_never_acknowledged_is_a_torn_tail() {
    let temp = tempfile::tempdir().unwrap();
    let dir = open(&RealFs, temp.path());
    let mut writer = start(&*dir, 1);
    // The second and third were appended without knowing of anything durable.
    for (first_seq, durable_seq) in [(1, 0), (3, 0), (5, 0)] {
        let body = format!("body of {first_seq}").repeat(first_seq as usize);
        writer.append(stamp(first_seq, 2, durable_seq), &[body.as_bytes()]).unwrap();
    }
    let path = temp.path().join("slot-1");
    let mut bytes = std::fs::read(&path).unwrap();
    let second = bounds(&bytes)[1];
    bytes[second + 20..second + 40].fill(0);
    std::fs::write(&path, &bytes).unwrap();
    let (done, _) = replay_all(&*dir, &[1]).unwrap();
    assert_eq!((done.last_seq, done.records), (2, 1));
    assert!(done.cut_bytes > 0);
}

#[test]
fn s34_a_log_of_another_store_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let dir = open(&RealFs, temp.path());
    two_logs(&*dir);
    let own = live(1, 1, dir.open(&name(1), false).unwrap());
    let error = replay(&[own], [9; 16], 0, |_, _| Ok(())).unwrap_err();
    assert!(error.to_string().contains("another store"), "{error}");
    let swapped = live(1, 1, dir.open(&name(2), false).unwrap());
    let error = replay(&[swapped], STORE, 0, |_, _| Ok(())).unwrap_err();
    assert!(error.to_string().contains("another slot"), "{error}");
}

#[test]
fn s27_a_long_tail_of_zeros_is_an_end() {
    let temp = tempfile::tempdir().unwrap();
    let dir = open(&RealFs, temp.path());
    two_logs(&*dir);
    let file = std::fs::OpenOptions::new().write(true).open(temp.path().join("slot-2")).unwrap();
    file.set_len(64 << 20).unwrap();
    let (done, _) = replay_all(&*dir, &[1, 2]).unwrap();
    assert_eq!((done.last_seq, done.cut_bytes), (14, 0));
}

/// The frame of the example in docs/WAL_FORMAT.md.
const EXAMPLE: &str = "693743b1 3d000000 e5e5c7398dc58ceb 4c524543 0100 0000 0000000000000000 \
    0200000000000000 0100000000000000 01000000 05000000 0000000000000000 02 016b 0176";

#[test]
fn the_example_of_the_page_is_what_is_written() {
    let disk = lsm_testkit::SimDisk::new(1);
    let dir = open(&disk, std::path::Path::new("store"));
    let slot = lsm_wal::create_slot(&*dir, &name(1), [0; 16], 1).unwrap();
    let mut writer = lsm_wal::LogWriter::start(slot, [0; 16], 2).unwrap();
    writer.append(stamp(1, 1, 0), &[b"\x02\x01k", b"\x01v"]).unwrap();
    let bytes = crate::support::bytes(&disk, 1);
    let hex: String = bytes[512..512 + 69].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, EXAMPLE.replace(' ', ""));
    let header: String = bytes[..48].iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(header.starts_with("4c534d57414c4f47") && header.ends_with("51dabd7bcd2f4479"));
    assert!(bytes[48..512].iter().all(|byte| *byte == 0));
}

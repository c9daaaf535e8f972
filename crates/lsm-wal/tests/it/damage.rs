//! Damage: every bit, every length, foreign and forged bytes.

use lsm_wal::{LogError, Refused, Replayed, replay};
use xxhash_rust::xxh3::xxh3_64;

use crate::support::{
    OVERHEAD, SLOT_HEADER, STORE, body, bounds, bytes, file, live, one_log, replay_all, replay_one,
};

const RECORDS: u64 = 4;

/// A slot with a few records and not much behind them.
fn small() -> Vec<u8> {
    let (disk, _) = one_log(RECORDS);
    let mut whole = bytes(&disk, 1);
    whole.truncate(bounds(RECORDS)[RECORDS as usize] + 40);
    whole
}

const fn all(last_seq: u64) -> Replayed {
    Replayed { last_seq, records: last_seq, cut_bytes: 0 }
}

#[test]
fn s24_s25_every_bit_flip_is_damage_or_harmless_and_in_the_last_record_cut() {
    let (whole, bounds) = (small(), bounds(RECORDS));
    for at in 0..whole.len() {
        let record = bounds.iter().rposition(|bound| at >= *bound);
        let in_frame = record.is_some_and(|record| at < bounds[record] + 8);
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            let done = replay_one(&bytes, 1, 0);
            match (record, done) {
                // The slot's header is compared as a whole.
                (None, Err(LogError::Damaged { offset: 0, .. })) => {}
                // Reading does not rely on the frame; behind the end nothing counts.
                (Some(_), Ok(done)) if in_frame || at >= bounds[RECORDS as usize] => {
                    assert_eq!(done, all(RECORDS));
                }
                (Some(record), Ok(done)) if record + 1 == RECORDS as usize => {
                    assert_eq!((done.last_seq, done.records), (RECORDS - 1, RECORDS - 1));
                    let len = (bounds[record + 1] - bounds[record]) as u64;
                    let in_owner = (24..40).contains(&(at - bounds[record]));
                    let expected = if in_owner { 0..=0 } else { OVERHEAD as u64..=len };
                    assert!(expected.contains(&done.cut_bytes), "{at}: {done:?}");
                }
                (Some(record), Err(LogError::Damaged { offset, .. })) => {
                    assert_eq!(offset, bounds[record] as u64, "byte {at}");
                }
                (_, other) => panic!("bit {bit} of byte {at}: {other:?}"),
            }
        }
    }
}

#[test]
fn s26_every_length_is_a_shorter_log() {
    let (whole, bounds) = (small(), bounds(RECORDS));
    for len in 0..whole.len() {
        let done = replay_one(&whole[..len], 1, 0);
        if len < SLOT_HEADER {
            assert!(matches!(done, Err(LogError::Damaged { offset: 0, .. })), "{len}: {done:?}");
            continue;
        }
        let kept = bounds.iter().filter(|bound| **bound <= len).count() - 1;
        let done = done.unwrap();
        assert_eq!((done.last_seq, done.records), (kept as u64, kept as u64), "length {len}");
        assert!(done.cut_bytes as usize <= len - bounds[kept], "length {len}: {done:?}");
    }
}

#[test]
fn s28_junk_behind_the_records_is_not_counted() {
    let (whole, end) = (small(), bounds(RECORDS)[RECORDS as usize]);
    let mut junk = whole[..end].to_vec();
    junk.extend((0..5_000_u32).map(|at| (at * at % 251) as u8));
    assert_eq!(replay_one(&junk, 1, 0).unwrap(), all(RECORDS));
}

/// Writes `bytes` into a record and its checksum anew.
fn forged(mut image: Vec<u8>, record: usize, at: usize, new: &[u8]) -> Vec<u8> {
    let bounds = bounds(RECORDS);
    let (start, end) = (bounds[record] + 8, bounds[record + 1]);
    image[start + at..start + at + new.len()].copy_from_slice(new);
    let sum = xxh3_64(&image[start + 8..end]);
    image[start..start + 8].copy_from_slice(&sum.to_le_bytes());
    image
}

#[test]
fn s54_other_versions_flags_and_features_are_refused_by_name() {
    let refused = |bytes: &[u8], says: &str, at: u64| match replay_one(bytes, 1, 0) {
        Err(LogError::Unsupported { what, offset, path }) => {
            assert!(what.contains(says), "{what}");
            assert_eq!((offset, path.ends_with("slot-1")), (at, true));
        }
        other => panic!("{other:?}"),
    };
    let second = bounds(RECORDS)[1] as u64 + 8;
    refused(&forged(small(), 1, 12, &[2, 0]), "version 2, a newer build wrote it", second);
    refused(&forged(small(), 1, 14, &[0, 4]), "flags 0x0400", second);
    let header = |at: usize, new: &[u8]| {
        let mut bytes = small();
        bytes[at..at + new.len()].copy_from_slice(new);
        let sum = xxh3_64(&bytes[..40]);
        bytes[40..48].copy_from_slice(&sum.to_le_bytes());
        bytes
    };
    refused(&header(8, &[0, 0]), "version 0, a draft", 8);
    refused(
        &header(8, &[2, 0]),
        "version 2, a newer build wrote it; this build reads version 1",
        8,
    );
    refused(&header(10, &[6, 0]), "features 0x0006", 10);
    refused(&header(10, &[2, 0]), "features 0x0002", 10);
    refused(&header(10, &[1, 0]), "features 0x0001", 10);
    // What is too new may use bytes that are reserved in version 1.
    for (at, new) in [(8, [2, 0]), (10, [4, 0])] {
        let mut bytes = header(at, &new);
        bytes[100] = 1;
        refused(&bytes, if at == 8 { "version 2" } else { "features 0x0004" }, at as u64);
    }
    // Behind the end of the log, too.
    let mut broken = forged(small(), 1, 12, &[2, 0]);
    broken[bounds(RECORDS)[0] + 8] ^= 1;
    refused(&broken, "version 2, a newer build wrote it", second);
    // Reserved bytes have no meaning to a newer build either.
    let done = replay_one(&header(13, &[1]), 1, 0);
    assert!(matches!(done, Err(LogError::Damaged { .. })), "{done:?}");
}

#[test]
fn s53_numbers_out_of_range_are_damage() {
    for (at, new) in
        [(40, &0_u32.to_le_bytes()[..]), (48, &2_u64.to_le_bytes()), (48, &u64::MAX.to_le_bytes())]
    {
        let done = replay_one(&forged(small(), 1, at, new), 1, 0);
        assert!(done.unwrap_err().to_string().contains("in their ranges"), "{at}");
    }
}

#[test]
fn s38_forged_lengths_are_an_end_and_cost_no_time() {
    let (whole, bounds) = (small(), bounds(RECORDS));
    for len in [u32::MAX, 1 << 31, 100_000, 0] {
        // In the first record: those behind it prove that there was more.
        let mut bytes = whole.clone();
        bytes[bounds[0] + 8 + 44..][..4].copy_from_slice(&len.to_le_bytes());
        let done = replay_one(&bytes, 1, 0);
        assert!(matches!(done, Err(LogError::Damaged { offset: 512, .. })), "{done:?}");
        // In the last: it is cut, and not more counted than there is.
        let mut bytes = whole.clone();
        let last = bounds[RECORDS as usize - 1];
        bytes[last + 8 + 44..][..4].copy_from_slice(&len.to_le_bytes());
        bytes[last + 4..][..4].copy_from_slice(&len.wrapping_add(56).to_le_bytes());
        let done = replay_one(&bytes, 1, 0).unwrap();
        assert_eq!(done.last_seq, RECORDS - 1);
        assert!(done.cut_bytes as usize <= bytes.len() - last, "{done:?}");
    }
    // Half a million headers, each of a body as long as the file.
    let mut bytes = whole[..SLOT_HEADER].to_vec();
    let mut header = whole[bounds[0]..][..OVERHEAD].to_vec();
    header[8 + 44..][..4].copy_from_slice(&(8_u32 << 20).to_le_bytes());
    while bytes.len() < 32 << 20 {
        bytes.extend_from_slice(&header);
    }
    let error = replay_one(&bytes, 1, 0).unwrap_err();
    assert!(error.to_string().contains("one over the other"), "{error}");
}

#[test]
fn a_copy_of_the_log_inside_of_a_body_is_not_the_log() {
    let (disk, mut writer) = one_log(RECORDS);
    let copy = bytes(&disk, 1);
    writer.append(crate::support::stamp(5, 1, 4), &[&copy]).unwrap();
    writer.sync().unwrap();
    let mut image = bytes(&disk, 1);
    let (done, seen) = replay_all(&[live(1, 1, file(&image))], 0);
    assert_eq!(done.unwrap(), all(5));
    assert!(seen[4].2 == copy);
    // Torn, it shows what is in it; that proves nothing that is not true.
    image[bounds(RECORDS)[4] + 100] ^= 1;
    let done = replay_one(&image, 1, 0).unwrap();
    assert_eq!((done.last_seq, done.cut_bytes), (4, (OVERHEAD + copy.len()) as u64));
}

#[test]
fn a_refused_record_says_where_it_is() {
    let logs = [live(1, 1, file(&small()))];
    let third = bounds(RECORDS)[2] as u64;
    let refuse = |why: Refused| {
        replay(
            &logs,
            STORE,
            0,
            |_, record| {
                if record.first_seq == 3 { Err(why.clone()) } else { Ok(()) }
            },
        )
        .unwrap_err()
    };
    match refuse("nonsense".into()) {
        LogError::Damaged { offset, found, .. } => {
            assert_eq!((offset, found.as_str()), (third, "nonsense"));
        }
        other => panic!("{other}"),
    }
    match refuse(Refused::Unsupported("kind 4 needs a newer build".into())) {
        LogError::Unsupported { offset, what, .. } => {
            assert_eq!((offset, what.as_str()), (third, "kind 4 needs a newer build"));
        }
        other => panic!("{other}"),
    }
    assert_eq!(body(3).len(), bounds(3)[3] - bounds(3)[2] - OVERHEAD);
}

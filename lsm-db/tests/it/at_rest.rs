//! What may happen to a store's files while nobody has it open: the end of the log
//! changes, older files come back, a manifest is made up, counters stand at their ends.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lsm_db::{Error, Lsm, LsmConfig};
use lsm_manifest::{Edit, EditOp, FIRST_FRAME, Head, PAGE_BYTES, SLOT_BYTES, Version};
use lsm_types::{MAX_FILE_NO, SeqNo, StoreId, decode};
use xxhash_rust::xxh3::xxh3_64;

type Files = BTreeMap<String, Vec<u8>>;

fn files(dir: &Path) -> Files {
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    let file = |entry: fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    };
    entries.map(file).collect()
}

fn put_files(dir: &Path, files: &Files) {
    let _ = fs::remove_dir_all(dir);
    fs::create_dir_all(dir).unwrap();
    files.iter().for_each(|(name, bytes)| fs::write(dir.join(name), bytes).unwrap());
}

fn never_merges() -> LsmConfig {
    LsmConfig::new().compaction_trigger(usize::MAX)
}

fn rows(db: &Lsm) -> BTreeMap<Vec<u8>, Vec<u8>> {
    db.scan(..).unwrap().collect()
}

fn refused(dir: &Path, why: &str) {
    let before = files(dir);
    match Lsm::open_with(dir, never_merges()) {
        Err(Error::Corruption { .. }) => {}
        other => panic!("{why}: {other:?}"),
    }
    assert!(files(dir) == before, "{why}: something was changed");
}

#[cfg(feature = "durability")]
#[test]
fn s25_a_bit_flip_in_the_last_record_costs_no_more_than_it_and_is_counted() {
    let temp = tempfile::tempdir().unwrap();
    let (home, copy) = (temp.path().join("home"), temp.path().join("copy"));
    let db = Lsm::open_with(&home, never_merges()).unwrap();
    (0..10).for_each(|n| db.put(format!("k{n}"), [b'v'; 100]).unwrap());
    // As a kill leaves it.
    let killed = files(&home);
    db.close().unwrap();
    let is_written = |bytes: &[u8]| bytes[512..].iter().any(|byte| *byte != 0);
    let is_log = |name: &str| name.starts_with("wal-");
    let log = killed.iter().find(|(name, bytes)| is_log(name) && is_written(bytes));
    let (name, bytes) = log.unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    // The last record: a head of 56 bytes, of which 16 say whose it is, and 105 of its own.
    // What frames it is not needed to read it.
    let record = end - 161;
    let owner = record + 16..record + 32;
    for at in (record..end).step_by(3) {
        let mut damaged = killed.clone();
        damaged.get_mut(name).unwrap()[at] ^= 0x10;
        put_files(&copy, &damaged);
        let db = Lsm::open_with(&copy, never_merges()).unwrap();
        assert_eq!(rows(&db).len(), 9, "a flip at {at}");
        assert!(db.get("k9").unwrap().is_none());
        let cut = db.stats().recovered_cut_bytes;
        // What does not say any more that it is of this log is not told from older remains;
        // of what does not say how long it is, the heads are counted.
        let counted = (64..400).contains(&cut) || owner.contains(&at);
        assert!(counted, "a flip at {at}: {cut} bytes");
        db.put("after", "works").unwrap();
    }
    // After a clean close no log is live: nothing in any of them matters.
    let mut closed = files(&home);
    for (_, bytes) in closed.iter_mut().filter(|(name, _)| is_log(name)) {
        bytes.iter_mut().for_each(|byte| *byte ^= 0xff);
    }
    put_files(&copy, &closed);
    let db = Lsm::open_with(&copy, never_merges()).unwrap();
    assert_eq!((rows(&db).len(), db.stats().recovered_cut_bytes), (10, 0));
}

#[test]
fn s33_an_older_copy_opens_as_it_was_and_a_mixture_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("store");
    let fill = |db: &Lsm, what: &str| {
        (0..50).for_each(|n| db.put(format!("k{n:02}"), format!("{what} {n}")).unwrap());
        db.flush().unwrap();
    };
    let db = Lsm::open_with(&dir, never_merges()).unwrap();
    fill(&db, "older");
    let older_rows = rows(&db);
    db.close().unwrap();
    let older = files(&dir);
    // The newer store has merged what the older one consisted of.
    let db = Lsm::open_with(&dir, LsmConfig::new().compaction_trigger(2)).unwrap();
    fill(&db, "newer");
    crate::eventually("a merge", || db.stats().compactions > 0 && db.stats().runs == 1);
    db.put("k99", "newest").unwrap();
    let newer_rows = rows(&db);
    db.close().unwrap();
    let newer = files(&dir);
    let is_table = |name: &str| name.ends_with(".sst");
    assert!(!older.keys().any(|name| is_table(name) && newer.contains_key(name)));

    for (files, expected) in [(&older, &older_rows), (&newer, &newer_rows)] {
        put_files(&dir, files);
        let db = Lsm::open_with(&dir, never_merges()).unwrap();
        assert_eq!(rows(&db), *expected);
        db.put("written", "on").unwrap();
        db.close().unwrap();
    }
    for (manifest, rest) in [(&older, &newer), (&newer, &older)] {
        let mut mixed = rest.clone();
        mixed.insert("MANIFEST".into(), manifest["MANIFEST"].clone());
        put_files(&dir, &mixed);
        refused(&dir, "another manifest");
    }
    // The bytes of an older table under the name of a newer one.
    let table = |files: &Files| files.keys().find(|name| is_table(name)).unwrap().clone();
    let mut mixed = newer.clone();
    mixed.insert(table(&newer), older[&table(&older)].clone());
    put_files(&dir, &mixed);
    refused(&dir, "another table");
}

/// A manifest that is whole, of one edit with these bytes.
fn manifest(payload: &[u8]) -> Vec<u8> {
    let store = StoreId([4; 16]);
    let mut frame = (payload.len() as u32).to_le_bytes().to_vec();
    frame.extend_from_slice(&1_u64.to_le_bytes());
    let before = xxh3_64(&store.0).to_le_bytes();
    let chain = xxh3_64(&[&before, frame.as_slice(), payload].concat());
    frame.extend_from_slice(&chain.to_le_bytes());
    frame.extend_from_slice(payload);
    let committed = (FIRST_FRAME + frame.len()) as u64;
    let head = Head { store, generation: 1, committed, chain };
    let mut bytes = vec![0; FIRST_FRAME];
    bytes[PAGE_BYTES..PAGE_BYTES + SLOT_BYTES].copy_from_slice(&head.encode());
    bytes.extend_from_slice(&frame);
    bytes
}

fn counters(reserved: u64, last: u64) -> Edit {
    Edit { ops: vec![EditOp::Reserve(reserved), EditOp::LastSeq(SeqNo::new(last).unwrap())] }
}

/// The bytes of an operation.
fn op(tag: u8, numbers: &[u64], rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    numbers.iter().for_each(|number| decode::put_varint(&mut body, *number));
    body.extend_from_slice(rest);
    let mut out = vec![tag];
    decode::put_bytes(&mut out, &body);
    out
}

/// There are no names in a manifest that could lead elsewhere: files are numbers. What is
/// left to make up are numbers, and how many.
#[test]
fn s36_a_made_up_manifest_is_damage_and_opens_nothing() {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("outside"), "untouched").unwrap();
    let dir = temp.path().join("store");
    let start = counters(1_000, 100).encode();
    // Its uid, its counts, its fences, and an unlimited live range.
    let table = |number: u64| {
        let mut rest = vec![5; 16];
        [500, 10, 0, 100, 1, 9].iter().for_each(|field| decode::put_varint(&mut rest, *field));
        rest.extend_from_slice(&[1, b'a', 1, b'b', 0, 0]);
        op(1, &[7, 0, number], &rest)
    };
    let far = MAX_FILE_NO + 1;
    let hostile: Vec<(&str, Vec<u8>)> = vec![
        ("a table number of 2^64 - 1", table(u64::MAX)),
        ("a table number of eleven digits", table(far)),
        ("a table number of zero", table(0)),
        ("a table that is not reserved", table(5_000)),
        ("a table that is not there", table(8)),
        ("a table twice", [table(8), table(8)].concat()),
        ("a million times the same table", table(8).repeat(1_000_000)),
        ("a log number of 2^64 - 1", op(4, &[u64::MAX, 9], &[])),
        ("a slot number of 2^64 - 1", op(4, &[9, u64::MAX], &[])),
        ("numbers reserved without end", op(6, &[u64::MAX], &[])),
        ("a last sequence without end", op(7, &[u64::MAX], &[])),
        ("a length that is longer than all", vec![2, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        ("bytes of a name", b"../../outside".to_vec()),
    ];
    for (what, bytes) in hostile {
        let found = manifest(&[start.clone(), bytes].concat());
        put_files(&dir, &Files::from([("MANIFEST".into(), found)]));
        let before = files(&dir);
        match Lsm::open(&dir) {
            Err(Error::Corruption { .. }) => {}
            // The dots are no operation that this version knows.
            Err(Error::Io { .. }) if what == "bytes of a name" => {}
            other => panic!("{what}: {other:?}"),
        }
        assert!(files(&dir) == before, "{what}");
        assert_eq!(fs::read(temp.path().join("outside")).unwrap(), b"untouched");
    }
}

/// A store without tables whose counters stand like this.
fn store_at(dir: &Path, reserved: u64, last: u64) {
    let version = Version::default().apply(&counters(reserved, last)).unwrap();
    let (bytes, _) = lsm_manifest::new_file(StoreId([4; 16]), 1, 1, &version);
    put_files(dir, &Files::from([("MANIFEST".into(), bytes)]));
}

#[test]
fn s53_sequence_numbers_that_are_used_up_are_an_error_and_none_is_used_twice() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("store");
    store_at(&dir, 101, SeqNo::MAX.get() - 5);
    let db = Lsm::open_with(&dir, never_merges()).unwrap();
    let refused = (0..10).find_map(|n| db.put(format!("k{n}"), "v").err().map(|error| (n, error)));
    let (written, error) = refused.unwrap();
    assert!(error.to_string().contains("sequence numbers"), "{error}");
    assert!((4..=5).contains(&written), "{written} writes");
    assert!(db.put("more", "v").is_err());
    assert_eq!(rows(&db).len(), written);
    let _ = db.close();
    let db = Lsm::open_with(&dir, never_merges()).unwrap();
    assert_eq!(rows(&db).len(), written);
    assert!(db.put("more", "v").is_err());
}

#[test]
fn s53_file_numbers_that_are_used_up_are_an_error_and_none_is_used_twice() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("store");
    store_at(&dir, MAX_FILE_NO - 30, 0);
    let db = Lsm::open_with(&dir, never_merges()).unwrap();
    let mut written = 0;
    let refused = (0..100).find_map(|n| {
        let put = db.put(format!("k{n:03}"), "v");
        written += usize::from(put.is_ok());
        put.and_then(|()| db.flush()).err()
    });
    let error = refused.unwrap();
    assert!(error.to_string().contains("file numbers"), "{error}");
    assert_eq!(rows(&db).len(), written);
    drop(db);
    let names = files(&dir).into_keys().filter(|name| name.ends_with(".sst"));
    let numbers: Vec<u64> = names.map(|name| name[4..14].parse().unwrap()).collect();
    assert!(numbers.iter().all(|number| (MAX_FILE_NO - 30..=MAX_FILE_NO).contains(number)));
    let found = Lsm::open_with(&dir, never_merges()).map(|db| rows(&db).len());
    // What was not flushed is in the log, if there is one.
    assert!(found.unwrap() + 1 >= written);
}

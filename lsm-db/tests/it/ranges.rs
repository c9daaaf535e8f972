//! Ranges over damaged files: the error comes where the damage is, it stays, and nothing
//! beside it suffers (s51).

use std::fs;
use std::path::Path;

use lsm_db::{Error, Lsm, LsmConfig};

const ROWS: u32 = 4_000;

fn key(number: u32) -> Vec<u8> {
    format!("{number:06}").into_bytes()
}

/// A closed store of one file with a flipped bit in its middle.
fn damaged(dir: &Path) {
    let db = Lsm::open(dir).unwrap();
    (0..ROWS).for_each(|number| db.put(key(number), [7; 100]).unwrap());
    db.close().unwrap();
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let path = files.into_iter().find(|path| path.extension().is_some_and(|it| it == "sst"));
    let path = path.unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
}

#[test]
fn s51_an_iterator_goes_on_giving_its_error() {
    let temp = tempfile::tempdir().unwrap();
    damaged(temp.path());
    let db = Lsm::open_with(temp.path(), LsmConfig::new()).unwrap();
    let mut rows = db.range(..);
    let mut seen = 0;
    let first = loop {
        match rows.next().unwrap() {
            Ok((found, value)) => {
                assert_eq!((found.to_vec(), value.len()), (key(seen), 100));
                seen += 1;
            }
            Err(error) => break error.to_string(),
        }
    };
    assert!((1_000..3_000).contains(&seen), "{seen}");
    for row in [rows.next(), rows.next_back(), rows.next(), rows.nth(5)] {
        let Some(Err(Error::Corruption { reason })) = row else { panic!("{row:?}") };
        assert!(first.contains(reason), "{first}: {reason}");
    }
    assert!(rows.seek(key(0)).is_err(), "after an error nothing is certain");
    assert_eq!(rows.count(), 1);
    // From the back it comes to the same place.
    let back = db.range(..).rev().take_while(Result::is_ok).count() as u32;
    assert!(seen + back < ROWS && seen + back > ROWS - 100, "{seen} and {back}");
}

#[test]
fn damage_outside_of_a_range_is_not_met() {
    let temp = tempfile::tempdir().unwrap();
    damaged(temp.path());
    let db = Lsm::open(temp.path()).unwrap();
    assert!(db.scan(..).is_err() && db.scan(key(100)..).is_err());
    let whole = |from, to| db.scan(key(from)..key(to)).map(Iterator::count).ok();
    let intact: Vec<u32> =
        (0..ROWS).step_by(10).filter(|n| whole(*n, n + 10) == Some(10)).collect();
    let blocks_hit = ROWS / 10 - intact.len() as u32;
    assert!((1..=6).contains(&blocks_hit), "{blocks_hit} stretches of ten rows are hit");
    // Ranges stream up to their end, and not into what lies behind it.
    let hit = (0..ROWS).step_by(10).find(|n| !intact.contains(n)).unwrap();
    assert!(db.range(key(0)..key(hit)).all(|row| row.is_ok()));
    let mut rows = db.range(key(0)..key(hit));
    rows.seek(key(hit)).unwrap();
    assert!(rows.next().is_none(), "gone to its end and beyond");
    assert!(db.range(key(hit + 100)..).rev().all(|row| row.is_ok()));
    assert_eq!(db.scan(key(0)..key(hit)).unwrap().rev().count() as u32, hit);
}

/// Tables behind the range's end are not read by whoever comes from there.
#[test]
fn damage_in_the_next_file_is_not_met_from_the_back() {
    let temp = tempfile::tempdir().unwrap();
    let config = LsmConfig::new().compaction_trigger(usize::MAX);
    let db = Lsm::open_with(temp.path(), config.clone()).unwrap();
    for (first, name) in [("user/", 0), ("visit/", 1)] {
        for number in 0..1_000 {
            db.put(format!("{first}{number:04}"), [name; 100]).unwrap();
        }
        db.flush().unwrap();
    }
    db.close().unwrap();
    let files = fs::read_dir(temp.path()).unwrap().map(|entry| entry.unwrap().path());
    let mut tables: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|it| it == "sst")).collect();
    tables.sort();
    assert_eq!(tables.len(), 2);
    // The first block of the second file.
    let mut bytes = fs::read(&tables[1]).unwrap();
    bytes[300] ^= 1;
    fs::write(&tables[1], bytes).unwrap();
    let db = Lsm::open_with(temp.path(), config).unwrap();
    let users = b"user/".to_vec()..b"visit/".to_vec();
    assert_eq!(db.scan(users.clone()).unwrap().rev().count(), 1_000);
    let last = db.scan(users.clone()).unwrap().next_back().unwrap().0;
    assert_eq!(last, b"user/0999");
    assert_eq!(db.prefix("user/").rev().filter(Result::is_ok).count(), 1_000);
    assert!(db.range(users).rev().all(|row| row.is_ok()));
    assert!(db.scan(b"user/".to_vec()..).is_err());
}

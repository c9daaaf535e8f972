//! Snapshots, ranges and scans that are held while the store goes on: each is what the
//! store was at its moment, and files go when the last of them goes (s50, s51).

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use lsm_db::{Lsm, LsmConfig, Range, Scan, Snapshot};
use lsm_testkit::{Rng, SimDisk};

use crate::eventually;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;
type Rows = Vec<(Vec<u8>, Vec<u8>)>;

fn key(rng: &mut Rng) -> Vec<u8> {
    match rng.below(4) {
        // Longer than what a value holds inside, and than what a merge compares first.
        0 => format!("a/long/path/to/somewhere/or/other/{:03}", rng.below(60)).into_bytes(),
        1 => vec![b'b'; rng.below(20) as usize],
        _ => format!("{:04}", rng.below(300)).into_bytes(),
    }
}

fn value(rng: &mut Rng) -> Vec<u8> {
    vec![rng.below(256) as u8; rng.below(80) as usize]
}

/// What was taken at some moment, and what it must show.
struct Held {
    model: Map,
    snapshot: Snapshot,
    scan: Scan,
    range: Range,
    begun: Rows,
}

fn owned(range: impl Iterator<Item = lsm_db::Result<(lsm_db::Value, lsm_db::Value)>>) -> Rows {
    range.map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap()).collect()
}

fn rows<'a>(rows: impl Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)>) -> Rows {
    rows.map(|(key, value)| (key.clone(), value.clone())).collect()
}

impl Held {
    fn new(db: &Lsm, model: &Map) -> Self {
        let (snapshot, scan, range) = (db.snapshot(), db.scan(..).unwrap(), db.range(..));
        Self { model: model.clone(), snapshot, scan, range, begun: Vec::new() }
    }

    /// Takes a few rows, and looks at a part of the snapshot.
    fn look(&mut self, rng: &mut Rng) {
        self.begun.extend(owned(self.range.by_ref().take(3)));
        let (from, to) = (key(rng), key(rng));
        let inside = |(key, _): &(&Vec<u8>, &Vec<u8>)| **key >= from && **key < to;
        let expected = rows(self.model.iter().filter(inside));
        let bounds = (Bound::Included(from.clone()), Bound::Excluded(to.clone()));
        assert_eq!(owned(self.snapshot.range(bounds.clone())), expected);
        let back: Rows = self.snapshot.scan(bounds.clone()).unwrap().rev().collect();
        assert_eq!(back, expected.iter().rev().cloned().collect::<Rows>());
        assert_eq!(self.snapshot.clone().scan(bounds).unwrap().len(), expected.len());
        let prefix = &from[..from.len() / 2];
        let begins = |(key, _): &(&Vec<u8>, &Vec<u8>)| key.starts_with(prefix);
        let expected = rows(self.model.iter().filter(begins));
        assert_eq!(owned(self.snapshot.prefix(prefix)), expected);
        meet_in_the_middle(self.snapshot.prefix(prefix), &expected, rng);
        seek_about(self.snapshot.range(..), &self.model, rng);
        go_anywhere(self.snapshot.range(..), &self.model, rng);
    }

    fn end(mut self) {
        let expected = rows(self.model.iter());
        self.begun.extend(owned(self.range));
        assert_eq!(self.begun, expected);
        assert_eq!(self.scan.collect::<Rows>(), expected);
        assert_eq!(self.snapshot.range(..).count(), expected.len());
    }
}

/// Takes rows from both ends at random.
fn meet_in_the_middle(mut range: Range, expected: &Rows, rng: &mut Rng) {
    let mut expected = expected.iter();
    loop {
        let (found, wanted) = match rng.below(2) {
            0 => (range.next(), expected.next()),
            _ => (range.next_back(), expected.next_back()),
        };
        let found = found.map(|row| row.map(|(k, v)| (k.to_vec(), v.to_vec())).unwrap());
        assert_eq!(found.as_ref(), wanted);
        if wanted.is_none() {
            assert!(range.next().is_none() && range.next_back().is_none());
            return;
        }
    }
}

/// Goes to and fro; what was taken from the back stays taken.
fn seek_about(mut range: Range, model: &Map, rng: &mut Rng) {
    let taken = rng.below(4) as usize;
    let back: Rows = owned(range.by_ref().rev().take(taken));
    let end = back.last().map(|(key, _)| key.clone());
    for _ in 0..5 {
        let target = key(rng);
        range.seek(&target).unwrap();
        let before_end =
            |(key, _): &(&Vec<u8>, &Vec<u8>)| end.as_ref().is_none_or(|end| *key < end);
        let expected = rows(model.range(target..).filter(before_end).take(3));
        assert_eq!(owned(range.by_ref().take(3)), expected);
    }
}

/// Seeks and takes from both ends, in any order, against two places in a list.
fn go_anywhere(mut range: Range, model: &Map, rng: &mut Rng) {
    let rows = rows(model.iter());
    // What is left to the front begins here, and what was taken from the back here.
    let (mut front, mut back) = (0, rows.len());
    let mut ended = false;
    let mut history = Vec::new();
    for _ in 0..40 {
        let (found, expected) = match rng.below(5) {
            0 => {
                let target = key(rng);
                range.seek(&target).unwrap();
                front = rows.partition_point(|(key, _)| *key < target);
                ended = false;
                history.push(format!("seek {:?}", target.escape_ascii().to_string()));
                continue;
            }
            1 | 2 => {
                history.push("next".to_owned());
                let is_left = front < back && !ended;
                let expected = is_left.then(|| rows[front].clone());
                front += usize::from(is_left);
                (range.next(), expected)
            }
            _ => {
                history.push("next_back".to_owned());
                let is_left = front < back && !ended;
                back -= usize::from(is_left);
                (range.next_back(), is_left.then(|| rows[back].clone()))
            }
        };
        ended |= expected.is_none();
        let found = found.map(|row| row.map(|(k, v)| (k.to_vec(), v.to_vec())).unwrap());
        assert_eq!(found, expected, "{history:?} of {:?}", rows.len());
    }
}

fn change(db: &Lsm, model: &mut Map, rng: &mut Rng) {
    match rng.below(10) {
        0..=6 => {
            let (key, value) = (key(rng), value(rng));
            db.put(&key, &value).unwrap();
            model.insert(key, value);
        }
        7..=8 => {
            let key = key(rng);
            db.delete(&key).unwrap();
            model.remove(&key);
        }
        _ if rng.one_in(20) => db.flush().unwrap(),
        _ => {}
    }
}

fn hold_many(seed: u64, config: LsmConfig) {
    let disk = Arc::new(SimDisk::new(seed));
    let mut rng = Rng::new(seed);
    let (mut model, mut held) = (Map::new(), Vec::new());
    let mut db = Lsm::open_on(disk.clone(), "/store", config.clone()).unwrap();
    for _ in 0..3_000 {
        change(&db, &mut model, &mut rng);
        if rng.one_in(60) {
            held.push(Held::new(&db, &model));
        }
        if rng.one_in(20)
            && let Some(at) = (rng.below(held.len() as u64 + 1) as usize).checked_sub(1)
        {
            held[at].look(&mut rng);
        }
        if held.len() > 8 {
            held.swap_remove(rng.below(8) as usize).end();
        }
        if rng.one_in(700) {
            // The held ones outlive their handle, and the store is opened beside them.
            db.close().unwrap();
            db = Lsm::open_on(disk.clone(), "/store", config.clone()).unwrap();
        }
    }
    drop(db);
    held.into_iter().for_each(Held::end);
}

#[test]
fn s50_what_is_held_stays_as_it_was() {
    for (seed, (trigger, capacity)) in
        (1..).zip([(2, 500), (4, 2_000), (usize::MAX, 3_000), (2, 100_000)])
    {
        let config = LsmConfig::new().memtable_capacity(capacity).compaction_trigger(trigger);
        hold_many(seed, config);
    }
}

fn table_files(disk: &SimDisk) -> usize {
    let names = disk.contents(Path::new("/store")).into_keys();
    names.filter(|name| name.ends_with(".sst")).count()
}

#[test]
fn s50_files_go_when_the_last_reader_goes() {
    let disk = Arc::new(SimDisk::new(7));
    let config = LsmConfig::new().compaction_trigger(2);
    let db = Lsm::open_on(disk.clone(), "/store", config).unwrap();
    db.put("a", [1; 1_000]).unwrap();
    db.flush().unwrap();
    let snapshot = db.snapshot();
    let (value, scan, range) = {
        let mut range = snapshot.range(..);
        (range.next().unwrap().unwrap().1, snapshot.scan(..).unwrap(), snapshot.range(..))
    };
    db.put("a", [2; 1_000]).unwrap();
    db.flush().unwrap();
    eventually("both are merged", || db.stats().runs == 1 && db.stats().compactions > 0);
    let stats = db.stats();
    assert!(stats.held_for.is_some() && stats.held_bytes > 1_000, "{stats:?}");
    assert_eq!(stats.held_tables, 1);
    let held: Vec<(&str, Box<dyn std::any::Any>)> = vec![
        ("the snapshot", Box::new(snapshot)),
        ("the scan", Box::new(scan)),
        ("the range", Box::new(range)),
        ("the value", Box::new(value.clone())),
    ];
    for (what, holder) in held {
        assert!(table_files(&disk) > 1, "{what} still holds a file");
        drop(holder);
    }
    assert_eq!((*value).first(), Some(&1));
    assert!(table_files(&disk) > 1);
    drop(value);
    eventually("the merged file goes", || table_files(&disk) == 1);
    let stats = db.stats();
    assert_eq!((stats.held_for, stats.held_tables, stats.held_bytes), (None, 0, 0));
    assert_eq!(db.get("a").unwrap(), Some(vec![2; 1_000]));
}

#[test]
fn a_scan_of_nothing_and_of_inverted_bounds_is_empty() {
    let disk = Arc::new(SimDisk::new(1));
    let db = Lsm::open_on(disk, "/store", LsmConfig::new()).unwrap();
    assert_eq!((db.scan(..).unwrap().len(), db.range(..).count()), (0, 0));
    db.put("b", "v").unwrap();
    db.flush().unwrap();
    let key = |text: &str| text.as_bytes().to_vec();
    let mut inverted = db.range(key("c")..key("a"));
    inverted.seek("b").unwrap();
    assert!(inverted.next().is_none() && inverted.next_back().is_none());
    let bounds = (Bound::Excluded(key("b")), Bound::Included(key("b")));
    assert_eq!(db.scan(bounds).unwrap().len(), 0);
    assert_eq!(db.prefix([0xff, 0xff]).count(), 0);
    db.put([0xff, 0xff, 1], "v").unwrap();
    assert_eq!(db.prefix([0xff, 0xff]).count(), 1);
    assert_eq!(db.prefix([0xff]).last().unwrap().unwrap().0, &[0xff, 0xff, 1][..]);
}

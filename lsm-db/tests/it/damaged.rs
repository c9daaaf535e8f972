//! Twenty thousand damaged stores: whatever happened to the files of a store that was killed, it
//! answers with what was written, or with an error; never with anything else, and never by a panic.
//!
//! The store has every kind of file: manifest, tables, filters, and, with `durability`, a log that
//! is live. First every byte of every file is damaged by itself, then files are overwritten, zeroed,
//! cut, lengthened, removed and exchanged at random. They stand on a simulated disk, for speed.
//!
//! What is missing must be explained by the damage: records of the log are lost from the end only,
//! and only those that were hit. A key is answered whatever happened to files older than it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use lsm_db::{Error, Lsm, LsmConfig};
use lsm_testkit::{Rng, SimDisk, rot, said};
use lsm_vfs::{Fs, Name};

const DIR: &str = "/db";
/// So many in CI; `LSM_DAMAGED_STORES` asks for more.
const STORES: u64 = 20_000;
const ROWS: u64 = 12;
/// Where the first record of a log begins.
const LOG_HEADER: usize = 512;

type Files = BTreeMap<String, Vec<u8>>;
type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

fn config() -> LsmConfig {
    LsmConfig::new().compaction_trigger(usize::MAX)
}

fn open(disk: &SimDisk) -> Result<Lsm, Error> {
    Lsm::open_on(Arc::new(disk.clone()), DIR, config())
}

/// A record of the log: its file, and where it stands there.
struct Record {
    file: String,
    bytes: Range<usize>,
}

/// A store as a kill leaves it.
struct Killed {
    files: Files,
    /// The tables, from the oldest to the newest.
    tables: Vec<String>,
    /// The records of the log.
    records: Vec<Record>,
    /// The contents without the log, and behind each of its records.
    states: Vec<Rows>,
    /// In which round each key was written last: that of a table, or of the log.
    rounds: BTreeMap<Vec<u8>, usize>,
}

impl Killed {
    fn new() -> Self {
        let disk = SimDisk::new(7);
        let db = open(&disk).unwrap();
        let files = || disk.contents(Path::new(DIR));
        let (mut rows, mut rounds) = (Rows::new(), BTreeMap::new());
        let mut put = |round: u64, n: u64| {
            let (key, value) = (format!("k{n:02}").into_bytes(), vec![b'a' + round as u8; 40]);
            db.put(&key, &value).unwrap();
            rounds.insert(key.clone(), round as usize);
            rows.insert(key, value);
            rows.clone()
        };
        let mut states = Vec::new();
        for round in 0..3 {
            let last = (0..ROWS).map(|n| put(round, n * 2 + round)).last();
            db.flush().unwrap();
            states = last.into_iter().collect();
        }
        let is_table = |name: &String| name.ends_with(".sst");
        let tables = files().into_keys().filter(is_table).collect();
        let mut records = Vec::new();
        let logged = if cfg!(feature = "durability") { ROWS } else { 0 };
        for n in 0..logged {
            let before = files();
            states.push(put(3, n * 2));
            records.push(record(&before, &files()));
        }
        let files = files();
        db.close().unwrap();
        Self { files, tables, records, states, rounds }
    }

    /// The states that damage explains. Each record knows those before it to be durable, so
    /// that a record that was lost is damage, unless all behind it were hit as well.
    fn explained(&self, damaged: &Files) -> &[Rows] {
        let is_hit = |record: &Record| {
            let (was, is) = (&self.files[&record.file], damaged.get(&record.file));
            // A log that is gone, or whose header is another one, is no torn tail.
            is.is_some_and(|is| is.get(..LOG_HEADER) == was.get(..LOG_HEADER))
                && is.and_then(|is| is.get(record.bytes.clone())) != was.get(record.bytes.clone())
        };
        let whole = self.records.iter().rposition(|record| !is_hit(record));
        &self.states[whole.map_or(0, |last| last + 1)..]
    }

    /// The newest round whose table, or log, is not as it was. Filters are hints: `None` if it
    /// is no more than them.
    fn newest_hit(&self, damaged: &Files) -> Option<usize> {
        let is_hit = |name: &&String| {
            !name.ends_with(".bloom") && damaged.get(*name) != self.files.get(*name)
        };
        let is_of = |name: &String| self.tables.iter().position(|table| table == name);
        let hit = self.files.keys().filter(is_hit);
        hit.map(|name| is_of(name).unwrap_or(self.tables.len())).max()
    }
}

/// The record that was written between two moments. Its last byte is one of its value.
fn record(before: &Files, after: &Files) -> Record {
    let written = |name: &String, bytes: &Vec<u8>| {
        let was = before.get(name).map_or(&[][..], Vec::as_slice);
        // Room that was made for more is zeros.
        let is_new = |at: &usize| bytes[*at] != 0 && was.get(*at) != bytes.get(*at);
        let (mut from_start, mut from_end) = (LOG_HEADER..bytes.len(), LOG_HEADER..bytes.len());
        Some(from_start.find(is_new)?..from_end.rfind(is_new)? + 1)
    };
    let mut logs = after.iter().filter(|(name, _)| name.ends_with(".log"));
    let record = |(name, bytes): (&String, &Vec<u8>)| {
        Some(Record { file: name.clone(), bytes: written(name, bytes)? })
    };
    logs.find_map(record).unwrap()
}

/// What a store of these files answers: `true` if it was refused or an answer was.
fn is_refused(killed: &Killed, files: &Files, what: &str) -> bool {
    let disk = SimDisk::new(1).stepped(1);
    drop(disk.open_dir(Path::new(DIR), true).unwrap());
    for (name, bytes) in files {
        disk.put_file(Path::new(DIR), &Name::new(name).unwrap(), bytes);
    }
    let told = |error: &Error| match error {
        Error::Corruption { .. } => {}
        // Flags or versions that a later build may have written.
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::Unsupported => {}
        _ => panic!("{what}: {error}"),
    };
    let newest_hit = killed.newest_hit(files);
    let db = match open(&disk) {
        Ok(db) => db,
        Err(error) => {
            told(&error);
            let after = disk.contents(Path::new(DIR));
            assert!(after == *files, "{what}: a refused opening changed something");
            assert!(newest_hit.is_some(), "{what}: {error}");
            return true;
        }
    };
    // All answers are those of one state.
    let mut states: Vec<&Rows> = killed.explained(files).iter().collect();
    let least = killed.states.len() - states.len();
    let mut refused = false;
    match db.range(..).map(|row| row.map(|(k, v)| (k.to_vec(), v.to_vec()))).collect() {
        Ok(found) => {
            let found: Rows = found;
            states.retain(|rows| **rows == found);
            let len = found.len();
            assert!(!states.is_empty(), "{what}: {len} rows of no state from {least} on");
        }
        Err(error) => {
            told(&error);
            assert!(newest_hit.is_some(), "{what}: {error}");
            refused = true;
        }
    }
    for (key, round) in &killed.rounds {
        match db.get(key) {
            Ok(value) => {
                states.retain(|rows| rows.get(key) == value.as_ref());
                assert!(!states.is_empty(), "{what}: {key:?} is {value:?}, from {least} on");
            }
            Err(error) => {
                told(&error);
                let is_newer = newest_hit.is_none_or(|hit| *round > hit);
                assert!(!is_newer, "{what}: {key:?} is newer than the damage: {error}");
                refused = true;
            }
        }
    }
    refused
}

#[test]
fn s21_s22_s23_s24_s25_s26_s28_s30_s31_s32_damaged_stores_answer_rightly_or_not_at_all() {
    let asked = std::env::var("LSM_DAMAGED_STORES").ok().and_then(|count| count.parse().ok());
    let stores: u64 = asked.unwrap_or(STORES);
    let killed = Killed::new();
    let files = &killed.files;
    assert_eq!((killed.tables.len(), killed.explained(files).len()), (3, 1));
    assert!(!is_refused(&killed, files, "whole"));
    let kinds = ["MANIFEST", ".sst", ".bloom", ".log"];
    let has = |kind: &&str| files.keys().any(|name| name.ends_with(kind));
    let made = kinds.iter().filter(|kind| has(kind)).count();
    let kinds_made =
        2 + usize::from(cfg!(feature = "bloom")) + usize::from(cfg!(feature = "durability"));
    assert_eq!(made, kinds_made, "{:?}", files.keys());
    let places: Vec<(&String, usize)> =
        files.iter().flat_map(|(name, bytes)| (0..said(bytes)).map(move |at| (name, at))).collect();
    let (next, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    let work = || {
        loop {
            let number = next.fetch_add(1, Relaxed);
            if number >= stores.max(places.len() as u64) {
                return;
            }
            let mut rng = Rng::new(number);
            let mut damaged = files.clone();
            let what = match places.get(number as usize) {
                Some((name, at)) => {
                    let bit = 1_u8 << rng.below(8);
                    damaged.get_mut(*name).unwrap()[*at] ^= bit;
                    format!("{name}: byte {at} changed by {bit}")
                }
                None => rot(&mut damaged, &mut rng).text,
            };
            refused.fetch_add(u64::from(is_refused(&killed, &damaged, &what)), Relaxed);
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
    let (all, refused) = (next.into_inner() - 2, refused.into_inner());
    println!("{all} damaged stores, {} of one byte, {refused} refused", places.len());
    assert!(all >= stores && refused > all / 10 && refused < all, "{refused} of {all} refused");
}

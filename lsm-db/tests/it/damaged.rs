//! Twenty thousand damaged stores: whatever happened to the files of a store that was killed, it
//! answers with what was written, or with an error; never with anything else, and never by a panic.
//!
//! The store has every kind of file: manifest, tables, filters, and, with `durability`, a log that
//! is live. First every byte of every file is damaged by itself, then files are overwritten, zeroed,
//! cut, lengthened, removed and exchanged at random. They stand on a simulated disk, for speed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use lsm_db::{Error, Lsm, LsmConfig};
use lsm_testkit::{Rng, SimDisk};
use lsm_vfs::{Fs, Name};

const DIR: &str = "/db";
/// So many in CI; `LSM_DAMAGED_STORES` asks for more.
const STORES: u64 = 20_000;
const ROWS: u64 = 12;

type Files = BTreeMap<String, Vec<u8>>;
type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

fn config() -> LsmConfig {
    LsmConfig::new().compaction_trigger(usize::MAX)
}

fn open(disk: &SimDisk) -> Result<Lsm, Error> {
    Lsm::open_on(Arc::new(disk.clone()), DIR, config())
}

/// The files of a store as a kill leaves it, and the states that its log may be cut to.
fn killed() -> (Files, Vec<Rows>) {
    let disk = SimDisk::new(7);
    let db = open(&disk).unwrap();
    let mut rows = Rows::new();
    let mut states = Vec::new();
    let mut put = |db: &Lsm, round: u64, n: u64| {
        let (key, value) = (format!("k{n:02}").into_bytes(), vec![b'a' + round as u8; 40]);
        db.put(&key, &value).unwrap();
        rows.insert(key, value);
        rows.clone()
    };
    for round in 0..3 {
        let last = (0..ROWS).map(|n| put(&db, round, n * 2 + round)).last();
        db.flush().unwrap();
        states = last.into_iter().collect();
    }
    if cfg!(feature = "durability") {
        states.extend((0..ROWS).map(|n| put(&db, 3, n * 2)));
    }
    let files = disk.contents(Path::new(DIR));
    db.close().unwrap();
    (files, states)
}

/// The bytes of a file that say anything: what was only made ready for later is zeros.
fn said(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// Damages the files, and tells how.
fn damage(files: &mut Files, rng: &mut Rng) -> String {
    let names: Vec<String> = files.keys().cloned().collect();
    let mut pick = || names[rng.below(names.len() as u64) as usize].clone();
    let (name, other) = (pick(), pick());
    let bytes = files.get_mut(&name).unwrap();
    let len = said(bytes).max(1);
    let at = rng.below(len as u64) as usize;
    let end = (at + 1 + rng.below(64) as usize).min(len);
    let how = match rng.below(7) {
        0 | 1 => {
            bytes[at..end].iter_mut().for_each(|byte| *byte = rng.below(256) as u8);
            "overwritten"
        }
        2 => {
            bytes[at..].fill(0);
            "zeroed from there on"
        }
        3 => {
            bytes.truncate(at);
            "cut"
        }
        4 => {
            bytes.extend((0..end).map(|_| rng.below(256) as u8));
            "lengthened"
        }
        5 => {
            files.remove(&name);
            "removed"
        }
        _ => {
            let (this, that) = (files[&name].clone(), files[&other].clone());
            files.insert(name.clone(), that);
            files.insert(other.clone(), this);
            return format!("{name} and {other} exchanged");
        }
    };
    format!("{name} {how} at {at}, up to {end}")
}

/// What a store of these files answers: `true` if it was refused or an answer was.
fn is_refused(files: &Files, states: &[Rows], what: &str) -> bool {
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
    let db = match open(&disk) {
        Ok(db) => db,
        Err(error) => {
            told(&error);
            let after = disk.contents(Path::new(DIR));
            assert!(after == *files, "{what}: a refused opening changed something");
            return true;
        }
    };
    let found: Result<Rows, Error> =
        db.range(..).map(|row| row.map(|(k, v)| (k.to_vec(), v.to_vec()))).collect();
    let mut refused = false;
    match &found {
        Ok(found) => assert!(states.contains(found), "{what}: {} rows of no state", found.len()),
        Err(error) => {
            told(error);
            refused = true;
        }
    }
    for key in states.last().into_iter().flat_map(|rows| rows.keys()) {
        match db.get(key) {
            Ok(value) => {
                let is_of = |rows: &Rows| rows.get(key) == value.as_ref();
                match &found {
                    Ok(found) => assert!(is_of(found), "{what}: {key:?} is {value:?}"),
                    Err(_) => assert!(states.iter().any(is_of), "{what}: {key:?} is {value:?}"),
                }
            }
            Err(error) => {
                told(&error);
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
    let (files, states) = killed();
    assert!(!is_refused(&files, &states, "whole"));
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
                None => damage(&mut damaged, &mut rng),
            };
            refused.fetch_add(u64::from(is_refused(&damaged, &states, &what)), Relaxed);
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
    let (all, refused) = (next.into_inner() - 2, refused.into_inner());
    println!("{all} damaged stores, {} of one byte, {refused} refused", places.len());
    assert!(all >= stores && refused > all / 10 && refused < all, "{refused} of {all} refused");
}

//! The directory of a store with damaged files.
//!
//! Steps: take one of the stores; damage up to eight places in its files, signing each file
//! anew or not; put them on a simulated disk; open. If that fails, the directory is as it was.
//! If it opens: scan both ways, get every key, perhaps write, merge, close and open again.
//!
//! What must hold then depends on what was signed. Without a signature the rows are those that
//! the store had after one of its writes. While no table and no log was signed, rows ascend and
//! values belong to their keys. Always: nothing panics, on any thread, and both directions agree.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lsm_db::{Error, Lsm, LsmConfig};
use lsm_testkit::SimDisk;
use lsm_vfs::Name;

use crate::damage::damage;
use crate::input::Input;
use crate::stores::{DIR, Files, State, Store, belongs, config, store, value};
use crate::{filter, log_bytes, manifest, manifest_bytes, table_bytes};

const MAX_DAMAGE: usize = 8;
const MANIFEST: &str = "MANIFEST";

/// What else is done with a store that opened, as bits of the input's second byte.
mod then {
    pub(super) const WRITE: u8 = 1;
    pub(super) const REOPEN: u8 = 2;
    /// Of eight inputs one merges: it takes longest.
    pub(super) const MERGE_MASK: u8 = 0x70;
    pub(super) const MERGE: u8 = 0x70;
}

/// What was signed anew.
#[derive(Clone, Copy, Debug, Default)]
struct Signed {
    /// A file of any sort.
    any: bool,
    /// A table or a log: what holds values.
    values: bool,
}

pub(crate) fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let store = store(input.u8());
    let then = input.u8();
    let (files, signed) = damaged(&store.files, &mut input);
    let disk = disk_of(&files);
    let merge = then & then::MERGE_MASK == then::MERGE;
    let config = if merge { config().compaction_trigger(2) } else { config() };

    let Some(db) = open(&disk, &files, config.clone()) else { return };
    let rows = look(&db, store, signed);
    let wrote = then & then::WRITE != 0;
    if wrote {
        write(&db);
    }
    if merge {
        wait_a_little(&db);
    }
    let closed = db.close();
    if then & then::REOPEN == 0 {
        return;
    }
    let files = disk.contents(Path::new(DIR));
    match (open(&disk, &files, config), rows, closed) {
        (Some(db), Some(rows), Ok(())) => {
            let again = look(&db, store, Signed { any: true, ..signed });
            if !signed.any && !wrote {
                assert_eq!(again, Some(rows), "other rows at the second open");
            }
        }
        (None, Some(_), Ok(())) => assert!(signed.any, "a store that was closed does not open"),
        _ => {}
    }
}

/// The files of a store after the damage that the input chooses.
fn damaged(files: &Files, input: &mut Input<'_>) -> (Files, Signed) {
    let (mut damaged, mut signed) = (files.clone(), Signed::default());
    let names: Vec<&String> = files.keys().collect();
    for _ in 0..MAX_DAMAGE {
        if input.is_empty() {
            break;
        }
        let (name, how) = (names[input.below(names.len())], input.u8());
        match how & 7 {
            0 if how >= 0xf0 => drop(damaged.remove(name)),
            0 if how >= 0xe0 => {
                let other = names[input.below(names.len())];
                damaged.insert(name.clone(), files[other].clone());
            }
            1 if how >= 0xc0 && damaged.contains_key(MANIFEST) => {
                signed.any = true;
                let payload = manifest::edit(input).encode();
                manifest_bytes::append(damaged.entry(MANIFEST.into()).or_default(), &payload);
            }
            _ => {
                let Some(bytes) = damaged.get_mut(name) else { continue };
                damage(bytes, input);
                if how & 1 != 0 {
                    signed.any = true;
                    signed.values |= sign(name, bytes, &files[name], input.u8());
                }
            }
        }
    }
    (damaged, signed)
}

/// Signs a file of any sort. `true` says that it is of a sort that holds values.
fn sign(name: &str, bytes: &mut [u8], original: &[u8], signed: u8) -> bool {
    if name == MANIFEST {
        manifest_bytes::sign(bytes, signed);
    } else if name.ends_with(".bloom") {
        filter::sign(bytes, signed & 1 != 0);
    } else if name.ends_with(".log") {
        log_bytes::sign(bytes, signed);
        return true;
    } else {
        table_bytes::sign(bytes, &table_bytes::sections(original), signed);
        return true;
    }
    false
}

fn disk_of(files: &Files) -> SimDisk {
    let disk = SimDisk::new(9);
    for (name, bytes) in files {
        disk.put_file(Path::new(DIR), &Name::new(name).unwrap(), bytes);
    }
    disk
}

/// Opens the store. If that fails, the directory is as it was.
fn open(disk: &SimDisk, files: &Files, config: LsmConfig) -> Option<Lsm> {
    match Lsm::open_on(Arc::new(disk.clone()), DIR, config) {
        Ok(db) => Some(db),
        Err(error) => {
            assert_eq!(disk.threads(), 0, "a thread was left behind");
            assert!(disk.contents(Path::new(DIR)) == *files, "changed by a failed open: {error}");
            assert!(!matches!(error, Error::InvalidInput { .. }), "{error}");
            None
        }
    }
}

/// Reads everything. `None`: not everything can be read.
fn look(db: &Lsm, store: &Store, signed: Signed) -> Option<State> {
    let newest = &store.states[store.states.len() - 1];
    for key in newest.keys().chain([&b"key".to_vec(), &b"key99".to_vec()]) {
        if let Ok(Some(value)) = db.get(key) {
            assert!(signed.values || belongs(key, &value), "{key:?} has another key's value");
        }
    }
    let rows: Vec<(Vec<u8>, Vec<u8>)> = db.scan(..).ok()?.collect();
    let mut backwards: Vec<_> = db.scan(..).unwrap().rev().collect();
    backwards.reverse();
    assert_eq!(rows, backwards);
    if !signed.values {
        assert!(rows.is_sorted_by(|a, b| a.0 < b.0), "out of order: {}", keys(&rows));
        let stray = rows.iter().find(|(key, value)| !belongs(key, value));
        assert_eq!(stray, None, "a value that belongs to another key");
    }
    let state: State = rows.iter().cloned().collect();
    if !signed.any {
        assert!(store.states.contains(&state), "rows that never were: {}", keys(&rows));
        for (key, value) in &rows {
            assert!(db.get(key).is_ok_and(|found| found.as_ref() == Some(value)), "{key:?}");
        }
    }
    Some(state)
}

/// The keys of some rows, for a message.
fn keys(rows: &[(Vec<u8>, Vec<u8>)]) -> String {
    rows.iter().map(|(key, _)| format!("{} ", key.escape_ascii())).collect()
}

/// Writes and reads back, as far as the damage lets it.
fn write(db: &Lsm) {
    let key = b"key50";
    let value = value(key, 50);
    if db.put(key, &value).is_ok() {
        assert!(!matches!(db.get(key), Ok(found) if found.as_ref() != Some(&value)));
    }
    let _ = db.flush();
}

/// Gives a merge that is due the time to happen, or to fail.
fn wait_a_little(db: &Lsm) {
    for _ in 0..20 {
        let stats = db.stats();
        if stats.runs < 2 || stats.background_error.is_some() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The files of a store by their places, by which inputs choose them: for the seeds.
pub(crate) fn places(choice: u8) -> BTreeMap<String, u16> {
    store(choice).files.keys().cloned().zip(0..).collect()
}

//! Whole stores among the golden files: directories that every later build opens.
//!
//! How they came about is in `golden_lives`. Ids are drawn at random, so they are held by what they
//! say, not by being written again: a directory that is there is never written anew. Beside each
//! stand two listings: `<name>.txt` with a line `key value` for each row of a scan, and
//! `<name>.manifest.txt` with what its manifest says (see `listing_of`).
//!
//! A check looks for damage, compares the listings, opens a copy, compares every get and the scans
//! in both directions, writes on, opens it again, and compares again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use lsm_db::Lsm;
use lsm_manifest::{Recovered, Run, TableMeta, recover};

use super::check;
use super::file::MANIFEST;
use super::golden::{self, word};
use super::golden_lives::{LIVES, Life};
use super::text::hex;
use crate::Finding;

/// What a store holds.
pub(super) type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

const REMEDY: &str = "let this build read what earlier ones wrote: version 1 is frozen. Only where \
    one was added, or before version 1 was released: `cargo xtask format golden --replace`";

/// The rows of each store, by the name of the listing.
pub(super) fn listings() -> Vec<(String, String)> {
    let listing = |life: &Life| {
        let mut out = String::new();
        for (key, value) in (life.rows)() {
            // A `String` takes everything that is written to it.
            let _ = writeln!(out, "{} {}", word(&key), word(&value));
        }
        (format!("{}/{}.txt", golden::DIR, life.name), out)
    };
    LIVES.iter().map(listing).collect()
}

/// The names, inside the directory of the golden files, that belong to stores.
pub(super) fn names() -> impl Iterator<Item = String> {
    LIVES.iter().flat_map(|life| [life.name.to_owned(), format!("{}.manifest.txt", life.name)])
}

fn finding(file: &str, expected: &str, found: impl ToString) -> Finding {
    Finding::new(file, 0, expected, found.to_string(), REMEDY)
}

fn place(life: &Life) -> String {
    format!("{}/{}", golden::DIR, life.name)
}

/// Writes the stores that are not there; with `replace`, also those that are not as they should be.
pub(super) fn write(root: &Path, replace: bool) -> Vec<Finding> {
    LIVES.iter().filter_map(|life| write_one(root, life, replace).err()).collect()
}

fn write_one(root: &Path, life: &Life, replace: bool) -> Result<(), Finding> {
    let (file, dir) = (place(life), root.join(place(life)));
    if dir.exists() {
        match check_one(root, life).into_iter().next() {
            None => return Ok(()),
            Some(finding) if !replace => return Err(finding),
            Some(_) => {}
        }
    }
    let unwritable = |error: io::Error| finding(&file, "a directory that can be written", error);
    // Made elsewhere: what is in its place is whole or not there.
    let temp = tempfile::tempdir().map_err(unwritable)?;
    let made = temp.path().join(life.name);
    (life.make)(&made).map_err(|error| finding(&file, "a store that can be written", error))?;
    if dir.exists() {
        fs::remove_dir_all(&dir).map_err(unwritable)?;
    }
    copy(&made, &dir).map_err(unwritable)?;
    let listing = listing_of(&dir).map_err(|error| finding(&file, "a manifest", error))?;
    fs::write(root.join(format!("{file}.manifest.txt")), listing).map_err(unwritable)
}

/// Copies the files of a store, which have no directories among them.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        // The bytes alone: the files of a store are readable by their owner only.
        fs::write(to.join(entry.file_name()), fs::read(entry.path())?)?;
    }
    Ok(())
}

/// What is not as it should be.
pub(super) fn check(root: &Path) -> Vec<Finding> {
    LIVES.iter().flat_map(|life| check_one(root, life)).collect()
}

fn check_one(root: &Path, life: &Life) -> Vec<Finding> {
    let (file, dir) = (place(life), root.join(place(life)));
    let report = match check::check(std::slice::from_ref(&dir)) {
        Ok(report) => report,
        Err(check::NoSuchPath(why)) => return vec![golden::absent(&file, &why)],
    };
    let mut findings = Vec::new();
    for fault in report.problems() {
        let name = fault.file.strip_prefix(root).unwrap_or(&fault.file);
        let found = format!("{}: {}", name.display(), fault.found);
        findings.push(finding(&file, &fault.expected, found));
    }
    let listing = fs::read_to_string(root.join(format!("{file}.manifest.txt")));
    if listing.ok() != listing_of(&dir).ok() {
        let found = "another version, or no listing";
        findings.push(finding(&file, "a manifest as its listing says", found));
    }
    if let Err(error) = live_on(&dir, (life.rows)()) {
        findings.push(finding(&file, "a store that opens, holds its rows and lives on", error));
    }
    findings
}

/// Opens a copy, compares, writes on, and compares again.
fn live_on(dir: &Path, mut rows: Rows) -> Result<(), String> {
    let temp = tempfile::tempdir().map_err(|error| error.to_string())?;
    let copied = temp.path().join("store");
    copy(dir, &copied).map_err(|error| error.to_string())?;
    let open = || Lsm::open(&copied).map_err(|error| error.to_string());
    let store = open()?;
    compare(&store, &rows)?;
    let write = || {
        store.put("written on", "by a later build")?;
        if let Some(first) = rows.keys().next() {
            store.delete(first)?;
        }
        store.flush()?;
        store.put("not flushed", "")
    };
    write().map_err(|error| error.to_string())?;
    rows.pop_first();
    rows.insert(b"written on".to_vec(), b"by a later build".to_vec());
    rows.insert(b"not flushed".to_vec(), Vec::new());
    compare(&store, &rows)?;
    store.close().map_err(|error| error.to_string())?;
    compare(&open()?, &rows)
}

/// Every row by a get, the keys between them, and scans in both directions.
fn compare(store: &Lsm, rows: &Rows) -> Result<(), String> {
    let read = || -> lsm_db::Result<Option<String>> {
        for (key, value) in rows {
            if store.get(key)?.as_ref() != Some(value) {
                return Ok(Some(format!("another value of {}", word(key))));
            }
            let behind = [key.as_slice(), &[0]].concat();
            if !rows.contains_key(&behind) && store.contains_key(&behind)? {
                return Ok(Some(format!("a value of {}", word(&behind))));
            }
        }
        let forward: Rows = store.scan(..)?.collect();
        let backward: Rows = store.scan(..)?.rev().collect();
        let scans = [("a", forward), ("a reverse", backward)];
        let other = scans.iter().find(|(_, found)| found != rows).map(|(which, found)| {
            let same = found.iter().zip(rows).take_while(|(a, b)| a == b).count();
            format!("another row number {} in {which} scan", same + 1)
        });
        Ok(other)
    };
    match read() {
        Ok(None) => Ok(()),
        Ok(Some(found)) => Err(found),
        Err(error) => Err(error.to_string()),
    }
}

/// What the manifest of a directory says, as docs/reader_manifest.py prints it.
fn listing_of(dir: &Path) -> Result<String, String> {
    let bytes = fs::read(dir.join(MANIFEST)).map_err(|error| error.to_string())?;
    let recovered = recover(&bytes).map_err(|error| error.to_string())?;
    let Recovered { version, head, slot_committed, last_edit, torn_bytes, .. } = &recovered;
    let mut out = String::new();
    // A `String` takes everything that is written to it.
    let _ = writeln!(out, "store {}", hex(&head.store.0));
    let _ = writeln!(out, "slot {} {slot_committed}", head.generation);
    let _ = writeln!(out, "edits {last_edit} {}", head.committed);
    let _ = writeln!(out, "torn {torn_bytes}");
    let _ = writeln!(out, "reserved {}", version.reserved_until());
    let _ = writeln!(out, "last {}", version.last_seq());
    for (number, Run { level, tables }) in version.runs() {
        let _ = writeln!(out, "run {number} {level}");
        tables.iter().for_each(|table| list_table(&mut out, table));
    }
    for (log, slot) in version.logs() {
        let _ = writeln!(out, "log {log} {slot}");
    }
    Ok(out)
}

fn list_table(out: &mut String, table: &TableMeta) {
    let TableMeta { number, uid, file_bytes, entries, tombstones, raw_bytes, .. } = table;
    let (lowest, highest) = (table.lowest_seq, table.highest_seq);
    let keys = [&table.first, &table.last, &table.live.start].map(|key| word(key)).join(" ");
    let end = table.live.end.as_ref().map_or_else(|| "end".to_owned(), |end| word(end));
    let _ = writeln!(
        out,
        "table {number} {} {file_bytes} {entries} {tombstones} {raw_bytes} {lowest} {highest} \
         {keys} {end}",
        hex(&uid.0)
    );
}

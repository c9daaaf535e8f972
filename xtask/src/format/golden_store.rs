//! A whole store among the golden files: three runs with filters, as lsm-db closes it.
//!
//! Its ids are drawn at random, so it is held by what a scan gives, not by its bytes. The listing
//! `store.txt` has a line for each row of the scan, `key value`, words as in the other listings. The
//! manifest is not frozen: when its version changes, the store is written anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use lsm_db::{Lsm, LsmConfig};

use super::check;
use super::golden::{self, word};
use crate::Finding;

/// Its directory, inside that of the golden files.
pub(super) const DIR: &str = "store";
const REMEDY: &str = "let this build read what earlier ones wrote. Only if the manifest's version \
    was raised, which is not frozen: `cargo xtask format golden --replace`";

/// One step in the life of the store.
enum Step {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    Flush,
}

/// Its life: rows; then some of them anew and some deleted; then the ends of what a key can be.
fn steps() -> Vec<Step> {
    let key = |number: u32| format!("row-{number:04}").into_bytes();
    let mut steps: Vec<Step> =
        (0..200).map(|n| Step::Put(key(n), format!("first {n}").into_bytes())).collect();
    steps.push(Step::Flush);
    for number in 0..200 {
        match number % 15 {
            0 | 5 | 10 => steps.push(Step::Delete(key(number))),
            3 | 9 => steps.push(Step::Put(key(number), format!("second {number}").into())),
            _ => {}
        }
    }
    steps.push(Step::Flush);
    steps.push(Step::Put(Vec::new(), b"the empty key".to_vec()));
    steps.push(Step::Put(b"no value".to_vec(), Vec::new()));
    // Longer than a fence, and longer than a block.
    steps.push(Step::Put(vec![b'k'; 300], vec![b'v'; 5_000]));
    steps.push(Step::Delete(b"never there".to_vec()));
    steps.push(Step::Put(vec![0xff; 4], vec![0]));
    steps.push(Step::Flush);
    steps
}

/// What a scan of it gives.
fn rows() -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut rows = BTreeMap::new();
    for step in steps() {
        match step {
            Step::Put(key, value) => drop(rows.insert(key, value)),
            Step::Delete(key) => drop(rows.remove(&key)),
            Step::Flush => {}
        }
    }
    rows
}

pub(super) fn listing() -> String {
    let mut out = String::new();
    for (key, value) in rows() {
        // A `String` takes everything that is written to it.
        let _ = writeln!(out, "{} {}", word(&key), word(&value));
    }
    out
}

fn file() -> String {
    format!("{}/{DIR}", golden::DIR)
}

fn finding(expected: &str, found: impl ToString) -> Finding {
    Finding::new(file(), 0, expected, found.to_string(), REMEDY)
}

/// Writes the store if it is not there; with `replace`, also if it is not as it should be.
pub(super) fn write(root: &Path, replace: bool) -> Result<(), Finding> {
    let dir = root.join(file());
    if dir.exists() {
        match check(root).into_iter().next() {
            None => return Ok(()),
            Some(finding) if !replace => return Err(finding),
            Some(_) => {}
        }
    }
    let unwritable = |error: io::Error| finding("a directory that can be written", error);
    // Made elsewhere: what is in its place is whole or not there.
    let temp = tempfile::tempdir().map_err(unwritable)?;
    let made = temp.path().join(DIR);
    make(&made).map_err(|error| finding("a store that can be written", error))?;
    if dir.exists() {
        fs::remove_dir_all(&dir).map_err(unwritable)?;
    }
    copy(&made, &dir).map_err(unwritable)
}

fn make(dir: &Path) -> lsm_db::Result<()> {
    // It never merges, so that there are three runs.
    let config = LsmConfig::new().compaction_trigger(usize::MAX);
    let store = Lsm::open_with(dir, config)?;
    for step in steps() {
        match step {
            Step::Put(key, value) => store.put(key, value)?,
            Step::Delete(key) => store.delete(key)?,
            Step::Flush => store.flush()?,
        }
    }
    store.close()
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        // The bytes alone: the files of a store are readable by their owner only.
        fs::write(to.join(entry.file_name()), fs::read(entry.path())?)?;
    }
    Ok(())
}

/// What is not as it should be: its files one by one, and what a scan gives.
pub(super) fn check(root: &Path) -> Vec<Finding> {
    let dir = root.join(file());
    let report = match check::check(std::slice::from_ref(&dir)) {
        Ok(report) => report,
        Err(check::NoSuchPath(why)) => return vec![golden::absent(&file(), &why)],
    };
    let mut findings = Vec::new();
    for fault in report.problems() {
        let name = fault.file.strip_prefix(root).unwrap_or(&fault.file);
        let found = format!("{}: {}", name.display(), fault.found);
        findings.push(finding(&fault.expected, found));
    }
    match scan(&dir) {
        Ok(found) if found == rows() => {}
        Ok(found) => {
            let same = found.iter().zip(&rows()).take_while(|(a, b)| a == b).count();
            let expected = "the rows of its listing, in a scan";
            findings.push(finding(expected, format!("another row number {}", same + 1)));
        }
        Err(error) => findings.push(finding("a store that opens", error)),
    }
    findings
}

/// What a scan of a copy gives: a store that is opened writes to its directory.
fn scan(dir: &Path) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, String> {
    let temp = tempfile::tempdir().map_err(|error| error.to_string())?;
    let copied = temp.path().join(DIR);
    copy(dir, &copied).map_err(|error| error.to_string())?;
    let scan = || -> lsm_db::Result<_> {
        let store = Lsm::open(&copied)?;
        let rows = store.scan(..)?.collect();
        store.close()?;
        Ok(rows)
    };
    scan().map_err(|error| error.to_string())
}

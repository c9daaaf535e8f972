//! The golden files of format version 1: written once, held forever.
//!
//! For each table of the set (`golden_set`) there are the table, its filter if it has one, and a
//! listing of what it holds: a line for each entry, `key seq kind value`, keys and values in hex,
//! `-` for an empty one, `xxh3:<16 digits>:<length>` for one of more than 256 bytes. Beside them
//! stand logs (`golden_log`) and whole stores (`golden_store`).
//!
//! A check writes the set again and compares bytes; and it reads the committed files and compares
//! what they hold. Compressed blocks and the stores are compared by what they hold alone.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use lsm_sstable::{Kind, RunReader, RunWriter, problems};
use xxhash_rust::xxh3::xxh3_64;

use super::golden_set::{self, Golden, Row};
use super::{golden_log, golden_store, text};
use crate::Finding;

/// Where the golden files are.
pub(super) const DIR: &str = "testdata/golden/v1";
/// Words longer than this are listed by their hash.
const WHOLE: usize = 256;
const README: &str = "README.md";
const REMEDY: &str = "put the code right: version 1 is frozen. Only where something was added, or \
    before version 1 was released: `cargo xtask format golden --replace`";

/// A golden file as it should be.
struct Wanted {
    file: String,
    bytes: Vec<u8>,
    /// Of a table whose bytes may differ: what it holds.
    listing: Option<String>,
}

impl Wanted {
    /// Whether `found` will do.
    fn is_met_by(&self, found: &[u8]) -> bool {
        match &self.listing {
            None => found == self.bytes,
            Some(listing) => read(found).as_ref() == Ok(listing),
        }
    }

    fn difference(&self, found: &[u8]) -> Finding {
        let (expected, found) = match &self.listing {
            None => {
                let same = self.bytes.iter().zip(found).take_while(|(a, b)| a == b).count();
                let expected = format!("{} bytes", self.bytes.len());
                (expected, format!("{} bytes, others from byte {same} on", found.len()))
            }
            Some(_) => {
                let found = read(found).err();
                let found = found.unwrap_or_else(|| "a table that holds something else".to_owned());
                ("a table that holds what its listing says".to_owned(), found)
            }
        };
        Finding::new(&self.file, 0, expected, found, REMEDY)
    }
}

/// Writes what is missing; with `replace`, also over what is not as it should be.
#[must_use]
pub(super) fn write(root: &Path, replace: bool) -> Vec<Finding> {
    let wanted = match wanted() {
        Ok(wanted) => wanted,
        Err(finding) => return vec![finding],
    };
    let mut findings = Vec::new();
    for one in &wanted {
        match fs::read(root.join(&one.file)) {
            Ok(found) if one.is_met_by(&found) => {}
            Ok(found) if !replace => findings.push(one.difference(&found)),
            _ => findings.extend(put(root, one).err()),
        }
    }
    findings.extend(golden_store::write(root, replace));
    findings
}

fn put(root: &Path, wanted: &Wanted) -> Result<(), Finding> {
    let path = root.join(&wanted.file);
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(&path, &wanted.bytes)).map_err(|error| {
        Finding::new(&wanted.file, 0, "a file that can be written", error.to_string(), "see to it")
    })
}

/// Everything that is not as it was frozen.
#[must_use]
pub(super) fn check(root: &Path) -> Vec<Finding> {
    let wanted = match wanted() {
        Ok(wanted) => wanted,
        Err(finding) => return vec![finding],
    };
    let mut findings: Vec<Finding> = wanted
        .iter()
        .filter_map(|one| match fs::read(root.join(&one.file)) {
            Ok(found) if one.is_met_by(&found) => None,
            Ok(found) => Some(one.difference(&found)),
            Err(error) => Some(absent(&one.file, &error.to_string())),
        })
        .collect();
    for golden in golden_set::set() {
        findings.extend(holds(root, &golden).err());
    }
    for one in wanted.iter().filter(|one| one.file.ends_with(".log")) {
        findings.extend(log_holds(root, one, &wanted).err());
    }
    findings.extend(golden_store::check(root));
    findings.extend(unknown(root, &wanted));
    findings
}

pub(super) fn absent(file: &str, found: &str) -> Finding {
    Finding::new(file, 0, "this golden file", found, "write it: `cargo xtask format golden`")
}

/// Files in the directory that are none of the set.
fn unknown(root: &Path, wanted: &[Wanted]) -> Vec<Finding> {
    let mut known: BTreeSet<String> = wanted.iter().map(|one| one.file.clone()).collect();
    let names = golden_store::names().chain([README.to_owned()]);
    known.extend(names.map(|name| format!("{DIR}/{name}")));
    let listed = fs::read_dir(root.join(DIR)).into_iter().flatten().flatten();
    let names = listed.map(|entry| format!("{DIR}/{}", entry.file_name().to_string_lossy()));
    let mut strays: Vec<String> = names.filter(|name| !known.contains(name)).collect();
    strays.sort();
    let remedy = "remove it, or add it to golden_set.rs, golden_log.rs or golden_lives.rs in xtask/src/format";
    strays
        .into_iter()
        .map(|file| Finding::new(file, 0, "golden files", "another", remedy))
        .collect()
}

fn wanted() -> Result<Vec<Wanted>, Finding> {
    let mut wanted = Vec::new();
    for golden in golden_set::set() {
        let name = format!("{DIR}/{}.sst", golden.name);
        let made = made(&golden).map_err(|error| {
            Finding::new(&name, 0, "a golden table that can be written", error, REMEDY)
        })?;
        let listing = listing(golden.rows.iter().map(Row::entry));
        let held_by = (!golden.has_fixed_bytes()).then(|| listing.clone());
        let file = |name: String, bytes| Wanted { file: name, bytes, listing: None };
        wanted.push(Wanted { file: name.clone(), bytes: made.table, listing: held_by });
        wanted.extend(made.filter.map(|filter| file(format!("{name}.bloom"), filter)));
        wanted.push(file(listing_name(&golden), listing.into_bytes()));
    }
    for golden in golden_log::set()
        .map_err(|error| Finding::new(DIR, 0, "golden logs that can be written", error, REMEDY))?
    {
        let name = format!("{DIR}/{}", golden.name);
        wanted.push(Wanted { file: format!("{name}.log"), bytes: golden.bytes, listing: None });
        let (file, bytes) = (format!("{name}.txt"), golden.listing.into_bytes());
        wanted.push(Wanted { file, bytes, listing: None });
    }
    wanted.extend(golden_store::listings().into_iter().map(|(file, listing)| Wanted {
        file,
        bytes: listing.into_bytes(),
        listing: None,
    }));
    Ok(wanted)
}

fn listing_name(golden: &Golden) -> String {
    format!("{DIR}/{}.txt", golden.name)
}

struct Made {
    table: Vec<u8>,
    filter: Option<Vec<u8>>,
}

fn made(golden: &Golden) -> Result<Made, String> {
    let identity = golden.identity();
    let write = || {
        let mut writer = RunWriter::new(identity, golden.options)?;
        golden.rows.iter().try_for_each(|row| writer.add(&row.entry()))?;
        writer.finish()
    };
    let finished = write().map_err(|error| error.to_string())?;
    let filter = finished.filter.map(|filter| filter.encode(&identity.filter_identity()));
    Ok(Made { table: finished.bytes, filter })
}

/// The committed table holds the rows, and each key is found in it.
fn holds(root: &Path, golden: &Golden) -> Result<(), Finding> {
    let file = format!("{DIR}/{}.sst", golden.name);
    // That it is missing is said elsewhere.
    let Ok(bytes) = fs::read(root.join(&file)) else { return Ok(()) };
    let differs = |expected: &str, found: String| Finding::new(&file, 0, expected, found, REMEDY);
    let found = read(&bytes).map_err(|error| differs("a sound table", error))?;
    let expected = listing(golden.rows.iter().map(Row::entry));
    if found != expected {
        let line = expected.lines().zip(found.lines()).take_while(|(a, b)| a == b).count() + 1;
        let found = format!("another entry number {line}");
        return Err(differs("the entries of its listing", found));
    }
    let reader = RunReader::new(&bytes).map_err(|error| differs("a table", error.to_string()))?;
    for (at, row) in golden.rows.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| golden.rows.get(at));
        if before.is_some_and(|before| before.key == row.key) {
            continue;
        }
        let seq = reader.get(&row.key).map(|found| found.map(|found| found.seq()));
        if seq != Ok(Some(row.seq)) {
            let expected = format!("{} at sequence {}", text::shown(&row.key), row.seq);
            return Err(differs(&expected, format!("{seq:?}")));
        }
    }
    Ok(())
}

/// The committed log holds what its listing says.
fn log_holds(root: &Path, log: &Wanted, wanted: &[Wanted]) -> Result<(), Finding> {
    // That it is missing is said elsewhere.
    let Ok(bytes) = fs::read(root.join(&log.file)) else { return Ok(()) };
    let found = golden_log::read(&bytes)
        .map_err(|error| Finding::new(&log.file, 0, "a sound log", error, REMEDY))?;
    let name = log.file.replace(".log", ".txt");
    let listing = wanted.iter().find(|one| one.file == name);
    if listing.is_some_and(|listing| listing.bytes == found.as_bytes()) {
        return Ok(());
    }
    let found = format!("something else: {found}");
    Err(Finding::new(&log.file, 0, "what its listing says", found, REMEDY))
}

/// What a table holds, as a listing; or what is wrong with it.
fn read(bytes: &[u8]) -> Result<String, String> {
    if let Some(problem) = problems(bytes).first() {
        return Err(problem.error.to_string());
    }
    let reader = RunReader::new(bytes).map_err(|error| error.to_string())?;
    let mut out = String::new();
    for row in reader.iter() {
        let row = row.map_err(|error| error.to_string())?;
        line(&mut out, &row.to_key(), row.seq().get(), row.kind(), row.value());
    }
    Ok(out)
}

fn listing<'a>(entries: impl Iterator<Item = lsm_sstable::Entry<'a>>) -> String {
    let mut out = String::new();
    for entry in entries {
        line(&mut out, entry.user_key, entry.seq.get(), entry.kind, entry.value);
    }
    out
}

pub(super) fn line(out: &mut String, key: &[u8], seq: u64, kind: Kind, value: &[u8]) {
    let kind = match kind {
        Kind::Delete => "delete",
        Kind::Put => "put",
    };
    // A `String` takes everything that is written to it.
    let _ = writeln!(out, "{} {seq} {kind} {}", word(key), word(value));
}

/// A key or a value in a listing.
pub(super) fn word(bytes: &[u8]) -> String {
    match bytes.len() {
        0 => "-".to_owned(),
        len if len > WHOLE => format!("xxh3:{:016x}:{len}", xxh3_64(bytes)),
        _ => text::hex(bytes),
    }
}

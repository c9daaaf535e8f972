//! The lives of the golden stores: how each came about, and what it holds.
//!
//! A store that is told to be killed is a copy of the directory of an open one, taken when nothing
//! more is written to it. What its writers do not leave in a way that is the same each time - a live
//! range in the middle of a merge, torn tails - is made by hand in the copy, as docs/MANIFEST_FORMAT.md
//! and docs/WAL_FORMAT.md have it.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use lsm_db::{Compression, Lsm, LsmConfig};
use lsm_manifest::{Edit, EditOp, Head, Span, frame, recover, slot_offset};
use lsm_types::TableNo;

use super::file::MANIFEST;
use super::golden_store::{Rows, copy};

/// What may keep a store from being made.
type Made = Result<(), Box<dyn Error>>;

/// One golden store.
pub(super) struct Life {
    /// Its directory, inside that of the golden files.
    pub(super) name: &'static str,
    pub(super) make: fn(&Path) -> Made,
    pub(super) rows: fn() -> Rows,
}

pub(super) const LIVES: [Life; 4] = [
    Life { name: "store", make: closed, rows: closed_rows },
    Life { name: "new", make: created, rows: Rows::new },
    Life { name: "levels", make: levels, rows: levels_rows },
    Life { name: "killed", make: killed, rows: killed_rows },
];

/// Zeros that are kept behind the last record of a log.
const ZEROS: usize = 64;

/// One step in the life of a store.
enum Step {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    Flush,
}

fn row(number: u32) -> Vec<u8> {
    format!("row-{number:04}").into_bytes()
}

fn put(number: u32, value: String) -> Step {
    Step::Put(row(number), value.into_bytes())
}

fn take(store: &Lsm, steps: impl IntoIterator<Item = Step>) -> lsm_db::Result<()> {
    steps.into_iter().try_for_each(|step| match step {
        Step::Put(key, value) => store.put(key, value),
        Step::Delete(key) => store.delete(key),
        Step::Flush => store.flush(),
    })
}

fn fold(rows: &mut Rows, steps: impl IntoIterator<Item = Step>) {
    for step in steps {
        match step {
            Step::Put(key, value) => drop(rows.insert(key, value)),
            Step::Delete(key) => drop(rows.remove(&key)),
            Step::Flush => {}
        }
    }
}

/// Never merges.
fn calm() -> LsmConfig {
    LsmConfig::new().compaction_trigger(usize::MAX).compression(Compression::Lz4)
}

/// Three runs with filters, closed cleanly: rows; some of them anew and some deleted; then the ends
/// of what a key can be.
fn closed(dir: &Path) -> Made {
    let store = Lsm::open_with(dir, LsmConfig::new().compaction_trigger(usize::MAX))?;
    take(&store, closed_steps())?;
    Ok(store.close()?)
}

fn closed_steps() -> Vec<Step> {
    let mut steps: Vec<Step> = (0..200).map(|n| put(n, format!("first {n}"))).collect();
    steps.push(Step::Flush);
    for number in 0..200 {
        match number % 15 {
            0 | 5 | 10 => steps.push(Step::Delete(row(number))),
            3 | 9 => steps.push(put(number, format!("second {number}"))),
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

fn closed_rows() -> Rows {
    let mut rows = Rows::new();
    fold(&mut rows, closed_steps());
    rows
}

/// Killed before the first write.
fn created(dir: &Path) -> Made {
    let temp = tempfile::tempdir()?;
    let store = Lsm::open_with(temp.path().join("open"), calm())?;
    kill(&temp.path().join("open"), dir)?;
    Ok(store.close()?)
}

/// A lower run of compressed blocks, two newer runs, of which one is narrowed to the middle of its
/// keys, and live logs; killed.
fn levels(dir: &Path) -> Made {
    let temp = tempfile::tempdir()?;
    let home = temp.path().join("open");
    let store = Lsm::open_with(&home, calm().compaction_trigger(2))?;
    take(&store, lower())?;
    let merged = || store.stats().levels.iter().any(|level| level.level == 1);
    eventually("a lower run", merged)?;
    store.close()?;

    let store = Lsm::open_with(&home, calm())?;
    take(&store, upper())?;
    take(&store, newest())?;
    take(&store, logged())?;
    kill(&home, dir)?;
    store.close()?;

    let narrowed = Span { start: row(NARROWED.0), end: Some(row(NARROWED.1)) };
    let (mut bytes, edit) = narrow(dir, upper_table, narrowed)?;
    let found = recover(&bytes)?;
    let (framed, chain) = frame(found.head.chain, found.last_edit + 1, &edit);
    put_at(&mut bytes, found.head.committed as usize, &framed);
    let committed = found.head.committed + framed.len() as u64;
    let head = Head { generation: found.head.generation + 1, committed, chain, ..found.head };
    put_at(&mut bytes, slot_offset(head.generation) as usize, &head.encode());
    Ok(fs::write(dir.join(MANIFEST), bytes)?)
}

/// Rows that a merge has brought into the lower run, by two flushes.
fn lower() -> Vec<Step> {
    let old = |n: u32| put(n, format!("old {n} {}", "compressible ".repeat(8)));
    let mut steps: Vec<Step> = (0..600).map(old).collect();
    steps.push(Step::Flush);
    steps.extend((300..700).map(old));
    steps.push(Step::Flush);
    steps
}

/// Where the live range of the older upper run begins and ends.
const NARROWED: (u32, u32) = (100, 250);

fn upper() -> Vec<Step> {
    let step =
        |n: u32| if n % 4 == 3 { Step::Delete(row(n)) } else { put(n, format!("upper {n}")) };
    let mut steps: Vec<Step> = (0..300).map(step).collect();
    steps.push(Step::Flush);
    steps
}

fn newest() -> Vec<Step> {
    let step = |n: u32| {
        if n.is_multiple_of(7) { Step::Delete(row(n)) } else { put(n, format!("newest {n}")) }
    };
    let mut steps: Vec<Step> = (200..400).map(step).collect();
    steps.push(Step::Flush);
    steps
}

fn logged() -> Vec<Step> {
    vec![put(5, "logged".into()), Step::Delete(row(6)), put(999, "the last".into())]
}

fn levels_rows() -> Rows {
    let mut rows = Rows::new();
    fold(&mut rows, lower());
    let inside = |step: &Step| match step {
        Step::Put(key, _) | Step::Delete(key) => (row(NARROWED.0)..row(NARROWED.1)).contains(key),
        Step::Flush => false,
    };
    fold(&mut rows, upper().into_iter().filter(inside));
    fold(&mut rows, newest());
    fold(&mut rows, logged());
    rows
}

/// The second newest table: that of `upper`.
fn upper_table(numbers: &[TableNo]) -> Option<TableNo> {
    numbers.iter().rev().nth(1).copied()
}

/// Killed in the middle of a commit and of a write: an edit stands whole behind the committed length
/// and a part of another behind it; the end of the last record of the log did not reach the disk.
fn killed(dir: &Path) -> Made {
    let temp = tempfile::tempdir()?;
    let home = temp.path().join("open");
    let store = Lsm::open_with(&home, calm())?;
    take(&store, flushed())?;
    take(&store, (0..LOGGED).map(long))?;
    take(&store, [long(LOGGED)])?;
    kill(&home, dir)?;
    store.close()?;

    let live = Span { start: Vec::new(), end: Some(row(CUT)) };
    let (mut bytes, edit) = narrow(dir, |numbers| numbers.last().copied(), live)?;
    let found = recover(&bytes)?;
    let (framed, chain) = frame(found.head.chain, found.last_edit + 1, &edit);
    put_at(&mut bytes, found.head.committed as usize, &framed);
    let torn = Edit { ops: vec![EditOp::Reserve(found.version.reserved_until() + 100)] };
    let (torn, _) = frame(chain, found.last_edit + 2, &torn);
    let part = torn.get(..torn.len() - 2).unwrap_or_default();
    put_at(&mut bytes, found.head.committed as usize + framed.len(), part);
    fs::write(dir.join(MANIFEST), bytes)?;

    let log = logs(dir)?.pop().ok_or("a store without a log")?;
    let mut bytes = fs::read(&log)?;
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    bytes.iter_mut().take(end).skip(end - 600).for_each(|byte| *byte = 0);
    Ok(fs::write(log, bytes)?)
}

/// Rows in the table, where the edit cuts it, and the number of the row in the torn record.
const IN_TABLE: u32 = 100;
const CUT: u32 = 50;
const LOGGED: u32 = 12;

fn flushed() -> Vec<Step> {
    let rows = (0..IN_TABLE).map(|n| put(n, format!("in a table {n}")));
    rows.chain([Step::Flush]).collect()
}

fn long(number: u32) -> Step {
    put(number, format!("in the log {number} {}", "long ".repeat(300)))
}

fn killed_rows() -> Rows {
    let mut rows = Rows::new();
    fold(&mut rows, flushed());
    rows.retain(|key, _| *key < row(CUT));
    fold(&mut rows, (0..LOGGED).map(long));
    rows
}

/// Copies the directory of an open store once nothing is written to it any more, and of its logs
/// no more than what was written to them.
fn kill(open: &Path, dir: &Path) -> Made {
    let listing = || -> Result<Vec<(PathBuf, Vec<u8>)>, std::io::Error> {
        let entries = fs::read_dir(open)?.collect::<Result<Vec<_>, _>>()?;
        let file = |entry: fs::DirEntry| Ok((entry.path(), fs::read(entry.path())?));
        let mut files: Vec<_> =
            entries.into_iter().map(file).collect::<Result<_, std::io::Error>>()?;
        files.sort();
        Ok(files)
    };
    let still = || -> Result<bool, std::io::Error> {
        let before = listing()?;
        sleep(Duration::from_millis(300));
        Ok(before == listing()?)
    };
    eventually("rest", || still().unwrap_or(false))?;
    copy(open, dir)?;
    for log in logs(dir)? {
        let mut bytes = fs::read(&log)?;
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        bytes.truncate(end + ZEROS);
        fs::write(log, bytes)?;
    }
    Ok(())
}

/// The log files that hold records, by name.
fn logs(dir: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut logs = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let is_log = path.extension().is_some_and(|ending| ending == "log");
        // Behind the slot's header of 512 bytes the first frame begins.
        if is_log && fs::read(&path)?.get(512..).is_some_and(|rest| rest.iter().any(|b| *b != 0)) {
            logs.push(path);
        }
    }
    logs.sort();
    Ok(logs)
}

/// The manifest of a directory, and an edit that narrows one of its tables.
fn narrow(
    dir: &Path,
    which: fn(&[TableNo]) -> Option<TableNo>,
    live: Span,
) -> Result<(Vec<u8>, Edit), Box<dyn Error>> {
    let bytes = fs::read(dir.join(MANIFEST))?;
    let version = recover(&bytes)?.version;
    let numbers: Vec<TableNo> = version.tables().map(|(_, table)| table.number).collect();
    let table = which(&numbers).ok_or("a store without that table")?;
    Ok((bytes, Edit { ops: vec![EditOp::SetLive { table, live }] }))
}

fn put_at(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
    bytes.resize(bytes.len().max(at + new.len()), 0);
    bytes.iter_mut().skip(at).zip(new).for_each(|(to, from)| *to = *from);
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) -> Made {
    let begun = Instant::now();
    while !holds() {
        if begun.elapsed() > Duration::from_secs(30) {
            return Err(format!("{what} did not come about").into());
        }
        sleep(Duration::from_millis(5));
    }
    Ok(())
}

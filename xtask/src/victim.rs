//! A program that writes to a store and says what was acknowledged, while somebody makes its life
//! hard; and what must hold of the store that it leaves.
//!
//! Batch `n` puts a mark `m<n>` and a row `p<n>`, replaces `HOT` keys by its number, and deletes
//! the row of batch `n - KEPT`. Of what is found afterwards, with any batch of those that failed or
//! had no answer there or not:
//!
//! 1. the mark of every acknowledged batch is there, and none of a batch that was never begun;
//! 2. a row is there exactly if the mark of its batch is, and that of the batch which deletes it is
//!    not: batches are whole, and no delete is undone;
//! 3. the hot keys all have the number of the last mark;
//! 4. forward, backward and by key the same is found;
//! 5. the store goes on: it takes writes, flushes, merges, closes and opens again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use lsm_db::{Batch, Lsm, LsmConfig};

const HOT: u64 = 5;
const KEPT: u64 = 20;
/// So many failures in a row, and the program stops trying.
const PATIENCE: u32 = 8;

/// What the program is told.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The store.
    pub dir: std::path::PathBuf,
    /// How many batches it writes.
    #[arg(long)]
    pub batches: u64,
    /// Read tables by calls and not through a mapping.
    #[arg(long)]
    pub by_calls: bool,
}

fn config(by_calls: bool) -> LsmConfig {
    LsmConfig::new().memtable_capacity(4_096).compaction_trigger(3).mmap_reads(!by_calls)
}

fn mark(n: u64) -> String {
    format!("m{n:010}")
}

fn row(n: u64) -> String {
    format!("p{n:010}")
}

fn payload(n: u64) -> Vec<u8> {
    format!("{n:0100}").into_bytes()
}

fn batch(n: u64) -> Batch {
    let mut batch = Batch::new();
    batch.put(mark(n), n.to_string());
    batch.put(row(n), payload(n));
    (0..HOT).for_each(|key| batch.put(format!("h{key}"), n.to_string()));
    if n > KEPT {
        batch.delete(row(n - KEPT));
    }
    batch
}

/// The program. It says `opening`, then `acked <n>` or `failed <n>` for each batch.
///
/// # Errors
///
/// The store cannot be opened, cannot be closed, or answers wrongly.
pub fn write(arguments: &Arguments) -> Result<(), String> {
    say("opening");
    let db = Lsm::open_with(&arguments.dir, config(arguments.by_calls)).map_err(told)?;
    let last = db.prefix("m").next_back().transpose().map_err(told)?;
    let first = 1 + last.map_or(Ok(0), |(key, _)| number(&key))?;
    let mut failures = 0;
    let mut acked = BTreeSet::new();
    for n in first..first.saturating_add(arguments.batches) {
        match db.write(batch(n)) {
            Ok(()) => {
                say(&format!("acked {n}"));
                acked.insert(n);
                failures = 0;
            }
            Err(error) => {
                say(&format!("failed {n}: {error}"));
                failures += 1;
            }
        }
        if failures > PATIENCE {
            break;
        }
        if n % 8 == 0 {
            // Whether it can be done is not the question here.
            drop(db.flush());
            acked = look(&db, acked)?;
        }
    }
    db.close().map_err(told)
}

/// Each of the acknowledged batches is there, as far as it can be read; those looked at go.
fn look(db: &Lsm, acked: BTreeSet<u64>) -> Result<BTreeSet<u64>, String> {
    for n in acked {
        match db.get(mark(n)) {
            Ok(Some(found)) if found == n.to_string().as_bytes() => {}
            Ok(found) => return Err(format!("wrong: {found:?} for the mark of batch {n}")),
            Err(_) => {}
        }
    }
    let sorted = db.prefix("p").map_while(Result::ok).map(|(key, _)| key).is_sorted();
    if sorted { Ok(BTreeSet::new()) } else { Err("wrong: rows out of order".to_owned()) }
}

fn say(line: &str) {
    // One line, one call: who listens hears all of it or nothing.
    drop(io::stdout().write_all(format!("{line}\n").as_bytes()));
}

fn told(error: lsm_db::Error) -> String {
    error.to_string()
}

/// The number in the key of a mark or a row.
fn number(key: &[u8]) -> Result<u64, String> {
    let text = String::from_utf8_lossy(key);
    let digits = text.get(1..).and_then(|digits| digits.parse().ok());
    digits.ok_or_else(|| format!("wrong: a key {text:?} that nobody wrote"))
}

/// What was heard of the program.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    /// The batches that were acknowledged.
    pub(crate) acked: BTreeSet<u64>,
    /// The last batch that there was an answer to.
    pub(crate) answered: u64,
}

impl Heard {
    pub(crate) fn line(&mut self, line: &str) {
        let mut words = line.split([' ', ':']);
        let (word, n) = (words.next(), words.next().and_then(|n| n.parse().ok()));
        if let (Some("acked" | "failed"), Some(n)) = (word, n) {
            self.answered = n;
            if word == Some("acked") {
                self.acked.insert(n);
            }
        }
    }
}

/// Holds a store to what was heard: `acked` before it was cut off, `answered` at the latest.
pub(crate) fn check(dir: &Path, heard: &Heard) -> Result<(), String> {
    let checked = AssertUnwindSafe(|| {
        check_rows(dir, heard)?;
        go_on(dir, heard)
    });
    catch_unwind(checked).unwrap_or_else(|_| Err("a panic while the store was read".to_owned()))
}

fn check_rows(dir: &Path, heard: &Heard) -> Result<(), String> {
    let db = Lsm::open_with(dir, config(false)).map_err(told)?;
    let rows: BTreeMap<Vec<u8>, Vec<u8>> = db.scan(..).map_err(told)?.collect();
    let of = |first: u8| rows.keys().filter(move |key| key.first() == Some(&first));
    let marks: BTreeSet<u64> = of(b'm').map(|key| number(key)).collect::<Result<_, _>>()?;
    if let Some(lost) = heard.acked.iter().find(|n| !marks.contains(n)) {
        return Err(format!("batch {lost} was acknowledged and is lost"));
    }
    if let Some(extra) = marks.iter().find(|n| **n > heard.answered + 1 || **n == 0) {
        return Err(format!("batch {extra} was never begun and is there"));
    }
    let alive = |n: &u64| !marks.contains(&(n + KEPT));
    let expected: BTreeSet<u64> = marks.iter().copied().filter(alive).collect();
    let found: BTreeSet<u64> = of(b'p').map(|key| number(key)).collect::<Result<_, _>>()?;
    if let Some(n) = expected.symmetric_difference(&found).next() {
        let there = if found.contains(n) { "is there" } else { "is missing" };
        return Err(format!("the row of batch {n} {there}: a torn batch, or a delete undone"));
    }
    for n in &found {
        if rows.get(row(*n).as_bytes()) != Some(&payload(*n)) {
            return Err(format!("the row of batch {n} is not what was written"));
        }
    }
    let last = marks.last().map(|n| n.to_string().into_bytes());
    for key in 0..HOT {
        if rows.get(format!("h{key}").as_bytes()) != last.as_ref() {
            return Err(format!("h{key} is not of the last batch, {:?}", marks.last()));
        }
    }
    let backward: BTreeMap<_, _> = db.scan(..).map_err(told)?.rev().collect();
    if backward != rows {
        return Err("backward another state is found".to_owned());
    }
    for (key, value) in &rows {
        if db.get(key).map_err(told)?.as_ref() != Some(value) {
            return Err(format!("a get of {} finds something else", String::from_utf8_lossy(key)));
        }
    }
    Ok(())
}

/// The store takes more, and has it and all else afterwards.
fn go_on(dir: &Path, heard: &Heard) -> Result<(), String> {
    let db = Lsm::open_with(dir, config(true)).map_err(told)?;
    let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = db.scan(..).map_err(told)?.collect();
    let key = format!("z{}", heard.answered);
    db.put(&key, "more").map_err(told)?;
    rows.insert(key.into_bytes(), b"more".to_vec());
    db.flush().map_err(told)?;
    db.compact().map_err(told)?;
    db.close().map_err(told)?;
    let db = Lsm::open_with(dir, config(false)).map_err(told)?;
    let found: BTreeMap<_, _> = db.scan(..).map_err(told)?.collect();
    db.close().map_err(told)?;
    if found == rows { Ok(()) } else { Err("what is found changes with a reopening".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(lines: &[&str]) -> Heard {
        let mut heard = Heard::default();
        lines.iter().for_each(|line| heard.line(line));
        heard
    }

    /// A store of these batches.
    fn store(dir: &Path, batches: impl IntoIterator<Item = u64>) {
        let db = Lsm::open_with(dir, config(false)).unwrap();
        batches.into_iter().for_each(|n| db.write(batch(n)).unwrap());
        db.close().unwrap();
    }

    #[test]
    fn what_is_said_is_understood() {
        let heard = heard(&["opening", "acked 1", "failed 2: no 7", "acked 3", "acke"]);
        assert_eq!((heard.acked, heard.answered), (BTreeSet::from([1, 3]), 3));
    }

    #[test]
    fn a_store_that_keeps_its_word_passes_and_others_do_not() {
        let all: Vec<String> = (1..=60).map(|n| format!("acked {n}")).collect();
        let all = heard(&all.iter().map(String::as_str).collect::<Vec<_>>());
        let temp = tempfile::tempdir().unwrap();
        let dir = |name: &str| temp.path().join(name);
        store(&dir("whole"), 1..=60);
        assert_eq!(check(&dir("whole"), &all), Ok(()));
        // What had no answer may be there.
        store(&dir("more"), 1..=61);
        assert_eq!(check(&dir("more"), &all), Ok(()));
        store(&dir("short"), 1..=59);
        assert!(check(&dir("short"), &all).unwrap_err().contains("batch 60 was acknowledged"));
        store(&dir("long"), 1..=62);
        assert!(check(&dir("long"), &all).unwrap_err().contains("never begun"));
        for (name, key, value, says) in [
            ("torn", row(50), None, "row of batch 50 is missing"),
            ("back", row(7), Some(payload(7)), "row of batch 7 is there"),
            ("other", row(50), Some(payload(51)), "not what was written"),
            ("hot", "h3".to_owned(), Some(b"59".to_vec()), "h3 is not of the last"),
        ] {
            store(&dir(name), 1..=60);
            let db = Lsm::open(dir(name)).unwrap();
            match value {
                Some(value) => db.put(key, value).unwrap(),
                None => db.delete(key).unwrap(),
            }
            db.close().unwrap();
            let told = check(&dir(name), &all).unwrap_err();
            assert!(told.contains(says), "{name}: {told}");
        }
    }

    #[test]
    fn the_program_writes_what_it_says() {
        let temp = tempfile::tempdir().unwrap();
        let mut arguments =
            Arguments { dir: temp.path().join("store"), batches: 30, by_calls: false };
        for last in [30, 60] {
            write(&arguments).unwrap();
            arguments.by_calls = true;
            let heard = Heard { acked: (1..=last).collect(), answered: last };
            assert_eq!(check_rows(&arguments.dir, &heard), Ok(()));
        }
    }
}

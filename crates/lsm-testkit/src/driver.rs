//! Holding a store against the model, one operation after the other.
//!
//! Every answer is compared with what the model says, and what is kept - snapshots, ranges
//! with some rows taken - with what the model said when it was made. The [`Rules`] say
//! what may happen beside: crashes, calls that fail.

mod answers;
mod kept;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Bound;

pub use self::answers::in_range;
use self::answers::{Answers, short};
use self::kept::{Expected, Kept};
use crate::history::{Change, Key};
use crate::oracle::{Model, Past, Step, apply};
use crate::{Crash, Generator, Op, Settings, Store};

/// So many snapshots and ranges are kept at once; the oldest goes first.
const MOST_KEPT: usize = 6;

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Operations applied.
    pub ops: u64,
    /// The same by their kinds.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Answers compared: a row of a scan counts as one.
    pub compared: u64,
    /// Operations that failed where that was allowed.
    pub refused: u64,
    /// A digest of all answers: equal for the same history, whatever the settings.
    pub digest: u64,
}

/// A store that answered otherwise than the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The position of the operation in the history, counted from zero.
    pub at: u64,
    /// What was asked, expected and answered.
    pub what: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operation {}: {}", self.at, self.what)
    }
}

impl std::error::Error for Mismatch {}

/// What a run has to reckon with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rules {
    /// Nothing beside the answers.
    #[default]
    Plain,
    /// Crashes are among the operations.
    Crashes,
    /// Calls may fail: an operation that failed did not happen for as long as the store is
    /// open, and may have happened when it was opened again. Crashes are possible, too.
    Failures,
    /// All crashes are tried afterwards: every step of the past is kept.
    EveryCrash,
}

/// Applies `ops` operations of a history to `store` and `model`, which agree at the
/// start, and compares every answer; at the end the whole contents, both ways.
///
/// # Errors
///
/// The first answer that differs, or the first error of the store.
pub fn drive(
    store: &mut impl Store,
    model: &mut Model,
    generator: &mut Generator,
    ops: u64,
) -> Result<Report, Mismatch> {
    replay(store, model, &generator.ops(ops), Rules::Plain).map(|(report, _)| report)
}

/// The same for a history that is there already; tells what a crash may leave, too.
///
/// # Errors
///
/// As [`drive`]; errors of the operating system are none where the rules allow them.
pub fn replay(
    store: &mut impl Store,
    model: &mut Model,
    ops: &[Op],
    rules: Rules,
) -> Result<(Report, Past), Mismatch> {
    let mut driver = Driver::new(store, model, rules);
    for (at, op) in (0..).zip(ops) {
        driver.op(op).map_err(|what| Mismatch { at, what: short(&format!("{op}: {what}")) })?;
        driver.store.tick(at);
    }
    let everything = Op::Scan(Bound::Unbounded, Bound::Unbounded);
    let keys: Vec<_> = driver.model.keys().cloned().map(Op::Get).collect();
    for op in keys.iter().chain([&everything]) {
        let at = ops.len() as u64;
        driver.attempt(op).map_err(|what| Mismatch { at, what: short(&what) })?;
    }
    driver.report.compared = driver.answers.compared;
    driver.report.digest = driver.answers.digest();
    Ok((driver.report, driver.past))
}

struct Driver<'a, S> {
    store: &'a mut S,
    model: &'a mut Model,
    rules: Rules,
    report: Report,
    answers: Answers,
    kept: VecDeque<Kept>,
    past: Past,
    /// A reopening failed, so that it is not known what the next one finds.
    is_unsure: bool,
}

/// Whether an error says that a call failed, or that one before it did.
pub(crate) fn is_of_system(what: &str) -> bool {
    what.starts_with("cannot ") && !what.contains("internal error") && !what.contains("panicked")
}

impl<'a, S: Store> Driver<'a, S> {
    fn new(store: &'a mut S, model: &'a mut Model, rules: Rules) -> Self {
        Self {
            past: Past::new(model.clone()),
            store,
            model,
            rules,
            report: Report::default(),
            answers: Answers::default(),
            kept: VecDeque::new(),
            is_unsure: false,
        }
    }

    fn op(&mut self, op: &Op) -> Result<(), String> {
        self.report.ops += 1;
        *self.report.kinds.entry(op.kind()).or_default() += 1;
        self.attempt(op)
    }

    /// A failure of the operating system is no answer, where such are allowed. One of the
    /// store's own, which comes as the same kind of error, is.
    fn attempt(&mut self, op: &Op) -> Result<(), String> {
        match self.apply(op) {
            Err(what) if self.allows_failures() && is_of_system(&what) => {
                self.report.refused += 1;
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn apply(&mut self, op: &Op) -> Result<(), String> {
        match op {
            Op::Put(key, value) => self.write(&[(key.clone(), Some(value.clone()))], true),
            Op::Delete(key) => self.write(&[(key.clone(), None)], true),
            Op::Batch(changes) => self.write(changes, false),
            Op::Get(key) => self.answers.same(&self.store.get(key)?.as_ref(), &self.model.get(key)),
            Op::Ask(key) => {
                let ways = self.store.ways(key)?;
                let expected = self.model.get(key);
                ways.iter().try_for_each(|found| self.answers.aside(&found.as_ref(), &expected))
            }
            Op::Many(keys) => {
                let found = self.store.many(keys)?;
                let expected = keys.iter().map(|key| self.model.get(key));
                let found: Vec<_> = found.iter().map(Option::as_ref).collect();
                self.answers.same(&found, &expected.collect())
            }
            Op::Scan(from, to) => self.scan(from, to),
            Op::Walk(from, to, turns) => {
                let Some(mut rows) = self.store.walk((from.clone(), to.clone()))? else {
                    return Ok(());
                };
                let mut expected = Expected::new(in_range(self.model, from, to));
                let mut turns = turns.iter();
                turns.try_for_each(|turn| expected.turn(&mut *rows, turn, &mut self.answers))
            }
            Op::Prefix(prefix) => {
                let Some(mut rows) = self.store.prefix(prefix)? else { return Ok(()) };
                let begins = |(key, _): &(&Key, _)| key.starts_with(prefix);
                let expected = self.model.iter().filter(begins);
                let expected = expected.map(|(key, value)| (key.clone(), value.clone()));
                Expected::new(expected.collect()).take_all(&mut *rows, &mut self.answers)
            }
            Op::Hold | Op::Begin(..) | Op::Look(..) | Op::Release(_) => self.keep(op),
            Op::Flush | Op::Compact(..) | Op::Sync => self.make_durable(op),
            Op::Settle => self.store.settle(),
            Op::Inspect => self.inspect(),
            Op::Reopen(settings) => self.reopen(settings.as_ref()),
            Op::Crash(how) => self.crash(*how),
        }
    }

    fn write(&mut self, changes: &[Change], single: bool) -> Result<(), String> {
        let begun = self.store.events();
        if let Err(error) = self.store.write(changes, single) {
            self.past.failed(changes);
            return Err(error);
        }
        apply(self.model, changes);
        self.note(begun, changes, false);
        Ok(())
    }

    fn allows_failures(&self) -> bool {
        self.rules == Rules::Failures
    }

    /// Adds a call that succeeded to the past. Where all before it is durable there is no
    /// past, unless every crash is to be tried.
    fn note(&mut self, begun: usize, changes: &[Change], durable: bool) {
        match self.rules {
            Rules::Plain => {}
            Rules::Crashes | Rules::Failures if durable => self.past.forget(self.model.clone()),
            _ => {
                let (ended, promise) = (self.store.events(), self.store.promise());
                let changes = changes.to_vec();
                self.past.push(Step { begun, ended, changes, durable, promise });
            }
        }
    }

    fn scan(&mut self, from: &Bound<Key>, to: &Bound<Key>) -> Result<(), String> {
        let expected = in_range(self.model, from, to);
        let allows_failures = self.allows_failures();
        let rows = || self.store.scan((from.clone(), to.clone()));
        let answers = &mut self.answers;
        let mut compare = || {
            answers.rows_by_turns(rows()?, &expected)?;
            let back: Vec<_> = rows()?.rev().collect();
            answers.same(&back, &expected.iter().rev().cloned().collect())
        };
        if !allows_failures {
            return compare();
        }
        // A scan that cannot go on panics, as docs/RELIABILITY.md says.
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(compare)).unwrap_or_else(|panic| {
            let text = panic.downcast::<String>().map(|text| *text).unwrap_or_default();
            let is_told = text.contains("was changed while it was scanned");
            Err(if is_told { format!("cannot scan: {text}") } else { format!("a panic: {text}") })
        })
    }

    fn keep(&mut self, op: &Op) -> Result<(), String> {
        let chosen = |which: u64, kept: &VecDeque<Kept>| which as usize % kept.len().max(1);
        let kept = match op {
            Op::Hold => self.store.hold()?.map(|held| Kept::moment(held, self.model.clone())),
            Op::Begin(from, to) => {
                let rows = self.store.walk((from.clone(), to.clone()))?;
                rows.map(|rows| Kept::walk(rows, in_range(self.model, from, to)))
            }
            Op::Release(which) => {
                let _ = self.kept.remove(chosen(*which, &self.kept));
                None
            }
            Op::Look(which, turn) => {
                let at = chosen(*which, &self.kept);
                let Some(kept) = self.kept.get_mut(at) else { return Ok(()) };
                let outcome = kept.look(turn, &mut self.answers);
                if outcome.is_err() {
                    let _ = self.kept.remove(at);
                }
                return outcome.map_err(|what| kept::told(what, turn));
            }
            _ => None,
        };
        self.kept.extend(kept);
        if self.kept.len() > MOST_KEPT {
            let _ = self.kept.pop_front();
        }
        Ok(())
    }

    fn make_durable(&mut self, op: &Op) -> Result<(), String> {
        let begun = self.store.events();
        let durable = match op {
            Op::Sync => self.store.sync()?,
            Op::Compact(from, to) => {
                self.store.compact((from.clone(), to.clone()))?;
                matches!((from, to), (Bound::Unbounded, Bound::Unbounded))
            }
            _ => {
                self.store.flush()?;
                true
            }
        };
        if durable {
            self.note(begun, &[], true);
        }
        if durable && !matches!(op, Op::Sync) {
            self.past.flushed();
        }
        let compacted = durable && matches!(op, Op::Compact(..));
        let Some(stats) = self.store.stats().filter(|_| compacted) else { return Ok(()) };
        // A merge of everything leaves each key once, and nothing of what was deleted.
        let found = (stats.entries, stats.tombstones);
        self.answers.aside(&found, &(self.model.len() as u64, 0))
    }

    /// What a store tells of itself that must be so whatever happened.
    fn inspect(&mut self) -> Result<(), String> {
        let Some(stats) = self.store.stats() else { return Ok(()) };
        let live = self.model.len() as u64;
        let is_buffered = stats.memtable_bytes > 0 || stats.frozen_memtables > 0;
        let holds = [
            (
                "no error in the background",
                self.allows_failures() || stats.background_error.is_none(),
            ),
            ("no more tombstones than entries", stats.tombstones <= stats.entries),
            ("a table for each run", stats.tables >= stats.runs),
            ("bytes where there are tables", (stats.tables == 0) == (stats.table_bytes == 0)),
            ("nobody waits for a merge", stats.compact_bytes_left == 0),
            // The empty key with an empty value has no bytes.
            ("every key somewhere", live <= stats.entries + 1 || is_buffered),
        ];
        match holds.iter().find(|(_, holds)| !holds) {
            Some((what, _)) => Err(format!("expected {what}: {stats:?}")),
            None => Ok(()),
        }
    }

    fn reopen(&mut self, settings: Option<&Settings>) -> Result<(), String> {
        let begun = self.store.events();
        let outcome = match settings {
            Some(settings) => self.store.reopen_with(settings),
            None => self.store.reopen(),
        };
        if let Err(error) = outcome {
            self.is_unsure = true;
            return Err(error);
        }
        if !self.allows_failures() {
            self.note(begun, &[], true);
            self.past.flushed();
            return Ok(());
        }
        // What was closed without an error is there; else as after a kill.
        let least = if std::mem::take(&mut self.is_unsure) {
            self.past.bounds(usize::MAX, Crash::Kill).0
        } else {
            self.past.len()
        };
        self.recovered(least)
    }

    fn crash(&mut self, how: Crash) -> Result<(), String> {
        let (least, _) = self.past.bounds(usize::MAX, how);
        if !self.store.crash(how)? {
            return Ok(());
        }
        self.is_unsure = false;
        self.recovered(least)
    }

    /// Finds out which of the states that are possible was recovered, and goes on with it.
    fn recovered(&mut self, least: usize) -> Result<(), String> {
        let found: Model = match self.store.scan((Bound::Unbounded, Bound::Unbounded)) {
            Ok(rows) => rows.collect(),
            Err(error) => {
                // Whoever does not know what is there cannot compare.
                self.store.abandon();
                self.is_unsure = true;
                return Err(error);
            }
        };
        if self.past.find(&found, least, self.past.len()).is_none() {
            let steps = self.past.len();
            return Err(format!(
                "expected the state after {least} to {steps} steps, found {found:?}, where all \
                 of them lead to {:?}",
                self.model
            ));
        }
        *self.model = found;
        self.past = Past::new(self.model.clone());
        Ok(())
    }
}

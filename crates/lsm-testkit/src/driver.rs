//! Holding a store against the model, one operation after the other.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

use crate::history::{Key, Value};
use crate::{Generator, Op, Store};

/// What a store should hold.
pub type Model = BTreeMap<Key, Value>;

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Operations applied.
    pub ops: u64,
    /// Answers compared: a row of a scan counts as one.
    pub compared: u64,
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
    let mut report = Report::default();
    for at in 0..ops {
        let op = generator.op();
        apply(store, model, &op, &mut report)
            .map_err(|what| Mismatch { at, what: format!("{op:?}: {what}") })?;
        report.ops += 1;
    }
    let everything = Op::Scan(Bound::Unbounded, Bound::Unbounded);
    let keys: Vec<_> = model.keys().cloned().map(Op::Get).collect();
    for op in keys.iter().chain([&everything]) {
        apply(store, model, op, &mut report).map_err(|what| Mismatch { at: ops, what })?;
    }
    Ok(report)
}

fn apply(
    store: &mut impl Store,
    model: &mut Model,
    op: &Op,
    report: &mut Report,
) -> Result<(), String> {
    match op {
        Op::Put(key, value) => {
            store.write(&[(key.clone(), Some(value.clone()))], true)?;
            model.insert(key.clone(), value.clone());
        }
        Op::Delete(key) => {
            store.write(&[(key.clone(), None)], true)?;
            model.remove(key);
        }
        Op::Batch(changes) => {
            store.write(changes, false)?;
            for (key, value) in changes {
                match value {
                    Some(value) => model.insert(key.clone(), value.clone()),
                    None => model.remove(key),
                };
            }
        }
        Op::Get(key) => {
            report.compared += 1;
            same(&store.get(key)?, &model.get(key).cloned())?;
        }
        Op::Scan(from, to) => {
            let expected = range(model, from, to);
            report.compared += expected.len() as u64;
            compare_rows(store.scan((from.clone(), to.clone()))?, &expected)?;
            let back: Vec<_> = store.scan((from.clone(), to.clone()))?.rev().collect();
            same(&back, &expected.iter().rev().cloned().collect())?;
        }
        Op::Flush => store.flush()?,
        Op::Compact(from, to) => store.compact((from.clone(), to.clone()))?,
        Op::Settle => store.settle()?,
        Op::Reopen => store.reopen()?,
    }
    Ok(())
}

/// Rows of the model in a range; inverted and empty ranges, at which a `BTreeMap`
/// panics, have none.
fn range(model: &Model, from: &Bound<Key>, to: &Bound<Key>) -> Vec<(Key, Value)> {
    let after = |key: &Key| match from {
        Bound::Included(from) => key >= from,
        Bound::Excluded(from) => key > from,
        Bound::Unbounded => true,
    };
    let before = |key: &Key| match to {
        Bound::Included(to) => key <= to,
        Bound::Excluded(to) => key < to,
        Bound::Unbounded => true,
    };
    let inside = model.iter().filter(|(key, _)| after(key) && before(key));
    inside.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Takes rows from both ends by turns until they meet; the length is exact at each
/// step.
fn compare_rows(
    mut rows: impl DoubleEndedIterator<Item = (Key, Value)> + ExactSizeIterator,
    expected: &[(Key, Value)],
) -> Result<(), String> {
    let mut expected = expected.iter();
    loop {
        same(&rows.len(), &expected.len())?;
        let from_back = expected.len() % 3 == 1;
        let (row, wanted) = if from_back {
            (rows.next_back(), expected.next_back())
        } else {
            (rows.next(), expected.next())
        };
        same(&row.as_ref(), &wanted)?;
        if wanted.is_none() {
            same(&rows.next(), &None)?;
            return same(&rows.next_back(), &None);
        }
    }
}

fn same<T: PartialEq + fmt::Debug>(found: &T, expected: &T) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("expected {expected:?}, found {found:?}"))
}

//! Comparing answers, and digesting them.

use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound;

use crate::history::Key;
use crate::oracle::Model;
use crate::store::Row;

/// Texts about what differs are cut to this length.
const MOST_TEXT: usize = 1_200;

/// What was compared so far.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) compared: u64,
    hasher: DefaultHasher,
}

impl Answers {
    /// Compares an answer and adds it to the digest.
    pub(super) fn same<T: PartialEq + Debug + Hash>(
        &mut self,
        found: &T,
        expected: &T,
    ) -> Result<(), String> {
        found.hash(&mut self.hasher);
        self.aside(found, expected)
    }

    /// Compares an answer that some stores do not give.
    pub(super) fn aside<T: PartialEq + Debug>(
        &mut self,
        found: &T,
        expected: &T,
    ) -> Result<(), String> {
        self.compared += 1;
        if found == expected {
            return Ok(());
        }
        Err(format!("expected {expected:?}, found {found:?}"))
    }

    pub(super) fn digest(&self) -> u64 {
        self.hasher.finish()
    }

    /// Takes rows from both ends by turns until they meet; the length is exact at each
    /// step.
    pub(super) fn rows_by_turns(
        &mut self,
        mut rows: impl DoubleEndedIterator<Item = Row> + ExactSizeIterator,
        expected: &[Row],
    ) -> Result<(), String> {
        let mut expected = expected.iter();
        loop {
            self.aside(&rows.len(), &expected.len())?;
            let from_back = expected.len() % 3 == 1;
            let (row, wanted) = if from_back {
                (rows.next_back(), expected.next_back())
            } else {
                (rows.next(), expected.next())
            };
            self.same(&row.as_ref(), &wanted)?;
            if wanted.is_none() {
                self.aside(&rows.next(), &None)?;
                return self.aside(&rows.next_back(), &None);
            }
        }
    }
}

/// Rows of the model in a range; inverted and empty ranges, at which a `BTreeMap`
/// panics, have none.
#[must_use]
pub fn in_range(model: &Model, from: &Bound<Key>, to: &Bound<Key>) -> Vec<Row> {
    let is_empty = match (from, to) {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (
            Bound::Included(from) | Bound::Excluded(from),
            Bound::Included(to) | Bound::Excluded(to),
        ) => from >= to,
        _ => false,
    };
    if is_empty {
        return Vec::new();
    }
    let inside = model.range((from.clone(), to.clone()));
    inside.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// A text that somebody may read.
pub(super) fn short(text: &str) -> String {
    match text.char_indices().nth(MOST_TEXT) {
        Some((at, _)) => format!("{} ...", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

//! What is kept while the store goes on: snapshots, and ranges with some rows taken.
//!
//! Each knows what the model said when it was made, and has to answer so for as long as it
//! is kept: over flushes and merges, over files that go, over closing and crashing.

use std::ops::Bound;

use super::answers::{Answers, in_range};
use crate::history::Turn;
use crate::oracle::Model;
use crate::store::{Moment, Row, Walk};

pub(super) enum Kept {
    Moment(Box<dyn Moment>, Model),
    Walk(Box<dyn Walk>, Expected),
}

impl Kept {
    pub(super) fn moment(held: Box<dyn Moment>, model: Model) -> Self {
        Self::Moment(held, model)
    }

    pub(super) fn walk(rows: Box<dyn Walk>, expected: Vec<Row>) -> Self {
        Self::Walk(rows, Expected::new(expected))
    }

    /// Goes on with a range; of a snapshot, asks for a key or some of its rows.
    pub(super) fn look(&mut self, turn: &Turn, answers: &mut Answers) -> Result<(), String> {
        let (held, model) = match self {
            Self::Walk(rows, expected) => return expected.turn(&mut **rows, turn, answers),
            Self::Moment(held, model) => (held, model),
        };
        match turn {
            Turn::Seek(key) => answers.same(&held.get(key)?.as_ref(), &model.get(key)),
            Turn::Next(_) => {
                let all = (Bound::Unbounded, Bound::Unbounded);
                let expected = in_range(model, &all.0, &all.1);
                answers.same(&held.scan(all)?, &expected)
            }
            Turn::Back(count) => {
                let mut rows = held.walk((Bound::Unbounded, Bound::Unbounded));
                let all = in_range(model, &Bound::Unbounded, &Bound::Unbounded);
                Expected::new(all).turn(&mut *rows, &Turn::Back(*count), answers)
            }
        }
    }
}

/// The rows that a range should have, and which of them were not taken yet.
pub(super) struct Expected {
    rows: Vec<Row>,
    front: usize,
    back: usize,
}

impl Expected {
    pub(super) fn new(rows: Vec<Row>) -> Self {
        Self { front: 0, back: rows.len(), rows }
    }

    pub(super) fn turn(
        &mut self,
        rows: &mut dyn Walk,
        turn: &Turn,
        answers: &mut Answers,
    ) -> Result<(), String> {
        match turn {
            Turn::Next(count) => (0..*count).try_for_each(|_| self.next(rows, answers).map(drop)),
            Turn::Back(count) => (0..*count).try_for_each(|_| {
                let is_left = self.front < self.back;
                self.back -= usize::from(is_left);
                let expected = self.rows.get(self.back).filter(|_| is_left);
                answers.same(&rows.next_back().transpose()?.as_ref(), &expected)
            }),
            Turn::Seek(key) => {
                rows.seek(key)?;
                let at = self.rows.partition_point(|(other, _)| other < key);
                self.front = at.min(self.back);
                Ok(())
            }
        }
    }

    /// Takes all rows from the front.
    pub(super) fn take_all(
        &mut self,
        rows: &mut dyn Walk,
        answers: &mut Answers,
    ) -> Result<(), String> {
        while self.next(rows, answers)? {}
        Ok(())
    }

    fn next(&mut self, rows: &mut dyn Walk, answers: &mut Answers) -> Result<bool, String> {
        let expected = self.rows.get(self.front).filter(|_| self.front < self.back);
        self.front += usize::from(expected.is_some());
        answers.same(&rows.next().transpose()?.as_ref(), &expected)?;
        Ok(expected.is_some())
    }
}

/// What differs, and of what.
pub(super) fn told(what: String, turn: &Turn) -> String {
    if what.starts_with("cannot ") { what } else { format!("kept, {turn:?}: {what}") }
}

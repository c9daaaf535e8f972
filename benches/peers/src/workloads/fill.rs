//! Fills: every row put once, and rows put again.

use anyhow::Result;
use lsm_bench_record::Outcome;

use super::session::{Session, in_threads};
use crate::engines::Engine;
use crate::keys::value;
use crate::measure::{Section, Worst, timed_each};

pub(super) fn in_key_order<E: Engine>(mut session: Session<'_, E>) -> Result<Outcome> {
    let rows = session.rows();
    let order = rows.in_key_order();
    let measure = timed_each("", rows.n, |i| {
        let i = order.row(i);
        session.db.put(&rows.key(i), &value(i, 0))
    })?;
    session.books.measures.push(measure);
    session.books.put_rows(rows.n);
    session.finish(0..rows.n, |_| 0)
}

pub(super) fn shuffled<E: Engine>(mut session: Session<'_, E>) -> Result<Outcome> {
    let rows = session.rows();
    let shuffle = rows.shuffled();
    let measure = timed_each("", rows.n, |i| {
        let i = shuffle.at(i);
        session.db.put(&rows.key(i), &value(i, 0))
    })?;
    session.books.measures.push(measure);
    session.books.put_rows(rows.n);
    session.finish(0..rows.n, |_| 0)
}

pub(super) fn shuffled_by_threads<E: Engine>(
    mut session: Session<'_, E>,
    threads: u64,
) -> Result<Outcome> {
    let rows = session.rows();
    let shuffle = rows.shuffled();
    let db = &session.db;
    let (section, worst) = in_threads(threads, |thread| {
        let mut worst = Worst::start();
        for i in rows.n * thread / threads..rows.n * (thread + 1) / threads {
            let i = shuffle.at(i);
            db.put(&rows.key(i), &value(i, 0))?;
            worst.lap();
        }
        Ok(worst.ms())
    })?;
    let mut measure = section.end("", rows.n);
    measure.worst_ms = worst.into_iter().reduce(f64::max);
    session.books.measures.push(measure);
    session.books.put_rows(rows.n);
    session.finish(0..rows.n, |_| 0)
}

/// Loads, then puts every row `times` times more. Each pass starts elsewhere in the random order, and
/// every other pass runs through it backward.
pub(super) fn overwrite<E: Engine>(mut session: Session<'_, E>, times: u64) -> Result<Outcome> {
    session.load()?;
    let rows = session.rows();
    let shuffle = rows.shuffled();
    let measure = timed_each("", rows.n * times, |i| {
        let (pass, i) = (1 + i / rows.n, i % rows.n);
        let forward = (i + pass * rows.n / (times + 1)) % rows.n;
        let i = shuffle.at(if pass % 2 == 0 { forward } else { rows.n - 1 - forward });
        session.db.put(&rows.key(i), &value(i, pass))
    })?;
    session.books.measures.push(measure);
    session.books.put_rows(rows.n * times);
    session.finish(0..rows.n, |_| times)
}

pub(super) fn batches<E: Engine>(mut session: Session<'_, E>, size: u64) -> Result<Outcome> {
    let rows = session.rows();
    let shuffle = rows.shuffled();
    let section = Section::start();
    for start in (0..rows.n).step_by(size as usize) {
        let batch = (start..rows.n.min(start + size)).map(|i| shuffle.at(i));
        session.db.batch(batch.map(|i| (rows.key(i), value(i, 0))))?;
    }
    let measure = section.end("", rows.n);
    session.books.measures.push(measure);
    session.books.put_rows(rows.n);
    session.finish(0..rows.n, |_| 0)
}

//! Point reads: hits, hot hits, misses, from the write buffer, from two threads.

use anyhow::{Result, ensure};
use lsm_bench_record::Outcome;

use super::session::{Session, expect_row, in_threads};
use crate::choice::Random;
use crate::engines::Engine;
use crate::keys::value;
use crate::measure::timed;

/// One row in this many is hot.
const HOT_STEP: u64 = 100;

pub(super) fn uniform<E: Engine>(session: Session<'_, E>) -> Result<Outcome> {
    let n = session.rows().n;
    hits(session, |random| random.below(n))
}

pub(super) fn hot<E: Engine>(session: Session<'_, E>) -> Result<Outcome> {
    let hot_rows = session.rows().n / HOT_STEP;
    hits(session, |random| random.below(hot_rows) * HOT_STEP)
}

fn hits<E: Engine>(
    mut session: Session<'_, E>,
    choose: impl Fn(&mut Random) -> u64,
) -> Result<Outcome> {
    session.load()?;
    let n = session.rows().n;
    let mut random = Random::new(1);
    session.warm_up(|_| session.expect_row(choose(&mut random), 0))?;
    let measure =
        timed("", n, session.books.job.budget, |_| session.expect_row(choose(&mut random), 0))?;
    session.books.measures.push(measure);
    session.finish(0..n, |_| 0)
}

pub(super) fn missing<E: Engine>(mut session: Session<'_, E>) -> Result<Outcome> {
    session.load()?;
    let rows = session.rows();
    let mut random = Random::new(1);
    let mut miss = || {
        let key = rows.missing_key(random.below(rows.n));
        ensure!(session.db.get(&key, |_| ())?.is_none(), "a key was found that was never put");
        Ok(())
    };
    session.warm_up(|_| miss())?;
    let measure = timed("", rows.n, session.books.job.budget, |_| miss())?;
    session.books.measures.push(measure);
    session.finish(0..rows.n, |_| 0)
}

pub(super) fn uniform_by_threads<E: Engine>(
    mut session: Session<'_, E>,
    threads: u64,
) -> Result<Outcome> {
    session.load()?;
    let rows = session.rows();
    let mut random = Random::new(1);
    session.warm_up(|_| session.expect_row(random.below(rows.n), 0))?;
    let (db, budget) = (&session.db, session.books.job.budget);
    let (section, parts) = in_threads(threads, |thread| {
        let mut random = Random::new(2 + thread);
        timed("", rows.n / threads, budget, |_| expect_row(db, rows, random.below(rows.n), 0))
    })?;
    let mut measure = section.end("", parts.iter().map(|part| part.ops).sum());
    measure.cut = parts.iter().any(|part| part.cut);
    session.books.measures.push(measure);
    session.finish(0..rows.n, |_| 0)
}

pub(super) fn memtable<E: Engine>(mut session: Session<'_, E>) -> Result<Outcome> {
    let held = fill_memtable(&mut session)?;
    let mut random = Random::new(1);
    session.warm_up(|_| session.expect_row(random.below(held), 0))?;
    let (n, budget) = (session.rows().n, session.books.job.budget);
    let measure = timed("", n, budget, |_| session.expect_row(random.below(held), 0))?;
    session.books.measures.push(measure);
    session.finish(0..held, |_| 0)
}

/// Puts as many rows as stay in the write buffer, in random order, and returns how many.
pub(super) fn fill_memtable<E: Engine>(session: &mut Session<'_, E>) -> Result<u64> {
    let rows = session.rows();
    let held = session.books.job.rows_in_buffer();
    let shuffle = crate::keys::Shuffle::new(held);
    for i in (0..held).map(|i| shuffle.at(i)) {
        session.db.put(&rows.key(i), &value(i, 0))?;
    }
    session.books.put_rows(held);
    Ok(held)
}

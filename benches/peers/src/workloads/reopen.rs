//! Opening: what was closed, and what was killed.

use anyhow::{Context as _, Result, bail, ensure};
use lsm_bench_record::{Measure, Outcome};
use rustix::process::{Signal, getpid, kill_process};

use super::Job;
use super::session::{Books, Session, expect_row, expected};
use crate::engines::{Engine, Range, Tally};
use crate::keys::value;
use crate::measure::Section;

/// Times that a closed store is opened.
const OPENS: u64 = 5;
/// Rows per batch of the durable writer.
const BATCH: u64 = 1_000;

/// Opens and gets one row; measured per opening.
pub(super) fn clean<E: Engine>(mut session: Session<'_, E>) -> Result<Outcome> {
    session.load()?;
    let Session { mut db, mut books } = session;
    let rows = &books.job.rows;
    let mut total = Measure::none();
    for i in 0..OPENS {
        db.close()?;
        let section = Section::start();
        db = E::open(&books.job.dir, books.job.options)?;
        expect_row(&db, rows, i * rows.n / OPENS, 0)?;
        total.add(&section.end("", 1));
    }
    books.measures.push(total);
    Session { db, books }.finish(0..rows.n, |_| 0)
}

/// Opens what a killed process left. What it was promised to keep must be there, and what is there
/// must be the rows it wrote first, without a gap.
pub(super) fn after_kill<E: Engine>(job: &Job) -> Result<Outcome> {
    (job.writer)().context("the writer that is killed")?;
    let mut books = Books::open(job)?;
    let rows = &job.rows;
    let shuffle = rows.shuffled();

    let section = Section::start();
    let db = E::open(&job.dir, job.options).context("opening after the kill")?;
    expect_row(&db, rows, shuffle.at(0), 0)?;
    books.measures.push(section.end("", 1));

    let mut found = Tally::default();
    db.scan(&Range::ALL, &mut found)?;
    let promised = if job.options.durable { rows.n } else { flushed_rows(rows.n) };
    ensure!(
        (promised..=rows.n).contains(&found.rows),
        "{} of {} rows are there after the kill, {promised} were promised",
        found.rows,
        rows.n
    );
    books.rows_lost = Some(rows.n - found.rows);
    let written_first = (0..found.rows).map(|i| shuffle.at(i));
    ensure!(
        found == expected(rows, written_first.clone()),
        "the rows after the kill are not those that were written first"
    );
    Session { db, books }.finish(written_first, |_| 0)
}

/// The process that is killed: it writes, and ends without closing anything.
pub(crate) fn write_and_die<E: Engine>(job: &Job) -> Result<()> {
    let db = E::open(&job.dir, job.options)?;
    let rows = &job.rows;
    let shuffle = rows.shuffled();
    if job.options.durable {
        for start in (0..rows.n).step_by(BATCH as usize) {
            let batch = (start..rows.n.min(start + BATCH)).map(|i| shuffle.at(i));
            db.batch(batch.map(|i| (rows.key(i), value(i, 0))))?;
        }
    } else {
        for i in 0..rows.n {
            if i == flushed_rows(rows.n) {
                db.flush()?;
            }
            let i = shuffle.at(i);
            db.put(&rows.key(i), &value(i, 0))?;
        }
    }
    kill_process(getpid(), Signal::KILL)?;
    bail!("still alive after being killed")
}

fn flushed_rows(n: u64) -> u64 {
    n / 10 * 9
}

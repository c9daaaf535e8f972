//! Scans: everything, forward and backward, from files and from the write buffer, and short ranges.
//!
//! Each scan counts its rows and sums up what it saw; the sums are compared with what is known.

use anyhow::{Result, ensure};
use lsm_bench_record::Outcome;

use super::read::fill_memtable;
use super::session::{Session, expected};
use crate::choice::Random;
use crate::engines::{Engine, Range, Tally};
use crate::measure::timed;

/// Scans over everything per run.
const PASSES: u64 = 5;

/// A call of an engine that shows the rows of a range.
type Scan<E> = fn(&E, &Range, &mut Tally) -> Result<()>;

pub(super) fn full<E: Engine>(
    mut session: Session<'_, E>,
    reverse: bool,
    scan: Scan<E>,
) -> Result<Outcome> {
    session.load()?;
    let n = session.rows().n;
    passes(session, n, Range { reverse, ..Range::ALL }, scan)
}

pub(super) fn memtable<E: Engine>(mut session: Session<'_, E>) -> Result<Outcome> {
    let held = fill_memtable(&mut session)?;
    passes(session, held, Range::ALL, E::scan)
}

/// Scans `range`, which is the rows `0..count`; measured per row.
fn passes<E: Engine>(
    mut session: Session<'_, E>,
    count: u64,
    range: Range,
    show: Scan<E>,
) -> Result<Outcome> {
    let rows = session.rows();
    let everything = expected(rows, 0..count);
    let scan = |_| {
        let mut tally = Tally::default();
        show(&session.db, &range, &mut tally)?;
        ensure!(tally == everything, "a scan saw {tally:?}, expected {everything:?}");
        Ok(())
    };
    scan(0)?;
    let mut measure = timed("", PASSES, session.books.job.budget, scan)?;
    measure.ops *= count;
    measure.ns_per_op /= count as f64;
    measure.cpu_ns_per_op /= count as f64;
    session.books.measures.push(measure);
    session.finish(0..count, |_| 0)
}

/// Scans of `width` rows between two keys; measured per scan.
pub(super) fn bounded<E: Engine>(mut session: Session<'_, E>, width: u64) -> Result<Outcome> {
    session.load()?;
    let rows = session.rows();
    let order = rows.in_key_order();
    let mut random = Random::new(1);
    let mut scan = || {
        let first = random.below(rows.n - width);
        let range = Range {
            start: Some(rows.key(order.row(first))),
            end: Some(rows.key(order.row(first + width))),
            ..Range::ALL
        };
        let mut tally = Tally::default();
        session.db.scan(&range, &mut tally)?;
        let wanted = expected(rows, (first..first + width).map(|rank| order.row(rank)));
        ensure!(tally == wanted, "a scan saw {tally:?}, expected {wanted:?}");
        Ok(())
    };
    session.warm_up(|_| scan())?;
    let measure = timed("", rows.n / 10, session.books.job.budget, |_| scan())?;
    session.books.measures.push(measure);
    session.finish(0..rows.n, |_| 0)
}

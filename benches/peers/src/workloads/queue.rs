//! A queue: filled at one end, deleted at the other, and read at the head, where the tombstones are.
//!
//! The head is read three times: at once, when the store was left alone until it was at rest, and when
//! it was also told to flush, which some need to begin a compaction.

use anyhow::{Result, ensure};
use lsm_bench_record::{Measure, Outcome};

use super::session::{Session, expected};
use crate::engines::{Engine, Range, Tally};
use crate::keys::{KeyOrder, Rows};
use crate::measure::{timed, timed_each, wait_until_quiet};

/// The share of the rows that stays: one in this many.
const KEPT_SHARE: u64 = 10;
const PEEKS: u64 = 200;
const PEEK_ROWS: u64 = 10;

pub(super) fn queue<E: Engine>(mut session: Session<'_, E>) -> Result<Outcome> {
    let rows = session.rows();
    let order = rows.in_key_order();
    session.load_in_key_order(&order)?;

    let deleted = rows.n - rows.n / KEPT_SHARE;
    let delete = timed_each("delete", deleted, |i| session.db.delete(&rows.key(order.row(i))))?;
    session.books.delete_rows(deleted);
    let early = peek("peek", &session, rows, &order, deleted)?;
    wait_until_quiet()?;
    let settled = peek("peek_settled", &session, rows, &order, deleted)?;
    session.db.flush()?;
    wait_until_quiet()?;
    let flushed = peek("peek_flushed", &session, rows, &order, deleted)?;
    session.books.measures.extend([delete, early, settled, flushed]);
    session.finish((deleted..rows.n).map(|rank| order.row(rank)), |_| 0)
}

/// Reads the first rows there are, from the open beginning; measured per peek.
fn peek<E: Engine>(
    name: &str,
    session: &Session<'_, E>,
    rows: &Rows,
    order: &KeyOrder,
    head: u64,
) -> Result<Measure> {
    let wanted = expected(rows, (head..head + PEEK_ROWS).map(|rank| order.row(rank)));
    timed(name, PEEKS, session.books.job.budget, |_| {
        let mut tally = Tally::default();
        session.db.scan(&Range { limit: PEEK_ROWS, ..Range::ALL }, &mut tally)?;
        ensure!(tally == wanted, "a peek saw {tally:?}, expected {wanted:?}");
        Ok(())
    })
}

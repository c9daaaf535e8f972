//! Durable puts: each is on the disk before it returns, by one thread or by several.

use anyhow::Result;
use lsm_bench_record::Outcome;

use super::session::{Session, in_threads};
use crate::engines::Engine;
use crate::keys::value;
use crate::measure::Worst;

/// Puts per run; a put that waits for a disk takes a hundred times as long as one that does not.
const MOST_PUTS: u64 = 10_000;

pub(super) fn puts<E: Engine>(mut session: Session<'_, E>, threads: u64) -> Result<Outcome> {
    let rows = session.rows();
    let puts = rows.n.min(MOST_PUTS);
    let (db, budget) = (&session.db, session.books.job.budget);
    // Thread t puts the rows t, t + threads, t + 2 threads, ...
    let (section, parts) = in_threads(threads, |thread| {
        let mut worst = Worst::start();
        let mut done = 0;
        for i in (thread..puts).step_by(threads as usize) {
            db.put(&rows.key(i), &value(i, 0))?;
            worst.lap();
            done += 1;
            if worst.since_start() > budget {
                break;
            }
        }
        Ok((done, worst.ms()))
    })?;
    let done = parts.iter().map(|(done, _)| done).sum();
    let mut measure = section.end("", done);
    measure.cut = done < puts;
    measure.worst_ms = parts.iter().map(|(_, worst)| *worst).reduce(f64::max);
    session.books.measures.push(measure);
    session.books.put_rows(done);
    let live = (0..puts).filter(|i| i / threads < parts[(i % threads) as usize].0);
    session.finish(live, |_| 0)
}

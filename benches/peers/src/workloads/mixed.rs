//! One thread reads while another writes: what each costs the other.
//!
//! The reader begins after the first write and does its number of gets; the writer overwrites rows
//! until the reader is done. Both figures are wall clock per operation of their own thread; CPU is
//! shared out over all operations.

use std::cell::LazyCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context as _, Result};
use lsm_bench_record::{Measure, Outcome};

use super::session::{Session, in_threads};
use crate::choice::Random;
use crate::engines::Engine;
use crate::keys::{value, version_of};
use crate::measure::{Section, Worst, timed};

const READER: u64 = 0;

pub(super) fn read_while_writing<E: Engine>(mut session: Session<'_, E>) -> Result<Outcome> {
    session.load()?;
    let rows = session.rows();
    let mut random = Random::new(1);
    session.warm_up(|_| session.expect_row(random.below(rows.n), 0))?;

    let (db, budget) = (&session.db, session.books.job.budget);
    let (begun, done) = (AtomicBool::new(false), AtomicBool::new(false));
    let read = || {
        while !begun.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        let mut random = Random::new(2);
        let measure = timed("read", rows.n, budget, |_| {
            let i = random.below(rows.n);
            let version = db.get(&rows.key(i), |bytes| version_of(i, bytes))?;
            version.with_context(|| format!("row {i} is not there"))?.map(drop)
        });
        done.store(true, Ordering::Relaxed);
        measure
    };
    let write = || -> Result<Measure> {
        let mut random = Random::new(3);
        let section = Section::start();
        let mut worst = Worst::start();
        let mut writes = 0;
        while !done.load(Ordering::Relaxed) {
            writes += 1;
            let i = random.below(rows.n);
            let put = db.put(&rows.key(i), &value(i, writes));
            begun.store(true, Ordering::Relaxed);
            put?;
            worst.lap();
        }
        let mut measure = section.end("write", writes);
        measure.worst_ms = Some(worst.ms());
        Ok(measure)
    };
    let (section, mut measures) =
        in_threads(2, |thread| if thread == READER { read() } else { write() })?;

    let ops = measures.iter().map(|measure| measure.ops).sum();
    let cpu_ns_per_op = section.end("", ops).cpu_ns_per_op;
    measures.iter_mut().for_each(|measure| measure.cpu_ns_per_op = cpu_ns_per_op);
    let writes = ops - measures[READER as usize].ops;
    session.books.measures.extend(measures);
    session.books.put_rows(writes);

    // The last version of each row, from the same choices again; made when memory was looked at.
    let versions = LazyCell::new(|| {
        let mut versions = vec![0; rows.n as usize];
        let mut random = Random::new(3);
        (1..=writes).for_each(|version| versions[random.below(rows.n) as usize] = version);
        versions
    });
    session.finish(0..rows.n, |i| versions[i as usize])
}

//! One run: the open engine, what it was given so far, and the steps around the measured sections.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use lsm_bench_record::{Measure, Outcome, Resources};

use super::Job;
use crate::engines::{Engine, Range, Tally};
use crate::keys::{KEY_BYTES, KeyOrder, ROW_BYTES, Rows, check_value, tag, value};
use crate::measure::{
    Section, bytes_written, disk_bytes, peak_memory_bytes, process_cpu_ns, wait_until_quiet,
};

/// Rows per batch when loading.
const LOAD_BATCH: u64 = 1_000;
/// Rows read before reads are measured, and rows looked at after a run.
const SAMPLE: u64 = 10_000;

/// An open engine and the books of its run.
pub(super) struct Session<'a, E> {
    pub(super) db: E,
    pub(super) books: Books<'a>,
}

/// What a run was given and what it cost so far.
pub(super) struct Books<'a> {
    pub(super) job: &'a Job,
    /// Bytes that this process handed to the engine.
    pub(super) user_bytes: u64,
    pub(super) measures: Vec<Measure>,
    pub(super) rows_lost: Option<u64>,
    written_at_start: u64,
    baseline_memory_bytes: u64,
}

impl<'a> Books<'a> {
    pub(super) fn open(job: &'a Job) -> Result<Self> {
        Ok(Self {
            job,
            user_bytes: 0,
            measures: Vec::new(),
            rows_lost: None,
            written_at_start: bytes_written()?,
            baseline_memory_bytes: peak_memory_bytes()?,
        })
    }

    /// Accounts for `count` rows of the usual size.
    pub(super) fn put_rows(&mut self, count: u64) {
        self.user_bytes += count * ROW_BYTES;
    }

    pub(super) fn delete_rows(&mut self, count: u64) {
        self.user_bytes += count * KEY_BYTES as u64;
    }
}

impl<'a, E: Engine> Session<'a, E> {
    pub(super) fn open(job: &'a Job) -> Result<Self> {
        let books = Books::open(job)?;
        Ok(Self { db: E::open(&job.dir, job.options).context("opening")?, books })
    }

    pub(super) fn rows(&self) -> &'a Rows {
        &self.books.job.rows
    }

    /// Puts all rows in random order, and lets the engine come to rest.
    pub(super) fn load(&mut self) -> Result<()> {
        let shuffle = self.rows().shuffled();
        self.load_by(|i| shuffle.at(i))
    }

    /// Puts all rows in key order, and lets the engine come to rest.
    pub(super) fn load_in_key_order(&mut self, order: &KeyOrder) -> Result<()> {
        self.load_by(|i| order.row(i))
    }

    fn load_by(&mut self, row_at: impl Fn(u64) -> u64) -> Result<()> {
        let rows = self.rows();
        for start in (0..rows.n).step_by(LOAD_BATCH as usize) {
            let end = rows.n.min(start + LOAD_BATCH);
            let batch = (start..end).map(&row_at).map(|i| (rows.key(i), value(i, 0)));
            self.db.batch(batch).context("loading")?;
        }
        self.books.put_rows(rows.n);
        self.db.flush().context("flushing what was loaded")?;
        wait_until_quiet()?;
        Ok(())
    }

    /// Reads a sample of the rows, so that the measured section does not begin with cold caches.
    pub(super) fn warm_up(&self, mut read: impl FnMut(u64) -> Result<()>) -> Result<()> {
        let start = Instant::now();
        for i in 0..SAMPLE {
            read(i).context("warming up")?;
            if start.elapsed() > self.books.job.budget / 4 {
                break;
            }
        }
        Ok(())
    }

    /// Gets row `i` and checks that it is version `version`.
    pub(super) fn expect_row(&self, i: u64, version: u64) -> Result<()> {
        expect_row(&self.db, self.rows(), i, version)
    }

    /// Steps 3 and 4 of every workload: what it cost, and whether exactly the rows `live` are there,
    /// each in the version that `version` says.
    pub(super) fn finish(
        self,
        live: impl Iterator<Item = u64> + Clone,
        version: impl Fn(u64) -> u64,
    ) -> Result<Outcome> {
        let rows = self.rows();
        self.finish_with(expected(rows, live.clone()), |db| {
            let step = (live.clone().count() as u64 / SAMPLE).max(1) as usize;
            live.step_by(step).try_for_each(|i| expect_row(db, rows, i, version(i)))
        })
    }

    /// The same where rows or values are not the usual ones: `check` looks at single rows.
    pub(super) fn finish_with(
        self,
        expected: Tally,
        check: impl FnOnce(&E) -> Result<()>,
    ) -> Result<Outcome> {
        let Self { db, books } = self;
        let dir = &books.job.dir;
        ensure!(books.measures.iter().all(|measure| measure.ops > 0), "nothing was measured");

        let flush_start = Instant::now();
        db.flush().context("the final flush")?;
        let flush_ms = flush_start.elapsed().as_secs_f64() * 1e3;
        let written_bytes = bytes_written()? - books.written_at_start;
        let disk_at_end = disk_bytes(dir)?;

        let settle_start = Instant::now();
        let cpu_start_ns = process_cpu_ns();
        let settled = wait_until_quiet()?;
        let settle_ms = settle_start.elapsed().as_secs_f64() * 1e3;
        let settle_cpu_ms = (process_cpu_ns() - cpu_start_ns) as f64 / 1e6;
        let written_settled_bytes = bytes_written()? - books.written_at_start;
        let peak_memory_bytes = peak_memory_bytes()?;

        let mut found = Tally::default();
        db.scan(&Range::ALL, &mut found).context("the scan that verifies the run")?;
        ensure!(
            found == expected,
            "the rows at the end are not those that were written: found {found:?}, expected {expected:?}"
        );
        check(&db).context("verifying rows")?;
        db.close().context("closing")?;

        Ok(Outcome {
            measures: books.measures,
            resources: Resources {
                peak_memory_bytes,
                baseline_memory_bytes: books.baseline_memory_bytes,
                user_bytes: books.user_bytes,
                live_bytes: expected.bytes,
                written_bytes,
                written_settled_bytes,
                disk_bytes: disk_at_end,
                disk_settled_bytes: disk_bytes(dir)?,
                flush_ms,
                settle_ms,
                settle_cpu_ms,
                settled,
                rows_verified: found.rows,
                rows_lost: books.rows_lost,
            },
        })
    }
}

/// Gets row `i` and checks that it is version `version`.
pub(super) fn expect_row<E: Engine>(db: &E, rows: &Rows, i: u64, version: u64) -> Result<()> {
    db.get(&rows.key(i), |bytes| check_value(i, version, bytes))?
        .with_context(|| format!("row {i} is not there"))?
}

/// What a scan over exactly the rows `live` sees, if they have values of the usual size.
pub(super) fn expected(rows: &Rows, live: impl Iterator<Item = u64>) -> Tally {
    let mut tally = Tally::default();
    // Only the tag of a value is summed up: the version does not matter.
    let mut value = [0; ROW_BYTES as usize - KEY_BYTES];
    for i in live {
        value[..8].copy_from_slice(&tag(i).to_le_bytes());
        tally.see(&rows.key(i), &value);
    }
    tally
}

/// Runs `work` with the numbers `0..threads`, each in a thread, and times them from when all are
/// there and before any is let go. The section ends when its caller ends it.
pub(super) fn in_threads<T: Send>(
    threads: u64,
    work: impl Fn(u64) -> Result<T> + Sync,
) -> Result<(Section, Vec<T>)> {
    let (all_there, go) = (Barrier::new(threads as usize + 1), Barrier::new(threads as usize + 1));
    thread::scope(|scope| {
        let (all_there, go, work) = (&all_there, &go, &work);
        let handles: Vec<_> = (0..threads)
            .map(|number| {
                scope.spawn(move || {
                    all_there.wait();
                    go.wait();
                    work(number)
                })
            })
            .collect();
        all_there.wait();
        let section = Section::start();
        go.wait();
        let mut results = Vec::new();
        for handle in handles {
            let result = handle.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?;
            results.push(result?);
        }
        Ok((section, results))
    })
}

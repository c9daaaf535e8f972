//! A work queue: what waits is put at one end and taken off the other, and the next to
//! come is always found at once, however much was taken off before it.
//!
//! ```text
//! cargo run --release --example work_queue [STEPS]
//! ```
//!
//! It prints how long it takes to look at the ten next rows where 270,000 were just
//! deleted before them, at once and at rest; and then how long a push, a look at what is next
//! and a pop take, from the first to the last of so many steps (100,000 if nothing is said),
//! and what the store is like meanwhile.

#![expect(clippy::print_stdout, reason = "an example shows its work")]

use std::error::Error;
use std::time::{Duration, Instant};

use lsm_db::Lsm;

const ROWS: u64 = 300_000;
const DELETED: u64 = 270_000;
const PEEKS: u64 = 200;
const PEEK_ROWS: u64 = 10;
/// How many rows wait in the queue that is pushed to and popped from.
const WAITING: u64 = 1_000;
/// The steps are timed in so many parts.
const PARTS: u64 = 10;

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let steps = std::env::args().nth(1).map_or(Ok(100_000), |steps| steps.parse())?;
    drain()?;
    work(steps)
}

/// Keys in the order of numbers.
fn key(number: u64) -> String {
    format!("job/{number:012}")
}

/// What a job says; a hundred bytes.
const JOB: [u8; 100] = [b'j'; 100];

/// Deletes most of a queue from the front, and looks at what is next.
fn drain() -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let db = Lsm::open(dir.path())?;
    let begun = Instant::now();
    (0..ROWS).try_for_each(|number| db.put(key(number), JOB))?;
    println!("put {:.0} ns a row", per(begun.elapsed(), ROWS, 1e9));
    let begun = Instant::now();
    (0..DELETED).try_for_each(|number| db.delete(key(number)))?;
    println!("deleted {:.0} ns a row", per(begun.elapsed(), DELETED, 1e9));
    let (first, all) = peek(&db)?;
    println!("peeked, first {first:.1} us, average of {PEEKS} {all:.1} us");
    db.flush()?;
    wait_for_rest(&db);
    let (first, all) = peek(&db)?;
    println!("at rest, first {first:.1} us, average of {PEEKS} {all:.1} us");
    Ok(db.close()?)
}

/// How long the first look at the next rows takes, and how long one takes on average.
fn peek(db: &Lsm) -> Result<(f64, f64), Failure> {
    let mut first = Duration::ZERO;
    let begun = Instant::now();
    for number in 0..PEEKS {
        let mut expected = DELETED;
        for row in db.prefix("job/").take(PEEK_ROWS as usize) {
            let (found, _) = row?;
            assert_eq!(found, *key(expected).as_bytes(), "the head of the queue");
            expected += 1;
        }
        assert_eq!(expected, DELETED + PEEK_ROWS, "rows of a peek");
        if number == 0 {
            first = begun.elapsed();
        }
    }
    Ok((per(first, 1, 1e6), per(begun.elapsed(), PEEKS, 1e6)))
}

/// Waits until nothing was flushed or merged for a while.
fn wait_for_rest(db: &Lsm) {
    let done = || {
        let stats = db.stats();
        (stats.flushes, stats.compactions)
    };
    let mut before = done();
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let now = done();
        if now == before {
            return;
        }
        before = now;
    }
}

/// Pushes at the back and pops at the front.
fn work(steps: u64) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let db = Lsm::open(dir.path())?;
    (0..WAITING).try_for_each(|number| db.put(key(number), JOB))?;
    let part = (steps / PARTS).max(1);
    for from in (0..steps).step_by(part as usize) {
        let (mut push, mut peek, mut pop) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let to = steps.min(from + part);
        for number in from..to {
            let begun = Instant::now();
            db.put(key(number + WAITING), JOB)?;
            let pushed = Instant::now();
            let (next, _) = db.prefix("job/").next().ok_or("the queue is empty")??;
            let peeked = Instant::now();
            assert_eq!(next, *key(number).as_bytes(), "the head of the queue");
            db.delete(&next)?;
            push += pushed - begun;
            peek += peeked - pushed;
            pop += peeked.elapsed();
        }
        let [push, peek, pop] = [push, peek, pop].map(|time| per(time, to - from, 1e6));
        let stats = db.stats();
        println!(
            "up to step {to}: push {push:.2} us, peek {peek:.2} us, pop {pop:.2} us; \
             runs {}, tables {}, {} KiB",
            stats.runs,
            stats.tables,
            stats.table_bytes >> 10
        );
    }
    Ok(db.close()?)
}

/// Units of time for each of so many.
fn per(time: Duration, count: u64, units: f64) -> f64 {
    time.as_secs_f64() * units / count as f64
}

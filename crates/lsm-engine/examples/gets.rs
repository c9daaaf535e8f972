//! What a get takes, in nanoseconds: of a store at rest, and of one with sixteen runs.
//!
//! `cargo run --release -p lsm-engine --features bloom --example gets [ROWS [STORE]]`.
//! The best and the median of many rounds over a part of the keys each, in an order that
//! looks random, one at a time and 64 at once. Keys have 16 decimal digits, values 100
//! bytes.

#![expect(clippy::print_stdout, reason = "it tells what it measured")]

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use lsm_engine::{Engine, Options};
use lsm_testkit::Rng;

/// Short ones, so that some of them have the processor to themselves.
const ROUNDS: usize = 96;
/// A round asks for one key of so many.
const PART: usize = 12;

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let rows = std::env::args().nth(1).map_or(Ok(300_000), |rows| rows.parse::<u64>())?;
    let only = std::env::args().nth(2);
    for (name, runs) in [("at rest", None), ("sixteen runs", Some(16)), ("by calls", None)] {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let options = Options {
            compaction_trigger: if runs.is_some() { usize::MAX } else { 2 },
            mmap_reads: name != "by calls",
            ..Options::default()
        };
        let dir = tempfile::tempdir()?;
        let engine = Engine::open(dir.path(), options)?;
        fill(&engine, rows, runs.unwrap_or(1))?;
        for missing in [false, true] {
            for together in [1, 64] {
                let (best, median) = measure(&engine, rows, missing, together)?;
                let what = if missing { "miss" } else { "hit" };
                println!("{name}, {what} by {together}: best {best:.0}, median {median:.0}");
            }
        }
        engine.close()?;
    }
    Ok(())
}

fn key(mut number: u64) -> [u8; 16] {
    let mut key = [b'0'; 16];
    for digit in key.iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
    }
    key
}

/// Every second number has a row; each run has rows of the whole range.
fn fill(engine: &Engine, rows: u64, runs: u64) -> Result<(), Failure> {
    for run in 0..runs {
        for row in (run..rows).step_by(runs as usize) {
            engine.put(&key(2 * row), &[row as u8; 100])?;
        }
        if runs > 1 {
            engine.flush()?;
        }
    }
    engine.flush()?;
    let mut merges = u64::MAX;
    while runs == 1 && merges != engine.stats().compactions {
        merges = engine.stats().compactions;
        std::thread::sleep(Duration::from_millis(500));
    }
    let stats = engine.stats();
    println!("{rows} rows; {:?}", stats.levels);
    Ok(())
}

fn measure(
    engine: &Engine,
    rows: u64,
    missing: bool,
    together: usize,
) -> Result<(f64, f64), Failure> {
    let mut order: Vec<_> = (0..rows).map(|row| 2 * row + u64::from(missing)).collect();
    let mut rng = Rng::new(1);
    for left in (1..order.len()).rev() {
        order.swap(left, rng.below(left as u64 + 1) as usize);
    }
    let mut rounds = Vec::new();
    let parts = order.chunks(order.len().div_ceil(PART)).cycle();
    for order in parts.take(ROUNDS) {
        let begun = Instant::now();
        let mut found = 0;
        if together == 1 {
            for number in order {
                found += usize::from(black_box(engine.get(&key(*number))?).is_some());
            }
        }
        for numbers in order.chunks(together).filter(|_| together > 1) {
            let keys: Vec<_> = numbers.iter().map(|number| key(*number)).collect();
            found += black_box(engine.get_many(&keys)?).iter().flatten().count();
        }
        rounds.push(begun.elapsed().as_nanos() as f64 / order.len() as f64);
        assert_eq!(found, if missing { 0 } else { order.len() });
    }
    rounds.sort_by(f64::total_cmp);
    let at = |place: usize| rounds.get(place).copied().unwrap_or_default();
    Ok((at(0), at(ROUNDS / 2)))
}

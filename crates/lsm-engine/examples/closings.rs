//! How long closing takes in the middle of merges, in milliseconds.
//!
//! `cargo run --release -p lsm-engine --example closings [TIMES]`. A store is filled at random
//! until merges are due, what is in memory is flushed, and a moment later it is closed: what is
//! measured is how long merges go on when they are told to end. A second figure is a closing
//! that has four memtables to flush besides. The directory is beside the system's temporary
//! files unless `TMPDIR` says otherwise.

#![expect(clippy::print_stdout, reason = "it tells what it measured")]

use std::error::Error;
use std::time::{Duration, Instant};

use lsm_engine::{Engine, Options};
use lsm_testkit::Rng;

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let times = std::env::args().nth(1).map_or(Ok(50), |times| times.parse::<usize>())?;
    let dir = tempfile::tempdir()?;
    let mut rng = Rng::new(11);
    for flushed in [true, false] {
        let (mut took, mut cut_off) = (Vec::new(), 0);
        while took.len() < times {
            let engine = Engine::open(dir.path(), Options::default())?;
            fill(&engine, &mut rng)?;
            if flushed {
                engine.flush()?;
            }
            std::thread::sleep(Duration::from_millis(rng.below(40)));
            let before = engine.stats();
            let began = Instant::now();
            engine.close()?;
            took.push(began.elapsed());
            // Merges read all along.
            let reads = before.background_bytes_read > 0;
            cut_off += usize::from(reads && before.compactions > 0);
        }
        took.sort();
        let ms = |part: f64| {
            let at = ((took.len() - 1) as f64 * part) as usize;
            took.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        println!(
            "{} closings, {cut_off} of them among merges, {}: median {:.1}, 90% {:.1}, worst {:.1}",
            took.len(),
            if flushed { "nothing to flush" } else { "with what is in memory" },
            ms(0.5),
            ms(0.9),
            ms(1.0)
        );
    }
    Ok(())
}

/// Forty megabytes at random, out of a hundred.
fn fill(engine: &Engine, rng: &mut Rng) -> Result<(), Failure> {
    let mut value = [7; 100];
    for _ in 0..350_000 {
        value[..8].copy_from_slice(&rng.next_u64().to_le_bytes());
        engine.put(format!("{:016}", rng.below(1_000_000)).as_bytes(), &value)?;
    }
    Ok(())
}

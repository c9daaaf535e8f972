//! With the feature `bloom` each table has a filter in a file beside it, and a lookup
//! of a key that is not there passes over the tables without reading them. Shown on a
//! store of many overlapping runs that is never compacted: hits and misses are timed,
//! the filter files listed; then they are removed, and every answer stays the same.
//!
//! ```text
//! cargo run --release --example bloom_point_reads --features bloom
//! ```

#![expect(clippy::print_stdout, reason = "an example shows its work")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use lsm_db::{Lsm, LsmConfig};

const RUNS: u32 = 24;
const KEYS_PER_RUN: u32 = 2_000;
const LOOKUPS: u32 = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let db = open(dir.path())?;
    fill(&db)?;
    let runs = db.stats().runs;
    println!("{runs} runs of {KEYS_PER_RUN} keys each; every run spans the whole key range");

    let sidecars = sidecars(dir.path())?;
    let bytes = sidecars.iter().map(|path| path.metadata().map_or(0, |meta| meta.len()));
    println!("{} filter files, {} bytes in all, such as:", sidecars.len(), bytes.sum::<u64>());
    for path in sidecars.iter().take(3) {
        println!("  {}", path.file_name().unwrap_or_default().display());
    }

    println!("with the filters:");
    time_lookups(&db)?;
    db.close()?;

    for path in &sidecars {
        fs::remove_file(path)?;
    }
    let db = open(dir.path())?;
    println!("opened again without the filter files; the answers are the same:");
    time_lookups(&db)?;
    db.close()?;
    Ok(())
}

/// Opens with compaction off, so that the runs stay many, and without the block cache,
/// so that a lookup shows what it costs to read a table.
fn open(dir: &Path) -> Result<Lsm, Box<dyn Error>> {
    let config = LsmConfig::new().compaction_trigger(usize::MAX).block_cache_capacity(0);
    Ok(Lsm::open_with(dir, config)?)
}

/// Deals the keys out to the runs in turn, so that the range of a run excludes no key.
fn fill(db: &Lsm) -> Result<(), Box<dyn Error>> {
    for run in 0..RUNS {
        for n in 0..KEYS_PER_RUN {
            db.put(present(n * RUNS + run), b"value")?;
        }
        db.flush()?;
    }
    Ok(())
}

/// Times keys that are there and keys that lie between them, and checks each answer.
fn time_lookups(db: &Lsm) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    for n in spread() {
        if db.get(present(n))?.is_none() {
            return Err("a key that was put is not found".into());
        }
    }
    report("hits", start);

    let start = Instant::now();
    for n in spread() {
        if db.get(absent(n))?.is_some() {
            return Err("a key that was never put is found".into());
        }
    }
    report("misses", start);
    Ok(())
}

/// Key numbers all over the range, in an order that favours no run.
fn spread() -> impl Iterator<Item = u32> {
    (0..LOOKUPS).map(|n| n.wrapping_mul(2_654_435_761) % (RUNS * KEYS_PER_RUN))
}

fn report(what: &str, start: Instant) {
    let micros = start.elapsed().as_secs_f64() * 1e6 / f64::from(LOOKUPS);
    println!("  {LOOKUPS} {what}: {micros:.2} microseconds each");
}

fn present(n: u32) -> String {
    format!("key{n:08}")
}

/// A key that sorts right behind the one that is there.
fn absent(n: u32) -> String {
    format!("key{n:08}.")
}

/// The filter files of the store, by name.
fn sidecars(dir: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "bloom") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

//! What a merge takes: a run of 48 MiB and a smaller one above it become one.
//!
//! `cargo run --release -p lsm-engine --features bloom,lz4 --example merges`. Milliseconds, the
//! median of five merges, and of them those of the processor, all threads together. *Apart*:
//! the upper run has a stretch of one hundredth of the keys. *Spread*: it has every
//! two-hundredth key. *Woven*: it has every other key.

#![expect(clippy::print_stdout, reason = "it tells what it measured")]

use std::error::Error;
use std::time::{Duration, Instant};

use lsm_engine::{Engine, Options, ScanRange};
use lsm_sstable::Codec;
use lsm_testkit::Rng;

const BYTES: u64 = 48 << 20;
const ROUNDS: u64 = 5;

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let codecs =
        if cfg!(feature = "lz4") { &[Codec::Plain, Codec::Lz4][..] } else { &[Codec::Plain] };
    for codec in codecs {
        for value_bytes in [100, 4 << 10, 64 << 10] {
            for shape in ["apart", "spread", "woven"] {
                let (wall, cpu) = measure(*codec, value_bytes, shape)?;
                let ms = |time: Duration| time.as_secs_f64() * 1e3;
                println!(
                    "{codec:?}, values of {value_bytes}, {shape}: {:.0} ms, processor {:.0} ms",
                    ms(wall),
                    ms(cpu)
                );
            }
        }
    }
    Ok(())
}

/// What a merge takes in time, and of the processor.
fn measure(codec: Codec, value_bytes: u64, shape: &str) -> Result<(Duration, Duration), Failure> {
    let options = Options {
        memtable_capacity: 1 << 30,
        compaction_trigger: usize::MAX,
        codec,
        ..Options::default()
    };
    let dir = tempfile::tempdir()?;
    let engine = Engine::open(dir.path(), options)?;
    let rows = BYTES / (value_bytes + 16);
    put(&engine, 0..rows, value_bytes)?;
    let everything = ScanRange::new(&(..));
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        match shape {
            "apart" => put(&engine, rows / 2..rows / 2 + rows.div_ceil(100), value_bytes)?,
            "spread" => put(&engine, (round * 7..rows).step_by(200), value_bytes)?,
            _ => put(&engine, (round % 2..rows).step_by(2), value_bytes)?,
        }
        let (began, cpu) = (Instant::now(), processor_time()?);
        engine.compact_range(&everything)?;
        times.push((began.elapsed(), processor_time()? - cpu));
    }
    times.sort();
    let median = times.get(times.len() / 2).copied();
    engine.close()?;
    median.ok_or_else(|| "no round".into())
}

/// Writes rows, half of whose bytes can be packed, and flushes.
fn put(engine: &Engine, numbers: impl Iterator<Item = u64>, bytes: u64) -> Result<(), Failure> {
    let mut rng = Rng::new(9);
    let mut value = vec![b'x'; bytes as usize];
    for number in numbers {
        for piece in value.chunks_mut(16) {
            let noise = rng.next_u64().to_le_bytes();
            piece.iter_mut().zip(noise).for_each(|(to, from)| *to = from);
        }
        engine.put(format!("{number:016}").as_bytes(), &value)?;
    }
    Ok(engine.flush()?)
}

/// What all threads of this process took of the processor.
fn processor_time() -> Result<Duration, Failure> {
    let mut total = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        let ns = text.split_whitespace().next().ok_or("no times")?;
        total += ns.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(total))
}

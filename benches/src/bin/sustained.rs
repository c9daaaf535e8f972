//! How evenly a store takes writes: it is filled for some time, and each second counts.
//!
//! `cargo run --release -p lsm-benches --features bloom --bin sustained -- SECONDS
//! [random|sequential|overwrite] [THREADS]`. Rows have keys of 16 bytes and values of
//! 100; `overwrite` chooses among a million keys. Printed are the rate of the slowest
//! second and the median one, the longest puts, also without the time in which they waited for
//! a processor that others had, how long writers were slowed down and
//! stopped, what was written for a byte put (with the flush and with merges until
//! nothing is due), and the memory that is not a mapped file's.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "what was measured is printed")]

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use lsm_benches::TempStore;
use lsm_db::{Error, LsmConfig, Result};
use lsm_testkit::Rng;

const KEY_BYTES: usize = 16;
const VALUE_BYTES: usize = 100;
const OVERWRITTEN: u64 = 1_000_000;
/// Asking the system costs as much as some puts.
const PUTS_BETWEEN_LOOKS: u64 = 256;
const LONG: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Copy)]
enum Order {
    Random,
    Sequential,
    Overwrite,
}

impl Order {
    fn key(self, number: u64, rng: &mut Rng) -> [u8; KEY_BYTES] {
        let mut key = [0; KEY_BYTES];
        let number = match self {
            Self::Random => rng.next_u64(),
            Self::Sequential => number,
            Self::Overwrite => rng.below(OVERWRITTEN),
        };
        key[..8].copy_from_slice(&number.to_be_bytes());
        key
    }
}

/// Long puts, and how many there were above 1, 5, 10 and 20 ms.
#[derive(Default)]
struct Long {
    longest: AtomicU64,
    above: [AtomicU64; 4],
}

impl Long {
    fn note(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.longest.fetch_max(nanos, Relaxed);
        for (limit, count) in [1, 5, 10, 20].iter().zip(&self.above) {
            count.fetch_add(u64::from(took >= Duration::from_millis(*limit)), Relaxed);
        }
    }

    fn show(&self, what: &str) {
        let above = self.above.each_ref().map(|count| count.load(Relaxed));
        println!(
            "{what} {:.2?}; above 1 ms {}, 5 ms {}, 10 ms {}, 20 ms {}",
            Duration::from_nanos(self.longest.load(Relaxed)),
            above[0],
            above[1],
            above[2],
            above[3]
        );
    }
}

/// What the writers found.
#[derive(Default)]
struct Found {
    puts: AtomicU64,
    long: Long,
    /// The same without the time in which the thread waited for a processor.
    working: Long,
}

/// Tells how long a thread has waited for a processor, where the system does.
struct Waiting(Option<File>);

impl Waiting {
    fn of_this_thread() -> Self {
        Self(File::open("/proc/thread-self/schedstat").ok())
    }

    fn so_far(&self) -> Duration {
        let mut bytes = [0; 96];
        let read = self.0.as_ref().and_then(|file| file.read_at(&mut bytes, 0).ok());
        let text = bytes.get(..read.unwrap_or_default()).map(String::from_utf8_lossy);
        let text = text.unwrap_or_default();
        let waited = text.split_whitespace().nth(1).and_then(|nanos| nanos.parse().ok());
        Duration::from_nanos(waited.unwrap_or_default())
    }
}

/// A line of what the system says of this process, in KiB.
fn memory_kib(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// Counts the puts of each second, and the most anonymous memory seen.
fn watch(found: &Found, seconds: u64) -> (Vec<u64>, u64) {
    let (begun, mut rates, mut before, mut most_kib) = (Instant::now(), Vec::new(), 0, 0);
    for second in 1..=seconds {
        let until = SECOND * u32::try_from(second).unwrap_or(u32::MAX);
        while begun.elapsed() < until {
            thread::sleep(Duration::from_millis(20).min(until - begun.elapsed().min(until)));
            most_kib = most_kib.max(memory_kib("RssAnon"));
        }
        let puts = found.puts.load(Relaxed);
        rates.push(puts - before);
        before = puts;
    }
    (rates, most_kib)
}

fn run(seconds: u64, order: Order, threads: u64) -> Result<()> {
    let store = TempStore::new(LsmConfig::new())?;
    let (found, stop) = (Found::default(), AtomicBool::new(false));
    let (rates, most_kib) = thread::scope(|scope| {
        let writers: Vec<_> = (0..threads)
            .map(|thread| {
                let (db, found, stop) = (&store.db, &found, &stop);
                scope.spawn(move || -> Result<()> {
                    let mut rng = Rng::new(thread);
                    let waiting = Waiting::of_this_thread();
                    let (mut waited, mut longest) = (waiting.so_far(), Duration::ZERO);
                    for number in 0.. {
                        if stop.load(Relaxed) {
                            break;
                        }
                        let key = order.key(number * threads + thread, &mut rng);
                        let mut value = [0; VALUE_BYTES];
                        value.chunks_mut(8).for_each(|part| {
                            part.copy_from_slice(&rng.next_u64().to_le_bytes()[..part.len()]);
                        });
                        let begun = Instant::now();
                        db.put(key, value)?;
                        let took = begun.elapsed();
                        found.long.note(took);
                        longest = longest.max(took);
                        if number % PUTS_BETWEEN_LOOKS == 0 || took > LONG {
                            let now = waiting.so_far();
                            found.working.note(longest.saturating_sub(now - waited));
                            (waited, longest) = (now, Duration::ZERO);
                        }
                        found.puts.fetch_add(1, Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        let watched = watch(&found, seconds);
        stop.store(true, Relaxed);
        for writer in writers {
            writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok::<_, Error>(watched)
    })?;
    let puts = found.puts.load(Relaxed);
    let raw = puts * (KEY_BYTES + VALUE_BYTES) as u64;
    let stats = store.db.stats();
    report(&rates, puts, &found);
    println!("slowed {:.2?} and stopped {:.2?}, all writers together", stats.slowed, stats.stopped);
    println!("memory that is not a file's: {} MiB at most", most_kib >> 10);
    let amplification = |written: u64| written as f64 / raw.max(1) as f64;
    println!("runs {}, tables {}", stats.runs, stats.tables);
    println!("written for a byte: {:.2}", amplification(stats.background_bytes_written));
    let begun = Instant::now();
    store.db.flush()?;
    store.db.wait_idle()?;
    let stats = store.db.stats();
    println!("settled after {:.2?}: runs {}, tables {}", begun.elapsed(), stats.runs, stats.tables);
    println!("written for a byte: {:.2}", amplification(stats.background_bytes_written));
    let TempStore { db, dir } = store;
    db.close()?;
    drop(dir);
    Ok(())
}

fn report(rates: &[u64], puts: u64, found: &Found) {
    let mut sorted = rates.to_vec();
    sorted.sort_unstable();
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    let least = sorted.first().copied().unwrap_or_default();
    let texts: Vec<_> = rates.iter().map(|rate| (rate / 1000).to_string()).collect();
    println!("thousand puts in each second: {}", texts.join(" "));
    println!(
        "{puts} puts; a second: median {median}, least {least}, {:.2} of the median",
        least as f64 / median.max(1) as f64
    );
    found.long.show("longest put");
    found.working.show("the same but for waiting for a processor:");
}

fn main() -> Result<()> {
    let args: Vec<_> = env::args().skip(1).collect();
    let wrong =
        || Error::from(std::io::Error::other("SECONDS [random|sequential|overwrite] [THREADS]"));
    let number = |at: usize, default: u64| match args.get(at) {
        Some(text) => text.parse::<u64>().map_err(|_| wrong()),
        None => Ok(default),
    };
    let order = match args.get(1).map(String::as_str) {
        None | Some("random") => Order::Random,
        Some("sequential") => Order::Sequential,
        Some("overwrite") => Order::Overwrite,
        Some(_) => return Err(wrong()),
    };
    run(number(0, 20)?, order, number(2, 1)?.max(1))
}

//! What a run cost: time and CPU of a section, and what the process has written and held.
//!
//! - CPU is the process CPU clock, all threads, user and system.
//! - Bytes written are `write_bytes` of `/proc/self/io`: the kernel adds a page there when it is
//!   first dirtied, by `write` or through a mapping, on its way to a disk. It is not counted on a file
//!   system without a disk (tmpfs), and a small synced append counts a whole page each time.
//! - Peak memory is `VmHWM` of `/proc/self/status`; it includes mapped file pages.
//! - Bytes on disk are allocated blocks (`st_blocks`), so that a sparse or preallocated file counts
//!   what it takes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lsm_bench_record::{Measure, proc_field};
use rustix::time::{ClockId, clock_gettime};

/// `st_blocks` counts in these, whatever the file system's own block is.
const STAT_BLOCK_BYTES: u64 = 512;
/// A store is at rest when nothing moved in this many looks in a row ...
const QUIET_LOOKS: u32 = 5;
/// ... this far apart ...
const LOOK_INTERVAL: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 50 });
/// ... where less CPU than this between two looks is not work (2 % of one core).
const IDLE_CPU_NS: u64 = 1_000_000;
/// A store that is busy for this long is left alone; the run then says that it had not settled.
const LONGEST_SETTLE: Duration = Duration::from_secs(180);
/// The longest stretch of operations between two looks at the clock.
const LONGEST_STRETCH: u64 = 4096;
/// A stretch grows until it takes this long.
const STRETCH_TARGET: Duration = Duration::from_millis(1);

/// A section being timed.
pub(crate) struct Section {
    start: Instant,
    cpu_start_ns: u64,
}

impl Section {
    pub(crate) fn start() -> Self {
        Self { cpu_start_ns: process_cpu_ns(), start: Instant::now() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Ends the section, which did `ops` operations; `name` tells several measures of a workload apart.
    pub(crate) fn end(self, name: &str, ops: u64) -> Measure {
        let elapsed = self.start.elapsed();
        let cpu_ns = process_cpu_ns() - self.cpu_start_ns;
        let per_op = |total_ns: f64| if ops == 0 { 0.0 } else { total_ns / ops as f64 };
        Measure {
            name: name.to_owned(),
            ops,
            ns_per_op: per_op(elapsed.as_nanos() as f64),
            cpu_ns_per_op: per_op(cpu_ns as f64),
            worst_ms: None,
            cut: false,
        }
    }
}

/// Times `ops` operations as one section, with two clock readings per stretch of them: the way for
/// operations that are as short as a clock reading. Stops early, and says so, when `budget` is spent.
pub(crate) fn timed(
    name: &str,
    ops: u64,
    budget: Duration,
    mut op: impl FnMut(u64) -> Result<()>,
) -> Result<Measure> {
    let section = Section::start();
    let (mut done, mut stretch) = (0, 1);
    let mut before = Duration::ZERO;
    while done < ops && before < budget {
        let end = ops.min(done + stretch);
        for i in done..end {
            op(i)?;
        }
        done = end;
        let now = section.elapsed();
        if now - before < STRETCH_TARGET {
            stretch = (stretch * 2).min(LONGEST_STRETCH);
        }
        before = now;
    }
    let mut measure = section.end(name, done);
    measure.cut = done < ops;
    Ok(measure)
}

/// Times `ops` operations one by one and keeps the longest: the way for single writes. There is no
/// budget, because a fill that is cut short is another workload.
pub(crate) fn timed_each(
    name: &str,
    ops: u64,
    mut op: impl FnMut(u64) -> Result<()>,
) -> Result<Measure> {
    let section = Section::start();
    let mut worst = Worst::start();
    for i in 0..ops {
        op(i)?;
        worst.lap();
    }
    let mut measure = section.end(name, ops);
    measure.worst_ms = Some(worst.ms());
    Ok(measure)
}

/// The longest of consecutive operations, with one clock reading each.
pub(crate) struct Worst {
    start: Instant,
    last: Instant,
    longest: Duration,
}

impl Worst {
    pub(crate) fn start() -> Self {
        let now = Instant::now();
        Self { start: now, last: now, longest: Duration::ZERO }
    }

    pub(crate) fn lap(&mut self) {
        let now = Instant::now();
        self.longest = self.longest.max(now - self.last);
        self.last = now;
    }

    /// From the start to the last lap, without another clock reading.
    pub(crate) fn since_start(&self) -> Duration {
        self.last - self.start
    }

    pub(crate) fn ms(&self) -> f64 {
        self.longest.as_secs_f64() * 1e3
    }
}

/// Waits until the process has stopped computing and writing. Returns whether it did.
pub(crate) fn wait_until_quiet() -> Result<bool> {
    let start = Instant::now();
    let mut quiet = 0;
    let mut before = (process_cpu_ns(), bytes_written()?);
    while quiet < QUIET_LOOKS {
        if start.elapsed() > LONGEST_SETTLE {
            return Ok(false);
        }
        thread::sleep(LOOK_INTERVAL);
        let now = (process_cpu_ns(), bytes_written()?);
        let idle = now.0 - before.0 < IDLE_CPU_NS && now.1 == before.1;
        quiet = if idle { quiet + 1 } else { 0 };
        before = now;
    }
    Ok(true)
}

/// CPU nanoseconds of this process so far, all threads, user and system.
pub(crate) fn process_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Bytes this process has caused to be written so far.
pub(crate) fn bytes_written() -> Result<u64> {
    let text = fs::read_to_string("/proc/self/io").context("reading /proc/self/io")?;
    proc_field(&text, "write_bytes:").context("no write_bytes in /proc/self/io")
}

/// The most memory this process has held, in bytes.
pub(crate) fn peak_memory_bytes() -> Result<u64> {
    let text = fs::read_to_string("/proc/self/status").context("reading /proc/self/status")?;
    let kib = proc_field(&text, "VmHWM:").context("no VmHWM in /proc/self/status")?;
    Ok(kib * 1024)
}

/// Allocated bytes of everything under `dir`. A file that a store removes meanwhile is skipped.
pub(crate) fn disk_bytes(dir: &Path) -> Result<u64> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        entries => entries.with_context(|| format!("reading {}", dir.display()))?,
    };
    let mut total = 0;
    for entry in entries {
        let entry = entry?;
        let Ok(metadata) = entry.metadata() else { continue };
        total += if metadata.is_dir() {
            disk_bytes(&entry.path())?
        } else {
            metadata.blocks() * STAT_BLOCK_BYTES
        };
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A budget that is spent at once still does one stretch, and says that it was cut.
    #[test]
    fn a_spent_budget_cuts_after_one_stretch() {
        let measure = timed("x", 1_000, Duration::from_nanos(1), |_| Ok(())).unwrap();
        assert!(measure.cut);
        assert_eq!(measure.ops, 1);
    }

    /// Every index is handed out once and in order, however the stretches fall.
    #[test]
    fn stretches_cover_every_index_once() {
        let mut seen = Vec::new();
        let measure = timed("x", 10_000, Duration::from_secs(60), |i| {
            seen.push(i);
            Ok(())
        });
        assert_eq!(measure.unwrap().ops, 10_000);
        assert!(seen.iter().copied().eq(0..10_000));
    }
}

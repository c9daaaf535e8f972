//! The workloads: their names, and what they share.
//!
//! Every workload runs in these steps, in one process and one empty folder:
//! 1. load rows, flush, wait until the background work is at rest, warm up (those that read);
//! 2. the measured sections, each checking what it reads;
//! 3. flush, note what was written and what it takes on disk; wait for rest, note it again;
//! 4. verify by a scan that exactly the right rows are there; close.
//!
//! A workload knows no engine by name. It fails with an error when a row, a count or a sum is wrong.

mod durable;
mod fill;
mod large;
mod mixed;
mod queue;
mod read;
mod reopen;
mod scan;
mod session;
#[cfg(test)]
mod tests;
mod ycsb;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use lsm_bench_record::{Outcome, Settings};

pub(crate) use reopen::write_and_die;
use session::Session;

use crate::engines::{Engine, Options, WRITE_BUFFER_BYTES};
use crate::keys::{ROW_BYTES, Rows};

/// Everything a workload is told.
pub(crate) struct Job {
    pub(crate) rows: Rows,
    pub(crate) dir: PathBuf,
    pub(crate) options: Options,
    /// Reads and scans stop after this long.
    pub(crate) budget: Duration,
    /// Runs this program as a child that writes and is killed; the engine's name is in it.
    pub(crate) writer: Writer,
}

/// Starts the process that [`write_and_die`] is for, on the folder of the job, and waits for its end.
pub(crate) type Writer = Box<dyn Fn() -> Result<()>>;

impl Job {
    /// How many rows stay in the write buffer of every engine, whatever it counts as its size.
    fn rows_in_buffer(&self) -> u64 {
        let buffer_bytes = match self.options.settings {
            Settings::Equal => WRITE_BUFFER_BYTES,
            // The smallest default of the engines.
            Settings::Defaults => 4 << 20,
        };
        // Half, because some count their own bookkeeping as well.
        self.rows.n.min(buffer_bytes as u64 / 2 / ROW_BYTES)
    }
}

/// The workloads by name. "rows" is what `--n` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Work {
    /// Put all rows in key order
    FillSeq,
    /// Put all rows in random order
    FillRandom,
    /// The same by two threads
    #[value(name = "fill_random_2t")]
    FillRandom2t,
    /// Load, then put all rows again three times, each time in another order
    Overwrite,
    /// Put all rows in random order, in batches of 1,000; per row
    Batch,
    /// Load; get rows at random
    GetUniform,
    /// Load; get one row in a hundred, at random
    GetHot,
    /// Load; get keys that are not there but lie between those that are
    GetMissing,
    /// Load; get rows at random by two threads
    #[value(name = "get_uniform_2t")]
    GetUniform2t,
    /// Put as many rows as stay in the write buffer; get them at random
    GetMemtable,
    /// Load; scan everything, five times; per row
    ScanFull,
    /// The same backward
    ScanReverse,
    /// As scan_full, by the store's call for streaming rows, if that is another one
    StreamFull,
    /// The same backward
    StreamReverse,
    /// Load; scans of 10 rows between two keys; per scan
    #[value(name = "scan_10")]
    Scan10,
    /// Load; scans of 100 rows between two keys; per scan
    #[value(name = "scan_100")]
    Scan100,
    /// Put as many rows as stay in the write buffer; scan everything, five times; per row
    ScanMemtable,
    /// Load; one thread gets at random while another puts at random
    ReadWhileWriting,
    /// Load in key order, delete the front 90 %; peek at the first ten rows: at once, settled, flushed
    Queue,
    /// Single puts, each on the disk before it returns
    #[value(name = "durable_1")]
    Durable1,
    /// The same by four threads
    #[value(name = "durable_4")]
    Durable4,
    /// The same by sixteen threads
    #[value(name = "durable_16")]
    Durable16,
    /// Load, close; open and get one row, five times
    ReopenClean,
    /// Another process puts, flushes after 90 %, is killed at the end; open and get one row
    ReopenKill,
    /// The same with durable batches of 1,000 and no flush: every row must be there
    ReopenKillDurable,
    /// Put and get values of 64 KiB, one for a hundred rows
    #[value(name = "value_64k")]
    Value64k,
    /// Half reads, half updates, zipfian
    YcsbA,
    /// 95 % reads, 5 % updates, zipfian
    YcsbB,
    /// Reads, zipfian
    YcsbC,
    /// 95 % reads of the latest rows, 5 % inserts
    YcsbD,
    /// 95 % scans of 1 to 100 rows from a zipfian start, 5 % inserts
    YcsbE,
    /// Half reads, half read-modify-writes, zipfian
    YcsbF,
}

impl Work {
    /// The name on the command line and in results.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    pub(crate) fn about(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }

    /// Whether every write is to be on the disk before its call returns.
    pub(crate) fn is_durable(self) -> bool {
        matches!(self, Self::Durable1 | Self::Durable4 | Self::Durable16 | Self::ReopenKillDurable)
    }

    /// Does the work.
    pub(crate) fn run<E: Engine>(self, job: &Job) -> Result<Outcome> {
        let session = || Session::<E>::open(job);
        match self {
            Self::FillSeq => fill::in_key_order(session()?),
            Self::FillRandom => fill::shuffled(session()?),
            Self::FillRandom2t => fill::shuffled_by_threads(session()?, 2),
            Self::Overwrite => fill::overwrite(session()?, 3),
            Self::Batch => fill::batches(session()?, 1_000),
            Self::GetUniform => read::uniform(session()?),
            Self::GetHot => read::hot(session()?),
            Self::GetMissing => read::missing(session()?),
            Self::GetUniform2t => read::uniform_by_threads(session()?, 2),
            Self::GetMemtable => read::memtable(session()?),
            Self::ScanFull => scan::full(session()?, false, E::scan),
            Self::ScanReverse => scan::full(session()?, true, E::scan),
            Self::StreamFull => scan::full(session()?, false, E::stream),
            Self::StreamReverse => scan::full(session()?, true, E::stream),
            Self::Scan10 => scan::bounded(session()?, 10),
            Self::Scan100 => scan::bounded(session()?, 100),
            Self::ScanMemtable => scan::memtable(session()?),
            Self::ReadWhileWriting => mixed::read_while_writing(session()?),
            Self::Queue => queue::queue(session()?),
            Self::Durable1 => durable::puts(session()?, 1),
            Self::Durable4 => durable::puts(session()?, 4),
            Self::Durable16 => durable::puts(session()?, 16),
            Self::ReopenClean => reopen::clean(session()?),
            Self::ReopenKill | Self::ReopenKillDurable => reopen::after_kill::<E>(job),
            Self::Value64k => large::put_and_get(session()?),
            Self::YcsbA => ycsb::run::<E>(job, ycsb::Mix::A),
            Self::YcsbB => ycsb::run::<E>(job, ycsb::Mix::B),
            Self::YcsbC => ycsb::run::<E>(job, ycsb::Mix::C),
            Self::YcsbD => ycsb::run::<E>(job, ycsb::Mix::D),
            Self::YcsbE => ycsb::run::<E>(job, ycsb::Mix::E),
            Self::YcsbF => ycsb::run::<E>(job, ycsb::Mix::F),
        }
    }
}

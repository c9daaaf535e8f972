//! What is taken of a run: one number for each timed section, or one for the whole of it.

use std::fmt;

use crate::choice::Choice;
use crate::results::{Measure, RunRecord};
use crate::text::{grouped, short};

const MIB: f64 = 1_048_576.0;

/// What a table shows. Less is better in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Wall clock per operation, in nanoseconds.
    Time,
    /// The longest single write, in nanoseconds.
    Worst,
    /// CPU per operation, background threads included, in nanoseconds.
    Cpu,
    /// Peak memory of the process, in MiB.
    Memory,
    /// Bytes written per byte that the user wrote, when the last operation was flushed.
    Written,
    /// The same when the background work had come to rest.
    WrittenSettled,
    /// Bytes on disk per byte of the rows that are there, when the last operation was flushed.
    Disk,
    /// The same when settled and closed.
    DiskSettled,
    /// Rows that were gone after a kill.
    Lost,
}

impl Choice for Figure {
    const ALL: &'static [Self] = &[
        Self::Time,
        Self::Worst,
        Self::Cpu,
        Self::Memory,
        Self::Written,
        Self::WrittenSettled,
        Self::Disk,
        Self::DiskSettled,
        Self::Lost,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Worst => "worst",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Written => "written",
            Self::WrittenSettled => "written_settled",
            Self::Disk => "disk",
            Self::DiskSettled => "disk_settled",
            Self::Lost => "lost",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Time => "Wall clock per operation",
            Self::Worst => "The longest single write",
            Self::Cpu => "CPU per operation, background threads included",
            Self::Memory => "Peak memory of the process",
            Self::Written => {
                "Bytes written per byte that the user wrote, when the last operation was flushed"
            }
            Self::WrittenSettled => {
                "Bytes written per byte that the user wrote, when the background work had come to \
                 rest"
            }
            Self::Disk => {
                "Bytes on disk per byte of the rows that are there, when the last operation was \
                 flushed"
            }
            Self::DiskSettled => {
                "Bytes on disk per byte of the rows that are there, when settled and closed"
            }
            Self::Lost => "Rows that were gone after a kill",
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One number of one run.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    /// The measure it belongs to; empty if the workload has one, or the number is the run's.
    pub(crate) measure: String,
    pub(crate) value: f64,
    /// The budget stopped what it is about.
    pub(crate) cut: bool,
}

impl Figure {
    /// The numbers of one run.
    pub(crate) fn of(self, run: &RunRecord) -> Vec<Taken> {
        let resources = &run.outcome.resources;
        let per = |bytes: u64, of: u64| (of > 0).then(|| bytes as f64 / of as f64);
        match self {
            Self::Time => per_measure(run, |measure| Some(measure.ns_per_op)),
            Self::Worst => per_measure(run, |measure| measure.worst_ms.map(|ms| ms * 1e6)),
            Self::Cpu => per_measure(run, |measure| Some(measure.cpu_ns_per_op)),
            Self::Memory => per_run(Some(resources.peak_memory_bytes as f64 / MIB)),
            Self::Written => per_run(per(resources.written_bytes, resources.user_bytes)),
            Self::WrittenSettled => {
                per_run(per(resources.written_settled_bytes, resources.user_bytes))
            }
            Self::Disk => per_run(per(resources.disk_bytes, resources.live_bytes)),
            Self::DiskSettled => per_run(per(resources.disk_settled_bytes, resources.live_bytes)),
            Self::Lost => per_run(resources.rows_lost.map(|rows| rows as f64)),
        }
    }

    /// The unit in which a row is best shown whose smallest value is `smallest`: of those for times,
    /// the largest of which it has one.
    #[must_use]
    pub fn unit(self, smallest: f64) -> Unit {
        match self {
            Self::Time | Self::Worst | Self::Cpu => match smallest {
                ns if ns < 1e3 => Unit { name: "ns", size: 1.0 },
                ns if ns < 1e6 => Unit { name: "µs", size: 1e3 },
                _ => Unit { name: "ms", size: 1e6 },
            },
            Self::Memory => Unit { name: "MiB", size: 1.0 },
            Self::Written | Self::WrittenSettled | Self::Disk | Self::DiskSettled => {
                Unit { name: "×", size: 1.0 }
            }
            Self::Lost => Unit { name: "rows", size: 1.0 },
        }
    }

    /// A single value with its unit.
    #[must_use]
    pub fn text(self, value: f64) -> String {
        let unit = self.unit(value);
        match self {
            Self::Lost => format!("{} {}", grouped(value.round() as u64), unit.name),
            _ => format!("{} {}", short(value / unit.size), unit.name),
        }
    }
}

/// A unit: what it is called, and how much of the figure's own unit it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit {
    /// What stands behind the number.
    pub name: &'static str,
    /// What a value is divided by.
    pub size: f64,
}

fn per_measure(run: &RunRecord, value: impl Fn(&Measure) -> Option<f64>) -> Vec<Taken> {
    let taken = |measure: &Measure| {
        let value = value(measure)?;
        Some(Taken { measure: measure.name.clone(), value, cut: measure.cut })
    };
    run.outcome.measures.iter().filter_map(taken).collect()
}

fn per_run(value: Option<f64>) -> Vec<Taken> {
    let taken = |value| Taken { measure: String::new(), value, cut: false };
    value.map(taken).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{OURS, Results};

    #[test]
    fn a_value_is_shown_in_a_unit_of_its_size() {
        assert_eq!(Figure::Time.text(882.0), "882 ns");
        assert_eq!(Figure::Time.text(21_029.0), "21.0 µs");
        assert_eq!(Figure::Worst.text(163_300_000.0), "163 ms");
        assert_eq!(Figure::Written.text(1.1), "1.10 ×");
        assert_eq!(Figure::Lost.text(30_000.0), "30,000 rows");
    }

    /// A run that wrote nothing of the user's own has no figure rather than an infinite one.
    #[test]
    fn bytes_per_no_byte_are_no_figure() {
        let mut results = Results::for_tests(&[(1, OURS, "get", 1.0)]);
        let run = &mut results.runs[0];
        run.outcome.resources.written_bytes = 4096;
        assert!(Figure::Written.of(run).is_empty());
        run.outcome.resources.user_bytes = 2048;
        assert_eq!(Figure::Written.of(run)[0].value, 2.0);
    }
}

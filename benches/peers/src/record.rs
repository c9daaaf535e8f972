//! The JSON: what one child reports, and the file that `run` writes.
//!
//! The file holds the raw figures of every round and nothing derived: medians and ratios are for
//! whoever reads it. A field that changes its meaning or goes changes [`FORMAT`].

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::cli::Usage;
use crate::engines::Settings;
use crate::keys::Shape;

/// Name and version of the file format.
pub(crate) const FORMAT: &str = "lsm-peers/1";

/// The file that `run` writes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) format: String,
    /// Seconds since 1970 at the start.
    pub(crate) started_unix_s: u64,
    pub(crate) machine: Machine,
    pub(crate) settings: Conditions,
    pub(crate) engines: Vec<EngineRecord>,
    pub(crate) runs: Vec<RunRecord>,
    pub(crate) failures: Vec<Failure>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) kernel: String,
    /// The type of the file system the databases were on.
    pub(crate) file_system: String,
}

/// What all runs of a file have in common.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Conditions {
    pub(crate) n: u64,
    pub(crate) rounds: u32,
    pub(crate) keys: Shape,
    pub(crate) settings: Settings,
    pub(crate) key_bytes: u64,
    pub(crate) value_bytes: u64,
    /// The sizes under `equal` settings; under `defaults` every engine has its own.
    pub(crate) write_buffer_bytes: u64,
    pub(crate) cache_bytes: u64,
    pub(crate) filter_bits_per_key: u32,
    /// Reads and scans stop after this long; a measure that was stopped says `cut`.
    pub(crate) budget_s: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EngineRecord {
    pub(crate) name: String,
    pub(crate) version: String,
    /// What an acknowledged write survives in the durable workloads, and in all others.
    pub(crate) durable_promise: String,
    pub(crate) plain_promise: String,
}

/// One child process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RunRecord {
    /// From 1.
    pub(crate) round: u32,
    pub(crate) engine: String,
    pub(crate) workload: String,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

/// A run that gave no figures: it crashed, hung, or did not do its work.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) round: u32,
    pub(crate) engine: String,
    pub(crate) workload: String,
    pub(crate) error: String,
}

/// What a child prints.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) measures: Vec<Measure>,
    pub(crate) resources: Resources,
}

/// One timed section.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Measure {
    /// Empty if the workload has one measure.
    pub(crate) name: String,
    pub(crate) ops: u64,
    /// Wall clock per operation; with several threads, of all their operations together.
    pub(crate) ns_per_op: f64,
    /// CPU of the whole process, background threads included, per operation.
    pub(crate) cpu_ns_per_op: f64,
    /// The longest single write, where single writes are the work.
    pub(crate) worst_ms: Option<f64>,
    /// Stopped by the budget before all operations were done.
    pub(crate) cut: bool,
}

/// What a child used, loading included.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Resources {
    /// Peak memory from start to settled, before the rows are verified.
    pub(crate) peak_memory_bytes: u64,
    /// Peak memory before the engine was opened: the program and the tables of the workload.
    pub(crate) baseline_memory_bytes: u64,
    /// Key and value bytes of every put, and key bytes of every delete.
    pub(crate) user_bytes: u64,
    /// Key and value bytes of the rows that are there at the end.
    pub(crate) live_bytes: u64,
    /// Bytes written to files when the last operation was done and its buffer flushed.
    pub(crate) written_bytes: u64,
    /// The same after the background work had come to rest.
    pub(crate) written_settled_bytes: u64,
    /// Allocated bytes of the files at the same two moments; the second is after closing.
    pub(crate) disk_bytes: u64,
    pub(crate) disk_settled_bytes: u64,
    /// Time of the final flush, time from there until rest, and CPU spent in that time.
    pub(crate) flush_ms: f64,
    pub(crate) settle_ms: f64,
    pub(crate) settle_cpu_ms: f64,
    /// False if the background work was still running after three minutes.
    pub(crate) settled: bool,
    /// Rows found by the scan that verified the run.
    pub(crate) rows_verified: u64,
    /// Rows that were written but gone after a kill; only where a kill is part of the work.
    pub(crate) rows_lost: Option<u64>,
}

impl Measure {
    /// No operation yet.
    pub(crate) fn none() -> Self {
        Self {
            name: String::new(),
            ops: 0,
            ns_per_op: 0.0,
            cpu_ns_per_op: 0.0,
            worst_ms: None,
            cut: false,
        }
    }

    /// Adds the operations of a section that does not follow immediately.
    pub(crate) fn add(&mut self, other: &Self) {
        let ops = self.ops + other.ops;
        let mean = |a: f64, b: f64| (a * self.ops as f64 + b * other.ops as f64) / ops as f64;
        self.ns_per_op = mean(self.ns_per_op, other.ns_per_op);
        self.cpu_ns_per_op = mean(self.cpu_ns_per_op, other.cpu_ns_per_op);
        self.ops = ops;
    }
}

impl Results {
    /// Writes the file as a whole or not at all.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let unfinished = path.with_extension("json.unfinished");
        let text = serde_json::to_string_pretty(self)?;
        fs::write(&unfinished, text + "\n")
            .and_then(|()| fs::rename(&unfinished, path))
            .with_context(|| format!("writing {}", path.display()))
    }

    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .map_err(|error| Usage::new(format!("cannot read {}: {error}", path.display())))?;
        let json: serde_json::Value = serde_json::from_str(&text)
            .map_err(|error| Usage::new(format!("{} is not JSON: {error}", path.display())))?;
        match json.get("format").and_then(|format| format.as_str()) {
            Some(FORMAT) => {}
            Some(other) => {
                let text = format!(
                    "{} has the format `{other}`, this program reads `{FORMAT}`: \
                     measure again, or use the program that wrote it",
                    path.display()
                );
                return Err(Usage::new(text).into());
            }
            None => {
                let text = format!("{} was not written by `lsm-peers run`", path.display());
                return Err(Usage::new(text).into());
            }
        }
        let results = serde_json::from_value(json)
            .map_err(|error| Usage::new(format!("{} is damaged: {error}", path.display())))?;
        Ok(results)
    }
}

#[cfg(test)]
impl Results {
    /// Two engines and nothing measured.
    pub(crate) fn for_tests() -> Self {
        let engine = |name: &str| EngineRecord {
            name: name.to_owned(),
            version: String::new(),
            durable_promise: String::new(),
            plain_promise: String::new(),
        };
        Self {
            format: FORMAT.to_owned(),
            started_unix_s: 0,
            machine: Machine {
                cpu: String::new(),
                cores: 1,
                memory_bytes: 0,
                kernel: String::new(),
                file_system: String::new(),
            },
            settings: Conditions {
                n: 1_000,
                rounds: 1,
                keys: Shape::Decimal,
                settings: Settings::Equal,
                key_bytes: 16,
                value_bytes: 100,
                write_buffer_bytes: 0,
                cache_bytes: 0,
                filter_bits_per_key: 10,
                budget_s: 1,
            },
            engines: vec![engine("ours"), engine("redb")],
            runs: Vec::new(),
            failures: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read back is what was written, and a file of another version is refused.
    #[test]
    fn a_file_of_another_version_is_bad_input() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("results.json");
        let mut results = Results::for_tests();
        results.save(&path)?;
        assert_eq!(Results::load(&path)?.engines.len(), 2);

        results.format = "lsm-peers/0".to_owned();
        results.save(&path)?;
        let error = Results::load(&path).unwrap_err();
        assert!(error.is::<Usage>() && error.to_string().contains("lsm-peers/0"), "{error}");
        Ok(())
    }
}

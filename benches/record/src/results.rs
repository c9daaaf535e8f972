//! The file of `lsm-peers run`: what one child reported, for every round, engine and workload.
//!
//! It holds the raw figures and nothing derived: medians and ratios are for whoever reads it. A
//! field that changes its meaning or goes changes [`FORMAT`].

use serde::{Deserialize, Serialize};

use crate::choice::{Settings, Shape};
use crate::machine::Machine;

/// Name and version of the file format.
pub const FORMAT: &str = "lsm-peers/1";

/// The engine that ratios are about: the store of this repository.
pub const OURS: &str = "ours";

/// The file that `run` writes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// [`FORMAT`].
    pub format: String,
    /// Seconds since 1970 at the start.
    pub started_unix_s: u64,
    /// Where it was measured.
    pub machine: Machine,
    /// Under which conditions.
    pub settings: Conditions,
    /// Who took part.
    pub engines: Vec<EngineRecord>,
    /// What came out.
    pub runs: Vec<RunRecord>,
    /// What did not.
    pub failures: Vec<Failure>,
}

/// What all runs of a file have in common.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Conditions {
    /// Rows.
    pub n: u64,
    /// Rounds that were asked for.
    pub rounds: u32,
    /// The shape of the keys.
    pub keys: Shape,
    /// Who decided about sizes.
    pub settings: Settings,
    /// Bytes of a key.
    pub key_bytes: u64,
    /// Bytes of a value.
    pub value_bytes: u64,
    /// The size of the write buffer under `equal` settings; under `defaults` every engine has its
    /// own, as it has of the next two.
    pub write_buffer_bytes: u64,
    /// The size of the cache.
    pub cache_bytes: u64,
    /// The bits of a filter.
    pub filter_bits_per_key: u32,
    /// Reads and scans stop after this long; a measure that was stopped says `cut`.
    pub budget_s: u64,
}

/// A store that took part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EngineRecord {
    /// What it is called in the runs.
    pub name: String,
    /// The version that was linked.
    pub version: String,
    /// What an acknowledged write survives in the durable workloads.
    pub durable_promise: String,
    /// What it survives in all others.
    pub plain_promise: String,
}

/// One child process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunRecord {
    /// From 1.
    pub round: u32,
    /// Its engine.
    pub engine: String,
    /// Its workload.
    pub workload: String,
    /// What it reported.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// A run that gave no figures: it crashed, hung, or did not do its work.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// From 1.
    pub round: u32,
    /// Its engine.
    pub engine: String,
    /// Its workload.
    pub workload: String,
    /// What it said.
    pub error: String,
}

/// What a child prints.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// What took how long.
    pub measures: Vec<Measure>,
    /// What the whole of it used.
    pub resources: Resources,
}

/// One timed section.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measure {
    /// Empty if the workload has one measure.
    pub name: String,
    /// Operations that were done.
    pub ops: u64,
    /// Wall clock per operation; with several threads, of all their operations together.
    pub ns_per_op: f64,
    /// CPU of the whole process, background threads included, per operation.
    pub cpu_ns_per_op: f64,
    /// The longest single write, where single writes are the work.
    pub worst_ms: Option<f64>,
    /// Stopped by the budget before all operations were done.
    pub cut: bool,
}

/// What a child used, loading included.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Resources {
    /// Peak memory from start to settled, before the rows are verified.
    pub peak_memory_bytes: u64,
    /// Peak memory before the engine was opened: the program and the tables of the workload.
    pub baseline_memory_bytes: u64,
    /// Key and value bytes of every put, and key bytes of every delete.
    pub user_bytes: u64,
    /// Key and value bytes of the rows that are there at the end.
    pub live_bytes: u64,
    /// Bytes written to files when the last operation was done and its buffer flushed.
    pub written_bytes: u64,
    /// The same after the background work had come to rest.
    pub written_settled_bytes: u64,
    /// Allocated bytes of the files when the last operation was done and its buffer flushed.
    pub disk_bytes: u64,
    /// The same when settled and closed.
    pub disk_settled_bytes: u64,
    /// Time of the final flush.
    pub flush_ms: f64,
    /// Time from there until rest.
    pub settle_ms: f64,
    /// CPU spent in that time.
    pub settle_cpu_ms: f64,
    /// False if the background work was still running after three minutes.
    pub settled: bool,
    /// Rows found by the scan that verified the run.
    pub rows_verified: u64,
    /// Rows that were written but gone after a kill; only where a kill is part of the work.
    pub rows_lost: Option<u64>,
}

impl Measure {
    /// No operation yet.
    #[must_use]
    pub fn none() -> Self {
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
    pub fn add(&mut self, other: &Self) {
        let ops = self.ops + other.ops;
        let mean = |a: f64, b: f64| (a * self.ops as f64 + b * other.ops as f64) / ops as f64;
        self.ns_per_op = mean(self.ns_per_op, other.ns_per_op);
        self.cpu_ns_per_op = mean(self.cpu_ns_per_op, other.cpu_ns_per_op);
        self.ops = ops;
    }
}

impl Results {
    /// The place of an engine among [`Results::engines`].
    #[must_use]
    pub fn engine(&self, name: &str) -> Option<usize> {
        self.engines.iter().position(|engine| engine.name == name)
    }

    /// The workloads in the order of their first run, those that only failed behind them.
    #[must_use]
    pub fn workloads(&self) -> Vec<&str> {
        let ran = self.runs.iter().map(|run| run.workload.as_str());
        let failed = self.failures.iter().map(|failure| failure.workload.as_str());
        let mut names = Vec::new();
        for name in ran.chain(failed) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Figures out of nowhere, for the tests of readers: a thousand rows, and of each engine named
    /// in `runs`, as `(round, engine, workload, ns_per_op)`, one measure for each of its runs.
    #[must_use]
    pub fn for_tests(runs: &[(u32, &str, &str, f64)]) -> Self {
        let mut results = Self {
            format: FORMAT.to_owned(),
            started_unix_s: 0,
            machine: Machine {
                cpu: "a processor".to_owned(),
                cores: 1,
                memory_bytes: 1 << 30,
                kernel: "1.0".to_owned(),
                file_system: "ext4".to_owned(),
            },
            settings: Conditions {
                n: 1_000,
                rounds: runs.iter().map(|run| run.0).max().unwrap_or(1),
                keys: Shape::Decimal,
                settings: Settings::Equal,
                key_bytes: 16,
                value_bytes: 100,
                write_buffer_bytes: 1 << 20,
                cache_bytes: 1 << 20,
                filter_bits_per_key: 10,
                budget_s: 1,
            },
            engines: Vec::new(),
            runs: Vec::new(),
            failures: Vec::new(),
        };
        for &(round, engine, workload, ns_per_op) in runs {
            if results.engine(engine).is_none() {
                results.engines.push(EngineRecord {
                    name: engine.to_owned(),
                    version: "1".to_owned(),
                    durable_promise: "synced".to_owned(),
                    plain_promise: "not synced".to_owned(),
                });
            }
            let measure = Measure { ops: 1_000, ns_per_op, ..Measure::none() };
            let resources = Resources { settled: true, ..Resources::default() };
            let outcome = Outcome { measures: vec![measure], resources };
            let (engine, workload) = (engine.to_owned(), workload.to_owned());
            results.runs.push(RunRecord { round, engine, workload, outcome });
        }
        results
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_that_only_failed_is_one_too() {
        let mut results = Results::for_tests(&[(1, OURS, "get", 1.0), (2, OURS, "get", 1.0)]);
        results.failures.push(Failure {
            round: 1,
            engine: OURS.to_owned(),
            workload: "scan".to_owned(),
            error: "it hung".to_owned(),
        });
        assert_eq!(results.workloads(), ["get", "scan"]);
        assert_eq!(results.engine(OURS), Some(0));
    }

    #[test]
    fn sections_add_up_by_their_operations() {
        let mut total = Measure::none();
        total.add(&Measure { ops: 1, ns_per_op: 10.0, ..Measure::none() });
        total.add(&Measure { ops: 3, ns_per_op: 2.0, ..Measure::none() });
        assert_eq!((total.ops, total.ns_per_op), (4, 4.0));
    }
}

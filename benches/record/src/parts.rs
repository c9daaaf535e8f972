//! The file of `cargo xtask bench collect`: what criterion found about the parts.

use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// Name and version of the file format.
pub const PARTS_FORMAT: &str = "lsm-parts/1";

/// The file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Parts {
    /// [`PARTS_FORMAT`].
    pub format: String,
    /// Seconds since 1970 at the end of the last benchmark.
    pub measured_unix_s: u64,
    /// Where it was measured, with the file system of temporary folders.
    pub machine: Machine,
    /// The benchmarks, sorted.
    pub parts: Vec<Part>,
}

/// One benchmark: criterion's estimate of the median of its passes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The group, such as `table/get`.
    pub group: String,
    /// The function in its group; empty if the group has one.
    pub function: String,
    /// The parameter of the function; empty if it has none.
    pub parameter: String,
    /// Nanoseconds of a pass.
    pub median_ns: f64,
    /// The lower end of the confidence interval of the median.
    pub low_ns: f64,
    /// Its upper end.
    pub high_ns: f64,
    /// How sure the interval is, from 0 to 1.
    pub confidence: f64,
    /// Entries of a pass, if the benchmark says how many.
    pub elements: Option<u64>,
    /// Bytes of a pass, if the benchmark says how many.
    pub bytes: Option<u64>,
}

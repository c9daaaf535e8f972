//! Criterion's figures, gathered from where it leaves them into one file.
//!
//! Criterion keeps a folder for each benchmark; in it, `new/benchmark.json` says what was measured
//! and `new/estimates.json` what came out. Benchmarks that were renamed leave their old folders
//! behind, which are gathered too: empty the folder before measuring.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use lsm_bench_record::{Machine, PARTS_FORMAT, Part, Parts};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Error;
use crate::{files, workspace};

const BENCHMARK: &str = "new/benchmark.json";
const ESTIMATES: &str = "new/estimates.json";

/// Gathers what criterion left in `from`, or where cargo builds, into the file `out`; says how many
/// benchmarks that are.
///
/// # Errors
///
/// The folder is not there, has no figures, or has files that are not criterion's; `out` cannot be
/// written.
pub fn collect(root: &Path, from: Option<PathBuf>, out: &Path) -> Result<usize, Error> {
    let from = match from {
        Some(from) => from,
        None => workspace::target_dir(root)?.join("criterion"),
    };
    let (parts, last) = gathered(&from)?;
    let temporary = std::env::temp_dir();
    let machine = Machine::describe(&temporary)
        .map_err(|error| Error::input(format!("cannot describe the machine: {error}")))?;
    let measured_unix_s = last.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let format = PARTS_FORMAT.to_owned();
    let count = parts.len();
    Parts { format, measured_unix_s, machine, parts }.save(out)?;
    Ok(count)
}

/// The benchmarks below `from`, sorted, and when the last of them ended.
fn gathered(from: &Path) -> Result<(Vec<Part>, SystemTime), Error> {
    let none = || {
        let text = format!("{} has no figures: run `cargo bench -p lsm-benches`", from.display());
        Error::input(text)
    };
    if !from.is_dir() {
        return Err(none());
    }
    let mut parts = Vec::new();
    let mut last = UNIX_EPOCH;
    for file in files::walk(from, "", &|_| true)? {
        let Some(folder) = file.strip_suffix(BENCHMARK) else { continue };
        let estimates = from.join(format!("{folder}{ESTIMATES}"));
        parts.push(part(read(&from.join(&file))?, &read(&estimates)?));
        let ended = fs::metadata(&estimates).and_then(|metadata| metadata.modified());
        last = last.max(ended.unwrap_or(UNIX_EPOCH));
    }
    if parts.is_empty() {
        return Err(none());
    }
    // A parameter that is a number is in the order of numbers.
    parts.sort_by_cached_key(|part| {
        let number: Option<u64> = part.parameter.parse().ok();
        (part.group.clone(), part.function.clone(), number, part.parameter.clone())
    });
    Ok((parts, last))
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = fs::read_to_string(path)
        .map_err(|error| Error::input(format!("cannot read {}: {error}", path.display())))?;
    serde_json::from_str(&text).map_err(|error| {
        Error::input(format!("{} is not as criterion writes it: {error}", path.display()))
    })
}

fn part(benchmark: Benchmark, estimates: &Estimates) -> Part {
    let (elements, bytes) = match benchmark.throughput {
        None | Some(Throughput::Bits(_)) => (None, None),
        Some(Throughput::Elements(elements)) => (Some(elements), None),
        Some(Throughput::Bytes(bytes) | Throughput::BytesDecimal(bytes)) => (None, Some(bytes)),
        Some(Throughput::ElementsAndBytes { elements, bytes }) => (Some(elements), Some(bytes)),
    };
    let median = &estimates.median;
    Part {
        group: benchmark.group_id,
        function: benchmark.function_id.unwrap_or_default(),
        parameter: benchmark.value_str.unwrap_or_default(),
        median_ns: median.point_estimate,
        low_ns: median.confidence_interval.lower_bound,
        high_ns: median.confidence_interval.upper_bound,
        confidence: median.confidence_interval.confidence_level,
        elements,
        bytes,
    }
}

/// What criterion says about a benchmark; so are the other types below.
#[derive(Deserialize)]
struct Benchmark {
    group_id: String,
    function_id: Option<String>,
    value_str: Option<String>,
    throughput: Option<Throughput>,
}

#[derive(Deserialize)]
enum Throughput {
    Bits(#[expect(dead_code, reason = "read to be known, shown nowhere")] u64),
    Bytes(u64),
    BytesDecimal(u64),
    Elements(u64),
    ElementsAndBytes { elements: u64, bytes: u64 },
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    confidence_interval: Interval,
    point_estimate: f64,
}

#[derive(Deserialize)]
struct Interval {
    confidence_level: f64,
    lower_bound: f64,
    upper_bound: f64,
}

#[cfg(test)]
mod tests {
    use lsm_bench_record::Recorded;

    use super::*;

    fn leave(dir: &Path, folder: &str, benchmark: &str, median: f64) {
        let new = dir.join(folder).join("new");
        fs::create_dir_all(&new).unwrap();
        fs::write(new.join("benchmark.json"), benchmark).unwrap();
        let estimate = format!(
            "{{\"confidence_interval\": {{\"confidence_level\": 0.95, \"lower_bound\": 1.0, \
             \"upper_bound\": 9.0}}, \"point_estimate\": {median}, \"standard_error\": 0.1}}"
        );
        let estimates = format!("{{\"mean\": {estimate}, \"median\": {estimate}}}");
        fs::write(new.join("estimates.json"), estimates).unwrap();
    }

    /// As criterion leaves them, and by number where the parameter is one.
    #[test]
    fn what_criterion_leaves_is_gathered_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let merge = |count: u64| {
            format!(
                "{{\"group_id\": \"merge\", \"function_id\": null, \"value_str\": \"{count}\", \
                 \"throughput\": {{\"Elements\": 100}}, \"full_id\": \"merge/{count}\", \
                 \"directory_name\": \"merge/{count}\", \"title\": \"merge/{count}\"}}"
            )
        };
        leave(dir.path(), "merge/16", &merge(16), 5.0);
        leave(dir.path(), "merge/2", &merge(2), 3.0);
        let out = dir.path().join("parts.json");
        let count = collect(dir.path(), Some(dir.path().to_owned()), &out).unwrap();
        assert_eq!(count, 2);
        let Recorded::Parts(parts) = Recorded::load(&out).unwrap() else { panic!("other format") };
        assert_eq!(parts.parts[0].parameter, "2");
        assert_eq!(parts.parts[0].elements, Some(100));
        assert_eq!((parts.parts[1].median_ns, parts.parts[1].high_ns), (5.0, 9.0));
    }

    #[test]
    fn a_folder_without_figures_is_bad_input() {
        let dir = tempfile::tempdir().unwrap();
        let from = |folder: &str| gathered(&dir.path().join(folder)).unwrap_err();
        assert!(from("absent").is_bad_input() && from("").to_string().contains("cargo bench"));
        leave(dir.path(), "x", "{}", 1.0);
        assert!(from("").to_string().contains("not as criterion writes it"));
    }
}

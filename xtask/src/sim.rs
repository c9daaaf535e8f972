//! The simulation, for all feature sets: builds `sim` of lsm-testkit for each, runs the same
//! seeds, adds up what they covered and compares what they answered.
//!
//! Steps for each set: `cargo run --release --bin sim` with the features; pass on what it
//! prints; read the counts, which are lines of a name and a number, and the digest of all
//! answers. A run that fails has printed the seed and the history, and is a [`Finding`] that
//! names the command; so are digests that differ, and figures that were not reached.
#![expect(clippy::print_stdout, reason = "the run tells a terminal or a log how far it has come")]

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Finding, Result};

/// The features of each build: what is logged, and what tables are like, by turns.
pub(crate) const SETS: [&str; 4] = ["", "durability", "bloom,lz4", "durability,bloom,lz4"];
/// Seeds of each set in a run of usual length.
const SEEDS: u64 = 42;
/// What a run of usual length comes to at least, all sets together.
const FIGURES: [(&str, u64); 4] = [
    ("crash images", 200_000),
    ("model operations", 5_000_000),
    ("damaged stores", 20_000),
    ("single-fault runs", 1_500),
];
const DIGEST: &str = "digest of all answers";
const FILE: &str = "crates/lsm-testkit/src/sim.rs";

/// What `cargo xtask sim` is told.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Seeds for each feature set; with the usual number and length the figures of
    /// docs/RELIABILITY.md have to be reached.
    #[arg(long, value_name = "N")]
    pub seeds: Option<u64>,
    /// Operations of a seed's long history.
    #[arg(long, value_name = "M")]
    pub ops: Option<u64>,
    /// The first seed.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Only the builds with these features, such as `durability,bloom`, or `none`; may be
    /// given several times.
    #[arg(long = "features-set", value_name = "FEATURES")]
    pub sets: Vec<String>,
    /// Only this part of each seed: model, crashes, images, threads, damage or failing.
    #[arg(long, value_name = "NAME")]
    pub part: Option<String>,
}

/// What `cargo xtask soak` is told.
#[derive(Clone, Debug, clap::Args)]
pub struct Soak {
    /// So many times as much as `cargo xtask sim` does.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub times: u64,
    /// The first seed; those of `cargo xtask sim` are others.
    #[arg(long, value_name = "S", default_value_t = 1_000_000)]
    pub seed: u64,
}

/// Runs the seeds with every feature set.
///
/// # Errors
///
/// A feature set that cannot be.
pub fn run(root: &Path, arguments: &Arguments) -> Result<Vec<Finding>> {
    let is_usual = arguments.seeds.is_none()
        && arguments.ops.is_none()
        && arguments.sets.is_empty()
        && arguments.part.is_none();
    let sets = sets(&arguments.sets)?;
    let mut words = vec!["--seeds".to_owned(), arguments.seeds.unwrap_or(SEEDS).to_string()];
    words.extend(["--seed".to_owned(), arguments.seed.to_string()]);
    words.extend(arguments.ops.iter().flat_map(|ops| ["--ops".to_owned(), ops.to_string()]));
    words.extend(arguments.part.iter().flat_map(|part| ["--part".to_owned(), part.clone()]));
    Ok(run_sets(root, &sets, &words, u64::from(is_usual)))
}

/// The same for longer.
#[must_use]
pub fn soak(root: &Path, soak: &Soak) -> Vec<Finding> {
    let seeds = (SEEDS * soak.times).to_string();
    let words = ["--seeds".to_owned(), seeds, "--seed".to_owned(), soak.seed.to_string()];
    run_sets(root, &SETS.map(str::to_owned), &words, soak.times)
}

fn sets(asked: &[String]) -> Result<Vec<String>> {
    let known = ["durability", "bloom", "lz4"];
    for set in asked.iter().filter(|set| *set != "none") {
        if let Some(unknown) = set.split(',').find(|feature| !known.contains(feature)) {
            let remedy = "name some of them, with commas and without blanks, or `none`";
            let expected = format!("features among {}", known.join(", "));
            return Err(Finding::new("lsm-db/Cargo.toml", 0, expected, unknown, remedy));
        }
    }
    let named = |set: &String| if set == "none" { String::new() } else { set.clone() };
    Ok(match asked {
        [] => SETS.iter().map(|set| (*set).to_owned()).collect(),
        asked => asked.iter().map(named).collect(),
    })
}

/// Runs the sets one after the other; the figures have to be reached so many times over.
fn run_sets(root: &Path, sets: &[String], words: &[String], times: u64) -> Vec<Finding> {
    let mut sum = Told::default();
    let mut digests = Vec::new();
    for set in sets {
        let name = if set.is_empty() { "no features" } else { set };
        println!("== {name}");
        match run_set(root, set, words) {
            Ok(told) => {
                digests.push((name, told.digest.clone()));
                sum.add(&told);
            }
            Err(finding) => return vec![finding],
        }
    }
    println!("== all together");
    sum.counts.iter().for_each(|(name, count)| println!("{name}: {count}"));
    let mut findings: Vec<_> = differing(&digests).into_iter().collect();
    for (name, least) in FIGURES {
        let (least, found) = (least * times, sum.counts.get(name).copied().unwrap_or(0));
        if found < least {
            let expected = format!("at least {least} {name}");
            let remedy = "raise what a seed does, or the seeds";
            findings.push(Finding::new(FILE, 0, expected, found.to_string(), remedy));
        }
    }
    findings
}

/// Builds of other features answered otherwise.
fn differing(digests: &[(&str, String)]) -> Option<Finding> {
    let (first, digest) = digests.first()?;
    let (other, found) = digests.iter().find(|(_, found)| found != digest)?;
    let expected = format!("the answers of {first}, of digest {digest}");
    let remedy =
        "run fewer seeds until one is left that differs: `--seeds 1 --seed S --part model`";
    Some(Finding::new(FILE, 0, expected, format!("{found} with {other}"), remedy))
}

fn run_set(root: &Path, set: &str, words: &[String]) -> Result<Told> {
    let mut args = vec!["run", "--quiet", "--release", "-p", "lsm-testkit", "--bin", "sim"];
    args.extend(["--features", set, "--"]);
    args.extend(words.iter().map(String::as_str));
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).args(&args).stdout(Stdio::piped());
    let failed = |found: String| {
        let remedy = format!("look at what it printed; `cargo {}` runs it again", args.join(" "));
        Finding::new(FILE, 0, "a simulation without a failure", found, remedy)
    };
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let mut told = Told::default();
    let lines = child.stdout.take().map(|out| BufReader::new(out).lines());
    for line in lines.into_iter().flatten().map_while(std::result::Result::ok) {
        println!("{line}");
        told.hear(&line);
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(told),
        Ok(status) => Err(failed(status.to_string())),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// What a run said of itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    counts: BTreeMap<String, u64>,
    digest: String,
}

impl Told {
    fn hear(&mut self, line: &str) {
        match line.split_once(": ") {
            Some((DIGEST, digest)) => self.digest = digest.to_owned(),
            Some((name, count)) => {
                if let Ok(count) = count.parse() {
                    self.counts.insert(name.to_owned(), count);
                }
            }
            None => {}
        }
    }

    fn add(&mut self, other: &Self) {
        for (name, count) in &other.counts {
            *self.counts.entry(name.clone()).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_digests_are_heard_and_parts_are_not() {
        let mut told = Told::default();
        for line in [
            "crash images: 812",
            "  kill 100, at random 712",
            "seconds: 2.5",
            "digest of all answers: 00ff",
        ] {
            told.hear(line);
        }
        assert_eq!(told.counts, BTreeMap::from([("crash images".to_owned(), 812)]));
        assert_eq!(told.digest, "00ff");
        let mut sum = Told::default();
        sum.add(&told);
        sum.add(&told);
        assert_eq!(sum.counts["crash images"], 1_624);
    }

    #[test]
    fn another_digest_is_a_finding_that_names_its_features() {
        let told = |one: &str| vec![("no features", "1".to_owned()), ("bloom", one.to_owned())];
        assert_eq!(differing(&told("1")), None);
        assert_eq!(differing(&told("2")).unwrap().found, "2 with bloom");
        assert_eq!(differing(&[]), None);
    }

    #[test]
    fn feature_sets_are_known_ones() {
        assert_eq!(sets(&[]).unwrap(), SETS);
        let asked = ["none".to_owned(), "durability,lz4".to_owned()];
        assert_eq!(sets(&asked).unwrap(), ["", "durability,lz4"]);
        assert_eq!(sets(&["magic".to_owned()]).unwrap_err().found, "magic");
    }
}

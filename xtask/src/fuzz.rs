//! Fuzzing: runs the targets of `fuzz/` one after the other, each for so many seconds.
//!
//! Steps for each target: `cargo fuzz run` with its corpus, which grows, and its seeds, which are
//! read only; read what the fuzzer says on standard error; tell executions and coverage. A finding
//! of the fuzzer is a [`Finding`] that names the input and the command that runs it again.
//!
//! Without a sanitizer the stable toolchain will do: coverage comes from the compiler. Sanitizers
//! need a nightly one, and are left out with a word where there is none.
#![expect(clippy::print_stdout, reason = "the run tells a terminal or a log how far it has come")]

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Finding, Result};

const TARGETS: &str = "fuzz/fuzz_targets";
/// More memory than this is a finding.
const RSS_LIMIT: &str = "-rss_limit_mb=2048";
/// One input that takes longer than these seconds is a finding.
const TIMEOUT: &str = "-timeout=20";
/// So many of the fuzzer's last lines are shown when it fails.
const LAST_LINES: usize = 40;

/// What `cargo xtask fuzz` is told.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// How long each target runs.
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub seconds: u32,
    /// Run only this target; may be given several times.
    #[arg(long = "target", value_name = "NAME")]
    pub targets: Vec<String>,
    /// What the targets are built with; `address` needs a nightly toolchain.
    #[arg(long, value_enum, default_value_t = Sanitizer::None)]
    pub sanitizer: Sanitizer,
    /// Print the targets and run none.
    #[arg(long)]
    pub list: bool,
    /// Write the seed corpus anew and run nothing.
    #[arg(long)]
    pub seeds: bool,
}

/// The sanitizer that a run is built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Sanitizer {
    /// None: any toolchain builds it.
    None,
    /// AddressSanitizer: a nightly toolchain only.
    Address,
}

/// Does what it is told; a target that fails stops none of the others.
///
/// # Errors
///
/// What keeps all of it from running: an unknown target, no targets, no cargo-fuzz.
pub fn run(root: &Path, arguments: &Arguments) -> Result<Vec<Finding>> {
    let targets = chosen(root, &arguments.targets)?;
    if arguments.list {
        targets.iter().for_each(|target| println!("{target}"));
        return Ok(Vec::new());
    }
    if arguments.seeds {
        return Ok(write_seeds(root).err().into_iter().collect());
    }
    installed()?;
    if arguments.sanitizer == Sanitizer::Address && !has_nightly() {
        println!("skipped: no nightly toolchain, which a sanitizer needs");
        return Ok(Vec::new());
    }
    let mut findings = Vec::new();
    for target in &targets {
        println!("== {target}: {} s", arguments.seconds);
        match run_target(root, target, arguments) {
            Ok(told) => println!("== {target}: {}", told.summary()),
            Err(finding) => findings.push(finding),
        }
    }
    Ok(findings)
}

/// The names of the targets, in order.
fn targets(root: &Path) -> Result<Vec<String>> {
    let unreadable = |error| Finding::unreadable(TARGETS, error);
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join(TARGETS)).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        names.extend(name.to_string_lossy().strip_suffix(".rs").map(str::to_owned));
    }
    names.sort();
    if names.is_empty() {
        return Err(Finding::new(TARGETS, 0, "fuzz targets", "none", "restore them"));
    }
    Ok(names)
}

/// The targets that are asked for; all, if none is.
fn chosen(root: &Path, asked: &[String]) -> Result<Vec<String>> {
    let all = targets(root)?;
    if asked.is_empty() {
        return Ok(all);
    }
    match asked.iter().find(|name| !all.contains(name)) {
        None => Ok(asked.to_vec()),
        Some(unknown) => {
            let expected = format!("one of the targets {}", all.join(", "));
            let remedy = "see the names by `cargo xtask fuzz --list`";
            Err(Finding::new(TARGETS, 0, expected, format!("`{unknown}`"), remedy))
        }
    }
}

/// Checks that `cargo fuzz` is there.
fn installed() -> Result<()> {
    let output = cargo().args(["fuzz", "--version"]).output();
    if output.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    let remedy = "run `cargo install cargo-fuzz --locked`, which needs a C++ compiler to be of use";
    Err(Finding::new("fuzz/Cargo.toml", 0, "the program cargo-fuzz", "none in the path", remedy))
}

/// Writes the seed corpus anew.
fn write_seeds(root: &Path) -> Result<()> {
    let args = "run --release --manifest-path fuzz/Cargo.toml --no-default-features --bin seeds";
    let status = cargo().current_dir(root).args(args.split(' ')).status();
    if status.as_ref().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    let found = status.map_or_else(|error| error.to_string(), |status| status.to_string());
    let remedy = format!("run `cargo {args}` and put right what it says");
    Err(Finding::new("fuzz/src/seeds.rs", 0, "the seeds to be written", found, remedy))
}

/// The cargo that runs us, or the one in the path.
fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn has_nightly() -> bool {
    let output = Command::new("rustup").args(["run", "nightly", "rustc", "--version"]).output();
    output.is_ok_and(|output| output.status.success())
}

/// The command that runs a target, up to its inputs.
fn fuzz_run(sanitizer: Sanitizer, target: &str) -> Command {
    match sanitizer {
        Sanitizer::None => {
            let mut command = cargo();
            command.args(["fuzz", "run", "--sanitizer", "none", target]);
            command
        }
        Sanitizer::Address => {
            let mut command = Command::new("rustup");
            let args = ["run", "nightly", "cargo", "fuzz", "run", "--sanitizer", "address", target];
            command.args(args);
            command
        }
    }
}

fn run_target(root: &Path, target: &str, arguments: &Arguments) -> Result<Told> {
    let home = root.join("fuzz");
    let (corpus, seeds) = (format!("corpus/{target}"), format!("seeds/{target}"));
    for dir in [&corpus, &seeds] {
        let made = fs::create_dir_all(home.join(dir));
        made.map_err(|error| Finding::unreadable(format!("fuzz/{dir}"), error))?;
    }
    let mut command = fuzz_run(arguments.sanitizer, target);
    command.current_dir(&home).args([&corpus, &seeds]);
    command.args(["--", &format!("-max_total_time={}", arguments.seconds), RSS_LIMIT, TIMEOUT]);
    command.arg("-print_final_stats=1").stderr(Stdio::piped());
    let failed = |found: String| {
        let remedy = format!("run `cargo fuzz run --sanitizer none {target}` in fuzz/");
        Finding::new(format!("{TARGETS}/{target}.rs"), 0, "a run of the fuzzer", found, remedy)
    };
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let mut told = Told::default();
    if let Some(errors) = child.stderr.take() {
        // What is no text is of no use here; the run goes on.
        let lines = BufReader::new(errors).split(b'\n').map_while(std::io::Result::ok);
        lines.for_each(|line| told.hear(&String::from_utf8_lossy(&line)));
    }
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    if status.success() {
        return Ok(told);
    }
    println!("{}", told.last.join("\n"));
    match &told.artifact {
        None => Err(failed(format!("{status}"))),
        Some(input) => Err(finding(target, &told, input)),
    }
}

/// An input that the target fails on.
fn finding(target: &str, told: &Told, input: &str) -> Finding {
    let found = told.failure.clone().unwrap_or_else(|| "a failure".to_owned());
    let remedy = format!(
        "mend what it shows; once more: `cargo run --release --manifest-path fuzz/Cargo.toml \
         --no-default-features --bin replay -- {target} {input}`"
    );
    let expected = format!("the target {target} to hold, as its head says");
    Finding::new(input, 0, expected, found, remedy)
}

/// What the fuzzer has said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Told {
    executions: Option<u64>,
    /// Edges covered.
    coverage: Option<u64>,
    /// Inputs in the corpus.
    corpus: Option<String>,
    /// What failed, in its own words.
    failure: Option<String>,
    /// Whether the next line goes on with them.
    explains: bool,
    /// The input that failed, from the root.
    artifact: Option<String>,
    last: Vec<String>,
}

impl Told {
    fn hear(&mut self, line: &str) {
        let number = |text: &str| text.trim().parse().ok();
        if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
            self.executions = number(count);
        }
        if line.starts_with('#') {
            let words: Vec<&str> = line.split_whitespace().collect();
            let behind = |name| words.iter().position(|word| *word == name).map(|at| at + 1);
            let of = |name| behind(name).and_then(|at| words.get(at)).copied();
            self.coverage = of("cov:").and_then(number).or(self.coverage);
            self.corpus = of("corp:").map(str::to_owned).or(self.corpus.take());
        }
        if std::mem::take(&mut self.explains)
            && let Some(failure) = &mut self.failure
        {
            *failure = format!("{failure} {}", line.trim());
        }
        if self.failure.is_none() {
            // What a panic says stands in the next line.
            self.explains = line.contains("panicked at");
            let failed = self.explains || line.contains("ERROR: libFuzzer:");
            self.failure = failed.then(|| line.trim().to_owned());
        }
        if let Some((_, path)) = line.split_once("Test unit written to ") {
            let path = path.trim();
            let below = path.find("artifacts/").and_then(|at| path.get(at..)).unwrap_or(path);
            self.artifact = Some(format!("fuzz/{below}"));
        }
        // What comes behind the input says it again.
        if self.artifact.is_none() {
            if self.last.len() == LAST_LINES {
                self.last.remove(0);
            }
            self.last.push(line.to_owned());
        }
    }

    fn summary(&self) -> String {
        let number =
            |number: Option<u64>| number.map_or("?".to_owned(), |number| number.to_string());
        let corpus = self.corpus.as_deref().unwrap_or("?");
        format!(
            "{} executions, {} edges covered, corpus {corpus}",
            number(self.executions),
            number(self.coverage)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_folder_and_an_unknown_target_are_findings() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(targets(root.path()).unwrap_err().file, TARGETS);
        fs::create_dir_all(root.path().join(TARGETS)).unwrap();
        assert_eq!(targets(root.path()).unwrap_err().found, "none");
        for name in ["run.rs", "block.rs", "notes.txt"] {
            fs::write(root.path().join(TARGETS).join(name), "").unwrap();
        }
        assert_eq!(chosen(root.path(), &[]).unwrap(), ["block", "run"]);
        assert_eq!(chosen(root.path(), &["run".to_owned()]).unwrap(), ["run"]);
        let unknown = chosen(root.path(), &["walk".to_owned()]).unwrap_err();
        assert!(unknown.found.contains("walk") && unknown.expected.contains("block, run"));
    }

    #[test]
    fn what_the_fuzzer_says_is_understood() {
        let mut told = Told::default();
        for line in [
            "#1024\tNEW    cov: 300 ft: 412 corp: 17/300b lim: 4096 exec/s: 0 rss: 30Mb",
            "#2048\tpulse  cov: 312 ft: 440 corp: 19/320b lim: 4096 exec/s: 512 rss: 30Mb",
            "stat::number_of_executed_units: 2100",
        ] {
            told.hear(line);
        }
        assert_eq!(told.summary(), "2100 executions, 312 edges covered, corpus 19/320b");
        for line in [
            "thread '<unnamed>' panicked at fuzz/src/run.rs:7:5:",
            "another key was found",
            "stack backtrace:",
            "==7== ERROR: libFuzzer: deadly signal",
            "artifact_prefix='./'; Test unit written to /somewhere/fuzz/artifacts/run/crash-01",
        ] {
            told.hear(line);
        }
        let input = told.artifact.clone().unwrap();
        let finding = finding("run", &told, &input);
        assert_eq!(finding.file, "fuzz/artifacts/run/crash-01");
        assert!(finding.found.ends_with("panicked at fuzz/src/run.rs:7:5: another key was found"));
        assert!(finding.remedy.ends_with("-- run fuzz/artifacts/run/crash-01`"));
        told.hear("more");
        assert_eq!(told.last.len(), 7);
        told.artifact = None;
        (0..100).for_each(|_| told.hear("more"));
        assert_eq!(told.last.len(), LAST_LINES);
    }
}

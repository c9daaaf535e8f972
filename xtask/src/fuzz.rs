//! Fuzzing: runs the targets of `fuzz/`, each for so many seconds, as many at a time as there are
//! processors, four at most.
//!
//! Steps: build all targets at once, with the counters that libFuzzer reads; run each with its
//! corpus, which grows, and its seeds, which are read only; read what the fuzzer says on standard
//! error; tell executions and coverage. A finding of the fuzzer is a [`Finding`] that names the
//! input and the command that runs it again.
//!
//! Without a sanitizer the stable toolchain will do: the counters are passes of LLVM, and the flags
//! are those that cargo-fuzz gives. Sanitizers need a nightly one; where there is none, that is said,
//! and nothing is run. The fuzzer itself is C++: without a compiler for it the seeds and a fixed set
//! of mutations are replayed instead, and that is said, too.
#![expect(clippy::print_stdout, reason = "the run tells a terminal or a log how far it has come")]

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::{Finding, Result};

const TARGETS: &str = "fuzz/fuzz_targets";
/// How the code is built that the fuzzer looks into: counters of edges and the values that are
/// compared. The assertions are switched on by the profile.
const COUNTERS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
    --cfg fuzzing -Ccodegen-units=1";
/// More targets than this at a time would wait for the disk.
const MOST_AT_A_TIME: usize = 4;
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
/// What keeps all of it from running: an unknown target, no targets, targets that do not build.
pub fn run(root: &Path, arguments: &Arguments) -> Result<Vec<Finding>> {
    let targets = chosen(root, &arguments.targets)?;
    if arguments.list {
        targets.iter().for_each(|target| println!("{target}"));
        return Ok(Vec::new());
    }
    if arguments.seeds {
        return Ok(run_program(root, &SEEDS).err().into_iter().collect());
    }
    if arguments.sanitizer == Sanitizer::Address && !has_nightly() {
        println!("skipped: no nightly toolchain, which a sanitizer needs");
        return Ok(Vec::new());
    }
    if let Some(compiler) = absent_compiler() {
        println!("no C++ compiler `{compiler}`, which the fuzzer needs: replaying instead");
        return Ok(run_program(root, &REPLAY).err().into_iter().collect());
    }
    let programs = build(root, &targets, arguments.sanitizer)?;
    let at_a_time = thread::available_parallelism().map_or(1, usize::from).min(MOST_AT_A_TIME);
    let (next, findings) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
            println!("== {target}: {} s", arguments.seconds);
            match run_target(root, &programs, target, arguments) {
                Ok(told) => println!("== {target}: {}", told.summary()),
                Err(finding) => {
                    findings.lock().unwrap_or_else(PoisonError::into_inner).push(finding);
                }
            }
        }
    };
    thread::scope(|scope| (0..at_a_time).for_each(|_| drop(scope.spawn(work))));
    Ok(findings.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// The C++ compiler that would be used, if it is not there.
fn absent_compiler() -> Option<String> {
    let compiler = env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let told = Command::new(&compiler).arg("--version").output();
    (!told.is_ok_and(|output| output.status.success())).then_some(compiler)
}

/// Builds the targets, and no other program; tells the folder that they are in.
fn build(root: &Path, targets: &[String], sanitizer: Sanitizer) -> Result<PathBuf> {
    let failed = |found: String| {
        let remedy = "see what the compiler says above";
        Finding::new("fuzz/Cargo.toml", 0, "targets that build", found, remedy)
    };
    let told =
        Command::new("rustc").arg("-vV").output().map_err(|error| failed(error.to_string()))?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or_else(|| failed("a compiler that does not tell its host".to_owned()))?;
    let (mut command, flags, folder) = match sanitizer {
        Sanitizer::None => (cargo(), COUNTERS.to_owned(), "target"),
        Sanitizer::Address => {
            let mut command = Command::new("rustup");
            command.args(["run", "nightly", "cargo"]);
            // The one that runs us says which toolchain is meant; another one is.
            command.env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC");
            (command, format!("{COUNTERS} -Zsanitizer=address"), "target/address")
        }
    };
    // A named target keeps the flags from build scripts.
    command.args(["build", "--release", "--target", host, "--target-dir", folder]);
    command.args(targets.iter().flat_map(|target| ["--bin", target]));
    command.current_dir(root.join("fuzz")).env("RUSTFLAGS", flags);
    match command.status().map_err(|error| failed(error.to_string()))? {
        status if status.success() => Ok(root.join("fuzz").join(folder).join(host).join("release")),
        status => Err(failed(status.to_string())),
    }
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

/// A program of `fuzz/` that does without the fuzzer.
struct Program {
    name: &'static str,
    /// What it is to do.
    wanted: &'static str,
}

/// Runs seeds and a fixed set of mutations of them.
const REPLAY: Program = Program { name: "replay", wanted: "seeds and mutations without a finding" };
/// Writes the seed corpus anew.
const SEEDS: Program = Program { name: "seeds", wanted: "the seeds to be written" };

fn run_program(root: &Path, program: &Program) -> Result<()> {
    let args = "run --release --manifest-path fuzz/Cargo.toml --no-default-features --bin";
    let status = cargo().current_dir(root).args(args.split(' ')).arg(program.name).status();
    if status.as_ref().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    let found = status.map_or_else(|error| error.to_string(), |status| status.to_string());
    let remedy = format!("run `cargo {args} {}` and put right what it says", program.name);
    let file = format!("fuzz/src/bin/{}.rs", program.name);
    Err(Finding::new(file, 0, program.wanted, found, remedy))
}

/// The cargo that runs us, or the one in the path.
fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn has_nightly() -> bool {
    let output = Command::new("rustup").args(["run", "nightly", "rustc", "--version"]).output();
    output.is_ok_and(|output| output.status.success())
}

fn run_target(root: &Path, programs: &Path, target: &str, arguments: &Arguments) -> Result<Told> {
    let home = root.join("fuzz");
    let (corpus, seeds) = (format!("corpus/{target}"), format!("seeds/{target}"));
    let artifacts = format!("artifacts/{target}");
    for dir in [&corpus, &seeds, &artifacts] {
        let made = fs::create_dir_all(home.join(dir));
        made.map_err(|error| Finding::unreadable(format!("fuzz/{dir}"), error))?;
    }
    let mut command = Command::new(programs.join(target));
    command.current_dir(&home).arg(format!("-artifact_prefix={artifacts}/"));
    command.args([&format!("-max_total_time={}", arguments.seconds), RSS_LIMIT, TIMEOUT]);
    command.arg("-print_final_stats=1").args([&corpus, &seeds]).stderr(Stdio::piped());
    let failed = |found: String| {
        let remedy = format!("run `cargo xtask fuzz --target {target}` once more");
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

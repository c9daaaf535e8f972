//! The CI run: its steps as data, and a runner that stops at the first one that fails.
//!
//! The cheap steps come first. `.ci/run` runs the README's test command itself and then
//! `cargo xtask ci --skip tests`, so that everything runs once. A step is what a person can type.
#![expect(clippy::print_stdout, reason = "the run tells a terminal or a log how far it has come")]

use std::env;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::{Finding, Result};

/// How the README says that the tests are run; `.ci/run` has it letter by letter.
pub const TEST_COMMAND: &str = "cargo test --workspace --all-features";

/// One command of the run.
#[derive(Debug)]
pub struct Step {
    /// What it is called in the log; unique.
    pub name: &'static str,
    /// The program; `cargo` is the one that runs us.
    pub program: &'static str,
    /// Its arguments.
    pub args: &'static [&'static str],
    /// What is set for it beside the environment of the run.
    pub env: &'static [(&'static str, &'static str)],
}

const fn check(name: &'static str, args: &'static [&'static str]) -> Step {
    Step { name, program: "cargo", args, env: &[] }
}

/// The whole run, in order.
pub const STEPS: &[Step] = &[
    check("format", &["fmt", "--all", "--check"]),
    check("layers", &["xtask", "layers"]),
    check("tidy", &["xtask", "tidy"]),
    check("api", &["xtask", "api", "--check"]),
    check("audit", &["xtask", "audit"]),
    check("bench report", &["xtask", "bench", "report", "--check"]),
    check("golden files", &["xtask", "format", "golden", "--check"]),
    check("format hash", &["xtask", "format", "hash", "--check"]),
    check("reader in Python", &["xtask", "format", "reader"]),
    check(
        "clippy, all features",
        &["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"],
    ),
    check(
        "clippy, default features",
        &["clippy", "-p", "lsm-db", "--all-targets", "--", "-D", "warnings"],
    ),
    check("tests", &["test", "--workspace", "--all-features"]),
    check("tests, default features", &["test", "-p", "lsm-db"]),
    check(
        "tests, codec without features",
        &["test", "-p", "lsm-sstable", "-p", "lsm-bloom", "--no-default-features"],
    ),
    check(
        "codec without std",
        &[
            "build",
            "--manifest-path",
            "crates/lsm-sstable/no_std/Cargo.toml",
            "--target-dir",
            "target/no-std",
        ],
    ),
    check(
        "codec without std, lz4",
        &[
            "build",
            "--manifest-path",
            "crates/lsm-sstable/no_std/Cargo.toml",
            "--target-dir",
            "target/no-std",
            "--features",
            "lz4",
        ],
    ),
    check("models under loom", &["xtask", "loom"]),
    check("threads under shuttle", &["xtask", "shuttle"]),
    check("memcheck of the memtable", &["xtask", "valgrind"]),
    check("call sites", &["xtask", "sites"]),
    check("planted bugs", &["xtask", "planted", "--short"]),
    check("simulation", &["xtask", "sim"]),
    // Its builds are the simulation's.
    check("features", &["xtask", "features"]),
    check("check, no features", &["check", "-p", "lsm-db", "--no-default-features"]),
    check("check, bloom", &["check", "-p", "lsm-db", "--features", "bloom"]),
    check("check, lz4", &["check", "-p", "lsm-db", "--features", "lz4"]),
    check(
        "check, durability and bloom",
        &["check", "-p", "lsm-db", "--features", "durability,bloom"],
    ),
    check("fuzzing", &["xtask", "fuzz", "--seconds", "60"]),
    check("faults in real system calls", &["xtask", "strace"]),
    Step {
        env: &[("RUSTDOCFLAGS", "-D warnings")],
        ..check("documentation", &["doc", "--workspace", "--no-deps", "--all-features"])
    },
    check("example embedded_kv", &["run", "--release", "-p", "lsm-db", "--example", "embedded_kv"]),
    check("example work_queue", &["run", "--release", "-p", "lsm-db", "--example", "work_queue"]),
    check("example range_scan", &["run", "--release", "-p", "lsm-db", "--example", "range_scan"]),
    check(
        "example batch_writes",
        &["run", "--release", "-p", "lsm-db", "--example", "batch_writes"],
    ),
    check(
        "example durable_store",
        &[
            "run",
            "--release",
            "-p",
            "lsm-db",
            "--features",
            "durability",
            "--example",
            "durable_store",
        ],
    ),
    check(
        "example bloom_point_reads",
        &[
            "run",
            "--release",
            "-p",
            "lsm-db",
            "--features",
            "bloom",
            "--example",
            "bloom_point_reads",
        ],
    ),
    check(
        "example find_a_bug",
        &[
            "run",
            "--release",
            "-p",
            "lsm-testkit",
            "--features",
            "durability",
            "--example",
            "find_a_bug",
        ],
    ),
    // The first command of the README, as it stands there.
    check(
        "example code_search",
        &["run", "--release", "--example", "code_search", "--", ".", "compaction"],
    ),
];

impl Step {
    /// The step as it would be typed.
    #[must_use]
    pub fn command_line(&self) -> String {
        let env = self.env.iter().map(|(name, value)| format!("{name}=\"{value}\""));
        let words = [self.program].into_iter().chain(self.args.iter().copied());
        let quoted = |word: &str| match word.contains(' ') {
            true => format!("\"{word}\""),
            false => word.to_owned(),
        };
        env.chain(words.map(quoted)).collect::<Vec<_>>().join(" ")
    }

    fn run(&self, root: &Path) -> Result<()> {
        let program = match env::var_os("CARGO") {
            Some(cargo) if self.program == "cargo" => cargo,
            _ => self.program.into(),
        };
        let mut command = Command::new(program);
        command.current_dir(root).args(self.args).envs(self.env.iter().copied());
        let found = match command.status() {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        let expected = format!("step `{}` to succeed", self.name);
        let remedy = format!("run `{}` and put right what it says", self.command_line());
        Err(Finding::new("xtask/src/ci.rs", 0, expected, found, remedy))
    }
}

/// The steps of a run without those named in `skip`.
///
/// # Errors
///
/// A name that no step has.
pub fn steps(skip: &[String]) -> Result<Vec<&'static Step>> {
    let known = |name: &&String| STEPS.iter().any(|step| step.name == name.as_str());
    if let Some(unknown) = skip.iter().find(|name| !known(name)) {
        let remedy = "see the names by `cargo xtask ci --list`";
        return Err(Finding::new("xtask/src/ci.rs", 0, "the name of a step", unknown, remedy));
    }
    Ok(STEPS.iter().filter(|step| !skip.iter().any(|name| name == step.name)).collect())
}

/// Runs the steps, each announced before and timed after.
///
/// # Errors
///
/// The first step that fails; those behind it are not run.
pub fn run(root: &Path, skip: &[String]) -> Result<()> {
    run_steps(root, steps(skip)?.into_iter())
}

pub(crate) fn run_steps<'a>(root: &Path, steps: impl Iterator<Item = &'a Step>) -> Result<()> {
    for step in steps {
        println!("== {}: {}", step.name, step.command_line());
        // The step writes to the same terminal.
        drop(io::stdout().flush());
        let started = Instant::now();
        let outcome = step.run(root);
        let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
        println!("== {}: {verdict} after {:.1} s", step.name, started.elapsed().as_secs_f64());
        outcome?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_s_test_command_is_a_step() {
        let step = STEPS.iter().find(|step| step.command_line() == TEST_COMMAND).unwrap();
        let rest = steps(&[step.name.to_owned()]).unwrap();
        assert_eq!(rest.len(), STEPS.len() - 1);
        assert!(rest.iter().all(|other| other.name != step.name));
        assert!(steps(&["no such step".to_owned()]).is_err());
    }

    #[test]
    fn steps_have_names_of_their_own() {
        let mut names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), STEPS.len());
    }

    #[test]
    fn a_run_stops_at_the_first_failure() {
        let dir = tempfile::tempdir().unwrap();
        let steps = [
            Step { program: "mkdir", ..check("first", &["one"]) },
            Step { program: "mkdir", ..check("second", &["one"]) },
            Step { program: "mkdir", ..check("third", &["two"]) },
        ];
        let failed = run_steps(dir.path(), steps.iter()).unwrap_err();
        assert_eq!(failed.expected, "step `second` to succeed");
        assert!(failed.remedy.contains("mkdir one"));
        assert!(dir.path().join("one").exists() && !dir.path().join("two").exists());
        let absent = [Step { program: "no-such-program-here", ..check("absent", &[]) }];
        assert!(run_steps(dir.path(), absent.iter()).is_err());
        let loud = [Step {
            program: "sh",
            env: &[("LSM_STEP", "yes")],
            ..check("env", &["-c", "test \"$LSM_STEP\" = yes"])
        }];
        assert_eq!(run_steps(dir.path(), loud.iter()), Ok(()));
    }
}

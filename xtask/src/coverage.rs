//! Line coverage of the library's crates by their tests: `cargo xtask coverage`.
//!
//! It is measured by cargo-llvm-cov with the LLVM tools that `LLVM_COV` and `LLVM_PROFDATA` name, or
//! that are found in the path under the version of the compiler's LLVM. Files of tests
//! and tools do not count: only files below `src` of the crates that are linked into a program do,
//! with the modules of tests that stand in them. A crate below `LEAST` percent is a finding.
#![expect(clippy::print_stdout, reason = "the run tells a terminal or a log how far it has come")]

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::process::Command;

use crate::{Finding, Result, workspace};

/// Percent of the lines of each crate, and of all.
const LEAST: f64 = 90.0;
const FILE: &str = "xtask/src/coverage.rs";
/// What is no part of the library: it tests it, or shows it.
const OTHERS: [&str; 2] = ["lsm-cli", "lsm-testkit"];

/// What `cargo xtask coverage` is told.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Run no tests: tell what those have covered that ran last.
    #[arg(long)]
    pub no_run: bool,
    /// Name each file with lines that no test reaches.
    #[arg(long)]
    pub files: bool,
}

/// Lines that were reached, of lines there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lines {
    reached: u64,
    all: u64,
}

impl Lines {
    fn percent(self) -> f64 {
        match self.all {
            0 => 100.0,
            all => self.reached as f64 * 100.0 / all as f64,
        }
    }

    fn add(&mut self, other: Lines) {
        self.reached += other.reached;
        self.all += other.all;
    }
}

/// Runs the tests and tells what they reach.
///
/// # Errors
///
/// What keeps it from being measured: no cargo-llvm-cov, no LLVM tools, tests that fail.
pub fn run(root: &Path, arguments: &Arguments) -> Result<Vec<Finding>> {
    let tools = tools()?;
    let parts: Vec<String> = workspace::members(root)?
        .into_iter()
        .filter(|member| member.dir == "lsm-db" || member.dir.starts_with("crates/"))
        .map(|member| member.name)
        .collect();
    if !arguments.no_run {
        llvm_cov(root, &tools, &["clean", "--workspace"])?;
        let mut args = vec!["--no-report", "--all-features", "--lib", "--tests"];
        parts.iter().filter(|part| *part != "lsm-cli").for_each(|part| args.extend(["-p", part]));
        llvm_cov(root, &tools, &args)?;
    }
    let json = llvm_cov(root, &tools, &["report", "--json", "--summary-only"])?;
    let files = summary(&json).ok_or_else(|| {
        let remedy = "see what `cargo llvm-cov report --json --summary-only` prints";
        Finding::new(FILE, 0, "a summary in JSON", "something else", remedy)
    })?;
    Ok(report(&files, arguments.files))
}

/// The environment that names the tools.
fn tools() -> Result<Vec<(&'static str, String)>> {
    let works = |program: &str| {
        let output = Command::new(program).arg("--version").output();
        output.is_ok_and(|output| output.status.success())
    };
    let missing = |what: &str, remedy: String| Finding::new(FILE, 0, what, "none", remedy);
    let asked = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["llvm-cov", "--version"])
        .output();
    if !asked.is_ok_and(|output| output.status.success()) {
        let remedy = "run `cargo install cargo-llvm-cov --locked`".to_owned();
        return Err(missing("the program cargo-llvm-cov", remedy));
    }
    let version = Command::new("rustc").arg("-vV").output();
    let version = version.map_or_else(|_| Vec::new(), |output| output.stdout);
    let version = String::from_utf8_lossy(&version).into_owned();
    let major = version.lines().find_map(|line| line.strip_prefix("LLVM version: "));
    let major = major.and_then(|version| version.split('.').next()).unwrap_or("");
    let mut found = Vec::new();
    for (name, program) in [("LLVM_COV", "llvm-cov"), ("LLVM_PROFDATA", "llvm-profdata")] {
        let named = env::var(name).ok();
        let candidates = named.into_iter().chain([format!("{program}-{major}")]);
        let Some(tool) = candidates.into_iter().find(|program| works(program)) else {
            let remedy = format!(
                "install llvm-{major} from your system's packages, or run `rustup component add \
                 llvm-tools`, and name the tool in {name}"
            );
            return Err(missing(&format!("{program} of LLVM {major}"), remedy));
        };
        found.push((name, tool));
    }
    Ok(found)
}

/// What cargo-llvm-cov prints, run with these.
fn llvm_cov(root: &Path, tools: &[(&str, String)], args: &[&str]) -> Result<String> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).arg("llvm-cov").args(args).envs(tools.iter().map(|(k, v)| (k, v)));
    let failed = |found: String| {
        let remedy = format!("run `cargo llvm-cov {}` and put right what it says", args.join(" "));
        Finding::new(FILE, 0, "a run of cargo-llvm-cov", found, remedy)
    };
    let output = match args.contains(&"--json") {
        true => command.stderr(std::process::Stdio::inherit()).output(),
        false => command.status().map(|status| std::process::Output {
            status,
            stdout: Vec::new(),
            stderr: Vec::new(),
        }),
    };
    let output = output.map_err(|error| failed(error.to_string()))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(failed(output.status.to_string())),
    }
}

/// The files of the library, from the root, and their lines.
fn summary(json: &str) -> Option<BTreeMap<String, Lines>> {
    let json: serde_json::Value = serde_json::from_str(json).ok()?;
    let files = json.get("data")?.get(0)?.get("files")?.as_array()?;
    let mut found = BTreeMap::new();
    for file in files {
        let name = file.get("filename")?.as_str()?;
        let lines = file.get("summary")?.get("lines")?;
        let lines =
            Lines { reached: lines.get("covered")?.as_u64()?, all: lines.get("count")?.as_u64()? };
        found.extend(of_library(name).map(|name| (name, lines)));
    }
    Some(found)
}

/// `<crate>/src/<file>` of a file that is linked into programs.
fn of_library(path: &str) -> Option<String> {
    let (before, file) = path.rsplit_once("/src/")?;
    let part = before.rsplit('/').next()?;
    let is_test = file.split('/').any(|piece| matches!(piece, "tests.rs" | "tests" | "models.rs"));
    let is_ours = part.starts_with("lsm-") && !OTHERS.contains(&part);
    (is_ours && !is_test).then(|| format!("{part}/src/{file}"))
}

fn report(files: &BTreeMap<String, Lines>, name_files: bool) -> Vec<Finding> {
    let mut parts = BTreeMap::<&str, Lines>::new();
    for (file, lines) in files {
        let part = file.split('/').next().unwrap_or(file);
        parts.entry(part).or_default().add(*lines);
        parts.entry("all").or_default().add(*lines);
        if name_files && lines.reached < lines.all {
            println!("{file}: {} of {} lines not reached", lines.all - lines.reached, lines.all);
        }
    }
    let mut findings = Vec::new();
    for (part, lines) in &parts {
        println!(
            "{part:16} {:6} of {:6} lines, {:.1} %",
            lines.reached,
            lines.all,
            lines.percent()
        );
        if lines.percent() < LEAST {
            let found = format!("{:.1} % in {part}", lines.percent());
            let remedy = "write tests for what `cargo xtask coverage --no-run --files` names";
            findings.push(Finding::new(FILE, 0, format!("{LEAST} % of lines"), found, remedy));
        }
    }
    if parts.is_empty() {
        let remedy = "see what `cargo llvm-cov report --json --summary-only` prints";
        findings.push(Finding::new(FILE, 0, "files of the library", "none", remedy));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(file: &str, covered: u64, count: u64) -> String {
        format!(
            "{{\"filename\": \"/x/{file}\", \"summary\": {{\"lines\": \
             {{\"covered\": {covered}, \"count\": {count}}}}}}}"
        )
    }

    #[test]
    fn only_the_library_counts() {
        let files = [
            of("crates/lsm-wal/src/log.rs", 80, 100),
            of("crates/lsm-wal/src/slot.rs", 20, 20),
            of("crates/lsm-memtable/src/tests.rs", 0, 50),
            of("crates/lsm-testkit/src/disk.rs", 0, 50),
            of("xtask/src/ci.rs", 0, 50),
            of("lsm-db/src/lsm.rs", 10, 10),
        ];
        let json = format!("{{\"data\": [{{\"files\": [{}]}}]}}", files.join(", "));
        let found = summary(&json).unwrap();
        assert_eq!(found.len(), 3);
        let findings = report(&found, true);
        let found: Vec<_> = findings.iter().map(|finding| finding.found.as_str()).collect();
        assert_eq!(found, ["84.6 % in all", "83.3 % in lsm-wal"]);
        assert_eq!(summary("{}"), None);
        assert_eq!(report(&BTreeMap::new(), false).len(), 1);
    }
}

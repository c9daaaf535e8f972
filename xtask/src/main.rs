//! `cargo xtask <command>`: the command line over the checks of the library.
//!
//! Exit code 0: all is well; 1: a check failed, and says where, on standard error; 2: bad usage, or
//! input that cannot serve.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool speaks")]

use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lsm_bench_record::{Choice, Figure};
use xtask::{
    Finding, api, audit, bench, ci, coverage, features, format, fuzz, instruments, layers, planted,
    powercut, sim, sites, strace, tidy, victim,
};

/// The project's own checks and its CI run.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
#[command(after_help = "Exit code: 0 all is well, 1 a check failed, 2 bad usage or input.")]
struct Arguments {
    /// The root of the repository; where this tool was built from, unless given.
    #[arg(long, global = true, value_name = "DIR")]
    root: Option<PathBuf>,
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Hold the crates to the layer table: edges, versions, unsafe code.
    Layers,
    /// Look for untidy files: heads, lengths, names, stray marks, links, changelog, crate map.
    Tidy,
    /// Write the public surface of lsm-db to docs/api.txt, one item a line.
    Api {
        /// Write nothing; fail if docs/api.txt is out of date or a line of docs/api.frozen.txt is
        /// no longer true.
        #[arg(long)]
        check: bool,
    },
    /// Let builds of all feature sets open each other's stores.
    Features,
    /// Measurements: the document about them, and what changed between two of them.
    #[command(subcommand)]
    Bench(Bench),
    /// The bytes on disk: look into files, hold them to the frozen format.
    #[command(subcommand)]
    Format(format::Command),
    /// List dependencies, licences and unsafe code; fail on what is not allowed or not argued for.
    Audit,
    /// Measure which lines of the library tests reach: needs cargo-llvm-cov and LLVM's tools.
    Coverage(coverage::Arguments),
    /// Put faults into the system calls of a real process; skipped where nobody may trace.
    Strace(strace::Arguments),
    /// Cut off a real file system while a store writes to it: needs root and loop devices.
    Powercut(powercut::Arguments),
    /// The program that writes to a store while somebody makes its life hard.
    #[command(hide = true)]
    Victim(victim::Arguments),
    /// Fuzz the readers of all formats; without a C++ compiler, replay seeds and mutations.
    Fuzz(fuzz::Arguments),
    /// Try the store by seeds on the simulated disk: histories, crashes, damage, failing
    /// calls, with all feature sets.
    Sim(sim::Arguments),
    /// The same ten times as long, with other seeds.
    Soak(sim::Soak),
    /// Run the models of memtable, group and view: all orders of their threads' steps.
    Loom,
    /// Run the engine on the simulated disk, its threads in orders chosen at random.
    Shuttle,
    /// Run the memtable's tests under memcheck; skipped where there is no valgrind.
    Valgrind,
    /// Run the memtable's and the filter's tests under Miri; skipped without a nightly toolchain
    /// that has it.
    Miri,
    /// Run the memtable's and the filter's tests under ThreadSanitizer; skipped without a nightly
    /// toolchain and its sources.
    Tsan,
    /// Let every call of the file system fail in every way, and print the table of them.
    Sites,
    /// Plant bugs one at a time, and see that the tests find each.
    Planted(planted::Arguments),
    /// Run every step of the CI, stopping at the first that fails.
    Ci {
        /// Leave out the step of this name; may be given several times.
        #[arg(long, value_name = "NAME")]
        skip: Vec<String>,
        /// Print the steps and run none.
        #[arg(long)]
        list: bool,
    },
}

#[derive(Subcommand)]
enum Bench {
    /// Write the generated sections of docs/PERFORMANCE.md, and docs/charts, from the results.
    Report {
        /// The folder with the results; benches/results unless given.
        #[arg(long, value_name = "DIR")]
        results: Option<PathBuf>,
        /// Write nothing; fail if the document or a chart differs from what the results give.
        #[arg(long)]
        check: bool,
    },
    /// Gather what `cargo bench -p lsm-benches` left behind into one file of the results.
    ///
    /// What renamed benchmarks have left is gathered too: empty the folder before measuring.
    Collect {
        /// Criterion's folder; `criterion` where cargo builds unless given.
        #[arg(long, value_name = "DIR")]
        from: Option<PathBuf>,
        /// The file to write; benches/results/parts.json unless given.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print what changed from A.json to B.json by more than the noise of the rounds.
    ///
    /// A change is listed if the rounds of the two sides do not overlap, and the medians differ by
    /// more than the rounds of either side do, and by more than half a percent. Beside it stands
    /// what the other engines did in the same row: if they moved as far, it was the machine. It is
    /// an instrument and no gate: whatever changed, the exit code is 0.
    Compare {
        /// A file that `lsm-peers run --out` wrote.
        a: PathBuf,
        /// Another one, of the same rows, keys and settings.
        b: PathBuf,
        /// Only this engine; the others are still the control.
        #[arg(long)]
        engine: Option<String>,
        /// Only this figure: time, worst, cpu, memory, written, written_settled, disk,
        /// disk_settled or lost.
        #[arg(long, value_parser = figure)]
        figure: Option<Figure>,
    },
}

fn figure(name: &str) -> Result<Figure, String> {
    Figure::named(name).ok_or_else(|| {
        let known: Vec<_> = Figure::ALL.iter().map(|figure| figure.name()).collect();
        format!("the figures are {}", known.join(", "))
    })
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let root = arguments.root.unwrap_or_else(home);
    if !root.join("Cargo.toml").is_file() {
        eprintln!("error: {} has no Cargo.toml; is it the repository's root?", root.display());
        return ExitCode::from(2);
    }
    let findings = match arguments.command {
        Task::Layers => layers::check(&root),
        Task::Tidy => tidy::check(&root),
        Task::Api { check: false } => api::write(&root).err().into_iter().collect(),
        Task::Api { check: true } => check_api(&root),
        Task::Ci { skip, list: true } => list(&skip),
        Task::Ci { skip, list: false } => ci::run(&root, &skip).err().into_iter().collect(),
        Task::Features => features::check(&root),
        Task::Bench(task) => match run_bench(&root, task) {
            Ok(findings) => findings,
            Err(error) => return refused(&error),
        },
        Task::Format(command) => return run_format(&root, command),
        Task::Loom => instruments::run(&root, &instruments::LOOM),
        Task::Shuttle => instruments::run(&root, &instruments::SHUTTLE),
        Task::Valgrind => instruments::run(&root, &instruments::VALGRIND),
        Task::Miri => instruments::run(&root, &instruments::MIRI),
        Task::Tsan => instruments::run(&root, &instruments::TSAN),
        Task::Sites => sites::check(&root),
        Task::Planted(arguments) => planted::run(&root, &arguments),
        Task::Soak(soak) => sim::soak(&root, &soak),
        Task::Sim(arguments) => return able(sim::run(&root, &arguments)),
        Task::Audit => run_audit(&root),
        Task::Coverage(arguments) => return able(coverage::run(&root, &arguments)),
        Task::Strace(arguments) => return able(strace::run(&arguments)),
        Task::Powercut(arguments) => return able(powercut::run(&arguments)),
        Task::Victim(arguments) => match victim::write(&arguments) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::from(1);
            }
        },
        Task::Fuzz(arguments) => return able(fuzz::run(&root, &arguments)),
    };
    report(&findings)
}

/// The directory above this crate, as cargo knows it now or as it was when we were built.
fn home() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let crate_dir = manifest.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    crate_dir.parent().unwrap_or(&crate_dir).to_owned()
}

/// The findings of what could be run; why not, of what could not.
fn able(outcome: xtask::Result<Vec<Finding>>) -> ExitCode {
    match outcome {
        Ok(findings) => report(&findings),
        Err(finding) => {
            eprintln!("error: {finding}");
            ExitCode::from(2)
        }
    }
}

fn run_audit(root: &Path) -> Vec<Finding> {
    match audit::check(root) {
        Ok(report) => {
            report.lines.iter().for_each(|line| println!("{line}"));
            report.findings
        }
        Err(finding) => vec![finding],
    }
}

fn check_api(root: &Path) -> Vec<Finding> {
    match api::check(root) {
        Ok(report) => {
            for line in &report.added {
                println!("added: {line}");
            }
            report.findings
        }
        Err(finding) => vec![finding],
    }
}

fn run_bench(root: &Path, task: Bench) -> Result<Vec<Finding>, bench::Error> {
    match task {
        Bench::Report { results, check } => {
            let results = results.unwrap_or_else(|| root.join(bench::RESULTS));
            if check {
                return bench::check_report(root, &results);
            }
            bench::write_report(root, &results)?;
        }
        Bench::Collect { from, out } => {
            let out = out.unwrap_or_else(|| root.join(bench::PARTS));
            let count = bench::collect(root, from, &out)?;
            println!("{count} benchmarks in {}", out.display());
        }
        Bench::Compare { a, b, engine, figure } => {
            print!("{}", bench::compare(&a, &b, engine.as_deref(), figure)?);
        }
    }
    Ok(Vec::new())
}

/// A finding is told like any other; everything else is one line.
fn refused(error: &bench::Error) -> ExitCode {
    match error {
        bench::Error::Finding(finding) => report(std::slice::from_ref(finding)),
        _ => {
            eprintln!("error: {error}");
            ExitCode::from(if error.is_bad_input() { 2 } else { 1 })
        }
    }
}

fn run_format(root: &Path, command: format::Command) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    match format::run(root, command, &mut out, &mut io::stderr()) {
        Ok(format::Outcome::Told { sound }) => ExitCode::from(if sound { 0 } else { 1 }),
        Ok(format::Outcome::Findings(findings)) => report(&findings),
        Ok(format::Outcome::Usage(why)) => {
            eprintln!("error: {why}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(1)
        }
    }
}

fn list(skip: &[String]) -> Vec<Finding> {
    match ci::steps(skip) {
        Ok(steps) => {
            for step in steps {
                println!("{:27} {}", step.name, step.command_line());
            }
            Vec::new()
        }
        Err(finding) => vec![finding],
    }
}

fn report(findings: &[Finding]) -> ExitCode {
    for finding in findings {
        eprintln!("{finding}\n");
    }
    match findings.len() {
        0 => ExitCode::SUCCESS,
        count => {
            eprintln!("{count} finding{}", if count == 1 { "" } else { "s" });
            ExitCode::from(1)
        }
    }
}

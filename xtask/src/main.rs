//! `cargo xtask <command>`: the command line over the checks of the library.
//!
//! Exit code 0: all is well; 1: a check failed, and says where, on standard error; 2: bad usage.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool speaks")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::{Finding, api, ci, features, layers, tidy};

/// The project's own checks and its CI run.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
#[command(after_help = "Exit code: 0 all is well, 1 a check failed, 2 bad usage.")]
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
    };
    report(&findings)
}

/// The directory above this crate, as cargo knows it now or as it was when we were built.
fn home() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let crate_dir = manifest.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    crate_dir.parent().unwrap_or(&crate_dir).to_owned()
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

//! Tests under instruments: loom, shuttle, valgrind, Miri, ThreadSanitizer.
//!
//! Each instrument is data: what it needs beside the toolchain that runs us, and its steps. What is
//! not there is told, and the run is a success: the project asks for a stable toolchain and nothing
//! else. Builds go to folders of their own, since flags of the compiler differ.
#![expect(clippy::print_stdout, reason = "the run tells a terminal or a log how far it has come")]

use std::path::Path;
use std::process::Command;

use crate::Finding;
use crate::ci::{self, Step};

/// One instrument.
#[derive(Debug)]
pub struct Instrument {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it needs, and how to get that.
    needs: Option<Need>,
    steps: &'static [Step],
}

/// Something that has to be installed.
#[derive(Debug)]
struct Need {
    what: &'static str,
    /// Tells what there is; fails where there is nothing.
    asked: &'static [&'static str],
    /// How a line of what it tells begins if it is there.
    answer: &'static str,
    remedy: &'static str,
}

/// Divides the work of the memtable's tests, since instruments slow it down.
const LESS: (&str, &str) = ("LSM_TEST_DIVISOR", "20");
const COMPONENTS: &[&str] =
    &["rustup", "component", "list", "--toolchain", "nightly", "--installed"];

/// All orders of the steps of two threads, under the memory model of the language.
pub const LOOM: Instrument = Instrument {
    name: "loom",
    needs: None,
    steps: &[Step {
        name: "models of the memtable, the group and the view",
        program: "cargo",
        args: &[
            "test",
            "--release",
            "--target-dir",
            "target/loom",
            "-p",
            "lsm-memtable",
            "-p",
            "lsm-group",
            "-p",
            "lsm-engine",
            "--lib",
            "models",
        ],
        env: &[("RUSTFLAGS", "--cfg loom")],
    }],
};

/// The engine on the simulated disk, its threads in orders chosen at random.
pub const SHUTTLE: Instrument = Instrument {
    name: "shuttle",
    needs: None,
    steps: &[Step {
        name: "orders of the engine's threads",
        program: "cargo",
        args: &[
            "test",
            "--release",
            "--target-dir",
            "target/shuttle",
            "-p",
            "lsm-engine",
            "--features",
            "durability,bloom",
            "--test",
            "shuttle",
        ],
        env: &[("RUSTFLAGS", "--cfg shuttle")],
    }],
};

/// Memcheck: reads of what was never written, accesses outside of what was allocated.
pub const VALGRIND: Instrument = Instrument {
    name: "valgrind",
    needs: Some(Need {
        what: "valgrind",
        asked: &["valgrind", "--version"],
        answer: "valgrind",
        remedy: "install it from your system's packages",
    }),
    steps: &[Step {
        name: "tests of the memtable",
        program: "cargo",
        args: &[
            "test",
            "-p",
            "lsm-memtable",
            "--lib",
            "--config",
            "target.'cfg(unix)'.runner = ['valgrind', '--quiet', '--error-exitcode=1', \
             '--leak-check=full', '--show-leak-kinds=definite', \
             '--errors-for-leak-kinds=definite', '--fair-sched=yes']",
            "--",
            "--test-threads=1",
        ],
        env: &[LESS],
    }],
};

/// The rules of unsafe code, checked while an interpreter runs it.
pub const MIRI: Instrument = Instrument {
    name: "miri",
    needs: Some(Need {
        what: "a nightly toolchain with miri",
        asked: COMPONENTS,
        answer: "miri",
        remedy: "run `rustup toolchain install nightly --component miri,rust-src`",
    }),
    steps: &[Step {
        name: "tests of memtable and filter",
        program: "rustup",
        args: &[
            "run",
            "nightly",
            "cargo",
            "miri",
            "test",
            "--target-dir",
            "target/miri",
            "-p",
            "lsm-memtable",
            "-p",
            "lsm-bloom",
            "--lib",
        ],
        env: &[],
    }],
};

/// Data races, as they happen.
pub const TSAN: Instrument = Instrument {
    name: "tsan",
    needs: Some(Need {
        what: "a nightly toolchain with the sources of the standard library",
        asked: COMPONENTS,
        answer: "rust-src",
        remedy: "run `rustup toolchain install nightly --component rust-src`",
    }),
    steps: &[Step {
        name: "tests of memtable and filter",
        program: "rustup",
        args: &[
            "run",
            "nightly",
            "cargo",
            "test",
            "-Zbuild-std",
            "--target",
            "host-tuple",
            "--target-dir",
            "target/tsan",
            "-p",
            "lsm-memtable",
            "-p",
            "lsm-bloom",
            "--lib",
        ],
        env: &[("RUSTFLAGS", "-Zsanitizer=thread"), LESS],
    }],
};

impl Need {
    fn is_there(&self) -> bool {
        let Some((program, args)) = self.asked.split_first() else { return false };
        Command::new(program).args(args).output().is_ok_and(|output| {
            let told = String::from_utf8_lossy(&output.stdout);
            output.status.success() && told.lines().any(|line| line.starts_with(self.answer))
        })
    }
}

/// Runs the tests under an instrument, or tells why not.
#[must_use]
pub fn run(root: &Path, instrument: &Instrument) -> Vec<Finding> {
    if let Some(need) = instrument.needs.as_ref().filter(|need| !need.is_there()) {
        println!("skipped: {} needs {}; {}", instrument.name, need.what, need.remedy);
        return Vec::new();
    }
    ci::run_steps(root, instrument.steps.iter()).err().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABSENT: Need = Need {
        what: "a program that nobody has",
        asked: &["no-such-program-here"],
        answer: "",
        remedy: "none",
    };

    #[test]
    fn what_is_not_installed_is_no_failure() {
        let fails = Step { name: "never run", program: "false", args: &[], env: &[] };
        let steps: &'static [Step] = Box::leak(Box::new([fails]));
        let skipped = Instrument { name: "absent", needs: Some(ABSENT), steps };
        assert!(run(Path::new("."), &skipped).is_empty());
        assert_eq!(run(Path::new("."), &Instrument { needs: None, ..skipped }).len(), 1);
    }

    #[test]
    fn a_need_is_told_from_others() {
        let asked = &["printf", "cargo-x86\\nrust-std-x86\\n"];
        assert!(Need { asked, answer: "rust-std", ..ABSENT }.is_there());
        assert!(!Need { asked, answer: "rust-src", ..ABSENT }.is_there());
        assert!(!Need { asked: &["false"], ..ABSENT }.is_there());
    }
}

//! Every call of the file system, with everything that can go wrong at it: the table, and that it
//! is complete.
//!
//! 1. `callers` - which calls the sources make: clippy is told to name every use of the methods of
//!    lsm-vfs, so that types decide and not names;
//! 2. the example `sites` of lsm-testkit plays histories on the simulated disk, lets each call
//!    that they make go wrong in each way, and tells how often it did;
//! 3. `table` - the two are held against each other, and printed.
#![expect(clippy::print_stdout, reason = "the table is what the command is for")]

mod callers;
mod table;

use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Finding, Result};

/// Where a history is added that comes to a site.
const HISTORIES: &str = "crates/lsm-testkit/examples/sites/store.rs";

/// Runs the sweep and prints the table; finds every call site that was not reached, every cell
/// that is empty and should not be, and whatever the store did wrong.
#[must_use]
pub fn check(root: &Path) -> Vec<Finding> {
    match callers::callers(root).and_then(|calls| Ok((calls, sweep(root)?))) {
        Ok((calls, reached)) => {
            print!("{}", table::print(&reached));
            table::compare(&calls, &reached)
        }
        Err(finding) => vec![finding],
    }
}

fn sweep(root: &Path) -> Result<table::Reached> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).args(["run", "--quiet", "--profile", "sites", "-p", "lsm-testkit"]);
    command.args(["--example", "sites", "--features", "bloom,durability,lz4"]);
    let failed = |found: String| {
        let remedy = "mend the store, or the history if it expects too much";
        Finding::new(HISTORIES, 0, "no failure of a call to do harm", found, remedy)
    };
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed("what stands above".into()));
    }
    table::Reached::read(&String::from_utf8_lossy(&output.stdout))
}

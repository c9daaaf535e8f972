//! Feature sets and directories: a store that one build made, every other can open.
//!
//! For each feature set a store is made by its build and then visited by the builds of all sets in
//! turn; each checks what the ones before left. A store that a build with `durability` left without
//! closing is refused by those without it, and opens again with it.

use std::path::Path;
use std::process::Command;

use crate::sim::SETS;
use crate::{Finding, Result};

/// Runs all visits; each build is made once.
#[must_use]
pub fn check(root: &Path) -> Vec<Finding> {
    SETS.iter().flat_map(|first| round(root, first).err()).chain(unclean(root).err()).collect()
}

fn round(root: &Path, first: &str) -> Result<()> {
    let dir = temp_dir()?;
    visit(root, first, &["visit", &dir.text(), "0"])?;
    for (before, set) in (1..).zip(SETS) {
        visit(root, set, &["visit", &dir.text(), &format!("{before}")])?;
    }
    Ok(())
}

fn unclean(root: &Path) -> Result<()> {
    let dir = temp_dir()?;
    visit(root, "", &["visit", &dir.text(), "0"])?;
    // It aborts, so that it cannot succeed.
    let _ = visit(root, "durability", &["abort", &dir.text()]);
    visit(root, "", &["refused", &dir.text()])?;
    visit(root, "bloom,lz4", &["refused", &dir.text()])?;
    visit(root, "durability", &["visit", &dir.text(), "1"])?;
    visit(root, "", &["visit", &dir.text(), "2"])
}

fn visit(root: &Path, features: &str, args: &[&str]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).args(["run", "--quiet", "--release", "-p", "lsm-testkit"]);
    command.args(["--bin", "cross_open", "--features", features, "--"]).args(args);
    let found = match command.output() {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    let expected =
        format!("`cross_open {}` with the features \"{features}\" to pass", args.join(" "));
    let file = "crates/lsm-testkit/src/bin/cross_open.rs";
    Err(Finding::new(file, 0, expected, found, "let the feature sets read each other's stores"))
}

/// A directory that goes when it is dropped.
struct TempDir(tempfile::TempDir);

impl TempDir {
    fn text(&self) -> String {
        self.0.path().join("store").display().to_string()
    }
}

fn temp_dir() -> Result<TempDir> {
    tempfile::tempdir().map(TempDir).map_err(|error| Finding::unreadable("temporary folder", error))
}

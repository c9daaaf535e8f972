//! What the project rests on: its dependencies, their licences, and its unsafe code.
//!
//! 1. `packages` - every package that cargo resolves for this machine: its licence is allowed, by
//!    `licence`; what a crate of ours names has its reason in docs/ARCHITECTURE.md, and every
//!    reason there a crate that it speaks of; nothing is linked into the library in two versions;
//! 2. `unsafe` - every use, with its argument; one without is a finding;
//! 3. advisories - by cargo-audit and its database, where both are installed; it is said if not.

mod licence;
mod packages;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::rust_text::RustText;
use crate::{Finding, Result, files, layers};

/// What was found, and what there is.
#[derive(Debug, Default)]
pub struct Report {
    /// What there is, a line each.
    pub lines: Vec<String>,
    /// What should not be so.
    pub findings: Vec<Finding>,
}

/// Lists everything.
///
/// # Errors
///
/// What keeps it from being listed: no metadata, unreadable files.
pub fn check(root: &Path) -> Result<Report> {
    let mut report = packages::check(root)?;
    unsafe_code(root, &mut report)?;
    advisories(root, &mut report);
    Ok(report)
}

/// Every use of `unsafe`, in all workspaces.
fn unsafe_code(root: &Path, report: &mut Report) -> Result<()> {
    let before = report.lines.len();
    report.lines.push(String::new());
    for file in files::list(root)?.iter().filter(|file| file.ends_with(".rs")) {
        let text = RustText::new(&files::read(root, file)?);
        for one in layers::unsafe_uses(&text) {
            let argument = one.argument.as_deref().unwrap_or("NO ARGUMENT");
            report.lines.push(format!("{file}:{} {}: {argument}", one.line, one.code));
        }
        report.findings.extend(layers::unargued(file, &text));
    }
    let count = report.lines.len() - before - 1;
    if let Some(heading) = report.lines.get_mut(before) {
        *heading = format!("== {count} uses of unsafe code");
    }
    Ok(())
}

/// Asks cargo-audit, if it is there with a database: nothing is fetched.
fn advisories(root: &Path, report: &mut Report) {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let database = home.map(|home| home.join("advisory-db")).filter(|path| path.is_dir());
    let version = Command::new("cargo-audit").args(["audit", "--version"]).output();
    let installed = version.is_ok_and(|output| output.status.success());
    let (Some(database), true) = (database, installed) else {
        let why = if installed { "no database of advisories" } else { "no cargo-audit" };
        report.lines.push(format!("== advisories were not looked up: {why} on this machine"));
        return;
    };
    let mut command = Command::new("cargo-audit");
    command.current_dir(root).args(["audit", "--no-fetch", "--stale", "--db"]).arg(database);
    match command.output() {
        Ok(output) if output.status.success() => {
            report.lines.push("== advisories: none that cargo-audit knows".to_owned());
        }
        output => {
            let told = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            let found = told.unwrap_or_else(|error| error.to_string());
            let remedy = "run `cargo audit`, and update what it names";
            report.findings.push(Finding::new("Cargo.lock", 0, "no advisory", found, remedy));
        }
    }
}

//! The shape of files, names and documents: what a reader notices before the code.
//!
//! 1. `text` - every text file: line ends, trailing blanks, paths of somebody's machine, marks of
//!    unfinished work;
//! 2. `rust` - Rust files: the head, lints switched off without a reason, panicking stand-ins,
//!    junk-drawer modules; `length` - files and functions that grew too long;
//! 3. `documents` - the documents exist, their links lead somewhere, the changelog is typed, the
//!    map names every crate, the README and the CI run agree on the tests;
//! 4. `scenarios` - the table of scenarios of faults names tests that exist, and names them all.
//!
//! Looked at is what belongs to the repository: tracked files and new ones that are not ignored.

mod documents;
mod length;
mod rust;
mod scenarios;
#[cfg(test)]
mod tests;
mod text;

use std::fs;
use std::path::Path;

use crate::rust_text::RustText;
use crate::{Finding, Result, files, workspace};

/// Everything untidy in the repository.
#[must_use]
pub fn check(root: &Path) -> Vec<Finding> {
    match checked(root) {
        Ok(findings) => findings,
        Err(finding) => vec![finding],
    }
}

fn checked(root: &Path) -> Result<Vec<Finding>> {
    let listed = files::list(root)?;
    let members = workspace::members(root)?;
    let crates: Vec<String> = members.into_iter().map(|member| member.name).collect();
    let mut findings = check_files(root, &listed)?;
    findings.extend(documents::check(root, &listed, &crates));
    findings.extend(scenarios::check(root, &listed)?);
    Ok(findings)
}

fn check_files(root: &Path, listed: &[String]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for file in listed {
        let bytes = fs::read(root.join(file)).map_err(|error| Finding::unreadable(file, error))?;
        // Golden files and other bytes have no lines to be tidy.
        let Some(content) = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
        else {
            continue;
        };
        findings.extend(text::check(file, &content));
        if file.ends_with(".rs") {
            let halves = RustText::new(&content);
            findings.extend(rust::check(file, &content, &halves));
            findings.extend(length::check(file, &halves));
        }
    }
    Ok(findings)
}

/// Whether `file` holds tests: they may be as long as what they tell.
fn is_test(file: &str) -> bool {
    file.split('/').any(|part| part == "tests" || part == "tests.rs")
}

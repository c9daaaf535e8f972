//! The public surface of `lsm-db` as text, and the part of it that is frozen.
//!
//! 1. `source` - parse the crate and every module file it names;
//! 2. `names` - bind names: what a path means where it stands, and where an item can be reached;
//! 3. `items` and `impls` - one line for each public item, with `gates` for its `cfg`s and `render`
//!    for types and signatures, the same text however the source spells it;
//! 4. `frozen` - hold the lines to `docs/api.txt` (all of them, as committed) and to
//!    `docs/api.frozen.txt` (those that may never change, written by hand from the reference).
//!
//! The source is read, not compiled: auto traits (`Send`, `Sync`) do not show, and items that a
//! macro writes are named as unseen.

mod frozen;
mod gates;
mod impls;
mod items;
mod names;
mod render;
mod source;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use crate::{Finding, Result};

/// The crate whose surface this is, by its directory.
const CRATE_DIR: &str = "lsm-db";
/// The surface as committed.
const CURRENT: &str = "docs/api.txt";
/// The part of it that may never change.
const FROZEN: &str = "docs/api.frozen.txt";

const HEADER: &str = "# The public surface of lsm-db, one item a line.\n\
    # Written by `cargo xtask api`, never by hand.\n";

/// What a check of the surface says.
#[derive(Debug, Default)]
pub struct Report {
    /// Lines that are not what they should be.
    pub findings: Vec<Finding>,
    /// Public items beside the frozen ones: no fault, but to be seen.
    pub added: Vec<String>,
}

/// Every public item of the crate, one a line, sorted.
///
/// # Errors
///
/// A file of the crate that cannot be read or parsed.
pub fn surface(root: &Path) -> Result<Vec<String>> {
    Ok(items::lines(&names::Names::new(source::load(root, CRATE_DIR)?)))
}

/// Writes the surface to `docs/api.txt`.
///
/// # Errors
///
/// The crate cannot be read, or the file not written.
pub fn write(root: &Path) -> Result<()> {
    let text = text_of(&surface(root)?);
    fs::write(root.join(CURRENT), text).map_err(|error| {
        Finding::new(CURRENT, 0, "a file that can be written", error.to_string(), "see to it")
    })
}

/// Holds the surface to the committed text and to the frozen one.
///
/// # Errors
///
/// The crate or one of the two texts cannot be read.
pub fn check(root: &Path) -> Result<Report> {
    let lines = surface(root)?;
    let mut report = frozen::compare(FROZEN, &crate::files::read(root, FROZEN)?, &lines);
    let committed = crate::files::read(root, CURRENT).unwrap_or_default();
    report.findings.extend(frozen::stale(CURRENT, &committed, &text_of(&lines)));
    Ok(report)
}

fn text_of(lines: &[String]) -> String {
    let mut text = HEADER.to_owned();
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text
}

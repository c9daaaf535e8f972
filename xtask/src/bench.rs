//! `cargo xtask bench`: from figures to a document, and from two sets of figures to what changed.
//!
//! 1. `folder` - read the results and see by their contents what each file is for;
//! 2. `tables`, `standing`, `setting`, `parts` - text made of them, with `markdown` for its tables;
//!    `charts` - which charts, `axis` and `plot` - how they are drawn;
//! 3. `sections` - which text stands where, `document` - putting it between its markers;
//! 4. `collect` - criterion's files into one; `compare` - two files of results, beyond their noise.
//!
//! The same results give the same bytes, so that `report --check` can hold the document to them. No
//! figure is typed by hand, and nothing is measured here.

mod axis;
mod charts;
mod collect;
mod compare;
mod date;
mod document;
mod error;
mod folder;
mod markdown;
mod parts;
mod plot;
mod sections;
mod setting;
mod standing;
mod tables;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

pub use collect::collect;
pub use compare::compare;
pub use error::Error;

use crate::{Finding, files};

/// Where results are kept, from the root.
pub const RESULTS: &str = "benches/results";
/// What is collected of criterion's files, among the results.
pub const PARTS: &str = "benches/results/parts.json";
/// The document, and the folder of the charts it shows.
const DOCUMENT: &str = "docs/PERFORMANCE.md";
const CHARTS: &str = "docs/charts";

/// Writes the document's generated sections and its charts from the results in `results`, and
/// removes charts that are no longer made.
///
/// # Errors
///
/// The results cannot serve, a marker of the document is wrong, or a file cannot be written.
pub fn write_report(root: &Path, results: &Path) -> Result<(), Error> {
    let made = make(root, results)?;
    let write = |file: &str, act: std::io::Result<()>| {
        act.map_err(|error| {
            let expected = "a file that can be written";
            Finding::new(file, 0, expected, error.to_string(), "see to its permissions")
        })
    };
    write(CHARTS, fs::create_dir_all(root.join(CHARTS)))?;
    for (file, text) in &made {
        write(file, fs::write(root.join(file), text))?;
    }
    for file in strays(root, &made)? {
        write(&file, fs::remove_file(root.join(&file)))?;
    }
    Ok(())
}

/// Where the document and the charts differ from what the results in `results` give.
///
/// # Errors
///
/// The results cannot serve, or a marker of the document is wrong.
pub fn check_report(root: &Path, results: &Path) -> Result<Vec<Finding>, Error> {
    let remedy = "run `cargo xtask bench report`; what it writes is never changed by hand";
    let made = make(root, results)?;
    let mut findings = Vec::new();
    for (file, expected) in &made {
        let found = fs::read_to_string(root.join(file)).unwrap_or_default();
        if found != *expected {
            let line = document::first_difference(&found, expected);
            let found = "something else, or no such file";
            findings.push(Finding::new(file, line, "what the results give", found, remedy));
        }
    }
    for file in strays(root, &made)? {
        findings.push(Finding::new(file, 0, "a chart of the report", "a stray", remedy));
    }
    Ok(findings)
}

/// Every file of the report, by its path from the root.
fn make(root: &Path, results: &Path) -> Result<BTreeMap<String, String>, Error> {
    let folder = folder::read(results)?;
    let charts = charts::all(&folder)?;
    let sections = sections::all(&folder, &charts);
    let text = files::read(root, DOCUMENT)?;
    let mut made = BTreeMap::new();
    made.insert(DOCUMENT.to_owned(), document::fill(DOCUMENT, &text, &sections)?);
    made.extend(
        charts.into_iter().map(|chart| (format!("{CHARTS}/{}.svg", chart.name), chart.svg)),
    );
    Ok(made)
}

/// Charts in the folder that the report does not make.
fn strays(root: &Path, made: &BTreeMap<String, String>) -> Result<Vec<String>, Finding> {
    if !root.join(CHARTS).is_dir() {
        return Ok(Vec::new());
    }
    let mut files = files::walk(root, CHARTS, &|_| false)?;
    files.retain(|file| file.ends_with(".svg") && !made.contains_key(file));
    Ok(files)
}

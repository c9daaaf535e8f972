//! The proof of the pages: `docs/reader.py`, which was written from docs/SSTABLE_FORMAT.md,
//! docs/WAL_FORMAT.md and docs/MANIFEST_FORMAT.md alone, lists of the golden tables, logs and
//! manifests what their listings say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::file::MANIFEST;
use super::golden::DIR;
use crate::{Finding, Result, files};

const READER: &str = "docs/reader.py";

/// Every golden table, log or manifest that the reader in Python lists in another way, or does not read.
pub(super) fn check(root: &Path) -> Vec<Finding> {
    let tables = match tables(root) {
        Ok(tables) if tables.is_empty() => {
            let remedy = "write them by `cargo xtask format golden`";
            return vec![Finding::new(DIR, 0, "golden tables", "none", remedy)];
        }
        Ok(tables) => tables,
        Err(finding) => return vec![finding],
    };
    tables.iter().filter_map(|table| compare(root, table).err()).collect()
}

fn tables(root: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |error: std::io::Error| {
        Finding::new(DIR, 0, "a folder of golden files", error.to_string(), "restore it")
    };
    let mut tables = Vec::new();
    for entry in fs::read_dir(root.join(DIR)).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "sst" || extension == "log") {
            tables.push(path);
        } else if path.join(MANIFEST).is_file() {
            tables.push(path.join(MANIFEST));
        }
    }
    tables.sort();
    Ok(tables)
}

fn compare(root: &Path, table: &Path) -> Result<()> {
    let file = table.strip_prefix(root).unwrap_or(table).display().to_string();
    let name = match file.strip_suffix(MANIFEST) {
        Some(store) => format!("{}.manifest", store.trim_end_matches('/')),
        None => format!("{DIR}/{}", table.file_stem().unwrap_or_default().display()),
    };
    let listing = files::read(root, &format!("{name}.txt"))?;
    let mut command = Command::new("python3");
    command.arg(root.join(READER)).arg(table);
    let filter = table.with_extension("sst.bloom");
    if filter.is_file() {
        command.arg("--filter").arg(filter);
    }
    let output = command.output().map_err(|error| {
        let remedy = "install Python 3.10 or later; nothing else is needed";
        Finding::new(READER, 0, "a program `python3`", error.to_string(), remedy)
    })?;
    let remedy = "page, reader and codec must agree: the page says what is right";
    if !output.status.success() {
        let found = String::from_utf8_lossy(&output.stderr);
        let found = format!("{}: {}", output.status, found.trim());
        return Err(Finding::new(file, 0, "a file that is read", found, remedy));
    }
    let listed = String::from_utf8_lossy(&output.stdout);
    let differs = |(at, (a, b)): (usize, (&str, &str))| (a != b).then_some(at + 1);
    let line = listing.lines().zip(listed.lines()).enumerate().find_map(differs);
    if line.is_none() && listed.lines().count() == listing.lines().count() {
        return Ok(());
    }
    let line = line.unwrap_or_else(|| listed.lines().count().min(listing.lines().count()) + 1);
    let expected = listing.lines().nth(line - 1).unwrap_or("the end");
    let found = listed.lines().nth(line - 1).unwrap_or("the end");
    Err(Finding::new(format!("{name}.txt"), line, expected, found, remedy))
}

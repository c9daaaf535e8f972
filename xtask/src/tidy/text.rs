//! What holds for every text file.

use crate::Finding;
use crate::rust_text::{line_of, words};

/// The top directories under which people and build machines keep their checkouts.
const HOMES: [&str; 4] = ["home", "root", "work", "Users"];

pub(super) fn check(file: &str, content: &str) -> Vec<Finding> {
    let mut findings = machine_paths(file, content);
    // A test's expected output is kept as it was printed.
    if !file.split('/').any(|part| part == "testdata" || part == "corpus") {
        findings.extend(blanks(file, content));
    }
    if !file.ends_with(".md") {
        findings.extend(unfinished(file, content));
    }
    findings
}

fn blanks(file: &str, content: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in content.split('\n').enumerate() {
        if line.trim_end().len() != line.len() {
            let remedy = "take the blanks out; `cargo fmt` does it for Rust";
            findings.push(Finding::new(file, index + 1, "no trailing blanks", "some", remedy));
        }
        if file.ends_with(".rs") && line.contains('\t') {
            let remedy = "indent with spaces, and write \\t in literals";
            findings.push(Finding::new(file, index + 1, "no tabs", "a tab", remedy));
        }
    }
    if !content.is_empty() && !content.ends_with('\n') {
        let last = content.lines().count();
        let expected = "a line break at the end of the file";
        findings.push(Finding::new(file, last, expected, "none", "add one"));
    }
    findings
}

fn machine_paths(file: &str, content: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for home in HOMES {
        let needle = format!("/{home}/");
        for (at, _) in content.match_indices(&needle) {
            // Inside a longer path or a URL it is an ordinary name.
            let before = content.get(..at).and_then(|head| head.chars().next_back());
            if before.is_some_and(|c| c.is_alphanumeric() || "._-~/}".contains(c)) {
                continue;
            }
            findings.push(Finding::new(
                file,
                line_of(content, at),
                "paths from the root of the repository",
                format!("a path of one machine: `{needle}...`"),
                "write the path relative to the repository, or make it a parameter",
            ));
        }
    }
    findings
}

fn unfinished(file: &str, content: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for mark in [concat!("FIX", "ME"), concat!("XX", "X")] {
        for at in words(content, mark) {
            findings.push(Finding::new(
                file,
                line_of(content, at),
                "finished work, or an issue that says what is missing",
                format!("`{mark}`"),
                "finish it, or write it down where it can be found",
            ));
        }
    }
    findings
}

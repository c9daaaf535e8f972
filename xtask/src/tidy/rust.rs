//! What holds for Rust files.

use crate::Finding;
use crate::rust_text::{RustText, line_of, words};

/// How far down the head of a file may say what the file is.
const HEAD_LINES: usize = 10;

pub(super) fn check(file: &str, content: &str, halves: &RustText) -> Vec<Finding> {
    let mut findings = Vec::new();
    if file.starts_with("src/") || file.contains("/src/") {
        findings.extend(head(file, content));
    }
    findings.extend(bare_allows(file, &halves.code));
    findings.extend(stand_ins(file, &halves.code));
    findings.extend(module_names(file, &halves.code));
    findings
}

/// The file opens with what it is.
fn head(file: &str, content: &str) -> Option<Finding> {
    let opening = content.lines().find(|line| !line.trim().is_empty()).unwrap_or("");
    let documented = content.lines().take(HEAD_LINES).any(|line| line.starts_with("//!"));
    if opening.starts_with("//!") || (opening.starts_with("#![") && documented) {
        return None;
    }
    Some(Finding::new(
        file,
        1,
        "`//!` at the head: what this file is, its invariants, its algorithm",
        format!("`{opening}`"),
        "say it in a few lines at the top of the file",
    ))
}

/// A lint is expected with a reason, so that it comes back when the reason has gone.
fn bare_allows(file: &str, code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for at in words(code, "allow") {
        let before = code.get(..at).unwrap_or_default().trim_end();
        let after = code.get(at + "allow".len()..).unwrap_or_default().trim_start();
        let attribute = ["#[", "#!["].iter().any(|open| {
            let dense: String =
                before.chars().rev().filter(|c| !c.is_whitespace()).take(3).collect();
            dense.starts_with(&open.chars().rev().collect::<String>())
        });
        // The lint list of a conditional attribute: `#[cfg_attr(x, allow(y))]`.
        let conditional = before.ends_with(',')
            && before.rfind("cfg_attr").is_some_and(|start| {
                let between = before.get(start..).unwrap_or_default();
                !between.contains(']') && !between.contains(';')
            });
        if after.starts_with('(') && (attribute || conditional) {
            findings.push(Finding::new(
                file,
                line_of(code, at),
                "`#[expect(lint, reason = \"...\")]`",
                "a lint switched off for good",
                "expect it and give the reason; the compiler then says when it is no longer needed",
            ));
        }
    }
    findings
}

/// Macros that compile in place of work not done.
fn stand_ins(file: &str, code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in [concat!("to", "do"), concat!("un", "implemented")] {
        for at in words(code, name) {
            if code.get(at + name.len()..).unwrap_or_default().trim_start().starts_with("!(") {
                findings.push(Finding::new(
                    file,
                    line_of(code, at),
                    "working code",
                    format!("`{name}!(`"),
                    "write it, or return an error that says what is not there",
                ));
            }
        }
    }
    findings
}

fn module_names(file: &str, code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let parts: Vec<&str> = file.trim_end_matches(".rs").split('/').collect();
    // `a/util/b.rs` is in the junk drawer as well, but its own finding is the one of `util`.
    let own = match parts.as_slice() {
        [.., dir, "mod"] => Some(*dir),
        [.., stem] => Some(*stem),
        [] => None,
    };
    findings.extend(own.filter(|name| is_junk_drawer(name)).map(|name| junk(file, 1, name)));
    for at in words(code, "mod") {
        let rest = code.get(at + "mod".len()..).unwrap_or_default().trim_start();
        let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("");
        let body = rest.get(name.len()..).unwrap_or_default().trim_start();
        if body.starts_with('{') && is_junk_drawer(name) {
            findings.push(junk(file, line_of(code, at), name));
        }
    }
    findings
}

/// A name that says nothing about what is inside, or that there is an older twin.
fn is_junk_drawer(name: &str) -> bool {
    let junk = ["util", "utils", "common", "helper", "helpers", "misc"];
    let twin = name.rsplit_once("_v").is_some_and(|(stem, number)| {
        !stem.is_empty() && number.parse::<u32>().is_ok_and(|number| number >= 2)
    });
    junk.contains(&name) || twin
}

fn junk(file: &str, line: usize, name: &str) -> Finding {
    Finding::new(
        file,
        line,
        "a module named after what it does",
        format!("a module `{name}`"),
        "rename it, or move each thing to where it is used; replace an old version, keep no twin",
    )
}

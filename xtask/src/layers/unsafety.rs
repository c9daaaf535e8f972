//! Where `unsafe` stands, and whether it argues.
//!
//! A crate without `unsafe` says so in each of its roots with `#![forbid(unsafe_code)]`. In a crate
//! that may use it, every block and impl has a `// SAFETY:` comment among the six lines of code
//! above it (a comment counts as no line, however long), and every `unsafe fn` or trait may have a
//! `# Safety` section instead. Function pointer types and attributes promise nothing and need none.

use std::path::Path;

use crate::rust_text::{RustText, line_of, words};
use crate::workspace::Member;
use crate::{Finding, Result, files};

/// How many lines of code may stand between an argument and its use.
const REACH: usize = 6;

pub(super) fn check(root: &Path, member: &Member, allowed: bool) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut uses_unsafe = false;
    let sources = format!("{}/src/", member.dir);
    for file in files::rust_files(root, &member.dir)? {
        let text = RustText::new(&files::read(root, &file)?);
        uses_unsafe |= file.starts_with(&sources) && words(&text.code, "unsafe").next().is_some();
        findings.extend(unargued(&file, &text));
    }
    if allowed && uses_unsafe {
        return Ok(findings);
    }
    for root_file in &member.roots {
        let text = RustText::new(&files::read(root, root_file)?);
        if !forbids(&text.code) {
            findings.push(Finding::new(
                root_file,
                1,
                "`#![forbid(unsafe_code)]`",
                if allowed { "a crate without unsafe code that allows it" } else { "nothing" },
                format!("add the line; {} may not use unsafe code otherwise", member.name),
            ));
        }
    }
    Ok(findings)
}

fn forbids(code: &str) -> bool {
    let dense: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let lists = dense.split("#![forbid(").skip(1).filter_map(|rest| rest.split(')').next());
    lists.flat_map(|list| list.split(',')).any(|lint| lint == "unsafe_code")
}

/// One use of `unsafe` that wants an argument.
#[derive(Debug)]
pub(crate) struct UnsafeUse {
    pub(crate) line: usize,
    /// The line as it stands.
    pub(crate) code: String,
    /// What argues for it, if anything does.
    pub(crate) argument: Option<String>,
    wanted: &'static str,
}

/// Every use of `unsafe` in one file.
pub(crate) fn uses(text: &RustText) -> Vec<UnsafeUse> {
    let mut found = Vec::new();
    let lines =
        Lines { code: text.code.lines().collect(), comments: text.comments.lines().collect() };
    for at in words(&text.code, "unsafe") {
        let line = line_of(&text.code, at);
        let use_of = Use::of(text.code.get(at + "unsafe".len()..).unwrap_or_default());
        let (argument, wanted) = match use_of {
            Use::Nothing => continue,
            Use::Block => (lines.near(line, &["SAFETY:"]), "a `// SAFETY:` comment above it"),
            Use::Promise => (
                lines.near(line, &["SAFETY:", "# Safety"]),
                "a `# Safety` section in its documentation, or a `// SAFETY:` comment above it",
            ),
        };
        let code = lines.code.get(line - 1).unwrap_or(&"").trim().to_owned();
        found.push(UnsafeUse { line, code, argument, wanted });
    }
    found
}

/// Every use of `unsafe` in one file that no comment argues for.
pub(crate) fn unargued(file: &str, text: &RustText) -> Vec<Finding> {
    let uses = uses(text).into_iter().filter(|one| one.argument.is_none());
    let finding = |one: UnsafeUse| {
        let remedy = "argue there why every obligation holds";
        Finding::new(file, one.line, one.wanted, format!("`{}`", one.code), remedy)
    };
    uses.map(finding).collect()
}

/// What follows the keyword.
enum Use {
    /// A block or an impl: an obligation is met here.
    Block,
    /// A function or a trait: an obligation is made here.
    Promise,
    /// A type or an attribute.
    Nothing,
}

impl Use {
    fn of(rest: &str) -> Use {
        let rest = rest.trim_start();
        if rest.starts_with('(') {
            return Use::Nothing;
        }
        if rest.starts_with("trait") || rest.starts_with("auto") {
            return Use::Promise;
        }
        let signature = match rest.strip_prefix("extern") {
            Some(rest) => rest.trim_start().trim_start_matches(['"', ' ']),
            None => rest,
        };
        match signature.strip_prefix("fn") {
            Some(name) if name.trim_start().starts_with('(') => Use::Nothing,
            Some(_) => Use::Promise,
            None => Use::Block,
        }
    }
}

struct Lines<'a> {
    code: Vec<&'a str>,
    comments: Vec<&'a str>,
}

impl Lines<'_> {
    /// The comment on `line`, or above it within reach, that has one of the marks.
    fn near(&self, line: usize, marks: &[&str]) -> Option<String> {
        let mut left = REACH;
        for index in (0..line).rev() {
            let comment = self.comments.get(index).copied().unwrap_or("");
            if marks.iter().any(|mark| comment.contains(mark)) {
                return Some(self.paragraph(index));
            }
            let is_code = !self.code.get(index).copied().unwrap_or("").trim().is_empty();
            if index + 1 < line && (is_code || comment.trim().is_empty()) {
                left -= 1;
            }
            if left == 0 {
                return None;
            }
        }
        None
    }

    /// The comment that begins in a line, in one.
    fn paragraph(&self, index: usize) -> String {
        let comments = self.comments.iter().skip(index).map(|line| line.trim());
        let lines = comments.take_while(|line| line.starts_with("//"));
        let words = lines.map(|line| line.trim_start_matches(['/', '!']).trim());
        words.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

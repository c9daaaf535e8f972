//! Files and functions that grew too long without a reason.
//!
//! Tests do not count: neither test files nor what stands under `#[cfg(test)]`. A reason is a
//! comment with the words below: in the head of the file, or right above the function.

use std::ops::Range;

use super::is_test;
use crate::Finding;
use crate::rust_text::{RustText, closing_brace, is_word, line_of, words};

const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 100;
const REASON: &str = "Long because:";

pub(super) fn check(file: &str, halves: &RustText) -> Vec<Finding> {
    if is_test(file) {
        return Vec::new();
    }
    let tests = test_ranges(&halves.code);
    let mut findings = Vec::new();
    findings.extend(long_file(file, halves, &tests));
    for function in functions(&halves.code) {
        if tests.iter().all(|range| !range.contains(&function.at)) {
            findings.extend(long_function(file, halves, &function));
        }
    }
    findings
}

fn long_file(file: &str, halves: &RustText, tests: &[Range<usize>]) -> Option<Finding> {
    let in_tests: usize = tests.iter().map(|range| lines(&halves.code, range)).sum();
    let count = halves.code.lines().count().saturating_sub(in_tests);
    let head = halves.comments.lines().take_while(|line| line.starts_with("//"));
    if count <= FILE_LINES || head.into_iter().any(|line| line.contains(REASON)) {
        return None;
    }
    Some(Finding::new(
        file,
        1,
        format!("at most {FILE_LINES} lines without the tests"),
        format!("{count} lines"),
        format!("split it by jobs, or write `//! {REASON} ...` in its head"),
    ))
}

fn long_function(file: &str, halves: &RustText, function: &Function<'_>) -> Option<Finding> {
    let first = line_of(&halves.code, function.at);
    let count = lines(&halves.code, &(function.at..function.end));
    if count <= FUNCTION_LINES || comment_above(halves, first).any(|line| line.contains(REASON)) {
        return None;
    }
    Some(Finding::new(
        file,
        first,
        format!("a function of at most {FUNCTION_LINES} lines"),
        format!("`{}` with {count}", function.name),
        format!("name its steps and make them functions, or write `// {REASON} ...` above it"),
    ))
}

/// The comment lines that end right above `line`, attributes skipped.
fn comment_above(halves: &RustText, line: usize) -> impl Iterator<Item = &str> {
    let code: Vec<&str> = halves.code.lines().collect();
    let comments: Vec<&str> = halves.comments.lines().collect();
    let above = (0..line.saturating_sub(1)).rev();
    above
        .map(move |index| {
            let code = code.get(index).copied().unwrap_or("").trim();
            (code, comments.get(index).copied().unwrap_or(""))
        })
        .take_while(|(code, comment)| {
            code.starts_with("#[") || (code.is_empty() && !comment.trim().is_empty())
        })
        .map(|(_, comment)| comment)
}

fn lines(code: &str, range: &Range<usize>) -> usize {
    line_of(code, range.end) - line_of(code, range.start) + 1
}

struct Function<'a> {
    name: &'a str,
    /// Where `fn` stands.
    at: usize,
    /// Behind its last brace.
    end: usize,
}

fn functions(code: &str) -> Vec<Function<'_>> {
    let mut found = Vec::new();
    for at in words(code, "fn") {
        let rest = code.get(at + "fn".len()..).unwrap_or_default().trim_start();
        let length = rest.bytes().take_while(|byte| is_word(*byte)).count();
        let name = rest.get(..length).unwrap_or_default();
        if name.is_empty() {
            continue;
        }
        if let Some(open) = body(code, at) {
            found.push(Function { name, at, end: closing_brace(code, open) });
        }
    }
    found
}

/// The brace that opens the body of the item at `start`, unless a semicolon ends it first.
fn body(code: &str, start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// What stands under `#[cfg(test)]`, whatever else the attribute asks for.
fn test_ranges(code: &str) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (start, _) in code.match_indices("#[cfg(") {
        let end = start + code.get(start..).and_then(|rest| rest.find(']')).unwrap_or(0);
        let condition = code.get(start..end).unwrap_or_default();
        let only_tests = words(condition, "test").next().is_some() && !condition.contains("not(");
        let nested = ranges.iter().any(|range| range.contains(&start));
        if only_tests && !nested && !condition.contains("any(") {
            let close = body(code, end + 1).map_or(end, |open| closing_brace(code, open));
            ranges.push(start..close);
        }
    }
    ranges
}

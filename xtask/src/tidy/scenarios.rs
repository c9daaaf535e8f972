//! The table of scenarios in docs/RELIABILITY.md against the tests in the sources.
//!
//! 1. Every number from 1 to [`LAST`] has one row in the section whose heading begins with
//!    "Scenarios", and a test that carries it: `s07_...` stands for 7, `s02_s03_...` for both,
//!    `s01_to_s07_...` for all seven. A test that is ignored does not count.
//! 2. Every test that a row names is there. Names are what stands between backticks and looks like
//!    a function of the tests; "the same" takes over the row above, "the same as 10" row 10.
//! 3. Every test that carries a number stands in the row of that number.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::rust_text::{RustText, line_of};
use crate::{Finding, Result, files};

/// The highest number of a scenario; numbers are never used anew.
const LAST: u32 = 57;

const DOCUMENT: &str = "docs/RELIABILITY.md";

/// Where a test stands.
#[derive(Debug)]
struct Place {
    file: String,
    line: usize,
}

type Tests = BTreeMap<String, Place>;

#[derive(Debug)]
struct Row {
    line: usize,
    /// What it names itself.
    named: BTreeSet<String>,
    /// With what it takes over from other rows.
    tests: BTreeSet<String>,
}

pub(super) fn check(root: &Path, listed: &[String]) -> Result<Vec<Finding>> {
    let document = files::read(root, DOCUMENT)?;
    let mut tests = Tests::new();
    for file in listed.iter().filter(|file| file.ends_with(".rs")) {
        tests.extend(tests_of(file, &RustText::new(&files::read(root, file)?).code));
    }
    Ok(compare(&document, &tests))
}

/// The functions behind `#[test]`, but for those that are run only when asked for.
fn tests_of(file: &str, code: &str) -> Tests {
    let mut found = Tests::new();
    for (at, mark) in code.match_indices("#[test]") {
        let behind = at + mark.len();
        let Some((start, _)) = code.get(behind..).and_then(|rest| rest.match_indices("fn ").next())
        else {
            continue;
        };
        let above = code.get(..at).unwrap_or_default().lines().rev().map(str::trim);
        let above = above.take_while(|line| line.is_empty() || line.starts_with("#["));
        let below = code.get(behind..behind + start).unwrap_or_default().lines().map(str::trim);
        if above.chain(below).any(|line| line.contains("#[ignore")) {
            continue;
        }
        let name = code.get(behind + start + 3..).unwrap_or_default();
        let name = name.split(|c: char| !c.is_alphanumeric() && c != '_').next();
        let line = line_of(code, behind + start);
        found.extend(name.map(|name| (name.to_owned(), Place { file: file.to_owned(), line })));
    }
    found
}

fn compare(document: &str, tests: &Tests) -> Vec<Finding> {
    let (rows, mut findings) = rows(document);
    for (number, row) in &rows {
        for name in row.named.iter().filter(|name| !tests.contains_key(*name)) {
            let found = format!("`{name}` in row {number}, which no source has");
            let remedy = "name the test as it is called, or write it";
            findings.push(Finding::new(DOCUMENT, row.line, "names of tests", found, remedy));
        }
        if !row.tests.iter().any(|name| numbers(name).contains(number)) {
            let expected = format!("a test in row {number} whose name carries s{number:02}_");
            let remedy = "write a test for the scenario, and name it in its row";
            findings.push(Finding::new(DOCUMENT, row.line, expected, "none", remedy));
        }
    }
    for number in (1..=LAST).filter(|number| !rows.contains_key(number)) {
        let expected = format!("a row for scenario {number}");
        findings.push(Finding::new(DOCUMENT, 0, expected, "none", "write it"));
    }
    for (name, place) in tests {
        for number in numbers(name) {
            if !rows.get(&number).is_some_and(|row| row.tests.contains(name)) {
                let expected = format!("the test in row {number} of {DOCUMENT}");
                let found = format!("`{name}`, which is not named there");
                let remedy = "name it in its row, or take the number out of its name";
                findings.push(Finding::new(&place.file, place.line, expected, found, remedy));
            }
        }
    }
    findings
}

/// The rows of the table, by number.
fn rows(document: &str) -> (BTreeMap<u32, Row>, Vec<Finding>) {
    let mut rows: BTreeMap<u32, Row> = BTreeMap::new();
    let mut findings = Vec::new();
    let (mut inside, mut above) = (false, BTreeSet::new());
    for (index, line) in document.lines().enumerate() {
        if let Some(heading) = line.strip_prefix("## ") {
            inside = heading.starts_with("Scenarios");
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, number, _, named, ..] = cells.as_slice() else { continue };
        let Some(number) = number.parse().ok().filter(|_| inside) else { continue };
        let mut row = Row { line: index + 1, named: names(named), tests: names(named) };
        match named.split_once("the same as ") {
            Some((_, other)) => {
                let digits: String = other.chars().take_while(char::is_ascii_digit).collect();
                let other = digits.parse().ok().and_then(|other: u32| rows.get(&other));
                row.tests.extend(other.into_iter().flat_map(|row| row.tests.clone()));
            }
            None if named.contains("the same") => row.tests.extend(above),
            None => {}
        }
        above = row.tests.clone();
        if !(1..=LAST).contains(&number) || rows.insert(number, row).is_some() {
            let expected = format!("one row for each number from 1 to {LAST}");
            let remedy = "join the rows, or put the number right";
            let found = format!("another row {number}");
            findings.push(Finding::new(DOCUMENT, index + 1, expected, found, remedy));
        }
    }
    (rows, findings)
}

/// What stands between backticks and is written like the name of a test.
fn names(cell: &str) -> BTreeSet<String> {
    let quoted = cell.split('`').skip(1).step_by(2);
    let is_name = |text: &&str| {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        text.contains('_') && text.chars().all(fits)
    };
    quoted.filter(is_name).map(str::to_owned).collect()
}

/// The numbers that a test carries; `s01_to_s07` is all seven of them.
fn numbers(name: &str) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let (mut last, mut to) = (None, false);
    for part in name.split('_') {
        let digits = part.strip_prefix('s').filter(|digits| digits.len() == 2);
        let number: Option<u32> = digits.and_then(|digits| digits.parse().ok());
        match (number, last.filter(|_| to)) {
            (Some(number), Some(first)) => found.extend(first..=number),
            (Some(number), None) => drop(found.insert(number)),
            (None, _) => {}
        }
        to = part == "to";
        last = number.or(last.filter(|_| to));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table and the sources that bear it out; every test spoils one of them.
    fn whole() -> (String, String) {
        let (mut table, mut code) = ("## Scenarios\n\n".to_owned(), String::new());
        for number in 1..=LAST {
            table.push_str(&format!("| {number} | it fails | by `Kill`: `s{number:02}_one` |\n"));
            code.push_str(&format!("#[test]\nfn s{number:02}_one() {{}}\n"));
        }
        (table, code)
    }

    fn found(table: &str, code: &str) -> Vec<String> {
        let findings = compare(table, &tests_of("a.rs", code));
        findings.iter().map(|one| format!("{}:{} {}", one.file, one.line, one.found)).collect()
    }

    #[test]
    fn a_whole_table_passes_and_other_tables_are_left_alone() {
        let (table, code) = whole();
        let other = "## Figures\n\n| 7 | is | `no_such_test` |\n";
        assert_eq!(found(&format!("{table}{other}"), &code), Vec::<String>::new());
        assert_eq!(found(&format!("{other}{table}"), &code), Vec::<String>::new());
    }

    #[test]
    fn a_missing_row_and_a_row_twice_are_found() {
        let (table, code) = whole();
        let without = table.replace("| 9 |", "| nine |");
        assert_eq!(
            found(&without, &code),
            ["docs/RELIABILITY.md:0 none", "a.rs:18 `s09_one`, which is not named there"]
        );
        let twice = format!("{table}| 9 | again | `s09_one` |\n| 58 | more | `s09_one` |\n");
        let lines =
            ["docs/RELIABILITY.md:60 another row 9", "docs/RELIABILITY.md:61 another row 58"];
        assert_eq!(found(&twice, &code)[..2], lines);
    }

    #[test]
    fn a_test_that_is_not_there_and_a_row_without_its_own_are_found() {
        let (table, code) = whole();
        let gone = code.replace("s09_one", "s09_two");
        let row = "docs/RELIABILITY.md:11 `s09_one` in row 9, which no source has";
        assert_eq!(found(&table, &gone), [row, "a.rs:18 `s09_two`, which is not named there"]);
        let other = table.replace("`s09_one`", "`an_other`");
        let code = format!("{code}#[test]\nfn an_other() {{}}\n").replace("s09_one", "nine");
        assert_eq!(found(&other, &code), ["docs/RELIABILITY.md:11 none"]);
        // What only looks like a test is none.
        let called = code.replace("#[test]\nfn s10_one", "fn s10_one");
        assert!(found(&other, &called)[1].contains("`s10_one` in row 10"));
    }

    #[test]
    fn a_test_that_is_ignored_is_none() {
        let (table, code) = whole();
        for ignored in ["#[ignore]\n#[test]", "#[test]\n#[cfg(unix)]\n#[ignore = \"slow\"]"] {
            let code = code.replace("#[test]\nfn s10_one", &format!("{ignored}\nfn s10_one"));
            let row = "docs/RELIABILITY.md:12 `s10_one` in row 10, which no source has";
            assert_eq!(found(&table, &code), [row]);
        }
    }

    #[test]
    fn a_name_carries_numbers() {
        let of = |name| numbers(name).into_iter().collect::<Vec<_>>();
        assert_eq!(of("s26_all_s27_and_s28_more"), [26, 27, 28]);
        assert_eq!(of("s01_to_s04_x_to_s09_y"), [1, 2, 3, 4, 9]);
        assert!(of("is_s1_or_s100_any").is_empty());
    }

    #[test]
    fn rows_take_over_from_others() {
        let (table, code) = whole();
        let code = format!("{code}#[test]\n#[cfg(unix)]\nfn s09_s10_both_s11_too() {{}}\n");
        assert_eq!(found(&table, &code).len(), 3);
        let table = table.replace("`s09_one` |", "`s09_one`; `s09_s10_both_s11_too` |");
        let table = table.replace("`s10_one` |", "the same; `s10_one` |");
        assert_eq!(found(&table, &code).len(), 1);
        let table = table.replace("`s11_one` |", "the same as 9; `s11_one` |");
        assert_eq!(found(&table, &code), Vec::<String>::new());
    }
}

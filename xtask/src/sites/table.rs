//! The table of call sites and what went wrong at them, and how it is held to the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::HISTORIES;
use super::callers::Call;
use crate::{Finding, Result};

/// The columns. What stands in none of the tool's lines cannot happen to a call: `-`.
const KINDS: [&str; 6] =
    ["crash-before", "crash-after", "eio", "enospc", "short-or-eintr", "sticky"];

/// The calls that a helper of lsm-vfs makes; all else calls what it is named after.
const HELPERS: [(&str, &[&str]); 4] = [
    ("read_up_to", &["File::read_at"]),
    ("read_exact_at", &["File::read_at"]),
    ("read_whole", &["File::len", "File::read_at"]),
    ("write_all_at", &["File::write_at"]),
];

/// So many runs with a failure at least.
const LEAST_RUNS: u64 = 1_500;

/// What the sweep told.
#[derive(Debug, Default)]
pub(super) struct Reached {
    /// For each site and each thing that can go wrong there, how often it did.
    cells: BTreeMap<Call, BTreeMap<String, u64>>,
    runs: u64,
    images: u64,
}

impl Reached {
    pub(super) fn read(text: &str) -> Result<Self> {
        let mut reached = Self::default();
        for line in text.lines() {
            if reached.line(line).is_none() {
                let remedy = "let main.rs of the example `sites` and this file agree";
                return Err(Finding::new(HISTORIES, 0, "a line that is known", line, remedy));
            }
        }
        Ok(reached)
    }

    fn line(&mut self, line: &str) -> Option<()> {
        match line.split('\t').collect::<Vec<_>>().as_slice() {
            ["cell", file, number, method, kind, count] => {
                let call = ((*file).to_owned(), number.parse().ok()?, (*method).to_owned());
                let cells = self.cells.entry(call).or_default();
                cells.insert((*kind).to_owned(), count.parse().ok()?);
            }
            ["runs", count] => self.runs = count.parse().ok()?,
            ["images", count] => self.images = count.parse().ok()?,
            _ => return None,
        }
        Some(())
    }
}

/// The table as text.
pub(super) fn print(reached: &Reached) -> String {
    let mut text = String::new();
    let _ = write!(text, "{:54}", "call site");
    for kind in KINDS {
        let _ = write!(text, " {kind:>14}");
    }
    for ((file, line, method), cells) in &reached.cells {
        let file = file.strip_prefix("crates/").unwrap_or(file);
        let site = format!("{file}:{line} {method}");
        let _ = write!(text, "\n{site:54}");
        for kind in KINDS {
            let count = cells.get(kind).map_or_else(|| "-".to_owned(), u64::to_string);
            let _ = write!(text, " {count:>14}");
        }
    }
    let (sites, runs, images) = (reached.cells.len(), reached.runs, reached.images);
    let _ = writeln!(text, "\n{sites} calls, {runs} runs with a failure, {images} crash images");
    text
}

/// Calls of the sources that no history makes, and the other way round; cells that are empty.
pub(super) fn compare(calls: &BTreeSet<Call>, reached: &Reached) -> Vec<Finding> {
    let expected: BTreeSet<Call> = calls.iter().flat_map(made_by).collect();
    let mut findings = Vec::new();
    for (file, line, method) in &expected {
        if !reached.cells.contains_key(&(file.clone(), *line, method.clone())) {
            let wanted = format!("a history that comes to this call of {method}");
            let remedy = format!("add a step to one in {HISTORIES}, or a history");
            findings.push(Finding::new(file, *line, wanted, "none does", remedy));
        }
    }
    for (call, cells) in &reached.cells {
        let (file, line, method) = call;
        if !expected.contains(call) {
            let found = format!("a call of {method} that the sources do not show");
            let remedy = "see how xtask/src/sites/callers.rs finds callers; calls inside of a \
                          helper of lsm-vfs are named in xtask/src/sites/table.rs";
            findings.push(Finding::new(file, *line, "a caller of lsm-vfs", found, remedy));
        }
        for (kind, _) in cells.iter().filter(|(_, count)| **count == 0) {
            let wanted = format!("{kind} at this call of {method} in at least one run");
            let remedy = format!("let a history in {HISTORIES} come here in every run");
            findings.push(Finding::new(file, *line, wanted, "in none", remedy));
        }
    }
    if reached.runs < LEAST_RUNS {
        let found = format!("{} runs", reached.runs);
        let wanted = format!("{LEAST_RUNS} runs with a failure at least");
        findings.push(Finding::new(HISTORIES, 0, wanted, found, "add a history"));
    }
    findings
}

/// The calls of the operating system that a call in the sources stands for.
fn made_by(call: &Call) -> Vec<Call> {
    let (file, line, name) = call;
    let known = HELPERS.iter().find(|(helper, _)| helper == name);
    let made = known.map_or_else(|| vec![name.as_str()], |(_, made)| made.to_vec());
    made.into_iter().map(|method| (file.clone(), *line, method.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(line: usize, name: &str) -> Call {
        ("crates/a/src/b.rs".to_owned(), line, name.to_owned())
    }

    fn reached(cells: &str) -> Reached {
        Reached::read(&format!("{cells}runs\t1500\nimages\t2\n")).unwrap()
    }

    const SYNC: &str = "cell\tcrates/a/src/b.rs\t3\tFile::sync\teio\t4\n";

    #[test]
    fn what_agrees_is_no_finding_and_helpers_stand_for_what_they_call() {
        let len = "cell\tcrates/a/src/b.rs\t9\tFile::len\teio\t1\n";
        let read = "cell\tcrates/a/src/b.rs\t9\tFile::read_at\teio\t1\n";
        let reached = reached(&format!("{SYNC}{len}{read}"));
        let calls = BTreeSet::from([call(3, "File::sync"), call(9, "read_whole")]);
        assert_eq!(compare(&calls, &reached), []);
        let table = print(&reached);
        assert!(table.contains("a/src/b.rs:3 File::sync"), "{table}");
        assert!(table.ends_with("3 calls, 1500 runs with a failure, 2 crash images\n"), "{table}");
    }

    #[test]
    fn a_call_that_no_history_makes_is_found_and_so_is_an_unknown_one() {
        let calls = BTreeSet::from([call(3, "File::sync"), call(5, "Dir::sync")]);
        let findings = compare(&calls, &reached(SYNC));
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].line, findings[0].found.as_str()), (5, "none does"));
        let findings = compare(&BTreeSet::from([call(4, "File::sync")]), &reached(SYNC));
        assert_eq!(findings.iter().map(|finding| finding.line).collect::<Vec<_>>(), [4, 3]);
    }

    #[test]
    fn an_empty_cell_and_too_few_runs_are_found() {
        let calls = BTreeSet::from([call(3, "File::sync")]);
        let empty = SYNC.replace("\t4\n", "\t0\n");
        assert_eq!(compare(&calls, &reached(&empty)).len(), 1);
        let few = Reached::read(&format!("{SYNC}runs\t9\n")).unwrap();
        assert_eq!(compare(&calls, &few).len(), 1);
        assert!(Reached::read("neither").is_err());
    }
}

//! The tests, tested: bugs are planted one at a time, and a test has to find each.
//!
//! The suites are built once with `cfg(planted)`, in a folder of its own; which bug they have is
//! decided when they run, by an environment variable. First they run without any, and are green.
//! Then for each bug one suite after the other runs until the first test fails. The short form,
//! which is part of the CI, runs for each bug the one test that found it soonest, and nothing else.
#![expect(clippy::print_stdout, reason = "the table is what the command is for")]

mod suite;

use std::path::Path;
use std::time::{Duration, Instant};

use lsm_planted::Bug;

use self::suite::{Outcome, Suite};
use crate::{Finding, Result};

/// The bugs.
const BUGS: &str = "crates/lsm-planted/src/lib.rs";
/// A suite that has not ended by then hangs: that, too, is noticed.
const LIMIT: Duration = Duration::from_secs(600);

/// What is run.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Run for each bug only the test that is known to find it.
    #[arg(long)]
    short: bool,
    /// Only this bug; may be given several times.
    #[arg(long, value_name = "NAME")]
    bug: Vec<String>,
}

/// The packages whose tests run; the first one's integration tests find most.
const PACKAGES: [&str; 6] =
    ["lsm-db", "lsm-wal", "lsm-manifest", "lsm-compaction", "lsm-bloom", "lsm-engine"];

/// For each bug the test among the integration tests of lsm-db that finds it soonest.
const FOUND_BY: [(Bug, &str); 10] = [
    (Bug::MissingDirectorySync, "crash::a_second_session_after_a_clean_close_is_as_safe"),
    (Bug::LogReleasedEarly, "crash::a_second_session_after_a_clean_close_is_as_safe"),
    (Bug::TombstoneDroppedEarly, "asked::compact_stores_each_key_once_whatever_the_trigger"),
    (
        Bug::FailedSyncForgotten,
        "faults::s13_s57_after_a_failed_sync_of_the_log_writes_are_refused_until_reopened",
    ),
    (Bug::BatchSplit, "crash::a_second_session_after_a_clean_close_is_as_safe"),
    (Bug::NumberReused, "bad_input::s35_files_of_others_are_never_touched"),
    (Bug::ForeignFilter, "bad_input::s32_swapped_and_stale_files_are_noticed"),
    (
        Bug::TornTailTaken,
        "at_rest::s25_a_bit_flip_in_the_last_record_costs_no_more_than_it_and_is_counted",
    ),
    (Bug::InputNotNarrowed, "model::random_histories_equal_a_map_with_many_shapes"),
    (Bug::MemoKept, "queues::queues_equal_a_map_whatever_comes_between"),
];

/// Plants the bugs. What comes back is every bug that no test finds, and every test that fails
/// without one.
#[must_use]
pub fn run(root: &Path, arguments: &Arguments) -> Vec<Finding> {
    match chosen(&arguments.bug).and_then(|bugs| Ok((bugs, suites(root, arguments.short)?))) {
        Ok((bugs, suites)) if arguments.short => short(&suites, &bugs),
        Ok((bugs, suites)) => full(&suites, &bugs),
        Err(finding) => vec![finding],
    }
}

fn chosen(names: &[String]) -> Result<Vec<Bug>> {
    let known = |name: &String| Bug::ALL.into_iter().find(|bug| bug.name() == name);
    if let Some(unknown) = names.iter().find(|name| known(name).is_none()) {
        let all: Vec<_> = Bug::ALL.map(Bug::name).into();
        let wanted = format!("one of {}", all.join(", "));
        return Err(Finding::new(BUGS, 0, wanted, unknown, "name a bug that there is"));
    }
    let is_chosen = |bug: &Bug| names.is_empty() || names.iter().any(|name| name == bug.name());
    Ok(Bug::ALL.into_iter().filter(is_chosen).collect())
}

fn suites(root: &Path, is_short: bool) -> Result<Vec<Suite>> {
    let args: Vec<&str> = match is_short {
        true => vec!["-p", "lsm-db", "--test", "it"],
        false => PACKAGES
            .iter()
            .flat_map(|package| ["-p", package])
            .chain(["--lib", "--tests"])
            .collect(),
    };
    let begun = Instant::now();
    let suites = suite::build(root, &args)?;
    println!("built in {:.0} s", begun.elapsed().as_secs_f64());
    Ok(suites)
}

/// For each bug the one test, which passes without it and fails with it.
fn short(suites: &[Suite], bugs: &[Bug]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (bug, test) in FOUND_BY.iter().filter(|(bug, _)| bugs.contains(bug)) {
        let Some(suite) = suites.iter().find(|suite| suite.is_of_store()) else {
            findings.push(broken(test, "no suite that it is in"));
            continue;
        };
        match suite.run(None, Some(test), LIMIT) {
            Outcome::Passed(1) => {}
            other => findings.push(broken(test, &format!("{other:?}"))),
        }
        findings.extend(told(*bug, suite.run(Some(*bug), Some(test), LIMIT)));
    }
    findings
}

/// All suites without a bug, and then until the first failure with each.
fn full(suites: &[Suite], bugs: &[Bug]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for suite in suites {
        match suite.run(None, None, LIMIT) {
            Outcome::Passed(_) => {}
            Outcome::Failed { test, .. } => findings.push(broken(&test, "a failure")),
        }
    }
    if findings.is_empty() {
        for bug in bugs {
            let passed = Outcome::Passed(0);
            let mut outcomes = suites.iter().map(|suite| suite.run(Some(*bug), None, LIMIT));
            let failed = outcomes.find(|outcome| matches!(outcome, Outcome::Failed { .. }));
            findings.extend(told(*bug, failed.unwrap_or(passed)));
        }
    }
    findings
}

/// Prints a row of the table; a bug that survived is a finding.
fn told(bug: Bug, outcome: Outcome) -> Option<Finding> {
    match outcome {
        Outcome::Failed { test, after } => {
            println!("{:26} {:7.1} s  {test}", bug.name(), after.as_secs_f64());
            None
        }
        Outcome::Passed(_) => {
            println!("{:26} survived", bug.name());
            let wanted = format!("a test that fails with the bug {}", bug.name());
            let remedy = "write a test that finds it; without one, so does a mistake like it";
            Some(Finding::new(BUGS, 0, wanted, "all pass", remedy))
        }
    }
}

fn broken(test: &str, found: &str) -> Finding {
    let wanted = format!("the test {test} to pass without a bug");
    Finding::new(BUGS, 0, wanted, found, "mend it, or name another one in xtask/src/planted.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_has_a_test_and_only_known_ones_can_be_chosen() {
        for bug in Bug::ALL {
            assert!(FOUND_BY.iter().any(|(found, _)| *found == bug), "{}", bug.name());
        }
        assert_eq!(chosen(&[]).unwrap().len(), Bug::ALL.len());
        assert_eq!(chosen(&["memo-kept".to_owned()]).unwrap(), [Bug::MemoKept]);
        assert!(chosen(&["no-such-bug".to_owned()]).is_err());
    }

    #[test]
    fn a_bug_that_survives_is_a_finding() {
        assert!(told(Bug::MemoKept, Outcome::Passed(3)).is_some());
        let failed = Outcome::Failed { test: "a_test".into(), after: Duration::ZERO };
        assert!(told(Bug::MemoKept, failed).is_none());
    }
}

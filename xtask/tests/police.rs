//! The checks of `cargo xtask`, on this repository, as tests: whoever runs the tests runs them.

#[path = "police/format.rs"]
mod format;

use std::path::{Path, PathBuf};
use std::process::Command;

use xtask::{Finding, api, bench, layers, tidy};

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Findings as a person reads them.
fn told(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("\n{finding}\n")).collect()
}

#[test]
fn every_crate_keeps_to_its_layer() {
    let findings = layers::check(&root());
    assert!(findings.is_empty(), "{}", told(&findings));
}

#[test]
fn files_and_documents_are_tidy() {
    let findings = tidy::check(&root());
    assert!(findings.is_empty(), "{}", told(&findings));
}

#[test]
fn the_public_surface_is_the_frozen_one() {
    let findings = api::check(&root()).map_or_else(|one| vec![one], |report| report.findings);
    assert!(findings.is_empty(), "{}", told(&findings));
}

#[test]
fn the_document_about_speed_says_what_was_measured() {
    let results = root().join(bench::RESULTS);
    let findings = bench::check_report(&root(), &results).unwrap_or_else(|error| panic!("{error}"));
    assert!(findings.is_empty(), "{}", told(&findings));
}

#[test]
fn the_exit_code_tells_a_failed_check_from_bad_usage() -> std::io::Result<()> {
    let empty = tempfile::tempdir()?;
    let empty = empty.path().to_string_lossy().into_owned();
    std::fs::write(Path::new(&empty).join("Cargo.toml"), "[workspace]\nmembers = []\n")?;
    let other_version = format!("{empty}/results.json");
    std::fs::write(&other_version, "{\"format\": \"lsm-peers/0\"}")?;
    for (arguments, code) in [
        (vec!["ci", "--list"], 0),
        (vec!["tidy", "--root", &empty], 1),
        (vec!["layers", "--root", &empty], 1),
        (vec!["api", "--check", "--root", &empty], 1),
        (vec!["api", "--root", "no-such-directory"], 2),
        (vec!["no-such-command"], 2),
        (vec!["bench", "report", "--results", "no-such-directory"], 2),
        (vec!["bench", "report", "--check", "--results", &empty], 2),
        (vec!["bench", "collect", "--from", "no-such-directory"], 2),
        (vec!["bench", "compare", &other_version, &other_version], 2),
        (vec!["bench", "compare", "no-such-file", "no-such-file", "--figure", "time"], 2),
        (vec!["bench", "compare", "a", "b", "--figure", "no-such-figure"], 2),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_xtask")).args(&arguments).output()?;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        assert_eq!(output.stderr.is_empty(), code == 0, "{arguments:?} says what is wrong");
    }
    Ok(())
}

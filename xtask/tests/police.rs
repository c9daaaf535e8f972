//! The checks of `cargo xtask`, on this repository, as tests: whoever runs the tests runs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use xtask::{Finding, api, layers, tidy};

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
fn the_exit_code_tells_a_failed_check_from_bad_usage() -> std::io::Result<()> {
    let empty = tempfile::tempdir()?;
    let empty = empty.path().to_string_lossy().into_owned();
    std::fs::write(Path::new(&empty).join("Cargo.toml"), "[workspace]\nmembers = []\n")?;
    for (arguments, code) in [
        (vec!["ci", "--list"], 0),
        (vec!["tidy", "--root", &empty], 1),
        (vec!["layers", "--root", &empty], 1),
        (vec!["api", "--check", "--root", &empty], 1),
        (vec!["api", "--root", "no-such-directory"], 2),
        (vec!["no-such-command"], 2),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_xtask")).args(&arguments).output()?;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        assert_eq!(output.stderr.is_empty(), code == 0, "{arguments:?} says what is wrong");
    }
    Ok(())
}

//! Test binaries built with `cfg(planted)`, and running them until the first failure.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use lsm_planted::{Bug, VARIABLE};
use serde_json::Value;

use crate::{Finding, Result};

/// A test binary.
#[derive(Debug)]
pub(super) struct Suite {
    executable: PathBuf,
    /// The directory of its package, in which it runs.
    dir: PathBuf,
    name: String,
}

/// What a run came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// So many tests passed, and none failed.
    Passed(usize),
    /// The first that did not, or that did not end.
    Failed { test: String, after: Duration },
}

/// Builds test binaries, without a trace of which in the usual folder.
pub(super) fn build(root: &Path, args: &[&str]) -> Result<Vec<Suite>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // One test each is soon run: what takes long is to build them.
    command.current_dir(root).env("RUSTFLAGS", "--cfg planted");
    command.env("CARGO_PROFILE_TEST_OPT_LEVEL", "1");
    command.args(["test", "--no-run", "--quiet", "--all-features", "--message-format=json"]);
    command.args(["--target-dir", "target/planted"]).args(args);
    let failed = |found: String| {
        let wanted = "the tests to build with cfg(planted)";
        Finding::new("crates/lsm-planted/src/lib.rs", 0, wanted, found, "see what cargo says")
    };
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| suite(&serde_json::from_str(line).ok()?)).collect())
}

/// The test binary that a message of cargo speaks of.
fn suite(message: &Value) -> Option<Suite> {
    let executable = PathBuf::from(message.get("executable")?.as_str()?);
    let manifest = Path::new(message.get("manifest_path")?.as_str()?);
    let dir = manifest.parent()?.to_path_buf();
    let target = message.get("target")?.get("name")?.as_str()?;
    let name = format!("{}/{target}", dir.file_name()?.to_str()?);
    Some(Suite { executable, dir, name })
}

impl Suite {
    /// Whether it is the integration tests of lsm-db.
    pub(super) fn is_of_store(&self) -> bool {
        self.name == "lsm-db/it"
    }

    /// Runs all tests, or one, with a bug or without, until the first failure.
    pub(super) fn run(&self, bug: Option<Bug>, test: Option<&str>, limit: Duration) -> Outcome {
        let begun = Instant::now();
        let failed = |test: &str| Outcome::Failed { test: test.into(), after: begun.elapsed() };
        let mut command = Command::new(&self.executable);
        command.current_dir(&self.dir).stdout(Stdio::piped()).stderr(Stdio::null());
        command.env_remove(VARIABLE).envs(bug.map(|bug| (VARIABLE, bug.name())));
        command.args(test.iter().flat_map(|test| ["--exact", test]));
        let Ok(mut child) = command.spawn() else { return failed("the suite does not start") };
        let Some(stdout) = child.stdout.take() else { return failed("it says nothing") };
        let (tell, told) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(std::io::Result::ok);
            for line in lines.filter(|line| line.starts_with("test ")) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        let mut passed = 0;
        let outcome = loop {
            match told.recv_timeout(limit.saturating_sub(begun.elapsed())) {
                Ok(line) => match verdict(&line) {
                    Some((test, false)) => break failed(&format!("{}: {test}", self.name)),
                    Some((_, true)) => passed += 1,
                    None => {}
                },
                Err(mpsc::RecvTimeoutError::Timeout) => break failed("a test that does not end"),
                Err(mpsc::RecvTimeoutError::Disconnected) => break Outcome::Passed(passed),
            }
        };
        // It may have ended already; or its end is what is not waited for.
        let _ = child.kill();
        let status = child.wait();
        drop(told);
        drop(reader.join());
        match outcome {
            Outcome::Passed(_) if !status.is_ok_and(|status| status.success()) => {
                failed(&format!("{}: it ended in the middle", self.name))
            }
            outcome => outcome,
        }
    }
}

/// The test that a line speaks of, and whether it passed.
fn verdict(line: &str) -> Option<(&str, bool)> {
    let (test, verdict) = line.strip_prefix("test ")?.split_once(" ... ")?;
    match verdict.split_whitespace().next()? {
        "ok" => Some((test, true)),
        "FAILED" => Some((test, false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_test_harness_are_understood() {
        assert_eq!(verdict("test a::b ... ok"), Some(("a::b", true)));
        assert_eq!(verdict("test a::b ... FAILED"), Some(("a::b", false)));
        assert_eq!(verdict("test a::b ... ignored, slow"), None);
        assert_eq!(verdict("test result: ok. 3 passed"), None);
    }

    #[test]
    fn a_message_of_cargo_is_a_suite() {
        let message = serde_json::json!({
            "executable": "/t/it-1", "manifest_path": "/r/lsm-db/Cargo.toml",
            "target": {"name": "it"},
        });
        assert!(suite(&message).unwrap().is_of_store());
        assert!(suite(&serde_json::json!({"executable": null})).is_none());
    }

    #[test]
    fn a_suite_runs_until_its_first_failure() {
        let says = |script: &str| {
            let dir = tempfile::tempdir().unwrap();
            let executable = dir.path().join("suite");
            std::fs::write(&executable, format!("#!/bin/sh\n{script}\n")).unwrap();
            let shell = Command::new("chmod").arg("+x").arg(&executable).status();
            assert!(shell.unwrap().success());
            let suite = Suite { executable, dir: dir.path().into(), name: "a/b".into() };
            suite.run(Some(Bug::MemoKept), None, Duration::from_millis(500))
        };
        assert_eq!(says("echo 'test one ... ok'"), Outcome::Passed(1));
        let named = |outcome| match outcome {
            Outcome::Failed { test, .. } => test,
            Outcome::Passed(_) => String::new(),
        };
        assert_eq!(named(says("echo \"test $LSM_PLANTED ... FAILED\"; sleep 9")), "a/b: memo-kept");
        assert_eq!(named(says("exec sleep 9")), "a test that does not end");
        assert_eq!(named(says("exit 3")), "a/b: it ended in the middle");
    }
}

//! `cargo xtask format` as a process: exit codes, and a reader who leaves; and the golden files.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use xtask::format;

use super::{root, told};

#[test]
fn the_golden_files_are_written_and_read_as_ever() {
    let findings = format::check_golden(&root());
    assert!(findings.is_empty(), "{}", told(&findings));
}

#[test]
fn the_page_of_the_format_is_that_of_the_code() {
    let findings = format::check_hash(&root());
    assert!(findings.is_empty(), "{}", told(&findings));
}

fn xtask(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("format").args(arguments).current_dir(root().join("testdata/golden/v1"));
    command
}

#[test]
fn exit_codes_tell_sound_files_from_damaged_ones_and_from_bad_usage() -> std::io::Result<()> {
    let temp = tempfile::tempdir()?;
    let damaged = temp.path().join("damaged.sst");
    let mut bytes = std::fs::read(root().join("testdata/golden/v1/decimal.sst"))?;
    bytes.iter_mut().skip(5_000).take(1).for_each(|byte| *byte ^= 4);
    std::fs::write(&damaged, bytes)?;
    let damaged = damaged.to_string_lossy().into_owned();
    for (arguments, code) in [
        (vec!["check", "decimal.sst", "store"], 0),
        (vec!["check", ".", "--json"], 0),
        (vec!["check", &damaged], 1),
        (vec!["check", "decimal.sst", &damaged, "--json"], 1),
        (vec!["check", "no-such-file"], 2),
        (vec!["check"], 2),
        (vec!["dump", "lz4.sst", "--entries"], 0),
        (vec!["dump", &damaged, "--entries"], 1),
        (vec!["dump", "lz4.sst", "--entries", "--blocks"], 2),
        (vec!["dump", "decimal.sst.bloom", "--index"], 2),
        (vec!["golden", "--check", "--replace"], 2),
    ] {
        let output = xtask(&arguments).output()?;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        assert_eq!(output.stdout.is_empty(), code == 2, "{arguments:?} shows what it saw");
    }
    Ok(())
}

#[test]
fn a_closed_pipe_is_quiet() -> std::io::Result<()> {
    let arguments = ["dump", "decimal.sst", "--entries"];
    let mut child = xtask(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::with_capacity(64, stdout).read_line(&mut line)?;
    }
    let output = child.wait_with_output()?;
    assert!(line.starts_with("\"0000000000000000\"\t"), "{line}");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    Ok(())
}

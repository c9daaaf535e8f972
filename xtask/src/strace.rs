//! Faults put into the real system calls of a real process, by strace.
//!
//! 1. One run without faults tells which calls the program makes, how often in one thread, and how
//!    many of them are made before it opens the store.
//! 2. For each call and each fault that fits it: runs with the fault at one of its calls, spread
//!    over all of them; strace counts in each thread by itself. `signal=KILL` is a kill just there.
//! 3. After each run the store is opened without strace: [`victim`] says what must hold.
//!
//! A write that takes only a part cannot be made this way: strace can make a call not happen, and
//! then only 0 is an honest number. Where there is no strace, or tracing is not permitted, that is
//! said, and the run is a success.
#![expect(clippy::print_stdout, reason = "the run tells a terminal or a log how far it has come")]

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::victim::{self, Heard};
use crate::{Finding, Result};

/// What `cargo xtask strace` is told.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// About how many runs; each call and fault has at least one.
    #[arg(long, value_name = "N", default_value_t = 80)]
    pub runs: usize,
}

/// How much the program writes in a run.
const BATCHES: u64 = 150;
/// A run that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);
/// The number of the signal that no program can catch.
const KILL: i32 = 9;

/// What each call may meet: as strace writes it, with `#` for the number of the call. Of several
/// names the system has one, and each is tried that the program calls.
const FAULTS: &[(&[&str], &[&str])] = &[
    (&["openat"], &["error=EIO:when=#", "error=EMFILE:when=#+", "error=EINTR:when=#"]),
    (&["pread64"], &["error=EIO:when=#", "error=EINTR:when=#", "retval=0:when=#"]),
    (
        &["pwrite64"],
        &[
            "error=EIO:when=#",
            "error=EIO:when=#+",
            "error=ENOSPC:when=#",
            "error=ENOSPC:when=#+",
            "error=EINTR:when=#",
            "retval=0:when=#",
            "signal=KILL:when=#",
        ],
    ),
    (
        &["fdatasync"],
        &["error=EIO:when=#", "error=EIO:when=#+", "error=EINTR:when=#", "signal=KILL:when=#"],
    ),
    (&["fsync"], &["error=EIO:when=#", "error=ENOSPC:when=#+", "signal=KILL:when=#"]),
    (
        &["renameat", "renameat2"],
        &["error=EIO:when=#", "error=ENOSPC:when=#+", "signal=KILL:when=#"],
    ),
    (&["unlinkat"], &["error=EIO:when=#", "error=EIO:when=#+", "signal=KILL:when=#"]),
    (&["mmap"], &["error=ENOMEM:when=#"]),
    (&["statx", "fstat"], &["error=EIO:when=#"]),
    (&["flock"], &["error=EIO:when=#", "error=EINTR:when=#"]),
    (&["getdents64"], &["error=EIO:when=#"]),
    (&["mkdir", "mkdirat"], &["error=ENOSPC:when=#"]),
    (&["clone3", "clone"], &["error=EAGAIN:when=#"]),
];

/// One fault at one call.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Case {
    call: &'static str,
    /// As strace is told it.
    inject: String,
    by_calls: bool,
}

/// How often one call was made without faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    /// By the first thread, before the store is opened.
    before: u64,
    /// By the thread that made most of them.
    most: u64,
}

/// Runs the program under all faults.
///
/// # Errors
///
/// The program does not run at all.
pub fn run(arguments: &Arguments) -> Result<Vec<Finding>> {
    if let Err(why) = permitted() {
        println!("skipped: faults in real system calls need strace and leave to trace; {why}");
        return Ok(Vec::new());
    }
    let temp = tempfile::tempdir().map_err(|error| Finding::unreadable("xtask", error))?;
    let counts = counts(&survey(temp.path())?);
    let cases = cases(&counts, arguments.runs);
    let (mut findings, mut told) = (Vec::new(), BTreeMap::<&str, (u32, u32, usize)>::new());
    for case in &cases {
        let told = told.entry(case.call).or_default();
        told.0 += 1;
        match try_case(temp.path(), case) {
            Ok((met, acked)) => {
                told.1 += u32::from(met);
                told.2 += acked;
                if !met {
                    println!("not met: {}:{}", case.call, case.inject);
                }
            }
            Err(found) => findings.push(finding(case, found)),
        }
    }
    for (call, (runs, met, acked)) in &told {
        println!(
            "{call:12} {runs:3} runs, {met:3} met their fault, {acked:6} batches acknowledged"
        );
    }
    let met: u32 = told.values().map(|(_, met, _)| met).sum();
    println!("{} runs, {met} met their fault, {} findings", cases.len(), findings.len());
    if findings.is_empty() {
        let is_met = |call: &str| told.get(call).is_some_and(|(_, met, _)| *met > 0);
        findings.extend(FAULTS.iter().filter_map(|(calls, _)| unmet(&counts, calls, is_met)));
    }
    Ok(findings)
}

/// A kind of call that no fault was put into, although it is to be tried.
fn unmet(
    counts: &BTreeMap<String, Count>,
    calls: &[&str],
    is_met: impl Fn(&str) -> bool,
) -> Option<Finding> {
    if calls.iter().any(|call| is_met(call)) {
        return None;
    }
    let made = |call: &&&str| counts.get(**call).is_some_and(|count| count.most > count.before);
    let found = match calls.iter().find(made) {
        Some(_) => "calls, and none that met its fault",
        None => "no call while the store is used",
    };
    let expected = format!("a fault that is met in {}", calls.join(" or "));
    let remedy = "let the program of xtask/src/victim.rs make the call, or take it from the list";
    Some(Finding::new("xtask/src/strace.rs", 0, expected, found, remedy))
}

fn finding(case: &Case, found: String) -> Finding {
    let by_calls = if case.by_calls { " --by-calls" } else { "" };
    let remedy = format!(
        "run `strace -f -e inject={}:{} target/debug/xtask victim DIR --batches {BATCHES}{by_calls}`",
        case.call, case.inject
    );
    let expected = format!("a store that keeps its word under {}:{}", case.call, case.inject);
    Finding::new("xtask/src/strace.rs", 0, expected, found, remedy)
}

/// Whether there is a strace that may trace.
fn permitted() -> std::result::Result<(), String> {
    let output = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    match output {
        Err(error) => Err(format!("it cannot be run: {error}")),
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// Starts the program, without a sound, in a group of its own.
fn program(dir: &Path, log: &Path, by_calls: bool, trace: &[String]) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-s", "16", "-o"]).arg(log).args(trace);
    command.arg(own_program()).arg("victim").arg(dir);
    command.args(["--batches", &BATCHES.to_string()]);
    if by_calls {
        command.arg("--by-calls");
    }
    command.stdin(Stdio::null()).process_group(0);
    command
}

fn own_program() -> PathBuf {
    env::current_exe().unwrap_or_else(|_| PathBuf::from("xtask"))
}

/// The calls of a run without faults.
fn survey(temp: &Path) -> Result<String> {
    let calls: Vec<&str> = FAULTS.iter().flat_map(|(calls, _)| calls.iter().copied()).collect();
    // The `?` forgives calls that this machine does not have.
    let trace = format!("trace=write,?{}", calls.join(",?"));
    let log = temp.join("survey");
    let mut command = program(&temp.join("whole"), &log, false, &["-e".to_owned(), trace]);
    let failed = |found: String| {
        let remedy = "run `cargo xtask victim DIR --batches 9` and see";
        Finding::new("xtask/src/strace.rs", 0, "a run without faults", found, remedy)
    };
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    fs::read_to_string(&log).map_err(|error| failed(error.to_string()))
}

/// Reads what strace wrote: `<thread> <call>(...` a line.
fn counts(log: &str) -> BTreeMap<String, Count> {
    let mut of_threads = BTreeMap::<(&str, &str), u64>::new();
    let mut before = BTreeMap::<&str, u64>::new();
    let (mut opening, mut first) = (false, None);
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, rest)) = rest.trim_start().split_once('(') else { continue };
        // What goes on, ends, or is a signal, is no new call.
        if !call.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        opening |= call == "write" && rest.starts_with("1, \"opening");
        *of_threads.entry((call, thread)).or_default() += 1;
        if !opening && *first.get_or_insert(thread) == thread {
            *before.entry(call).or_default() += 1;
        }
    }
    let mut counts = BTreeMap::<String, Count>::new();
    for ((call, _), count) in of_threads {
        let told = counts.entry(call.to_owned()).or_default();
        told.most = told.most.max(count);
        told.before = before.get(call).copied().unwrap_or(0);
    }
    counts
}

/// About `runs` cases, spread evenly over faults, and those of a fault over its calls.
fn cases(counts: &BTreeMap<String, Count>, runs: usize) -> Vec<Case> {
    let of = |call: &str| counts.get(call).copied().unwrap_or_default();
    let made = |call: &&str| of(call).most > of(call).before;
    let made_of = |calls: &'static [&'static str]| calls.iter().copied().filter(&made);
    let pairs: Vec<(&'static str, &str)> = FAULTS
        .iter()
        .flat_map(|(calls, faults)| made_of(calls).map(move |call| (call, *faults)))
        .flat_map(|(call, faults)| faults.iter().map(move |fault| (call, *fault)))
        .collect();
    let share = (runs / pairs.len().max(1)).max(1) as u64;
    let mut cases = Vec::new();
    for (index, (call, fault)) in pairs.into_iter().enumerate() {
        let Count { before, most } = of(call);
        let room = most - before;
        for turn in 0..share.min(room) {
            // Each fault of a call begins somewhere else.
            let at = before + 1 + (turn * room / share + index as u64 * 7) % room;
            let inject = fault.replace('#', &at.to_string());
            cases.push(Case { call, inject, by_calls: (turn + index as u64) % 2 == 1 });
        }
    }
    cases
}

/// Whether the fault was met, and how many batches were acknowledged; or what went wrong.
fn try_case(temp: &Path, case: &Case) -> std::result::Result<(bool, usize), String> {
    let (dir, log) = (temp.join("store"), temp.join("log"));
    drop(fs::remove_dir_all(&dir));
    let inject = format!("inject={}:{}", case.call, case.inject);
    let trace = ["-e".to_owned(), format!("trace={}", case.call), "-e".to_owned(), inject];
    let (out, err) = (temp.join("out"), temp.join("err"));
    let create = |path: &Path| File::create(path).map_err(|error| error.to_string());
    let mut command = program(&dir, &log, case.by_calls, &trace);
    command.stdout(create(&out)?).stderr(create(&err)?);
    let status = wait(&mut command)?;
    let read = |path: &Path| {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
        read.map(|_| String::from_utf8_lossy(&bytes).into_owned()).map_err(|e| e.to_string())
    };
    let errors = read(&err)?;
    let killed = case.inject.starts_with("signal=KILL") && status.signal() == Some(KILL);
    // Nobody can go on when the allocator gets no memory, or the loader no library.
    let is_mute = errors.contains("memory allocation of") || status.code() == Some(127);
    let clean = matches!(status.code(), Some(0 | 1)) || killed || is_mute;
    if !clean || errors.contains("panicked") || errors.contains("wrong:") {
        return Err(format!("{status}: {}", errors.trim()));
    }
    let mut heard = Heard::default();
    read(&out)?.lines().for_each(|line| heard.line(line));
    victim::check(&dir, &heard)?;
    let log = read(&log)?;
    let met = killed || log.contains("(INJECTED)");
    Ok((met, heard.acked.len()))
}

fn wait(command: &mut Command) -> std::result::Result<ExitStatus, String> {
    let begun = Instant::now();
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Ok(status);
        }
        if begun.elapsed() > LIMIT {
            // Strace and what it traces are one group.
            let group = format!("-{}", child.id());
            drop(Command::new("kill").args(["-KILL", "--", &group]).status());
            drop(child.wait());
            return Err(format!("it hangs: no end after {} s", LIMIT.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
        7 openat(AT_FDCWD, \"/lib\", O_RDONLY) = 3\n\
        7 mmap(NULL, 8192) = 0x7f\n\
        7 write(1, \"opening\\n\", 8) = 8\n\
        7 openat(AT_FDCWD, \"store\", O_RDONLY <unfinished ...>\n\
        9   pwrite64(5, \"abc\", 3, 0) = 3\n\
        7 <... openat resumed>) = 4\n\
        9   pwrite64(5, \"abc\", 3, 3) = 3\n\
        10  pwrite64(5, \"abc\", 3, 3) = 3\n\
        9 +++ exited with 0 +++\n";

    #[test]
    fn calls_are_counted_in_each_thread() {
        let counts = counts(LOG);
        assert_eq!(counts["openat"], Count { before: 1, most: 2 });
        assert_eq!(counts["mmap"], Count { before: 1, most: 1 });
        assert_eq!(counts["pwrite64"], Count { before: 0, most: 2 });
        assert!(!counts.contains_key("fsync"));
    }

    #[test]
    fn a_kind_of_call_that_met_nothing_is_named() {
        let counts = counts(LOG);
        let found = |calls: &[&str], met: &str| {
            unmet(&counts, calls, |call| call == met).map(|finding| finding.found)
        };
        assert_eq!(found(&["fsync", "pwrite64"], "pwrite64"), None);
        let never = "calls, and none that met its fault";
        assert_eq!(found(&["fsync", "pwrite64"], "").as_deref(), Some(never));
        let unmade = "no call while the store is used";
        assert_eq!(found(&["fsync"], "pwrite64").as_deref(), Some(unmade));
        assert_eq!(found(&["mmap"], "").as_deref(), Some(unmade), "only before the opening");
    }

    #[test]
    fn faults_fall_on_calls_that_are_made_for_the_store() {
        let cases = cases(&counts(LOG), 20);
        // Three faults of `openat` at its one call, seven of `pwrite64` at both of its calls.
        assert_eq!(cases.len(), 3 + 14);
        assert!(cases.iter().all(|case| case.call != "mmap"));
        let opens: Vec<_> = cases.iter().filter(|case| case.call == "openat").collect();
        assert!(opens.iter().all(|case| case.inject.contains("when=2")), "{opens:?}");
        let kills = cases.iter().filter(|case| case.inject.starts_with("signal=KILL"));
        let mut kills: Vec<_> = kills.map(|case| case.inject.as_str()).collect();
        kills.sort_unstable();
        assert_eq!(kills, ["signal=KILL:when=1", "signal=KILL:when=2"]);
    }
}

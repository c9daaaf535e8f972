//! A real file system that is cut off while a store writes to it.
//!
//! 1. A file system (the outer one) on a loop device holds one file, on which the inner file system
//!    stands, on a loop device too. The program of [`victim`] writes to the inner one.
//! 2. At random moments the outer one is frozen: from then on nothing reaches the file, and it is
//!    copied as it is. It holds what the inner file system had written to its device, in the
//!    order it wrote it, and nothing that still waited in memory: what a cut of the power leaves.
//! 3. The copy is mounted, which replays its journal, and the store on it must keep its word: all
//!    that was acknowledged before the freeze is there.
//!
//! A device that loses its own cache is not in this. It needs root and loop devices; it is run by
//! hand, since it mounts file systems. What it mounts it unmounts, whatever happens.
#![expect(clippy::print_stdout, reason = "the run tells a terminal or a log how far it has come")]

use std::env;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::victim::{self, Heard};
use crate::{Finding, Result};

/// What `cargo xtask powercut` is told.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// How often the power is cut.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub cuts: u32,
    /// How large the file system is.
    #[arg(long, value_name = "MIB", default_value_t = 96)]
    pub mib: u64,
    /// Where the moments of the cuts begin from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Let syncs do nothing, by strace: something is lost then, and this shows that it is found.
    #[arg(long)]
    pub without_syncs: bool,
}

const NEEDED: [&str; 5] = ["mkfs.ext4", "mount", "umount", "fsfreeze", "losetup"];
const FILE: &str = "xtask/src/powercut.rs";

/// Cuts the power so often.
///
/// # Errors
///
/// What is missing here: root, a program, loop devices.
pub fn run(arguments: &Arguments) -> Result<Vec<Finding>> {
    able()?;
    let temp = tempfile::tempdir().map_err(|error| Finding::unreadable(FILE, error))?;
    let at = |name: &str| temp.path().join(name);
    let outer = Mount::made(&at("outer.img"), arguments.mib * 3 / 2 + 32, &at("outer"))?;
    let image = outer.point.join("inner.img");
    let inner = Mount::made(&image, arguments.mib, &at("inner"))?;
    let program = Program::start(&inner.point.join("store"), arguments.without_syncs)?;
    let mut moment = arguments.seed;
    let mut findings = Vec::new();
    for cut in 1..=arguments.cuts {
        // A step of a linear congruence; the upper bits are random enough for a moment.
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        thread::sleep(Duration::from_millis(20 + (moment >> 33) % 400));
        let (copied, heard) = cut_off(&program, &outer.point, &image, &at("cut.img"))?;
        let checked = {
            let mounted = Mount::of(&at("cut.img"), &at("cut"))?;
            victim::check(&mounted.point.join("store"), &heard)
        };
        let (acked, took) = (heard.acked.len(), copied.as_millis());
        println!("cut {cut}: {acked} batches acknowledged, copied in {took} ms: {checked:?}");
        if let Err(found) = checked {
            let expected = format!("all acknowledged batches behind cut {cut}");
            let remedy = format!("run `cargo xtask powercut --seed {}` again", arguments.seed);
            findings.push(Finding::new(FILE, 0, expected, found, remedy));
        }
    }
    findings.extend(program.stop());
    Ok(findings)
}

/// Whether all that is needed is there.
fn able() -> Result<()> {
    let missing = |found: String| {
        let expected = format!("root, and the programs {}", NEEDED.join(", "));
        Finding::new(FILE, 0, expected, found, "run it as root on a machine that has them")
    };
    let id = Command::new("id").arg("-u").output();
    if !id.is_ok_and(|id| id.stdout == b"0\n") {
        return Err(missing("another user than root".to_owned()));
    }
    // Each of them prints its version, or refuses that; either way it is there.
    let absent = |name: &&&str| {
        let quiet = Command::new(name).arg("--version").stdin(Stdio::null()).output();
        quiet.is_err()
    };
    match NEEDED.iter().find(absent) {
        Some(name) => Err(missing(format!("no program {name}"))),
        None => Ok(()),
    }
}

/// Copies the image as it is at one moment; tells what was heard before, and answered after it.
fn cut_off(
    program: &Program,
    outer: &Path,
    image: &Path,
    copy: &Path,
) -> Result<(Duration, Heard)> {
    let mut heard = program.heard();
    let frozen = Frozen::new(outer)?;
    let begun = Instant::now();
    let copied = fs::copy(image, copy);
    drop(frozen);
    let took = begun.elapsed();
    copied.map_err(|error| Finding::unreadable("the image", error))?;
    heard.answered = program.heard().answered;
    Ok((took, heard))
}

/// Runs a program to its end.
fn call(program: &str, args: &[&Path]) -> Result<()> {
    let failed = |found: String| {
        let line: Vec<_> = args.iter().map(|word| word.display().to_string()).collect();
        let expected = format!("`{program} {}` to succeed", line.join(" "));
        Finding::new(FILE, 0, expected, found, "see whether this machine permits loop devices")
    };
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}

/// A mounted file system, for as long as it lives.
struct Mount {
    point: PathBuf,
}

impl Mount {
    /// A new file system in a file of so many MiB.
    fn made(image: &Path, mib: u64, point: &Path) -> Result<Mount> {
        let sized = File::create(image).and_then(|file| file.set_len(mib << 20));
        sized.map_err(|error| Finding::unreadable("an image", error))?;
        call("mkfs.ext4", &[Path::new("-q"), Path::new("-F"), image])?;
        Mount::of(image, point)
    }

    fn of(image: &Path, point: &Path) -> Result<Mount> {
        fs::create_dir_all(point).map_err(|error| Finding::unreadable("a folder", error))?;
        call("mount", &[Path::new("-o"), Path::new("loop,noatime"), image, point])?;
        Ok(Mount { point: point.to_owned() })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Whoever was killed may still be going.
        let mut told = Ok(());
        for _ in 0..50 {
            told = call("umount", &[&self.point]);
            if told.is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        println!("still mounted: {}: {told:?}", self.point.display());
    }
}

/// A file system that takes no writes, for as long as it lives.
struct Frozen<'a>(&'a Path);

impl<'a> Frozen<'a> {
    fn new(point: &'a Path) -> Result<Frozen<'a>> {
        call("fsfreeze", &[Path::new("-f"), point])?;
        Ok(Frozen(point))
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        if let Err(finding) = call("fsfreeze", &[Path::new("-u"), self.0]) {
            println!("still frozen: {finding}");
        }
    }
}

/// The program that writes, and what it has said up to now.
struct Program {
    child: Child,
    heard: Arc<Mutex<Heard>>,
}

impl Program {
    fn start(store: &Path, without_syncs: bool) -> Result<Program> {
        let own = env::current_exe().map_err(|error| Finding::unreadable("xtask", error))?;
        let mut command = Command::new(if without_syncs { Path::new("strace") } else { &own });
        if without_syncs {
            let calls = "inject=fsync,fdatasync:retval=0";
            command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"]);
            command.args(["-e", calls]).arg(&own);
        }
        // Strace and what it traces end together.
        command
            .process_group(0)
            .arg("victim")
            .arg(store)
            .args(["--batches", &u64::MAX.to_string()]);
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|error| Finding::unreadable("xtask", error))?;
        let heard = Arc::new(Mutex::new(Heard::default()));
        let into = Arc::clone(&heard);
        if let Some(out) = child.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(std::io::Result::ok) {
                    into.lock().unwrap_or_else(PoisonError::into_inner).line(&line);
                }
            });
        }
        Ok(Program { child, heard })
    }

    fn heard(&self) -> Heard {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends it; that it ended by itself is a finding.
    fn stop(mut self) -> Option<Finding> {
        let ended = self.child.try_wait().ok().flatten()?;
        let found = format!("{ended}, behind {} batches", self.heard().acked.len());
        let remedy = "see what it says; a larger `--mib` if its disk is full";
        Some(Finding::new(FILE, 0, "a program that writes to the end", found, remedy))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        drop(Command::new("kill").args(["-KILL", "--", &group]).status());
        drop(self.child.wait());
    }
}

//! Runs targets without a fuzzer: seeds, mutations of them, or single inputs.
//!
//! ```text
//! replay                      all seeds, and thousands of mutations of them for each target
//! replay TARGET               the same for one target
//! replay TARGET FILE...       these inputs
//! ```
//!
//! The mutations are the same every time. An input that fails is written to
//! `fuzz/artifacts/TARGET`. Exit code 0: nothing was found; 1: something was, and is named on
//! standard error; 2: bad usage.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool speaks")]

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, io};

use lsm_fuzz::{TARGETS, Target};
use lsm_testkit::Rng;

/// No mutation is longer.
const MAX_BYTES: usize = 1 << 16;
/// An input that takes longer is a finding: it is a few kilobytes long.
const MAX_TIME: Duration = Duration::from_secs(10);

/// How many panics there were, on any thread.
static PANICS: AtomicUsize = AtomicUsize::new(0);

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let told = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        told(info);
    }));
    let (targets, files) = match arguments.split_first() {
        None => (TARGETS.to_vec(), &[][..]),
        Some((name, files)) => match TARGETS.iter().find(|target| target.name == name) {
            Some(target) => (vec![*target], files),
            None => {
                let known: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
                eprintln!("error: no target `{name}`; there are {}", known.join(", "));
                return ExitCode::from(2);
            }
        },
    };
    let outcome: io::Result<bool> = if files.is_empty() {
        targets.iter().try_fold(true, |sound, target| Ok(seeds_and_mutations(target)? && sound))
    } else {
        files.iter().try_fold(true, |sound, file| {
            let ran = holds(&targets[0], &fs::read(file)?);
            println!("{file}: {}", if ran { "ok" } else { "FAILED" });
            Ok(ran && sound)
        })
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a target on an input. `false`: something panicked, or it took too long.
fn holds(target: &Target, input: &[u8]) -> bool {
    let (before, started) = (PANICS.load(Ordering::SeqCst), Instant::now());
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let took = started.elapsed();
    if took > MAX_TIME {
        eprintln!("{}: {took:?} for {} bytes", target.name, input.len());
    }
    outcome.is_ok() && before == PANICS.load(Ordering::SeqCst) && took <= MAX_TIME
}

/// Runs the seeds of a target and what becomes of them; stops at the first that fails.
fn seeds_and_mutations(target: &Target) -> io::Result<bool> {
    let started = Instant::now();
    let seeds = read_seeds(target.name)?;
    for (name, seed) in &seeds {
        if !holds(target, seed) {
            return fail(target, seed, &format!("the seed {name}"));
        }
    }
    let seeds: Vec<Vec<u8>> = seeds.into_values().collect();
    for number in 0..u64::from(target.mutations) {
        let input = mutation(&mut Rng::new(number), &seeds);
        if !holds(target, &input) {
            return fail(target, &input, &format!("mutation {number}"));
        }
    }
    let took = started.elapsed().as_secs_f64();
    let (name, mutations) = (target.name, target.mutations);
    println!("{name}: {} seeds, {mutations} mutations, {took:.1} s", seeds.len());
    Ok(true)
}

fn read_seeds(target: &str) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let dir = home().join("seeds").join(target);
    let named = |error| io::Error::other(format!("{}: {error}", dir.display()));
    let mut seeds = BTreeMap::new();
    for entry in fs::read_dir(&dir).map_err(named)? {
        let entry = entry?;
        seeds.insert(entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?);
    }
    if seeds.is_empty() {
        return Err(named(io::Error::other("no seeds")));
    }
    Ok(seeds)
}

/// Keeps an input that failed and tells how to run it again.
fn fail(target: &Target, input: &[u8], what: &str) -> io::Result<bool> {
    let dir: PathBuf = home().join("artifacts").join(target.name);
    fs::create_dir_all(&dir)?;
    let file = dir.join(format!("replay-{}", what.replace(' ', "-")));
    fs::write(&file, input)?;
    eprintln!("{}: {what} failed; once more: replay {0} {}", target.name, file.display());
    Ok(false)
}

/// One of the seeds with a few changes.
fn mutation(rng: &mut Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let any = |rng: &mut Rng, end: usize| rng.below(end as u64) as usize;
    let mut input = seeds[any(rng, seeds.len())].clone();
    for _ in 0..1 + rng.below(6) {
        let at = any(rng, input.len() + 1);
        match rng.below(8) {
            0 | 1 => change(&mut input, at, |byte| byte ^ 1 << rng.below(8)),
            2 => change(&mut input, at, |_| rng.next_u64() as u8),
            3 => {
                change(&mut input, at, |byte| byte.wrapping_add(rng.below(9) as u8).wrapping_sub(4))
            }
            4 => input.truncate(at),
            5 => {
                let end = input.len().min(at + any(rng, 16));
                drop(input.drain(at..end));
            }
            6 => {
                let new: Vec<u8> = (0..rng.below(12)).map(|_| rng.next_u64() as u8).collect();
                drop(input.splice(at..at, new));
            }
            _ => {
                let other = &seeds[any(rng, seeds.len())];
                let from = any(rng, other.len() + 1);
                let piece = other.iter().skip(from).take(any(rng, 200)).copied();
                drop(input.splice(at..at, piece.collect::<Vec<u8>>()));
            }
        }
    }
    input.truncate(MAX_BYTES);
    input
}

fn change(input: &mut [u8], at: usize, with: impl FnOnce(u8) -> u8) {
    if let Some(byte) = input.get_mut(at) {
        *byte = with(*byte);
    }
}

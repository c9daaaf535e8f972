//! The simulation from the command line: seeds on worker threads, and what they covered.
//!
//! `sim [--seeds N] [--seed S] [--ops M] [--images I] [--damaged D] [--failing F]
//! [--part NAME] [--workers W] [--out DIR]`
//!
//! Prints a line for each thing that was counted, and a digest of all answers that is the
//! same for builds of all features. On a failure it prints the seed, what differs and a
//! history as small as it gets, writes the store's files to a folder below DIR, and ends
//! with 1. `cargo xtask sim` runs it for all feature sets.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool speaks")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lsm_testkit::sim::{Failure, Part, Plan, Tally, run_seed};

const USAGE: &str = "usage: sim [--seeds N] [--seed S] [--ops M] [--images I] [--damaged D] \
                     [--failing F] [--part NAME] [--workers W] [--out DIR]";
/// A seed that takes longer hangs.
const MOST_TIME: Duration = Duration::from_secs(300);

struct Arguments {
    first: u64,
    seeds: u64,
    workers: u64,
    out: PathBuf,
    plan: Plan,
}

fn arguments() -> Result<Arguments, String> {
    let out = PathBuf::from("target/sim");
    // A store waits for its threads at times, so that there is work for one more.
    let workers = std::thread::available_parallelism().map_or(2, |cores| cores.get() as u64) + 1;
    let mut found = Arguments { first: 1, seeds: 10, workers, out, plan: Plan::default() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} of what? {USAGE}"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{word} {value}? {USAGE}"));
        match word.as_str() {
            "--seeds" => found.seeds = number()?,
            "--seed" => found.first = number()?,
            "--ops" => found.plan.ops = number()?,
            "--images" => found.plan.images = number()?,
            "--damaged" => found.plan.damaged = number()?,
            "--failing" => found.plan.failing = number()?,
            "--workers" => found.workers = number()?.max(1),
            "--out" => found.out = PathBuf::from(value),
            "--part" => {
                let part = Part::ALL.into_iter().find(|part| part.name() == value);
                found.plan.part = Some(part.ok_or_else(|| format!("no part {value}. {USAGE}"))?);
            }
            _ => return Err(format!("{word}? {USAGE}")),
        }
    }
    Ok(found)
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    quiet_the_panics_that_are_answers();
    let begun = Instant::now();
    match run(&arguments) {
        Ok(tally) => {
            println!("{tally}");
            println!("seconds: {:.1}", begun.elapsed().as_secs_f64());
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprint!("{failure}");
            match write_files(&failure, &arguments.out) {
                Ok(folder) => eprintln!("the store's files: {}", folder.display()),
                Err(error) => eprintln!("the store's files could not be written: {error}"),
            }
            ExitCode::from(1)
        }
    }
}

/// A scan that cannot go on panics, which is an answer and nothing to print.
fn quiet_the_panics_that_are_answers() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload().downcast_ref::<String>().map_or("", String::as_str);
        if !text.contains("was changed while it was scanned") {
            usual(panic);
        }
    }));
}

/// Runs the seeds on so many threads, until one fails.
fn run(arguments: &Arguments) -> Result<Tally, Box<Failure>> {
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let running: Vec<_> = (0..arguments.workers).map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        let work = |now: &Mutex<Option<(u64, Instant)>>| {
            let mut tally = Tally::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= arguments.seeds || stop.load(Ordering::Relaxed) {
                    break Ok(tally);
                }
                let seed = arguments.first + number;
                set(now, Some((seed, Instant::now())));
                let outcome = run_seed(seed, &arguments.plan, &mut tally);
                set(now, None);
                if outcome.is_err() {
                    stop.store(true, Ordering::Relaxed);
                    break outcome.map(|()| tally);
                }
            }
        };
        let workers: Vec<_> = running.iter().map(|now| scope.spawn(move || work(now))).collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::sleep(Duration::from_millis(20));
            running.iter().for_each(end_if_it_hangs);
        }
        let mut sum = Tally::default();
        for worker in workers {
            let outcome = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            sum.merge(&outcome?);
        }
        Ok(sum)
    })
}

fn set(now: &Mutex<Option<(u64, Instant)>>, to: Option<(u64, Instant)>) {
    *now.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = to;
}

/// What hangs cannot be asked to stop.
fn end_if_it_hangs(now: &Mutex<Option<(u64, Instant)>>) {
    let now = *now.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some((seed, _)) = now.filter(|(_, since)| since.elapsed() > MOST_TIME) {
        eprintln!("seed {seed} has not come to its end in {MOST_TIME:?}");
        std::process::exit(1);
    }
}

/// Writes the files of the store that failed where `lsm` can open them.
fn write_files(failure: &Failure, out: &Path) -> std::io::Result<PathBuf> {
    let folder = out.join(format!("seed-{}-{}", failure.seed, failure.part.name()));
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    for (name, bytes) in &failure.wrong.files {
        std::fs::write(folder.join(name), bytes)?;
    }
    Ok(folder)
}

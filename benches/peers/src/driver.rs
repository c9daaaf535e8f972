//! The parent: rounds, engines in turn within each, one child process per run.
//!
//! 1. Everything that can be wrong with the input is found before anything is measured.
//! 2. For every round and workload the engines take turns, each round beginning with another one, so
//!    that what the machine does meanwhile hits all alike.
//! 3. A run that fails is noted and the others go on; the file is saved after every round.
//! 4. The folder of a run is removed when the run ends, however it ends.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow, bail};
use lsm_bench_record::{
    Conditions, EngineRecord, FORMAT, Failure, Machine, Outcome, Results, RunRecord,
};

use crate::build::Programs;
use crate::child::ChildArgs;
use crate::cli::{RunArgs, Usage, say};
use crate::engines::{CACHE_BYTES, EngineName, FILTER_BITS_PER_KEY, WRITE_BUFFER_BYTES};
use crate::keys::{KEY_BYTES, VALUE_BYTES};
use crate::report;
use crate::workloads::Work;

/// How often the parent looks whether its child has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Lines of a failed child's complaint that are kept.
const COMPLAINT_LINES: usize = 12;

/// Measures what `args` asks for.
pub(crate) fn run(args: &RunArgs) -> Result<Results> {
    let engines = engines(args)?;
    let works = works(args);
    let parent_dir = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    check_folders(&parent_dir, args.out.as_deref())?;
    check_work(&engines, &works)?;
    if cfg!(debug_assertions) {
        say("warning: this is not a release build, its figures mean nothing");
    }
    let mut results = describe(args, &engines, &parent_dir)?;
    if results.machine.file_system == "tmpfs" {
        say(
            "warning: the folder is in memory (tmpfs): syncs cost nothing and written bytes read 0",
        );
    }
    let programs = Programs::for_works(&works)?;
    let interrupted = watch_for_interrupts()?;
    let runner = Runner { args, programs, parent_dir, interrupted };

    for round in 1..=args.rounds {
        for &work in &works {
            for turn in 0..engines.len() {
                let engine = engines[(turn + round as usize - 1) % engines.len()];
                if can_do(engine, work) {
                    runner.run_into(&mut results, round, engine, work)?;
                }
            }
        }
        if let Some(out) = &args.out {
            results.save(out)?;
        }
    }
    Ok(results)
}

struct Runner<'a> {
    args: &'a RunArgs,
    programs: Programs,
    parent_dir: PathBuf,
    interrupted: Arc<AtomicBool>,
}

impl Runner<'_> {
    /// Runs once and notes what came of it. An error only if there is no point in going on.
    fn run_into(
        &self,
        results: &mut Results,
        round: u32,
        engine: EngineName,
        work: Work,
    ) -> Result<()> {
        let rounds = self.args.rounds;
        let head = format!("round {round}/{rounds}  {:<20} {:<10}", work.name(), engine.name());
        let (engine_name, workload) = (engine.name().to_owned(), work.name());
        match self.run_once(engine, work) {
            Ok(outcome) => {
                say(&format!("{head} {}", report::brief(&outcome)));
                results.runs.push(RunRecord { round, engine: engine_name, workload, outcome });
            }
            Err(_) if self.interrupted.load(Ordering::Relaxed) => {
                if let Some(out) = &self.args.out {
                    results.save(out)?;
                }
                bail!("interrupted; the databases are removed");
            }
            Err(error) => {
                let error = format!("{error:#}");
                say(&format!("{head} FAILED: {error}"));
                results.failures.push(Failure { round, engine: engine_name, workload, error });
            }
        }
        Ok(())
    }

    fn run_once(&self, engine: EngineName, work: Work) -> Result<Outcome> {
        let folder = tempfile::Builder::new()
            .prefix("lsm-peers-")
            .tempdir_in(&self.parent_dir)
            .with_context(|| format!("a temporary folder in {}", self.parent_dir.display()))?;
        let child_args = ChildArgs {
            engine,
            work,
            n: self.args.n,
            keys: self.args.keys,
            settings: self.args.settings,
            dir: folder.path().join("db"),
            budget: self.args.budget,
        };
        let mut child = Command::new(self.programs.for_work(work)?)
            .arg("child")
            .args(child_args.command_line())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting the child process")?;
        let answer = read_aside(child.stdout.take());
        let complaint = read_aside(child.stderr.take());
        let ended = self.wait(&mut child);
        let answer = answer.join().unwrap_or_default();
        let complaint = complaint.join().unwrap_or_default();
        // An error of the removal is better told than kept: the next runs need the space.
        folder.close().context("removing the temporary folder")?;
        let status = ended?;
        if !status.success() {
            bail!("{status}: {}", last_lines(&complaint));
        }
        serde_json::from_str(&answer).with_context(|| format!("not an answer: {answer:?}"))
    }

    /// Waits for the end of the child; kills it when it takes too long or the run is interrupted.
    fn wait(&self, child: &mut Child) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            let problem = if self.interrupted.load(Ordering::Relaxed) {
                Some(anyhow!("interrupted"))
            } else if start.elapsed() > Duration::from_secs(self.args.timeout) {
                Some(anyhow!("given up after {} s (--timeout)", self.args.timeout))
            } else {
                None
            };
            if let Some(problem) = problem {
                child.kill()?;
                child.wait()?;
                return Err(problem);
            }
            thread::sleep(LOOK_INTERVAL);
        }
    }
}

fn engines(args: &RunArgs) -> Result<Vec<EngineName>> {
    let mut engines = args.engines.clone();
    if engines.is_empty() {
        engines = EngineName::all_built_in();
    }
    let mut seen = Vec::new();
    engines.retain(|&engine| {
        !seen.contains(&engine) && {
            seen.push(engine);
            true
        }
    });
    let missing: Vec<_> =
        engines.iter().filter(|engine| !engine.is_built_in()).map(|engine| engine.name()).collect();
    if !missing.is_empty() {
        let missing = missing.join(",");
        let text = format!("{missing}: not in this build; build with `--features {missing}`");
        return Err(Usage::new(text).into());
    }
    if engines.is_empty() {
        return Err(Usage::new("no engine is in this build").into());
    }
    Ok(engines)
}

/// The workloads asked for, or all that this build can run.
fn works(args: &RunArgs) -> Vec<Work> {
    let mut works = args.work.clone();
    if works.is_empty() {
        let all = <Work as clap::ValueEnum>::value_variants().iter().copied();
        works = all.filter(|work| work.is_durable() || !cfg!(feature = "durable")).collect();
    }
    let mut seen = Vec::new();
    works.retain(|&work| {
        !seen.contains(&work) && {
            seen.push(work);
            true
        }
    });
    works
}

/// A store without durable writes is left out of the workloads that are about them.
fn can_do(engine: EngineName, work: Work) -> bool {
    engine.has_durable_writes() || !work.is_durable()
}

fn check_work(engines: &[EngineName], works: &[Work]) -> Result<()> {
    for &work in works {
        if !engines.iter().any(|&engine| can_do(engine, work)) {
            let text = format!("none of the engines can do {} (see `list`)", work.name());
            return Err(Usage::new(text).into());
        }
    }
    Ok(())
}

fn check_folders(dir: &Path, out: Option<&Path>) -> Result<()> {
    if !dir.is_dir() {
        let text = format!("--dir: {} is not a folder", dir.display());
        return Err(Usage::new(text).into());
    }
    let Some(out) = out else { return Ok(()) };
    let folder = match out.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() || out.is_dir() {
        let text = format!("--out: {} cannot be written there", out.display());
        return Err(Usage::new(text).into());
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "when it was is a part of a result")]
fn describe(args: &RunArgs, engines: &[EngineName], dir: &Path) -> Result<Results> {
    Ok(Results {
        format: FORMAT.to_owned(),
        started_unix_s: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
        machine: Machine::describe(dir)
            .with_context(|| format!("describing the machine and {}", dir.display()))?,
        settings: Conditions {
            n: args.n,
            rounds: args.rounds,
            keys: args.keys,
            settings: args.settings,
            key_bytes: KEY_BYTES as u64,
            value_bytes: VALUE_BYTES as u64,
            write_buffer_bytes: WRITE_BUFFER_BYTES as u64,
            cache_bytes: CACHE_BYTES as u64,
            filter_bits_per_key: FILTER_BITS_PER_KEY,
            budget_s: args.budget,
        },
        engines: engines
            .iter()
            .map(|engine| EngineRecord {
                name: engine.name().to_owned(),
                version: engine.version(),
                durable_promise: engine.durable_promise().to_owned(),
                plain_promise: engine.plain_promise().to_owned(),
            })
            .collect(),
        runs: Vec::new(),
        failures: Vec::new(),
    })
}

fn watch_for_interrupts() -> Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))?;
    Ok(interrupted)
}

/// Reads a pipe to its end in a thread, so that a child that says much is not held up.
fn read_aside(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What arrived before an error is all there will be.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.trim().lines().collect();
    lines[lines.len().saturating_sub(COMPLAINT_LINES)..].join("\n")
}

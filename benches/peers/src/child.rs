//! The child process: one engine, one workload, one line of JSON.

use std::env;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use lsm_bench_record::{Choice, Outcome, Settings, Shape};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::cli::{Usage, choice};
use crate::engines::{self, Engine, EngineName, Options};
use crate::keys::Rows;
use crate::workloads::{Job, Work, write_and_die as write_job_and_die};

#[derive(Args, Clone)]
pub(crate) struct ChildArgs {
    #[arg(long, value_enum)]
    pub(crate) engine: EngineName,
    #[arg(long, value_enum)]
    pub(crate) work: Work,
    #[arg(long)]
    pub(crate) n: u64,
    #[arg(long, value_parser = choice::<Shape>())]
    pub(crate) keys: Shape,
    #[arg(long, value_parser = choice::<Settings>())]
    pub(crate) settings: Settings,
    /// The folder of the database
    #[arg(long)]
    pub(crate) dir: PathBuf,
    /// Seconds
    #[arg(long)]
    pub(crate) budget: u64,
}

impl ChildArgs {
    /// The command line that these arguments are read from, without the subcommand.
    pub(crate) fn command_line(&self) -> Vec<String> {
        let named = |name: &str, value: String| [format!("--{name}"), value];
        [
            named("engine", self.engine.name().to_owned()),
            named("work", self.work.name()),
            named("n", self.n.to_string()),
            named("keys", self.keys.name().to_owned()),
            named("settings", self.settings.name().to_owned()),
            named("dir", self.dir.to_string_lossy().into_owned()),
            named("budget", self.budget.to_string()),
        ]
        .concat()
    }

    fn job(&self) -> Result<Job> {
        let args = self.clone();
        if self.work.is_durable() != cfg!(feature = "durable") {
            bail!(Usage::new("this workload is for the other build of this program"));
        }
        Ok(Job {
            rows: Rows { shape: self.keys, n: self.n },
            dir: self.dir.clone(),
            options: Options { settings: self.settings, durable: self.work.is_durable() },
            budget: Duration::from_secs(self.budget),
            writer: Box::new(move || be_killed(&args)),
        })
    }
}

/// Does the work.
pub(crate) fn run(args: &ChildArgs) -> Result<Outcome> {
    die_with_parent()?;
    let job = args.job()?;
    on_engine(args.engine, Measured { work: args.work, job: &job })
}

/// Writes until it kills itself.
pub(crate) fn write_and_die(args: &ChildArgs) -> Result<()> {
    die_with_parent()?;
    on_engine(args.engine, Killed { job: &args.job()? })
}

/// Starts the process that writes and is killed, and waits for its end.
fn be_killed(args: &ChildArgs) -> Result<()> {
    let output = Command::new(env::current_exe()?)
        .arg("writer")
        .args(args.command_line())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()?;
    if output.status.signal() == Some(Signal::KILL.as_raw()) {
        return Ok(());
    }
    bail!("it ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())
}

/// So that nothing goes on measuring after its parent was killed.
fn die_with_parent() -> Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// Something to do with an engine, whichever it is.
trait OnEngine {
    type Output;
    fn call<E: Engine>(self) -> Result<Self::Output>;
}

struct Measured<'a> {
    work: Work,
    job: &'a Job,
}

impl OnEngine for Measured<'_> {
    type Output = Outcome;
    fn call<E: Engine>(self) -> Result<Outcome> {
        self.work.run::<E>(self.job)
    }
}

struct Killed<'a> {
    job: &'a Job,
}

impl OnEngine for Killed<'_> {
    type Output = ();
    fn call<E: Engine>(self) -> Result<()> {
        write_job_and_die::<E>(self.job)
    }
}

fn on_engine<T: OnEngine>(engine: EngineName, task: T) -> Result<T::Output> {
    match engine {
        #[cfg(feature = "ours")]
        EngineName::Ours => task.call::<engines::ours::Ours>(),
        #[cfg(feature = "published")]
        EngineName::Published => task.call::<engines::published::Published>(),
        #[cfg(feature = "fjall")]
        EngineName::Fjall => task.call::<engines::fjall::Fjall>(),
        #[cfg(feature = "rocksdb")]
        EngineName::Rocksdb => task.call::<engines::rocksdb::Rocksdb>(),
        #[cfg(feature = "redb")]
        EngineName::Redb => task.call::<engines::redb::Redb>(),
        #[cfg(feature = "sled")]
        EngineName::Sled => task.call::<engines::sled::Sled>(),
        #[cfg(feature = "surrealkv")]
        EngineName::Surrealkv => task.call::<engines::surrealkv::Surrealkv>(),
        #[cfg(not(all(
            feature = "ours",
            feature = "published",
            feature = "fjall",
            feature = "rocksdb",
            feature = "redb",
            feature = "sled",
            feature = "surrealkv"
        )))]
        other => {
            drop(task);
            bail!(Usage::new(format!("{} is not in this build", other.name())))
        }
    }
}

//! The command line. Bad input ends here, with a message and exit code 2; a run that failed ends with
//! exit code 1.

use std::error::Error;
use std::fmt;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use lsm_bench_record::{Choice, Error as RecordError, Figure, Results, Settings, Shape};

use crate::child::{self, ChildArgs};
use crate::driver;
use crate::engines::EngineName;
use crate::report;
use crate::workloads::Work;

const BAD_INPUT: u8 = 2;
/// With fewer rows there is no hot hundredth and nothing to scan.
const FEWEST_ROWS: u64 = 1_000;
/// Rows are numbered with 32 bits where a workload keeps a table of them.
const MOST_ROWS: u64 = 1_000_000_000;

#[derive(Parser)]
#[command(version, about = "The same work on several embedded key-value stores, side by side")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure, print a table, write the figures as JSON
    Run(RunArgs),
    /// Print tables of figures that were written before
    Show(ShowArgs),
    /// List engines, what they promise, and workloads
    List,
    /// One engine, one workload, one line of JSON
    #[command(hide = true)]
    Child(ChildArgs),
    /// The process that a child has killed
    #[command(hide = true)]
    Writer(ChildArgs),
}

#[derive(Args)]
pub(crate) struct RunArgs {
    /// Engines, separated by commas; all that are in this build unless said
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) engines: Vec<EngineName>,

    /// Workloads, separated by commas; all unless said
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) work: Vec<Work>,

    /// Rows
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u64).range(FEWEST_ROWS..=MOST_ROWS))]
    pub(crate) n: u64,

    /// Rounds; in each, every engine has its turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,

    /// The shape of the keys
    #[arg(long, value_parser = choice::<Shape>(), default_value_t = Shape::Decimal)]
    pub(crate) keys: Shape,

    /// The same sizes for all, or everybody's own
    #[arg(long, value_parser = choice::<Settings>(), default_value_t = Settings::Equal)]
    pub(crate) settings: Settings,

    /// Where the figures go, as JSON
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,

    /// The folder for temporary databases; they are removed
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,

    /// Seconds after which a measured read or scan section stops
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) budget: u64,

    /// Seconds after which a run is given up as hanging
    #[arg(long, default_value_t = 3_600, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: u64,

    /// The tables to print
    #[arg(
        long,
        value_parser = choice::<Figure>(),
        value_delimiter = ',',
        default_values_t = [Figure::Time]
    )]
    figures: Vec<Figure>,
}

#[derive(Args)]
struct ShowArgs {
    /// A file that `run --out` wrote
    file: PathBuf,

    /// The tables to print
    #[arg(
        long,
        value_parser = choice::<Figure>(),
        value_delimiter = ',',
        default_values_t = Figure::ALL.to_vec()
    )]
    figures: Vec<Figure>,
}

/// Something that the caller can put right: exit code 2.
#[derive(Debug)]
pub(crate) struct Usage(String);

impl Usage {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Usage {}

/// Reads the command line and does what it says.
#[must_use = "it is what the process ends with"]
pub fn main() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::from(if is_bad_input(&error) { BAD_INPUT } else { 1 })
        }
    }
}

fn is_bad_input(error: &anyhow::Error) -> bool {
    let of_record = error.downcast_ref::<RecordError>();
    error.is::<Usage>() || of_record.is_some_and(RecordError::is_bad_input)
}

/// The parser of an argument that is one of a few names, all of which the help shows.
pub(crate) fn choice<C: Choice>() -> impl TypedValueParser<Value = C> {
    let value = |choice: &C| PossibleValue::new(choice.name()).help(choice.about());
    let parser = PossibleValuesParser::new(C::ALL.iter().map(value));
    parser.try_map(|name| C::named(&name).ok_or("not one of them"))
}

/// A line for the person at the terminal, apart from the results.
pub(crate) fn say(line: &str) {
    // Nothing is left to tell anyone if this fails.
    let _ = writeln!(io::stderr(), "{line}");
}

fn dispatch(command: Command) -> Result<ExitCode> {
    match command {
        Command::Run(args) => run(args),
        Command::Show(args) => {
            print(&report::tables(&Results::load(&args.file)?, &args.figures))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::List => {
            print(&report::list())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Child(args) => {
            let outcome = child::run(&args)?;
            print(&(serde_json::to_string(&outcome)? + "\n"))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Writer(args) => {
            child::write_and_die(&args)?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn run(args: RunArgs) -> Result<ExitCode> {
    let results = driver::run(&args)?;
    print(&report::tables(&results, &args.figures))?;
    for failure in &results.failures {
        say(&format!(
            "failed: {} on {}, round {}: {}",
            failure.workload, failure.engine, failure.round, failure.error
        ));
    }
    Ok(if results.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever read it has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

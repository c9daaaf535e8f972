//! The bytes on disk: looking into files, and holding the format to what was frozen.
//!
//! 1. `check` - what is wrong with files or whole directories: `fault` is what it finds, as data;
//!    `table`, `filter`, `manifest` and `log` look into one file each, `store` holds files against
//!    their manifest, `print` words it;
//! 2. `dump` - what a file says, with `dump_table` and `dump_store`;
//! 3. `golden` - files of each frozen version, with `golden_set`, `golden_log`, `golden_store` and
//!    `golden_lives`;
//! 4. `hash` - the line that binds the page of a format to the code;
//! 5. `reader` - the reader in Python against the golden files.
//!
//! `file` and `text` serve them all: which file is what, and bytes as a person reads them.

mod check;
mod dump;
mod dump_store;
mod dump_table;
mod fault;
mod file;
mod filter;
mod golden;
mod golden_lives;
mod golden_log;
mod golden_set;
mod golden_store;
mod hash;
mod log;
mod manifest;
mod print;
mod reader;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;

use self::check::NoSuchPath;
use self::dump::{Failure, View};
use self::fault::{Fault, Report};
use crate::Finding;

/// The bytes on disk: look into files, hold them to the frozen format.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Look for damage in tables, filters, manifests and logs, or in directories of them.
    Check {
        /// Files or directories.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Show what a table, a filter, a manifest or a log says.
    Dump {
        /// The file.
        file: PathBuf,
        /// What to show of it.
        #[command(flatten)]
        views: Views,
    },
    /// Write the golden files that are missing; never over other bytes.
    Golden {
        /// Write nothing; fail if the golden files are not as this build writes and reads them.
        #[arg(long)]
        check: bool,
        /// Write over what is not as it should be.
        #[arg(long, conflicts_with = "check")]
        replace: bool,
    },
    /// Let docs/reader.py list the golden tables, logs and manifests, and compare.
    Reader,
    /// Write the hash of the code that decides the bytes to the page of each frozen format.
    Hash {
        /// Write nothing; fail if the line is not that of the code.
        #[arg(long)]
        check: bool,
    },
}

/// What to show of a file: its totals, unless one of these is asked for.
#[derive(Clone, Copy, Debug, clap::Args)]
#[group(multiple = false)]
pub struct Views {
    /// A table's blocks, one a line.
    #[arg(long)]
    blocks: bool,
    /// A table's entries or a log's operations, one a line: key, sequence, kind, value.
    #[arg(long)]
    entries: bool,
    /// A table's index, one block a line.
    #[arg(long)]
    index: bool,
    /// A table's properties, one a line.
    #[arg(long)]
    properties: bool,
}

impl Views {
    const fn view(self) -> View {
        match self {
            Self { blocks: true, .. } => View::Blocks,
            Self { entries: true, .. } => View::Entries,
            Self { index: true, .. } => View::Index,
            Self { properties: true, .. } => View::Properties,
            _ => View::Summary,
        }
    }
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It looked at files and told what it saw.
    Told {
        /// Nothing is wrong with them.
        sound: bool,
    },
    /// It looked at the repository; nothing found is well.
    Findings(Vec<Finding>),
    /// The call is wrong: why.
    Usage(String),
}

/// Does what is asked. What it has to show goes to `out`; what kept it from showing a part, to
/// `errors`. A reader of `out` who leaves early is not told.
///
/// # Errors
///
/// Whatever writing fails with, save that the reader has gone.
pub fn run(
    root: &Path,
    command: Command,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> io::Result<Outcome> {
    match command {
        Command::Check { paths, json } => match check::check(&paths) {
            Ok(report) => told(&report, json, out),
            Err(NoSuchPath(why)) => Ok(Outcome::Usage(why)),
        },
        Command::Dump { file, views } => dumped(dump::dump(&file, views.view(), out), out, errors),
        Command::Golden { check: true, .. } => Ok(Outcome::Findings(golden::check(root))),
        Command::Golden { check: false, replace } => {
            Ok(Outcome::Findings(golden::write(root, replace)))
        }
        Command::Reader => Ok(Outcome::Findings(reader::check(root))),
        Command::Hash { check } => {
            let done = if check { hash::check(root) } else { hash::write(root) };
            Ok(Outcome::Findings(done.err().into_iter().collect()))
        }
    }
}

fn told(report: &Report, json: bool, out: &mut dyn Write) -> io::Result<Outcome> {
    let printed = if json { print::json(report, out) } else { print::text(report, out) };
    quiet(printed.and_then(|()| out.flush()))?;
    Ok(Outcome::Told { sound: report.problems().next().is_none() })
}

fn dumped(
    done: Result<Vec<Fault>, Failure>,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> io::Result<Outcome> {
    // What could be shown comes before what could not.
    quiet(out.flush())?;
    match done {
        Ok(faults) => {
            faults.iter().try_for_each(|fault| print::fault(fault, errors))?;
            Ok(Outcome::Told { sound: !faults.iter().any(Fault::is_problem) })
        }
        Err(Failure::Usage(why)) => Ok(Outcome::Usage(why)),
        Err(Failure::Write(error)) => quiet(Err(error)).map(|()| Outcome::Told { sound: true }),
    }
}

/// A reader who has gone has seen enough.
fn quiet(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Everything about the golden files that is not as it was frozen.
#[must_use]
pub fn check_golden(root: &Path) -> Vec<Finding> {
    golden::check(root)
}

/// Holds the pages of the formats to the code.
#[must_use]
pub fn check_hash(root: &Path) -> Vec<Finding> {
    hash::check(root).err().into_iter().collect()
}

//! `lsm`: the store on the command line. Load, get, explain, put, delete, scan,
//! compact, stats.
//!
//! 1. The arguments are read; a wrong call ends here, with 2.
//! 2. One command runs. It writes what it found to standard output and gives back what
//!    went wrong as a [`Failure`].
//! 3. The failure becomes one message on standard error and the exit code.
//!
//! This crate knows the names of `lsm-db` and nothing of what stands behind them: no
//! file of a store, save that a store has a `MANIFEST`.

#![forbid(unsafe_code)]

mod args;
mod commands;
mod failure;
mod lines;
mod notation;
mod output;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;
use crate::failure::Failure;
use crate::output::Output;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return answer_without_command(&error),
    };
    let mut output = Output::stdout();
    let outcome = commands::run(args.command, &mut output);
    // What was found before a failure is shown before the failure is told.
    let flushed = output.flush();
    match outcome.and(flushed) {
        Ok(()) | Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Err(failure) => {
            tell(&failure.to_string());
            ExitCode::from(failure.exit_code())
        }
    }
}

/// The help or the version was asked for, or the call is wrong.
fn answer_without_command(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if !error.use_stderr() {
        // A reader that has gone has seen enough.
        let _ = io::stdout().lock().write_all(text.as_bytes());
        return ExitCode::SUCCESS;
    }
    tell(text.strip_prefix("error: ").unwrap_or(&text).trim_end());
    ExitCode::from(failure::USAGE)
}

/// One message on standard error. If that is closed, the exit code has to do.
fn tell(message: &str) {
    let _ = writeln!(io::stderr().lock(), "lsm: {message}");
}

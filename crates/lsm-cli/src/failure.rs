//! What can go wrong, as the message and the exit code that a script can use.
//!
//! A message names the path that it is about. The codes are part of the interface: they
//! stand in the help and never change their meaning.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::notation::NotationError;

pub(crate) const NOT_FOUND: u8 = 1;
pub(crate) const USAGE: u8 = 2;
pub(crate) const IO: u8 = 3;
pub(crate) const CORRUPTION: u8 = 4;
pub(crate) const BUSY: u8 = 5;
pub(crate) const INVALID_DATA: u8 = 6;

/// Why a command did not end well. `path` is the store or file as the user named it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The reader of standard output has gone. No message, and exit code 0.
    ClosedPipe,
    /// `get` of a key that is not there.
    KeyNotFound { path: String, key: String },
    /// A KEY or VALUE of the command line that is not in its notation.
    BadArgument { path: String, argument: &'static str, error: NotationError },
    /// The directory has no `MANIFEST`, or is no directory, or is not there.
    NoStore { path: String },
    /// A file that is not the store's: the input or the output.
    Io { path: String, error: io::Error },
    /// What `lsm-db` says.
    Store { path: String, error: lsm_db::Error },
    /// `load` met a line that it cannot take.
    BadLine { path: String, line: u64, why: String, loaded: u64 },
}

impl Failure {
    pub(crate) fn io(path: &Path, error: io::Error) -> Failure {
        Failure::Io { path: path.display().to_string(), error }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::ClosedPipe => 0,
            Failure::KeyNotFound { .. } => NOT_FOUND,
            Failure::BadArgument { .. } => USAGE,
            Failure::NoStore { .. } | Failure::Io { .. } => IO,
            Failure::Store { error, .. } => store_exit_code(error),
            Failure::BadLine { .. } => INVALID_DATA,
        }
    }
}

fn store_exit_code(error: &lsm_db::Error) -> u8 {
    match error {
        lsm_db::Error::Io { source, .. } if source.kind() == ErrorKind::ResourceBusy => BUSY,
        lsm_db::Error::Corruption { .. } => CORRUPTION,
        lsm_db::Error::InvalidInput { .. } => INVALID_DATA,
        _ => IO,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::ClosedPipe => f.write_str("the reader of the output has gone"),
            Failure::KeyNotFound { path, key } => write!(f, "{path}: no such key: {key}"),
            Failure::BadArgument { path, argument, error } => {
                write!(f, "{path}: {argument}: {error}")
            }
            Failure::NoStore { path } => {
                write!(f, "{path}: holds no store (no MANIFEST file)")
            }
            Failure::Io { path, error } => write!(f, "{path}: {error}"),
            Failure::Store { path, error } => write!(f, "{path}: {}", with_causes(error)),
            Failure::BadLine { path, line, why, loaded } => write!(
                f,
                "{path}: line {line}: {why} (loaded: {loaded} before it; \
                 --skip-bad passes over such lines)"
            ),
        }
    }
}

/// The error and what caused it, leaving out a cause that is already told.
fn with_causes(error: &lsm_db::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let told = error.to_string();
        if !text.contains(&told) {
            text = format!("{text}: {told}");
        }
        cause = error.source();
    }
    text
}

//! What can be wrong with a file of results.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// A file that cannot be read, understood or written.
#[derive(Debug, Error)]
pub enum Error {
    /// The system does not give it.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is not JSON.
    #[error("{} is not JSON: {error}", path.display())]
    NotJson {
        /// The file.
        path: PathBuf,
        /// Where it stops being JSON.
        error: serde_json::Error,
    },
    /// It is JSON, and nobody's results.
    #[error(
        "{} names no format: neither `lsm-peers run` nor `cargo xtask bench collect` wrote it",
        path.display()
    )]
    NoFormat {
        /// The file.
        path: PathBuf,
    },
    /// Results in another format, or of another version.
    #[error(
        "{} has the format `{found}`, this program reads `{expected}`: \
         measure again, or use the program that wrote it",
        path.display()
    )]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What was to be read.
        expected: String,
    },
    /// The format is the right one, the fields are not.
    #[error("{} is damaged: {error}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which field.
        error: serde_json::Error,
    },
    /// The system does not take it.
    #[error("cannot write {}: {error}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl Error {
    /// Whether the caller named a file that cannot serve, and can name another.
    #[must_use]
    pub fn is_bad_input(&self) -> bool {
        !matches!(self, Self::Unwritable { .. })
    }
}

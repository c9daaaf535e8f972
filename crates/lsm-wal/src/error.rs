//! What can go wrong with a log.

use std::io;
use std::path::PathBuf;

use lsm_vfs::File;
use thiserror::Error;

/// A result of this crate.
pub type Result<T, E = LogError> = std::result::Result<T, E>;

/// A log that cannot be written or read.
#[derive(Debug, Error)]
pub enum LogError {
    /// The operating system refused.
    #[error(transparent)]
    Disk(#[from] lsm_vfs::Error),
    /// A record that cannot be appended, to this log or to any.
    #[error("cannot append to the log {path}: {source}")]
    Frame {
        /// The slot file.
        path: PathBuf,
        /// Why. `InvalidInput` is the caller's mistake and leaves the log as it was.
        source: io::Error,
    },
    /// Written in another version.
    #[error("{path}: at byte {offset}: {what}")]
    Unsupported {
        /// The slot file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What is there, and what this build reads.
        what: String,
    },
    /// Damage, or a file that belongs elsewhere.
    #[error("{path}: at byte {offset}: expected {expected}, found {found}")]
    Damaged {
        /// The slot file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
}

/// Why a record that is intact cannot be replayed, in the words of whom it was shown.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// Its body is not what a writer makes: what was found.
    #[error("{0}")]
    Damaged(String),
    /// A newer build is needed for its body: what was found.
    #[error("{0}")]
    Unsupported(String),
}

impl From<String> for Refused {
    fn from(found: String) -> Self {
        Self::Damaged(found)
    }
}

impl From<&str> for Refused {
    fn from(found: &str) -> Self {
        Self::Damaged(found.to_owned())
    }
}

impl Refused {
    pub(crate) fn at(self, file: &dyn File, offset: usize) -> LogError {
        match self {
            Self::Damaged(found) => damaged(file, offset, "a record that can be replayed", found),
            Self::Unsupported(what) => unsupported(file, offset, what),
        }
    }
}

pub(crate) fn frame(file: &dyn File, source: io::Error) -> LogError {
    LogError::Frame { path: file.path().to_path_buf(), source }
}

/// A call that no state of the log would make right.
pub(crate) fn invalid(file: &dyn File, what: impl Into<String>) -> LogError {
    frame(file, io::Error::new(io::ErrorKind::InvalidInput, what.into()))
}

pub(crate) fn unsupported(file: &dyn File, offset: usize, what: String) -> LogError {
    LogError::Unsupported { path: file.path().to_path_buf(), offset: offset as u64, what }
}

pub(crate) fn damaged(
    file: &dyn File,
    offset: usize,
    expected: impl Into<String>,
    found: impl Into<String>,
) -> LogError {
    LogError::Damaged {
        path: file.path().to_path_buf(),
        offset: offset as u64,
        expected: expected.into(),
        found: found.into(),
    }
}

//! What can go wrong with a log.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// A result of this crate.
pub type Result<T, E = LogError> = std::result::Result<T, E>;

/// A log that cannot be written or read.
#[derive(Debug, Error)]
pub enum LogError {
    /// The operating system refused.
    #[error(transparent)]
    Disk(#[from] lsm_vfs::Error),
    /// The framing library refused.
    #[error("cannot append to the log {path}: {source}")]
    Frame {
        /// The slot file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Written in another version.
    #[error("{path}: at byte {offset}: {what}")]
    Unsupported {
        /// The slot file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What is needed.
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

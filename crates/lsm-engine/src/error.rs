//! What the engine can answer instead of a result.
//!
//! The classes are those between which a caller can choose: try again (`Disk`),
//! open again (`Refused`), fix the call (`Input`), use another build
//! (`Unsupported`), restore (`Damaged`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsm_manifest::ManifestError;
use lsm_sstable::SstError;
use lsm_types::BatchError;
use thiserror::Error;

/// A result of the engine.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error(transparent)]
    Disk(#[from] lsm_vfs::Error),
    /// Bytes on disk are not what they were when they were written.
    #[error("{path}: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it, what was expected and what was found.
        what: String,
    },
    /// The store, or a part of it, needs another build.
    #[error("{path}: {what}")]
    Unsupported {
        /// The file or directory.
        path: PathBuf,
        /// What is needed.
        what: String,
    },
    /// The call itself can never succeed.
    #[error(transparent)]
    Input(#[from] BatchError),
    /// An earlier failure left open what is durable: no write is taken until the
    /// store is opened again.
    #[error("no write is taken until the store is opened again, because: {0}")]
    Refused(#[source] Arc<Error>),
    /// Work in the background failed, and this call waited for it.
    #[error(transparent)]
    Background(Arc<Error>),
    /// A counter of the store has reached its end.
    #[error("{path}: {what} are used up")]
    UsedUp {
        /// The store's directory.
        path: PathBuf,
        /// Which counter.
        what: &'static str,
    },
    /// Something the engine holds to be impossible.
    #[error("{path}: internal error: {what}")]
    Internal {
        /// The store's directory.
        path: PathBuf,
        /// What happened.
        what: String,
    },
    /// Work was given up because the store is being closed.
    #[error("the store is being closed")]
    Closing,
}

impl Error {
    pub(crate) fn table(path: &Path, error: SstError) -> Self {
        let (path, what) = (path.to_path_buf(), error.to_string());
        match error {
            SstError::Unsupported { .. } => Self::Unsupported { path, what },
            SstError::Damaged { .. } => Self::Damaged { path, what },
        }
    }

    pub(crate) fn manifest(path: &Path, error: ManifestError) -> Self {
        let path = path.to_path_buf();
        match error {
            ManifestError::Unsupported(what) => Self::Unsupported { path, what },
            ManifestError::Damaged { .. } => Self::Damaged { path, what: error.to_string() },
        }
    }

    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_path_buf(), what: what.into() }
    }

    pub(crate) fn internal(path: &Path, what: impl Into<String>) -> Self {
        Self::Internal { path: path.to_path_buf(), what: what.into() }
    }
}

#[cfg(feature = "durability")]
impl From<lsm_wal::LogError> for Error {
    fn from(error: lsm_wal::LogError) -> Self {
        use lsm_wal::LogError;
        let at = |offset: u64, what: String| format!("at byte {offset}: {what}");
        match error {
            LogError::Disk(error) => Self::Disk(error),
            LogError::Frame { path, source } => {
                Self::Disk(lsm_vfs::Error::new("append to the log", path, source))
            }
            LogError::Unsupported { path, offset, what } => {
                Self::Unsupported { path, what: at(offset, what) }
            }
            LogError::Damaged { path, offset, expected, found } => Self::Damaged {
                path,
                what: at(offset, format!("expected {expected}, found {found}")),
            },
        }
    }
}

//! The error that every call can answer with.
//!
//! The engine knows finer classes; a caller can only choose between trying again,
//! opening again, fixing the call, using another build, and restoring. Paths and
//! offsets are kept: in the source of `Io`, and in the reason of `Corruption`,
//! which is a `&'static str` for ever and is therefore interned.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};

use error_forge::ForgeError;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused, or the store cannot be used as it is.
    ///
    /// The kind of `source` tells more: `ResourceBusy` when the store is open
    /// already, `Unsupported` when it needs another version or feature of this
    /// crate, `Other` when writes are refused until it is opened again.
    Io {
        /// What was attempted, as a verb and its object.
        context: &'static str,
        /// What went wrong; its text names the file.
        source: io::Error,
    },
    /// Bytes on disk are not what was written. Trying again does not help.
    Corruption {
        /// Which file, where, what was expected and what was found.
        reason: &'static str,
    },
    /// The call can never succeed as it is; nothing was written.
    InvalidInput {
        /// Which limit was broken.
        reason: &'static str,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { context, source } => write!(f, "cannot {context}: {source}"),
            Self::Corruption { reason } => write!(f, "corruption: {reason}"),
            Self::InvalidInput { reason } => write!(f, "invalid input: {reason}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Corruption { .. } | Self::InvalidInput { .. } => None,
        }
    }
}

impl ForgeError for Error {
    fn kind(&self) -> &'static str {
        match self {
            Self::Io { .. } => "Io",
            Self::Corruption { .. } => "Corruption",
            Self::InvalidInput { .. } => "InvalidInput",
        }
    }

    fn caption(&self) -> &'static str {
        "lsm storage engine error"
    }

    fn is_fatal(&self) -> bool {
        matches!(self, Self::Corruption { .. })
    }
}

impl From<io::Error> for Error {
    fn from(source: io::Error) -> Self {
        Self::Io { context: "do i/o", source }
    }
}

/// An answer of the operating system with the place it belongs to.
#[derive(Debug)]
struct Located {
    place: String,
    source: io::Error,
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.source)
    }
}

impl std::error::Error for Located {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl Error {
    /// What a caller is told of an error of the engine. (No `From`: the engine's
    /// types are not part of the surface.)
    pub(crate) fn engine(error: lsm_engine::Error) -> Self {
        Self::fold(&error)
    }

    fn fold(error: &lsm_engine::Error) -> Self {
        use lsm_engine::Error as Engine;
        let io =
            |context, kind| Self::Io { context, source: io::Error::new(kind, error.to_string()) };
        match error {
            Engine::Disk(disk) => {
                let offset = disk.offset.map_or(String::new(), |at| format!(" at byte {at}"));
                let place = format!("{}{offset}", disk.path.display());
                let located = Located { place, source: copy(&disk.source) };
                Self::Io { context: disk.op, source: io::Error::new(disk.source.kind(), located) }
            }
            Engine::Damaged { .. } => Self::Corruption { reason: intern(error.to_string()) },
            Engine::Input(limit) => Self::InvalidInput { reason: limit_text(*limit) },
            Engine::Unsupported { .. } => io("open the store", io::ErrorKind::Unsupported),
            Engine::Refused(_) => io("write", io::ErrorKind::Other),
            Engine::Background(error) => Self::fold(error),
            Engine::Closing => io("go on", io::ErrorKind::Interrupted),
            _ => io("go on", io::ErrorKind::Other),
        }
    }
}

/// Which limit a write broke.
fn limit_text(limit: lsm_engine::BatchError) -> &'static str {
    use lsm_engine::BatchError;
    match limit {
        BatchError::KeyTooLong => "a key is longer than 2^30 bytes",
        BatchError::ValueTooLong => "a value is longer than 2^30 bytes",
        BatchError::BatchTooLong => "a batch is longer than 4,000,000,000 bytes",
        _ => "a batch cannot be encoded",
    }
}

/// The same answer once more: several calls may report one failure.
fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// How many texts are kept for ever; a store that finds more damage than that has
/// told enough.
const MAX_INTERNED: usize = 256;

/// Keeps `text` for ever, once.
fn intern(text: String) -> &'static str {
    static TEXTS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = texts.get(text.as_str()) {
        return known;
    }
    if texts.len() >= MAX_INTERNED {
        return "a file of the store is damaged (too many kinds of damage to name)";
    }
    let text: &'static str = Box::leak(text.into_boxed_str());
    texts.insert(text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_io_error_keeps_its_kind_its_place_and_its_source() {
        let denied = io::Error::from_raw_os_error(13);
        let disk = lsm_vfs_error(denied);
        let error = Error::fold(&disk);
        let Error::Io { context, source } = &error else { panic!("{error}") };
        assert_eq!((*context, source.kind()), ("read", io::ErrorKind::PermissionDenied));
        assert_eq!(
            error.to_string(),
            "cannot read: /store/file at byte 7: Permission denied (os error 13)"
        );
        let inner = source.get_ref().and_then(|located| located.source()).unwrap();
        assert_eq!(inner.downcast_ref::<io::Error>().unwrap().raw_os_error(), Some(13));
    }

    fn lsm_vfs_error(source: io::Error) -> lsm_engine::Error {
        lsm_engine::Error::Disk(lsm_vfs::Error::new("read", "/store/file", source).at(7))
    }

    #[test]
    fn texts_are_interned_once_and_not_without_end() {
        let first = intern("some damage".into());
        assert!(std::ptr::eq(first, intern("some damage".into())));
        for number in 0..2 * MAX_INTERNED {
            intern(format!("damage {number}"));
        }
        assert!(intern("one more".into()).contains("too many"));
        assert!(std::ptr::eq(first, intern("some damage".into())));
    }
}

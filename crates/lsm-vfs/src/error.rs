//! One failed call: what was attempted, on what, where, and why.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A call to the operating system that failed.
#[derive(Debug)]
pub struct Error {
    /// What was attempted, as a verb and its object: "open the file".
    pub op: &'static str,
    /// On which file or directory.
    pub path: PathBuf,
    /// At which byte, where that makes sense.
    pub offset: Option<u64>,
    /// What the operating system said.
    pub source: io::Error,
}

impl Error {
    /// An error without an offset.
    pub fn new(op: &'static str, path: impl Into<PathBuf>, source: impl Into<io::Error>) -> Self {
        Self { op, path: path.into(), offset: None, source: source.into() }
    }

    /// The same error, at `offset`.
    #[must_use]
    pub fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// The kind that the operating system's answer falls under.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// Whether the file or directory is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind() == io::ErrorKind::NotFound
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}", self.op, self.path.display())?;
        if let Some(offset) = self.offset {
            write!(f, " at byte {offset}")?;
        }
        write!(f, ": {}", self.source)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

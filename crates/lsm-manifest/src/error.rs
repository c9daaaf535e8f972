//! What can be wrong with an edit, and with the bytes of a manifest.

use lsm_types::{LogNo, RunNo, TableNo};
use thiserror::Error;

/// An edit that does not fit the version it is applied to.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EditError {
    /// A number that was not reserved before its use.
    #[error("number {number} is used before it is reserved (reserved below {reserved_until})")]
    NotReserved {
        /// The number.
        number: u64,
        /// The first number that is not reserved.
        reserved_until: u64,
    },
    /// A table that the version has already.
    #[error("table {0} is added twice")]
    TableTwice(TableNo),
    /// A table that the version does not have.
    #[error("table {0} is not in the version")]
    NoTable(TableNo),
    /// Tables of one run whose key ranges overlap.
    #[error("tables {0} and {1} of run {2} overlap")]
    Overlap(TableNo, TableNo, RunNo),
    /// A run that is given two levels.
    #[error("run {0} is on two levels")]
    TwoLevels(RunNo),
    /// A log that the version has already.
    #[error("log {0} is added twice or out of order")]
    LogTwice(LogNo),
    /// A log that the version does not have.
    #[error("log {0} is not in the version")]
    NoLog(LogNo),
    /// A counter that would run backwards.
    #[error("{what} would fall from {from} to {to}")]
    Backwards {
        /// Which counter.
        what: &'static str,
        /// Its value.
        from: u64,
        /// The lower value.
        to: u64,
    },
    /// A field of a table's entry that contradicts another.
    #[error("table {0}: {1}")]
    Table(TableNo, &'static str),
}

/// Bytes that are no manifest of ours, or a damaged one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// Another format, or a version this build does not read.
    #[error("{0}")]
    Unsupported(String),
    /// Damage.
    #[error("at byte {offset}: expected {expected}, found {found}")]
    Damaged {
        /// Where.
        offset: u64,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
}

impl ManifestError {
    pub(crate) fn damaged(
        offset: usize,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Damaged { offset: offset as u64, expected: expected.into(), found: found.into() }
    }
}

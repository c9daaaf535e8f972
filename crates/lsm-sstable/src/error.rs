//! What can be wrong with a table's bytes.

use alloc::string::String;

use lsm_types::KindError;
use thiserror::Error;

/// Bytes that are no table of ours, or a damaged one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SstError {
    /// Bytes that may be sound, for another build: a version, a feature, a property, a
    /// codec or a kind that this one does not know, or LZ4 without the feature `lz4`.
    #[error("at byte {offset}: {what}")]
    Unsupported {
        /// Where.
        offset: u64,
        /// What is needed.
        what: String,
    },
    /// Damage, or a file that belongs elsewhere.
    #[error("at byte {offset}: expected {expected}, found {found}")]
    Damaged {
        /// Where in the table.
        offset: u64,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
}

impl SstError {
    pub(crate) fn damaged(
        offset: u64,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Damaged { offset, expected: expected.into(), found: found.into() }
    }

    pub(crate) fn kind(offset: u64, error: KindError) -> Self {
        let what = alloc::format!("{error}");
        match error {
            KindError::Reserved(_) => Self::Unsupported { offset, what },
            KindError::Unknown(_) => Self::damaged(offset, "an entry", what),
        }
    }
}

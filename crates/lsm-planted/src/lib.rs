//! Bugs that are planted one at a time, to see that the tests find them.
//!
//! A crate that has a place for one depends on this one under `cfg(planted)` alone, and asks
//! [`is`] there under the same `cfg`: what is built without it contains no trace of any. Built
//! with it and without the environment variable [`VARIABLE`], everything is as it should be.
//! `cargo xtask planted` lets each of them live until a test fails.
#![forbid(unsafe_code)]

use std::sync::OnceLock;

/// The environment variable that names the bug of a process.
pub const VARIABLE: &str = "LSM_PLANTED";

/// A mistake that a store could make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The directory is not synced behind the renaming of tables.
    MissingDirectorySync,
    /// The slot of a log is removed before the edit that lets the log go is durable.
    LogReleasedEarly,
    /// A tombstone is dropped although the oldest run could hold its key.
    TombstoneDroppedEarly,
    /// A failed sync of a log is told once, and then writing goes on.
    FailedSyncForgotten,
    /// A batch is logged as two records.
    BatchSplit,
    /// After opening, numbers of files go on behind the highest that the manifest names.
    NumberReused,
    /// A filter is taken whatever table it was made for.
    ForeignFilter,
    /// A record of a log counts without its checksum.
    TornTailTaken,
    /// A merge's slice narrows only the newest of the runs that it drains.
    InputNotNarrowed,
    /// A put leaves memos of dead ranges as they are.
    MemoKept,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::MissingDirectorySync,
        Self::LogReleasedEarly,
        Self::TombstoneDroppedEarly,
        Self::FailedSyncForgotten,
        Self::BatchSplit,
        Self::NumberReused,
        Self::ForeignFilter,
        Self::TornTailTaken,
        Self::InputNotNarrowed,
        Self::MemoKept,
    ];

    /// How the environment variable names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MissingDirectorySync => "missing-directory-sync",
            Self::LogReleasedEarly => "log-released-early",
            Self::TombstoneDroppedEarly => "tombstone-dropped-early",
            Self::FailedSyncForgotten => "failed-sync-forgotten",
            Self::BatchSplit => "batch-split",
            Self::NumberReused => "number-reused",
            Self::ForeignFilter => "foreign-filter",
            Self::TornTailTaken => "torn-tail-taken",
            Self::InputNotNarrowed => "input-not-narrowed",
            Self::MemoKept => "memo-kept",
        }
    }
}

/// Whether this process has `bug`.
///
/// # Panics
///
/// When [`VARIABLE`] names none: a misspelt bug would count as one that nothing finds.
#[must_use]
pub fn is(bug: Bug) -> bool {
    static PLANTED: OnceLock<Option<Bug>> = OnceLock::new();
    let planted = PLANTED.get_or_init(|| {
        let name = std::env::var(VARIABLE).ok()?;
        let found = Bug::ALL.into_iter().find(|bug| bug.name() == name);
        assert!(found.is_some(), "{VARIABLE}={name} names no bug");
        found
    });
    *planted == Some(bug)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_nothing_is_planted_unasked() {
        let names: std::collections::BTreeSet<_> = Bug::ALL.map(Bug::name).into();
        assert_eq!(names.len(), Bug::ALL.len());
        assert!(std::env::var(VARIABLE).is_ok() || !Bug::ALL.into_iter().any(is));
    }
}

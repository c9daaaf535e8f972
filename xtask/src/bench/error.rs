//! Why a command of `bench` gave up: input that the caller can put right, or something in the way.

use thiserror::Error;

use crate::Finding;

/// Why a command of `bench` gave up.
#[derive(Debug, Error)]
pub enum Error {
    /// A file of results that cannot serve, or cannot be written.
    #[error(transparent)]
    Record(#[from] lsm_bench_record::Error),
    /// Files that do not go together, or a name that nothing has.
    #[error("{0}")]
    Input(String),
    /// A file of the repository that is not as it should be.
    #[error("{0}")]
    Finding(Finding),
    /// A chart that could not be drawn.
    #[error("cannot draw the chart {name}: {reason}")]
    Chart {
        /// The chart.
        name: String,
        /// What the plotting crate says.
        reason: String,
    },
}

impl Error {
    /// Whether the caller named something that cannot serve, and can name another.
    #[must_use]
    pub fn is_bad_input(&self) -> bool {
        match self {
            Self::Record(error) => error.is_bad_input(),
            Self::Input(_) => true,
            Self::Finding(_) | Self::Chart { .. } => false,
        }
    }

    pub(super) fn input(text: impl Into<String>) -> Self {
        Self::Input(text.into())
    }
}

impl From<Finding> for Error {
    fn from(finding: Finding) -> Self {
        Self::Finding(finding)
    }
}

//! What a check reports: a place, what was expected there, what was found, what to do.
//!
//! A file that cannot be read or parsed is a finding like any other: a check that could not look
//! has not passed.

use std::fmt;

/// One failed expectation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, from the root of the repository, with `/` between its parts.
    pub file: String,
    /// The line, counted from 1; 0 speaks of the file as a whole.
    pub line: usize,
    /// What should stand there.
    pub expected: String,
    /// What stands there.
    pub found: String,
    /// What to do about it.
    pub remedy: String,
}

/// The outcome of a step of a check that cannot go on without its answer.
pub type Result<T> = std::result::Result<T, Finding>;

impl Finding {
    pub(crate) fn new(
        file: impl Into<String>,
        line: usize,
        expected: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        Finding {
            file: file.into(),
            line,
            expected: expected.into(),
            found: found.into(),
            remedy: remedy.into(),
        }
    }

    /// The file should have been readable and was not.
    pub(crate) fn unreadable(file: impl Into<String>, error: impl fmt::Display) -> Finding {
        let remedy = "create it, or put right its name or its permissions";
        Finding::new(file, 0, "a readable file", error.to_string(), remedy)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => writeln!(f, "{}", self.file)?,
            line => writeln!(f, "{}:{line}", self.file)?,
        }
        writeln!(f, "  expected: {}", self.expected)?;
        writeln!(f, "  found:    {}", self.found)?;
        write!(f, "  to do:    {}", self.remedy)
    }
}

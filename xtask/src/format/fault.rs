//! What a check of files says, as data: the files it looked at, and what is wrong with them.

use std::path::{Path, PathBuf};

use lsm_sstable::{KeyRange, SstError};

/// What sort of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// The bytes are not what was written.
    Damaged,
    /// Another build is needed; the bytes may be sound.
    Unsupported,
    /// Something names the file, and it is not there.
    Missing,
    /// A file of another store or table, or none of ours.
    Foreign,
    /// The operating system refused.
    Unreadable,
    /// Nothing is wrong; it is worth knowing.
    Note,
}

impl Class {
    /// The class in a word, in messages and in JSON.
    #[must_use]
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::Unsupported => "unsupported",
            Self::Missing => "missing",
            Self::Foreign => "foreign",
            Self::Unreadable => "unreadable",
            Self::Note => "note",
        }
    }
}

/// Which keys a fault concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    /// It is not about keys.
    None,
    /// Perhaps all keys of the file.
    All,
    /// Keys above `after` (or its older versions) up to `up_to`.
    After {
        /// Without it: from the first key on.
        after: Option<Vec<u8>>,
        /// No key is above it.
        up_to: Vec<u8>,
    },
    /// Keys from `first` to `last`.
    Between {
        /// The lowest.
        first: Vec<u8>,
        /// The highest.
        last: Vec<u8>,
    },
}

impl From<Option<KeyRange>> for Keys {
    fn from(range: Option<KeyRange>) -> Self {
        match range {
            Some(KeyRange { after, up_to }) => Self::After { after, up_to },
            None => Self::All,
        }
    }
}

/// What can still be read of a table that has lost its index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Salvaged {
    /// Intact blocks.
    pub(super) blocks: u64,
    /// The entries in them.
    pub(super) entries: u64,
    /// The first and the last key in them.
    pub(super) keys: Option<(Vec<u8>, Vec<u8>)>,
    /// Intact sections that another build is needed for.
    pub(super) unsupported: u64,
    /// Bytes that are no intact section: where they begin, how many there are.
    pub(super) lost: Vec<(u64, u64)>,
}

/// One thing that is wrong, or worth knowing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// In which file.
    pub(super) file: PathBuf,
    /// What sort of thing.
    pub(super) class: Class,
    /// At which byte; `None` speaks of the file as a whole.
    pub(super) offset: Option<u64>,
    /// What should be there; empty in a note.
    pub(super) expected: String,
    /// What is there.
    pub(super) found: String,
    /// The keys that it concerns.
    pub(super) keys: Keys,
    /// What follows from it; may be empty.
    pub(super) effect: String,
    /// What is left, where the index is lost.
    pub(super) salvaged: Option<Salvaged>,
}

impl Fault {
    pub(super) fn new(
        file: &Path,
        class: Class,
        offset: impl Into<Option<u64>>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self {
            file: file.to_path_buf(),
            class,
            offset: offset.into(),
            expected: expected.into(),
            found: found.into(),
            keys: Keys::None,
            effect: String::new(),
            salvaged: None,
        }
    }

    pub(super) fn note(file: &Path, found: impl Into<String>) -> Self {
        Self::new(file, Class::Note, None, "", found)
    }

    pub(super) fn unreadable(file: &Path, error: impl ToString) -> Self {
        Self::new(file, Class::Unreadable, None, "a readable file", error.to_string())
    }

    /// What the table codec says, with the keys that it concerns.
    pub(super) fn of_table(file: &Path, error: &SstError, keys: impl Into<Keys>) -> Self {
        let fault = match error {
            SstError::Unsupported { offset, what } => {
                let expected = "what this build reads";
                Self::new(file, Class::Unsupported, *offset, expected, what)
                    .because("another build is needed; the bytes may be sound")
            }
            SstError::Damaged { offset, expected, found } => {
                Self::new(file, Class::Damaged, *offset, expected, found)
            }
        };
        Self { keys: keys.into(), ..fault }
    }

    pub(super) fn with_keys(self, keys: Keys) -> Self {
        Self { keys, ..self }
    }

    /// Says what follows from it.
    pub(super) fn because(self, effect: impl Into<String>) -> Self {
        Self { effect: effect.into(), ..self }
    }

    /// Whether a check fails over it.
    #[must_use]
    pub(super) fn is_problem(&self) -> bool {
        self.class != Class::Note
    }
}

/// A file that was looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    /// Its path.
    pub(super) path: PathBuf,
    /// What it is: `table`, `filter`, `manifest`, `log`.
    pub(super) kind: &'static str,
    /// Its length in bytes.
    pub(super) bytes: u64,
    /// Readable data blocks; of a table.
    pub(super) blocks: u64,
    /// Readable entries, of a table; operations, of a log.
    pub(super) entries: u64,
}

/// All that a check says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// The files it looked into.
    pub(super) files: Vec<Checked>,
    /// What it found, notes among it.
    pub(super) faults: Vec<Fault>,
}

impl Report {
    /// The faults that are not notes.
    pub(super) fn problems(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter().filter(|fault| fault.is_problem())
    }
}

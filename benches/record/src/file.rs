//! Reading and writing the files: as a whole or not at all, and only what is of this version.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Error;
use crate::parts::{PARTS_FORMAT, Parts};
use crate::results::{FORMAT, Results};

/// A file of either kind.
#[derive(Clone, Debug)]
pub enum Recorded {
    /// Stores side by side.
    Results(Results),
    /// Parts alone.
    Parts(Parts),
}

impl Recorded {
    /// Reads a file of either kind.
    ///
    /// # Errors
    ///
    /// It cannot be read, is not JSON, or has another format or version.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let json = read(path)?;
        match format_of(path, &json)? {
            FORMAT => understand(path, json).map(Self::Results),
            PARTS_FORMAT => understand(path, json).map(Self::Parts),
            other => Err(other_format(path, other, &format!("{FORMAT}` and `{PARTS_FORMAT}"))),
        }
    }
}

impl Results {
    /// Reads the file of `lsm-peers run`.
    ///
    /// # Errors
    ///
    /// It cannot be read, is not JSON, or has another format or version.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let json = read(path)?;
        match format_of(path, &json)? {
            FORMAT => understand(path, json),
            other => Err(other_format(path, other, FORMAT)),
        }
    }

    /// Writes the file as a whole or not at all.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        save(self, path)
    }
}

impl Parts {
    /// Writes the file as a whole or not at all.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        save(self, path)
    }
}

fn read(path: &Path) -> Result<Value, Error> {
    let text = fs::read_to_string(path)
        .map_err(|error| Error::Unreadable { path: path.to_owned(), error })?;
    serde_json::from_str(&text).map_err(|error| Error::NotJson { path: path.to_owned(), error })
}

fn format_of<'a>(path: &Path, json: &'a Value) -> Result<&'a str, Error> {
    let format = json.get("format").and_then(Value::as_str);
    format.ok_or_else(|| Error::NoFormat { path: path.to_owned() })
}

fn understand<T: DeserializeOwned>(path: &Path, json: Value) -> Result<T, Error> {
    serde_json::from_value(json).map_err(|error| Error::Damaged { path: path.to_owned(), error })
}

fn other_format(path: &Path, found: &str, expected: &str) -> Error {
    let (found, expected) = (found.to_owned(), expected.to_owned());
    Error::OtherFormat { path: path.to_owned(), found, expected }
}

fn save<T: Serialize>(record: &T, path: &Path) -> Result<(), Error> {
    let unfinished = path.with_extension("json.unfinished");
    let text = serde_json::to_string_pretty(record).map_err(std::io::Error::from);
    text.and_then(|text| fs::write(&unfinished, text + "\n"))
        .and_then(|()| fs::rename(&unfinished, path))
        .map_err(|error| Error::Unwritable { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::OURS;

    /// What is read back is what was written, and a file of another version is refused.
    #[test]
    fn a_file_of_another_version_is_bad_input() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        let mut results = Results::for_tests(&[(1, OURS, "get", 1.5), (1, "redb", "get", 2.5)]);
        results.save(&path).unwrap();
        let loaded = Results::load(&path).unwrap();
        assert_eq!(loaded.engines.len(), 2);
        assert_eq!(loaded.runs[1].outcome.measures[0].ns_per_op, 2.5);
        assert!(matches!(Recorded::load(&path), Ok(Recorded::Results(_))));

        results.format = "lsm-peers/0".to_owned();
        results.save(&path).unwrap();
        for error in [Results::load(&path).unwrap_err(), Recorded::load(&path).unwrap_err()] {
            assert!(error.is_bad_input() && error.to_string().contains("lsm-peers/0"), "{error}");
        }
    }

    #[test]
    fn what_nobody_wrote_is_bad_input() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        let refused = |text: &str, why: &str| {
            fs::write(&path, text).unwrap();
            let error = Results::load(&path).unwrap_err();
            assert!(error.is_bad_input() && error.to_string().contains(why), "{error}");
        };
        refused("{", "is not JSON");
        refused("[]", "names no format");
        refused("{\"format\": \"lsm-peers/1\"}", "is damaged");
        fs::remove_file(&path).unwrap();
        assert!(Results::load(&path).unwrap_err().to_string().contains("cannot read"));
    }

    /// The name stays free until the whole file is there, and an error leaves no part of it.
    #[test]
    fn a_file_that_cannot_be_written_is_no_bad_input() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::for_tests(&[]);
        let error = results.save(&folder.path().join("no folder/results.json")).unwrap_err();
        assert!(!error.is_bad_input(), "{error}");
    }
}

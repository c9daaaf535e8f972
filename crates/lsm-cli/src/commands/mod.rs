//! The commands, a file each for the larger ones, and how they come to their store.
//!
//! A command that only reads refuses a directory that holds no store, so that a typing
//! error creates nothing. A command that writes ends with [`Store::close`], so that what
//! fails at the very end is told.

mod compact;
mod load;
mod point;
mod scan;
mod stats;

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use lsm_db::{Batch, Lsm};

use crate::args::Command;
use crate::failure::Failure;
use crate::notation::Notation;
use crate::output::Output;

pub(crate) fn run(command: Command, output: &mut Output) -> Result<(), Failure> {
    match command {
        Command::Load(args) => load::load(&args, output),
        Command::Get(args) => point::get(&args, output),
        Command::Explain(args) => point::explain(&args, output),
        Command::Put(args) => point::put(&args),
        Command::Delete(args) => point::delete(&args),
        Command::Scan(args) => scan::scan(&args, output),
        Command::Compact(args) => compact::compact(&args, output),
        Command::Stats(args) => stats::stats(&args, output),
    }
}

/// An open store and its path, which every failure names.
struct Store<'a> {
    dir: &'a Path,
    db: Lsm,
}

impl<'a> Store<'a> {
    /// Opens the store that is there.
    fn open(dir: &'a Path) -> Result<Self, Failure> {
        match fs::symlink_metadata(dir.join("MANIFEST")) {
            Ok(_) => Store::open_or_create(dir),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Err(Failure::NoStore { path: dir.display().to_string() })
            }
            Err(error) => Err(Failure::io(dir, error)),
        }
    }

    fn open_or_create(dir: &'a Path) -> Result<Self, Failure> {
        let db = Lsm::open(dir).map_err(|error| store_failure(dir, error))?;
        Ok(Store { dir, db })
    }

    fn write(&self, batch: Batch) -> Result<(), Failure> {
        self.db.write(batch).map_err(|error| self.failure(error))
    }

    fn close(self) -> Result<(), Failure> {
        self.db.close().map_err(|error| store_failure(self.dir, error))
    }

    fn failure(&self, error: lsm_db::Error) -> Failure {
        store_failure(self.dir, error)
    }
}

fn store_failure(dir: &Path, error: lsm_db::Error) -> Failure {
    Failure::Store { path: dir.display().to_string(), error }
}

/// The bytes of a bound that may be given.
fn bound(
    dir: &Path,
    name: &'static str,
    notation: Notation,
    text: Option<&OsStr>,
) -> Result<Option<Vec<u8>>, Failure> {
    text.map(|text| argument(dir, name, notation, text)).transpose()
}

/// The bytes that an argument stands for.
fn argument(
    dir: &Path,
    name: &'static str,
    notation: Notation,
    text: &OsStr,
) -> Result<Vec<u8>, Failure> {
    match notation.decode(text.as_encoded_bytes()) {
        Ok(bytes) => Ok(bytes.into_owned()),
        Err(error) => {
            Err(Failure::BadArgument { path: dir.display().to_string(), argument: name, error })
        }
    }
}

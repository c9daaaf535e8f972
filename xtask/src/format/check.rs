//! Checking what a path names: a file, or a directory with everything in it that is ours.
//!
//! Steps for a directory: read its manifest; hold what the manifest names to what it says (see
//! `store`); then look at all other files. What is not ours, and what is ours and nobody names, is a
//! note. Directories in it are not entered.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use lsm_bloom::Filter;
use lsm_sstable::{Identity, RunReader};
use lsm_types::{StoreId, TableNo, TableUid};

use super::fault::{Checked, Class, Fault, Report};
use super::file::{self, Held, Kind, MANIFEST, StoreName};
use super::filter::{self, Owner};
use super::{log, manifest, store, table};

/// A path that cannot be checked because it is not there: why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoSuchPath(pub(super) String);

/// Checks every path, each a file or a directory.
///
/// # Errors
///
/// A path that does not exist; nothing is checked then.
pub(super) fn check(paths: &[PathBuf]) -> Result<Report, NoSuchPath> {
    for path in paths {
        if let Err(error) = fs::metadata(path) {
            return Err(NoSuchPath(format!("cannot check {}: {error}", path.display())));
        }
    }
    let mut report = Report::default();
    for path in paths {
        if path.is_dir() {
            directory(path, &mut report);
        } else {
            asked(path, &mut report);
        }
    }
    Ok(report)
}

/// A file that somebody asked for; of a table, the filter beside it too.
fn asked(path: &Path, report: &mut Report) {
    let Some(bytes) = read(path, report) else { return };
    let Some(kind) = Kind::of_asked(path, &bytes) else {
        let expected = "a table, a filter, a manifest or a log, by its name or its first bytes";
        report.faults.push(Fault::new(path, Class::Foreign, None, expected, "another file"));
        return;
    };
    alone(path, &bytes, kind, report);
    let sidecar = file::filter_of(path);
    if kind == Kind::Table && sidecar.is_file() {
        read_alone(&sidecar, Kind::Filter, report);
    }
}

fn read(path: &Path, report: &mut Report) -> Option<Vec<u8>> {
    match file::read(path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            report.faults.push(Fault::unreadable(path, error));
            None
        }
    }
}

fn read_alone(path: &Path, kind: Kind, report: &mut Report) {
    if let Some(bytes) = read(path, report) {
        alone(path, &bytes, kind, report);
    }
}

/// Checks a file that no manifest speaks of.
fn alone(path: &Path, bytes: &[u8], kind: Kind, report: &mut Report) {
    let (checked, faults) = match kind {
        Kind::Table => table_alone(path, bytes),
        Kind::Filter => (filter::checked(path, bytes), filter_alone(path, bytes)),
        Kind::Manifest => {
            let (checked, faults, _) = manifest::check(path, bytes);
            (checked, faults)
        }
        Kind::Log => log_alone(path, bytes),
    };
    report.files.push(checked);
    report.faults.extend(faults);
}

fn table_alone(path: &Path, bytes: &[u8]) -> (Checked, Vec<Fault>) {
    // Its filter knows whose it is, if it no longer does.
    let sidecar = file::read(&file::filter_of(path)).ok();
    let known = sidecar.and_then(|bytes| Filter::identity_of(&bytes).ok()).and_then(|found| {
        let (store, uid) = (StoreId(found.store), TableUid(found.uid));
        Some(Identity { store, number: TableNo::new(found.number)?, uid })
    });
    let found = table::check(path, bytes, known);
    let mut faults = found.faults;
    let number = found.reader.map(|reader| reader.meta().identity().number.get());
    faults.extend(number.and_then(|number| misnamed(path, number)));
    (found.checked, faults)
}

fn filter_alone(path: &Path, bytes: &[u8]) -> Vec<Fault> {
    let beside = file::table_of(path).and_then(|table| Some((file::read(&table).ok()?, table)));
    let reader = beside.as_ref().and_then(|(bytes, _)| RunReader::new(bytes).ok());
    let mut faults = match (&beside, &reader) {
        (Some((_, table)), Some(reader)) => {
            filter::check(path, bytes, Owner { path: table, reader })
        }
        _ => filter::check_alone(path, bytes, None),
    };
    let number = Filter::identity_of(bytes).ok().map(|identity| identity.number);
    faults.extend(number.and_then(|number| misnamed(path, number)));
    faults
}

fn log_alone(path: &Path, bytes: &[u8]) -> (Checked, Vec<Fault>) {
    let says = log::Says::of(bytes);
    let (entries, mut faults) = log::check_alone(path, Held::file(path, bytes), says);
    if faults.iter().all(|fault| !fault.is_problem()) {
        faults.extend(misnamed(path, says.slot));
    }
    (Checked { entries, ..log::checked(path, bytes.len() as u64) }, faults)
}

/// A file of a store whose name has another number than the file.
fn misnamed(path: &Path, found: u64) -> Option<Fault> {
    let named = match StoreName::of(path) {
        StoreName::Table(number) | StoreName::Filter(number) => number.get(),
        StoreName::Log(number) => number.get(),
        StoreName::Manifest | StoreName::Temporary | StoreName::Other => return None,
    };
    (named != found).then(|| {
        let expected = format!("number {named}, as the name says");
        Fault::new(path, Class::Foreign, None, expected, format!("number {found}"))
    })
}

/// One name in a directory.
struct Listed {
    path: PathBuf,
    is_file: bool,
}

fn list(dir: &Path) -> std::io::Result<Vec<Listed>> {
    let mut listed = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // Links are not followed: a store does not either.
        listed.push(Listed { path: entry.path(), is_file: entry.file_type()?.is_file() });
    }
    listed.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(listed)
}

fn directory(dir: &Path, report: &mut Report) {
    let listed = match list(dir) {
        Ok(listed) => listed,
        Err(error) => return report.faults.push(Fault::unreadable(dir, error)),
    };
    let path = dir.join(MANIFEST);
    let has_manifest = listed.iter().any(|one| one.path == path && one.is_file);
    let mut seen = BTreeSet::new();
    let mut is_store = false;
    if has_manifest {
        seen.insert(path.clone());
        if let Some(bytes) = read(&path, report) {
            let (checked, faults, recovered) = manifest::check(&path, &bytes);
            report.files.push(checked);
            report.faults.extend(faults);
            if let Some(recovered) = recovered {
                is_store = true;
                seen.extend(store::check(dir, &recovered, report));
            }
        }
    } else if let Some(one) = listed.iter().find(|one| is_data(one)) {
        let found = format!("none, although {} is there", one.path.display());
        let fault = Fault::new(&path, Class::Missing, None, "the manifest of a store", found);
        report.faults.push(fault.because("the store does not open"));
    }
    for one in listed.iter().filter(|one| !seen.contains(&one.path)) {
        rest(one, is_store, report);
    }
}

/// What only a directory with a manifest may hold.
fn is_data(one: &Listed) -> bool {
    let name = StoreName::of(&one.path);
    one.is_file && matches!(name, StoreName::Table(_) | StoreName::Filter(_) | StoreName::Log(_))
}

/// Whether a file has the name of a sidecar, and the table is there.
fn is_beside_table(path: &Path) -> bool {
    let probed = file::table_of(path).map(|table| file::probe(&table));
    matches!(probed, Some(Ok(Some(Kind::Table))))
}

/// A name that no manifest speaks of.
fn rest(one: &Listed, is_store: bool, report: &mut Report) {
    let path = &one.path;
    let note = match StoreName::of(path) {
        _ if !one.is_file => "not a plain file: not looked into",
        StoreName::Temporary => "half made, left behind by a crash: the next open removes it",
        StoreName::Table(_) | StoreName::Filter(_) | StoreName::Log(_) if is_store => {
            "the manifest does not name it: the next open removes it"
        }
        StoreName::Other => match file::probe(path) {
            Ok(None) if is_beside_table(path) => return read_alone(path, Kind::Filter, report),
            Ok(None) => "not a file of ours: not looked into",
            Err(_) => "not one of the store's names, and not readable: not looked into",
            Ok(Some(kind)) => return read_alone(path, kind, report),
        },
        StoreName::Manifest => return read_alone(path, Kind::Manifest, report),
        StoreName::Table(_) => return read_alone(path, Kind::Table, report),
        StoreName::Filter(_) => return read_alone(path, Kind::Filter, report),
        StoreName::Log(_) => return read_alone(path, Kind::Log, report),
    };
    report.faults.push(Fault::note(path, note));
}

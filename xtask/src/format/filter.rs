//! A filter: its bytes, whose it is, and whether every key of its table passes.
//!
//! The store ignores a filter that is damaged or not its table's, with the same answers. A sound
//! filter that denies a key of its table is the one fault here that makes answers wrong.

use std::path::Path;

use lsm_bloom::{Filter, FilterError, FilterIdentity, hash};
use lsm_sstable::RunReader;

use super::fault::{Checked, Class, Fault, Keys};
use super::file::Kind;
use super::table;
use super::text::count;

const IGNORED: &str = "the store ignores this filter and asks the table: answers are not affected";
const DENIED: &str = "the store answers that these keys are not there; remove the filter";

/// The table that a filter belongs to.
#[derive(Clone, Copy)]
pub(super) struct Owner<'a> {
    pub(super) path: &'a Path,
    pub(super) reader: &'a RunReader<'a>,
}

pub(super) fn checked(path: &Path, bytes: &[u8]) -> Checked {
    let kind = Kind::Filter.name();
    Checked { path: path.to_owned(), kind, bytes: bytes.len() as u64, blocks: 0, entries: 0 }
}

/// Checks a filter against the table that it should belong to.
pub(super) fn check(path: &Path, bytes: &[u8], owner: Owner<'_>) -> Vec<Fault> {
    match Filter::decode(bytes, &owner.reader.meta().identity().filter_identity()) {
        Ok(filter) => against_keys(path, &filter, owner),
        Err(error) => vec![refused(path, error)],
    }
}

/// Checks a filter as far as that goes without its table.
pub(super) fn check_alone(
    path: &Path,
    bytes: &[u8],
    identity: Option<FilterIdentity>,
) -> Vec<Fault> {
    let whose = identity.map_or_else(|| Filter::identity_of(bytes), Ok);
    match whose.and_then(|identity| Filter::decode(bytes, &identity)) {
        Ok(_) => {
            vec![Fault::note(path, "without a readable table beside it: keys were not compared")]
        }
        Err(error) => vec![refused(path, error)],
    }
}

pub(super) fn refused(path: &Path, error: FilterError) -> Fault {
    let fault = match error {
        FilterError::Unsupported { version, flags } => {
            let expected = format!("filter version {} without flags", lsm_bloom::VERSION);
            Fault::new(
                path,
                Class::Unsupported,
                8,
                expected,
                format!("version {version} with flags {flags:#06x}"),
            )
        }
        FilterError::Damaged { offset, expected, found } => {
            Fault::new(path, Class::Damaged, offset, expected, found)
        }
        FilterError::Foreign { offset, expected, found } => {
            let expected = format!("the filter of {expected}");
            Fault::new(path, Class::Foreign, offset, expected, format!("that of {found}"))
        }
    };
    fault.because(IGNORED)
}

fn against_keys(path: &Path, filter: &Filter, owner: Owner<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut denied: Option<(u64, Vec<u8>, Vec<u8>)> = None;
    table::keys(owner.reader, &mut |key| {
        if filter.may_contain(hash(key)) {
            return;
        }
        match &mut denied {
            // The versions of a key stand one behind the other.
            Some((_, _, last)) if last.as_slice() == key => {}
            Some((count, _, last)) => {
                *count += 1;
                key.clone_into(last);
            }
            None => denied = Some((1, key.to_vec(), key.to_vec())),
        }
    });
    if let Some((number, first, last)) = denied {
        let expected = format!("every key of {} to pass", owner.path.display());
        let found = format!("{} denied", count(number, "key"));
        let fault = Fault::new(path, Class::Damaged, None, expected, found);
        faults.push(fault.with_keys(Keys::Between { first, last }).because(DENIED));
    }
    let counts = owner.reader.properties().counts;
    let distinct = counts.entries.saturating_sub(counts.hidden);
    if filter.keys() != distinct {
        let said = count(filter.keys(), "key");
        faults.push(Fault::note(path, format!("made for {said}; the table has {distinct}")));
    }
    faults
}

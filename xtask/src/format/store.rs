//! A store's files against its manifest.
//!
//! Every table that the manifest names is there, with the length, identity, counts and bounds that
//! it gives; the tables of a run do not overlap; every log is there and goes on where the last one
//! ended. A filter may be missing.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use lsm_manifest::{Recovered, TableMeta, Version, fence};
use lsm_sstable::{Identity, RunMeta};
use lsm_types::{StoreId, TableNo};
use lsm_wal::LiveLog;

use super::fault::{Checked, Class, Fault, Keys, Report};
use super::file::{self, Held};
use super::filter::{self, Owner};
use super::text::shown;
use super::{log, table};

const DOES_NOT_OPEN: &str = "the store does not open";

/// Checks everything that the manifest names; gives the paths it looked at.
pub(super) fn check(dir: &Path, recovered: &Recovered, report: &mut Report) -> Vec<PathBuf> {
    let version = &recovered.version;
    let mut seen = Vec::new();
    let mut metas = BTreeMap::new();
    for (_, expected) in version.tables() {
        let path = dir.join(file::table_name(expected.number));
        let sidecar = file::filter_of(&path);
        let meta = named_table(&path, recovered.head.store, expected, report);
        metas.extend(meta.map(|meta| (expected.number, meta)));
        seen.extend([path, sidecar]);
    }
    overlaps(dir, version, &metas, report);
    logs(dir, recovered, report);
    seen.extend(version.logs().values().map(|slot| dir.join(file::log_name(*slot))));
    seen
}

/// Reads a file that the manifest names. A link is not one that the store opens.
fn read_named(path: &Path, keys: Keys, report: &mut Report) -> Option<Vec<u8>> {
    let plain = std::fs::symlink_metadata(path).map(|found| found.is_file());
    let fault = match plain.and_then(|plain| plain.then(|| file::read(path)).transpose()) {
        Ok(Some(bytes)) => return Some(bytes),
        Ok(None) => Fault::new(path, Class::Foreign, None, "a plain file", "something else"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Fault::new(path, Class::Missing, None, "this file, which the manifest names", "none")
        }
        Err(error) => Fault::unreadable(path, error),
    };
    report.faults.push(fault.with_keys(keys).because(DOES_NOT_OPEN));
    None
}

/// Checks one table and the filter beside it.
fn named_table(
    path: &Path,
    store: StoreId,
    expected: &TableMeta,
    report: &mut Report,
) -> Option<RunMeta> {
    let fences = Keys::Between { first: expected.first.clone(), last: expected.last.clone() };
    let bytes = read_named(path, fences.clone(), report)?;
    let identity = Identity { store, number: expected.number, uid: expected.uid };
    let found = table::check(path, &bytes, Some(identity));
    report.files.push(found.checked);
    report.faults.extend(found.faults);
    let meta = found.reader.as_ref().map(|reader| reader.meta().clone());
    for fault in differences(path, &identity, expected, &bytes, meta.as_ref()) {
        report.faults.push(fault.with_keys(fences.clone()).because(DOES_NOT_OPEN));
    }

    let sidecar = file::filter_of(path);
    if sidecar.is_file() {
        match file::read(&sidecar) {
            Ok(filter) => {
                let faults = match &found.reader {
                    Some(reader) => filter::check(&sidecar, &filter, Owner { path, reader }),
                    None => {
                        filter::check_alone(&sidecar, &filter, Some(identity.filter_identity()))
                    }
                };
                report.files.push(filter::checked(&sidecar, &filter));
                report.faults.extend(faults);
            }
            Err(error) => report.faults.push(Fault::unreadable(&sidecar, error)),
        }
    }
    meta
}

/// Where a table is not the one that the manifest describes.
fn differences(
    path: &Path,
    identity: &Identity,
    said: &TableMeta,
    bytes: &[u8],
    meta: Option<&RunMeta>,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    let bytes = bytes.len() as u64;
    if bytes != said.file_bytes {
        let expected = format!("{} bytes, as the manifest says", said.file_bytes);
        let at = bytes.min(said.file_bytes);
        faults.push(Fault::new(path, Class::Damaged, at, expected, format!("{bytes} bytes")));
    }
    let Some(meta) = meta else { return faults };
    if meta.identity() != identity {
        let whose = |one: &Identity| one.filter_identity().to_string();
        let expected = format!("{}, as the manifest says", whose(identity));
        faults.push(Fault::new(path, Class::Foreign, 16, expected, whose(meta.identity())));
        return faults;
    }
    let found = meta.properties();
    let mut differs = |what: &str, said: String, found: String| {
        let expected = format!("{what} {said}, as the manifest says");
        faults.push(Fault::new(path, Class::Damaged, None, expected, found));
    };
    for (what, said, found) in [
        ("entries:", said.entries, found.counts.entries),
        ("tombstones:", said.tombstones, found.counts.tombstones),
        ("bytes of keys and values:", said.raw_bytes, found.raw_bytes()),
        ("lowest sequence number:", said.lowest_seq.get(), found.lowest_seq.get()),
        ("highest sequence number:", said.highest_seq.get(), found.highest_seq.get()),
    ] {
        if said != found {
            differs(what, said.to_string(), found.to_string());
        }
    }
    for (what, said, found) in [
        ("smallest key, its first 256 bytes:", &said.first, fence(&found.smallest)),
        ("largest key, its first 256 bytes:", &said.last, fence(&found.largest)),
    ] {
        if said.as_slice() != found {
            differs(what, shown(said), shown(found));
        }
    }
    faults
}

/// Neighbours in a run whose keys overlap, unless they stand for other keys.
fn overlaps(
    dir: &Path,
    version: &Version,
    metas: &BTreeMap<TableNo, RunMeta>,
    report: &mut Report,
) {
    for run in version.runs().values() {
        for (a, b) in run.tables.iter().zip(run.tables.iter().skip(1)) {
            let both = metas.get(&a.number).zip(metas.get(&b.number));
            let Some((before, after)) = both else { continue };
            let (last, first) = (&before.properties().largest, &after.properties().smallest);
            if last >= first && !a.live.intersect(&b.live).is_empty() {
                let path = dir.join(file::table_name(a.number));
                let expected = format!("keys below those of table {}", b.number);
                let found = format!("{}, not below {}", shown(last), shown(first));
                let keys = Keys::Between { first: first.clone(), last: last.clone() };
                let fault = Fault::new(&path, Class::Damaged, None, expected, found);
                report.faults.push(fault.with_keys(keys).because(DOES_NOT_OPEN));
            }
        }
    }
}

fn logs(dir: &Path, recovered: &Recovered, report: &mut Report) {
    let version = &recovered.version;
    let (mut live, mut files) = (Vec::new(), Vec::new());
    for (log, slot) in version.logs() {
        let path = dir.join(file::log_name(*slot));
        let Some(bytes) = read_named(&path, Keys::None, report) else { return };
        let file = Held::file(&path, &bytes);
        live.push(LiveLog { log: log.get(), slot: slot.get(), file });
        files.push((path, bytes.len() as u64));
    }
    if live.is_empty() {
        return;
    }
    let last_seq = version.last_seq().get();
    let (entries, faults) = log::check_chain(dir, &live, recovered.head.store.0, last_seq);
    for ((path, bytes), entries) in files.into_iter().zip(entries) {
        report.files.push(Checked { entries, ..log::checked(&path, bytes) });
    }
    report.faults.extend(faults);
}

//! Showing a file to a person: what kind it is, then what it says.
//!
//! `dump_table` and `dump_store` show tables, and manifests and logs; filters are shown here. What
//! cannot be read is collected as faults and told at the end, on standard error.

use std::io::{self, Write};
use std::path::Path;

use lsm_bloom::{Filter, FilterIdentity, theoretical_fpr};

use super::fault::Fault;
use super::file::{self, Kind};
use super::{dump_store, dump_table};

/// What to show of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// Header, footer, totals.
    Summary,
    /// A line for each data block.
    Blocks,
    /// A line for each entry.
    Entries,
    /// A line for each block, as the index has it.
    Index,
    /// A line for each property.
    Properties,
}

/// Why nothing, or not everything, was shown.
#[derive(Debug)]
pub(super) enum Failure {
    /// The call is wrong.
    Usage(String),
    /// Writing failed; a closed pipe is among it.
    Write(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

/// Writes what `view` asks for of `file` to `out`. Gives what could not be read.
///
/// # Errors
///
/// A file that is not there or not ours, a view that it does not have, or a failure to write.
pub(super) fn dump(path: &Path, view: View, out: &mut dyn Write) -> Result<Vec<Fault>, Failure> {
    let bytes = file::read(path)
        .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))?;
    let Some(kind) = Kind::of_asked(path, &bytes) else {
        let text = format!("{} is no table, filter, manifest or log", path.display());
        return Err(Failure::Usage(text));
    };
    match (kind, view) {
        (Kind::Table, view) => dump_table::dump(path, &bytes, view, out),
        (Kind::Filter, View::Summary) => filter(path, &bytes, out),
        (Kind::Manifest, View::Summary) => dump_store::manifest(path, &bytes, out),
        (Kind::Log, View::Summary) => dump_store::log(path, &bytes, false, out),
        (Kind::Log, View::Entries) => dump_store::log(path, &bytes, true, out),
        (kind, _) => {
            let text = format!("{} is a {}, which has no such view", path.display(), kind.name());
            Err(Failure::Usage(text))
        }
    }
}

/// One named value.
pub(super) fn field(
    out: &mut dyn Write,
    name: &str,
    value: impl std::fmt::Display,
) -> io::Result<()> {
    writeln!(out, "{name:12} {value}")
}

pub(super) fn owner(out: &mut dyn Write, identity: &FilterIdentity) -> io::Result<()> {
    let FilterIdentity { store, number, uid } = identity;
    field(out, "store", lsm_types::StoreId(*store))?;
    field(out, "table", number)?;
    field(out, "uid", lsm_types::TableUid(*uid))
}

fn filter(path: &Path, bytes: &[u8], out: &mut dyn Write) -> Result<Vec<Fault>, Failure> {
    let decoded = Filter::identity_of(bytes)
        .and_then(|identity| Ok((Filter::decode(bytes, &identity)?, identity)));
    let (filter, identity) = match decoded {
        Ok(found) => found,
        Err(error) => return Ok(vec![super::filter::refused(path, error)]),
    };
    field(out, "file", format_args!("{}, {} bytes", path.display(), bytes.len()))?;
    field(out, "kind", format_args!("filter, version {}", lsm_bloom::VERSION))?;
    owner(out, &identity)?;
    field(out, "keys", filter.keys())?;
    let (blocks, bits) = (filter.block_count(), filter.bits_per_key());
    field(out, "blocks", format_args!("{blocks} of 32 bytes, {bits:.2} bits for each key"))?;
    let (set, passing) = fill(bytes);
    field(out, "bits set", format_args!("{:.2} %", 100.0 * set))?;
    let theory = 100.0 * theoretical_fpr(bits);
    field(
        out,
        "absent keys",
        format_args!("{:.3} % pass by these bits, {theory:.3} % in theory", 100.0 * passing),
    )?;
    Ok(Vec::new())
}

/// Of a sound sidecar: which part of the bits is set, and which part of absent keys passes. A key
/// asks for one bit of each of a block's eight words.
fn fill(bytes: &[u8]) -> (f64, f64) {
    let body = bytes.get(64..bytes.len().saturating_sub(8)).unwrap_or_default();
    let (blocks, _) = body.as_chunks::<32>();
    let (mut set, mut passing) = (0.0, 0.0);
    for block in blocks {
        let (words, _) = block.as_chunks::<4>();
        let filled =
            words.iter().map(|word| f64::from(u32::from_le_bytes(*word).count_ones()) / 32.0);
        set += filled.clone().sum::<f64>() / 8.0;
        passing += filled.product::<f64>();
    }
    let count = blocks.len().max(1) as f64;
    (set / count, passing / count)
}

//! Showing a manifest and a log.

use std::io::{self, Write};
use std::path::Path;

use lsm_manifest::{EditOp, Head, Span, TableMeta, Version, slot_offset};

use super::dump::{Failure, field};
use super::dump_table::kind_name;
use super::fault::Fault;
use super::file::Held;
use super::log::{self, Says};
use super::manifest::{self, Slot};
use super::text::shown;

pub(super) fn manifest(
    path: &Path,
    bytes: &[u8],
    out: &mut dyn Write,
) -> Result<Vec<Fault>, Failure> {
    let (_, faults, recovered) = manifest::check(path, bytes);
    field(out, "file", format_args!("{}, {} bytes", path.display(), bytes.len()))?;
    let version = lsm_manifest::FORMAT_VERSION;
    field(out, "kind", format_args!("manifest, version {version}"))?;
    for (number, slot) in manifest::slots(bytes).into_iter().enumerate() {
        let at = slot_offset(number as u64);
        match slot {
            Slot::Empty => writeln!(out, "slot {number} at byte {at}: empty")?,
            Slot::Broken => writeln!(out, "slot {number} at byte {at}: not intact")?,
            Slot::Intact(Head { store, generation, committed, chain }) => writeln!(
                out,
                "slot {number} at byte {at}: store {store}, generation {generation}, \
                 committed {committed} bytes, chain {chain:#018x}"
            )?,
        }
    }
    let Some(recovered) = recovered else { return Ok(faults) };
    for frame in manifest::frames(bytes, recovered.head.store, recovered.last_edit) {
        let what = if frame.offset < recovered.snapshot_end { "snapshot, edit" } else { "edit" };
        let (number, offset, len) = (frame.number, frame.offset, frame.len);
        writeln!(out, "{what} {number} at byte {offset}, {len} bytes")?;
        frame.edit.ops.iter().try_for_each(|op| operation(out, op))?;
    }
    folded(out, &recovered.version)?;
    Ok(faults)
}

fn operation(out: &mut dyn Write, op: &EditOp) -> io::Result<()> {
    match op {
        EditOp::AddTable { run, level, table } => {
            write!(out, "  add to run {run} on level {level}: ")?;
            self::table(out, table)
        }
        EditOp::RemoveTable(table) => writeln!(out, "  remove table {table}"),
        EditOp::SetLive { table, live } => writeln!(out, "  table {table} is {}", span(live)),
        EditOp::AddLog { log, slot } => writeln!(out, "  add log {log} in slot {slot}"),
        EditOp::RemoveLog(log) => writeln!(out, "  remove log {log}"),
        EditOp::Reserve(until) => writeln!(out, "  reserve numbers below {until}"),
        EditOp::LastSeq(seq) => writeln!(out, "  last sequence {seq}"),
    }
}

fn table(out: &mut dyn Write, table: &TableMeta) -> io::Result<()> {
    let TableMeta { number, uid, file_bytes, entries, tombstones, raw_bytes, .. } = table;
    writeln!(
        out,
        "table {number} ({uid}), {file_bytes} bytes, {entries} entries, {tombstones} tombstones, \
         {raw_bytes} raw bytes, sequences {} to {}, keys {} to {}, {}",
        table.lowest_seq,
        table.highest_seq,
        shown(&table.first),
        shown(&table.last),
        span(&table.live)
    )
}

fn span(live: &Span) -> String {
    match (live.start.is_empty(), &live.end) {
        (true, None) => "live".to_owned(),
        (_, None) => format!("live from {}", shown(&live.start)),
        (_, Some(end)) => {
            format!("live from {} up to, not including, {}", shown(&live.start), shown(end))
        }
    }
}

fn folded(out: &mut dyn Write, version: &Version) -> io::Result<()> {
    writeln!(out, "the version after all edits")?;
    writeln!(out, "  numbers below {} are reserved", version.reserved_until())?;
    writeln!(out, "  last sequence {}", version.last_seq())?;
    for (number, run) in version.runs().iter().rev() {
        writeln!(out, "  run {number} on level {}, {} bytes", run.level, run.file_bytes())?;
        for table in &run.tables {
            write!(out, "    ")?;
            self::table(out, table)?;
        }
    }
    for (log, slot) in version.logs() {
        writeln!(out, "  log {log} in slot {slot}")?;
    }
    Ok(())
}

/// The records of a log; with `entries`, their operations instead.
pub(super) fn log(
    path: &Path,
    bytes: &[u8],
    entries: bool,
    out: &mut dyn Write,
) -> Result<Vec<Fault>, Failure> {
    let says = Says::of(bytes);
    if !entries {
        field(out, "file", format_args!("{}, {} bytes", path.display(), bytes.len()))?;
        field(out, "kind", format_args!("log, version {}", says.version))?;
        field(out, "store", lsm_types::StoreId(says.store))?;
        field(out, "slot", says.slot)?;
        field(out, "log", says.log)?;
        let bodies = if says.lists { "lists of byte strings" } else { "batches of a store" };
        field(out, "bodies", bodies)?;
    }
    let mut failed = None;
    let mut shown_records = |offset: u64, record: &lsm_wal::Record<'_>| {
        let written = if entries && says.lists {
            items(out, record)?
        } else if entries {
            operations(out, record)?
        } else {
            writeln!(
                out,
                "record at byte {offset}: sequences {} to {}, durable {}, {} bytes",
                record.first_seq,
                record.last_seq(),
                record.durable_seq,
                record.body.len()
            )
        };
        written.map_err(|error| {
            failed = Some(error);
            "cannot be shown".into()
        })
    };
    let read = log::records(Held::file(path, bytes), says, &mut shown_records);
    match (failed, read) {
        (Some(error), _) => Err(error.into()),
        (None, Err(error)) => Ok(vec![log::refused(error)]),
        (None, Ok(cut)) => Ok(log::torn(path, cut)),
    }
}

fn operations(
    out: &mut dyn Write,
    record: &lsm_wal::Record<'_>,
) -> Result<io::Result<()>, lsm_wal::Refused> {
    let ops = log::operations(record)?;
    let lines = (record.first_seq..).zip(ops).try_for_each(|(seq, op)| {
        let (key, value) = (shown(op.key), shown(op.value));
        writeln!(out, "{key}\t{seq}\t{}\t{value}", kind_name(op.kind))
    });
    Ok(lines)
}

fn items(
    out: &mut dyn Write,
    record: &lsm_wal::Record<'_>,
) -> Result<io::Result<()>, lsm_wal::Refused> {
    let items = (record.first_seq..).zip(lsm_wal::list_items(record)?);
    Ok(items.into_iter().try_for_each(|(seq, item)| writeln!(out, "{seq}\t{}", shown(item))))
}

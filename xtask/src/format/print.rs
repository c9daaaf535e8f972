//! A report as text or as JSON: the one place that words it.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::fault::{Checked, Fault, Keys, Report, Salvaged};
use super::text::{count, hex, shown};

/// So many lost pieces are named in text; JSON has them all.
const LOST_SHOWN: usize = 8;

/// Writes every fault and a line that sums up.
///
/// # Errors
///
/// Whatever writing to `out` fails with.
pub(super) fn text(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for fault in &report.faults {
        self::fault(fault, out)?;
    }
    writeln!(out, "{}", summary(report))
}

/// One fault; a note takes one line.
pub(super) fn fault(fault: &Fault, out: &mut dyn Write) -> io::Result<()> {
    let file = fault.file.display();
    if !fault.is_problem() {
        return writeln!(out, "{file}: note: {}", fault.found);
    }
    match fault.offset {
        Some(offset) => writeln!(out, "{file}: {} at byte {offset}", fault.class.name())?,
        None => writeln!(out, "{file}: {}", fault.class.name())?,
    }
    writeln!(out, "  expected: {}", fault.expected)?;
    writeln!(out, "  found:    {}", fault.found)?;
    if let Some(keys) = keys(&fault.keys) {
        writeln!(out, "  keys:     {keys}")?;
    }
    if !fault.effect.is_empty() {
        writeln!(out, "  effect:   {}", fault.effect)?;
    }
    match &fault.salvaged {
        Some(left) => salvaged(left, out),
        None => Ok(()),
    }
}

fn keys(keys: &Keys) -> Option<String> {
    Some(match keys {
        Keys::None => return None,
        Keys::All => "perhaps all of the file".to_owned(),
        Keys::After { after: None, up_to } => format!("up to {}", shown(up_to)),
        Keys::After { after: Some(after), up_to } if after == up_to => {
            format!("older versions of {}", shown(up_to))
        }
        Keys::After { after: Some(after), up_to } => {
            format!("after {} up to {}", shown(after), shown(up_to))
        }
        Keys::Between { first, last } => format!("from {} to {}", shown(first), shown(last)),
    })
}

fn salvaged(left: &Salvaged, out: &mut dyn Write) -> io::Result<()> {
    let (blocks, entries) = (count(left.blocks, "block"), count(left.entries, "entry"));
    write!(out, "  readable: {blocks}, {entries}")?;
    match &left.keys {
        Some((first, last)) => writeln!(out, ", from {} to {}", shown(first), shown(last))?,
        None => writeln!(out)?,
    }
    if left.unsupported > 0 {
        let sections = count(left.unsupported, "section");
        writeln!(out, "  needed:   another build, for {sections}")?;
    }
    if left.lost.is_empty() {
        return Ok(());
    }
    let ranges = left.lost.iter().take(LOST_SHOWN);
    let ranges: Vec<_> = ranges.map(|(at, len)| format!("{at}..{}", at + len)).collect();
    let more = left.lost.len().saturating_sub(LOST_SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    writeln!(out, "  lost:     bytes {}{more}", ranges.join(", "))
}

fn summary(report: &Report) -> String {
    let total = |of: fn(&Checked) -> u64| report.files.iter().map(of).sum::<u64>();
    let problems = report.problems().count() as u64;
    let notes = report.faults.len() as u64 - problems;
    let said = if problems == 0 { "no problems".to_owned() } else { count(problems, "problem") };
    format!(
        "{}, {}, {}: {said}{}",
        count(report.files.len() as u64, "file"),
        count(total(|file| file.blocks), "block"),
        count(total(|file| file.entries), "entry"),
        if notes > 0 { format!(", {}", count(notes, "note")) } else { String::new() }
    )
}

/// Writes the report as one JSON document.
///
/// # Errors
///
/// Whatever writing to `out` fails with.
pub(super) fn json(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let problems = report.problems().count();
    let document = json!({
        "files": report.files.iter().map(file_value).collect::<Vec<_>>(),
        "faults": report.faults.iter().map(fault_value).collect::<Vec<_>>(),
        "summary": {
            "files": report.files.len(),
            "blocks": report.files.iter().map(|file| file.blocks).sum::<u64>(),
            "entries": report.files.iter().map(|file| file.entries).sum::<u64>(),
            "problems": problems,
            "notes": report.faults.len() - problems,
        },
    });
    writeln!(out, "{document:#}")
}

fn file_value(file: &Checked) -> Value {
    json!({
        "file": file.path.display().to_string(),
        "kind": file.kind,
        "bytes": file.bytes,
        "blocks": file.blocks,
        "entries": file.entries,
    })
}

fn fault_value(fault: &Fault) -> Value {
    json!({
        "file": fault.file.display().to_string(),
        "class": fault.class.name(),
        "problem": fault.is_problem(),
        "offset": fault.offset,
        "expected": fault.expected,
        "found": fault.found,
        "keys": keys_value(&fault.keys),
        "effect": fault.effect,
        "salvaged": fault.salvaged.as_ref().map(salvaged_value),
    })
}

fn key_value(key: &[u8]) -> Value {
    json!({ "text": shown(key), "hex": hex(key) })
}

fn keys_value(keys: &Keys) -> Value {
    match keys {
        Keys::None => Value::Null,
        Keys::All => json!({ "all": true }),
        Keys::After { after, up_to } => {
            json!({ "after": after.as_deref().map(key_value), "up_to": key_value(up_to) })
        }
        Keys::Between { first, last } => {
            json!({ "first": key_value(first), "last": key_value(last) })
        }
    }
}

fn salvaged_value(left: &Salvaged) -> Value {
    let lost = left.lost.iter().map(|(offset, len)| json!({ "offset": offset, "bytes": len }));
    json!({
        "blocks": left.blocks,
        "entries": left.entries,
        "first": left.keys.as_ref().map(|(first, _)| key_value(first)),
        "last": left.keys.as_ref().map(|(_, last)| key_value(last)),
        "unsupported": left.unsupported,
        "lost": lost.collect::<Vec<_>>(),
    })
}

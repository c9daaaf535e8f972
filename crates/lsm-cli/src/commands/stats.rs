//! `stats`: what the store holds, as a table for people or as one JSON object.
//!
//! The JSON has numbers, the array of the levels, and one string; it is written by hand.

use std::fmt::Write;

use lsm_db::{LevelStats, Stats};

use super::Store;
use crate::args::StatsArgs;
use crate::failure::Failure;
use crate::notation::Notation;
use crate::output::Output;

pub(super) fn stats(args: &StatsArgs, output: &mut Output) -> Result<(), Failure> {
    let stats = Store::open(&args.dir)?.db.stats();
    if args.json { output.line(&json(&stats)) } else { print_table(&stats, output) }
}

/// The numbers of the whole store, by the names that they have in `lsm_db::Stats`.
fn totals(stats: &Stats) -> [(&'static str, u64); 8] {
    [
        ("runs", stats.runs as u64),
        ("tables", stats.tables as u64),
        ("table_bytes", stats.table_bytes),
        ("entries", stats.entries),
        ("tombstones", stats.tombstones),
        ("memtable_bytes", stats.memtable_bytes),
        ("frozen_memtables", stats.frozen_memtables as u64),
        ("recovered_cut_bytes", stats.recovered_cut_bytes),
    ]
}

fn columns(level: &LevelStats) -> [(&'static str, u64); 6] {
    [
        ("level", level.level.into()),
        ("runs", level.runs as u64),
        ("tables", level.tables as u64),
        ("bytes", level.bytes),
        ("entries", level.entries),
        ("tombstones", level.tombstones),
    ]
}

fn print_table(stats: &Stats, output: &mut Output) -> Result<(), Failure> {
    for (name, number) in totals(stats) {
        output.line(&format!("{name:<20}{number:>16}"))?;
    }
    let error = stats.background_error.as_deref().unwrap_or("none");
    let error = Notation::Text.encode(error.as_bytes());
    output.line(&format!("{:<20}{error:>16}", "background_error"))?;
    let mut head = true;
    for level in &stats.levels {
        let columns = columns(level);
        if std::mem::take(&mut head) {
            output.line("")?;
            output.line(&row(columns.map(|(name, _)| name.to_owned())))?;
        }
        output.line(&row(columns.map(|(_, number)| number.to_string())))?;
    }
    Ok(())
}

fn row([level, runs, tables, bytes, entries, tombstones]: [String; 6]) -> String {
    format!("{level:>5}{runs:>6}{tables:>8}{bytes:>16}{entries:>14}{tombstones:>14}")
}

fn json(stats: &Stats) -> String {
    let levels: Vec<_> =
        stats.levels.iter().map(|level| format!("{{{}}}", members(&columns(level)))).collect();
    format!(
        "{{{},\"background_error\":{},\"levels\":[{}]}}",
        members(&totals(stats)),
        stats.background_error.as_deref().map_or("null".to_owned(), json_string),
        levels.join(",")
    )
}

fn members(numbers: &[(&str, u64)]) -> String {
    let members: Vec<_> =
        numbers.iter().map(|(name, number)| format!("\"{name}\":{number}")).collect();
    members.join(",")
}

fn json_string(text: &str) -> String {
    let mut json = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            // A `String` takes everything that is written to it. These are below U+10000.
            c if c.is_control() => {
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_of_json_is_escaped() {
        assert_eq!(json_string("sync failed"), r#""sync failed""#);
        assert_eq!(json_string("a \"b\" \\ \n\u{7f} ✓"), r#""a \"b\" \\ \u000a\u007f ✓""#);
    }
}

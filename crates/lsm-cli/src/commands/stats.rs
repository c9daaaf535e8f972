//! `stats`: what the store holds, as a table for people or as one JSON object.
//!
//! The JSON has numbers, the array of the levels, and two strings; it is written by hand.

use std::fmt::{Display, Write};

use lsm_db::{LevelStats, SlowReason, Stats};

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
fn totals(stats: &Stats) -> [(&'static str, u64); 19] {
    [
        ("runs", stats.runs as u64),
        ("tables", stats.tables as u64),
        ("table_bytes", stats.table_bytes),
        ("entries", stats.entries),
        ("tombstones", stats.tombstones),
        ("memtable_bytes", stats.memtable_bytes),
        ("frozen_memtables", stats.frozen_memtables as u64),
        ("flushes", stats.flushes),
        ("compactions", stats.compactions),
        ("background_bytes_written", stats.background_bytes_written),
        ("background_bytes_read", stats.background_bytes_read),
        ("cache_bytes", stats.cache_bytes),
        ("filter_true_positives", stats.filter_true_positives),
        ("filter_false_positives", stats.filter_false_positives),
        ("filter_negatives", stats.filter_negatives),
        ("held_tables", stats.held_tables as u64),
        ("held_bytes", stats.held_bytes),
        ("recovered_records", stats.recovered_records),
        ("recovered_cut_bytes", stats.recovered_cut_bytes),
    ]
}

/// Times, in seconds.
fn times(stats: &Stats) -> [(&'static str, String); 2] {
    let seconds = |time: std::time::Duration| format!("{:.6}", time.as_secs_f64());
    [("slowed", seconds(stats.slowed)), ("stopped", seconds(stats.stopped))]
}

fn slow_reason(stats: &Stats) -> Option<&'static str> {
    stats.slow_reason.map(|reason| match reason {
        SlowReason::Flush => "flush",
        SlowReason::Merge => "merge",
        _ => "another",
    })
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
        output.line(&format!("{name:<26}{number:>16}"))?;
    }
    for (name, seconds) in times(stats) {
        output.line(&format!("{name:<26}{seconds:>16}"))?;
    }
    let reason = slow_reason(stats).unwrap_or("none");
    output.line(&format!("{:<26}{reason:>16}", "slow_reason"))?;
    let error = stats.background_error.as_deref().unwrap_or("none");
    let error = Notation::Text.encode(error.as_bytes());
    output.line(&format!("{:<26}{error:>16}", "background_error"))?;
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
        "{{{},{},\"slow_reason\":{},\"background_error\":{},\"levels\":[{}]}}",
        members(&totals(stats)),
        members(&times(stats)),
        slow_reason(stats).map_or("null".to_owned(), json_string),
        stats.background_error.as_deref().map_or("null".to_owned(), json_string),
        levels.join(",")
    )
}

fn members(numbers: &[(&str, impl Display)]) -> String {
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

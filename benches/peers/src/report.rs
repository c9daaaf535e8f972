//! Tables for the terminal: workloads down, engines across, the median of the rounds, the best of each
//! row marked, and what we take of what the best other store takes.

use std::fmt::Write as _;

use clap::ValueEnum;
use lsm_bench_record::{
    Choice, Figure, Measure, OURS, Outcome, Results, Row, aligned, grouped, short,
};

use crate::engines::EngineName;
use crate::workloads::Work;

const MIB: f64 = 1_048_576.0;

/// The tables of `figures`, one below the other.
pub(crate) fn tables(results: &Results, figures: &[Figure]) -> String {
    let mut text = head(results);
    for &figure in figures {
        let rows = results.rows(figure);
        if !rows.is_empty() {
            let _ = write!(text, "\n{}\n\n{}", figure.about(), table(results, figure, &rows));
        }
    }
    let failures = results.failures.len();
    if failures > 0 {
        let _ = writeln!(text, "\n{failures} runs failed and are missing above.");
    }
    text
}

fn head(results: &Results) -> String {
    let (machine, settings) = (&results.machine, &results.settings);
    let mut text = format!(
        "{} rows of {} + {} bytes, {} keys, {} settings, median of {} rounds\n\
         {}, {} cores, {:.0} MiB, Linux {}, {}\n",
        grouped(settings.n),
        settings.key_bytes,
        settings.value_bytes,
        settings.keys,
        settings.settings,
        settings.rounds,
        machine.cpu,
        machine.cores,
        machine.memory_bytes as f64 / MIB,
        machine.kernel,
        machine.file_system,
    );
    let versions =
        results.engines.iter().map(|engine| format!("{} {}", engine.name, engine.version));
    let _ = writeln!(text, "{}", versions.collect::<Vec<_>>().join(", "));
    text
}

fn table(results: &Results, figure: Figure, rows: &[Row]) -> String {
    let names = results.engines.iter().map(|engine| engine.name.clone());
    let ours = results.engine(OURS);
    let mut lines =
        vec![["work".to_owned(), "unit".to_owned()].into_iter().chain(names).collect::<Vec<_>>()];
    if ours.is_some() {
        lines[0].push("ours / best other".to_owned());
    }
    let mut any_cut = false;
    for row in rows {
        let best = row.best().unwrap_or(0.0);
        let unit = figure.unit(best);
        let mut line = vec![row.name(), unit.name.to_owned()];
        for (cell, median) in row.cells.iter().zip(row.medians()) {
            any_cut |= cell.cut;
            line.push(median.map_or_else(
                || "-".to_owned(),
                |median| {
                    let cut = if cell.cut { "~" } else { "" };
                    let mark = if median == best { "*" } else { " " };
                    format!("{cut}{}{mark}", short(median / unit.size))
                },
            ));
        }
        if let Some(ours) = ours {
            line.push(ratio(results, row, ours));
        }
        lines.push(line);
    }
    let mut text = aligned(&lines);
    text.push_str("* the best");
    text.push_str(if any_cut {
        ", ~ stopped by the budget before all operations were done\n"
    } else {
        "\n"
    });
    text
}

/// What we take of what the best other takes, and who that is.
fn ratio(results: &Results, row: &Row, ours: usize) -> String {
    row.ratio(ours).map_or_else(
        || "-".to_owned(),
        |ratio| format!("{:.2} of {}", ratio.median, results.engines[ratio.other].name),
    )
}

/// One run in a few words, for the progress lines.
pub(crate) fn brief(outcome: &Outcome) -> String {
    let mut words: Vec<_> = outcome.measures.iter().map(brief_measure).collect();
    if !outcome.resources.settled {
        words.push("(background work had not come to rest)".to_owned());
    }
    words.join("  ")
}

fn brief_measure(measure: &Measure) -> String {
    let name = if measure.name.is_empty() { String::new() } else { format!("{} ", measure.name) };
    let cut =
        if measure.cut { format!(" (cut at {})", grouped(measure.ops)) } else { String::new() };
    format!("{name}{}{cut}", Figure::Time.text(measure.ns_per_op))
}

/// The engines with what they promise, and the workloads.
pub(crate) fn list() -> String {
    let mut text = String::from("Engines\n");
    for engine in EngineName::value_variants() {
        let absent = if engine.is_built_in() { "" } else { " - not in this build" };
        let _ = writeln!(
            text,
            "  {:<10} {}{absent}\n             plain:   {}\n             durable: {}",
            engine.name(),
            engine.version(),
            engine.plain_promise(),
            engine.durable_promise()
        );
    }
    text.push_str("\nWorkloads (D: durable)\n");
    for work in Work::value_variants() {
        let durable = if work.is_durable() { "D" } else { " " };
        let _ = writeln!(text, "{durable} {:<20} {}", work.name(), work.about());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The best is marked, the ratio names the best other, and what was cut says so.
    #[test]
    fn a_table_marks_the_best_and_what_was_cut() {
        let mut results = Results::for_tests(&[
            (1, OURS, "get", 5.0),
            (1, "redb", "get", 10.0),
            (1, "sled", "get", 20.0),
        ]);
        results.runs[2].outcome.measures[0].cut = true;
        let text = tables(&results, &[Figure::Time, Figure::Lost]);
        let line = text.lines().find(|line| line.starts_with("get")).unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words, ["get", "ns", "5.00*", "10.0", "~20.0", "0.50", "of", "redb"]);
        assert!(text.contains("~ stopped by the budget") && !text.contains("Rows that were gone"));
    }
}

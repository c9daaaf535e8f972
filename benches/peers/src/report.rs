//! Tables for the terminal: workloads down, engines across, the median of the rounds, the best of each
//! row marked, and what we take of what the best other store takes.
//!
//! The ratio is taken within each round, where both had the same machine, and is the median of those.
//! The best other store is the one with the lowest median.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use clap::ValueEnum;

use crate::engines::EngineName;
use crate::record::{Measure, Outcome, Results, RunRecord};
use crate::workloads::Work;

const MIB: f64 = 1_048_576.0;

/// What a table shows. Less is better in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Figure {
    /// Wall clock per operation
    Time,
    /// The longest single write
    Worst,
    /// CPU per operation, background threads included
    Cpu,
    /// Peak memory of the process
    Memory,
    /// Bytes written per byte that the user wrote, when the last operation was flushed
    Written,
    /// Bytes written per byte that the user wrote, when the background work had come to rest
    WrittenSettled,
    /// Bytes on disk per byte of the rows that are there, when the last operation was flushed
    Disk,
    /// Bytes on disk per byte of the rows that are there, when settled and closed
    DiskSettled,
    /// Rows that were gone after a kill
    Lost,
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}

impl Figure {
    fn title(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }

    /// The figures of one run, with the name of the measure each belongs to.
    fn of(self, run: &RunRecord) -> Vec<(String, f64, bool)> {
        let resources = &run.outcome.resources;
        let per = |bytes: u64, of: u64| (of > 0).then(|| bytes as f64 / of as f64);
        match self {
            Self::Time => per_measure(run, |measure| Some(measure.ns_per_op)),
            Self::Worst => per_measure(run, |measure| measure.worst_ms.map(|ms| ms * 1e6)),
            Self::Cpu => per_measure(run, |measure| Some(measure.cpu_ns_per_op)),
            Self::Memory => per_run(Some(resources.peak_memory_bytes as f64 / MIB)),
            Self::Written => per_run(per(resources.written_bytes, resources.user_bytes)),
            Self::WrittenSettled => {
                per_run(per(resources.written_settled_bytes, resources.user_bytes))
            }
            Self::Disk => per_run(per(resources.disk_bytes, resources.live_bytes)),
            Self::DiskSettled => per_run(per(resources.disk_settled_bytes, resources.live_bytes)),
            Self::Lost => per_run(resources.rows_lost.map(|rows| rows as f64)),
        }
    }

    fn unit(self, smallest: f64) -> Unit {
        match self {
            Self::Time | Self::Worst | Self::Cpu => match smallest {
                ns if ns < 1e4 => Unit { name: "ns", size: 1.0 },
                ns if ns < 1e7 => Unit { name: "µs", size: 1e3 },
                _ => Unit { name: "ms", size: 1e6 },
            },
            Self::Memory => Unit { name: "MiB", size: 1.0 },
            Self::Written | Self::WrittenSettled | Self::Disk | Self::DiskSettled => {
                Unit { name: "×", size: 1.0 }
            }
            Self::Lost => Unit { name: "rows", size: 1.0 },
        }
    }
}

#[derive(Clone, Copy)]
struct Unit {
    name: &'static str,
    size: f64,
}

fn per_measure(
    run: &RunRecord,
    value: impl Fn(&Measure) -> Option<f64>,
) -> Vec<(String, f64, bool)> {
    let measures = run.outcome.measures.iter();
    measures.filter_map(|m| Some((m.name.clone(), value(m)?, m.cut))).collect()
}

fn per_run(value: Option<f64>) -> Vec<(String, f64, bool)> {
    value.map(|value| (String::new(), value, false)).into_iter().collect()
}

/// The rounds of one engine in one row.
#[derive(Default)]
struct Cell {
    by_round: BTreeMap<u32, f64>,
    cut: bool,
}

impl Cell {
    fn median(&self) -> Option<f64> {
        median(self.by_round.values().copied().collect())
    }
}

struct Row {
    name: String,
    cells: Vec<Cell>,
}

/// The tables of `figures`, one below the other.
pub(crate) fn tables(results: &Results, figures: &[Figure]) -> String {
    let mut text = head(results);
    for &figure in figures {
        let rows = rows(results, figure);
        if !rows.is_empty() {
            let _ = write!(text, "\n{}\n\n{}", figure.title(), table(results, figure, &rows));
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
    let choice = |value: Option<clap::builder::PossibleValue>| {
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    };
    let mut text = format!(
        "{} rows of {} + {} bytes, {} keys, {} settings, median of {} rounds\n\
         {}, {} cores, {:.0} MiB, Linux {}, {}\n",
        grouped(settings.n),
        settings.key_bytes,
        settings.value_bytes,
        choice(settings.keys.to_possible_value()),
        choice(settings.settings.to_possible_value()),
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

fn rows(results: &Results, figure: Figure) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for run in &results.runs {
        let Some(engine) = results.engines.iter().position(|e| e.name == run.engine) else {
            continue;
        };
        for (measure, value, cut) in figure.of(run) {
            let dot = if measure.is_empty() { "" } else { "." };
            let name = format!("{}{dot}{measure}", run.workload);
            let index = rows.iter().position(|row| row.name == name).unwrap_or_else(|| {
                let cells = results.engines.iter().map(|_| Cell::default()).collect();
                rows.push(Row { name, cells });
                rows.len() - 1
            });
            let cell = &mut rows[index].cells[engine];
            cell.by_round.insert(run.round, value);
            cell.cut |= cut;
        }
    }
    rows
}

fn table(results: &Results, figure: Figure, rows: &[Row]) -> String {
    let names = results.engines.iter().map(|engine| engine.name.clone());
    let ours = results.engines.iter().position(|e| e.name == EngineName::Ours.name());
    let mut lines =
        vec![["work".to_owned(), "unit".to_owned()].into_iter().chain(names).collect::<Vec<_>>()];
    if ours.is_some() {
        lines[0].push("ours / best other".to_owned());
    }
    let mut any_cut = false;
    for row in rows {
        let medians: Vec<_> = row.cells.iter().map(Cell::median).collect();
        let best = medians.iter().flatten().copied().reduce(f64::min).unwrap_or(0.0);
        let unit = figure.unit(best);
        let mut line = vec![row.name.clone(), unit.name.to_owned()];
        for (cell, median) in row.cells.iter().zip(&medians) {
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
    let others = row.cells.iter().enumerate().filter(|&(engine, _)| engine != ours);
    let medians = others.filter_map(|(engine, cell)| Some((engine, cell.median()?)));
    let Some((best, _)) = medians.min_by(|a, b| a.1.total_cmp(&b.1)) else {
        return "-".to_owned();
    };
    let rounds = row.cells[ours].by_round.iter();
    let ratios = rounds.filter_map(|(round, our)| Some(our / row.cells[best].by_round.get(round)?));
    let ratios: Vec<_> = ratios.filter(|ratio| ratio.is_finite()).collect();
    median(ratios).map_or_else(
        || "-".to_owned(),
        |ratio| format!("{ratio:.2} of {}", results.engines[best].name),
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
    let unit = Figure::Time.unit(measure.ns_per_op);
    let name = if measure.name.is_empty() { String::new() } else { format!("{} ", measure.name) };
    let cut =
        if measure.cut { format!(" (cut at {})", grouped(measure.ops)) } else { String::new() };
    format!("{name}{} {}{cut}", short(measure.ns_per_op / unit.size), unit.name)
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

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        len if len % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// Three digits, or all before the point.
fn short(value: f64) -> String {
    match value {
        v if v >= 999.5 => grouped(v.round() as u64),
        v if v >= 99.95 => format!("{v:.0}"),
        v if v >= 9.995 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The first column to the left, all others to the right.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for line in lines {
        for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            let _ = match column {
                0 => write!(text, "{cell:<width$}"),
                _ => write!(text, "  {cell:>width$}"),
            };
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Resources;

    fn run(round: u32, engine: &str, ns_per_op: f64) -> RunRecord {
        let measure = Measure { ns_per_op, ..Measure::none() };
        let outcome = Outcome { measures: vec![measure], resources: Resources::default() };
        RunRecord { round, engine: engine.into(), workload: "get".into(), outcome }
    }

    /// The second round was slow for both, which the ratio does not see.
    #[test]
    fn a_ratio_is_taken_within_its_round() {
        let row = |values: [f64; 3]| {
            let by_round = (1..).zip(values).collect();
            Cell { by_round, cut: false }
        };
        let cells = vec![row([1.0, 10.0, 1.5]), row([2.0, 20.0, 3.0])];
        let results = Results::for_tests();
        assert_eq!(ratio(&results, &Row { name: String::new(), cells }, 0), "0.50 of redb");
    }

    #[test]
    fn rows_hold_every_round_of_every_engine() {
        let mut results = Results::for_tests();
        results.runs = vec![run(1, "ours", 5.0), run(2, "ours", 7.0), run(1, "redb", 6.0)];
        let rows = rows(&results, Figure::Time);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].cells[0].median(), Some(6.0));
        assert_eq!(rows[0].cells[1].median(), Some(6.0));
    }

    #[test]
    fn numbers_keep_three_digits() {
        assert_eq!(short(0.123), "0.12");
        assert_eq!(short(12.34), "12.3");
        assert_eq!(short(123.4), "123");
        assert_eq!(short(1_234_567.0), "1,234,567");
    }
}

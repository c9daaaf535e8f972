//! Figures as tables: workloads down, engines across, the best of each row in bold, and what we take
//! of what the best other store takes.

use lsm_bench_record::{Figure, Row, grouped, short};

use super::folder::Set;
use super::markdown::{Align, table};

/// What stands behind the tables in which something was cut.
const CUT_NOTE: &str = "\n`~`: stopped by the time budget before all operations were done.\n";

/// One row of a table.
pub(super) struct Line<'a> {
    /// What stands before the figures.
    pub(super) lead: Vec<String>,
    pub(super) set: &'a Set,
    pub(super) row: Row,
}

/// The table of one figure of one file; nothing if no workload has it.
pub(super) fn of_figure(set: &Set, figure: Figure) -> Option<String> {
    let rows = set.results.rows(figure).into_iter();
    let lines: Vec<_> = rows.map(|row| Line { lead: vec![row.name()], set, row }).collect();
    (!lines.is_empty()).then(|| of_lines(&[("work", Align::Left)], &lines, figure))
}

/// The table of `lines`, which may be of several files; `leads` are the heads of their leads.
pub(super) fn of_lines(leads: &[(&str, Align)], lines: &[Line<'_>], figure: Figure) -> String {
    let engines = engines(lines);
    // A ratio of lost rows says nothing: the best lose none.
    let with_ratio = figure != Figure::Lost;
    let mut heads = leads.to_vec();
    heads.push(("unit", Align::Left));
    heads.extend(engines.iter().map(|engine| (*engine, Align::Right)));
    if with_ratio {
        heads.push(("ours / best other", Align::Right));
    }
    let cells: Vec<_> =
        lines.iter().map(|line| cells(line, figure, &engines, with_ratio)).collect();
    let mut text = table(&heads, &cells);
    if lines.iter().any(|line| line.row.cells.iter().any(|cell| cell.cut)) {
        text.push_str(CUT_NOTE);
    }
    text
}

/// The engines of all lines, in the order of the first file that has them.
fn engines<'a>(lines: &[Line<'a>]) -> Vec<&'a str> {
    let mut names = Vec::new();
    for line in lines {
        for engine in &line.set.results.engines {
            if !names.contains(&engine.name.as_str()) {
                names.push(engine.name.as_str());
            }
        }
    }
    names
}

fn cells(line: &Line<'_>, figure: Figure, engines: &[&str], with_ratio: bool) -> Vec<String> {
    let best = line.row.best().unwrap_or(0.0);
    let unit = figure.unit(best);
    let mut cells = line.lead.clone();
    cells.push(unit.name.to_owned());
    for engine in engines {
        let rounds = line.set.results.engine(engine).map(|index| &line.row.cells[index]);
        let shown = rounds.and_then(|rounds| {
            let median = rounds.median()?;
            let number = match figure {
                Figure::Lost => grouped(median.round() as u64),
                _ => short(median / unit.size),
            };
            let cut = if rounds.cut { "~" } else { "" };
            let bold = if median == best { "**" } else { "" };
            Some(format!("{cut}{bold}{number}{bold}"))
        });
        cells.push(shown.unwrap_or_else(|| "-".to_owned()));
    }
    if with_ratio {
        cells.push(line.row.ratio(line.set.ours).map_or_else(
            || "-".to_owned(),
            |ratio| {
                let other = &line.set.results.engines[ratio.other].name;
                format!("{} × {other}", short(ratio.median))
            },
        ));
    }
    cells
}

#[cfg(test)]
mod tests {
    use lsm_bench_record::{OURS, Results};

    use super::*;

    /// The best is bold, what was cut is marked, and an engine that did not take part has a dash.
    #[test]
    fn a_row_marks_the_best_and_what_was_cut() {
        let mut results = Results::for_tests(&[
            (1, OURS, "get", 21_000.0),
            (1, "redb", "get", 14_000.0),
            (1, "sled", "scan", 5.0),
        ]);
        results.runs[0].outcome.measures[0].cut = true;
        let set = Set::new("a".to_owned(), results).unwrap();
        assert_eq!(
            of_figure(&set, Figure::Time).unwrap(),
            "| work | unit | ours | redb | sled | ours / best other |\n\
             | --- | --- | ---: | ---: | ---: | ---: |\n\
             | get | µs | ~21.0 | **14.0** | - | 1.50 × redb |\n\
             | scan | ns | - | - | **5.00** | - |\n\
             \n\
             `~`: stopped by the time budget before all operations were done.\n"
        );
        assert_eq!(of_figure(&set, Figure::Lost), None);
    }
}

//! Which charts there are, and what each of them shows.
//!
//! Bars show workloads of one kind side by side, so that a chart can be read; a workload that no
//! kind claims has a chart with others like it. Lines show what a size costs.

use lsm_bench_record::{Figure, Row, grouped};

use super::Error;
use super::folder::{Folder, Set};
use super::plot::{self, Bar, Bars, Group, Lines, Series};

/// A chart, drawn.
#[derive(Debug)]
pub(super) struct Chart {
    /// Of its file, without the extension.
    pub(super) name: String,
    /// The section that shows it.
    pub(super) section: &'static str,
    /// What is told to who cannot see it.
    pub(super) alt: String,
    pub(super) svg: String,
}

/// A kind of workload: its name, its title, and the beginnings of the names of its rows.
struct Kind {
    name: &'static str,
    title: &'static str,
    rows: &'static [&'static str],
}

/// The first that claims a row has it.
const KINDS: [Kind; 8] = [
    Kind {
        name: "writes",
        title: "Fills, overwrites and batches",
        rows: &["fill_", "overwrite", "batch", "value_64k.put"],
    },
    Kind { name: "gets", title: "Gets", rows: &["get_", "value_64k.get"] },
    Kind { name: "scans", title: "Scans", rows: &["scan_"] },
    Kind { name: "mixed", title: "Mixed work", rows: &["ycsb_", "read_while_writing"] },
    Kind { name: "queue", title: "A queue", rows: &["queue"] },
    Kind { name: "durable", title: "Durable puts", rows: &["durable_"] },
    Kind { name: "reopen", title: "Opening again", rows: &["reopen_"] },
    Kind { name: "other", title: "Other work", rows: &[""] },
];

/// The workloads whose use of memory and disk is drawn: many others only differ from them by what
/// they read.
const RESOURCE_ROWS: [&str; 7] =
    ["fill_random", "overwrite", "get_uniform", "scan_full", "queue", "value_64k", "ycsb_a"];

/// The charts of use: the section, the figure, the title.
const RESOURCES: [(&str, Figure, &str); 3] = [
    ("memory", Figure::Memory, "Peak memory"),
    ("written", Figure::WrittenSettled, "Bytes written per byte of the user"),
    ("disk", Figure::DiskSettled, "Bytes on disk per byte of the rows"),
];

/// Every chart of the report.
pub(super) fn all(folder: &Folder) -> Result<Vec<Chart>, Error> {
    let mut charts = Vec::new();
    let main = &folder.main;
    let times = main.results.rows(Figure::Time);
    for (index, kind) in KINDS.iter().enumerate() {
        let its: Vec<_> = times.iter().filter(|row| kind_of(&row.name()) == index).collect();
        let name = format!("time-{}", kind.name);
        charts.extend(bars(main, Figure::Time, &its, name, "time", kind.title)?);
    }
    for (section, figure, title) in RESOURCES {
        let rows = main.results.rows(figure);
        let is_shown = |row: &&Row| RESOURCE_ROWS.contains(&row.name().as_str());
        let its: Vec<_> = rows.iter().filter(is_shown).collect();
        charts.extend(bars(main, figure, &its, section.to_owned(), section, title)?);
    }
    charts.extend(against_size(&folder.sizes)?);
    Ok(charts)
}

/// The place of the kind that has the row of this name; the last kind takes what is left.
fn kind_of(row: &str) -> usize {
    let claims = |kind: &Kind| kind.rows.iter().any(|start| row.starts_with(start));
    KINDS.iter().position(claims).unwrap_or(KINDS.len() - 1)
}

/// What the axis of a figure says.
fn axis(figure: Figure) -> &'static str {
    match figure {
        Figure::Time => "time per operation",
        Figure::Worst => "longest single write",
        Figure::Cpu => "CPU per operation",
        Figure::Memory => "MiB of resident memory",
        Figure::Written | Figure::WrittenSettled => "bytes written per byte put",
        Figure::Disk | Figure::DiskSettled => "bytes on disk per byte of live rows",
        Figure::Lost => "rows",
    }
}

/// Nothing if there are no rows.
fn bars(
    set: &Set,
    figure: Figure,
    rows: &[&Row],
    name: String,
    section: &'static str,
    title: &str,
) -> Result<Option<Chart>, Error> {
    let engines = &set.results.engines;
    let group = |row: &&Row| {
        let cells = row.cells.iter().zip(engines);
        let bars = cells.filter_map(|(rounds, engine)| {
            let (engine, cut) = (engine.name.clone(), rounds.cut);
            Some(Bar { engine, value: rounds.median()?, cut })
        });
        Group { name: row.name(), bars: bars.collect() }
    };
    let groups: Vec<_> = rows.iter().map(group).collect();
    if groups.is_empty() {
        return Ok(None);
    }
    let has_bar = |name: &str| {
        groups.iter().any(|group: &Group| group.bars.iter().any(|bar| bar.engine == name))
    };
    let with_bars = engines.iter().filter(|engine| has_bar(&engine.name));
    let drawing = Bars {
        // Some workloads take fewer rows than that, and say so.
        title: format!("{title}, n = {}", grouped(set.results.settings.n)),
        axis: axis(figure),
        figure,
        engines: with_bars.map(|engine| engine.name.clone()).collect(),
        groups,
    };
    let alt = format!("{title}: bars for each workload and engine");
    chart(name, section, alt, plot::bars(&drawing)).map(Some)
}

/// One chart for each row that several sizes have.
fn against_size(sets: &[Set]) -> Result<Vec<Chart>, Error> {
    let mut names: Vec<String> = Vec::new();
    for row in sets.iter().flat_map(|set| set.results.rows(Figure::Time)) {
        if !names.contains(&row.name()) {
            names.push(row.name());
        }
    }
    let mut charts = Vec::new();
    for name in names {
        let drawing = lines(sets, &name);
        if drawing.sizes.len() > 1 {
            let alt = format!("{name}: {} against the number of rows", axis(Figure::Time));
            charts.push(chart(format!("size-{name}"), "size", alt, plot::lines(&drawing))?);
        }
    }
    Ok(charts)
}

fn lines(sets: &[Set], name: &str) -> Lines {
    let mut series: Vec<Series> = Vec::new();
    let mut sizes = Vec::new();
    for set in sets {
        let rows = set.results.rows(Figure::Time);
        let Some(row) = rows.iter().find(|row| row.name() == name) else { continue };
        let n = set.results.settings.n;
        sizes.push(n);
        for (rounds, engine) in row.cells.iter().zip(&set.results.engines) {
            let Some(median) = rounds.median() else { continue };
            let index = series.iter().position(|one| one.engine == engine.name);
            let index = index.unwrap_or_else(|| {
                series.push(Series { engine: engine.name.clone(), points: Vec::new() });
                series.len() - 1
            });
            series[index].points.push((n, median));
        }
    }
    let (figure, title) = (Figure::Time, format!("{name} against size"));
    Lines { title, axis: axis(figure), figure, sizes, series }
}

fn chart(
    name: String,
    section: &'static str,
    alt: String,
    drawn: Result<String, plot::DrawError>,
) -> Result<Chart, Error> {
    match drawn {
        Ok(svg) => Ok(Chart { name, section, alt, svg }),
        Err(error) => Err(Error::Chart { name, reason: error.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use lsm_bench_record::{OURS, Results};

    use super::*;

    fn set(n: u64) -> Set {
        let mut results = Results::for_tests(&[
            (1, OURS, "fill_seq", 900.0),
            (1, "redb", "fill_seq", 15_000.0),
            (1, OURS, "ycsb_a", 2_000.0),
            (1, OURS, "something_new", 1.0),
        ]);
        results.settings.n = n;
        Set::new(format!("{n}.json"), results).unwrap()
    }

    fn folder() -> Folder {
        let sizes = vec![set(1_000), set(100_000)];
        Folder { main: set(3_000), random_keys: None, defaults: None, sizes, parts: None }
    }

    /// A workload that is added later has a chart without anything being changed here.
    #[test]
    fn every_row_is_in_a_chart() {
        let charts = all(&folder()).unwrap();
        let with = |row: &str| {
            let label = format!("\n{row}\n");
            let has = |chart: &&Chart| chart.svg.contains(&label) && chart.section == "time";
            charts.iter().filter(has).map(|chart| chart.name.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(with("fill_seq"), ["time-writes"]);
        assert_eq!(with("ycsb_a"), ["time-mixed"]);
        assert_eq!(with("something_new"), ["time-other"]);
        let of_size = charts.iter().filter(|chart| chart.section == "size").count();
        assert_eq!(of_size, 3);
    }

    /// The same results give the same bytes, and nothing that is untidy.
    #[test]
    fn charts_do_not_change_by_themselves() {
        let (one, other) = (all(&folder()).unwrap(), all(&folder()).unwrap());
        for (one, other) in one.iter().zip(&other) {
            assert_eq!(one.svg, other.svg);
            assert!(one.svg.starts_with("<svg") && one.svg.ends_with("</svg>\n"));
            assert!(one.svg.lines().all(|line| line.trim_end() == line));
        }
    }
}

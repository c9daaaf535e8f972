//! Where we stand: every row in which another store takes less, and every one in which we do.

use lsm_bench_record::{Choice, Figure, Ratio, Row, grouped, short};

use super::folder::{Folder, Set};
use super::markdown::{Align, table};
use super::setting::{conditions, other_than};

/// The figures that are compared, in the order of the document, and whether every row that is lost
/// is listed: CPU repeats time but for what is left to the background, and has a table of its own.
/// What is written and takes disk is compared when the background work is done.
const COMPARED: [(Figure, bool); 6] = [
    (Figure::Time, true),
    (Figure::Worst, true),
    (Figure::Cpu, false),
    (Figure::Memory, true),
    (Figure::WrittenSettled, true),
    (Figure::DiskSettled, true),
];

/// One row, as it is between us and the best other.
struct Standing {
    work: String,
    ours: String,
    other: String,
    ratio: Ratio,
}

/// Every row that has a ratio, the highest first.
fn standings(set: &Set, figure: Figure) -> Vec<Standing> {
    let standing = |row: Row| {
        let ratio = row.ratio(set.ours)?;
        let shown = |engine: usize| {
            let rounds = &row.cells[engine];
            let cut = if rounds.cut { "~" } else { "" };
            Some(format!("{cut}{}", figure.text(rounds.median()?)))
        };
        let name = &set.results.engines[ratio.other].name;
        Some(Standing {
            work: row.name(),
            ours: shown(set.ours)?,
            other: format!("{name}: {}", shown(ratio.other)?),
            ratio,
        })
    };
    let mut standings: Vec<_> = set.results.rows(figure).into_iter().filter_map(standing).collect();
    standings.sort_by(|a, b| b.ratio.median.total_cmp(&a.ratio.median));
    standings
}

fn losing(standing: &Standing) -> bool {
    standing.ratio.median > 1.0
}

fn leading(standing: &Standing) -> bool {
    standing.ratio.median < 1.0
}

/// Where another store takes less: a count, each figure in full, and time under other conditions.
pub(super) fn losses(folder: &Folder) -> String {
    let main = &folder.main;
    let mut text = format!(
        "Counted over the main comparison ({}), each row against the best other store:\n\n{}",
        conditions(main),
        counts(main)
    );
    for (figure, _) in COMPARED.into_iter().filter(|(_, is_listed)| *is_listed) {
        let lost: Vec<_> = standings(main, figure).into_iter().filter(losing).collect();
        if !lost.is_empty() {
            let lines: Vec<_> = lost.iter().map(cells).collect();
            text.push_str(&format!("\n### {}\n\n{}", figure.about(), table(&heads(), &lines)));
        }
    }
    text.push_str(&lost_rows(main));
    text.push_str(&elsewhere(folder));
    text
}

/// Where we take less: time in full.
pub(super) fn leads(folder: &Folder) -> String {
    let mut led: Vec<_> =
        standings(&folder.main, Figure::Time).into_iter().filter(leading).collect();
    led.reverse();
    if led.is_empty() {
        return "Nowhere, by time.\n".to_owned();
    }
    let lines: Vec<_> = led.iter().map(cells).collect();
    format!("By time; the other figures are counted above.\n\n{}", table(&heads(), &lines))
}

fn heads() -> [(&'static str, Align); 5] {
    [
        ("work", Align::Left),
        ("ours", Align::Right),
        ("best other", Align::Right),
        ("ours / best other", Align::Right),
        ("in the rounds", Align::Right),
    ]
}

fn cells(standing: &Standing) -> Vec<String> {
    let Ratio { median, lowest, highest, .. } = standing.ratio;
    vec![
        standing.work.clone(),
        standing.ours.clone(),
        standing.other.clone(),
        short(median),
        format!("{} to {}", short(lowest), short(highest)),
    ]
}

fn counts(set: &Set) -> String {
    let heads = [
        ("figure", Align::Left),
        ("rows", Align::Right),
        ("another takes less", Align::Right),
        ("ours takes less", Align::Right),
    ];
    let lines: Vec<_> = COMPARED
        .iter()
        .map(|&(figure, _)| {
            let standings = standings(set, figure);
            let count = |is: fn(&Standing) -> bool| standings.iter().filter(|one| is(one)).count();
            vec![
                figure.about().to_owned(),
                standings.len().to_string(),
                count(losing).to_string(),
                count(leading).to_string(),
            ]
        })
        .collect();
    table(&heads, &lines)
}

/// Rows that a kill took from us and not from everybody.
fn lost_rows(set: &Set) -> String {
    let mut lines = Vec::new();
    for row in set.results.rows(Figure::Lost) {
        let medians = row.medians();
        let Some(ours) = medians[set.ours] else { continue };
        let others = medians.iter().zip(&set.results.engines).enumerate();
        let fewer: Vec<_> = others
            .filter(|(index, _)| *index != set.ours)
            .filter_map(|(_, (median, engine))| Some((engine, (*median)?)))
            .filter(|(_, lost)| *lost < ours)
            .map(|(engine, lost)| format!("{}: {}", engine.name, grouped(lost.round() as u64)))
            .collect();
        if !fewer.is_empty() {
            lines.push(vec![row.name(), grouped(ours.round() as u64), fewer.join(", ")]);
        }
    }
    if lines.is_empty() {
        return String::new();
    }
    let heads =
        [("work", Align::Left), ("ours", Align::Right), ("others that lost fewer", Align::Right)];
    format!("\n### {}\n\n{}", Figure::Lost.about(), table(&heads, &lines))
}

/// Time in the other files.
fn elsewhere(folder: &Folder) -> String {
    let mut lines = Vec::new();
    for set in folder.sets().skip(1) {
        for standing in standings(set, Figure::Time).iter().filter(|one| losing(one)) {
            let mut line = vec![other_than(&folder.main, set)];
            line.extend(cells(standing));
            lines.push(line);
        }
    }
    if lines.is_empty() {
        return String::new();
    }
    let mut all = vec![("conditions", Align::Left)];
    all.extend(heads());
    format!("\n### {}, under other conditions\n\n{}", Figure::Time.about(), table(&all, &lines))
}

#[cfg(test)]
mod tests {
    use lsm_bench_record::{OURS, Results};

    use super::*;

    fn folder(runs: &[(u32, &str, &str, f64)]) -> Folder {
        let main = Set::new("a".to_owned(), Results::for_tests(runs)).unwrap();
        Folder { main, random_keys: None, defaults: None, sizes: Vec::new(), parts: None }
    }

    /// Every row above 1, the worst first, and none below: the list cannot leave one out.
    #[test]
    fn losses_are_complete_and_the_worst_is_first() {
        let folder = folder(&[
            (1, OURS, "get", 3.0),
            (1, "redb", "get", 2.0),
            (1, OURS, "scan", 50.0),
            (1, "redb", "scan", 5.0),
            (1, OURS, "put", 1.0),
            (1, "redb", "put", 4.0),
        ]);
        let text = losses(&folder);
        let time = text.find("### Wall clock").unwrap();
        let (scan, get) = (text.find("| scan |").unwrap(), text.find("| get |").unwrap());
        assert!(time < scan && scan < get, "{text}");
        assert!(text.contains("| scan | 50.0 ns | redb: 5.00 ns | 10.0 | 10.0 to 10.0 |"));
        assert!(text.contains("| Wall clock per operation | 3 | 2 | 1 |"));
        assert!(!text.contains("| put |"));
        assert!(leads(&folder).contains("| put | 1.00 ns | redb: 4.00 ns | 0.25 |"));
    }

    #[test]
    fn rows_that_only_we_lost_are_named() {
        let mut folder = folder(&[(1, OURS, "kill", 1.0), (1, "fjall", "kill", 1.0)]);
        folder.main.results.runs[0].outcome.resources.rows_lost = Some(30_000);
        folder.main.results.runs[1].outcome.resources.rows_lost = Some(0);
        assert!(losses(&folder).contains("| kill | 30,000 | fjall: 0 |"));
        folder.main.results.runs[0].outcome.resources.rows_lost = Some(0);
        assert!(!losses(&folder).contains("### Rows that were gone"));
    }
}

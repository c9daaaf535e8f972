//! Which text stands in which section of the document.

use lsm_bench_record::{Choice, Figure, grouped};

use super::charts::Chart;
use super::document::Section;
use super::folder::{Folder, Set};
use super::markdown::Align;
use super::tables::{self, Line};
use super::{parts, setting, standing};

/// The tables that the section of the main comparison with this name shows.
const FIGURES: [(&str, &[Figure]); 7] = [
    ("time", &[Figure::Time]),
    ("worst", &[Figure::Worst]),
    ("cpu", &[Figure::Cpu]),
    ("memory", &[Figure::Memory]),
    ("written", &[Figure::Written, Figure::WrittenSettled]),
    ("disk", &[Figure::Disk, Figure::DiskSettled]),
    ("lost", &[Figure::Lost]),
];
/// What is shown against size.
const AGAINST_SIZE: [Figure; 4] =
    [Figure::Time, Figure::Memory, Figure::WrittenSettled, Figure::DiskSettled];

/// Every section of the document.
pub(super) fn all(folder: &Folder, charts: &[Chart]) -> Vec<Section> {
    let mut sections = vec![
        ("losses", standing::losses(folder)),
        ("leads", standing::leads(folder)),
        ("machine", setting::origin(folder)),
        ("engines", setting::engines(folder)),
    ];
    for (name, figures) in FIGURES {
        sections.push((name, of_main(&folder.main, figures, &images(charts, name))));
    }
    sections.extend([
        ("random-keys", of_times(folder.random_keys.as_ref())),
        ("defaults", of_times(folder.defaults.as_ref())),
        ("size", of_sizes(&folder.sizes, &images(charts, "size"))),
        ("failures", setting::failures(folder)),
        ("parts", parts::section(folder.parts.as_ref())),
        ("commands", setting::commands(folder)),
    ]);
    sections
}

/// The charts that a section shows, each in a paragraph of its own.
fn images(charts: &[Chart], section: &str) -> String {
    let its = charts.iter().filter(|chart| chart.section == section);
    its.map(|chart| format!("![{}](charts/{}.svg)\n\n", chart.alt, chart.name)).collect()
}

fn of_main(set: &Set, figures: &[Figure], images: &str) -> String {
    let mut text = format!("{}.\n\n{images}", capitalized(&setting::conditions(set)));
    for (index, figure) in figures.iter().enumerate() {
        if figures.len() > 1 {
            text.push_str(&format!("{}{}:\n\n", if index > 0 { "\n" } else { "" }, figure.about()));
        }
        match tables::of_figure(set, *figure) {
            Some(table) => text.push_str(&table),
            None => text.push_str("No workload that was measured has this figure.\n"),
        }
    }
    text
}

fn of_times(set: Option<&Set>) -> String {
    let Some(set) = set else { return "Not measured yet.\n".to_owned() };
    of_main(set, &[Figure::Time], "")
}

/// Rows by workload and, in each, by size.
fn of_sizes(sets: &[Set], images: &str) -> String {
    if sets.is_empty() {
        return "Not measured yet.\n".to_owned();
    }
    let mut text = images.to_owned();
    for (index, figure) in AGAINST_SIZE.into_iter().enumerate() {
        let lines = by_size(sets, figure);
        if !lines.is_empty() {
            let gap = if index > 0 { "\n" } else { "" };
            let leads = [("work", Align::Left), ("rows", Align::Right), ("rounds", Align::Right)];
            let table = tables::of_lines(&leads, &lines, figure);
            text.push_str(&format!("{gap}{}:\n\n{table}", figure.about()));
        }
    }
    text
}

fn by_size(sets: &[Set], figure: Figure) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    let mut works: Vec<String> = Vec::new();
    for set in sets {
        for row in set.results.rows(figure) {
            let work = row.name();
            if !works.contains(&work) {
                works.push(work.clone());
            }
            let conditions = &set.results.settings;
            let lead = vec![work, grouped(conditions.n), conditions.rounds.to_string()];
            lines.push(Line { lead, set, row });
        }
    }
    // Stable, so that sizes stay in their order.
    lines.sort_by_key(|line| works.iter().position(|work| *work == line.lead[0]));
    lines
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use lsm_bench_record::{OURS, Results};

    use super::*;

    fn folder() -> Folder {
        let runs = [(1, OURS, "fill", 4.0), (1, "redb", "fill", 8.0), (1, OURS, "get", 2.0)];
        let set = |n: u64| {
            let mut results = Results::for_tests(&runs);
            results.settings.n = n;
            Set::new(format!("{n}.json"), results).unwrap()
        };
        let sizes = vec![set(1_000), set(100_000)];
        Folder { main: set(3_000), random_keys: None, defaults: None, sizes, parts: None }
    }

    /// What was not measured says so, and sizes stand below each other for each workload.
    #[test]
    fn every_section_has_a_text() {
        let sections = all(&folder(), &[]);
        let text = |name: &str| &sections.iter().find(|(one, _)| *one == name).unwrap().1;
        assert!(sections.iter().all(|(_, text)| text.ends_with('\n')));
        assert_eq!(text("random-keys"), "Not measured yet.\n");
        let size = text("size");
        let place = |what: &str| size.find(what).unwrap();
        assert!(place("| fill | 1,000 | 1 |") < place("| fill | 100,000 | 1 |"), "{size}");
        assert!(place("| fill | 100,000 |") < place("| get | 1,000 |"), "{size}");
        assert!(text("commands").contains("--n 100000 --rounds 1"));
        assert!(text("lost").contains("No workload"));
        assert!(text("time").starts_with("3,000 rows of 16 + 100 bytes, decimal keys"));
    }

    /// The same results give the same bytes.
    #[test]
    fn sections_do_not_change_by_themselves() {
        assert_eq!(all(&folder(), &[]), all(&folder(), &[]));
    }
}

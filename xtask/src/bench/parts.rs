//! Criterion's figures as text: a table for each part.

use lsm_bench_record::{Figure, Part, Parts, grouped, short};

use super::date::day;
use super::markdown::{Align, table};
use super::setting::machine;

const NS_PER_S: f64 = 1e9;
const MIB: f64 = 1_048_576.0;

/// The section; that it has not been measured if there are no figures.
pub(super) fn section(parts: Option<&Parts>) -> String {
    let Some(parts) = parts else { return "Not measured yet.\n".to_owned() };
    let mut text = format!(
        "Measured until {} on {}. The median of a benchmark's passes, and its confidence interval; \
         per entry where a benchmark says how many entries a pass has.\n",
        day(parts.measured_unix_s),
        machine(&parts.machine),
    );
    let mut names: Vec<&str> = Vec::new();
    for name in parts.parts.iter().map(part_of) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    for name in names {
        let its = parts.parts.iter().filter(|part| part_of(part) == name);
        let lines: Vec<_> = its.map(|part| line(part, name)).collect();
        text.push_str(&format!("\n### {name}\n\n{}", table(&heads(), &lines)));
    }
    text
}

/// The part that a benchmark is about: the first word of its group.
fn part_of(part: &Part) -> &str {
    part.group.split('/').next().unwrap_or_default()
}

fn heads() -> [(&'static str, Align); 5] {
    [
        ("benchmark", Align::Left),
        ("time", Align::Right),
        ("confidence interval", Align::Right),
        ("of", Align::Left),
        ("per second", Align::Right),
    ]
}

fn line(part: &Part, name: &str) -> Vec<String> {
    let entries = part.elements.filter(|count| *count > 0);
    let per = entries.map_or(1.0, |count| count as f64);
    let text = |ns: f64| Figure::Time.text(ns / per);
    let of = match entries {
        Some(1) => "an entry".to_owned(),
        Some(count) => format!("an entry, of {}", grouped(count)),
        None => "a pass".to_owned(),
    };
    vec![
        benchmark(part, name),
        text(part.median_ns),
        format!(
            "{} to {} ({} %)",
            text(part.low_ns),
            text(part.high_ns),
            (part.confidence * 100.0).round()
        ),
        of,
        per_second(part, entries),
    ]
}

/// What is left of its full name when the part is known.
fn benchmark(part: &Part, name: &str) -> String {
    let group = part.group.strip_prefix(name).unwrap_or(&part.group).trim_start_matches('/');
    let words = [group, &part.function, &part.parameter];
    let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
    if words.is_empty() { name.to_owned() } else { words.join(", ") }
}

fn per_second(part: &Part, entries: Option<u64>) -> String {
    let passes = NS_PER_S / part.median_ns;
    let entries = entries.map(|count| format!("{} entries", short(passes * count as f64)));
    let bytes = part.bytes.map(|count| format!("{} MiB", short(passes * count as f64 / MIB)));
    let both: Vec<_> = entries.into_iter().chain(bytes).collect();
    if both.is_empty() { "-".to_owned() } else { both.join(", ") }
}

#[cfg(test)]
mod tests {
    use lsm_bench_record::{PARTS_FORMAT, Results};

    use super::*;

    #[test]
    fn a_pass_over_entries_is_told_per_entry() {
        let part = |group: &str, parameter: &str, elements| Part {
            group: group.to_owned(),
            function: "hit".to_owned(),
            parameter: parameter.to_owned(),
            median_ns: 2_000.0,
            low_ns: 1_900.0,
            high_ns: 2_100.0,
            confidence: 0.95,
            elements,
            bytes: None,
        };
        let parts = Parts {
            format: PARTS_FORMAT.to_owned(),
            measured_unix_s: 0,
            machine: Results::for_tests(&[]).machine,
            parts: vec![part("table/get", "decimal", Some(10)), part("reopen", "", None)],
        };
        let text = section(Some(&parts));
        assert!(text.contains("### table\n") && text.contains("### reopen\n"), "{text}");
        let line = "| get, hit, decimal | 200 ns | 190 ns to 210 ns (95 %) | an entry, of 10 | \
                    5,000,000 entries |";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("| hit | 2.00 µs | 1.90 µs to 2.10 µs (95 %) | a pass | - |"));
        assert!(section(None).contains("Not measured"));
    }
}

//! What the figures are from: machine, files, settings, engines and their promises, failures, and the
//! commands that measure again.

use std::collections::BTreeMap;

use lsm_bench_record::{Choice, Machine, Settings, grouped};

use super::date::day;
use super::folder::{Folder, Set};
use super::markdown::{Align, table};

const MIB: f64 = 1_048_576.0;

/// The conditions of one file in a line.
pub(super) fn conditions(set: &Set) -> String {
    let conditions = &set.results.settings;
    let rounds = match conditions.rounds {
        1 => "one round".to_owned(),
        rounds => format!("median of {rounds} rounds"),
    };
    format!(
        "{} rows of {} + {} bytes, {} keys, {} settings, {rounds}",
        grouped(conditions.n),
        conditions.key_bytes,
        conditions.value_bytes,
        conditions.keys,
        settings(conditions.settings),
    )
}

fn settings(settings: Settings) -> &'static str {
    match settings {
        Settings::Equal => "equal",
        Settings::Defaults => "default",
    }
}

/// In which of rows, keys and settings `set` is other than `main`.
pub(super) fn other_than(main: &Set, set: &Set) -> String {
    let (main, its) = (&main.results.settings, &set.results.settings);
    let mut words = Vec::new();
    if its.n != main.n {
        words.push(format!("{} rows", grouped(its.n)));
    }
    if its.keys != main.keys {
        words.push(format!("{} keys", its.keys));
    }
    if its.settings != main.settings {
        words.push(format!("{} settings", settings(its.settings)));
    }
    words.join(", ")
}

/// A machine in a line.
pub(super) fn machine(machine: &Machine) -> String {
    format!(
        "{}, {} cores, {} MiB of memory, Linux {}, {}",
        machine.cpu,
        machine.cores,
        grouped((machine.memory_bytes as f64 / MIB).round() as u64),
        machine.kernel,
        machine.file_system,
    )
}

/// Machine, files and settings.
pub(super) fn origin(folder: &Folder) -> String {
    let mut machines: Vec<(&Machine, Vec<&str>)> = Vec::new();
    for set in folder.sets() {
        let its = &set.results.machine;
        match machines.iter_mut().find(|(known, _)| *known == its) {
            Some((_, files)) => files.push(&set.file),
            None => machines.push((its, vec![&set.file])),
        }
    }
    let mut text = match machines.as_slice() {
        [(only, _)] => format!("Machine: {}.\n", machine(only)),
        several => several
            .iter()
            .map(|(one, files)| format!("- {}: {}.\n", files.join(", "), machine(one)))
            .collect(),
    };
    text.push_str(&format!("\n{}", files(folder)));
    let equal = &folder.main.results.settings;
    text.push_str(&format!(
        "\nEqual settings: a write buffer of {} MiB, a cache of {} MiB, filters of {} bits per key, \
         no compression.\n",
        grouped(equal.write_buffer_bytes >> 20),
        grouped(equal.cache_bytes >> 20),
        equal.filter_bits_per_key,
    ));
    text
}

fn files(folder: &Folder) -> String {
    let heads = [
        ("file", Align::Left),
        ("measured", Align::Left),
        ("rows", Align::Right),
        ("key + value bytes", Align::Right),
        ("keys", Align::Left),
        ("settings", Align::Left),
        ("rounds", Align::Right),
        ("time budget", Align::Right),
    ];
    let line = |set: &Set| {
        let conditions = &set.results.settings;
        vec![
            format!("`{}`", set.file),
            day(set.results.started_unix_s),
            grouped(conditions.n),
            format!("{} + {}", conditions.key_bytes, conditions.value_bytes),
            conditions.keys.name().to_owned(),
            conditions.settings.name().to_owned(),
            conditions.rounds.to_string(),
            format!("{} s", conditions.budget_s),
        ]
    };
    table(&heads, &folder.sets().map(line).collect::<Vec<_>>())
}

/// Versions, and what an acknowledged write survives.
pub(super) fn engines(folder: &Folder) -> String {
    let heads = [
        ("engine", Align::Left),
        ("version", Align::Left),
        ("in all workloads but the durable ones", Align::Left),
        ("in the durable workloads", Align::Left),
    ];
    let engines = folder.main.results.engines.iter().map(|engine| {
        vec![
            engine.name.clone(),
            engine.version.clone(),
            engine.plain_promise.clone(),
            engine.durable_promise.clone(),
        ]
    });
    table(&heads, &engines.collect::<Vec<_>>())
}

/// Runs without figures, runs that were not made, and runs that were not at rest when they should
/// have been.
pub(super) fn failures(folder: &Folder) -> String {
    let failed = folder.sets().flat_map(|set| {
        let conditions = conditions(set);
        set.results.failures.iter().map(move |failure| {
            vec![
                conditions.clone(),
                failure.round.to_string(),
                failure.engine.clone(),
                failure.workload.clone(),
                failure.error.clone(),
            ]
        })
    });
    let failed: Vec<_> = failed.collect();
    let mut text = if failed.is_empty() {
        "None: every run that was made gave its figures, and was verified to have done its work.\n"
            .to_owned()
    } else {
        let heads = ["conditions", "round", "engine", "work", "what it said"];
        table(&heads.map(|head| (head, Align::Left)), &failed)
    };
    let absent: Vec<_> = folder.sets().flat_map(not_made).collect();
    if !absent.is_empty() {
        let heads = ["file", "engine", "rounds made", "work"].map(|head| (head, Align::Left));
        text.push_str(&format!(
            "\nNot made, because the engine is left out of this work or measuring was stopped:\n\n{}",
            table(&heads, &absent)
        ));
    }
    let restless = folder.sets().flat_map(|set| {
        let runs = set.results.runs.iter().filter(|run| !run.outcome.resources.settled);
        runs.map(|run| {
            format!("{} by {} in round {} of `{}`", run.workload, run.engine, run.round, set.file)
        })
    });
    let restless: Vec<_> = restless.collect();
    if !restless.is_empty() {
        text.push_str(&format!(
            "\nBackground work had not come to rest when it was given up waiting for: {}.\n",
            restless.join("; ")
        ));
    }
    text
}

/// A line for each engine of a file, and for each number of rounds, of which there are too few.
fn not_made(set: &Set) -> Vec<Vec<String>> {
    let results = &set.results;
    let mut lines: Vec<Vec<String>> = Vec::new();
    for engine in &results.engines {
        let mut works: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for work in results.workloads() {
            let is_its = |its: &str, by: &str| its == work && by == engine.name;
            let ran = results.runs.iter().filter(|run| is_its(&run.workload, &run.engine));
            let failed = results.failures.iter().filter(|one| is_its(&one.workload, &one.engine));
            let made = ran.count() + failed.count();
            if made < results.settings.rounds as usize {
                works.entry(made).or_default().push(work);
            }
        }
        lines.extend(works.into_iter().map(|(made, works)| {
            let rounds = format!("{made} of {}", results.settings.rounds);
            vec![format!("`{}`", set.file), engine.name.clone(), rounds, works.join(", ")]
        }));
    }
    lines
}

/// The commands that measure every file again, from the folder of the program.
pub(super) fn commands(folder: &Folder) -> String {
    let mut text = "```sh\ncd benches/peers\n".to_owned();
    for set in folder.sets() {
        let results = &set.results;
        let conditions = &results.settings;
        let engines: Vec<_> = results.engines.iter().map(|engine| engine.name.as_str()).collect();
        text.push_str(&format!(
            "cargo run --release -- run --n {} --rounds {} --budget {}",
            conditions.n, conditions.rounds, conditions.budget_s
        ));
        text.push_str(&format!(" --keys {} --settings {}", conditions.keys, conditions.settings));
        text.push_str(&format!(" \\\n  --engines {}", engines.join(",")));
        text.push_str(&format!(" \\\n  --work {}", results.workloads().join(",")));
        text.push_str(&format!(" \\\n  --out ../results/{}\n", set.file));
    }
    text.push_str("```\n");
    text
}

#[cfg(test)]
mod tests {
    use lsm_bench_record::{OURS, Results, Shape};

    use super::*;

    fn set(runs: &[(u32, &str, &str, f64)]) -> Set {
        Set::new("a.json".to_owned(), Results::for_tests(runs)).unwrap()
    }

    /// A run that is neither there nor failed is named: nothing goes missing silently.
    #[test]
    fn runs_that_were_not_made_are_named() {
        let whole = set(&[(1, OURS, "get", 1.0), (1, "redb", "get", 1.0)]);
        assert!(not_made(&whole).is_empty());
        let partial = set(&[(1, OURS, "get", 1.0), (1, "redb", "get", 1.0), (2, OURS, "get", 1.0)]);
        assert_eq!(not_made(&partial), [["`a.json`", "redb", "1 of 2", "get"]]);
        let left_out =
            set(&[(1, OURS, "get", 1.0), (1, OURS, "put", 1.0), (1, "sled", "get", 1.0)]);
        assert_eq!(not_made(&left_out), [["`a.json`", "sled", "0 of 1", "put"]]);
    }

    #[test]
    fn only_what_differs_is_told_of_other_conditions() {
        let (main, mut other) = (set(&[(1, OURS, "get", 1.0)]), set(&[(1, OURS, "get", 1.0)]));
        assert_eq!(other_than(&main, &other), "");
        other.results.settings.keys = Shape::Random;
        other.results.settings.settings = Settings::Defaults;
        assert_eq!(other_than(&main, &other), "random keys, default settings");
        other.results.settings.n = 10_000_000;
        assert!(other_than(&main, &other).starts_with("10,000,000 rows, "));
    }
}

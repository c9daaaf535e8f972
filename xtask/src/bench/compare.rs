//! What changed between two files of results by more than their rounds differ among themselves.
//!
//! - A change counts if the ranges of the rounds do not overlap, and the medians differ by more than
//!   the wider range is of its median, and by more than [`SMALLEST_CHANGE`].
//! - With one round on a side the noise is unknown, and nothing is said.
//! - Times of two files are from two moments of a machine that others share. What the other engines
//!   did meanwhile stands beside each change: if they moved as far, the machine did.
//!
//! It is an instrument and no gate: what changed is for the reader to judge.

use std::path::Path;

use lsm_bench_record::{
    Choice, Conditions, EngineRecord, Figure, Results, Rounds, Row, aligned, grouped, median,
};

use super::Error;
use super::date::day;

/// Figures are not finer than this: a block of the disk, a page of memory, a tick of a clock.
const SMALLEST_CHANGE: f64 = 0.005;

/// The text that says what changed from the file `a` to the file `b`: for `engine`, or for all; by
/// `figure`, or by all.
///
/// # Errors
///
/// A file cannot serve, the two were not measured under the same conditions, or no figure is in both.
pub fn compare(
    a: &Path,
    b: &Path,
    engine: Option<&str>,
    figure: Option<Figure>,
) -> Result<String, Error> {
    let (before, after) = (Results::load(a)?, Results::load(b)?);
    let names = [a.display().to_string(), b.display().to_string()];
    same_conditions(&before, &after, &names)?;
    for (results, name) in [(&before, &names[0]), (&after, &names[1])] {
        if let Some(engine) = engine.filter(|engine| results.engine(engine).is_none()) {
            let known: Vec<_> = results.engines.iter().map(|one| one.name.as_str()).collect();
            let known = known.join(", ");
            return Err(Error::input(format!("no engine `{engine}` in {name}; it has {known}")));
        }
    }
    let figures = figure.as_ref().map_or(Figure::ALL, std::slice::from_ref);
    let comparison = Comparison::of(&before, &after, engine, figures);
    if comparison.judged + comparison.unknown == 0 {
        return Err(Error::input("nothing that was asked for is in both files"));
    }
    let mut text = String::new();
    for (letter, results, name) in [("A", &before, &names[0]), ("B", &after, &names[1])] {
        let (rounds, day) = (results.settings.rounds, day(results.started_unix_s));
        text.push_str(&format!("{letter}: {name}, measured {day}, rounds: {rounds}\n"));
    }
    for warning in warnings(&before, &after) {
        text.push_str(&format!("warning: {warning}\n"));
    }
    text.push_str(&comparison.text());
    Ok(text)
}

/// Other rows are other work: there is nothing to compare.
fn same_conditions(a: &Results, b: &Results, names: &[String; 2]) -> Result<(), Error> {
    let told = |conditions: &Conditions| {
        format!(
            "{} rows of {} + {} bytes, {} keys, {} settings",
            grouped(conditions.n),
            conditions.key_bytes,
            conditions.value_bytes,
            conditions.keys,
            conditions.settings
        )
    };
    let (in_a, in_b) = (told(&a.settings), told(&b.settings));
    if in_a == in_b {
        return Ok(());
    }
    let text = format!("cannot compare: {} has {in_a}; {} has {in_b}", names[0], names[1]);
    Err(Error::input(text))
}

/// What else differs and may be why the figures do.
fn warnings(a: &Results, b: &Results) -> Vec<String> {
    let mut warnings = Vec::new();
    if a.machine != b.machine {
        warnings.push("the machines differ; the ratios within each file are what is left".into());
    }
    let sizes = |results: &Results| {
        let conditions = &results.settings;
        (
            conditions.write_buffer_bytes,
            conditions.cache_bytes,
            conditions.filter_bits_per_key,
            conditions.budget_s,
        )
    };
    if sizes(a) != sizes(b) {
        warnings.push("the sizes of buffer, cache or filter, or the time budgets, differ".into());
    }
    for engine in &a.engines {
        let other = b.engines.iter().find(|other| other.name == engine.name);
        if let Some(other) = other.filter(|other| other.version != engine.version) {
            let (name, from, to) = (&engine.name, &engine.version, &other.version);
            warnings.push(format!("{name} is {from} in A and {to} in B"));
        }
    }
    for (letter, results) in [("A", a), ("B", b)] {
        let count = results.failures.len();
        if count > 0 {
            warnings.push(format!("{count} runs of {letter} failed, and are missing here"));
        }
    }
    warnings
}

/// One figure of one row of one engine that changed.
#[derive(Debug)]
struct Change {
    engine: String,
    work: String,
    figure: Figure,
    before: f64,
    after: f64,
    /// By which part of A it grew.
    change: f64,
    /// The wider range of the rounds, as a part of its median.
    noise: f64,
    /// The median change of the other engines in the same row.
    drift: Option<f64>,
}

/// One engine in one row of both files: its medians, and what they say.
struct Pair {
    engine: String,
    before: f64,
    after: f64,
    verdict: Verdict,
}

#[derive(Debug, Default)]
struct Comparison {
    changes: Vec<Change>,
    /// How many figures had a noise to be compared with, and how many had none.
    judged: usize,
    unknown: usize,
}

impl Comparison {
    fn of(a: &Results, b: &Results, engine: Option<&str>, figures: &[Figure]) -> Comparison {
        let mut comparison = Comparison::default();
        for &figure in figures {
            let rows = b.rows(figure);
            for before in a.rows(figure) {
                let same =
                    |row: &&Row| row.workload == before.workload && row.measure == before.measure;
                if let Some(after) = rows.iter().find(same) {
                    comparison.add(a, b, (&before, after), engine, figure);
                }
            }
        }
        comparison
    }

    /// Adds what the engines did in one row, which is given as it is in both files.
    fn add(
        &mut self,
        a: &Results,
        b: &Results,
        (before, after): (&Row, &Row),
        only: Option<&str>,
        figure: Figure,
    ) {
        let pair = |(index, engine): (usize, &EngineRecord)| {
            let (from, to) = (&before.cells[index], &after.cells[b.engine(&engine.name)?]);
            let engine = engine.name.clone();
            Some(Pair {
                engine,
                before: from.median()?,
                after: to.median()?,
                verdict: judge(from, to),
            })
        };
        let pairs: Vec<_> = a.engines.iter().enumerate().filter_map(pair).collect();
        for pair in pairs.iter().filter(|pair| only.is_none_or(|only| only == pair.engine)) {
            match pair.verdict {
                Verdict::Unknown => self.unknown += 1,
                Verdict::Within => self.judged += 1,
                Verdict::Changed { change, noise } => {
                    self.judged += 1;
                    let others = pairs.iter().filter(|other| other.engine != pair.engine);
                    let others = others.filter(|other| other.before > 0.0);
                    self.changes.push(Change {
                        engine: pair.engine.clone(),
                        work: before.name(),
                        figure,
                        before: pair.before,
                        after: pair.after,
                        change,
                        noise,
                        drift: median(others.map(|other| other.after / other.before - 1.0)),
                    });
                }
            }
        }
    }

    fn text(mut self) -> String {
        self.changes.sort_by(|one, other| other.change.total_cmp(&one.change));
        let (more, mut less): (Vec<_>, Vec<_>) =
            self.changes.iter().partition(|change| change.change > 0.0);
        less.reverse();
        let mut text = String::new();
        for (head, changes) in [("B takes more than A", more), ("B takes less than A", less)] {
            text.push_str(&format!("\n{head}: {}\n", changes.len()));
            if !changes.is_empty() {
                text.push_str(&format!("\n{}", lines(&changes)));
            }
        }
        text.push_str(&format!(
            "\n{} figures compared; those not listed changed by no more than their noise.\n",
            grouped(self.judged as u64)
        ));
        if self.unknown > 0 {
            text.push_str(&format!(
                "{} figures have one round on a side: their noise is unknown, nothing is said \
                 about them.\n",
                grouped(self.unknown as u64)
            ));
        }
        text
    }
}

/// What two sides say about each other.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    /// A side has no noise to compare with.
    Unknown,
    /// The change is within the noise.
    Within,
    /// It is not.
    Changed { change: f64, noise: f64 },
}

fn judge(a: &Rounds, b: &Rounds) -> Verdict {
    let (Some(before), Some(after), Some((low_a, high_a)), Some((low_b, high_b))) =
        (a.median(), b.median(), a.range(), b.range())
    else {
        return Verdict::Unknown;
    };
    if a.count() < 2 || b.count() < 2 {
        return Verdict::Unknown;
    }
    let spread =
        |low: f64, high: f64, median: f64| if high > low { (high - low) / median } else { 0.0 };
    let noise = spread(low_a, high_a, before).max(spread(low_b, high_b, after));
    let overlapping = low_a <= high_b && low_b <= high_a;
    // From nothing to something is an infinite change, and from nothing to nothing overlaps.
    let change = after / before - 1.0;
    if overlapping || change.abs() <= noise.max(SMALLEST_CHANGE) {
        Verdict::Within
    } else {
        Verdict::Changed { change, noise }
    }
}

fn lines(changes: &[&Change]) -> String {
    let heads = ["engine", "work", "figure", "A", "B", "change", "noise", "other engines"];
    let mut lines = vec![heads.map(str::to_owned).to_vec()];
    for change in changes {
        lines.push(vec![
            change.engine.clone(),
            change.work.clone(),
            change.figure.name().to_owned(),
            change.figure.text(change.before),
            change.figure.text(change.after),
            percent(change.change),
            format!("{:.1} %", change.noise * 100.0),
            change.drift.map_or_else(|| "-".to_owned(), percent),
        ]);
    }
    aligned(&lines)
}

fn percent(part: f64) -> String {
    if part.is_finite() { format!("{:+.1} %", part * 100.0) } else { "from none".to_owned() }
}

#[cfg(test)]
mod tests {
    use lsm_bench_record::OURS;

    use super::*;

    fn rounds(values: &[f64]) -> Rounds {
        Rounds::new((1..).zip(values.iter().copied()))
    }

    fn judged(a: &[f64], b: &[f64]) -> Verdict {
        judge(&rounds(a), &rounds(b))
    }

    /// Apart, and by more than the rounds of either side differ.
    #[test]
    fn a_change_has_to_exceed_the_noise_of_both_sides() {
        let Verdict::Changed { change, noise } = judged(&[10.0, 11.0, 10.5], &[20.0, 21.0, 22.0])
        else {
            panic!("twice as much is a change");
        };
        assert!((change - 1.0).abs() < 1e-9 && (noise - 1.0 / 10.5).abs() < 1e-9);
        // The ranges overlap, although the medians are far apart.
        assert_eq!(judged(&[10.0, 10.0, 30.0], &[20.0, 20.0, 20.0]), Verdict::Within);
        // They do not, but one side alone differs by more than the change.
        assert_eq!(judged(&[10.0, 12.0, 14.0], &[14.5, 15.0, 15.5]), Verdict::Within);
        // Nothing differs, but the change is finer than the figures are.
        assert_eq!(judged(&[1.000, 1.000], &[1.001, 1.001]), Verdict::Within);
    }

    #[test]
    fn one_round_has_no_noise() {
        assert_eq!(judged(&[10.0], &[20.0, 20.0]), Verdict::Unknown);
        assert_eq!(judged(&[10.0, 10.0], &[20.0]), Verdict::Unknown);
    }

    #[test]
    fn from_none_to_some_is_a_change() {
        assert_eq!(judged(&[0.0, 0.0], &[0.0, 0.0]), Verdict::Within);
        let Verdict::Changed { change, .. } = judged(&[0.0, 0.0], &[3.0, 3.0]) else {
            panic!("it is a change");
        };
        assert_eq!(percent(change), "from none");
    }

    fn results(ours: f64, others: f64) -> Results {
        let mut runs = Vec::new();
        for round in 1..=3 {
            runs.push((round, OURS, "get", ours + f64::from(round)));
            runs.push((round, "redb", "get", others + f64::from(round)));
            runs.push((round, "sled", "get", others + f64::from(round)));
        }
        Results::for_tests(&runs)
    }

    /// What the others did in the same row stands beside it.
    #[test]
    fn the_other_engines_are_the_control() {
        let (a, b) = (results(1_000.0, 2_000.0), results(500.0, 3_000.0));
        let text = Comparison::of(&a, &b, Some(OURS), &[Figure::Time]).text();
        let line = text.lines().find(|line| line.starts_with(OURS)).unwrap();
        assert!(line.contains("-49.9 %") && line.ends_with("+50.0 %"), "{line}");
        assert!(text.contains("B takes more than A: 0"), "{text}");
        assert!(text.contains("1 figures compared"), "{text}");
        let all = Comparison::of(&a, &b, None, &[Figure::Time]).text();
        assert!(all.contains("B takes more than A: 2"), "{all}");
    }

    #[test]
    fn what_cannot_be_compared_is_bad_input() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a.json"), dir.path().join("b.json"));
        let mut other = results(1.0, 2.0);
        other.save(&a).unwrap();
        other.settings.n += 1;
        other.save(&b).unwrap();
        let refused = |b: &Path, engine: Option<&str>, figure: Option<Figure>, why: &str| {
            let error = compare(&a, b, engine, figure).unwrap_err();
            assert!(error.is_bad_input() && error.to_string().contains(why), "{error}");
        };
        refused(&b, None, None, "cannot compare");
        refused(&a, Some("rocksdb"), None, "no engine `rocksdb`");
        refused(&a, None, Some(Figure::Lost), "in both files");
        refused(&dir.path().join("absent"), None, None, "cannot read");
        other.format = "lsm-peers/0".to_owned();
        other.save(&b).unwrap();
        refused(&b, None, None, "lsm-peers/0");
        assert!(compare(&a, &a, None, None).unwrap().contains("B takes more than A: 0"));
    }
}

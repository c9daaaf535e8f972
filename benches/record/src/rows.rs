//! One figure of a file as rows: workloads down, engines across, all rounds in each cell.
//!
//! What we take of what the best other store takes is a ratio within each round, where both had the
//! same machine, and its median over the rounds. The best other store is the one with the lowest
//! median. A round in which one of the two failed has no ratio.

use std::collections::BTreeMap;

use crate::figure::Figure;
use crate::results::Results;

/// The rounds of one engine in one row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rounds {
    by_round: BTreeMap<u32, f64>,
    /// The budget stopped it in at least one of them.
    pub cut: bool,
}

/// One workload, or one measure of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// The workload.
    pub workload: String,
    /// The measure; empty if the workload has one, or the figure is the run's.
    pub measure: String,
    /// One for each engine of the file, in its order.
    pub cells: Vec<Rounds>,
}

/// What one engine takes of what the best other takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The best other.
    pub other: usize,
    /// The median of the rounds.
    pub median: f64,
    /// The lowest round.
    pub lowest: f64,
    /// The highest round.
    pub highest: f64,
}

impl Rounds {
    /// Rounds by their numbers.
    pub fn new(rounds: impl IntoIterator<Item = (u32, f64)>) -> Self {
        Self { by_round: rounds.into_iter().collect(), cut: false }
    }

    /// How many rounds gave a figure.
    #[must_use]
    pub fn count(&self) -> usize {
        self.by_round.len()
    }

    /// The median, if there is a round.
    #[must_use]
    pub fn median(&self) -> Option<f64> {
        median(self.by_round.values().copied())
    }

    /// The lowest and the highest round.
    #[must_use]
    pub fn range(&self) -> Option<(f64, f64)> {
        range(self.by_round.values().copied())
    }
}

impl Row {
    /// `workload`, or `workload.measure`.
    #[must_use]
    pub fn name(&self) -> String {
        let dot = if self.measure.is_empty() { "" } else { "." };
        format!("{}{dot}{}", self.workload, self.measure)
    }

    /// The medians of the engines.
    #[must_use]
    pub fn medians(&self) -> Vec<Option<f64>> {
        self.cells.iter().map(Rounds::median).collect()
    }

    /// The lowest of the medians.
    #[must_use]
    pub fn best(&self) -> Option<f64> {
        self.medians().into_iter().flatten().reduce(f64::min)
    }

    /// What `ours` takes of what the best other takes; nothing if there is no round of both, or
    /// nothing to divide by.
    #[must_use]
    pub fn ratio(&self, ours: usize) -> Option<Ratio> {
        let others = self.cells.iter().enumerate().filter(|&(engine, _)| engine != ours);
        let medians = others.filter_map(|(engine, cell)| Some((engine, cell.median()?)));
        let (other, _) = medians.min_by(|a, b| a.1.total_cmp(&b.1))?;
        let theirs = &self.cells[other].by_round;
        let our_rounds = self.cells[ours].by_round.iter();
        let ratios = our_rounds.filter_map(|(round, our)| Some(our / theirs.get(round)?));
        let ratios: Vec<_> = ratios.filter(|ratio| ratio.is_finite()).collect();
        let (lowest, highest) = range(ratios.iter().copied())?;
        Some(Ratio { other, median: median(ratios)?, lowest, highest })
    }
}

impl Results {
    /// The rows that have `figure`, in the order of their first run.
    #[must_use]
    pub fn rows(&self, figure: Figure) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for run in &self.runs {
            let Some(engine) = self.engine(&run.engine) else { continue };
            for taken in figure.of(run) {
                let is_its =
                    |row: &Row| row.workload == run.workload && row.measure == taken.measure;
                let index = rows.iter().position(is_its).unwrap_or_else(|| {
                    rows.push(Row {
                        workload: run.workload.clone(),
                        measure: taken.measure.clone(),
                        cells: vec![Rounds::default(); self.engines.len()],
                    });
                    rows.len() - 1
                });
                let cell = &mut rows[index].cells[engine];
                cell.by_round.insert(run.round, taken.value);
                cell.cut |= taken.cut;
            }
        }
        rows
    }
}

/// The value in the middle, or between the two in the middle.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        len if len % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

fn range(values: impl Iterator<Item = f64> + Clone) -> Option<(f64, f64)> {
    Some((values.clone().reduce(f64::min)?, values.reduce(f64::max)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::OURS;

    fn row(cells: &[&[f64]]) -> Row {
        let rounds = |values: &&[f64]| Rounds::new((1..).zip(values.iter().copied()));
        let cells = cells.iter().map(rounds).collect();
        Row { workload: "get".to_owned(), measure: String::new(), cells }
    }

    /// The second round was slow for both, which the ratio does not see.
    #[test]
    fn a_ratio_is_taken_within_its_round() {
        let ratio = row(&[&[1.0, 10.0, 1.5], &[2.0, 20.0, 3.0]]).ratio(0).unwrap();
        assert_eq!(ratio, Ratio { other: 1, median: 0.5, lowest: 0.5, highest: 0.5 });
    }

    #[test]
    fn the_best_other_has_the_lowest_median() {
        let ratio = row(&[&[4.0, 6.0], &[9.0, 9.0], &[2.0, 3.0]]).ratio(0).unwrap();
        assert_eq!((ratio.other, ratio.median), (2, 2.0));
        // It is about any engine, and never compares one with itself.
        assert_eq!(row(&[&[4.0, 6.0], &[2.0, 3.0]]).ratio(1).unwrap().other, 0);
    }

    /// A failed round, an engine that is alone, and nothing to divide by.
    #[test]
    fn what_has_no_counterpart_has_no_ratio() {
        let ratio = row(&[&[4.0, 6.0], &[2.0]]).ratio(0).unwrap();
        assert_eq!((ratio.lowest, ratio.highest), (2.0, 2.0));
        assert_eq!(row(&[&[4.0]]).ratio(0), None);
        assert_eq!(row(&[&[4.0], &[]]).ratio(0), None);
        assert_eq!(row(&[&[], &[4.0]]).ratio(0), None);
        assert_eq!(row(&[&[4.0], &[0.0]]).ratio(0), None);
    }

    #[test]
    fn rows_hold_every_round_of_every_engine() {
        let results = Results::for_tests(&[
            (1, OURS, "get", 5.0),
            (2, OURS, "get", 7.0),
            (1, "redb", "get", 6.0),
        ]);
        let rows = results.rows(Figure::Time);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].medians(), [Some(6.0), Some(6.0)]);
        assert_eq!(rows[0].cells[0].range(), Some((5.0, 7.0)));
        assert_eq!(rows[0].cells[1].count(), 1);
        assert!(results.rows(Figure::Lost).is_empty());
    }
}

//! How many bits a new table's filter spends on a key.
//!
//! All filters together have [`BITS_PER_KEY`] bits for each key. They are shared out by
//! the keys of runs, as Monkey has it (Dayan, Athanassoulis, Idreos, SIGMOD 2017):
//! a get of a missing key pays the sum of all runs' rates of false answers, about
//! `exp(-bits ln(2)^2)` each, which is least where each rate is in proportion to the
//! run's keys. `lsm_compaction::filter_bits` works that out for a list of runs; here it
//! is said which runs a new one will stand among.
//!
//! * What a flush makes stands among all runs there are.
//! * What a merge makes stands among the runs that it does not take. One that takes the
//!   oldest makes the largest run, above which there will soon be runs like those it
//!   took: they count too, so that bits are left for them.
//! * More than [`BITS_PER_KEY`] are spent only if other filters have left them; then
//!   what was written when runs were other than now cannot add up to more.

use std::collections::BTreeSet;

use lsm_compaction::{Plan, filter_bits};
use lsm_types::RunNo;

use crate::view::{LiveRun, Tables};

/// Bits of filter for a key, over all filters.
const BITS_PER_KEY: usize = 10;

/// For the filters of what a flush of so many keys makes.
pub(crate) fn for_flush(tables: &Tables, keys: u64) -> Option<usize> {
    let others = sizes(tables, &BTreeSet::new());
    bits(&others, Spent::of(tables, &BTreeSet::new()), keys)
}

/// For the filters of what a merge makes. Its slices all come to the same.
pub(crate) fn for_merge(tables: &Tables, plan: &Plan) -> Option<usize> {
    let taken: BTreeSet<RunNo> = plan.runs.iter().copied().collect();
    let all = Spent::of(tables, &BTreeSet::new());
    let left = Spent::of(tables, &taken);
    let merged = all.keys - left.keys;
    let above = if plan.is_bottom { BTreeSet::from([plan.base]) } else { taken };
    bits(&sizes(tables, &above), left, merged)
}

/// What the filters of some runs have cost.
#[derive(Clone, Copy, Debug)]
struct Spent {
    keys: u64,
    bits: u64,
}

impl Spent {
    fn of(tables: &Tables, without: &BTreeSet<RunNo>) -> Self {
        let mut spent = Self { keys: 0, bits: 0 };
        for (number, run) in tables.version.runs() {
            if !without.contains(number) {
                spent.keys += run.tables.iter().map(|table| table.entries).sum::<u64>();
            }
        }
        let kept = |run: &&std::sync::Arc<LiveRun>| !without.contains(&run.number);
        let filters = tables.runs.iter().filter(kept).flat_map(|run| &run.tables);
        spent.bits = filters.map(|live| live.table.filter_bits()).sum();
        spent
    }
}

/// The keys of each run.
fn sizes(tables: &Tables, without: &BTreeSet<RunNo>) -> Vec<u64> {
    let runs = tables.version.runs().iter().filter(|(number, _)| !without.contains(number));
    runs.map(|(_, run)| run.tables.iter().map(|table| table.entries).sum()).collect()
}

fn bits(others: &[u64], spent: Spent, keys: u64) -> Option<usize> {
    if !cfg!(feature = "bloom") {
        return None;
    }
    let mut runs = others.to_vec();
    runs.push(keys.max(1));
    let share = filter_bits(&runs, BITS_PER_KEY as f64).pop().unwrap_or(BITS_PER_KEY as f64);
    let budget = BITS_PER_KEY as u64 * (spent.keys + keys);
    let left = budget.saturating_sub(spent.bits) / keys.max(1);
    Some((share.round() as usize).clamp(1, BITS_PER_KEY.max(left as usize)))
}

#[cfg(feature = "bloom")]
#[cfg(test)]
mod tests {
    use super::*;

    /// The expected sum of false answers, over runs of so many keys and bits.
    fn misses(runs: &[(u64, usize)]) -> f64 {
        runs.iter().map(|(_, bits)| (-(*bits as f64) * 0.480_453).exp()).sum()
    }

    /// Flushes of so many keys each, above what is there.
    fn flush(runs: &mut Vec<(u64, usize)>, keys: u64) {
        let others: Vec<u64> = runs.iter().map(|(keys, _)| *keys).collect();
        let spent = Spent { keys: others.iter().sum(), bits: spent(runs) };
        runs.push((keys, bits(&others, spent, keys).unwrap()));
    }

    fn spent(runs: &[(u64, usize)]) -> u64 {
        runs.iter().map(|(keys, bits)| keys * *bits as u64).sum()
    }

    #[test]
    fn small_runs_get_more_the_largest_fewer_all_together_no_more_and_false_answers_fall() {
        for (lower, upper) in [(1_000_000, 40_000), (10_000_000, 200_000), (400_000, 100_000)] {
            // The lower run, written by a merge that took four like those to come.
            let none = Spent { keys: 0, bits: 0 };
            let mut runs = vec![(lower, bits(&[upper; 4], none, lower).unwrap())];
            assert!(runs[0].1 < BITS_PER_KEY, "{runs:?}");
            for _ in 0..4 {
                flush(&mut runs, upper);
            }
            let keys: u64 = runs.iter().map(|(keys, _)| keys).sum();
            let uniform: Vec<_> = runs.iter().map(|(keys, _)| (*keys, BITS_PER_KEY)).collect();
            assert!(spent(&runs) <= keys * BITS_PER_KEY as u64, "{runs:?}");
            assert!(runs[1].1 > BITS_PER_KEY, "{runs:?}");
            assert!(misses(&runs) < 0.9 * misses(&uniform), "{runs:?}");
        }
    }

    #[test]
    fn flushes_that_pile_up_spend_no_more_than_there_is() {
        // As a sequential load does, whose flushes all join one run.
        let mut runs = Vec::new();
        for _ in 0..200 {
            flush(&mut runs, 10_000);
        }
        assert!(runs.iter().all(|(_, bits)| *bits == BITS_PER_KEY), "{runs:?}");
    }
}

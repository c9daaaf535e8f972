//! Which runs to merge next.
//!
//! As soon as there are `trigger` runs, a stretch of neighbours is merged: as many
//! as bring the count below the trigger, but no more than [`MAX_INPUTS`] at once;
//! of all such stretches the one with the fewest bytes, the newest of equal ones;
//! and then every older neighbour that is not larger than what has been collected
//! so far. Sizes then grow at least twofold with age, so that each byte is merged
//! about log2(size / memtable) times. (A first policy; docs/ARCHITECTURE.md says
//! what replaces it.)

use std::collections::BTreeSet;

use lsm_manifest::Version;
use lsm_types::{RunNo, TableNo};

/// The most runs that one merge takes: a backlog is worked off in pieces that end.
const MAX_INPUTS: usize = 16;

/// What the policy is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PickOptions {
    /// As many runs as this are too many; at least two. `usize::MAX` never merges.
    pub trigger: usize,
}

/// Runs to merge into one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergePlan {
    /// The inputs, newest first: a contiguous stretch of the order of age.
    pub inputs: Vec<RunNo>,
    /// The number that the output takes: that of the oldest input.
    pub output: RunNo,
    /// The output's level.
    pub level: u8,
}

/// The next merge, or `None` when there is nothing to do or what would have to be
/// merged is busy.
#[must_use]
pub fn pick(
    version: &Version,
    busy: &BTreeSet<TableNo>,
    options: PickOptions,
) -> Option<MergePlan> {
    let count = version.runs().len();
    let trigger = options.trigger.max(2);
    if trigger == usize::MAX || count < trigger {
        return None;
    }
    // Newest first, as the plan will have them.
    let runs: Vec<_> =
        version.runs().iter().rev().map(|(no, run)| (*no, run.file_bytes())).collect();
    let needed = (count - trigger + 2).clamp(2, MAX_INPUTS);
    let total = |stretch: &[(RunNo, u64)]| stretch.iter().map(|(_, bytes)| bytes).sum::<u64>();
    let is_busy = |run: &RunNo| {
        let mut tables = version.runs().get(run).into_iter().flat_map(|run| &run.tables);
        tables.any(|table| busy.contains(&table.number))
    };
    let free = |stretch: &[(RunNo, u64)]| !stretch.iter().any(|(run, _)| is_busy(run));
    let (start, stretch) = runs
        .windows(needed)
        .enumerate()
        .filter(|(_, stretch)| free(stretch))
        .min_by_key(|(_, stretch)| total(stretch))?;
    let mut bytes = total(stretch);
    let mut inputs: Vec<_> = stretch.iter().map(|(run, _)| *run).collect();
    for (run, size) in runs.iter().skip(start + needed) {
        if *size > bytes || inputs.len() >= MAX_INPUTS || is_busy(run) {
            break;
        }
        bytes += size;
        inputs.push(*run);
    }
    let output = *inputs.last()?;
    // What holds the oldest data is the lower run.
    let level = u8::from(version.runs().keys().next() == Some(&output));
    Some(MergePlan { inputs, output, level })
}

//! Which runs to merge next.
//!
//! As soon as there are `trigger` runs, the newest are merged: as many as bring
//! the count below the trigger, and then every older neighbour that is not larger
//! than what has been collected so far. Sizes then grow at least twofold with age,
//! so that each byte is merged about log2(size / memtable) times and the count
//! stays bounded. (A first policy; docs/ARCHITECTURE.md says what replaces it.)

use std::collections::BTreeSet;

use lsm_manifest::{Run, Version};
use lsm_types::{RunNo, TableNo};

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

/// The next merge, or `None` when there is nothing to do or its inputs are busy.
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
    let needed = count - trigger + 2;
    let mut inputs = Vec::new();
    let mut bytes = 0_u64;
    for (number, run) in version.runs().iter().rev() {
        let size = run.file_bytes();
        if inputs.len() >= needed && size > bytes {
            break;
        }
        bytes += size;
        inputs.push(*number);
    }
    let is_busy = |run: &Run| run.tables.iter().any(|table| busy.contains(&table.number));
    if inputs.iter().filter_map(|run| version.runs().get(run)).any(is_busy) {
        return None;
    }
    let output = *inputs.last()?;
    // What holds the oldest data is the lower run.
    let level = u8::from(version.runs().keys().next() == Some(&output));
    Some(MergePlan { inputs, output, level })
}

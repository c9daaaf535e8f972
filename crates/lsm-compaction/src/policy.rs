//! What the policy is told: its settings, what is taken already, and whether
//! anybody is writing.

use std::collections::BTreeSet;

use lsm_types::{RunNo, TableNo};

use crate::Plan;

/// Upper runs go into the lower one when they reach one part in so many of it. An
/// upper byte may stand for a stale one below, so this is what bounds space: 1.25.
pub(crate) const LOWER_PART: u64 = 4;
/// At rest, where credit pays for it, they go from this part on: 1.125.
pub(crate) const LOWER_PART_AT_REST: u64 = 8;
/// While writing, tiers are let grow to so many times the trigger.
const WRITING_FACTOR: usize = 2;
/// At rest, neighbours are merged whose sizes are within this factor.
pub(crate) const NEIGHBOUR_FACTOR: u64 = 4;
/// A table at the bottom is written anew when one entry in so many is a tombstone.
pub(crate) const DENSE_PART: u64 = 4;
/// Tables of the oldest run are crumbs below one part in so many of what tables of such a run
/// should have.
pub(crate) const CRUMB_PART: u64 = 8;
/// The most runs that one merge takes: it opens a cursor for each of them.
pub(crate) const MAX_INPUTS: usize = 64;
/// The most tables that one edit moves.
pub(crate) const MAX_MOVES: usize = 256;
/// Tables are small below one part in so many of the largest size.
const SMALL_PART: u64 = 64;
/// The smallest size to which outputs are cut is one part in so many of the largest.
const LEAST_PART: u64 = 8;
/// So many tables make up a run before they become larger.
const TABLES_PER_RUN: u64 = 64;

/// The settings of the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// A store at rest has fewer runs than this; at least two. `usize::MAX` switches
    /// off every merge.
    pub trigger: usize,
    /// While somebody writes, a tier is full with so many times as many runs as the trigger
    /// says: what is merged at once is written once.
    pub writing_factor: usize,
    /// The size of the largest tables, in bytes. Those of small runs are smaller, down
    /// to an eighth.
    pub table_bytes: u64,
    /// A slice of a merge ends where it has taken in so many bytes, give or take a
    /// table of each input.
    pub slice_bytes: u64,
    /// Tables and flushes below this many bytes are written anew rather than moved or
    /// joined to a run, so that runs do not crumble.
    pub small_bytes: u64,
}

impl Policy {
    /// The policy for this trigger and this size of the largest tables.
    #[must_use]
    pub fn new(trigger: usize, table_bytes: u64) -> Self {
        let slice_bytes = table_bytes.saturating_mul(2);
        let (writing_factor, small_bytes) = (WRITING_FACTOR, table_bytes / SMALL_PART);
        Self { trigger, writing_factor, table_bytes, slice_bytes, small_bytes }
    }

    /// The trigger in force; `None` if nothing is ever merged.
    pub(crate) fn trigger(&self) -> Option<usize> {
        (self.trigger != usize::MAX).then_some(self.trigger.max(2))
    }

    /// How many runs make a tier full.
    pub(crate) fn full_tier(&self, trigger: usize, load: Load) -> usize {
        match load {
            Load::Writing => trigger.saturating_mul(self.writing_factor.max(1)),
            Load::Idle { .. } => trigger,
        }
    }

    pub(crate) fn is_small(&self, bytes: u64) -> bool {
        bytes < self.small_bytes
    }

    /// The size of the tables of a run of so many bytes: sizes grow with depth.
    pub(crate) fn table_bytes_of(&self, run_bytes: u64) -> u64 {
        let least = (self.table_bytes / LEAST_PART).max(1);
        (run_bytes / TABLES_PER_RUN).clamp(least, self.table_bytes.max(least))
    }
}

/// What no plan may touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Busy {
    /// Runs that plans now being carried out work on. Whole runs, because a slice
    /// narrows tables of all its runs.
    pub runs: BTreeSet<RunNo>,
    /// Tables that were found damaged. Their runs stay as they are.
    pub fenced: BTreeSet<TableNo>,
}

impl Busy {
    /// Takes the plan's runs. Until they are [released](Self::release), no other plan
    /// has any of them.
    pub fn take(&mut self, plan: &Plan) {
        self.runs.extend(plan.runs.iter().copied());
    }

    /// Gives the plan's runs back, whatever became of it.
    pub fn release(&mut self, plan: &Plan) {
        plan.runs.iter().for_each(|run| {
            self.runs.remove(run);
        });
    }
}

/// Whether anybody is writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Memtables fill up: only what keeps the shape is merged.
    Writing,
    /// Nobody has filled a memtable for a while.
    Idle {
        /// Bytes that merges may take in for the sake of reads and space alone. The
        /// engine adds what it flushes, and takes off what plans
        /// [charge](Plan::charge).
        credit: u64,
    },
}

/// Why something is merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A merge that was begun goes on.
    Unfinished,
    /// Upper runs, with what their tombstones hide, are a quarter of the lower one.
    Lower,
    /// There are as many neighbours of like size as the trigger says, or, while somebody
    /// writes, as the factor makes of it.
    Tier,
    /// At rest there would be too many runs.
    Settle,
    /// At rest, credit pays for fewer runs or less space.
    Credit,
    /// Tombstones that hide nothing take up a table.
    Tombstones,
    /// Neighbouring tables of the oldest run are far too small.
    Crumbs,
    /// Somebody asked for it.
    Asked,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unfinished => "unfinished",
            Self::Lower => "lower",
            Self::Tier => "tier",
            Self::Settle => "settle",
            Self::Credit => "credit",
            Self::Tombstones => "tombstones",
            Self::Crumbs => "crumbs",
            Self::Asked => "asked",
        })
    }
}

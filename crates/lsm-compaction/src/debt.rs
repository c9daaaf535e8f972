//! How far merging is behind.

use lsm_manifest::Version;

use crate::policy::{Busy, Policy};
use crate::rules;
use crate::shape::Shape;

/// What merging owes. A store has more runs than the trigger says while somebody writes,
/// fewer in each tier: their number says nothing of that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Debt {
    /// The runs of the fullest tier. Where merging keeps up they are fewer than the
    /// trigger, or as many.
    pub tier_runs: usize,
    /// Bytes by which the upper runs exceed half of the lower one: they go into it from
    /// a quarter on. This is what space grows by.
    pub upper_bytes: u64,
    /// Bytes of the lower run.
    pub lower_bytes: u64,
}

impl Policy {
    /// What merging owes now. With `usize::MAX` as the trigger it owes nothing.
    #[must_use]
    pub fn debt(&self, version: &Version) -> Debt {
        let Some(trigger) = self.trigger() else { return Debt::default() };
        let shape = Shape::new(version, &Busy::default());
        let count = shape.runs.len();
        let lower = shape.runs.last().map_or(0, |run| run.bytes);
        let uppers = shape.bytes(0..count.saturating_sub(1));
        let upper_bytes = if count < trigger { 0 } else { uppers.saturating_sub(lower / 2) };
        Debt { tier_runs: rules::fullest_tier(&shape, trigger), upper_bytes, lower_bytes: lower }
    }
}

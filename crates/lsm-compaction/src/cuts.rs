//! Where outputs end, apart from their length.
//!
//! A plan fixes keys before which an output must end. And outputs that will be merged
//! into the lower run later end where they leave out a good part of it: a table that
//! spanned the gap would take all of it into that merge. A queue lives of this: each of
//! its memtables deletes at one end and puts at the other.

use lsm_manifest::{TableMeta, Version, fence};

use crate::{Plan, Policy};

/// A gap is worth a cut from one part in so many of the lower run on: so a random load
/// over a large store does not fall into crumbs.
const GAP_PART: u64 = 16;

/// Says, going up the keys, where an output ends.
#[derive(Clone, Debug)]
pub struct Cuts<'a> {
    /// Keys before which an output must end, those ahead.
    fixed: &'a [Vec<u8>],
    /// The lower run, where it matters: its tables ahead.
    lower: &'a [TableMeta],
    gap_bytes: u64,
}

impl<'a> Cuts<'a> {
    /// For the outputs of a plan that was picked from `version`.
    #[must_use]
    pub fn for_plan(policy: &Policy, version: &'a Version, plan: &'a Plan) -> Self {
        let bytes = if plan.is_bottom { 0 } else { plan.input_bytes() };
        Self { fixed: &plan.cuts, ..Self::for_flush(policy, version, bytes) }
    }

    /// For the tables of a flush of about `bytes`. A small one is one table: it will be
    /// merged before it comes near the lower run.
    #[must_use]
    pub fn for_flush(policy: &Policy, version: &'a Version, bytes: u64) -> Self {
        let Some((_, lower)) = version.runs().first_key_value() else { return Self::none() };
        if policy.trigger().is_none() || policy.is_small(bytes) {
            return Self::none();
        }
        let bytes = lower.file_bytes();
        let gap_bytes = (bytes / GAP_PART).max(policy.table_bytes_of(bytes));
        Self { fixed: &[], lower: &lower.tables, gap_bytes }
    }

    /// No cuts.
    #[must_use]
    pub const fn none() -> Self {
        Self { fixed: &[], lower: &[], gap_bytes: u64::MAX }
    }

    /// The next key before which an output must end, whatever it leaves out.
    #[must_use]
    pub fn next_fixed(&self) -> Option<&'a [u8]> {
        self.fixed.first().map(Vec::as_slice)
    }

    /// Whether an output that ends with `last` must not take `next`, the key behind it.
    /// To be asked with ever higher keys.
    pub fn ends_between(&mut self, last: &[u8], next: &[u8]) -> bool {
        let mut ends = false;
        while let Some((cut, rest)) = self.fixed.split_first().filter(|it| it.0.as_slice() <= next)
        {
            ends |= last < cut.as_slice();
            self.fixed = rest;
        }
        let (last, next) = (fence(last), fence(next));
        while let Some((_, rest)) = self.lower.split_first().filter(|(it, _)| it.start() <= last) {
            self.lower = rest;
        }
        let inside = self.lower.iter().take_while(|table| table.last.as_slice() < next);
        let mut bytes = 0_u64;
        let mut is_wide = inside.map(|table| {
            bytes = bytes.saturating_add(table.file_bytes);
            bytes >= self.gap_bytes
        });
        ends || is_wide.any(|is_wide| is_wide)
    }
}

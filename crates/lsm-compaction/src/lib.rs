//! Compaction as data: a version and what is busy go in, a plan comes out.
//!
//! Pure functions. This crate starts no thread, opens no file and never sees a
//! table's bytes; the engine carries plans out.
//!
//! Lazy levelling: upper runs in tiers of like size, and one partitioned run below
//! them, the lower one. Read `policy` for the settings, `shape` for what the rules see
//! and how an unfinished merge is found again, `rules` for what is merged when,
//! `slice` for how much of it at once, and `plan` for the edit.
//!
//! # Invariants
//!
//! * A merge takes a contiguous stretch of the order of age, so that the output
//!   can stand where its inputs stood.
//! * A tombstone may be dropped exactly when nothing older than the oldest input
//!   could hold its key.
//! * A version is all that the policy remembers: what a slice leaves behind is an
//!   ordinary version, from which the rest is picked like anything else.
//! * Folding plans until there is none ends.
//! * With `usize::MAX` as the trigger nothing is ever merged.
#![forbid(unsafe_code)]

mod cuts;
mod debt;
mod drop_rule;
mod filter_bits;
mod join;
mod pick;
mod plan;
mod policy;
mod rules;
mod shape;
mod slice;

pub use cuts::Cuts;
pub use debt::Debt;
pub use drop_rule::DropRule;
pub use filter_bits::filter_bits;
pub use pick::{MergePlan, PickOptions, pick};
pub use plan::{Input, Plan};
pub use policy::{Busy, Load, Policy, Reason};

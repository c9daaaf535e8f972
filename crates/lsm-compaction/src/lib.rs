//! Compaction as data: a version and the busy tables go in, a plan comes out.
//!
//! Pure functions. This crate starts no thread, opens no file and never sees a
//! table's bytes; the engine carries plans out.
//!
//! # Invariants
//!
//! * A merge takes a contiguous stretch of the order of age, so that the output
//!   can stand where its inputs stood.
//! * A tombstone may be dropped exactly when nothing older than the oldest input
//!   could hold its key.
//! * With `usize::MAX` as the trigger nothing is ever merged.
#![forbid(unsafe_code)]

mod drop_rule;
mod pick;

pub use drop_rule::DropRule;
pub use pick::{MergePlan, PickOptions, pick};

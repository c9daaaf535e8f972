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
//! ```
//! use lsm_compaction::{Busy, Cuts, DropRule, Load, Policy};
//! use lsm_manifest::{Edit, Version};
//!
//! let policy = Policy::new(4, 32 << 20);
//! let (mut version, mut busy) = (Version::default(), Busy::default());
//! let mut credit = 0_u64;
//! while let Some(plan) = policy.pick(&version, &busy, Load::Idle { credit }) {
//!     // Both under one lock, so that no other worker picks any of its runs.
//!     busy.take(&plan);
//!     credit -= plan.charge;
//!     let mut outputs = Vec::new();
//!     if !plan.moves() {
//!         let rule = DropRule::for_plan(&version, &plan);
//!         let mut cuts = Cuts::for_plan(&policy, &version, &plan);
//!         // Merge what `plan.inputs` hold inside `plan.span`. Leave out tombstones that
//!         // the rule drops; end tables at `plan.table_bytes`, and where `cuts` says so.
//! #       let _ = (rule, cuts.ends_between(b"a", b"b"), &mut outputs);
//!     }
//!     version = version.apply(&Edit { ops: plan.edit(std::mem::take(&mut outputs)) })?;
//!     busy.release(&plan);
//! }
//! # Ok::<(), lsm_manifest::EditError>(())
//! ```
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
//! * With `usize::MAX` as the trigger nothing is merged but what somebody [asks](Asked) for.
#![forbid(unsafe_code)]

mod asked;
mod cuts;
mod debt;
mod drop_rule;
mod filter_bits;
mod join;
mod plan;
mod policy;
mod rules;
mod shape;
mod slice;

pub use asked::{Asked, Hindered};
pub use cuts::Cuts;
pub use debt::Debt;
pub use drop_rule::DropRule;
pub use filter_bits::filter_bits;
pub use plan::{Input, Plan};
pub use policy::{Busy, Load, Policy, Reason};

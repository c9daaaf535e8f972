//! Merging sources of entries, and what of them a reader may see.
//!
//! [`Merge`] makes one ordered stream out of several; [`Newest`] keeps of each key
//! the newest version that a snapshot sees. Both walk either way, by the same code
//! for gets over ranges, flushes and merges of tables. Neither knows where entries
//! come from: sources are [`Cursor`](lsm_types::Cursor)s.
//!
//! # Invariants
//!
//! * No two sources hold the same (key, sequence number).
//! * After an error a stream is not used again: its sources stand nowhere certain.
#![forbid(unsafe_code)]

mod merge;
mod newest;

pub use merge::{Direction, Merge};
pub use newest::Newest;

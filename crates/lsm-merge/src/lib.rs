//! Merging sources of entries: of each key the newest version, in order.
//!
//! [`Merge`] makes one ordered stream out of several, walking either way, by the same
//! code for scans, flushes and merges of tables. It does not know where entries come
//! from: sources are [`Cursor`](lsm_types::Cursor)s.
//!
//! # Invariants
//!
//! * A source shows each key once: the version that counts in it. Of several sources
//!   the one with the highest sequence number wins.
//! * No two sources hold the same (key, sequence number).
//! * After an error a stream is not used again: its sources stand nowhere certain.
#![forbid(unsafe_code)]

mod merge;

pub use merge::{Direction, Merge};

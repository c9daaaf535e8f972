//! What the benchmarks share: rows, stores filled with them, and how time is taken.
//!
//! Everything is the same in every run: rows are made from their numbers, orders
//! from a fixed seed. A benchmark makes one pass over many entries, so that its
//! figures are per entry, and is asked after each pass, outside the measured time,
//! whether it did its work.
#![forbid(unsafe_code)]

mod measure;
mod rows;
mod store;

pub use measure::{criterion, timed};
pub use rows::{Key, Row, Shape, Value, shuffled, value};
pub use store::TempStore;

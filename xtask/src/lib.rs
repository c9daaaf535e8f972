//! The project's own checks: what a compiler does not hold together, `cargo xtask` does.
//!
//! - [`layers`]: which crate may use which, where versions are decided, where `unsafe` may stand;
//! - [`tidy`]: the shape of files, names and documents;
//! - [`api`]: the public surface of `lsm-db` as text, and the part of it that is frozen;
//! - [`features`]: builds of all feature sets open each other's stores;
//! - [`mod@bench`]: the document about the measurements, and what changed between two of them;
//! - [`mod@format`]: the bytes on disk: looking into files, and what of them is frozen;
//! - [`fuzz`]: running the fuzz targets;
//! - [`sim`]: the simulation, for all feature sets;
//! - [`audit`]: dependencies, their licences, and unsafe code with its arguments;
//! - [`coverage`]: the lines of the library that tests reach;
//! - [`strace`], [`powercut`]: faults of a real system, and a real file system that is cut off, under
//!   the program [`victim`];
//! - [`instruments`]: tests under loom, valgrind, Miri and ThreadSanitizer;
//! - [`sites`]: every call of the file system, made to fail in every way;
//! - [`planted`]: bugs planted one at a time, each of which a test has to find;
//! - [`ci`]: the steps of the CI run, as data.
//!
//! Every check is a function from the root of the repository to a list of [`Finding`]s, so that
//! `tests/police.rs` runs the same code as the command line. No check prints, none changes a file;
//! only [`api::write`], [`bench::write_report`], [`bench::collect`], [`features::check`] (in a
//! temporary folder), [`format::run`], [`fuzz::run`], [`sim::run`], [`sim::soak`], [`coverage::run`],
//! [`strace::run`], [`powercut::run`], [`victim::write`], [`instruments::run`], [`sites::check`],
//! [`planted::run`] and [`ci::run`] act.
#![forbid(unsafe_code)]

pub mod api;
pub mod audit;
pub mod bench;
pub mod ci;
pub mod coverage;
pub mod features;
pub mod format;
pub mod fuzz;
pub mod instruments;
pub mod layers;
pub mod planted;
pub mod powercut;
pub mod sim;
pub mod sites;
pub mod strace;
pub mod tidy;
pub mod victim;

mod files;
mod finding;
mod rust_text;
mod workspace;

pub use finding::{Finding, Result};

//! The project's own checks: what a compiler does not hold together, `cargo xtask` does.
//!
//! - [`layers`]: which crate may use which, where versions are decided, where `unsafe` may stand;
//! - [`tidy`]: the shape of files, names and documents;
//! - [`api`]: the public surface of `lsm-db` as text, and the part of it that is frozen;
//! - [`features`]: builds of all feature sets open each other's stores;
//! - [`ci`]: the steps of the CI run, as data.
//!
//! Every check is a function from the root of the repository to a list of [`Finding`]s, so that
//! `tests/police.rs` runs the same code as the command line. No check prints, none changes a file;
//! only [`api::write`], [`features::check`] (in a temporary folder) and [`ci::run`] act.
#![forbid(unsafe_code)]

pub mod api;
pub mod ci;
pub mod features;
pub mod layers;
pub mod tidy;

mod files;
mod finding;
mod rust_text;
mod workspace;

pub use finding::{Finding, Result};

//! The measuring program: what a run is, from the command line down to one timed loop.
//!
//! 1. [`cli`] reads the command line; bad input ends there, with exit code 2.
//! 2. [`driver`] is the parent: rounds, engines in turn, one child process per run.
//! 3. [`child`] is the child: it opens one engine, does one workload, prints one line of JSON.
//! 4. [`workloads`] say what the work is, [`engines`] how each store does it, [`keys`] with which
//!    keys and values, [`choice`] which of them come next, [`measure`] what it cost.
//! 5. [`report`] are the tables on the terminal, [`promise`] what they say about the stores.
//!
//! The JSON and what is derived from it are in `lsm-bench-record`, which `cargo xtask bench` shares.
//!
//! A workload knows no engine by name and an engine knows no workload: they meet in [`child`].

#[cfg(not(any(
    feature = "ours",
    feature = "published",
    feature = "fjall",
    feature = "rocksdb",
    feature = "redb",
    feature = "sled",
    feature = "surrealkv"
)))]
compile_error!("nothing to measure: switch on the feature of at least one engine");

mod build;
mod child;
mod choice;
mod cli;
mod driver;
mod engines;
mod keys;
mod measure;
mod promise;
mod report;
mod workloads;

pub use cli::main;

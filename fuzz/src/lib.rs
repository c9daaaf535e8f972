//! What the readers of lsm-db make of hostile bytes, and what must hold then.
//!
//! A target is a function from any bytes to nothing, which panics where something does not hold:
//! the head of its module says what. Most checks are more than "no panic": damaged bytes give an
//! error or the truth, and what is accepted agrees with itself and with a model. No target may
//! allocate by a number that it has not compared with the bytes at hand.
//!
//! Checksums keep a fuzzer out. So there are second renderings of the formats' outsides
//! (`table_bytes`, `manifest_bytes`, `log_bytes`, and `sign` of `filter`), which make the
//! checksums right again behind a mutation.
//!
//! Three programs run the targets: the fuzzer (`fuzz_targets`, by `cargo xtask fuzz`); `replay`,
//! which needs no fuzzer and runs seeds, deterministic mutations of them, and single inputs; and
//! `seeds`, which writes the seed corpus.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a finding")]

mod allocations;
mod block;
mod damage;
mod filter;
mod input;
mod log_bytes;
mod log_record;
mod manifest;
mod manifest_bytes;
mod model;
mod open_directory;
mod rows;
mod run;
mod seeds;
mod stores;
mod table_bytes;

use allocations::watched;

/// A seed: its name and its bytes.
pub type Seed = (&'static str, Vec<u8>);

/// Something to be fuzzed.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is that of its program and of its folders.
    pub name: &'static str,
    /// Runs it on an input; panics on a finding.
    pub run: fn(&[u8]),
    /// What its corpus begins with.
    pub seeds: fn() -> Vec<Seed>,
    /// How many mutations of the seeds `replay` runs: a few seconds' worth.
    pub mutations: u32,
}

/// All targets.
pub const TARGETS: [Target; 6] = [
    Target { name: "block", run: block, seeds: seeds::block, mutations: 20_000 },
    Target { name: "run", run, seeds: seeds::run, mutations: 20_000 },
    Target { name: "filter", run: filter, seeds: seeds::filter, mutations: 20_000 },
    Target { name: "manifest", run: manifest, seeds: seeds::manifest, mutations: 20_000 },
    Target { name: "log_record", run: log_record, seeds: seeds::log_record, mutations: 20_000 },
    Target {
        name: "open_directory",
        run: open_directory,
        seeds: seeds::open_directory,
        // Each starts and joins three threads, most of them twice.
        mutations: 4_000,
    },
];

/// The payload of a data block.
pub fn block(input: &[u8]) {
    watched(input, block::run);
}

/// Tables.
pub fn run(input: &[u8]) {
    watched(input, run::run);
}

/// The sidecar of a filter.
pub fn filter(input: &[u8]) {
    watched(input, filter::run);
}

/// Manifests.
pub fn manifest(input: &[u8]) {
    watched(input, manifest::run);
}

/// Logs and batches.
pub fn log_record(input: &[u8]) {
    watched(input, log_record::run);
}

/// The directory of a store.
pub fn open_directory(input: &[u8]) {
    watched(input, open_directory::run);
}

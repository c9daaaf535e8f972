//! The policy: as text, at random, by what it writes, and by example.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod amplification;
mod policy;
mod random;
mod tree;
mod trees;

// The simulator's store, which these tests fold in small.
#[path = "../../benches/simulate/load.rs"]
#[expect(dead_code, reason = "the simulator reads names of workloads")]
mod load;
#[path = "../../benches/simulate/mix.rs"]
mod mix;
#[path = "../../benches/simulate/store.rs"]
#[expect(dead_code, reason = "the simulator prints more")]
mod store;

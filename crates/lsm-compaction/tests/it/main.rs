//! The policy: as text, at random, and by example.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod policy;
mod random;
mod tree;
mod trees;

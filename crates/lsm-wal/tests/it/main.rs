//! Logs from the outside: on the real disk, on the simulated one, and as bytes.
//!
//! Tests are named by the scenario of docs/RELIABILITY.md that they show.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod alone;
mod alone_crash;
mod crash;
mod damage;
mod faults;
mod recycle;
mod replay;
mod support;

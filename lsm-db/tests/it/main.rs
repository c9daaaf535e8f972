//! The store as its users meet it, through the frozen surface.
#![cfg(feature = "std")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod bad_input;
mod behaviour;
mod crash;
mod faults;
#[cfg(feature = "durability")]
mod kill;
mod model;
mod soak;
mod surface;

//! The codec: what is written is read, in every way it can be asked for.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod carry;
mod damage;
mod edges;
mod format;
mod model;
mod support;

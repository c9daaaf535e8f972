//! The manifest's bytes, and the versions they fold into.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod recovery;
mod room;

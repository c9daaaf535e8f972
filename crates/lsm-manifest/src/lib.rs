//! The manifest: what a store consists of, as a list of edits and the version
//! they fold into.
//!
//! This crate turns edits into bytes and bytes into a version. It does no I/O, it
//! decides nothing, and it knows no file names: tables, logs and slots are numbers
//! here, so that nothing read from a manifest can name a file outside the store.
//!
//! # Invariants
//!
//! * Everything below the committed length is intact, or recovery refuses.
//! * Behind the committed length, intact edits with the next numbers count; the
//!   first other byte and all after it are a torn tail.
//! * The checksum of each edit is chained to the one before: bytes left over from
//!   an older tail never continue a newer one.
//! * An edit is checked against the version before it is written: a version never
//!   names a table twice, a run's tables do not overlap, numbers only grow.
#![forbid(unsafe_code)]

mod edit;
mod error;
mod file;
mod table;
mod version;

pub use edit::{Edit, EditOp, OpError};
pub use error::{EditError, ManifestError};
pub use file::{
    FIRST_FRAME, FORMAT_VERSION, Head, MAGIC, PAGE_BYTES, Recovered, SLOT_BYTES, frame, new_file,
    recover, slot_offset,
};
pub use table::{FENCE_BYTES, Span, TableMeta, fence};
pub use version::{Run, Version};

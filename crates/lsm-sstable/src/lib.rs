//! The table codec: entries in, bytes out, and back.
//!
//! A table is an immutable, ordered list of entries. This crate turns entries into
//! its bytes ([`RunWriter`]) and reads them where they lie ([`RunMeta`], [`Block`],
//! or [`RunReader`] over a whole table in memory). It knows no path, no cache, no
//! level and no manifest, and works without the standard library.
//!
//! # Layout, version 0
//!
//! ```text
//! +--------+---------+-----+---------+-------+------------+--------+
//! | header | block 0 | ... | block n | index | properties | footer |
//! +--------+---------+-----+---------+-------+------------+--------+
//! ```
//!
//! `layout` draws the header, the footer and the frame of each section, `block`
//! the inside of a data block, `meta` the index and the properties.
//!
//! # Invariants
//!
//! * Entries are strictly ascending: key up, then sequence number down.
//! * Every section's checksum is seeded with the table's identity and the
//!   section's offset: a section of another table, or of another place, is refused.
//! * Reading damaged or hostile bytes gives an error or the true entries: never a
//!   panic, and never an allocation larger than the bytes at hand.
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

extern crate alloc;

mod block;
mod error;
mod layout;
mod meta;
mod reader;
mod writer;

pub use block::Block;
pub use error::SstError;
pub use layout::{FOOTER_BYTES, FORMAT_VERSION, HEADER_BYTES, Identity, MAGIC, SECTION_HEADER};
pub use meta::{BlockHandle, Properties, RunMeta};
pub use reader::RunReader;
pub use writer::{RunSummary, RunWriter, WriteError};

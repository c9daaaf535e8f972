//! Sorted runs as bytes: entries in, a table out, and back. Usable alone.
//!
//! A table is an immutable, ordered list of entries: keys, their versions, their
//! values. This crate writes one ([`RunWriter`]), reads one from bytes where they lie
//! ([`RunReader`]), says all that is wrong with one ([`problems`]), and walks a damaged
//! one ([`Salvage`]). It knows no path, no cache, no level and no manifest, needs
//! nothing of the engine, and works without the standard library.
//!
//! Who reads tables piece by piece, as the engine does, takes the parts that
//! [`RunReader`] is made of: [`RunMeta`] is what must be in memory, and it opens the
//! [`Block`]s that the caller fetches.
//!
//! # The format, version 1
//!
//! ```text
//!  0        64                                                         footer
//!  +--------+---------+---------+-----+---------+-------+------------+--------+
//!  | header | block 0 | block 1 | ... | block n | index | properties | footer |
//!  +--------+---------+---------+-----+---------+-------+------------+--------+
//!   whose    each at a multiple of 64, in          |         |        where index
//!   table    a frame with a checksum that     one separator  |        and properties
//!   it is    names the table and the place    and the counts |        are, how long
//!                                             of each block  |        the file is
//!                                                       totals, bounds
//!
//!  a block   +--------+--------+---------+-------+---------+---------+---------+----
//!            | fields | prefix | buckets | heads | offsets | entry 0 | entry 1 | ...
//!            +--------+--------+---------+-------+---------+---------+---------+----
//!              n ...    what     by hash   by      where     kind, rest of the key,
//!                       all keys of the    order   each      sequence number, value
//!                       share    key               begins
//! ```
//!
//! A key is looked up in three steps: the index names its one block; the block's
//! buckets name its newest entry by hash; the entry's head and then its key are
//! compared. An ordered search takes the heads: four bytes of each key behind the
//! prefix that the block stores once. Offsets make each entry directly reachable, so
//! that both directions cost the same.
//!
//! docs/SSTABLE_FORMAT.md of the repository gives every byte and every check.
//!
//! # Invariants
//!
//! * Entries are strictly ascending: key up, then sequence number down.
//! * Every section's checksum depends on the table's uid and the section's offset: a
//!   section of another table, or of another place, is refused.
//! * Reading damaged or hostile bytes gives an error or the true entries: never a
//!   panic, and never an allocation larger than the bytes at hand, or than 4 MiB where
//!   a block is compressed.
//! * Version 1 is frozen: its golden files are in testdata/golden/v1.
//!
//! # Features
//!
//! `std` (on) finds out at run time whether filters can use AVX2. `lz4` compresses
//! blocks. Without either the crate needs `alloc` alone.
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

extern crate alloc;

mod block;
mod block_builder;
mod error;
mod heads;
mod index;
mod iter;
mod layout;
mod meta;
mod places;
mod properties;
mod reader;
mod salvage;
mod section;
mod stored;
mod validate;
mod writer;

pub use block::{Block, BlockEntry, BlockIter, range_in};
pub use error::SstError;
pub use index::{BlockHandle, Counts};
pub use iter::Iter;
pub use layout::{FOOTER_BYTES, FORMAT_VERSION, HEADER_BYTES, Identity, MAGIC};
pub use lsm_bloom::{Filter, FilterError, FilterIdentity, hash, prefetch};
pub use lsm_types::{
    Entry, InternalKey, Kind, MAX_KEY_BYTES, MAX_VALUE_BYTES, SeqNo, StoreId, TableNo, TableUid,
};
pub use meta::RunMeta;
pub use places::{BlockPlaces, EntryPlaces};
pub use properties::Properties;
pub use reader::{Row, RunReader};
pub use salvage::{Piece, Salvage};
pub use section::{Codec, Packed, Payload, SECTION_HEADER_BYTES, SectionKind};
pub use stored::StoredBlock;
pub use validate::{KeyRange, Problem, problems};
pub use writer::{Finished, RunWriter, WriteError, WriteOptions};

/// The bytes of a block's section in a table that is wholly at hand.
fn section_bytes<'a>(bytes: &'a [u8], handle: &BlockHandle) -> Result<&'a [u8], SstError> {
    let start = usize::try_from(handle.offset).unwrap_or(usize::MAX);
    let end = start.saturating_add(usize::try_from(handle.len).unwrap_or(usize::MAX));
    let short = || SstError::damaged(handle.offset, "a block", "the end of the bytes");
    bytes.get(start..end).ok_or_else(short)
}

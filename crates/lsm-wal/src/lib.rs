//! A durable log of opaque records, and the reader that recovers it.
//!
//! `wal-db` frames and appends; this crate gives it a place to write (a *slot*
//! file), gives each record an identity, and reads logs back by its own rules. It
//! knows neither keys nor batches: a record is a stretch of sequence numbers and a
//! body.
//!
//! [`Log`] is a log by itself: a directory, numbered byte strings, group commit. A
//! store that keeps its own list of live logs uses [`create_slot`], [`LogWriter`] and
//! [`replay`].
//!
//! # Invariants
//!
//! * A record is written once, by one thread, to the one current log.
//! * Space is reserved, by writing zeros behind the records, before `wal-db` is
//!   called: where that fails (a full disk, say) the record is refused and the log
//!   is as it was. A failed write of a record, and every failed sync, is final: the
//!   log takes no further record.
//! * A log's number is never used again. A slot is: what older logs left in it is told
//!   apart by their numbers, and is neither data nor damage.
//! * Recovery only reads. The records of all live logs form one chain without
//!   gaps; where it breaks, what is left over is a torn tail, unless an intact
//!   record behind the break proves that more had been durable: that is damage.
//!
//! # Slot file, version 1
//!
//! ```text
//!   0   8  magic "LSMWALOG"
//!   8   2  version = 1
//!  10   2  incompatible features: 1 = bodies are lists of byte strings, not batches
//!  12   4  zeros
//!  16  16  store id
//!  32   8  slot number
//!  40   8  xxh3-64 of bytes 0..40
//!  48   8  xxh3-64 of bytes 0..48 if it has lists and none of them counts any more, or zeros
//!  56      zeros up to 512, where wal-db's frames begin
//!
//! frame     0 4  CRC32C of the rest (wal-db's)   4 4  payload length   8  payload
//! payload   0 8  xxh3-64 of bytes 8.., body included
//!           8 4  tag "LREC"
//!          12 2  version = 1
//!          14 2  flags = 0
//!          16 8  store tag: the first half of the store id
//!          24 8  log number
//!          32 8  first sequence number
//!          40 4  count of sequence numbers
//!          44 4  body length
//!          48 8  durable sequence: the highest known durable when this was written
//!          56    body
//! ```
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

mod error;
mod folder;
mod header;
mod left_over;
mod list;
mod log;
mod record;
mod recover;
mod slot;
mod sync;
mod writer;

pub use error::{LogError, Refused, Result};
pub use list::list_items;
pub use log::{Log, LogOptions};
pub use record::{FORMAT_VERSION, MAX_BODY_BYTES, MAX_SEQ, Record, Stamp};
pub use recover::{LiveLog, Replayed, replay, replay_lists};
pub use slot::{Slot, create_slot};
pub use sync::LogSync;
pub use writer::LogWriter;

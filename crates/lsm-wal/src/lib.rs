//! A durable log of opaque records, and the reader that recovers it.
//!
//! `wal-db` frames and appends; this crate gives it a place to write (a *slot*
//! file), gives each record an identity, and reads logs back by its own rules. It
//! knows neither keys nor batches: a record is a stretch of sequence numbers and a
//! body.
//!
//! # Invariants
//!
//! * A record is written once, by one thread, to the one current log.
//! * Space is reserved, by writing zeros behind the records, before `wal-db` is
//!   called: where that fails (a full disk, say) the record is refused and the log
//!   is as it was. A failed write of a record, and every failed sync, is final: the
//!   log takes no further record.
//! * Recovery only reads. The records of all live logs form one chain without
//!   gaps; where it breaks, what is left over is a torn tail, unless an intact
//!   record behind the break proves that more had been durable: that is damage.
//!
//! # Slot file, version 0
//!
//! ```text
//!   0   8  magic "LSMWALOG"
//!   8   2  version = 0
//!  10   6  zeros
//!  16  16  store id
//!  32   8  slot number
//!  40   8  xxh3-64 of bytes 0..40
//!  48      zeros up to 512, where wal-db's frames begin
//!
//! frame     0 4  CRC32C of the rest (wal-db's)   4 4  payload length   8  payload
//! payload   0 4  tag "LREC"
//!           4 2  version = 0
//!           6 2  zeros
//!           8 8  store tag: the first half of the store id
//!          16 8  log number
//!          24 8  first sequence number
//!          32 4  count of sequence numbers
//!          36 4  body length
//!          40 8  durable sequence: the highest known durable when this was written
//!          48 8  xxh3-64 of bytes 0..48 and the body
//!          56    body
//! ```
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

mod error;
mod record;
mod recover;
mod slot;
mod writer;

pub use error::{LogError, Result};
pub use record::{FORMAT_VERSION, MAX_BODY_BYTES, Record};
pub use recover::{LiveLog, Replayed, replay};
pub use slot::create_slot;
pub use writer::LogWriter;

//! The vocabulary of lsm-db: the words that every other crate speaks.
//!
//! A leaf. It knows nothing of files, options, tables or logs, and no other
//! crate's errors. What stands here is either a newtype for a number that would
//! otherwise be one `u64` among many, the order of entries, the bytes of a batch,
//! or the one trait that sources of entries implement.
//!
//! # Invariants
//!
//! * Entries are ordered by user key upwards, then by sequence number downwards:
//!   the newest version of a key comes first.
//! * A kind is never zero on disk, so that a page of zeros is never an entry.
//! * Decoding never panics and never allocates by a length it has not checked.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod batch;
mod cursor;
pub mod decode;
mod entry;
mod ids;
mod kind;
mod seq;

pub use batch::{Batch, BatchError, BatchOps, MAX_BATCH_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES, Op};
pub use cursor::Cursor;
pub use entry::{Entry, InternalKey};
pub use ids::{LogNo, MAX_FILE_NO, RunNo, SlotNo, StoreId, TableNo, TableUid};
pub use kind::{Kind, KindError};
pub use seq::SeqNo;

//! The operating system, in a few object-safe traits.
//!
//! Everything above reaches the disk, random bytes and threads through
//! these traits only, so that a simulated disk can stand in for the real one. This
//! crate does not know what any byte means and names no file of its own.
//!
//! # Invariants
//!
//! * A name is resolved against the handle of its directory, held since it was
//!   opened: a directory that is renamed or replaced under us is never followed.
//! * A [`Name`] is one plain component: no name leaves its directory.
//! * Only regular files are opened; links, FIFOs and devices are refused, without
//!   waiting for anyone on the other side.
//! * Interrupted and short reads and writes go on here and are never seen above.
//! * Only "not found" means absent; every other error is passed on.

#![deny(unsafe_op_in_unsafe_fn)]

mod error;
mod io;
mod map;
mod name;
mod real;
mod traits;

pub use error::{Error, Result};
pub use io::{read_exact_at, read_up_to, read_whole, write_all_at};
pub use map::Map;
pub use name::Name;
pub use real::RealFs;
pub use traits::{Dir, Entry, EntryKind, File, Fs, Task, Thread};

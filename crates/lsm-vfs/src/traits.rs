//! The traits: a file system, a directory handle, a file, a thread.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use crate::{Map, Name, Result};

/// What a thread runs.
pub type Task = Box<dyn FnOnce() + Send + 'static>;

/// An operating system: directories, random bytes, threads.
pub trait Fs: Debug + Send + Sync {
    /// Opens the directory `path`. With `create`, missing directories are made
    /// first, each synced into its parent.
    ///
    /// # Errors
    ///
    /// When a component is missing (without `create`), is no directory, or may not
    /// be entered or made.
    fn open_dir(&self, path: &Path, create: bool) -> Result<Arc<dyn Dir>>;

    /// Fills `bytes` with random ones that nobody can guess.
    ///
    /// # Errors
    ///
    /// When the operating system has none.
    fn random(&self, bytes: &mut [u8]) -> Result<()>;

    /// Starts a thread.
    ///
    /// # Errors
    ///
    /// When the operating system starts no more.
    fn spawn(&self, name: &'static str, task: Task) -> Result<Box<dyn Thread>>;

    /// What happens next, where that is for a simulation to say. `None`, as on every real
    /// system: work in the background is done by threads, and pauses by the clock. With
    /// a number, each time another, there are neither: whoever would wait for a thread
    /// does some of its work, and the number says what.
    fn choice(&self) -> Option<u64> {
        None
    }
}

/// A thread that was started.
pub trait Thread: Debug + Send + Sync {
    /// Waits until it has ended. `false` says that it ended in a panic.
    fn join(self: Box<Self>) -> bool;
}

/// What kind of thing a directory entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// Anything else: a directory, a link, a FIFO, a device, a socket.
    Other,
}

/// One entry of a directory, as far as its name is a [`Name`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: Name,
    /// What it is; links are not followed.
    pub kind: EntryKind,
}

/// A directory, by a handle that was opened once.
pub trait Dir: Debug + Send + Sync {
    /// The path it was opened by, for messages only.
    fn path(&self) -> &Path;

    /// Locks the directory against every other handle, in this process or another.
    ///
    /// # Errors
    ///
    /// `ResourceBusy` when someone holds it.
    fn lock(&self) -> Result<()>;

    /// Gives the lock back.
    ///
    /// # Errors
    ///
    /// When the operating system refuses; closing the handle frees it all the same.
    fn unlock(&self) -> Result<()>;

    /// The entries whose names are [`Name`]s, in the order of their names. Others
    /// cannot be ours and are left out.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read.
    fn entries(&self) -> Result<Vec<Entry>>;

    /// Makes a new file, readable and writable by its owner alone.
    ///
    /// # Errors
    ///
    /// When the name is taken or the file cannot be made.
    fn create(&self, name: &Name) -> Result<Arc<dyn File>>;

    /// Opens a file for reading, and for writing too with `write`.
    ///
    /// # Errors
    ///
    /// When it is missing, no regular file, or may not be opened.
    fn open(&self, name: &Name, write: bool) -> Result<Arc<dyn File>>;

    /// Renames a file, replacing what is there.
    ///
    /// # Errors
    ///
    /// When the operating system refuses; then nothing was renamed.
    fn rename(&self, from: &Name, to: &Name) -> Result<()>;

    /// Removes a file's name.
    ///
    /// # Errors
    ///
    /// When it is missing or may not be removed.
    fn remove(&self, name: &Name) -> Result<()>;

    /// Makes the directory's own name durable in the directory above it, and the names of
    /// those above, as far as a process that was killed may have made them.
    ///
    /// # Errors
    ///
    /// When that failed.
    fn sync_parent(&self) -> Result<()>;

    /// Makes all names of the directory durable.
    ///
    /// # Errors
    ///
    /// When that failed: which names are durable is then unknown.
    fn sync(&self) -> Result<()>;
}

/// A file, by its handle. All reads and writes say where.
pub trait File: Debug + Send + Sync {
    /// Its path, for messages only.
    fn path(&self) -> &Path;

    /// Its length in bytes.
    ///
    /// # Errors
    ///
    /// When the operating system does not tell.
    fn len(&self) -> Result<u64>;

    /// Whether it has no bytes.
    ///
    /// # Errors
    ///
    /// As [`len`](File::len).
    fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// One read at `offset`; may be short or interrupted. Use
    /// [`read_exact_at`](crate::read_exact_at).
    ///
    /// # Errors
    ///
    /// Whatever the operating system says, unchanged.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> std::io::Result<usize>;

    /// One write at `offset`; may be short or interrupted. Use
    /// [`write_all_at`](crate::write_all_at).
    ///
    /// # Errors
    ///
    /// Whatever the operating system says, unchanged.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> std::io::Result<usize>;

    /// Cuts or grows the file to `len` bytes.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    fn set_len(&self, len: u64) -> Result<()>;

    /// Makes the file's bytes and length durable.
    ///
    /// # Errors
    ///
    /// When that failed: which bytes are durable is then unknown, and trying again
    /// proves nothing.
    fn sync(&self) -> Result<()>;

    /// The first `len` bytes, readable in place.
    ///
    /// # Errors
    ///
    /// When the file is shorter, or the file system cannot map.
    fn map(&self, len: u64) -> Result<Map>;
}

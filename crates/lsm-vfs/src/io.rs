//! Whole reads and writes out of single calls: interrupted and short ones go on.

use std::io;

use crate::{Error, File, Result};

/// Reads until `bytes` is full or the file ends; returns how many were read.
///
/// # Errors
///
/// The first call that fails for another reason than an interruption.
pub fn read_up_to(file: &dyn File, offset: u64, bytes: &mut [u8]) -> Result<usize> {
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(offset + done as u64, rest) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(Error::new("read", file.path(), error).at(offset + done as u64));
            }
        }
    }
    Ok(done)
}

/// Reads exactly `bytes.len()` bytes.
///
/// # Errors
///
/// As [`read_up_to`], and `UnexpectedEof` when the file ends first.
pub fn read_exact_at(file: &dyn File, offset: u64, bytes: &mut [u8]) -> Result<()> {
    let done = read_up_to(file, offset, bytes)?;
    if done < bytes.len() {
        let short = format!("the file ends {} bytes early", bytes.len() - done);
        let source = io::Error::new(io::ErrorKind::UnexpectedEof, short);
        return Err(Error::new("read", file.path(), source).at(offset + done as u64));
    }
    Ok(())
}

/// A write that failed, and how far it got.
#[derive(Debug)]
pub struct WriteError {
    /// How many bytes are known to have been taken before the call that failed.
    pub written: u64,
    /// That call.
    pub source: Error,
}

impl WriteError {
    /// Whether it is certain that no byte of the write reached the file: none was
    /// taken, and the refusal was for want of space, not a failing device.
    #[must_use]
    pub fn nothing_written(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        self.written == 0
            && matches!(self.source.kind(), StorageFull | QuotaExceeded | FileTooLarge)
    }
}

/// Writes all of `bytes`.
///
/// # Errors
///
/// The first call that fails for another reason than an interruption, with the
/// number of bytes that earlier calls had taken.
pub fn write_all_at(file: &dyn File, offset: u64, bytes: &[u8]) -> Result<(), WriteError> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        let failed = match file.write_at(offset + done as u64, rest) {
            Ok(0) => io::Error::new(io::ErrorKind::WriteZero, "no byte was taken"),
            Ok(count) => {
                done += count;
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => error,
        };
        let source = Error::new("write", file.path(), failed).at(offset + done as u64);
        return Err(WriteError { written: done as u64, source });
    }
    Ok(())
}

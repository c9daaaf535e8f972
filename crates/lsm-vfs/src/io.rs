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

/// Reads a whole file into memory. A length that memory cannot hold is an error and
/// no abort.
///
/// # Errors
///
/// As [`read_exact_at`], and `OutOfMemory`.
pub fn read_whole(file: &dyn File) -> Result<Vec<u8>> {
    let too_long = || Error::new("read", file.path(), io::ErrorKind::OutOfMemory);
    let len = usize::try_from(file.len()?).map_err(|_| too_long())?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| too_long())?;
    bytes.resize(len, 0);
    read_exact_at(file, 0, &mut bytes)?;
    Ok(bytes)
}

/// Writes all of `bytes`.
///
/// # Errors
///
/// The first call that fails for another reason than an interruption; how much was
/// written before it is unknown.
pub fn write_all_at(file: &dyn File, offset: u64, bytes: &[u8]) -> Result<()> {
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
        return Err(Error::new("write", file.path(), failed).at(offset + done as u64));
    }
    Ok(())
}

//! The lines of an input, as bytes, one buffer for all of them.
//!
//! A line ends with LF or CRLF, which it is given without; the last one may lack its
//! end. A line over the limit is passed over and reported, and never held in memory, so
//! that an input without line ends (a device, a disk image) cannot exhaust it.

use std::io::{self, BufRead, Read};

pub(crate) struct Lines<R> {
    reader: R,
    limit_bytes: usize,
    buffer: Vec<u8>,
    bytes_read: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    Whole(&'a [u8]),
    TooLong,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R, limit_bytes: usize) -> Self {
        Lines { reader, limit_bytes, buffer: Vec::new(), bytes_read: 0 }
    }

    /// How much of the input the lines given so far take up, their ends included.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The next line; nothing at the end of the input.
    pub(crate) fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        // Two bytes more than the limit, for the line end.
        let most = self.limit_bytes as u64 + 2;
        self.bytes_read +=
            self.reader.by_ref().take(most).read_until(b'\n', &mut self.buffer)? as u64;
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let line = match self.buffer.strip_suffix(b"\n") {
            Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
            None => {
                // Either the input ends here, or the line goes on.
                let skipped = self.reader.skip_until(b'\n')? as u64;
                self.bytes_read += skipped;
                if skipped > 0 {
                    return Ok(Some(Line::TooLong));
                }
                &self.buffer
            }
        };
        Ok(Some(if line.len() > self.limit_bytes { Line::TooLong } else { Line::Whole(line) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines with a limit of 4 bytes; a `!` stands for one that is too long.
    fn lines(input: &[u8]) -> Vec<String> {
        let mut lines = Lines::new(input, 4);
        let mut found = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            found.push(match line {
                Line::Whole(line) => String::from_utf8_lossy(line).into_owned(),
                Line::TooLong => "!".to_owned(),
            });
        }
        assert_eq!(lines.bytes_read(), input.len() as u64);
        found
    }

    #[test]
    fn line_ends_of_both_kinds_and_none_at_the_end() {
        assert_eq!(lines(b""), [""; 0]);
        assert_eq!(lines(b"\n"), [""]);
        assert_eq!(lines(b"a\nb"), ["a", "b"]);
        assert_eq!(lines(b"a\r\n\r\nb\rc\n"), ["a", "", "b\rc"]);
    }

    #[test]
    fn a_line_over_the_limit_is_passed_over_and_the_next_is_whole() {
        assert_eq!(lines(b"1234\n1234\r\n1234"), ["1234", "1234", "1234"]);
        assert_eq!(lines(b"12345\nab\n"), ["!", "ab"]);
        assert_eq!(lines(b"12345\r\nab\n"), ["!", "ab"]);
        assert_eq!(lines(b"1234567890\nab\n123456"), ["!", "ab", "!"]);
        assert_eq!(lines(b"123456"), ["!"]);
        assert_eq!(lines(b"12345"), ["!"]);
    }
}

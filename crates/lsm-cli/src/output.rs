//! Standard output, buffered, for a reader who may leave at any time.
//!
//! A closed pipe is not an error of ours: it becomes [`Failure::ClosedPipe`], which ends
//! the command quietly. Any other failure to write is told.

use std::io::{self, BufWriter, ErrorKind, StdoutLock, Write};

use crate::failure::Failure;

pub(crate) struct Output {
    writer: BufWriter<StdoutLock<'static>>,
}

impl Output {
    pub(crate) fn stdout() -> Output {
        Output { writer: BufWriter::with_capacity(64 << 10, io::stdout().lock()) }
    }

    /// Writes the text and a line end.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.parts(&[text, "\n"])
    }

    pub(crate) fn parts(&mut self, parts: &[&str]) -> Result<(), Failure> {
        parts.iter().try_for_each(|part| self.writer.write_all(part.as_bytes())).map_err(failure)
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.writer.flush().map_err(failure)
    }
}

fn failure(error: io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::ClosedPipe,
        _ => Failure::Io { path: "standard output".to_owned(), error },
    }
}

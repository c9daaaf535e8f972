//! `load`: the lines of a file into the store.
//!
//! 1. The input is opened and its first bytes are read before the store is: an input
//!    that is not there, or is a directory, creates no store.
//! 2. Each line becomes a put in a batch; a full batch is written.
//! 3. At the end, and also at the first malformed line, what was read is written and
//!    the store is closed; only then it is said how it went.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lsm_db::Batch;

use super::Store;
use crate::args::LoadArgs;
use crate::failure::Failure;
use crate::lines::{Line, Lines};
use crate::notation::Notation;
use crate::output::Output;

/// A batch is written when it has so many operations or bytes. With the log on, each
/// batch costs one sync: about a thousand operations make that small.
const BATCH_OPS: usize = 1_000;
const BATCH_BYTES: usize = 1 << 20;
/// A longer line is malformed. The help of `load` names this number.
const MAX_LINE_BYTES: usize = 256 << 20;

pub(super) fn load(args: &LoadArgs, output: &mut Output) -> Result<(), Failure> {
    let input = Input::open(&args.file)?;
    let store = Store::open_or_create(&args.dir)?;
    let bar = progress_bar(input.size_bytes);
    let mut loader = Loader {
        store: &store,
        form: Form { lines: args.lines, notation: args.notation.notation() },
        skip_bad: args.skip_bad,
        batch: Batch::new(),
        batch_bytes: 0,
        loaded: 0,
        skipped: Skipped::default(),
    };
    let read = loader.load_all(&input.name, Lines::new(input.reader, MAX_LINE_BYTES), &bar);
    let outcome = loader.write_batch().and(read);
    let (loaded, skipped) = (loader.loaded, loader.skipped);
    let closed = store.close();
    bar.finish_and_clear();
    outcome.and(closed)?;
    output.line(&format!("loaded {loaded} into {}{skipped}", args.dir.display()))
}

/// Where the lines come from.
struct Input {
    /// For messages.
    name: String,
    reader: Box<dyn BufRead>,
    /// Of a plain file.
    size_bytes: Option<u64>,
}

impl Input {
    fn open(path: &Path) -> Result<Input, Failure> {
        let mut input = if path.as_os_str() == "-" {
            let reader = Box::new(io::stdin().lock());
            Input { name: "standard input".to_owned(), reader, size_bytes: None }
        } else {
            let file = File::open(path).map_err(|error| Failure::io(path, error))?;
            let size_bytes =
                file.metadata().ok().filter(|meta| meta.is_file()).map(|meta| meta.len());
            let reader = Box::new(BufReader::with_capacity(256 << 10, file));
            Input { name: path.display().to_string(), reader, size_bytes }
        };
        match input.reader.fill_buf() {
            Ok(_) => Ok(input),
            Err(error) => Err(Failure::Io { path: input.name, error }),
        }
    }
}

/// A key and its value, borrowed from their line where they stand there as they are.
type Entry<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// How a line is read.
#[derive(Clone, Copy)]
struct Form {
    lines: bool,
    notation: Notation,
}

impl Form {
    /// The key and the value of a line, or why it is malformed.
    fn parse(self, line: Line<'_>, number: u64) -> Result<Entry<'_>, String> {
        let Line::Whole(line) = line else {
            return Err(format!("longer than {MAX_LINE_BYTES} bytes"));
        };
        if self.lines {
            let key = self.notation.decode(line).map_err(|error| error.to_string())?;
            return Ok((key, Cow::Owned(number.to_string().into_bytes())));
        }
        let tab = line.iter().position(|&byte| byte == b'\t').ok_or("no tab after a key")?;
        let (key, value) = line.split_at(tab);
        let key = self.notation.decode(key).map_err(|error| format!("key: {error}"))?;
        let value = value.strip_prefix(b"\t").unwrap_or(value);
        let value = self.notation.decode(value).map_err(|error| format!("value: {error}"))?;
        Ok((key, value))
    }
}

/// Gathers lines into batches and counts.
struct Loader<'a> {
    store: &'a Store<'a>,
    form: Form,
    skip_bad: bool,
    batch: Batch,
    batch_bytes: usize,
    loaded: u64,
    skipped: Skipped,
}

/// The malformed lines that `--skip-bad` passed over.
#[derive(Default)]
struct Skipped {
    count: u64,
    /// The number of the first one, and what is wrong with it.
    first: Option<(u64, String)>,
}

impl Skipped {
    fn add(&mut self, line: u64, why: String) {
        self.count += 1;
        self.first.get_or_insert((line, why));
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.first {
            Some((line, why)) => {
                write!(f, "; malformed lines skipped: {}, first line {line}: {why}", self.count)
            }
            None => Ok(()),
        }
    }
}

impl Loader<'_> {
    /// Reads to the end of the input or to a malformed line.
    fn load_all<R: BufRead>(
        &mut self,
        name: &str,
        mut lines: Lines<R>,
        bar: &ProgressBar,
    ) -> Result<(), Failure> {
        let failed = |error| Failure::Io { path: name.to_owned(), error };
        let mut number = 0;
        while let Some(line) = lines.next_line().map_err(failed)? {
            number += 1;
            match self.form.parse(line, number) {
                Ok((key, value)) => self.put(&key, &value)?,
                Err(why) if self.skip_bad => self.skipped.add(number, why),
                Err(why) => {
                    let (path, loaded) = (name.to_owned(), self.loaded);
                    return Err(Failure::BadLine { path, line: number, why, loaded });
                }
            }
            if number.is_multiple_of(BATCH_OPS as u64) {
                bar.set_position(lines.bytes_read());
            }
        }
        Ok(())
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        self.batch.put(key, value);
        self.batch_bytes += key.len() + value.len();
        self.loaded += 1;
        if self.batch.len() >= BATCH_OPS || self.batch_bytes >= BATCH_BYTES {
            self.write_batch()?;
        }
        Ok(())
    }

    fn write_batch(&mut self) -> Result<(), Failure> {
        self.batch_bytes = 0;
        self.store.write(std::mem::take(&mut self.batch))
    }
}

/// Drawn on a terminal only, so that a script's error log stays clean.
fn progress_bar(size_bytes: Option<u64>) -> ProgressBar {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let template = match size_bytes {
        Some(_) => "{bar:40} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left",
        None => "{spinner} {bytes}, {bytes_per_sec}",
    };
    let style = ProgressStyle::with_template(template);
    ProgressBar::with_draw_target(size_bytes, target)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

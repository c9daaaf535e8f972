//! An index of the words of a folder of source code, kept in the store: the first run
//! indexes, the next ones open the index again and answer at once.
//!
//! ```text
//! cargo run --release --example code_search -- [--reindex] DIR WORD...
//! ```
//!
//! Every text file under DIR is read that .gitignore does not name, that is not hidden
//! and has at most 1 MiB. The index lies in `target/code_search/<hash of DIR>` of the
//! current directory. Its keys are made for prefix scans, so that one scan answers a
//! word, in the order of file and line (lines are big-endian, NUL is in no file name):
//!
//! ```text
//! "w" word NUL file NUL line:u32  ->  nothing
//! "t" file NUL line:u32           ->  the text of the line
//! "m"                             ->  what was indexed; written last: without it the
//!                                     index is unfinished and is made again
//! ```

#![expect(clippy::print_stderr, reason = "an example says what is wrong with its call")]

use std::collections::BTreeSet;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use ignore::WalkBuilder;
use indicatif::{ProgressBar, ProgressStyle};
use lsm_db::{Batch, Lsm};

const USAGE: &str = "usage: code_search [--reindex] DIR WORD...";
const MAX_FILE_BYTES: u64 = 1 << 20;
/// A NUL in this many first bytes makes a file binary.
const SNIFF_BYTES: usize = 8 << 10;
const BATCH_OPS: usize = 1_000;
const MAX_ANSWERS: usize = 20;
const MAX_SHOWN_CHARS: usize = 120;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let query = match Query::parse(std::env::args_os().skip(1)) {
        Ok(query) => query,
        Err(message) => {
            eprintln!("code_search: {message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&query, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has seen enough: `code_search . word | head -3`.
        Err(error) if is_closed_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("code_search: {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// What the command line asks for.
struct Query {
    /// The folder, canonical.
    root: PathBuf,
    /// In lower case.
    words: Vec<String>,
    reindex: bool,
}

impl Query {
    fn parse(args: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let (options, mut rest): (Vec<_>, Vec<_>) =
            args.partition(|arg| arg.as_encoded_bytes().starts_with(b"--"));
        if let Some(unknown) = options.iter().find(|option| *option != "--reindex") {
            return Err(format!("unknown option {}", unknown.display()));
        }
        if rest.len() < 2 {
            return Err("a folder and at least one word are needed".to_owned());
        }
        let dir = PathBuf::from(rest.remove(0));
        let root = dir.canonicalize().map_err(|error| format!("{}: {error}", dir.display()))?;
        if !root.is_dir() {
            return Err(format!("{}: is not a folder", dir.display()));
        }
        let words = rest.into_iter().map(parse_word).collect::<Result<_, _>>()?;
        Ok(Query { root, words, reindex: !options.is_empty() })
    }
}

fn parse_word(arg: OsString) -> Result<String, String> {
    let text = arg.to_string_lossy();
    let mut words = words_of(&text);
    match (words.pop_first(), words.is_empty()) {
        (Some(word), true) if word.len() == text.to_lowercase().len() => Ok(word),
        _ => Err(format!("`{text}` is not one word of letters, digits and _")),
    }
}

/// Opens or makes the index, answers the words, and says what it took.
fn run(query: &Query, out: &mut dyn Write) -> Outcome<()> {
    let place = Place::of(&query.root)?;
    let start = Instant::now();
    let (db, summary) = match place.open(&query.root, query.reindex, out)? {
        (db, Some(summary)) => {
            writeln!(out, "opened the index of an earlier run; --reindex makes it again")?;
            (db, summary)
        }
        (db, None) => {
            writeln!(out, "indexing {}", query.root.display())?;
            let summary = index(&db, &query.root, &place.target)?;
            (db, summary)
        }
    };
    writeln!(
        out,
        "{} in {:.1?}",
        if summary.fresh { "loaded" } else { "opened" },
        start.elapsed()
    )?;
    summary.print(&place.dir, db.stats().table_bytes, out)?;

    let start = Instant::now();
    let answers: Vec<_> =
        query.words.iter().map(|word| Answer::of(&db, word)).collect::<Result<_, _>>()?;
    let took = start.elapsed();
    for (word, answer) in query.words.iter().zip(answers) {
        answer.print(word, out)?;
    }
    writeln!(out, "\nquery: {took:.1?}")?;
    db.close()?;
    Ok(())
}

/// Where the index of a folder lies.
struct Place {
    /// `target` of the current directory, canonical; it is never indexed.
    target: PathBuf,
    dir: PathBuf,
}

impl Place {
    fn of(root: &Path) -> Outcome<Place> {
        let target = PathBuf::from("target");
        fs::create_dir_all(&target).map_err(|error| format!("{}: {error}", target.display()))?;
        let hash = fnv1a(root.as_os_str().as_encoded_bytes());
        let dir = target.join("code_search").join(format!("{hash:016x}"));
        Ok(Place { target: target.canonicalize()?, dir })
    }

    /// The finished index of `root`, or an empty store to index into. An index that
    /// another process has open is an error, not a reason to make it again.
    fn open(
        &self,
        root: &Path,
        reindex: bool,
        out: &mut dyn Write,
    ) -> Outcome<(Lsm, Option<Summary>)> {
        let is_new = !self.dir.exists();
        match Lsm::open(&self.dir) {
            Ok(db) if is_new => return Ok((db, None)),
            Ok(db) => {
                match db.get(MARKER)?.and_then(|marker| Summary::decode(&marker, root)) {
                    Some(summary) if !reindex => return Ok((db, Some(summary))),
                    Some(_) => {}
                    None => writeln!(out, "the index of an earlier run is unfinished")?,
                }
                db.close()?;
            }
            Err(error) if is_unusable(&error) => {
                writeln!(out, "the index of an earlier run cannot be used: {error}")?;
            }
            Err(error) => return Err(self.named(&error)),
        }
        Ok((self.start_again()?, None))
    }

    /// An empty store in the place of the index. That one is moved aside before it is
    /// removed: a removal that is interrupted leaves no half store behind, and the new
    /// store is locked as soon as it is there.
    fn start_again(&self) -> Outcome<Lsm> {
        let aside = self.dir.with_extension("old");
        if aside.exists() {
            fs::remove_dir_all(&aside)?;
        }
        fs::rename(&self.dir, &aside)?;
        let db = Lsm::open(&self.dir).map_err(|error| self.named(&error))?;
        fs::remove_dir_all(&aside)?;
        Ok(db)
    }

    fn named(&self, error: &lsm_db::Error) -> Box<dyn Error> {
        format!("{}: {error}", self.dir.display()).into()
    }
}

/// Whether a store is damaged or of another format: no store to keep, since an index
/// can be made again.
fn is_unusable(error: &lsm_db::Error) -> bool {
    match error {
        lsm_db::Error::Corruption { .. } => true,
        lsm_db::Error::Io { source, .. } => source.kind() == ErrorKind::Unsupported,
        _ => false,
    }
}

/// 64-bit FNV-1a: the same in every build, unlike the hashers of the standard library.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Indexes every text file under `root`; the marker goes last.
fn index(db: &Lsm, root: &Path, target: &Path) -> Outcome<Summary> {
    let mut summary = Summary { fresh: true, ..Summary::default() };
    let files = files_under(root, target, &mut summary);
    let bar = progress_bar(files.len());
    let mut loader = Loader { db, batch: Batch::new(), keys: 0, bytes: 0 };
    for path in files {
        match fs::read(&path).map(text_of) {
            Ok(Some(text)) => {
                let name = path.strip_prefix(root).unwrap_or(&path);
                summary.lines += loader.add_file(name.as_os_str().as_encoded_bytes(), &text)?;
                summary.files += 1;
            }
            Ok(None) => summary.binary += 1,
            Err(_) => summary.unreadable += 1,
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    (summary.keys, summary.bytes) = (loader.keys, loader.bytes);
    loader.put(MARKER, &summary.encode(root))?;
    loader.finish()?;
    Ok(summary)
}

/// The files to index, in the order of their names.
fn files_under(root: &Path, target: &Path, summary: &mut Summary) -> Vec<PathBuf> {
    let target = target.to_path_buf();
    let walk = WalkBuilder::new(root)
        .require_git(false)
        .max_filesize(Some(MAX_FILE_BYTES))
        .filter_entry(move |entry| entry.depth() == 0 || entry.path() != target)
        .sort_by_file_name(|left, right| left.cmp(right))
        .build();
    let mut files = Vec::new();
    for entry in walk {
        match entry {
            Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_file()) => {
                files.push(entry.into_path());
            }
            Ok(_) => {}
            Err(_) => summary.unreadable += 1,
        }
    }
    files
}

/// Drawn on a terminal only.
fn progress_bar(files: usize) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} files, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(files as u64).with_style(style)
}

/// The text of a file, or nothing if it is binary.
fn text_of(bytes: Vec<u8>) -> Option<String> {
    if bytes.iter().take(SNIFF_BYTES).any(|&byte| byte == 0) {
        return None;
    }
    String::from_utf8(bytes).ok()
}

/// The words of a text, each once, in lower case.
fn words_of(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

const MARKER: &[u8] = b"m";

/// The part that the keys of a line have in common: file, NUL, line.
fn place_key(file: &[u8], line: u32) -> Vec<u8> {
    [file, &[0], &line.to_be_bytes()].concat()
}

/// The beginning of the keys of a word.
fn word_key(word: &str) -> Vec<u8> {
    [b"w", word.as_bytes(), &[0]].concat()
}

fn text_key(place: &[u8]) -> Vec<u8> {
    [b"t", place].concat()
}

/// Writes into the store, a batch at a time.
struct Loader<'a> {
    db: &'a Lsm,
    batch: Batch,
    keys: u64,
    bytes: u64,
}

impl Loader<'_> {
    /// Adds a file; returns how many lines it has.
    fn add_file(&mut self, file: &[u8], text: &str) -> lsm_db::Result<u64> {
        let mut lines = 0;
        for (number, line) in (1..).zip(text.lines()) {
            let place = place_key(file, number);
            self.put(&text_key(&place), line.as_bytes())?;
            for word in words_of(line) {
                let mut key = word_key(&word);
                key.extend_from_slice(&place);
                self.put(&key, &[])?;
            }
            lines += 1;
        }
        Ok(lines)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> lsm_db::Result<()> {
        self.batch.put(key, value);
        self.keys += 1;
        self.bytes += (key.len() + value.len()) as u64;
        if self.batch.len() >= BATCH_OPS {
            self.db.write(std::mem::take(&mut self.batch))?;
        }
        Ok(())
    }

    fn finish(self) -> lsm_db::Result<()> {
        self.db.write(self.batch)?;
        self.db.flush()
    }
}

/// What was indexed: the value of the marker, and what is said at the end.
#[derive(Default)]
struct Summary {
    /// Made by this run.
    fresh: bool,
    files: u64,
    lines: u64,
    /// Without the marker.
    keys: u64,
    /// Of keys and values, without the marker.
    bytes: u64,
    binary: u64,
    unreadable: u64,
}

impl Summary {
    fn encode(&self, root: &Path) -> Vec<u8> {
        let Summary { files, lines, keys, bytes, binary, unreadable, .. } = self;
        let head = format!("{files} {lines} {keys} {bytes} {binary} {unreadable}\n");
        [head.as_bytes(), root.as_os_str().as_encoded_bytes()].concat()
    }

    /// Nothing if the marker is of another folder, which has the same hash.
    fn decode(marker: &[u8], root: &Path) -> Option<Summary> {
        let end = marker.iter().position(|&byte| byte == b'\n')?;
        let (head, tail) = marker.split_at(end);
        if tail.get(1..) != Some(root.as_os_str().as_encoded_bytes()) {
            return None;
        }
        let numbers: Vec<u64> = str::from_utf8(head)
            .ok()?
            .split(' ')
            .map(|number| number.parse().ok())
            .collect::<Option<_>>()?;
        let [files, lines, keys, bytes, binary, unreadable] = numbers[..] else { return None };
        Some(Summary { fresh: false, files, lines, keys, bytes, binary, unreadable })
    }

    fn print(&self, dir: &Path, table_bytes: u64, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "  {} files, {} lines ({} binary files skipped, {} not readable)",
            grouped(self.files),
            grouped(self.lines),
            grouped(self.binary),
            grouped(self.unreadable)
        )?;
        writeln!(
            out,
            "  {} keys, {} bytes of keys and values, {} bytes on disk in {}",
            grouped(self.keys),
            grouped(self.bytes),
            grouped(table_bytes),
            dir.display()
        )
    }
}

/// The lines that hold a word.
struct Answer {
    found: usize,
    /// The first of them, as they are printed.
    lines: Vec<String>,
}

impl Answer {
    fn of(db: &Lsm, word: &str) -> Outcome<Answer> {
        let prefix = word_key(word);
        let mut end = prefix.clone();
        if let Some(nul) = end.last_mut() {
            *nul = 1;
        }
        let hits = db.scan(prefix.clone()..end)?;
        let found = hits.len();
        let mut lines = Vec::new();
        for (key, _) in hits.take(MAX_ANSWERS) {
            let place = key.strip_prefix(&prefix[..]).ok_or("a key outside its scan")?;
            let text = db.get(text_key(place))?.ok_or("a line without its text")?;
            lines.push(shown(place, &text)?);
        }
        Ok(Answer { found, lines })
    }

    fn print(&self, word: &str, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "\n{word}: {} line(s)", grouped(self.found as u64))?;
        for line in &self.lines {
            writeln!(out, "{line}")?;
        }
        if self.found > self.lines.len() {
            writeln!(out, "… and {} more", grouped((self.found - self.lines.len()) as u64))?;
        }
        Ok(())
    }
}

/// `file:line: text`, cut to a screen's width and free of control characters.
fn shown(place: &[u8], text: &[u8]) -> Outcome<String> {
    let (file, line) = place.split_last_chunk().ok_or("a key without its line")?;
    let file = file.strip_suffix(&[0]).ok_or("a key without its file")?;
    let line = u32::from_be_bytes(*line);
    let (file, text) = (String::from_utf8_lossy(file), String::from_utf8_lossy(text));
    let text = text.trim().chars().take(MAX_SHOWN_CHARS).collect::<String>();
    Ok(format!("{file}:{line}: {text}").replace(|c: char| c.is_control(), " "))
}

/// A number with its digits in threes.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

//! What a simulation did, counted.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use crate::{Crash, Report};

/// Counts by name. Names with a colon are parts of what stands before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    counts: BTreeMap<String, u64>,
    /// A digest of all answers of histories without crashes, whatever their order.
    digest: u64,
}

impl Tally {
    /// Counts so many more of something.
    pub fn add(&mut self, name: &str, count: u64) {
        match self.counts.get_mut(name) {
            Some(sum) => *sum += count,
            None => drop(self.counts.insert(name.to_owned(), count)),
        }
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or_default()
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        other.counts.iter().for_each(|(name, count)| self.add(name, *count));
        self.digest = self.digest.wrapping_add(other.digest);
    }

    /// Counts what a driver did.
    pub(super) fn report(&mut self, report: &Report) {
        self.add("model operations", report.ops);
        self.add("answers compared", report.compared);
        for (kind, count) in &report.kinds {
            self.add(&format!("model operations: {kind}"), *count);
        }
    }

    pub(super) fn image(&mut self, how: Crash) {
        self.add("crash images", 1);
        self.add(kind_of(how), 1);
    }

    /// Adds the digest of a history's answers.
    pub(super) fn answers(&mut self, seed: u64, digest: u64) {
        self.digest = self.digest.wrapping_add(digest.rotate_left((seed % 64) as u32));
    }

    /// The same for the same seeds, whatever the features of the build.
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.digest
    }
}

const fn kind_of(how: Crash) -> &'static str {
    match how {
        Crash::Kill => "crash images: kill",
        Crash::LoseAll => "crash images: all lost",
        Crash::NamesOnly => "crash images: names only",
        Crash::BytesOnly => "crash images: bytes only",
        Crash::LengthsOnly => "crash images: lengths only",
        Crash::Junk(_) => "crash images: lengths with junk",
        Crash::FirstNames(_) => "crash images: first names only",
        Crash::AllBut(_) => "crash images: all but one change",
        Crash::Only(_) => "crash images: one change only",
        Crash::Torn(_) => "crash images: last write torn",
        Crash::Random(_) => "crash images: at random",
    }
}

/// A line for each sum, with its parts behind it.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in &self.counts {
            if name.contains(": ") {
                continue;
            }
            writeln!(f, "{name}: {count}")?;
            let begins = format!("{name}: ");
            let mut parts = String::new();
            for (part, count) in &self.counts {
                if let Some(part) = part.strip_prefix(&begins) {
                    write!(parts, "{}{part} {count}", if parts.is_empty() { "" } else { ", " })?;
                }
            }
            if !parts.is_empty() {
                writeln!(f, "  {parts}")?;
            }
        }
        write!(f, "digest of all answers: {:016x}", self.digest)
    }
}

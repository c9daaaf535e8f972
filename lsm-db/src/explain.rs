//! What a get looks at.

use std::fmt;

use lsm_engine::{Asked, BlockOrigin, Said};

/// What [`Lsm::get`](crate::Lsm::get) of a key looks at, from
/// [`Lsm::explain`](crate::Lsm::explain). Its `Display` text has a line for each place.
///
/// ```
/// # fn main() -> Result<(), lsm_db::Error> {
/// # let dir = tempfile::tempdir()?;
/// # let db = lsm_db::Lsm::open(dir.path())?;
/// db.put("k", "value")?;
/// db.flush()?;
/// let explain = db.explain("k")?;
/// assert_eq!(explain.value(), Some(b"value".as_slice()));
/// // The write buffer was asked, and then the run that it became.
/// assert_eq!(explain.steps().len(), 2);
/// assert!(explain.to_string().starts_with("key \"k\": a value of 5 bytes\n"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explain(lsm_engine::Explain);

/// One place that [`Explain`] tells of: a write buffer or a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExplainStep(Asked);

/// What a place says of a key, for [`ExplainStep::answer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExplainAnswer {
    /// It does not know the key.
    NotThere,
    /// The key was deleted.
    Deleted,
    /// The key has a value.
    Value,
}

/// Where a block came from, for [`ExplainStep::block`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockSource {
    /// The mapping of its file: from the page cache of the operating system, or the disk.
    Map,
    /// The block cache.
    Cache,
    /// A read from the file.
    Disk,
}

impl Explain {
    pub(crate) fn new(found: lsm_engine::Explain) -> Self {
        Self(found)
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.0.key
    }

    /// Its value, or `None` if it was never set or is deleted.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        self.0.value.as_deref()
    }

    /// The places that are asked, in their order; the last one knows the key, if any does.
    pub fn steps(&self) -> impl ExactSizeIterator<Item = ExplainStep> + '_ {
        self.0.asked.iter().map(|asked| ExplainStep(*asked))
    }

    /// Bytes of the blocks that did not come from the block cache.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.steps().map(|step| step.bytes_read()).sum()
    }
}

impl ExplainStep {
    /// The number of the run; `None` for a write buffer.
    #[must_use]
    pub fn run(&self) -> Option<u64> {
        Some(self.0.run?.number)
    }

    /// The level of the run.
    #[must_use]
    pub fn level(&self) -> Option<u8> {
        Some(self.0.run?.level)
    }

    /// The number of the run's only table whose keys surround the key, as in its file's
    /// name.
    #[must_use]
    pub fn table(&self) -> Option<u64> {
        self.0.run?.table
    }

    /// Whether the table's filter lets the key pass; `None` if there is no filter.
    #[must_use]
    pub fn filter(&self) -> Option<bool> {
        self.0.run?.filter
    }

    /// Where the block came from that was searched, if one was.
    #[must_use]
    pub fn block(&self) -> Option<BlockSource> {
        Some(match self.0.run?.block?.origin {
            BlockOrigin::Cache => BlockSource::Cache,
            BlockOrigin::Disk => BlockSource::Disk,
            _ => BlockSource::Map,
        })
    }

    /// Bytes of that block in its file, if it did not come from the block cache.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        let block = self.0.run.and_then(|run| run.block);
        block.filter(|block| block.origin != BlockOrigin::Cache).map_or(0, |block| block.bytes)
    }

    /// What the place says of the key.
    #[must_use]
    pub fn answer(&self) -> ExplainAnswer {
        match self.0.said {
            Said::Nothing => ExplainAnswer::NotThere,
            Said::Deleted => ExplainAnswer::Deleted,
            Said::Value(_) => ExplainAnswer::Value,
        }
    }
}

impl fmt::Display for Explain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.0.asked.last().map(|asked| asked.said).unwrap_or_default();
        writeln!(f, "key \"{}\": {}", self.key().escape_ascii(), answer(last, "no value"))?;
        for step in self.steps() {
            writeln!(f, "  {step}")?;
        }
        write!(f, "  {} bytes read", self.bytes_read())
    }
}

impl fmt::Display for ExplainStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(run) = self.0.run else {
            return write!(f, "write buffer: {}", answer(self.0.said, "not there"));
        };
        write!(f, "run {}, level {}", run.number, run.level)?;
        match run.table {
            Some(table) => write!(f, ", table {table}: ")?,
            None => return write!(f, ": no table for the key"),
        }
        match run.filter {
            Some(false) => return write!(f, "the filter says no"),
            Some(true) => write!(f, "the filter says maybe; ")?,
            None => write!(f, "no filter; ")?,
        }
        if let (Some(block), Some(source)) = (run.block, self.block()) {
            let source = match source {
                BlockSource::Map => "the mapping",
                BlockSource::Cache => "the cache",
                BlockSource::Disk => "the disk",
            };
            write!(f, "block {} of {} bytes from {source}; ", block.number, block.bytes)?;
        }
        f.write_str(&answer(self.0.said, "not there"))
    }
}

fn answer(said: Said, nothing: &str) -> String {
    match said {
        Said::Nothing => nothing.to_owned(),
        Said::Deleted => "deleted".to_owned(),
        Said::Value(bytes) => format!("a value of {bytes} bytes"),
    }
}

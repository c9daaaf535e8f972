//! A whole table in memory: for tools and tests, and for anyone without an engine.

use alloc::vec::Vec;

use lsm_types::{Entry, InternalKey, SeqNo};

use crate::{Block, RunMeta, SstError};

/// A table over bytes that it borrows.
///
/// ```
/// use lsm_sstable::{Identity, RunReader, RunWriter};
/// use lsm_types::{Entry, Kind, SeqNo, StoreId, TableNo, TableUid};
/// let number = TableNo::new(1).unwrap();
/// let identity = Identity { store: StoreId([1; 16]), number, uid: TableUid([2; 16]) };
/// let mut writer = RunWriter::new(identity);
/// let seq = SeqNo::new(1).unwrap();
/// writer.push(&Entry { user_key: b"k", seq, kind: Kind::Put, value: b"v" })?;
/// let (bytes, _) = writer.finish()?;
///
/// let reader = RunReader::new(&bytes)?;
/// assert_eq!(reader.get(b"k")?.unwrap().value, b"v");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RunReader<'a> {
    bytes: &'a [u8],
    meta: RunMeta,
}

impl<'a> RunReader<'a> {
    /// Reads header, index, properties and footer.
    ///
    /// # Errors
    ///
    /// When they are not intact.
    pub fn new(bytes: &'a [u8]) -> Result<Self, SstError> {
        Ok(Self { bytes, meta: RunMeta::parse(bytes, bytes, bytes.len() as u64)? })
    }

    /// The table's index and properties.
    #[must_use]
    pub const fn meta(&self) -> &RunMeta {
        &self.meta
    }

    /// Block `number`, verified; `None` behind the last.
    ///
    /// # Errors
    ///
    /// When it is damaged.
    pub fn block(&self, number: usize) -> Result<Option<Block<'a>>, SstError> {
        let Some(handle) = self.meta.blocks().get(number) else { return Ok(None) };
        let short = || SstError::damaged(handle.offset, "a block", "the end of the bytes");
        let rest = self.bytes.get(handle.offset as usize..).ok_or_else(short)?;
        let section = rest.get(..handle.len as usize).ok_or_else(short)?;
        self.meta.open_block(handle, section, true).map(Some)
    }

    /// The newest version of `user_key`, a tombstone perhaps.
    ///
    /// # Errors
    ///
    /// When the block that would hold it is damaged.
    pub fn get(&self, user_key: &[u8]) -> Result<Option<Entry<'a>>, SstError> {
        let target = InternalKey { user_key, seq: SeqNo::MAX };
        let Some(number) = self.meta.find_block(target) else { return Ok(None) };
        let Some(block) = self.block(number)? else { return Ok(None) };
        let found = block.entry(block.search(target)?)?;
        Ok(found.filter(|entry| entry.user_key == user_key))
    }

    /// All entries in order.
    ///
    /// # Errors
    ///
    /// At the first damaged block, or entries out of order.
    pub fn entries(&self) -> Result<Vec<Entry<'a>>, SstError> {
        let mut entries: Vec<Entry<'a>> = Vec::new();
        for (number, handle) in self.meta.blocks().iter().enumerate() {
            let Some(block) = self.block(number)? else { break };
            for at in 0..block.len() {
                let Some(entry) = block.entry(at)? else { break };
                if entries.last().is_some_and(|before| before.key() >= entry.key()) {
                    return Err(SstError::damaged(handle.offset, "ascending keys", "a lower one"));
                }
                entries.push(entry);
            }
        }
        Ok(entries)
    }
}

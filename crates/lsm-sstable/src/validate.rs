//! Everything that can be checked of a table, with the keys that each fault concerns.

use alloc::format;
use alloc::vec::Vec;

use lsm_types::{InternalKey, Kind, SeqNo};

use crate::index::{BlockHandle, Counts};
use crate::{Properties, RunMeta, RunReader, SstError, section_bytes};

/// A hopeless table does not fill the memory: after so many problems the rest is left.
const MOST_PROBLEMS: usize = 1_000;
/// Keys are told up to this length.
const KEY_BYTES: usize = 256;

/// Something in a table that is not as the format wants it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, what was expected, what was found.
    pub error: SstError,
    /// The keys that it concerns; `None` if it may be all of them.
    pub keys: Option<KeyRange>,
}

/// The keys of a block, as its neighbours in the index bound them. Bounds are told by
/// at most 256 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// All keys are above this one, or are its older versions.
    pub after: Option<Vec<u8>>,
    /// No key is above this one; if it has 256 bytes, keys that begin with it may be
    /// concerned too.
    pub up_to: Vec<u8>,
}

/// The problems of a table, in order of their place, a thousand at most. Empty: the
/// table is sound.
///
/// ```
/// use lsm_sstable::{Identity, RunWriter, WriteOptions, problems};
/// let mut writer = RunWriter::new(Identity::alone([7; 16]), WriteOptions::default())?;
/// writer.push(b"key", b"value")?;
/// let mut table = writer.finish()?.bytes;
/// assert!(problems(&table).is_empty());
///
/// table[100] ^= 1;
/// let keys = problems(&table).remove(0).keys.unwrap();
/// assert_eq!(keys.up_to, b"key");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn problems(bytes: &[u8]) -> Vec<Problem> {
    let mut found = Vec::new();
    match RunReader::new(bytes) {
        Ok(reader) => {
            // The walk ends early when there are enough.
            let _ = blocks(bytes, reader.meta(), &mut |problem| {
                let last = problem.error.clone();
                found.push(problem);
                if found.len() < MOST_PROBLEMS { Ok(()) } else { Err(last) }
            });
        }
        Err(error) => found.push(Problem { error, keys: None }),
    }
    found
}

/// What is known of the entries so far.
struct Seen {
    properties: Properties,
    last: Option<(Vec<u8>, SeqNo)>,
}

/// Checks the data of a table whose tail was found intact, telling each problem to
/// `tell`, which may stop the walk by an error.
pub(crate) fn blocks(
    bytes: &[u8],
    meta: &RunMeta,
    tell: &mut dyn FnMut(Problem) -> Result<(), SstError>,
) -> Result<(), SstError> {
    let properties = Properties { lowest_seq: SeqNo::MAX, ..Properties::default() };
    let mut seen = Seen { properties, last: None };
    let mut whole = true;
    for handle in meta.blocks() {
        if let Err(error) = block(bytes, meta, &handle, &mut seen) {
            whole = false;
            // What follows is compared with nothing of this block.
            seen.last = None;
            tell(Problem { error, keys: Some(keys_of(meta, handle.number as usize)) })?;
        }
    }
    if let Err(error) = tail_padding(bytes, meta) {
        tell(Problem { error, keys: None })?;
    }
    if !whole {
        return Ok(());
    }
    let Seen { properties, last } = seen;
    let largest = last.map(|(key, _)| key).unwrap_or_default();
    let said = meta.properties();
    let numbers = [
        ("bytes of keys", said.key_bytes, properties.key_bytes),
        ("bytes of values", said.value_bytes, properties.value_bytes),
        ("lowest sequence number", said.lowest_seq.get(), properties.lowest_seq.get()),
        ("highest sequence number", said.highest_seq.get(), properties.highest_seq.get()),
    ];
    let at = meta.properties_offset(bytes)?;
    for (what, said, found) in numbers.into_iter().filter(|(_, said, found)| said != found) {
        let expected = format!("{what} {found}, as the entries have");
        tell(Problem { error: SstError::damaged(at, expected, format!("{said}")), keys: None })?;
    }
    if (&said.smallest, &said.largest) != (&properties.smallest, &largest) {
        let expected = "the smallest and the largest key of the entries";
        tell(Problem { error: SstError::damaged(at, expected, "others"), keys: None })?;
    }
    Ok(())
}

/// The separator of a block as a key, in full or cut.
fn separator(meta: &RunMeta, number: usize, most: usize) -> Option<Vec<u8>> {
    let (prefix, rest) = meta.separator(number)?;
    Some(prefix.iter().chain(rest).take(most).copied().collect())
}

fn keys_of(meta: &RunMeta, number: usize) -> KeyRange {
    let before = number.checked_sub(1);
    KeyRange {
        after: before.and_then(|before| separator(meta, before, KEY_BYTES)),
        up_to: separator(meta, number, KEY_BYTES).unwrap_or_default(),
    }
}

/// Checks one block: as a section, inside, and against the index.
fn block(
    bytes: &[u8],
    meta: &RunMeta,
    handle: &BlockHandle,
    seen: &mut Seen,
) -> Result<(), SstError> {
    let payload = meta.open_block(handle, section_bytes(bytes, handle)?, true)?.unpack()?;
    let block = meta.parse_block(handle, &payload)?;
    padding(bytes, handle.offset + handle.len)?;
    let before = seen.last.as_ref();
    block.validate(before.map(|(key, seq)| InternalKey { user_key: key, seq: *seq }))?;
    let damaged = |what: &str| SstError::damaged(handle.offset, what, "others");

    let number = handle.number as usize;
    let after = number.checked_sub(1).and_then(|before| separator(meta, before, usize::MAX));
    let up_to = separator(meta, number, usize::MAX).unwrap_or_default();
    let (mut counts, mut key) = (Counts::default(), Vec::new());
    let mut first = None;
    for entry in block.iter() {
        let entry = entry?;
        let entry = entry.join(&mut key);
        let hidden = match &seen.last {
            Some((last, _)) => last == entry.user_key,
            // The block before is damaged: the index knows whether its key goes on.
            None => number > 0 && first.is_none() && continues(meta, number - 1),
        };
        first.get_or_insert_with(|| entry.user_key.to_vec());
        counts.entries += 1;
        counts.tombstones += u64::from(entry.kind == Kind::Delete);
        counts.hidden += u64::from(hidden);
        seen.add(&entry);
    }
    if counts != handle.counts {
        return Err(damaged("the counts in the index"));
    }
    let (first, last) = (first.unwrap_or_default(), key);
    let begins = after.is_none_or(|after| {
        if continues(meta, number.wrapping_sub(1)) { first == after } else { first > after }
    });
    let ends = if handle.continues { last == up_to } else { last <= up_to };
    if !begins || !ends {
        return Err(damaged("keys between the separators in the index"));
    }
    seen.properties.counts.entries += counts.entries;
    seen.properties.counts.tombstones += counts.tombstones;
    seen.properties.counts.hidden += counts.hidden;
    Ok(())
}

fn continues(meta: &RunMeta, number: usize) -> bool {
    meta.block(number).is_some_and(|handle| handle.continues)
}

impl Seen {
    fn add(&mut self, entry: &lsm_types::Entry<'_>) {
        let seen = &mut self.properties;
        if self.last.is_none() {
            seen.smallest = entry.user_key.to_vec();
        }
        seen.key_bytes += entry.user_key.len() as u64;
        seen.value_bytes += entry.value.len() as u64;
        seen.lowest_seq = seen.lowest_seq.min(entry.seq);
        seen.highest_seq = seen.highest_seq.max(entry.seq);
        self.last = Some((entry.user_key.to_vec(), entry.seq));
    }
}

/// The bytes from `end` to the next multiple of 64 are zero.
fn padding(bytes: &[u8], end: u64) -> Result<(), SstError> {
    let next = crate::section::align(end).unwrap_or(end);
    let padding = bytes.get(end as usize..next as usize).unwrap_or_default();
    match padding.iter().position(|byte| *byte != 0) {
        Some(at) => {
            Err(SstError::damaged(end + at as u64, "zeros up to the next section", "others"))
        }
        None => Ok(()),
    }
}

/// The padding behind index and properties.
fn tail_padding(bytes: &[u8], meta: &RunMeta) -> Result<(), SstError> {
    meta.tail_ends(bytes)?.into_iter().try_for_each(|end| padding(bytes, end))
}

//! Walking a damaged table block by block, without its index.
//!
//! Steps: take the uid from the header or, if that is damaged, from the footer; then
//! look at each multiple of 64 for a section that fits and whose checksum is right; go
//! on behind it, or 64 bytes on.
//!
//! A checksum ties a section to the table and to its place, so that nothing stale or
//! foreign is taken for a block of this table.

use alloc::borrow::Cow;
use core::fmt;

use crate::layout::{self, Footer};
use crate::section::{ALIGNMENT, RawFrame, SECTION_HEADER_BYTES, SectionKind, align};
use crate::{Block, HEADER_BYTES, Identity, SstError};

/// A section up to this length is always hashed. Longer ones, of all places together,
/// up to 16 times the file's length: forged frames could else ask for its square.
const CHEAP_BYTES: usize = 128 << 10;

/// A piece of a damaged table; see [`Salvage`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// An intact block.
    Block {
        /// Where its section begins.
        offset: u64,
        /// Its number in the table: a gap shows how many blocks are lost.
        number: u32,
        /// Its payload, for [`Block::parse`](crate::Block::parse).
        payload: Cow<'a, [u8]>,
    },
    /// Index or properties, intact.
    Tail {
        /// Where the section begins.
        offset: u64,
        /// Which of the two.
        kind: SectionKind,
    },
    /// An intact section that another build is needed for.
    Unsupported {
        /// Where it begins.
        offset: u64,
        /// What is needed.
        error: SstError,
    },
    /// Bytes that are no intact section.
    Lost {
        /// Where they begin.
        offset: u64,
        /// How many there are.
        len: u64,
    },
}

/// The pieces of a table, in order; they cover all bytes between header and footer.
///
/// ```
/// use lsm_sstable::{Block, Identity, Piece, RunWriter, Salvage, WriteOptions};
/// let mut writer = RunWriter::new(Identity::alone([7; 16]), WriteOptions::default())?;
/// for n in 0..200_u32 {
///     writer.push(&n.to_be_bytes(), &[0; 100])?;
/// }
/// let mut table = writer.finish()?.bytes;
/// let end = table.len() - 600;
/// table.truncate(end); // index, properties and footer are gone
/// table[200] ^= 1; // and the first block is damaged
///
/// let mut rows = 0;
/// for piece in Salvage::new(&table)? {
///     if let Piece::Block { offset, payload, .. } = piece {
///         rows += Block::parse(&payload, offset)?.len();
///     }
/// }
/// assert!(rows > 100, "{rows}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Salvage<'a> {
    bytes: &'a [u8],
    identity: Identity,
    at: u64,
    end: u64,
    /// The section behind a lost piece, found while its end was looked for.
    found: Option<(Piece<'a>, u64)>,
    /// Bytes of long sections that may still be hashed.
    budget: u64,
}

impl<'a> Salvage<'a> {
    /// Walks the table in `bytes`, whose header or footer is intact.
    ///
    /// # Errors
    ///
    /// When neither is: [`with_identity`](Salvage::with_identity) needs none.
    pub fn new(bytes: &'a [u8]) -> Result<Self, SstError> {
        let header = layout::parse_header(bytes);
        let footer = Footer::parse(bytes, bytes.len() as u64).map(|footer| footer.identity);
        let identity = match (header, footer) {
            // What belongs to another build is not taken for this one's, whatever
            // else is intact.
            (Err(error @ SstError::Unsupported { .. }), _)
            | (_, Err(error @ SstError::Unsupported { .. })) => return Err(error),
            (Ok(identity), _) | (_, Ok(identity)) => identity,
            (Err(error), _) => return Err(error),
        };
        Ok(Self::with_identity(bytes, identity))
    }

    /// Walks the table of `identity` in `bytes`; the manifest of a store knows it, and
    /// the table's filter.
    #[must_use]
    pub fn with_identity(bytes: &'a [u8], identity: Identity) -> Self {
        let footer = Footer::parse(bytes, bytes.len() as u64).is_ok();
        let tail = if footer { crate::FOOTER_BYTES } else { 0 };
        let end = (bytes.len() - tail) as u64;
        let budget = end.saturating_mul(16);
        Self { bytes, identity, at: HEADER_BYTES as u64, end, found: None, budget }
    }

    /// Whose table it is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The section at `offset` and where the next may begin, if its checksum is right.
    fn section_at(&mut self, offset: u64) -> Option<(Piece<'a>, u64)> {
        let rest = self.bytes.get(offset as usize..self.end as usize)?;
        let frame = RawFrame::parse(rest, offset).ok()?;
        let kind = match frame.kind {
            1 => SectionKind::Block,
            2 => SectionKind::Index,
            3 => SectionKind::Properties,
            _ => return None,
        };
        let len = (frame.stored as usize).checked_add(SECTION_HEADER_BYTES)?;
        let section = rest.get(..len)?;
        // What is forged may ask for the same bytes at each place.
        if len > CHEAP_BYTES {
            self.budget = self.budget.checked_sub(len as u64)?;
        }
        frame.verify(section, &self.identity, offset).ok()?;
        let next = align(offset.checked_add(len as u64)?)?;
        let piece = match open(&frame, kind, section, offset) {
            Ok(payload) if kind == SectionKind::Block => {
                Piece::Block { offset, number: frame.number, payload }
            }
            Ok(_) => Piece::Tail { offset, kind },
            Err(error @ SstError::Unsupported { .. }) => Piece::Unsupported { offset, error },
            Err(SstError::Damaged { .. }) => return None,
        };
        Some((piece, next))
    }
}

/// The unpacked payload of a section with a right checksum, if it is one of this format.
fn open<'a>(
    frame: &RawFrame,
    kind: SectionKind,
    section: &'a [u8],
    offset: u64,
) -> Result<Cow<'a, [u8]>, SstError> {
    let stored = section.get(SECTION_HEADER_BYTES..).unwrap_or_default();
    let payload = frame.payload(stored, offset)?.unpack()?;
    match kind {
        SectionKind::Block => Block::parse(&payload, offset)?.validate(None)?,
        _ if frame.number != 0 => {
            let found = alloc::format!("{}", frame.number);
            return Err(SstError::damaged(offset + 20, "number 0", found));
        }
        _ => {}
    }
    Ok(payload)
}

impl<'a> Iterator for Salvage<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if let Some((piece, next)) = self.found.take() {
            self.at = next;
            return Some(piece);
        }
        let start = self.at;
        while self.at < self.end {
            let found = self.section_at(self.at);
            match found {
                Some((piece, next)) if self.at == start => {
                    self.at = next;
                    return Some(piece);
                }
                Some(found) => {
                    self.found = Some(found);
                    break;
                }
                None => self.at = self.at.saturating_add(ALIGNMENT),
            }
        }
        let len = self.at.min(self.end).checked_sub(start).filter(|len| *len > 0)?;
        Some(Piece::Lost { offset: start, len })
    }
}

impl fmt::Debug for Salvage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Salvage").field("identity", &self.identity).field("at", &self.at).finish()
    }
}

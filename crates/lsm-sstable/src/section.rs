//! Sections: the frame around each block, the index and the properties.
//!
//! ```text
//!  0  8  checksum: xxh3 of bytes 8..end XOR xxh3 of (uid, offset)
//!  8  4  stored length of the payload        16  1  kind: 1 block, 2 index, 3 properties
//! 12  4  raw length of the payload           17  1  codec: 1 plain, 2 LZ4
//! 24  n  payload, as stored                  18  2  zeros
//!                                            20  4  number among its kind
//! ```
//!
//! A section begins at a multiple of 64; zeros lead up to the next. Its checksum
//! depends on the table and on the place, so that a section of another table, or of
//! another place, is refused.

use alloc::borrow::Cow;
use alloc::format;
use alloc::vec::Vec;
use core::fmt;

use lsm_types::decode;
use xxhash_rust::xxh3::xxh3_64;

use crate::{Identity, SstError, WriteError};

/// Sections begin at multiples of this many bytes. Durable.
pub(crate) const ALIGNMENT: u64 = 64;
/// The size in bytes of the frame before each payload. Durable.
pub const SECTION_HEADER_BYTES: usize = 24;
/// No compressed payload is longer than this when unpacked. Durable.
pub(crate) const MAX_PACKED_RAW: usize = 1 << 22;

/// What a section holds. Durable numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionKind {
    /// Entries.
    Block = 1,
    /// Where the blocks lie.
    Index = 2,
    /// Counts and bounds of the table.
    Properties = 3,
}

/// How a payload is stored. Durable numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Codec {
    /// As it is.
    #[default]
    Plain = 1,
    /// As one LZ4 block (feature `lz4`).
    Lz4 = 2,
}

/// The first multiple of [`ALIGNMENT`] at or after `offset`.
pub(crate) const fn align(offset: u64) -> Option<u64> {
    offset.checked_next_multiple_of(ALIGNMENT)
}

/// What ties a checksum to a table and a place in it.
fn place_sum(identity: &Identity, offset: u64) -> u64 {
    let mut place = [0; 24];
    let (uid, at) = place.split_at_mut(16);
    uid.copy_from_slice(&identity.uid.0);
    at.copy_from_slice(&offset.to_le_bytes());
    xxh3_64(&place)
}

/// Makes room for a frame at the end of `out`; the payload follows, then
/// [`end_section`].
pub(crate) fn begin_section(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; SECTION_HEADER_BYTES]);
    start
}

/// Fills the frame at `start` of `out` and pads. Gives the section's length, frame
/// included.
pub(crate) fn end_section(
    out: &mut Vec<u8>,
    start: usize,
    identity: &Identity,
    offset: u64,
    frame: &Frame,
) -> Result<u64, WriteError> {
    let len = out.len().saturating_sub(start);
    let stored = len.saturating_sub(SECTION_HEADER_BYTES);
    // A block holds one entry of at most two gigabytes; the index of a table with
    // very long keys can be longer than the length field tells.
    let stored = u32::try_from(stored).map_err(|_| WriteError::TableTooLong)?;
    let raw = u32::try_from(frame.raw).map_err(|_| WriteError::TableTooLong)?;
    let fields = u128::from(stored)
        | u128::from(raw) << 32
        | (frame.kind as u128) << 64
        | (frame.codec as u128) << 72
        | u128::from(frame.number) << 96;
    let section = out.get_mut(start..).unwrap_or_default();
    if let Some(place) = section.get_mut(8..SECTION_HEADER_BYTES) {
        place.copy_from_slice(&fields.to_le_bytes());
    }
    let sum = xxh3_64(section.get(8..).unwrap_or_default()) ^ place_sum(identity, offset);
    if let Some(place) = section.first_chunk_mut::<8>() {
        *place = sum.to_le_bytes();
    }
    let padded = len.next_multiple_of(ALIGNMENT as usize);
    out.resize(start + padded, 0);
    Ok(len as u64)
}

/// The fields of a section that are not computed from its bytes.
pub(crate) struct Frame {
    pub(crate) kind: SectionKind,
    pub(crate) codec: Codec,
    pub(crate) number: u32,
    /// Length of the payload before compression.
    pub(crate) raw: usize,
}

/// A payload where it lies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    /// Stored as it is.
    Plain(&'a [u8]),
    /// Compressed; [`unpack`](Payload::unpack) gives the bytes.
    Packed(Packed<'a>),
}

/// A compressed payload.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Packed<'a> {
    stored: &'a [u8],
    raw: usize,
    offset: u64,
}

impl<'a> Payload<'a> {
    /// The bytes: borrowed if they are stored plainly, unpacked if not. At most 4 MiB
    /// are allocated, whatever the section claims.
    ///
    /// # Errors
    ///
    /// When the compressed bytes are damaged, or this build has no feature `lz4`.
    pub fn unpack(self) -> Result<Cow<'a, [u8]>, SstError> {
        match self {
            Self::Plain(bytes) => Ok(Cow::Borrowed(bytes)),
            Self::Packed(packed) => packed.unpack().map(Cow::Owned),
        }
    }
}

impl Packed<'_> {
    #[cfg(feature = "lz4")]
    fn unpack(self) -> Result<Vec<u8>, SstError> {
        let mut raw = alloc::vec![0; self.raw];
        let expected = format!("an LZ4 block of {} bytes", self.raw);
        match lz4_flex::block::decompress_into(self.stored, &mut raw) {
            Ok(len) if len == self.raw => Ok(raw),
            Ok(len) => Err(SstError::damaged(self.offset, expected, format!("{len}"))),
            Err(error) => Err(SstError::damaged(self.offset, expected, format!("{error}"))),
        }
    }

    #[cfg(not(feature = "lz4"))]
    fn unpack(self) -> Result<Vec<u8>, SstError> {
        let what = "an LZ4 block; this build has no feature `lz4`".into();
        Err(SstError::Unsupported { offset: self.offset, what })
    }
}

impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(bytes) => write!(f, "Plain({} bytes)", bytes.len()),
            Self::Packed(packed) => write!(f, "{packed:?}"),
        }
    }
}

impl fmt::Debug for Packed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packed({} bytes of {})", self.stored.len(), self.raw)
    }
}

/// What a reader expects of a section.
#[derive(Clone, Copy)]
pub(crate) struct Expected<'i> {
    pub(crate) identity: &'i Identity,
    pub(crate) offset: u64,
    pub(crate) kind: SectionKind,
    pub(crate) number: u32,
}

/// The payload of a section, given all its bytes without the padding. With `verify`
/// its checksum is compared first.
pub(crate) fn open_section<'a>(
    bytes: &'a [u8],
    expected: Expected<'_>,
    verify: bool,
) -> Result<Payload<'a>, SstError> {
    let Expected { identity, offset, kind, number } = expected;
    let frame = RawFrame::parse(bytes, offset)?;
    if frame.stored as usize != bytes.len() - SECTION_HEADER_BYTES {
        let expected = format!("a payload of {} bytes", bytes.len() - SECTION_HEADER_BYTES);
        return Err(SstError::damaged(offset + 8, expected, format!("{}", frame.stored)));
    }
    if verify {
        frame.verify(bytes, identity, offset)?;
    }
    if frame.kind != kind as u8 || frame.number != number {
        let found = format!("kind {}, number {}", frame.kind, frame.number);
        let expected = format!("section kind {}, number {number}", kind as u8);
        return Err(SstError::damaged(offset + 16, expected, found));
    }
    frame.payload(bytes.get(SECTION_HEADER_BYTES..).unwrap_or_default(), offset)
}

/// A frame as it stands in the file, nothing checked but its room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawFrame {
    pub(crate) sum: u64,
    pub(crate) stored: u32,
    pub(crate) raw: u32,
    pub(crate) kind: u8,
    pub(crate) codec: u8,
    pub(crate) zeros: u16,
    pub(crate) number: u32,
}

impl RawFrame {
    #[inline]
    pub(crate) fn parse(bytes: &[u8], offset: u64) -> Result<Self, SstError> {
        let take = || {
            let mut input = bytes.get(..SECTION_HEADER_BYTES)?;
            Some(Self {
                sum: decode::u64(&mut input)?,
                stored: decode::u32(&mut input)?,
                raw: decode::u32(&mut input)?,
                kind: decode::u8(&mut input)?,
                codec: decode::u8(&mut input)?,
                zeros: decode::u16(&mut input)?,
                number: decode::u32(&mut input)?,
            })
        };
        take().ok_or_else(|| SstError::damaged(offset, "a section", "the end of the bytes"))
    }

    /// Compares the checksum of the section `bytes`, frame included.
    pub(crate) fn verify(
        &self,
        bytes: &[u8],
        identity: &Identity,
        offset: u64,
    ) -> Result<(), SstError> {
        let found = xxh3_64(bytes.get(8..).unwrap_or_default()) ^ place_sum(identity, offset);
        if found == self.sum {
            return Ok(());
        }
        let expected = format!("checksum {:#018x}", self.sum);
        Err(SstError::damaged(offset, expected, format!("{found:#018x}")))
    }

    /// Checks codec and lengths against the stored payload.
    #[inline]
    pub(crate) fn payload<'a>(
        &self,
        stored: &'a [u8],
        offset: u64,
    ) -> Result<Payload<'a>, SstError> {
        let plain = self.codec == Codec::Plain as u8;
        if plain && self.raw == self.stored && self.zeros == 0 {
            return Ok(Payload::Plain(stored));
        }
        self.uncommon(stored, offset)
    }

    #[cold]
    fn uncommon<'a>(&self, stored: &'a [u8], offset: u64) -> Result<Payload<'a>, SstError> {
        let raw = self.raw as usize;
        let damaged = |expected: &str, found: u64| {
            Err(SstError::damaged(offset, expected, format!("{found}")))
        };
        if self.codec != Codec::Plain as u8 && self.codec != Codec::Lz4 as u8 {
            let what = format!("codec {}; this build reads 1 (plain) and 2 (LZ4)", self.codec);
            return Err(SstError::Unsupported { offset: offset + 17, what });
        }
        if self.zeros != 0 {
            return damaged("zeros at byte 18 of the section", self.zeros.into());
        }
        if self.codec == Codec::Plain as u8 {
            return damaged("equal lengths in a plain section", self.raw.into());
        }
        if self.kind != SectionKind::Block as u8 {
            return damaged("a plain section: only blocks are compressed", self.codec.into());
        }
        let possible = stored.len().saturating_mul(255).saturating_add(64);
        if raw > MAX_PACKED_RAW || raw <= stored.len() || raw > possible {
            return damaged("a raw length that LZ4 can reach", self.raw.into());
        }
        Ok(Payload::Packed(Packed { stored, raw, offset }))
    }
}

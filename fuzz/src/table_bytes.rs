//! The outside of a table by the book: header, sections, footer, and their checksums.
//!
//! A second rendering of what docs/SSTABLE_FORMAT.md says, so that damaged bytes can be signed
//! anew and the readers behind the checksums are reached, and so that the writer's own
//! signatures are compared with something.

use lsm_sstable::{
    FOOTER_BYTES, FORMAT_VERSION, HEADER_BYTES, Identity, MAGIC, SECTION_HEADER_BYTES,
};
use xxhash_rust::xxh3::xxh3_64;

/// Sections begin at multiples of this many bytes.
const ALIGNMENT: usize = 64;

/// What of a table is signed anew, as bits.
pub(crate) mod parts {
    /// The sections' checksums.
    pub(crate) const SECTIONS: u8 = 1;
    /// The footer's checksum.
    pub(crate) const FOOTER: u8 = 2;
    /// The header's checksum.
    pub(crate) const HEADER: u8 = 4;
    /// The footer's length of the file.
    pub(crate) const LENGTH: u8 = 8;
    /// The header's identity: that of the footer.
    pub(crate) const IDENTITY: u8 = 16;
}

/// A section to be put together.
pub(crate) struct Section<'a> {
    pub(crate) kind: u8,
    pub(crate) codec: u8,
    pub(crate) number: u32,
    /// Length of the payload unpacked.
    pub(crate) raw: u32,
    pub(crate) payload: &'a [u8],
}

impl<'a> Section<'a> {
    /// A plain one.
    pub(crate) fn plain(kind: u8, number: u32, payload: &'a [u8]) -> Self {
        Self { kind, codec: 1, number, raw: payload.len() as u32, payload }
    }
}

/// Writes `field` at `at`, if there is room.
pub(crate) fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..field.len())) {
        place.copy_from_slice(field);
    }
}

/// The `N` bytes at `at`, if they are there.
pub(crate) fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn put_identity(out: &mut Vec<u8>, identity: &Identity) {
    out.extend_from_slice(&identity.store.0);
    out.extend_from_slice(&identity.number.get().to_le_bytes());
    out.extend_from_slice(&identity.uid.0);
}

/// The header of a table.
pub(crate) fn header(identity: &Identity) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 6]);
    put_identity(&mut out, identity);
    out.extend_from_slice(&xxh3_64(&out).to_le_bytes());
    out
}

/// Appends a section, signed and padded.
pub(crate) fn put_section(out: &mut Vec<u8>, identity: &Identity, section: &Section<'_>) {
    let at = out.len();
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&(section.payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&section.raw.to_le_bytes());
    out.extend_from_slice(&[section.kind, section.codec, 0, 0]);
    out.extend_from_slice(&section.number.to_le_bytes());
    out.extend_from_slice(section.payload);
    sign_section(out, at, &identity.uid.0);
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
}

/// Appends the footer of a table whose index and properties begin at these offsets.
pub(crate) fn put_footer(out: &mut Vec<u8>, identity: &Identity, index: usize, properties: usize) {
    let at = out.len();
    out.extend_from_slice(&(index as u64).to_le_bytes());
    out.extend_from_slice(&(properties as u64).to_le_bytes());
    put_identity(out, identity);
    out.extend_from_slice(&((at + FOOTER_BYTES) as u64).to_le_bytes());
    out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 6]);
    let sum = xxh3_64(&out[at..]);
    out.extend_from_slice(&sum.to_le_bytes());
    out.extend_from_slice(&MAGIC);
}

/// Where sections begin, as their own lengths say.
pub(crate) fn sections(bytes: &[u8]) -> Vec<usize> {
    let end = bytes.len().saturating_sub(FOOTER_BYTES);
    let (mut found, mut at) = (Vec::new(), HEADER_BYTES);
    while at + SECTION_HEADER_BYTES <= end {
        found.push(at);
        let next =
            stored(bytes, at).map_or(usize::MAX, |stored| at + SECTION_HEADER_BYTES + stored);
        at = if next > end { at + ALIGNMENT } else { next.next_multiple_of(ALIGNMENT) };
    }
    found
}

/// The length of the payload that the section at `at` announces.
fn stored(bytes: &[u8], at: usize) -> Option<usize> {
    field(bytes, at + 8).map(|len| u32::from_le_bytes(len) as usize)
}

/// Signs the section at `at`, if it is as long as it says.
fn sign_section(bytes: &mut [u8], at: usize, uid: &[u8; 16]) {
    let Some(stored) = stored(bytes, at) else { return };
    let Some(signed) = bytes.get(at + 8..at + SECTION_HEADER_BYTES + stored) else { return };
    let place = [&uid[..], &(at as u64).to_le_bytes()].concat();
    let sum = xxh3_64(signed) ^ xxh3_64(&place);
    put(bytes, at, &sum.to_le_bytes());
}

/// Signs the parts of a table that `signed` names, its sections being at `sections`.
pub(crate) fn sign(bytes: &mut [u8], sections: &[usize], signed: u8) {
    let Some(footer) = bytes.len().checked_sub(FOOTER_BYTES) else { return };
    if signed & parts::LENGTH != 0 {
        let len = (bytes.len() as u64).to_le_bytes();
        put(bytes, footer + 56, &len);
    }
    if signed & parts::IDENTITY != 0 {
        let identity: Option<[u8; 40]> = field(bytes, footer + 16);
        put(bytes, 16, &identity.unwrap_or([0; 40]));
    }
    if signed & parts::SECTIONS != 0 {
        let uid = field(bytes, footer + 40).unwrap_or_default();
        sections.iter().for_each(|at| sign_section(bytes, *at, &uid));
    }
    for (part, from, len) in [(parts::HEADER, 0, 56), (parts::FOOTER, footer, 72)] {
        let body = bytes.get(from..from + len).filter(|_| signed & part != 0);
        if let Some(sum) = body.map(xxh3_64) {
            put(bytes, from + len, &sum.to_le_bytes());
        }
    }
}

/// A table of these sections: index and properties are the last two.
pub(crate) fn assemble(identity: &Identity, sections: &[Section<'_>]) -> Vec<u8> {
    let mut out = header(identity);
    let mut places = [0; 2];
    for section in sections {
        places = [places[1], out.len()];
        put_section(&mut out, identity, section);
    }
    put_footer(&mut out, identity, places[0], places[1]);
    out
}

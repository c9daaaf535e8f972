//! The outside of a manifest by the book: slots, frames, and their chained checksums.
//!
//! A second rendering of what docs/MANIFEST_FORMAT.md says, so that any payload can stand in
//! a manifest that is whole, and damaged ones can be signed anew.

use lsm_manifest::{FIRST_FRAME, FORMAT_VERSION, MAGIC, PAGE_BYTES, SLOT_BYTES};
use xxhash_rust::xxh3::xxh3_64;

use crate::table_bytes::{field, put};

const STORE_AT: usize = 16;
const GENERATION_AT: usize = 32;
const COMMITTED_AT: usize = 40;
const CHAIN_AT: usize = 48;
const SUM_AT: usize = SLOT_BYTES - 8;

const NUMBER_AT: usize = 4;
const FRAME_SUM_AT: usize = 12;
const FRAME_HEADER: usize = 20;

/// What of a manifest is signed anew, as bits.
pub(crate) mod parts {
    /// The slots' checksums.
    pub(crate) const SLOTS: u8 = 1;
    /// The frames' checksums, from the first on.
    pub(crate) const FRAMES: u8 = 2;
    /// The slots' committed length and chain: all frames.
    pub(crate) const COMMIT_ALL: u8 = 4;
    /// The same: all frames but the last.
    pub(crate) const COMMIT_MOST: u8 = 8;
}

/// Where a frame ends, and its checksum.
type End = (usize, u64);

/// Appends a frame, and gives its checksum.
fn put_frame(out: &mut Vec<u8>, chain: u64, number: u64, payload: &[u8]) -> u64 {
    let at = out.len();
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    let sum = frame_sum(chain, &out[at..], payload);
    out.extend_from_slice(&sum.to_le_bytes());
    out.extend_from_slice(payload);
    sum
}

fn frame_sum(chain: u64, header: &[u8], payload: &[u8]) -> u64 {
    xxh3_64(&[&chain.to_le_bytes(), header, payload].concat())
}

/// The checksum that the first frame follows.
fn first_chain(bytes: &[u8], slot: usize) -> u64 {
    let store: [u8; 16] = field(bytes, slot + STORE_AT).unwrap_or_default();
    xxh3_64(&store)
}

fn put_slot(bytes: &mut [u8], store: [u8; 16], generation: u64, end: End) {
    let at = generation as usize % 2 * PAGE_BYTES;
    put(bytes, at, &MAGIC);
    put(bytes, at + MAGIC.len(), &FORMAT_VERSION.to_le_bytes());
    put(bytes, at + STORE_AT, &store);
    put(bytes, at + GENERATION_AT, &generation.to_le_bytes());
    put_end(bytes, at, end);
    sign_slot(bytes, at);
}

fn put_end(bytes: &mut [u8], slot: usize, (end, chain): End) {
    put(bytes, slot + COMMITTED_AT, &(end as u64).to_le_bytes());
    put(bytes, slot + CHAIN_AT, &chain.to_le_bytes());
}

fn sign_slot(bytes: &mut [u8], slot: usize) {
    if let Some(sum) = bytes.get(slot..slot + SUM_AT).map(xxh3_64) {
        put(bytes, slot + SUM_AT, &sum.to_le_bytes());
    }
}

/// A manifest with a frame for each payload, of which `committed` are committed.
pub(crate) fn assemble(
    store: [u8; 16],
    generation: u64,
    first: u64,
    payloads: &[&[u8]],
    committed: usize,
) -> Vec<u8> {
    let mut out = vec![0; FIRST_FRAME];
    let mut end = (FIRST_FRAME, xxh3_64(&store));
    let mut chain = end.1;
    for (at, payload) in payloads.iter().enumerate() {
        chain = put_frame(&mut out, chain, first.wrapping_add(at as u64), payload);
        if at < committed {
            end = (out.len(), chain);
        }
    }
    put_slot(&mut out, store, generation, end);
    out
}

/// The slot of the higher generation.
fn newest_slot(bytes: &[u8]) -> usize {
    let generation = |slot| field(bytes, slot + GENERATION_AT).map_or(0, u64::from_le_bytes);
    if generation(PAGE_BYTES) > generation(0) { PAGE_BYTES } else { 0 }
}

/// Where the frames end, as their own lengths say; zeros are no frame. With `signed` their
/// checksums are made right.
fn walk(bytes: &mut [u8], signed: bool) -> Vec<End> {
    let chain = first_chain(bytes, newest_slot(bytes));
    let mut ends = vec![(FIRST_FRAME, chain)];
    loop {
        let &(at, chain) = ends.last().unwrap_or(&(FIRST_FRAME, chain));
        let Some(header) = field::<FRAME_SUM_AT>(bytes, at).filter(|header| *header != [0; 12])
        else {
            return ends;
        };
        let len = field(&header, 0).map_or(0, u32::from_le_bytes) as usize;
        let begin = at + FRAME_HEADER;
        let Some(payload) = bytes.get(begin..begin + len) else { return ends };
        let sum = frame_sum(chain, &header, payload);
        if signed {
            put(bytes, at + FRAME_SUM_AT, &sum.to_le_bytes());
        }
        ends.push((begin + len, sum));
    }
}

/// Signs the parts of a manifest that `signed` names.
pub(crate) fn sign(bytes: &mut [u8], signed: u8) {
    let ends = walk(bytes, signed & parts::FRAMES != 0);
    let last = match signed & (parts::COMMIT_ALL | parts::COMMIT_MOST) {
        0 => None,
        parts::COMMIT_MOST => ends.iter().rev().nth(1),
        _ => ends.last(),
    };
    // An empty slot stays empty.
    for slot in [0, PAGE_BYTES] {
        if field(bytes, slot) != Some(MAGIC) {
            continue;
        }
        if let Some(end) = last {
            put_end(bytes, slot, *end);
        }
        if signed & parts::SLOTS != 0 {
            sign_slot(bytes, slot);
        }
    }
}

/// Puts one more frame behind the last, overwriting the room there.
pub(crate) fn append(bytes: &mut Vec<u8>, payload: &[u8]) {
    let ends = walk(bytes, false);
    let &(end, chain) = ends.last().unwrap_or(&(FIRST_FRAME, 0));
    let before = ends.iter().rev().nth(1).map_or(FIRST_FRAME, |end| end.0);
    let number = field(bytes, before + NUMBER_AT).map_or(0, u64::from_le_bytes);
    let mut frame = Vec::new();
    put_frame(&mut frame, chain, number.wrapping_add(1), payload);
    if bytes.len() < end + frame.len() {
        bytes.resize(end + frame.len(), 0);
    }
    put(bytes, end, &frame);
}

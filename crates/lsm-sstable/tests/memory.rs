//! No bytes, however forged, make the reader ask for more memory than the table is
//! long, and a constant.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use lsm_sstable::{Codec, Identity, RunReader, RunWriter, Salvage, WriteOptions, hash, problems};

/// The system's allocator, remembering the largest request.
struct Largest(AtomicUsize);

// SAFETY: every call is handed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Largest {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promised us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised us.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.0.fetch_max(size, Ordering::Relaxed);
        // SAFETY: as the caller promised us.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static LARGEST: Largest = Largest(AtomicUsize::new(0));

/// What a compressed block may unpack to, and some room for messages.
const CONSTANT: usize = (4 << 20) + (64 << 10);

/// A table of one block whose index is replaced by `index`, sealed like a true one.
fn with_index(index: &[u8]) -> Vec<u8> {
    let mut writer = RunWriter::new(Identity::alone([2; 16]), WriteOptions::PLAIN).unwrap();
    writer.push(b"key", b"value").unwrap();
    let whole = writer.finish().unwrap().bytes;
    let footer = whole.len() - 88;
    let number = |at: usize| u64::from_le_bytes(whole[at..at + 8].try_into().unwrap()) as usize;
    let (at, properties) = (number(footer), number(footer + 8));
    let mut bytes = whole[..at + 24].to_vec();
    bytes[at + 8..at + 12].copy_from_slice(&(index.len() as u32).to_le_bytes());
    bytes[at + 12..at + 16].copy_from_slice(&(index.len() as u32).to_le_bytes());
    bytes.extend_from_slice(index);
    bytes.resize(bytes.len().next_multiple_of(64), 0);
    let moved = bytes.len();
    bytes.extend_from_slice(&whole[properties..]);
    let (end, len) = (bytes.len() - 88, bytes.len() as u64);
    bytes[end + 8..end + 16].copy_from_slice(&(moved as u64).to_le_bytes());
    bytes[end + 56..end + 64].copy_from_slice(&len.to_le_bytes());
    for (start, stored) in [(at, index.len()), (moved, footer - properties)] {
        let place = hash(&[&[2; 16][..], &(start as u64).to_le_bytes()].concat());
        let stored = if start == at {
            stored
        } else {
            u32::from_le_bytes(bytes[start + 8..start + 12].try_into().unwrap()) as usize
        };
        let sum = hash(&bytes[start + 8..start + 24 + stored]) ^ place;
        bytes[start..start + 8].copy_from_slice(&sum.to_le_bytes());
    }
    let sum = hash(&bytes[end..end + 72]);
    bytes[end + 72..end + 80].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// One test alone measures at a time.
static MEASURING: Mutex<()> = Mutex::new(());

#[test]
fn s38_a_forged_index_asks_for_no_more_than_it_is_long() {
    let _alone = MEASURING.lock().unwrap();
    // Ten million blocks of six bytes each, and separators that double a buffer.
    let mut many = vec![0x80, 0xad, 0xe2, 0x04, 0];
    many.resize(60_000_000, 0);
    let mut long = vec![2, 0, 0, 1, 0, 0, 64, 0x80, 0x80, 0x80, 0x08];
    long.resize(long.len() + (16 << 20), b'a');
    long.extend_from_slice(&[0, 1, 0, 0, 64, 1, b'b']);
    for index in [many, long] {
        let bytes = with_index(&index);
        LARGEST.0.store(0, Ordering::Relaxed);
        assert!(RunReader::new(&bytes).is_err());
        let _ = problems(&bytes);
        let largest = LARGEST.0.load(Ordering::Relaxed);
        assert!(largest <= bytes.len() + CONSTANT, "{largest} bytes for {}", bytes.len());
    }
}

#[test]
fn s38_hostile_lengths_ask_for_no_memory() {
    let _alone = MEASURING.lock().unwrap();
    let codecs: &[Codec] =
        if cfg!(feature = "lz4") { &[Codec::Plain, Codec::Lz4] } else { &[Codec::Plain] };
    for codec in codecs {
        let options = WriteOptions { block_bytes: 400, codec: *codec, filter_bits: None };
        let mut writer = RunWriter::new(Identity::alone([2; 16]), options).unwrap();
        for n in 0..40_u32 {
            writer.push(format!("key-{n:03}").as_bytes(), &[n as u8; 40]).unwrap();
        }
        let whole = writer.finish().unwrap().bytes;
        LARGEST.0.store(0, Ordering::Relaxed);
        for at in 0..whole.len() - 8 {
            for hostile in [u64::MAX, 1 << 62, u64::from(u32::MAX), 0x8000_0000, 0x3fff_ffff] {
                for len in [1, 2, 4, 8] {
                    let mut bytes = whole.clone();
                    bytes[at..at + len].copy_from_slice(&hostile.to_le_bytes()[..len]);
                    reseal(&mut bytes, at);
                    let _ = problems(&bytes);
                    if let Ok(reader) = RunReader::new(&bytes) {
                        let _ = (reader.get(b"key-007"), reader.iter().count());
                    }
                    if let Ok(pieces) = Salvage::new(&bytes) {
                        let _ = pieces.count();
                    }
                }
            }
        }
        let largest = LARGEST.0.load(Ordering::Relaxed);
        assert!(largest <= whole.len() + CONSTANT, "{largest} bytes for {}", whole.len());
    }
}

/// A block that unpacks to another length than it says, or says one that is too long.
#[cfg(feature = "lz4")]
#[test]
fn s39_a_decompression_bomb_is_refused_and_takes_no_more_than_four_mebibytes() {
    const RAW_AT: usize = 64 + 12;
    let _alone = MEASURING.lock().unwrap();
    let packed = WriteOptions { block_bytes: 60_000, codec: Codec::Lz4, filter_bits: None };
    let mut writer = RunWriter::new(Identity::alone([2; 16]), packed).unwrap();
    for n in 0..200_u32 {
        writer.push(format!("key-{n:03}").as_bytes(), &[0; 200]).unwrap();
    }
    let whole = writer.finish().unwrap().bytes;
    let raw = u32::from_le_bytes(whole[RAW_AT..RAW_AT + 4].try_into().unwrap());
    assert!(raw > 40_000 && whole.len() < 4_000, "{raw} of {}", whole.len());
    LARGEST.0.store(0, Ordering::Relaxed);
    for said in [1, raw / 2, raw - 1, raw + 1, 1 << 22, (1 << 22) + 1, 1 << 30, u32::MAX] {
        let mut bytes = whole.clone();
        bytes[RAW_AT..RAW_AT + 4].copy_from_slice(&said.to_le_bytes());
        reseal(&mut bytes, RAW_AT);
        let reader = RunReader::new(&bytes).unwrap();
        assert!(reader.get(b"key-007").is_err(), "{said} instead of {raw}");
        assert!(!problems(&bytes).is_empty());
    }
    let largest = LARGEST.0.load(Ordering::Relaxed);
    assert!(largest <= CONSTANT, "{largest} bytes");
    assert!(RunReader::new(&whole).unwrap().get(b"key-007").unwrap().is_some());
}

/// Mends the checksum of the section that holds byte `at`, whatever it is: each place
/// where a section can begin before it is tried with the length that it gives.
fn reseal(bytes: &mut [u8], at: usize) {
    let uid = [2; 16];
    for start in (64..at + 1).step_by(64).rev().take(12) {
        let Some(stored) = bytes.get(start + 8..start + 12) else { continue };
        let stored = u32::from_le_bytes(stored.try_into().unwrap()) as usize;
        let known = bytes.get(start + 16).is_some_and(|kind| (1..=3).contains(kind));
        let Some(section) = bytes.get(start + 8..(start + 24).saturating_add(stored)) else {
            continue;
        };
        if known && stored > 0 {
            let place = hash(&[&uid[..], &(start as u64).to_le_bytes()].concat());
            let sum = hash(section) ^ place;
            bytes[start..start + 8].copy_from_slice(&sum.to_le_bytes());
            break;
        }
    }
    let footer = bytes.len() - 88;
    let sum = hash(&bytes[footer..footer + 72]);
    bytes[footer + 72..footer + 80].copy_from_slice(&sum.to_le_bytes());
}

//! The payload of a data block, from raw bytes.
//!
//! Steps: parse; ask for every entry by number, forwards and backwards; look keys up, those of
//! the block and those of the input, under their own hash and under another; search. If
//! validation takes the block for sound, all of this must be exact: the block is then compared
//! with a plain list of its entries.

use lsm_sstable::{Block, BlockEntry, Identity, InternalKey, Piece, SECTION_HEADER_BYTES, Salvage};
use lsm_sstable::{SeqNo, SstError, hash};

use crate::input::Input;
use crate::table_bytes::{Section, header, put_section};

/// Where the block is said to be.
const AT: u64 = 64;
const MAX_ENTRIES: usize = 253;
/// Of a block that is not sound so many keys are looked up.
const SOME_KEYS: usize = 16;

type Entries<'a> = Vec<Result<BlockEntry<'a>, SstError>>;

pub(crate) fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let mut probes: Vec<(Vec<u8>, u64)> =
        (0..input.u8() % 4).map(|_| (input.bytes(64).to_vec(), input.u64())).collect();
    let payload = input.rest();
    let block = match Block::parse(payload, AT) {
        Ok(block) => block,
        Err(error) => {
            assert!(!is_sound(payload), "{error}");
            return error_is_in_place(&error, payload);
        }
    };
    let entries = walk(&block);
    for entry in &entries {
        match entry {
            Ok(entry) => neighbours(&entry.to_key(), entry.seq.get(), &mut probes),
            Err(error) => error_is_in_place(error, payload),
        }
    }
    let sound = is_sound(payload).then(|| keys_of(entries));
    if sound.is_none() {
        probes.truncate(SOME_KEYS);
    }
    for (key, number) in &probes {
        let seq = SeqNo::new(*number & SeqNo::MAX.get()).unwrap_or_default();
        let target = InternalKey { user_key: key, seq };
        ask(&block, target, *number);
        if let Some(keys) = &sound {
            ask_exactly(&block, target, keys);
        }
    }
}

/// A message names a place inside the section.
fn error_is_in_place(error: &SstError, payload: &[u8]) {
    let (SstError::Damaged { offset, .. } | SstError::Unsupported { offset, .. }) = error;
    let section = AT..=AT + (SECTION_HEADER_BYTES + payload.len()) as u64;
    assert!(section.contains(offset), "{error}");
}

/// A key and those right before and behind it.
fn neighbours(key: &[u8], seq: u64, probes: &mut Vec<(Vec<u8>, u64)>) {
    probes.push((key.to_vec(), seq));
    probes.push((key.to_vec(), seq.saturating_sub(1)));
    probes.push(([key, &[0]].concat(), seq));
    if let Some((_, rest)) = key.split_last() {
        probes.push((rest.to_vec(), seq));
    }
}

/// All entries; whichever way they are asked for, they are the same.
fn walk<'a>(block: &Block<'a>) -> Entries<'a> {
    let len = block.len();
    assert!((1..=MAX_ENTRIES).contains(&len), "{len} entries");
    assert_eq!(block.iter().len(), len);
    let entries: Entries<'a> = block.iter().collect();
    let mut backwards: Entries<'a> = block.iter().rev().collect();
    backwards.reverse();
    assert_eq!(entries, backwards);
    let by_number = (0..len).map(|number| block.entry(number).map(|entry| entry.unwrap()));
    assert!(by_number.eq(entries.iter().cloned()));
    for behind in [len, len + 1, 255, 256, usize::MAX] {
        assert_eq!(block.entry(behind), Ok(None), "entry {behind} of {len}");
    }
    for entry in entries.iter().flatten() {
        let key = entry.to_key();
        assert!(key.starts_with(block.prefix()) && entry.prefix == block.prefix());
        assert_eq!((key.len(), entry.cmp_key(&key)), (entry.key_len(), core::cmp::Ordering::Equal));
        let mut buffer = Vec::new();
        assert_eq!(entry.join(&mut buffer).user_key, key);
    }
    entries
}

/// What any block must answer.
fn ask(block: &Block<'_>, target: InternalKey<'_>, other_hash: u64) {
    for hash in [hash(target.user_key), other_hash] {
        if let Ok(Some((number, entry))) = block.find(target.user_key, hash) {
            assert_eq!(entry.to_key(), target.user_key, "another key was found");
            assert_eq!(block.entry(number), Ok(Some(entry)));
        }
    }
    if let Ok(number) = block.search(target) {
        assert!(number <= block.len(), "{number} of {}", block.len());
    }
}

/// The keys of a sound block: every entry can be read, and they ascend.
fn keys_of(entries: Entries<'_>) -> Vec<(Vec<u8>, SeqNo)> {
    let key = |entry: Result<BlockEntry<'_>, _>| entry.map(|entry| (entry.to_key(), entry.seq));
    let keys: Vec<_> = entries.into_iter().map(|entry| key(entry).unwrap()).collect();
    assert!(keys.is_sorted_by(|a, b| internal(a) < internal(b)), "{keys:?}");
    keys
}

fn internal((key, seq): &(Vec<u8>, SeqNo)) -> InternalKey<'_> {
    InternalKey { user_key: key, seq: *seq }
}

/// What a sound block must answer.
fn ask_exactly(block: &Block<'_>, target: InternalKey<'_>, keys: &[(Vec<u8>, SeqNo)]) {
    let place = |target| keys.partition_point(|key| internal(key) < target);
    let newest = place(InternalKey::first_of(target.user_key));
    let newest = keys.get(newest).filter(|(key, _)| key == target.user_key).map(|_| newest);
    let found = block.find(target.user_key, hash(target.user_key)).unwrap();
    assert_eq!(found.map(|(number, _)| number), newest);
    assert_eq!(block.search(target), Ok(place(target)));
}

/// Whether validation takes the payload for a block in order: salvage says so.
fn is_sound(payload: &[u8]) -> bool {
    let identity = Identity::alone([7; 16]);
    let mut table = header(&identity);
    put_section(&mut table, &identity, &Section::plain(1, 0, payload));
    let mut pieces = Salvage::new(&table).unwrap();
    matches!(pieces.next(), Some(Piece::Block { offset: AT, .. }))
}

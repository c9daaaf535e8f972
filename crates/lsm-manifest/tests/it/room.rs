//! What version 1 leaves room for, and numbers that no writer writes: what is
//! passed over, what needs another build, what is damage.

use lsm_manifest::{
    Edit, EditOp, FIRST_FRAME, Head, ManifestError, PAGE_BYTES, SLOT_BYTES, Version, frame, recover,
};
use lsm_types::{SeqNo, StoreId, decode};
use xxhash_rust::xxh3::xxh3_64;

const STORE: StoreId = StoreId([9; 16]);

/// A manifest of one frame with this payload, edit `number`, committed as `generation`.
fn file_of(generation: u64, number: u64, payload: &[u8]) -> Vec<u8> {
    let mut framed = (payload.len() as u32).to_le_bytes().to_vec();
    framed.extend_from_slice(&number.to_le_bytes());
    let before = xxh3_64(&STORE.0).to_le_bytes();
    let chain = xxh3_64(&[&before, framed.as_slice(), payload].concat());
    framed.extend_from_slice(&chain.to_le_bytes());
    framed.extend_from_slice(payload);
    let committed = (FIRST_FRAME + framed.len()) as u64;
    let head = Head { store: STORE, generation, committed, chain };
    let mut bytes = vec![0; FIRST_FRAME];
    let at = (generation % 2) as usize * PAGE_BYTES;
    bytes[at..at + SLOT_BYTES].copy_from_slice(&head.encode());
    bytes.extend_from_slice(&framed);
    bytes
}

fn file(payload: &[u8]) -> Vec<u8> {
    file_of(1, 1, payload)
}

/// Changes bytes of the one slot and signs it anew.
fn with_slot(generation: u64, change: impl Fn(&mut [u8])) -> Result<Version, ManifestError> {
    let mut bytes = file_of(generation, 1, &start());
    let at = (generation % 2) as usize * PAGE_BYTES;
    let slot = &mut bytes[at..at + SLOT_BYTES];
    change(slot);
    let sum = xxh3_64(&slot[..SLOT_BYTES - 8]);
    slot[SLOT_BYTES - 8..].copy_from_slice(&sum.to_le_bytes());
    recover(&bytes).map(|found| found.version)
}

fn start() -> Vec<u8> {
    Edit { ops: vec![EditOp::Reserve(100), EditOp::LastSeq(SeqNo::new(9).unwrap())] }.encode()
}

fn op(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    decode::put_bytes(&mut out, body);
    out
}

fn varints(numbers: &[u64]) -> Vec<u8> {
    let mut out = Vec::new();
    numbers.iter().for_each(|number| decode::put_varint(&mut out, *number));
    out
}

/// The body of an operation that adds a table, with these properties behind it.
fn add_table(number: u64, properties: &[u8]) -> Vec<u8> {
    let mut body = varints(&[1, 0, number]);
    body.extend_from_slice(&[3; 16]);
    body.extend_from_slice(&varints(&[1000, 10, 1, 900, 1, 5]));
    decode::put_bytes(&mut body, b"a");
    decode::put_bytes(&mut body, b"f");
    body.extend_from_slice(&[0, 0]);
    body.extend_from_slice(properties);
    body
}

fn read(extra: &[u8]) -> Result<Version, ManifestError> {
    recover(&file(&[start(), extra.to_vec()].concat())).map(|found| found.version)
}

fn unsupported(found: Result<Version, ManifestError>, says: &str) {
    match found {
        Err(ManifestError::Unsupported(why)) => assert!(why.contains(says), "{says}: {why}"),
        other => panic!("{says}: {other:?}"),
    }
}

fn damaged(found: &Result<Version, ManifestError>, what: &str) {
    assert!(matches!(found, Err(ManifestError::Damaged { .. })), "{what}: {found:?}");
}

#[test]
fn operations_that_can_be_done_without_are_passed_over_and_others_need_another_build() {
    let plain = read(&[]).unwrap();
    for tag in [64, 65, 127, 0x80 | 64, 0xff] {
        assert_eq!(read(&op(tag, b"anything")).unwrap(), plain, "tag {tag}");
        assert_eq!(read(&op(tag, b"")).unwrap(), plain, "tag {tag}");
    }
    for tag in 8..64 {
        unsupported(read(&op(tag, b"")), &format!("operation {tag}"));
    }
    for tag in 0x81..0xc0_u8 {
        unsupported(read(&op(tag, b"")), "keyspace");
    }
    damaged(&read(&op(0, b"")), "tag 0");
    damaged(&read(&op(0x80, b"")), "tag 128");
}

#[test]
fn properties_of_tables_below_128_are_passed_over_and_others_need_another_build() {
    let property = |tag: u64, value: &[u8]| {
        let mut out = varints(&[tag]);
        decode::put_bytes(&mut out, value);
        out
    };
    let with = |properties: &[u8]| read(&op(1, &add_table(2, properties)));
    let plain = with(&[]).unwrap();
    let known = [property(11, b"x"), property(12, b""), property(127, b"yz")].concat();
    assert_eq!(with(&known).unwrap(), plain);
    unsupported(with(&property(128, b"")), "property 128");
    unsupported(with(&[property(5, b""), property(1 << 40, b"")].concat()), "property");
    damaged(&with(&property(0, b"")), "property 0");
    damaged(&with(&[property(3, b""), property(3, b"")].concat()), "twice");
    damaged(&with(&[5]), "cut short");
}

#[test]
fn s54_other_versions_and_features_are_refused_by_name() {
    let version =
        |version: u16| with_slot(1, |slot| slot[8..10].copy_from_slice(&version.to_le_bytes()));
    assert!(version(1).is_ok());
    unsupported(version(0), "manifest version 0, a draft that was never frozen");
    unsupported(
        version(2),
        "manifest version 2, a newer build wrote it; this build reads version 1",
    );
    unsupported(with_slot(1, |slot| slot[10] = 4), "incompatible features 0x0004");
    // The second slot of a draft lay elsewhere; a new store had that one alone.
    let mut draft = file_of(1, 1, &start());
    let slot = draft[PAGE_BYTES..PAGE_BYTES + SLOT_BYTES].to_vec();
    draft[PAGE_BYTES..PAGE_BYTES + SLOT_BYTES].fill(0);
    draft[SLOT_BYTES..2 * SLOT_BYTES].copy_from_slice(&slot);
    draft[SLOT_BYTES + 8] = 0;
    let sum = xxh3_64(&draft[SLOT_BYTES..2 * SLOT_BYTES - 8]);
    draft[2 * SLOT_BYTES - 8..2 * SLOT_BYTES].copy_from_slice(&sum.to_le_bytes());
    unsupported(recover(&draft).map(|found| found.version), "manifest version 0, a draft");
    // One slot that needs another build is enough, be it the older one.
    let mut both = file_of(2, 1, &start());
    let mut other = file_of(1, 1, &start())[PAGE_BYTES..PAGE_BYTES + SLOT_BYTES].to_vec();
    other[8] = 7;
    let sum = xxh3_64(&other[..SLOT_BYTES - 8]);
    other[SLOT_BYTES - 8..].copy_from_slice(&sum.to_le_bytes());
    both[PAGE_BYTES..PAGE_BYTES + SLOT_BYTES].copy_from_slice(&other);
    unsupported(recover(&both).map(|found| found.version), "manifest version 7");
}

#[test]
fn s36_numbers_of_a_slot_out_of_their_ranges_are_damage() {
    for at in (12..16).chain([56, 300, 503]) {
        damaged(&with_slot(1, |slot| slot[at] = 1), &format!("reserved byte {at}"));
    }
    for generation in [0, 2, 1 << 56, u64::MAX] {
        let change = |slot: &mut [u8]| slot[32..40].copy_from_slice(&generation.to_le_bytes());
        damaged(&with_slot(1, change), &format!("generation {generation} in slot 1"));
    }
    for committed in [0, 4096, FIRST_FRAME as u64, 1 << 40, u64::MAX] {
        let change = |slot: &mut [u8]| slot[40..48].copy_from_slice(&committed.to_le_bytes());
        damaged(&with_slot(1, change), &format!("committed {committed}"));
    }
    for number in [0, 1 << 56, u64::MAX] {
        let found = recover(&file_of(1, number, &start())).map(|found| found.version);
        damaged(&found, &format!("edit number {number}"));
    }
    let last = (1 << 56) - 1;
    assert_eq!(recover(&file_of(last, last, &start())).unwrap().last_edit, last);
}

#[test]
fn s36_hostile_numbers_duplicates_and_a_million_entries_are_damage() {
    let bound = 9_999_999_999_u64;
    for number in [0, bound + 1, u64::MAX] {
        for tag in [2, 5] {
            damaged(&read(&op(tag, &varints(&[number]))), &format!("tag {tag}: {number}"));
        }
        damaged(&read(&op(1, &add_table(number, &[]))), &format!("table {number}"));
        damaged(&read(&op(4, &varints(&[number, 5]))), &format!("log {number}"));
        damaged(&read(&op(4, &varints(&[5, number]))), &format!("slot {number}"));
    }
    damaged(&read(&op(6, &varints(&[u64::MAX]))), "reserve");
    damaged(&read(&op(7, &varints(&[u64::MAX]))), "last sequence");
    damaged(&read(&op(2, &varints(&[bound]))), "a table that is not there");
    // Longer than its fields, shorter than its fields, a longer form of a number.
    damaged(&read(&op(5, &[3, 0])), "a byte too many");
    damaged(&read(&op(4, &[3])), "a byte too few");
    damaged(&read(&op(7, &[0x89, 0x00])), "a padded number");
    damaged(&read(&[7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]), "a long body");
    // The same table a million times is refused at the second.
    let table = op(1, &add_table(2, &[]));
    damaged(&read(&table.repeat(1_000_000)), "a table twice");
    // So is a million of logs that are not reserved, and of logs in one slot.
    damaged(&read(&op(4, &varints(&[101, 102])).repeat(1_000_000)), "not reserved");
    damaged(&read(&[op(4, &[5, 6]), op(4, &[7, 6])].concat()), "one slot for two");
}

#[test]
fn a_frame_says_what_the_tests_take_it_to_say() {
    let edit = Edit::decode(&start()).unwrap();
    let (bytes, _) = frame(xxh3_64(&STORE.0), 1, &edit);
    assert_eq!(file(&start())[FIRST_FRAME..], bytes);
}

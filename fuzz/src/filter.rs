//! The sidecar of a filter: raw bytes, and keys through a builder.
//!
//! The first byte says which:
//! 0. The rest is a sidecar. It is decoded as it is, and with its length and checksum made right.
//! 1. The rest is a number of bits and keys. The filter over them must deny none, come back from
//!    its bytes, and be refused after any change to them that is not signed.
//!
//! Whatever decodes must encode to the same bytes, and answer each probe as the page of the
//! format says: the answer is worked out here a second time, from the bytes.

use lsm_bloom::{Filter, FilterBuilder, FilterError, FilterIdentity, hash};
use xxhash_rust::xxh3::xxh3_64;

use crate::damage::damage;
use crate::input::Input;
use crate::table_bytes::{field, put};

const OWNER: FilterIdentity = FilterIdentity { store: [1; 16], number: 9, uid: [7; 16] };

const COUNT_AT: usize = 12;
const BLOCKS_AT: usize = 64;
const BLOCK_BYTES: usize = 32;
const SUM_BYTES: usize = 8;

/// The salts of the eight words, as docs/SSTABLE_FORMAT.md lists them.
const SALTS: [u32; 8] = [
    0x47b6_137b,
    0x4497_4d91,
    0x8824_ad5b,
    0xa2b7_289d,
    0x7054_95c7,
    0x2df1_424b,
    0x9efc_4947,
    0x5c6b_fb31,
];

pub(crate) fn run(input: &[u8]) {
    let mut input = Input::new(input);
    if input.flag(1) {
        return built(&mut input);
    }
    let mut bytes = input.rest().to_vec();
    decode(&bytes);
    sign(&mut bytes, false);
    decode(&bytes);
    sign(&mut bytes, true);
    decode(&bytes);
}

/// Makes the checksum right, and with `count` the number of blocks before it.
pub(crate) fn sign(bytes: &mut [u8], count: bool) {
    let Some(signed) = bytes.len().checked_sub(SUM_BYTES) else { return };
    if count {
        let blocks = (signed.saturating_sub(BLOCKS_AT) / BLOCK_BYTES) as u32;
        put(bytes, COUNT_AT, &blocks.to_le_bytes());
    }
    let sum = xxh3_64(&bytes[..signed]);
    put(bytes, signed, &sum.to_le_bytes());
}

/// Decodes for the owner that the bytes name, and for another.
fn decode(bytes: &[u8]) {
    let owner = match Filter::identity_of(bytes) {
        Ok(owner) => owner,
        Err(error) => {
            assert_eq!(Filter::decode(bytes, &OWNER), Err(error.clone()));
            if let FilterError::Damaged { offset, .. } = error {
                assert!(offset <= bytes.len() as u64, "{error}");
            }
            return;
        }
    };
    let other = FilterIdentity { number: owner.number ^ 1, ..owner };
    assert!(matches!(Filter::decode(bytes, &other), Err(FilterError::Foreign { .. })));
    let filter = Filter::decode(bytes, &owner).unwrap();
    assert_eq!(filter.encode(&owner), bytes);
    assert_eq!(filter.memory_bytes(), bytes.len() - BLOCKS_AT - SUM_BYTES);
    assert_eq!(filter.block_count() * BLOCK_BYTES, filter.memory_bytes());
    let probes = bytes.chunks(SUM_BYTES).map(hash).take(100);
    for probe in probes.chain([0, u64::MAX, u64::MAX << 32]) {
        assert_eq!(filter.may_contain(probe), may_contain(bytes, probe), "{probe:#x}");
        filter.prefetch(probe);
    }
}

/// The answer of the filter in `bytes`, step by step.
fn may_contain(bytes: &[u8], hash: u64) -> bool {
    let count = u64::from(field(bytes, COUNT_AT).map_or(0, u32::from_le_bytes));
    let block = BLOCKS_AT + (((hash >> 32) * count) >> 32) as usize * BLOCK_BYTES;
    SALTS.iter().enumerate().all(|(at, salt)| {
        let word = field(bytes, block + 4 * at).map_or(0, u32::from_le_bytes);
        word >> ((hash as u32).wrapping_mul(*salt) >> 27) & 1 == 1
    })
}

/// Keys through the builder.
fn built(input: &mut Input<'_>) {
    let bits = usize::from(input.u8());
    let mut builder = FilterBuilder::new(bits);
    let mut hashes = Vec::new();
    let counted = u32::from(input.u16() % 3000);
    hashes.extend((0..counted).map(|number| hash(&number.to_le_bytes())));
    for _ in 0..input.u8() {
        let explicit = input.u8();
        hashes.push(match explicit & 1 {
            0 => hash(input.bytes(32)),
            _ => input.u64(),
        });
    }
    hashes.iter().for_each(|hash| builder.add(*hash));
    assert_eq!((builder.len(), builder.is_empty()), (hashes.len(), hashes.is_empty()));
    let filter = builder.build();
    assert!(hashes.iter().all(|hash| filter.may_contain(*hash)), "a key that was added is denied");
    assert_eq!(filter.keys(), hashes.len() as u64);
    let bytes = filter.encode(&OWNER);
    assert_eq!(Filter::identity_of(&bytes), Ok(OWNER));
    assert_eq!(Filter::decode(&bytes, &OWNER).unwrap(), filter);
    decode(&bytes);

    let (mut damaged, signed) = (bytes.clone(), input.u8());
    while !input.is_empty() {
        damage(&mut damaged, input);
    }
    if signed != 0 {
        sign(&mut damaged, signed & 1 != 0);
    } else if damaged != bytes {
        assert!(Filter::identity_of(&damaged).is_err(), "damage went unnoticed");
    }
    decode(&damaged);
}

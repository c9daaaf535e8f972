//! Damage done to bytes as an input says.

use crate::input::Input;

/// Numbers that a careless reader trips over.
const NUMBERS: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    (1 << 56) - 1,
    9_999_999_999,
    u64::MAX - 7,
    u64::MAX,
];

/// Changes `bytes` in one place; it may leave them as they were.
pub(crate) fn damage(bytes: &mut Vec<u8>, input: &mut Input<'_>) {
    let how = input.u8();
    let at = input.below(bytes.len().max(1));
    match how % 11 {
        0 => overwrite(bytes, at, |byte, _| byte ^ 1 << (how / 11 % 8), 1),
        1 => {
            let value = input.u8();
            overwrite(bytes, at, |_, _| value, 1);
        }
        2 => {
            let with = input.bytes(64);
            overwrite(bytes, at, |_, n| with[n], with.len());
        }
        3 => {
            let by = input.u8();
            overwrite(bytes, at, |byte, _| byte.wrapping_add(by), 1);
        }
        4 => {
            let choice = usize::from(input.u8());
            let number = NUMBERS[choice % NUMBERS.len()].to_le_bytes();
            let width = [1, 2, 4, 8][choice / NUMBERS.len() % 4];
            overwrite(bytes, at, |_, n| number[n], width);
        }
        5 => {
            let len = usize::from(input.u8()) + 1;
            overwrite(bytes, at, |_, _| 0, len);
        }
        6 => bytes.truncate(at),
        7 => bytes.extend_from_slice(input.bytes(255)),
        8 => {
            let from = input.below(bytes.len().max(1));
            let len = usize::from(input.u8()) + 1;
            let piece: Vec<u8> = bytes.iter().skip(from).take(len).copied().collect();
            overwrite(bytes, at, |_, n| piece[n], piece.len());
        }
        9 => {
            let end = bytes.len().min(at + usize::from(input.u8()));
            drop(bytes.drain(at.min(end)..end));
        }
        _ => {
            let at = at.min(bytes.len());
            drop(bytes.splice(at..at, input.bytes(255).iter().copied()));
        }
    }
}

/// Changes up to `len` bytes from `at` on, each by its value and its place among them.
fn overwrite(bytes: &mut [u8], at: usize, with: impl Fn(u8, usize) -> u8, len: usize) {
    let place = bytes.iter_mut().skip(at).take(len);
    place.enumerate().for_each(|(n, byte)| *byte = with(*byte, n));
}

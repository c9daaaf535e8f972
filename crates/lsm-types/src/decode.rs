//! Taking numbers and strings off the front of untrusted bytes.
//!
//! Every function takes what it returns off `input`, or returns `None` and leaves
//! `input` somewhere inside: a caller that sees `None` gives up. All numbers are
//! little-endian.

use alloc::vec::Vec;

/// The first `N` bytes.
pub fn array<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = input.split_first_chunk::<N>()?;
    *input = rest;
    Some(*head)
}

/// One byte.
pub fn u8(input: &mut &[u8]) -> Option<u8> {
    array::<1>(input).map(|[byte]| byte)
}

/// Two bytes.
pub fn u16(input: &mut &[u8]) -> Option<u16> {
    array(input).map(u16::from_le_bytes)
}

/// Four bytes.
pub fn u32(input: &mut &[u8]) -> Option<u32> {
    array(input).map(u32::from_le_bytes)
}

/// Eight bytes.
pub fn u64(input: &mut &[u8]) -> Option<u64> {
    array(input).map(u64::from_le_bytes)
}

/// The first `len` bytes.
pub fn slice<'a>(input: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (head, rest) = input.split_at_checked(len)?;
    *input = rest;
    Some(head)
}

/// A LEB128 number: seven bits a byte, low bits first, in the shortest form only.
///
/// ```
/// let mut bytes = Vec::new();
/// lsm_types::decode::put_varint(&mut bytes, 300);
/// let mut input = bytes.as_slice();
/// assert_eq!(lsm_types::decode::varint(&mut input), Some(300));
/// assert!(input.is_empty());
/// // A longer form of zero is refused.
/// assert_eq!(lsm_types::decode::varint(&mut &[0x80, 0x00][..]), None);
/// ```
pub fn varint(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = u8(input)?;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            let padded = byte == 0 && shift > 0;
            return if padded { None } else { Some(value) };
        }
    }
    None
}

/// Bytes behind a LEB128 length of at most `max`.
pub fn bytes<'a>(input: &mut &'a [u8], max: usize) -> Option<&'a [u8]> {
    let len = usize::try_from(varint(input)?).ok()?;
    if len > max {
        return None;
    }
    slice(input, len)
}

/// Appends a LEB128 number, the reverse of [`varint`].
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends bytes behind their LEB128 length, the reverse of [`bytes`].
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_round_trip_and_overflow_is_refused() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(varint(&mut out.as_slice()), Some(value));
            out.pop();
            assert_eq!(varint(&mut out.as_slice()), None, "truncated {value}");
        }
        assert_eq!(varint(&mut [0xff; 10].as_slice()), None);
    }

    #[test]
    fn a_length_beyond_the_input_is_refused_before_it_allocates() {
        let mut out = Vec::new();
        put_varint(&mut out, u64::MAX);
        assert_eq!(bytes(&mut out.as_slice(), usize::MAX), None);
    }
}

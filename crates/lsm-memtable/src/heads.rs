//! The first bytes of keys as numbers, which order as the keys do while they differ.

/// The eight bytes of a key behind its first `skip`, with zeros behind its end.
#[inline]
pub(crate) fn head(key: &[u8], skip: usize) -> u64 {
    let rest = key.get(skip..).unwrap_or_default();
    if let Some(bytes) = rest.first_chunk() {
        return u64::from_be_bytes(*bytes);
    }
    let mut bytes = [0; size_of::<u64>()];
    bytes.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    u64::from_be_bytes(bytes)
}

/// How many bytes two keys have in common from their beginning.
pub(crate) fn shared_len(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn heads_order_as_keys_do_or_are_equal() {
        let keys: [&[u8]; 7] = [b"", b"\0", b"a", b"a\0", b"ab", b"abcdefgh", b"abcdefghi"];
        assert!(keys.is_sorted_by_key(|key| head(key, 0)));
        assert_eq!(head(b"abc", 1), u64::from_be_bytes(*b"bc\0\0\0\0\0\0"));
        assert_eq!(head(b"abc", 7), 0);
        assert_eq!(shared_len(b"abc", b"abd"), 2);
        assert_eq!(shared_len(b"ab", b"abd"), 2);
    }
}

//! A list of byte strings as the body of a record: what a log by itself has there.
//!
//! Each is its length, a `u32`, and its bytes; they stand one behind another.

use crate::record::array;
use crate::{Record, Refused};

const LEN_BYTES: usize = 4;

/// The parts of a body that holds `items`, each of which a `u32` can measure.
pub(crate) fn lengths(items: &[&[u8]]) -> Vec<[u8; LEN_BYTES]> {
    items.iter().map(|item| (item.len() as u32).to_le_bytes()).collect()
}

/// How long a body with these lengths of items gets.
pub(crate) fn body_len(items: impl Iterator<Item = usize>) -> usize {
    items.map(|len| LEN_BYTES.saturating_add(len)).fold(0, usize::saturating_add)
}

/// The byte strings of a record whose body is a list; there are as many as it counts.
///
/// # Errors
///
/// When its body is no such list.
pub fn list_items<'a>(record: &Record<'a>) -> Result<Vec<&'a [u8]>, Refused> {
    let list: Option<Vec<_>> = items(record.body).collect();
    let list = list.filter(|list| list.len() as u64 == u64::from(record.count));
    list.ok_or_else(|| Refused::Damaged(format!("no list of {} byte strings", record.count)))
}

/// Takes items off a body; `None` among them is an end inside of one.
fn items(mut body: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    std::iter::from_fn(move || {
        if body.is_empty() {
            return None;
        }
        let item = array(&mut body)
            .and_then(|len| body.split_at_checked(u32::from_le_bytes(len) as usize))
            .map(|(item, rest)| {
                body = rest;
                item
            });
        if item.is_none() {
            body = &[];
        }
        Some(item)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_back_and_every_truncation_shows() {
        let list: [&[u8]; 3] = [b"one", b"", b"three"];
        let lengths = lengths(&list);
        let body: Vec<u8> =
            lengths.iter().zip(list).flat_map(|(len, item)| [len, item].concat()).collect();
        assert_eq!(body.len(), body_len(list.iter().map(|item| item.len())));
        let found: Option<Vec<_>> = items(&body).collect();
        assert_eq!(found, Some(list.to_vec()));
        for len in 0..body.len() {
            let found: Option<Vec<_>> = items(&body[..len]).collect();
            assert!(found.is_none_or(|found| found.len() < list.len()), "length {len}");
        }
    }
}

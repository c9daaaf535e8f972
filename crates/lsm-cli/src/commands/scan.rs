//! `scan`: entries in the order of their keys, within bounds that may be combined.

use std::ops::Bound;

use super::{Store, bound};
use crate::args::ScanArgs;
use crate::failure::Failure;
use crate::output::Output;

/// From a key on, and up to a key that is excluded.
type Range = (Bound<Vec<u8>>, Bound<Vec<u8>>);

pub(super) fn scan(args: &ScanArgs, output: &mut Output) -> Result<(), Failure> {
    let range = range_of(args)?;
    let store = Store::open(&args.dir)?;
    let entries = store.db.scan(range).map_err(|error| store.failure(error))?;
    let limit = args.limit.unwrap_or(usize::MAX);
    if args.reverse {
        print(entries.rev().take(limit), args, output)
    } else {
        print(entries.take(limit), args, output)
    }
}

fn print(
    entries: impl Iterator<Item = (Vec<u8>, Vec<u8>)>,
    args: &ScanArgs,
    output: &mut Output,
) -> Result<(), Failure> {
    let notation = args.notation.notation();
    for (key, value) in entries {
        let key = notation.encode(&key);
        if args.keys_only {
            output.line(&key)?;
        } else {
            output.parts(&[&key, "\t", &notation.encode(&value), "\n"])?;
        }
    }
    Ok(())
}

/// What `--prefix`, `--from` and `--to` have in common.
fn range_of(args: &ScanArgs) -> Result<Range, Failure> {
    let (dir, notation) = (args.dir.as_path(), args.notation.notation());
    let prefix = bound(dir, "--prefix", notation, args.prefix.as_deref())?;
    let from = bound(dir, "--from", notation, args.from.as_deref())?;
    let to = bound(dir, "--to", notation, args.to.as_deref())?;

    let end = prefix.as_deref().and_then(prefix_end);
    // `None` is below every key; as an end it is above every key.
    let first = from.max(prefix);
    let last = match (end, to) {
        (Some(end), Some(to)) => Some(end.min(to)),
        (end, to) => end.or(to),
    };
    Ok((
        first.map_or(Bound::Unbounded, Bound::Included),
        last.map_or(Bound::Unbounded, Bound::Excluded),
    ))
}

/// The least key above all that begin with `prefix`; nothing if no key is above them.
fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|&byte| byte < u8::MAX)?;
    let mut end = prefix.get(..=kept)?.to_vec();
    *end.last_mut()? += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_the_least_key_above_it() {
        assert_eq!(prefix_end(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(prefix_end(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(prefix_end(b"a\xfe\xff"), Some(b"a\xff".to_vec()));
        assert_eq!(prefix_end(b"\xff\xff"), None);
        assert_eq!(prefix_end(b""), None);
    }
}

//! Of each key the newest version that a snapshot sees, tombstones included.
//!
//! Forward, versions come newest first: the first one that is not too new is the
//! answer and the rest of the key is skipped. Backward, they come oldest first:
//! each visible one replaces the one before, until the key changes.

use lsm_types::{Cursor, Entry, Kind, SeqNo};

use crate::{Direction, Merge};

/// A stream of each key's newest visible version.
#[derive(Debug)]
pub struct Newest<C> {
    merge: Merge<C>,
    snapshot: SeqNo,
    key: Vec<u8>,
    value: Vec<u8>,
    hidden: u64,
}

impl<C: Cursor> Newest<C> {
    /// What a reader with the number `snapshot` sees of `merge`;
    /// [`SeqNo::MAX`] sees everything.
    #[must_use]
    pub const fn new(merge: Merge<C>, snapshot: SeqNo) -> Self {
        Self { merge, snapshot, key: Vec::new(), value: Vec::new(), hidden: 0 }
    }

    /// How many versions were passed over so far.
    #[must_use]
    pub const fn hidden(&self) -> u64 {
        self.hidden
    }

    /// The next key's newest visible version on the way, or `None` at the end.
    ///
    /// # Errors
    ///
    /// When a source cannot move.
    #[expect(clippy::should_implement_trait, reason = "it lends: the entry borrows the stream")]
    pub fn next(&mut self) -> Result<Option<Entry<'_>>, C::Error> {
        let found = match self.merge.direction() {
            Direction::Forward => self.next_forward()?,
            Direction::Backward => self.next_backward()?,
        };
        Ok(found.map(|(seq, kind)| Entry { user_key: &self.key, seq, kind, value: &self.value }))
    }

    fn next_forward(&mut self) -> Result<Option<(SeqNo, Kind)>, C::Error> {
        while let Some(entry) = self.merge.entry() {
            if entry.seq > self.snapshot {
                self.merge.advance()?;
                continue;
            }
            let found = (entry.seq, entry.kind);
            keep(&mut self.key, entry.user_key);
            keep(&mut self.value, entry.value);
            self.merge.advance()?;
            while self.merge.entry().is_some_and(|older| older.user_key == self.key) {
                self.hidden += 1;
                self.merge.advance()?;
            }
            return Ok(Some(found));
        }
        Ok(None)
    }

    fn next_backward(&mut self) -> Result<Option<(SeqNo, Kind)>, C::Error> {
        let mut found = None;
        while let Some(entry) = self.merge.entry() {
            if found.is_some() && entry.user_key != self.key {
                break;
            }
            if entry.seq <= self.snapshot {
                self.hidden += u64::from(found.is_some());
                found = Some((entry.seq, entry.kind));
                keep(&mut self.key, entry.user_key);
                keep(&mut self.value, entry.value);
            }
            self.merge.advance()?;
        }
        Ok(found)
    }
}

fn keep(buffer: &mut Vec<u8>, bytes: &[u8]) {
    buffer.clear();
    buffer.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use lsm_types::InternalKey;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    type Row = (Vec<u8>, u64, Option<Vec<u8>>);

    /// A source over a sorted list.
    struct List {
        rows: Vec<Row>,
        at: Option<usize>,
    }

    impl List {
        fn new(mut rows: Vec<Row>) -> Self {
            rows.sort_by(|a, b| key(a).cmp(&key(b)));
            Self { rows, at: None }
        }
    }

    fn key(row: &Row) -> InternalKey<'_> {
        InternalKey { user_key: &row.0, seq: SeqNo::new(row.1).unwrap() }
    }

    impl Cursor for List {
        type Error = Infallible;

        fn seek(&mut self, target: InternalKey<'_>) -> Result<(), Infallible> {
            self.at = Some(self.rows.partition_point(|row| key(row) < target));
            Ok(())
        }

        fn seek_before(&mut self, target: Option<InternalKey<'_>>) -> Result<(), Infallible> {
            let end = target.map_or(self.rows.len(), |target| {
                self.rows.partition_point(|row| key(row) < target)
            });
            self.at = end.checked_sub(1);
            Ok(())
        }

        fn next(&mut self) -> Result<(), Infallible> {
            self.at = self.at.map(|at| at + 1);
            Ok(())
        }

        fn prev(&mut self) -> Result<(), Infallible> {
            self.at = self.at.and_then(|at| at.checked_sub(1));
            Ok(())
        }

        fn entry(&self) -> Option<Entry<'_>> {
            let (user_key, seq, value) = self.rows.get(self.at?)?;
            Some(Entry {
                user_key,
                seq: SeqNo::new(*seq).unwrap(),
                kind: if value.is_some() { Kind::Put } else { Kind::Delete },
                value: value.as_deref().unwrap_or_default(),
            })
        }
    }

    type Seen = Vec<(Vec<u8>, Option<Vec<u8>>)>;

    fn drain(mut newest: Newest<List>) -> Seen {
        let mut seen = Vec::new();
        while let Ok(Some(entry)) = newest.next() {
            let value = (entry.kind == Kind::Put).then(|| entry.value.to_vec());
            seen.push((entry.user_key.to_vec(), value));
        }
        seen
    }

    fn lists(sources: &[Vec<Row>]) -> Vec<List> {
        sources.iter().cloned().map(List::new).collect()
    }

    proptest! {
        /// Random writes dealt out over random sources, seen at a random moment,
        /// equal a map that replays the same writes up to that moment.
        #[test]
        fn a_merge_equals_a_map_both_ways(
            writes in prop::collection::vec(
                (0_usize..5, prop::collection::vec(0_u8..3, 0..3), prop::option::of(any::<u8>())),
                0..60,
            ),
            snapshot in 0_u64..70,
            from in prop::collection::vec(0_u8..3, 0..3),
        ) {
            let mut sources = vec![Vec::new(); 5];
            let mut model = BTreeMap::new();
            for (seq, (source, key, value)) in (1_u64..).zip(writes) {
                let value = value.map(|byte| vec![byte]);
                if seq <= snapshot {
                    model.insert(key.clone(), value.clone());
                }
                sources[source].push((key, seq, value));
            }
            let snapshot = SeqNo::new(snapshot).unwrap();
            let start = InternalKey::first_of(&from);

            let Ok(merge) = Merge::forward(lists(&sources), start);
            let expected: Seen = model.range(from.clone()..).map(|(k, v)| (k.clone(), v.clone())).collect();
            prop_assert_eq!(drain(Newest::new(merge, snapshot)), expected);

            let Ok(merge) = Merge::backward(lists(&sources), Some(start));
            let expected: Seen =
                model.range(..from.clone()).rev().map(|(k, v)| (k.clone(), v.clone())).collect();
            prop_assert_eq!(drain(Newest::new(merge, snapshot)), expected);

            let Ok(merge) = Merge::backward(lists(&sources), None);
            let expected: Seen = model.iter().rev().map(|(k, v)| (k.clone(), v.clone())).collect();
            prop_assert_eq!(drain(Newest::new(merge, snapshot)), expected);
        }
    }
}

//! A store as one of several clients sees it that use it at once: only its own keys, which
//! begin with its prefix in the store and without it here.

use std::iter::Map;
use std::ops::Bound;

use crate::history::{Change, Key, Value};
use crate::store::{KeyRange, Moment, Row, Store, Walk};
use crate::{Promise, Settings};

/// How long the prefix of a client is.
const PREFIX_BYTES: usize = 2;

/// A client of a store.
#[derive(Debug)]
pub(crate) struct Client<S> {
    store: S,
    own: Own,
}

/// The keys of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Own([u8; PREFIX_BYTES]);

impl Own {
    /// The keys of the client of this number, which is below 200.
    pub(crate) const fn of(number: u8) -> Self {
        Self([b'0' + number, b'/'])
    }

    /// What the client's key is called in the store.
    pub(crate) fn key(self, key: &[u8]) -> Key {
        [self.0.as_slice(), key].concat()
    }

    /// What the client calls a key of the store, if it is one of its own.
    pub(crate) fn named(self, key: &[u8]) -> Option<&[u8]> {
        key.strip_prefix(self.0.as_slice())
    }

    fn range(self, (from, to): KeyRange) -> KeyRange {
        let [first, last] = self.0;
        let from = match from {
            Bound::Unbounded => Bound::Included(self.0.to_vec()),
            from => from.map(|key| self.key(&key)),
        };
        let to = match to {
            Bound::Unbounded => Bound::Excluded(vec![first, last + 1]),
            to => to.map(|key| self.key(&key)),
        };
        (from, to)
    }
}

fn without_prefix((key, value): Row) -> Row {
    (key.get(PREFIX_BYTES..).unwrap_or_default().to_vec(), value)
}

impl<S: Store> Client<S> {
    /// The client of this number.
    pub(crate) const fn new(store: S, own: Own) -> Self {
        Self { store, own }
    }

    fn walked(&self, walk: Option<Box<dyn Walk>>) -> Option<Box<dyn Walk>> {
        walk.map(|walk| Box::new(OwnWalk(walk, self.own)) as _)
    }
}

impl<S: Store> Store for Client<S> {
    type Rows = Map<S::Rows, fn(Row) -> Row>;

    fn write(&mut self, changes: &[Change], single: bool) -> Result<(), String> {
        let own = |(key, value): &Change| (self.own.key(key), value.clone());
        self.store.write(&changes.iter().map(own).collect::<Vec<_>>(), single)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Value>, String> {
        self.store.get(&self.own.key(key))
    }

    fn scan(&self, range: KeyRange) -> Result<Self::Rows, String> {
        Ok(self.store.scan(self.own.range(range))?.map(without_prefix as fn(Row) -> Row))
    }

    fn flush(&mut self) -> Result<(), String> {
        self.store.flush()
    }

    fn compact(&mut self, range: KeyRange) -> Result<(), String> {
        match range {
            // As much as it can be, beside the keys of others too.
            (Bound::Unbounded, Bound::Unbounded) => self.store.compact(range),
            range => self.store.compact(self.own.range(range)),
        }
    }

    fn settle(&mut self) -> Result<(), String> {
        self.store.settle()
    }

    /// Others have it open.
    fn reopen(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn reopen_with(&mut self, _: &Settings) -> Result<(), String> {
        Ok(())
    }

    fn ways(&self, key: &[u8]) -> Result<Vec<Option<Value>>, String> {
        self.store.ways(&self.own.key(key))
    }

    fn many(&self, keys: &[Key]) -> Result<Vec<Option<Value>>, String> {
        self.store.many(&keys.iter().map(|key| self.own.key(key)).collect::<Vec<_>>())
    }

    fn walk(&self, range: KeyRange) -> Result<Option<Box<dyn Walk>>, String> {
        Ok(self.walked(self.store.walk(self.own.range(range))?))
    }

    fn prefix(&self, prefix: &[u8]) -> Result<Option<Box<dyn Walk>>, String> {
        Ok(self.walked(self.store.prefix(&self.own.key(prefix))?))
    }

    fn hold(&self) -> Result<Option<Box<dyn Moment>>, String> {
        let held = self.store.hold()?;
        Ok(held.map(|held| Box::new(OwnMoment(held, self.own)) as _))
    }

    fn sync(&mut self) -> Result<bool, String> {
        self.store.sync()
    }

    fn promise(&self) -> Promise {
        self.store.promise()
    }

    fn events(&self) -> usize {
        self.store.events()
    }
}

struct OwnWalk(Box<dyn Walk>, Own);

impl Walk for OwnWalk {
    fn next(&mut self) -> Option<Result<Row, String>> {
        self.0.next().map(|row| row.map(without_prefix))
    }

    fn next_back(&mut self) -> Option<Result<Row, String>> {
        self.0.next_back().map(|row| row.map(without_prefix))
    }

    fn seek(&mut self, key: &[u8]) -> Result<(), String> {
        self.0.seek(&self.1.key(key))
    }
}

struct OwnMoment(Box<dyn Moment>, Own);

impl Moment for OwnMoment {
    fn get(&self, key: &[u8]) -> Result<Option<Value>, String> {
        self.0.get(&self.1.key(key))
    }

    fn scan(&self, range: KeyRange) -> Result<Vec<Row>, String> {
        let rows = self.0.scan(self.1.range(range))?;
        Ok(rows.into_iter().map(without_prefix).collect())
    }

    fn walk(&self, range: KeyRange) -> Box<dyn Walk> {
        Box::new(OwnWalk(self.0.walk(self.1.range(range)), self.1))
    }
}

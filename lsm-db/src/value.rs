//! Bytes that were read.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// A key or a value that was read: a slice of bytes that owns what it needs.
///
/// Short ones are held inside. Longer ones are not copied where that can be helped:
/// they stay in the file's mapping or in the cached block that they were found in, which
/// lives as long as they do. Keeping one therefore keeps a file open; where few of many
/// bytes are kept for long, `to_vec` is better.
///
/// ```
/// # fn main() -> Result<(), lsm_db::Error> {
/// # let dir = tempfile::tempdir()?;
/// # let db = lsm_db::Lsm::open(dir.path())?;
/// db.put("k", "a value")?;
/// let (key, value) = db.range(..).next().unwrap()?;
/// db.delete("k")?;
/// assert_eq!((&*key, &*value), (&b"k"[..], &b"a value"[..]));
/// assert!(value.starts_with(b"a "));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Value(lsm_engine::Value);

// What it keeps is only read.
impl UnwindSafe for Value {}
impl RefUnwindSafe for Value {}

impl Value {
    pub(crate) fn new(value: lsm_engine::Value) -> Self {
        Self(value)
    }
}

impl Deref for Value {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Borrow<[u8]> for Value {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl From<Value> for Vec<u8> {
    fn from(value: Value) -> Self {
        value.to_vec()
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Value {}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<&T> for Value {
    fn eq(&self, other: &&T) -> bool {
        **self == *other.as_ref()
    }
}

impl PartialEq<[u8]> for Value {
    fn eq(&self, other: &[u8]) -> bool {
        **self == *other
    }
}

impl PartialEq<Vec<u8>> for Value {
    fn eq(&self, other: &Vec<u8>) -> bool {
        **self == **other
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(other)
    }
}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

/// The bytes as text, with escapes.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

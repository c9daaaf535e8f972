//! A file's name inside its directory, as a type.

use std::fmt;

/// One plain path component of visible ASCII: not empty, not `.` or `..`, without
/// separators. Nothing that is not a `Name` reaches the file system, so nothing
/// read from a file can point outside its directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

impl Name {
    /// The name, if it is one.
    ///
    /// ```
    /// use lsm_vfs::Name;
    /// assert!(Name::new("run-0000000001.sst").is_some());
    /// for bad in ["", ".", "..", "a/b", "/etc/passwd", "a\0b", "naïve"] {
    ///     assert!(Name::new(bad).is_none(), "{bad:?}");
    /// }
    /// ```
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'/' && byte != b'\\';
        let ok = !name.is_empty()
            && name.len() <= 255
            && name != "."
            && name != ".."
            && name.bytes().all(plain);
        ok.then(|| Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

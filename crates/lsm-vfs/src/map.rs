//! Bytes of a file, readable in place.

use std::fmt;
use std::sync::Arc;

/// A read-only view of a file's first bytes, mapped or held in memory.
///
/// Someone may change or cut a mapped file from outside. Changed bytes are read as
/// they then are, so readers check what they read every time; a cut file raises
/// SIGBUS in the process that reads behind the cut, which documentation says.
#[derive(Clone)]
pub struct Map(Inner);

#[derive(Clone)]
enum Inner {
    Mapped(Arc<memmap2::Mmap>),
    Held(Arc<[u8]>),
}

impl Map {
    pub(crate) fn mapped(map: memmap2::Mmap) -> Self {
        Self(Inner::Mapped(Arc::new(map)))
    }

    /// A view of bytes in memory, for file systems that cannot map.
    #[must_use]
    pub fn held(bytes: Arc<[u8]>) -> Self {
        Self(Inner::Held(bytes))
    }

    /// The bytes.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Inner::Mapped(map) => map,
            Inner::Held(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.0 {
            Inner::Mapped(_) => "mapped",
            Inner::Held(_) => "held",
        };
        write!(f, "Map({how}, {} bytes)", self.bytes().len())
    }
}

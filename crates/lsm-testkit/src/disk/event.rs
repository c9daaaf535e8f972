//! What happens to a disk, and what its files and names are.
//!
//! A [`Tree`] is all files and names at one moment. Contents are shared until they are
//! written to, so that a copy of a tree copies no bytes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use lsm_vfs::Name;

pub(super) type Inode = usize;

/// How much of what a failed sync was about reached the disk after all. No later sync
/// brings the rest there: after the failure it counts as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reached {
    /// Nothing of it.
    Nothing,
    /// All of it.
    All,
    /// Each change or not, as the seed of the crash decides; nothing, where that has none.
    #[default]
    Some,
}

/// One change, or one sync.
#[derive(Clone, Debug)]
pub(super) enum Event {
    MakeDir(Arc<Path>),
    Link(Arc<Path>, Name, Inode),
    /// From a name to another; the file goes with it, whatever else survives.
    Rename(Arc<Path>, Name, Name, Inode),
    Unlink(Arc<Path>, Name),
    Write(Inode, u64, Arc<[u8]>),
    SetLen(Inode, u64),
    SyncFile(Inode),
    SyncDir(Arc<Path>),
    /// A sync that failed: what was pending is lost or not, and stays so.
    SyncFailed(Inode, Reached),
    /// The same for the names of a directory.
    SyncDirFailed(Arc<Path>, Reached),
}

impl Event {
    /// The file whose bytes or length change.
    pub(super) fn changed_file(&self) -> Option<Inode> {
        match self {
            Self::Write(inode, ..) | Self::SetLen(inode, _) => Some(*inode),
            _ => None,
        }
    }

    /// The directory whose names change.
    pub(super) fn changed_names(&self) -> Option<&Arc<Path>> {
        match self {
            Self::Link(dir, ..) | Self::Rename(dir, ..) | Self::Unlink(dir, _) => Some(dir),
            _ => None,
        }
    }

    /// The file that gets a name.
    pub(super) fn named_file(&self) -> Option<Inode> {
        match self {
            Self::Link(_, _, inode) | Self::Rename(_, _, _, inode) => Some(*inode),
            _ => None,
        }
    }

    /// In words; `name_of` says what a file is called.
    pub(super) fn describe(&self, name_of: impl Fn(Inode) -> String) -> String {
        match self {
            Self::MakeDir(dir) => format!("make the directory {}", dir.display()),
            Self::Link(_, name, _) => format!("create {name}"),
            Self::Rename(_, from, to, _) => format!("rename {from} to {to}"),
            Self::Unlink(_, name) => format!("remove {name}"),
            Self::Write(inode, at, bytes) => {
                format!("write {} bytes at {at} of {}", bytes.len(), name_of(*inode))
            }
            Self::SetLen(inode, len) => format!("set the length of {} to {len}", name_of(*inode)),
            Self::SyncFile(inode) => format!("sync {}", name_of(*inode)),
            Self::SyncDir(dir) => format!("sync the directory {}", dir.display()),
            Self::SyncFailed(inode, _) => format!("fail to sync {}", name_of(*inode)),
            Self::SyncDirFailed(dir, _) => format!("fail to sync the directory {}", dir.display()),
        }
    }

    pub(super) fn add_to(&self, digest: &mut Digest) {
        match self {
            Self::MakeDir(dir) => digest.tag(1).text(dir),
            Self::Link(dir, name, inode) => {
                digest.tag(2).text(dir).name(name).number(*inode as u64)
            }
            Self::Rename(dir, from, to, inode) => {
                digest.tag(3).text(dir).name(from).name(to).number(*inode as u64)
            }
            Self::Unlink(dir, name) => digest.tag(4).text(dir).name(name),
            Self::Write(inode, at, bytes) => {
                digest.tag(5).number(*inode as u64).number(*at).bytes(bytes)
            }
            Self::SetLen(inode, len) => digest.tag(6).number(*inode as u64).number(*len),
            Self::SyncFile(inode) => digest.tag(7).number(*inode as u64),
            Self::SyncDir(dir) => digest.tag(8).text(dir),
            Self::SyncFailed(inode, reached) => {
                digest.tag(9).number(*inode as u64).number(*reached as u64)
            }
            Self::SyncDirFailed(dir, reached) => digest.tag(10).text(dir).number(*reached as u64),
        };
    }
}

/// A running checksum, to tell runs and images apart: FNV-1a over words of eight bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digest(pub(super) u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        let mixed = (self.0 ^ number).wrapping_mul(0x0100_0000_01b3);
        self.0 = mixed ^ (mixed >> 29);
        self
    }

    fn tag(&mut self, tag: u64) -> &mut Self {
        self.number(tag)
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        for word in bytes.chunks(8) {
            let mut eight = [0; 8];
            eight[..word.len()].copy_from_slice(word);
            self.number(u64::from_le_bytes(eight));
        }
        self.number(bytes.len() as u64)
    }

    pub(super) fn name(&mut self, name: &Name) -> &mut Self {
        self.bytes(name.as_str().as_bytes())
    }

    pub(super) fn text(&mut self, path: &Path) -> &mut Self {
        self.bytes(path.as_os_str().as_encoded_bytes())
    }
}

/// The bytes of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Contents {
    bytes: Vec<u8>,
    digest: OnceLock<u64>,
}

impl Contents {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn digest(&self) -> u64 {
        *self.digest.get_or_init(|| Digest::default().bytes(&self.bytes).0)
    }

    fn changed(&mut self) -> &mut Vec<u8> {
        self.digest = OnceLock::new();
        &mut self.bytes
    }
}

/// All files and names.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    pub(super) files: BTreeMap<Inode, Arc<Contents>>,
    pub(super) dirs: BTreeMap<Arc<Path>, BTreeMap<Name, Inode>>,
}

impl Tree {
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::MakeDir(dir) => drop(self.names(dir)),
            Event::Link(dir, name, inode) => {
                self.names(dir).insert(name.clone(), *inode);
            }
            Event::Rename(dir, from, to, inode) => {
                let names = self.names(dir);
                if names.get(from) == Some(inode) {
                    names.remove(from);
                }
                names.insert(to.clone(), *inode);
            }
            Event::Unlink(dir, name) => {
                self.names(dir).remove(name);
            }
            Event::Write(inode, offset, bytes) => self.write(*inode, *offset, bytes),
            Event::SetLen(inode, len) => self.file(*inode).resize(*len as usize, 0),
            Event::SyncFile(_)
            | Event::SyncDir(_)
            | Event::SyncFailed(..)
            | Event::SyncDirFailed(..) => {}
        }
    }

    fn names(&mut self, dir: &Arc<Path>) -> &mut BTreeMap<Name, Inode> {
        self.dirs.entry(Arc::clone(dir)).or_default()
    }

    fn file(&mut self, inode: Inode) -> &mut Vec<u8> {
        Arc::make_mut(self.files.entry(inode).or_default()).changed()
    }

    pub(super) fn write(&mut self, inode: Inode, offset: u64, bytes: &[u8]) {
        let (file, offset) = (self.file(inode), offset as usize);
        if file.len() < offset + bytes.len() {
            file.resize(offset + bytes.len(), 0);
        }
        file[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    pub(super) fn bytes(&self, inode: Inode) -> &[u8] {
        self.files.get(&inode).map_or(&[], |contents| contents.bytes())
    }

    pub(super) fn find(&self, dir: &Path, name: &Name) -> Option<Inode> {
        self.dirs.get(dir)?.get(name).copied()
    }

    /// What a file is called.
    pub(super) fn name_of(&self, inode: Inode) -> Option<&Name> {
        let mut names = self.dirs.values().flatten();
        names.find(|(_, named)| **named == inode).map(|(name, _)| name)
    }

    /// Lets go of files without a name, which nobody has open.
    pub(super) fn prune(&mut self) {
        let mut named: Vec<_> = self.dirs.values().flat_map(BTreeMap::values).copied().collect();
        named.sort_unstable();
        self.files.retain(|inode, _| named.binary_search(inode).is_ok());
    }

    /// Names and what is behind them.
    pub(super) fn digest(&self) -> u64 {
        let mut digest = Digest::default();
        for (dir, names) in &self.dirs {
            digest.text(dir);
            for (name, inode) in names {
                let contents = self.files.get(inode).map_or(0, |contents| contents.digest());
                digest.name(name).number(contents);
            }
        }
        digest.0
    }
}

//! Which file is what: by the store's names, by the first bytes, by the ending.
//!
//! The names are those of crates/lsm-engine/src/names.rs, to the letter. Files are read whole, once;
//! [`Held`] shows what was read to parts that ask for a file.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsm_types::{MAX_FILE_NO, SlotNo, TableNo};
use lsm_vfs::{File, Map};

/// All first magics lie in so many bytes; that of the second commit slot of a manifest is the last.
const PROBED: usize = lsm_manifest::PAGE_BYTES + lsm_manifest::MAGIC.len();

/// The name of a store's manifest.
pub(super) const MANIFEST: &str = "MANIFEST";

/// What a name says, if it is one of a store's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreName {
    Manifest,
    Table(TableNo),
    Filter(TableNo),
    Log(SlotNo),
    Temporary,
    Other,
}

impl StoreName {
    pub(super) fn of(path: &Path) -> Self {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        match name.strip_suffix(".tmp") {
            Some(live) if Self::live(live).is_some() => Self::Temporary,
            _ => Self::live(name).unwrap_or(Self::Other),
        }
    }

    fn live(name: &str) -> Option<Self> {
        if name == MANIFEST {
            return Some(Self::Manifest);
        }
        if let Some(rest) = name.strip_prefix("run-") {
            let (digits, ending) = rest.split_at_checked(10)?;
            let number = TableNo::new(number(digits)?)?;
            return match ending {
                ".sst" => Some(Self::Table(number)),
                ".sst.bloom" => Some(Self::Filter(number)),
                _ => None,
            };
        }
        let digits = name.strip_prefix("wal-")?.strip_suffix(".log")?;
        Some(Self::Log(SlotNo::new(number(digits)?)?))
    }
}

fn number(digits: &str) -> Option<u64> {
    let ten = digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|number| ten && *number <= MAX_FILE_NO)
}

pub(super) fn table_name(number: TableNo) -> String {
    format!("run-{:010}.sst", number.get())
}

pub(super) fn log_name(number: SlotNo) -> String {
    format!("wal-{:010}.log", number.get())
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Table,
    Filter,
    Manifest,
    Log,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Filter => "filter",
            Self::Manifest => "manifest",
            Self::Log => "log",
        }
    }

    /// By the name, if it is a store's; otherwise by the magic.
    pub(super) fn of(path: &Path, bytes: &[u8]) -> Option<Self> {
        match StoreName::of(path) {
            StoreName::Manifest => Some(Self::Manifest),
            StoreName::Table(_) => Some(Self::Table),
            StoreName::Filter(_) => Some(Self::Filter),
            StoreName::Log(_) => Some(Self::Log),
            StoreName::Temporary | StoreName::Other => Self::by_magic(bytes),
        }
    }

    /// As [`of`](Kind::of), and by the ending where the magic says nothing: for a file that somebody
    /// asked to be looked at.
    pub(super) fn of_asked(path: &Path, bytes: &[u8]) -> Option<Self> {
        let ends = |ending: &str| path.to_string_lossy().ends_with(ending);
        let by_ending = || match (ends(".sst"), ends(".sst.bloom")) {
            (true, _) => Some(Self::Table),
            (_, true) => Some(Self::Filter),
            _ => None,
        };
        Self::of(path, bytes).or_else(by_ending)
    }

    fn by_magic(bytes: &[u8]) -> Option<Self> {
        let second_slot = bytes.get(lsm_manifest::PAGE_BYTES..).unwrap_or_default();
        if bytes.starts_with(&lsm_sstable::MAGIC) || bytes.ends_with(&lsm_sstable::MAGIC) {
            Some(Self::Table)
        } else if bytes.starts_with(&lsm_bloom::MAGIC) {
            Some(Self::Filter)
        } else if [bytes, second_slot].iter().any(|at| at.starts_with(&lsm_manifest::MAGIC)) {
            Some(Self::Manifest)
        } else if bytes.starts_with(b"LSMWALOG") {
            Some(Self::Log)
        } else {
            None
        }
    }
}

/// The sidecar of a table.
pub(super) fn filter_of(table: &Path) -> PathBuf {
    let mut name = table.as_os_str().to_owned();
    name.push(".bloom");
    PathBuf::from(name)
}

/// The table of a sidecar, by its name.
pub(super) fn table_of(filter: &Path) -> Option<PathBuf> {
    filter.to_str()?.strip_suffix(".bloom").map(PathBuf::from)
}

/// Whether a file of a name that is not a store's is one of ours: its ends are read, and no more.
pub(super) fn probe(path: &Path) -> io::Result<Option<Kind>> {
    let mut file = fs::File::open(path)?;
    let mut ends = Vec::new();
    io::Read::take(&mut file, PROBED as u64).read_to_end(&mut ends)?;
    if file.metadata()?.len() > PROBED as u64 {
        file.seek(io::SeekFrom::End(-(lsm_sstable::MAGIC.len() as i64)))?;
        file.read_to_end(&mut ends)?;
    }
    Ok(Kind::by_magic(&ends))
}

/// Reads a plain file; a FIFO, say, would keep us waiting.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain file"));
    }
    fs::read(path)
}

/// A file that was read, for parts that ask for one.
#[derive(Debug)]
pub(super) struct Held {
    path: PathBuf,
    bytes: Arc<[u8]>,
}

impl Held {
    pub(super) fn file(path: &Path, bytes: &[u8]) -> Arc<dyn File> {
        Arc::new(Self { path: path.to_path_buf(), bytes: bytes.into() })
    }

    fn refuse<T>(&self, op: &'static str) -> lsm_vfs::Result<T> {
        Err(lsm_vfs::Error::new(op, &self.path, io::ErrorKind::Unsupported))
    }
}

impl File for Held {
    fn path(&self) -> &Path {
        &self.path
    }

    fn len(&self) -> lsm_vfs::Result<u64> {
        Ok(self.bytes.len() as u64)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.bytes.get(start..).unwrap_or_default();
        let count = rest.len().min(bytes.len());
        bytes.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        Ok(count)
    }

    fn write_at(&self, _: u64, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn set_len(&self, _: u64) -> lsm_vfs::Result<()> {
        self.refuse("set the length of")
    }

    fn sync(&self) -> lsm_vfs::Result<()> {
        self.refuse("sync")
    }

    fn map(&self, len: u64) -> lsm_vfs::Result<Map> {
        match usize::try_from(len).ok().and_then(|len| self.bytes.get(..len)) {
            Some(bytes) => Ok(Map::held(bytes.into())),
            None => self.refuse("map"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_store_s_own_names_are_its_names() {
        let of = |name: &str| StoreName::of(&Path::new("dir").join(name));
        let seven = TableNo::new(7).unwrap();
        assert_eq!(of(&table_name(seven)), StoreName::Table(seven));
        assert_eq!(of("run-0000000007.sst.bloom"), StoreName::Filter(seven));
        assert_eq!(of(&log_name(SlotNo::FIRST)), StoreName::Log(SlotNo::FIRST));
        assert_eq!(of("MANIFEST"), StoreName::Manifest);
        assert_eq!(of("run-0000000007.sst.bloom.tmp"), StoreName::Temporary);
        for other in ["run-7.sst", "run-0000000000.sst", "wal-+000000001.log", "x.tmp", "run-é"] {
            assert_eq!(of(other), StoreName::Other, "{other}");
        }
    }

    #[test]
    fn what_has_no_name_is_known_by_its_magic() {
        let of = |bytes: &[u8]| Kind::of(Path::new("x"), bytes);
        assert_eq!(of(b"LSMTABLE..."), Some(Kind::Table));
        assert_eq!(of(b"damaged...LSMTABLE"), Some(Kind::Table));
        assert_eq!(of(b"LSMBLOOM"), Some(Kind::Filter));
        assert_eq!(of(&[&[0; 4096][..], b"LSMMANIF"].concat()), Some(Kind::Manifest));
        assert_eq!(of(b"LSMWALOG"), Some(Kind::Log));
        assert_eq!((of(b"else"), of(b"")), (None, None));
        assert_eq!(Kind::of_asked(Path::new("x.sst"), b"else"), Some(Kind::Table));
        assert_eq!(Kind::of_asked(Path::new("x.rs"), b"else"), None);
    }

    #[test]
    fn a_strange_file_is_known_by_its_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let zeros = [0; 5_000];
        for (bytes, kind) in [
            ([&b"LSMTABLE"[..], &zeros].concat(), Some(Kind::Table)),
            ([&zeros[..], b"LSMTABLE"].concat(), Some(Kind::Table)),
            ([&zeros[..4096], b"LSMMANIF", &zeros].concat(), Some(Kind::Manifest)),
            (b"LSMWALOG".to_vec(), Some(Kind::Log)),
            (zeros.to_vec(), None),
            (Vec::new(), None),
        ] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(probe(&path).unwrap(), kind);
        }
    }
}

//! The real operating system, by rustix: names relative to directory handles.

use std::fs::{self, File as StdFile, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use crate::{Dir, Entry, EntryKind, Error, File, Fs, Map, Name, Result, Task, Thread};

/// New files belong to their owner alone; the umask can only take more away.
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// The operating system this program runs on.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFs;

impl Fs for RealFs {
    fn open_dir(&self, path: &Path, create: bool) -> Result<Arc<dyn Dir>> {
        if create {
            create_dir_all(path)?;
        }
        let fail = |error| Error::new("open the directory", path, error);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty()).map_err(fail)?;
        Ok(Arc::new(RealDir { handle: handle.into(), path: path.to_path_buf() }))
    }

    fn random(&self, bytes: &mut [u8]) -> Result<()> {
        fill_random(bytes)
    }

    fn spawn(&self, name: &'static str, task: Task) -> Result<Box<dyn Thread>> {
        let handle = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(task)
            .map_err(|error| Error::new("start the thread", name, error))?;
        Ok(Box::new(RealThread(handle)))
    }
}

#[cfg(target_os = "linux")]
fn fill_random(bytes: &mut [u8]) -> Result<()> {
    use rustix::rand::{GetRandomFlags, getrandom};
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match getrandom(rest, GetRandomFlags::empty()) {
            Ok(count) => done += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Error::new("get random bytes from", "getrandom", error)),
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn fill_random(bytes: &mut [u8]) -> Result<()> {
    use std::io::Read;
    let path = "/dev/urandom";
    let read = StdFile::open(path).and_then(|mut file| file.read_exact(bytes));
    read.map_err(|error| Error::new("get random bytes from", path, error))
}

/// Makes `path` and the directories above it that are missing, top first, each
/// synced into its parent before anything is put into it.
fn create_dir_all(path: &Path) -> Result<()> {
    let mut missing: Vec<&Path> = Vec::new();
    for ancestor in path.ancestors() {
        // An empty ancestor is the current directory.
        if ancestor.as_os_str().is_empty() || fs::metadata(ancestor).is_ok() {
            break;
        }
        missing.push(ancestor);
    }
    for dir in missing.into_iter().rev() {
        match fs::create_dir(dir) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(Error::new("create the directory", dir, error)),
        }
        let parent = match dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        StdFile::open(parent)
            .and_then(|parent| parent.sync_all())
            .map_err(|error| Error::new("sync the directory", parent, error))?;
    }
    Ok(())
}

#[derive(Debug)]
struct RealThread(std::thread::JoinHandle<()>);

impl Thread for RealThread {
    fn join(self: Box<Self>) -> bool {
        self.0.join().is_ok()
    }
}

#[derive(Debug)]
struct RealDir {
    handle: StdFile,
    path: PathBuf,
}

impl RealDir {
    fn full(&self, name: &Name) -> PathBuf {
        self.path.join(name.as_str())
    }

    /// The directories above, nearest first, as far as they are of this file system and
    /// may be read: whoever may not read one did not make what is in it.
    fn directories_above(&self) -> Result<Vec<rustix::fd::OwnedFd>> {
        let fail = |error| Error::new("open the directory above", &self.path, error);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut found: Vec<rustix::fd::OwnedFd> = Vec::new();
        let mut below = rustix::fs::fstat(&self.handle).map_err(fail)?;
        loop {
            let opened = match found.last() {
                Some(last) => rustix::fs::openat(last, "..", flags, Mode::empty()),
                None => rustix::fs::openat(&self.handle, "..", flags, Mode::empty()),
            };
            let above = match opened {
                Ok(above) => above,
                Err(rustix::io::Errno::ACCESS) => return Ok(found),
                Err(error) => return Err(fail(error)),
            };
            let stat = rustix::fs::fstat(&above).map_err(fail)?;
            // Above the root is the root; above a mount is another file system.
            if stat.st_dev != below.st_dev || stat.st_ino == below.st_ino {
                return Ok(found);
            }
            found.push(above);
            below = stat;
        }
    }

    fn open_at(&self, op: &'static str, name: &Name, flags: OFlags) -> Result<RealFile> {
        let path = self.full(name);
        // O_NONBLOCK keeps a FIFO in our place from holding us up; it means
        // nothing for regular files, and nothing else gets past the check below.
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = loop {
            match rustix::fs::openat(&self.handle, name.as_str(), flags, FILE_MODE) {
                Err(rustix::io::Errno::INTR) => {}
                other => break other.map_err(|error| Error::new(op, &path, error))?,
            }
        };
        let file = StdFile::from(fd);
        let meta = file.metadata().map_err(|error| Error::new(op, &path, error))?;
        if !meta.is_file() {
            let what = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
            return Err(Error::new(op, path, what));
        }
        Ok(RealFile { file, path })
    }
}

impl Dir for RealDir {
    fn path(&self) -> &Path {
        &self.path
    }

    fn lock(&self) -> Result<()> {
        let source = match self.handle.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => io::Error::new(
                io::ErrorKind::ResourceBusy,
                "it is open already, in this process or another",
            ),
            Err(TryLockError::Error(error)) => error,
        };
        Err(Error::new("lock the directory", &self.path, source))
    }

    fn unlock(&self) -> Result<()> {
        self.handle.unlock().map_err(|error| Error::new("unlock the directory", &self.path, error))
    }

    fn entries(&self) -> Result<Vec<Entry>> {
        let fail = |error: rustix::io::Errno| Error::new("list the directory", &self.path, error);
        let mut entries = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.handle).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let Some(name) = entry.file_name().to_str().ok().and_then(Name::new) else {
                continue;
            };
            let mut kind = entry.file_type();
            if kind == FileType::Unknown {
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                let stat = rustix::fs::statat(&self.handle, name.as_str(), flags);
                kind = FileType::from_raw_mode(stat.map_err(fail)?.st_mode);
            }
            let kind =
                if kind == FileType::RegularFile { EntryKind::File } else { EntryKind::Other };
            entries.push(Entry { name, kind });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn create(&self, name: &Name) -> Result<Arc<dyn File>> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        Ok(Arc::new(self.open_at("create the file", name, flags)?))
    }

    fn open(&self, name: &Name, write: bool) -> Result<Arc<dyn File>> {
        let flags = if write { OFlags::RDWR } else { OFlags::RDONLY };
        Ok(Arc::new(self.open_at("open the file", name, flags)?))
    }

    fn rename(&self, from: &Name, to: &Name) -> Result<()> {
        rustix::fs::renameat(&self.handle, from.as_str(), &self.handle, to.as_str())
            .map_err(|error| Error::new("rename into place the file", self.full(from), error))
    }

    fn remove(&self, name: &Name) -> Result<()> {
        rustix::fs::unlinkat(&self.handle, name.as_str(), AtFlags::empty())
            .map_err(|error| Error::new("remove the file", self.full(name), error))
    }

    fn sync_parent(&self) -> Result<()> {
        let fail = |error| Error::new("sync the directory above", &self.path, error);
        for (level, above) in self.directories_above()?.iter().enumerate() {
            match rustix::fs::fsync(above) {
                Ok(()) => {}
                // Far above, nothing of ours may be lost: a file system that is read-only,
                // or knows no sync of directories, has taken none of our names.
                Err(rustix::io::Errno::ROFS | rustix::io::Errno::INVAL) if level > 0 => break,
                Err(error) => return Err(fail(error)),
            }
        }
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        self.handle.sync_all().map_err(|error| Error::new("sync the directory", &self.path, error))
    }
}

#[derive(Debug)]
struct RealFile {
    file: StdFile,
    path: PathBuf,
}

impl File for RealFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn len(&self) -> Result<u64> {
        let meta = self.file.metadata();
        Ok(meta.map_err(|error| Error::new("read the length of", &self.path, error))?.len())
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(bytes, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.file.set_len(len).map_err(|error| Error::new("set the length of", &self.path, error))
    }

    fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|error| Error::new("sync the file", &self.path, error))
    }

    fn map(&self, len: u64) -> Result<Map> {
        let fail = |error| Error::new("map the file", &self.path, error);
        if self.len()? < len {
            return Err(fail(io::ErrorKind::UnexpectedEof.into()));
        }
        let len = usize::try_from(len)
            .map_err(|_| fail(io::Error::new(io::ErrorKind::FileTooLarge, "too long to map")))?;
        // SAFETY: the map is private to this process and read-only. That the file
        // stays as it is cannot be proved: whoever owns the directory could write to
        // it. Every reader above therefore treats mapped bytes as untrusted on each
        // access (checked slicing, no references kept into parsed structures that
        // rely on earlier checks for memory safety), so a change yields wrong or
        // refused bytes and never undefined behaviour in our own code; a cut file
        // raises SIGBUS, which the documentation states.
        let map = unsafe { memmap2::MmapOptions::new().len(len).map(&self.file) };
        Ok(Map::mapped(map.map_err(fail)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{read_exact_at, write_all_at};

    fn name(name: &str) -> Name {
        Name::new(name).unwrap()
    }

    #[test]
    fn files_come_back_and_the_lock_keeps_others_out() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a/b/c");
        let dir = RealFs.open_dir(&path, true).unwrap();
        dir.lock().unwrap();
        let other = RealFs.open_dir(&path, false).unwrap();
        assert_eq!(other.lock().unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        dir.unlock().unwrap();
        other.lock().unwrap();

        let file = dir.create(&name("x.tmp")).unwrap();
        write_all_at(&*file, 3, b"hello").unwrap();
        file.sync().unwrap();
        dir.rename(&name("x.tmp"), &name("x")).unwrap();
        dir.sync().unwrap();
        let file = dir.open(&name("x"), false).unwrap();
        let mut bytes = [0; 8];
        read_exact_at(&*file, 0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"\0\0\0hello");
        assert_eq!(file.map(8).unwrap().bytes(), b"\0\0\0hello");
        assert!(!file.is_empty().unwrap());
        assert_eq!(format!("{:?}", file.map(8).unwrap()), "Map(mapped, 8 bytes)");
        assert_eq!(format!("{:?}", Map::held(Arc::from([7_u8; 3]))), "Map(held, 3 bytes)");
        // What is not there cannot be mapped.
        assert_eq!(file.map(9).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let short = read_exact_at(&*file, 4, &mut bytes).unwrap_err();
        let source = std::error::Error::source(&short).unwrap();
        assert_eq!(source.to_string(), short.source.to_string());
        assert_eq!((short.kind(), short.offset), (io::ErrorKind::UnexpectedEof, Some(8)));
        assert_eq!(dir.entries().unwrap().len(), 1);
        dir.remove(&name("x")).unwrap();
        assert!(dir.open(&name("x"), false).unwrap_err().is_not_found());
    }

    #[test]
    fn all_directories_above_are_synced_and_not_the_lowest_alone() {
        use std::os::unix::fs::MetadataExt;

        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a/b/c");
        fs::create_dir_all(&path).unwrap();
        let dir = RealFs.open_dir(&path, false).unwrap();
        dir.sync_parent().unwrap();
        let handle = StdFile::open(&path).unwrap();
        let dir = RealDir { handle, path: path.clone() };
        let found = dir.directories_above().unwrap();
        let found = found.iter().map(|above| rustix::fs::fstat(above).unwrap().st_ino);
        let inode = |path: &Path| fs::metadata(path).unwrap().ino();
        let expected: Vec<u64> = path.ancestors().skip(1).take(3).map(inode).collect();
        assert_eq!(found.take(3).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn s55_files_belong_to_their_owner_alone_and_handles_close_on_exec() {
        use std::os::unix::fs::MetadataExt;

        let temp = tempfile::tempdir().unwrap();
        let dir = RealFs.open_dir(temp.path(), false).unwrap();
        let kept = [dir.create(&name("a")).unwrap(), dir.open(&name("a"), false).unwrap()];
        assert_eq!(fs::metadata(temp.path().join("a")).unwrap().mode() & 0o7777, 0o600);
        let mut seen = 0;
        for entry in fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap()) {
            let leads_here = |to: PathBuf| to.starts_with(temp.path());
            if fs::read_link(entry.path()).is_ok_and(leads_here) {
                let number = entry.file_name().into_string().unwrap();
                let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
                let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
                let flags = u32::from_str_radix(flags.trim(), 8).unwrap();
                assert!(flags & OFlags::CLOEXEC.bits() != 0, "handle {number}: {info}");
                seen += 1;
            }
        }
        assert_eq!(seen, kept.len() + 1);
    }

    #[test]
    fn s37_links_fifos_and_directories_are_refused() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("real"), b"bytes").unwrap();
        std::os::unix::fs::symlink("real", temp.path().join("link")).unwrap();
        fs::create_dir(temp.path().join("dir")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            temp.path().join("fifo"),
            FileType::Fifo,
            FILE_MODE,
            0,
        )
        .unwrap();
        let dir = RealFs.open_dir(temp.path(), false).unwrap();
        for other in ["link", "dir", "fifo"] {
            let error = dir.open(&name(other), false).unwrap_err();
            assert!(error.to_string().contains(other), "{error}");
        }
        let files =
            dir.entries().unwrap().into_iter().filter(|entry| entry.kind == EntryKind::File);
        assert_eq!(files.map(|entry| entry.name).collect::<Vec<_>>(), [name("real")]);
    }

    #[test]
    fn a_file_in_the_place_of_the_directory_is_named() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("file");
        fs::write(&path, b"").unwrap();
        for create in [false, true] {
            let error = RealFs.open_dir(&path, create).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
            assert!(error.to_string().contains("file"), "{error}");
        }
    }
}

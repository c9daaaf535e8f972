//! What can go wrong with a call, and which calls it can go wrong with: rules, not cases.

use std::fmt;

/// A method of the file system, of a directory or of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Op {
    OpenDir,
    Random,
    Spawn,
    Lock,
    Unlock,
    Entries,
    Create,
    Open,
    Rename,
    Remove,
    SyncParent,
    SyncDir,
    Len,
    ReadAt,
    WriteAt,
    SetLen,
    SyncFile,
    Map,
}

/// A thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    CrashBefore,
    CrashAfter,
    Eio,
    Enospc,
    Short,
    Interrupted,
    Sticky,
}

impl Kind {
    pub(crate) const CRASHES: [Self; 2] = [Self::CrashBefore, Self::CrashAfter];
    pub(crate) const FAILURES: [Self; 5] =
        [Self::Eio, Self::Enospc, Self::Short, Self::Interrupted, Self::Sticky];

    /// Whether it can happen to such a call. The process may end at any call, and any call may
    /// fail once or for ever. Room is wanting only for what makes names or bytes durable or takes
    /// room for them. Only reads and writes do a part of what they were asked, and they alone
    /// tell that they were interrupted: the others go on behind the trait.
    pub(crate) const fn can_happen_to(self, op: Op) -> bool {
        match self {
            Self::CrashBefore | Self::CrashAfter | Self::Eio | Self::Sticky => true,
            Self::Enospc => op.takes_room(),
            Self::Short | Self::Interrupted => matches!(op, Op::ReadAt | Op::WriteAt),
        }
    }
}

impl Op {
    const fn takes_room(self) -> bool {
        matches!(
            self,
            Self::OpenDir
                | Self::Create
                | Self::Rename
                | Self::SyncParent
                | Self::SyncDir
                | Self::WriteAt
                | Self::SetLen
                | Self::SyncFile
        )
    }

    /// What the system answers when it fails for no reason of ours.
    pub(crate) const fn failure(self) -> i32 {
        match self {
            Self::Spawn => 11, // EAGAIN
            _ => 5,            // EIO
        }
    }

    /// Whether the simulated disk can be told to fail it; the others have no effect on a disk.
    pub(crate) const fn reaches_the_disk(self) -> bool {
        !matches!(self, Self::Random | Self::Spawn | Self::Unlock)
    }

    /// The method's name in lsm-vfs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OpenDir => "Fs::open_dir",
            Self::Random => "Fs::random",
            Self::Spawn => "Fs::spawn",
            Self::Lock => "Dir::lock",
            Self::Unlock => "Dir::unlock",
            Self::Entries => "Dir::entries",
            Self::Create => "Dir::create",
            Self::Open => "Dir::open",
            Self::Rename => "Dir::rename",
            Self::Remove => "Dir::remove",
            Self::SyncParent => "Dir::sync_parent",
            Self::SyncDir => "Dir::sync",
            Self::Len => "File::len",
            Self::ReadAt => "File::read_at",
            Self::WriteAt => "File::write_at",
            Self::SetLen => "File::set_len",
            Self::SyncFile => "File::sync",
            Self::Map => "File::map",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CrashBefore => "crash-before",
            Self::CrashAfter => "crash-after",
            Self::Eio => "eio",
            Self::Enospc => "enospc",
            Self::Short | Self::Interrupted => "short-or-eintr",
            Self::Sticky => "sticky",
        })
    }
}

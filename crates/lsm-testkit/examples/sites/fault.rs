//! What can go wrong with a call, and which calls it can go wrong with: rules, not cases.

use std::fmt;

use lsm_testkit::{CallKind, EAGAIN, EIO};

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
    pub(crate) const fn can_happen_to(self, call: CallKind) -> bool {
        match self {
            Self::CrashBefore | Self::CrashAfter | Self::Eio | Self::Sticky => true,
            Self::Enospc => takes_room(call),
            Self::Short | Self::Interrupted => matches!(call, CallKind::Read | CallKind::Write),
        }
    }
}

const fn takes_room(call: CallKind) -> bool {
    matches!(
        call,
        CallKind::OpenDir
            | CallKind::Create
            | CallKind::Rename
            | CallKind::SyncParent
            | CallKind::SyncDir
            | CallKind::Write
            | CallKind::SetLen
            | CallKind::SyncFile
    )
}

/// What the system answers when a call fails for no reason of ours.
pub(crate) const fn failure(call: CallKind) -> i32 {
    match call {
        CallKind::Spawn => EAGAIN,
        _ => EIO,
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

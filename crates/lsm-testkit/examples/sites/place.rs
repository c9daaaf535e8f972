//! Where in the sources a call came from, by the stack of its thread.
//!
//! A call through a trait object does not know its caller. So the stack is walked upwards to the
//! first frame that belongs to a crate above lsm-vfs: the helpers that make whole reads and writes
//! out of single calls are passed by, as are this tool, the simulated disk and the standard
//! library. Frames are looked up once and known by their address from then on. The lines are
//! right as long as the crates above are built without optimisations: those merge calls that are
//! alike, and leave no frame behind a call in the last place of a function.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A line of a source file, named from the root of the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) file: &'static str,
    pub(crate) line: u32,
}

/// Of a call that none of our crates made.
const NOWHERE: Place = Place { file: "?", line: 0 };

static KNOWN: Mutex<BTreeMap<usize, Option<Place>>> = Mutex::new(BTreeMap::new());

/// The place in a library crate that the running call came from.
pub(crate) fn caller() -> Place {
    let mut found = None;
    backtrace::trace(|frame| {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let address = frame.ip() as usize;
        found = *known.entry(address).or_insert_with(|| look_up(frame));
        found.is_none()
    });
    found.unwrap_or(NOWHERE)
}

/// The innermost of the functions that were inlined into a frame, if it is ours.
fn look_up(frame: &backtrace::Frame) -> Option<Place> {
    let mut found = None;
    backtrace::resolve_frame(frame, |symbol| {
        let place = symbol.filename().and_then(|path| path.to_str()).and_then(in_library);
        if let (None, Some(file), Some(line)) = (found, place, symbol.lineno()) {
            found = Some(Place { file, line });
        }
    });
    found
}

/// The path below the root of the repository, of a source file above lsm-vfs.
fn in_library(path: &str) -> Option<&'static str> {
    let root = env!("CARGO_MANIFEST_DIR").strip_suffix("crates/lsm-testkit")?;
    let file = path.strip_prefix(root).unwrap_or(path);
    let below = ["crates/lsm-vfs/", "crates/lsm-testkit/"];
    let ours = ["crates/", "lsm-db/src/"].iter().any(|start| file.starts_with(start));
    (ours && !below.iter().any(|start| file.starts_with(start))).then(|| &*file.to_owned().leak())
}

//! What a get of one key looks at, told instead of done.
//!
//! Steps: those of `read`, one place after the other, each noted. Nothing is asked for
//! ahead, counted, or kept in the cache that was not there.

use lsm_types::Kind;

use crate::Result;
use crate::shared::Shared;
use crate::table::{BlockOrigin, Wanted};
use crate::view::LiveRun;

/// What one place said of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Said {
    /// It does not know the key.
    #[default]
    Nothing,
    /// The key was deleted.
    Deleted,
    /// The key has a value of so many bytes.
    Value(usize),
}

/// A block that was looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskedBlock {
    /// Its number in the table.
    pub number: u32,
    /// Where it came from.
    pub origin: BlockOrigin,
    /// How long it is in the file.
    pub bytes: u64,
}

/// A run that was looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskedRun {
    /// Its number.
    pub number: u64,
    /// Its level.
    pub level: u8,
    /// The number of its only table that could hold the key; none if none could.
    pub table: Option<u64>,
    /// What the table's filter said: maybe, or no. None if there is no filter.
    pub filter: Option<bool>,
    /// The block that was searched.
    pub block: Option<AskedBlock>,
}

/// A place that was looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which run; none for a memtable.
    pub run: Option<AskedRun>,
    /// What it said.
    pub said: Said,
}

/// What a get of one key looks at, in its order, and what it finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explain {
    /// The key.
    pub key: Vec<u8>,
    /// The memtables and runs, up to the first that knows the key.
    pub asked: Vec<Asked>,
    /// The key's value.
    pub value: Option<Vec<u8>>,
}

fn said(kind: Kind, value: &[u8]) -> (Said, Option<Vec<u8>>) {
    match kind {
        Kind::Put => (Said::Value(value.len()), Some(value.to_vec())),
        Kind::Delete => (Said::Deleted, None),
    }
}

impl Shared {
    /// What a get of `key` looks at.
    pub(crate) fn explain(&self, key: &[u8]) -> Result<Explain> {
        let (view, snapshot) = self.view.snapshot();
        let wanted = Wanted::new(key);
        let mut explain = Explain { key: key.to_vec(), ..Explain::default() };
        for buffer in view.buffers() {
            let found = buffer.memtable.get_hashed(key, wanted.hash, snapshot);
            let (said, value) = found.map_or_else(Default::default, |it| said(it.kind, it.value));
            explain.asked.push(Asked { run: None, said });
            if said != Said::Nothing {
                return Ok(Explain { value, ..explain });
            }
        }
        for run in &view.tables.runs {
            let level = view.tables.version.runs().get(&run.number).map_or(0, |run| run.level);
            let mut asked = AskedRun {
                number: run.number.get(),
                level,
                table: None,
                filter: None,
                block: None,
            };
            let (said, value) = look(run, &wanted, &mut asked)?;
            explain.asked.push(Asked { run: Some(asked), said });
            if said != Said::Nothing {
                return Ok(Explain { value, ..explain });
            }
        }
        Ok(explain)
    }
}

/// Looks for a key in a run, and notes on the way what was looked at.
fn look(
    run: &LiveRun,
    wanted: &Wanted<'_>,
    asked: &mut AskedRun,
) -> Result<(Said, Option<Vec<u8>>)> {
    let nothing = Ok((Said::Nothing, None));
    let Some(table) = run.table_for(wanted.key) else { return nothing };
    asked.table = Some(table.number().get());
    asked.filter = table.filter_says(wanted.hash);
    if asked.filter == Some(false) {
        return nothing;
    }
    let Some(handle) = table.locate(wanted) else { return nothing };
    let (bytes, origin) = table.peek_block_bytes(&handle)?;
    asked.block = Some(AskedBlock { number: handle.number, origin, bytes: handle.len });
    let found = table.find_in(&handle, &bytes, wanted, |entry| said(entry.kind, entry.value))?;
    Ok(found.unwrap_or_default())
}

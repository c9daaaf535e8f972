//! Reading one key.
//!
//! Steps: take the view, then the published number; ask the memtables, newest
//! first; then of each run, newest first, the one table whose keys surround the
//! key, its filter before its blocks. The first answer stands, a tombstone too.

use lsm_types::Kind;

use crate::Result;
use crate::shared::Shared;

impl Shared {
    /// The value of `key`, if it has one.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let (view, snapshot) = self.view.snapshot();
        let hash = lsm_sstable::hash(key);
        for buffer in view.buffers() {
            if let Some(found) = buffer.memtable.get_hashed(key, hash, snapshot) {
                return Ok((found.kind == Kind::Put).then(|| found.value.to_vec()));
            }
        }
        for run in &view.tables.runs {
            let Some(table) = run.table_for(key) else { continue };
            if !table.may_contain(hash) {
                continue;
            }
            if let Some(found) = table.get(key, hash)? {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

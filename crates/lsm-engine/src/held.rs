//! Views that are no longer in force, and that somebody still reads.
//!
//! Whoever reads registers nowhere: a view tells by itself whether it is still held. So
//! what is known is since when a view is no longer in force, not when it was taken.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::shared::Shared;
use crate::sync::Mutex;
use crate::sync::shown::{self, Weak};
use crate::view::View;

/// What readers keep that the store itself has done with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldStats {
    /// How many views are held that are no longer in force.
    pub views: usize,
    /// For how long the oldest of them has not been in force.
    pub oldest: Option<Duration>,
    /// Tables that are there for readers alone.
    pub tables: usize,
    /// Bytes of these tables' files, and of memtables that are there for readers alone.
    pub bytes: u64,
}

/// Views in the order in which they went out of force.
#[derive(Debug, Default)]
pub(crate) struct Replaced(Mutex<Vec<(Instant, Weak<View>)>>);

impl Replaced {
    /// Keeps in mind that a view is no longer in force.
    pub(crate) fn add(&self, view: &shown::Arc<View>) {
        let mut views = self.0.lock();
        views.retain(|(_, view)| view.strong_count() > 0);
        views.push((Instant::now(), shown::downgrade(view)));
    }
}

impl Shared {
    pub(crate) fn held(&self) -> HeldStats {
        let views: Vec<(Instant, shown::Arc<View>)> = {
            let replaced = self.replaced.0.lock();
            replaced.iter().filter_map(|(since, view)| Some((*since, view.upgrade()?))).collect()
        };
        let current = self.view.load_full();
        let in_force = current.tables.handles();
        let (mut tables, mut buffers) = (BTreeMap::new(), BTreeMap::new());
        for (_, view) in &views {
            tables.extend(view.tables.handles());
            buffers.extend(view.buffers().map(|buffer| (buffer.id, Arc::clone(buffer))));
        }
        tables.retain(|number, _| !in_force.contains_key(number));
        current.buffers().for_each(|buffer| drop(buffers.remove(&buffer.id)));
        let files = tables.values().map(|table| table.meta().file_bytes());
        let memory = buffers.values().map(|buffer| buffer.memtable.memory_bytes() as u64);
        HeldStats {
            views: views.len(),
            oldest: views.iter().map(|(since, _)| since.elapsed()).max(),
            tables: tables.len(),
            bytes: files.chain(memory).sum(),
        }
    }
}

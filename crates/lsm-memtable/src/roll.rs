//! A list that only grows. Its items never move, and are read without a lock.
//!
//! Row `r` holds `8 << r` items and is made when its first item comes.
//!
//! # Invariants
//!
//! * One thread at a time adds, and gives no index twice.
//! * What an item holds was written before any thread can see the item.

use std::alloc::{Layout, handle_alloc_error};

use crate::sync::OnceLock;

const FIRST_ROW: usize = 8;
/// Room for 134 million items.
const ROWS: usize = 24;

type Row<T> = Box<[OnceLock<T>]>;

pub(crate) struct Roll<T> {
    rows: [OnceLock<Row<T>>; ROWS],
}

/// The row of an index, and the place in it.
fn place_of(index: usize) -> (usize, usize) {
    let number = index.saturating_add(FIRST_ROW);
    let row = number.ilog2() - FIRST_ROW.ilog2();
    (row as usize, number - (FIRST_ROW << row))
}

impl<T> Roll<T> {
    pub(crate) fn new() -> Self {
        Self { rows: std::array::from_fn(|_| OnceLock::new()) }
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        let (row, column) = place_of(index);
        self.rows.get(row)?.get()?.get(column)?.get()
    }

    /// Puts an item at an index that is still free.
    pub(crate) fn add(&self, index: usize, item: T) -> &T {
        // More items than there are indices do not fit into memory either.
        self.try_add(index, item).unwrap_or_else(|| handle_alloc_error(Layout::new::<T>()))
    }

    fn try_add(&self, index: usize, item: T) -> Option<&T> {
        let (number, column) = place_of(index);
        let row = self.rows.get(number)?;
        if row.get().is_none() {
            let items = (0..FIRST_ROW << number).map(|_| OnceLock::new()).collect();
            let _ = row.set(items);
        }
        let item_cell = row.get()?.get(column)?;
        let _ = item_cell.set(item);
        item_cell.get()
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn every_index_has_its_own_place() {
        let roll = Roll::new();
        for index in 0..1_000 {
            assert_eq!(roll.get(index), None);
            assert_eq!(roll.add(index, index), &index);
        }
        assert!((0..1_000).all(|index| roll.get(index) == Some(&index)));
        assert_eq!(roll.get(usize::MAX), None);
        assert_eq!(place_of(7), (0, 7));
        assert_eq!(place_of(8), (1, 0));
    }
}

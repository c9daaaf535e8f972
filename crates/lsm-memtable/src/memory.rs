//! Where entries and slots lie: in memory of the allocator or, where there is much of it,
//! on huge pages.
//!
//! Both are read at random, and with pages of 4 KiB the processor has to look up the page
//! of nearly every read first: a read at random out of 24 MiB was measured to take 194 ns,
//! on pages of 2 MiB 144 ns, and out of 4 MiB 71 and 20 ns. So memory is mapped in slabs of
//! 2 MiB, for which the system is asked for a page each. Where it has none, pages of the
//! usual size serve as well; where there is no such call, or it fails, the allocator does.
//!
//! A slab is cut into chunks for arenas. Those that no arena uses are kept for the next
//! one, whichever it is: memtables of a process share slabs.
//!
//! # Invariants
//!
//! * The items of a [`Memory`] stay where they are until it is dropped; it owns them alone.
//! * A slab stays mapped for as long as one of its chunks is in use or kept.
#![expect(unsafe_code, reason = "mapped bytes are lent as words; zeros cost nothing")]

use std::cell::UnsafeCell;
use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicUsize as Counter;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::sync::AtomicU64;

/// A word of an arena: written while others are read.
pub(crate) type Word = UnsafeCell<MaybeUninit<u64>>;

/// A slab: a huge page on most machines.
pub(crate) const SLAB_BYTES: usize = 2 << 20;
/// Chunks that are kept for the next memtable: 32 MiB, for the whole process.
const KEPT_BYTES: usize = 32 << 20;
/// Whether anything is mapped. Not where the crate's own tests run: of the allocator's
/// memory the instruments know more.
const MAPS: bool = !cfg!(test);

static KEPT: Mutex<Kept> = Mutex::new(Kept { chunks: Vec::new(), was_used: false });
/// Bytes of all slabs, and of what has some for itself.
static MAPPED_BYTES: Counter = Counter::new(0);

/// Chunks that no arena uses, of one size. Their pages are in memory: a memtable that is
/// filled anew does not fault them in again.
struct Kept {
    chunks: Vec<Memory<Word>>,
    /// Whether chunks came or went since [`let_go_of_unused`] last looked.
    was_used: bool,
}

fn kept() -> MutexGuard<'static, Kept> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that are mapped for all memtables of the process and their pool, beside what the
/// allocator gave: for who counts what memtables take.
#[must_use]
pub fn mapped_bytes() -> usize {
    MAPPED_BYTES.load(Relaxed)
}

/// Gives back to the system what is kept for the next memtables, unless some came or went
/// since the last call: then it says that it is to be called again, some time later.
pub fn let_go_of_unused() -> bool {
    let mut kept = kept();
    let was_used = std::mem::take(&mut kept.was_used) && !kept.chunks.is_empty();
    let unused = if was_used { Vec::new() } else { kept.take_whole() };
    // Unmapping takes a while.
    drop(kept);
    drop(unused);
    was_used
}

/// The same, whatever came or went: for who is done with memtables.
pub fn let_go_of_all() {
    let unused = kept().take_whole();
    drop(unused);
}

impl Kept {
    fn take(&mut self) -> Option<Memory<Word>> {
        self.was_used = true;
        self.chunks.pop()
    }

    /// All chunks but those beside which others of their slab are in use: they take memory
    /// for as long as these do, and who comes next needs no other slab.
    fn take_whole(&mut self) -> Vec<Memory<Word>> {
        let mut kept = HashMap::new();
        for slab in self.chunks.iter().filter_map(|chunk| chunk.slab.as_ref()) {
            *kept.entry(Arc::as_ptr(slab)).or_insert(0) += 1;
        }
        let is_whole = |chunk: &mut Memory<Word>| {
            let slab = chunk.slab.as_ref();
            slab.is_none_or(|slab| kept.get(&Arc::as_ptr(slab)) == Some(&Arc::strong_count(slab)))
        };
        let whole = self.chunks.extract_if(.., is_whole).collect();
        self.chunks.shrink_to_fit();
        whole
    }

    fn put(&mut self, chunks: impl IntoIterator<Item = Memory<Word>>) {
        self.was_used = true;
        self.chunks.extend(chunks);
    }
}

/// A chunk of so many words, which hold anything. All that are asked for are of one size.
/// If none is kept, it comes out of a new slab, or of the allocator unless `may_map`.
pub(crate) fn chunk(words: usize, may_map: bool) -> Memory<Word> {
    // The lock is not held while memory is mapped.
    let reused = kept().take();
    let mapped = || if MAPS && may_map { first_of_slab(words) } else { None };
    reused.or_else(mapped).unwrap_or_else(|| unfilled(words))
}

/// So many words of the allocator, which hold anything.
pub(crate) fn unfilled(words: usize) -> Memory<Word> {
    (0..words).map(|_| UnsafeCell::new(MaybeUninit::uninit())).collect::<Box<[_]>>().into()
}

/// Takes back what [`chunk`] gave.
pub(crate) fn keep(chunk: Memory<Word>) {
    let mut kept = kept();
    if kept.chunks.len() * size_of_val(&*chunk) < KEPT_BYTES {
        kept.put([chunk]);
    }
}

/// The first chunk of a new slab. The others are kept for whoever comes next.
fn first_of_slab(words: usize) -> Option<Memory<Word>> {
    let slab = Slab::map(SLAB_BYTES)?;
    let starts = (0..SLAB_BYTES).step_by((words * size_of::<Word>()).max(1));
    let mut chunks: Vec<_> = starts.rev().filter_map(|at| slab.cut(at, words)).collect();
    let first = chunks.pop();
    kept().put(chunks);
    first
}

/// So many zeros as the system gives them: pages that are never used take no memory.
#[cfg(not(all(loom, test)))]
pub(crate) fn zeros(count: usize) -> Memory<AtomicU64> {
    let bytes = count.saturating_mul(size_of::<AtomicU64>());
    let slab = if MAPS && bytes >= SLAB_BYTES { Slab::map(bytes) } else { None };
    if let Some(mapped) = slab.and_then(|slab| slab.cut(0, count)) {
        return mapped;
    }
    let zeros = vec![0_u64; count].into_boxed_slice();
    if align_of::<AtomicU64>() != align_of::<u64>() {
        return zeros.into_iter().map(AtomicU64::new).collect::<Box<[_]>>().into();
    }
    // SAFETY: the pointer comes from a box and is given to one box. `AtomicU64` has the
    // size and the bits of `u64`, always, and its alignment, as was just compared: it is
    // the same allocation, of the same layout.
    unsafe { Box::from_raw(Box::into_raw(zeros) as *mut [AtomicU64]) }.into()
}

#[cfg(all(loom, test))]
pub(crate) fn zeros(count: usize) -> Memory<AtomicU64> {
    (0..count).map(|_| AtomicU64::new(0)).collect::<Box<[_]>>().into()
}

/// Some items that lie still.
pub(crate) struct Memory<T> {
    items: NonNull<[T]>,
    /// What they lie in; a box of their own if it is none.
    slab: Option<Arc<Slab>>,
}

// SAFETY: the items are owned, alone: sending or sharing a `Memory` is sending or sharing
// them. The slab beside them is no more than a count of who lies in it.
unsafe impl<T: Send> Send for Memory<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Memory<T> {}

impl<T> Deref for Memory<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: `items` are initialized items, in a box that was given up for this or in
        // the slab. Either lives as long as `self`, and nobody else has these items.
        unsafe { self.items.as_ref() }
    }
}

impl<T> Drop for Memory<T> {
    fn drop(&mut self) {
        if self.slab.is_none() {
            // SAFETY: without a slab `items` came from `Box::into_raw` and was not freed.
            drop(unsafe { Box::from_raw(self.items.as_ptr()) });
        }
    }
}

impl<T> From<Box<[T]>> for Memory<T> {
    fn from(items: Box<[T]>) -> Self {
        Self { items: NonNull::from(Box::leak(items)), slab: None }
    }
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Box::<[T]>::default().into()
    }
}

/// What zeros are a value of.
///
/// # Safety
///
/// * Bytes that are all zero are a `Self`.
/// * It has nothing to drop.
unsafe trait Zeros {}

// SAFETY: any bytes at all are a `MaybeUninit`, and `UnsafeCell` has the layout of what is
// in it.
unsafe impl Zeros for Word {}
// SAFETY: zero is a number.
#[cfg(not(all(loom, test)))]
unsafe impl Zeros for AtomicU64 {}

/// Mapped memory. It holds zeros until it is written to.
struct Slab {
    mapping: system::Mapping,
    /// Where in the mapping the first huge page begins.
    start: usize,
    bytes: usize,
}

impl Slab {
    fn map(bytes: usize) -> Option<Arc<Self>> {
        let before = |mapping: &system::Mapping| {
            let at = system::first_byte(mapping).addr();
            at.checked_next_multiple_of(SLAB_BYTES).map_or(0, |first| first - at)
        };
        let mapping = system::map(bytes)?;
        // Newer systems begin a mapping of this size at a huge page. Others may leave as
        // much as a page before it, which is never touched and so is no memory.
        let mapping = match before(&mapping) {
            0 => mapping,
            _ => system::map(bytes.checked_add(SLAB_BYTES)?)?,
        };
        let start = before(&mapping);
        // Not for a rest, which would take as much as a whole one.
        system::ask_for_huge_pages(&mapping, start, bytes - bytes % SLAB_BYTES);
        MAPPED_BYTES.fetch_add(bytes, Relaxed);
        Some(Arc::new(Self { mapping, start, bytes }))
    }

    /// `count` items from byte `at` on, which are given to nobody else: every slab is cut
    /// where it was made, each part of it once.
    fn cut<T: Zeros>(self: &Arc<Self>, at: usize, count: usize) -> Option<Memory<T>> {
        let bytes = count.checked_mul(size_of::<T>())?;
        let is_inside = at.checked_add(bytes).is_some_and(|end| end <= self.bytes);
        // SAFETY: `start` and `bytes` behind it are inside of the mapping, and `at` is not
        // beyond `bytes`: this is asked first.
        let first = is_inside
            .then(|| unsafe { system::first_byte(&self.mapping).add(self.start + at) })
            .filter(|first| first.addr().is_multiple_of(align_of::<T>()))?;
        let items = NonNull::new(ptr::slice_from_raw_parts_mut(first.cast::<T>(), count))?;
        Some(Memory { items, slab: Some(Arc::clone(self)) })
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        MAPPED_BYTES.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(all(target_os = "linux", not(any(miri, loom, shuttle))))]
mod system {
    use memmap2::{Advice, MmapMut};

    pub(super) type Mapping = MmapMut;

    pub(super) fn map(bytes: usize) -> Option<Mapping> {
        MmapMut::map_anon(bytes).ok()
    }

    /// Where the mapping begins: a pointer to all of it.
    pub(super) fn first_byte(mapping: &Mapping) -> *mut u8 {
        mapping.as_ptr().cast_mut()
    }

    pub(super) fn ask_for_huge_pages(mapping: &Mapping, start: usize, bytes: usize) {
        // A system that has none says no, and it is as well.
        let _ = mapping.advise_range(Advice::HugePage, start, bytes);
    }
}

/// Where nothing is mapped: under a checker that watches the allocator, and where there is
/// no call for huge pages.
#[cfg(not(all(target_os = "linux", not(any(miri, loom, shuttle)))))]
mod system {
    pub(super) enum Mapping {}

    pub(super) fn map(_: usize) -> Option<Mapping> {
        None
    }

    pub(super) fn first_byte(mapping: &Mapping) -> *mut u8 {
        match *mapping {}
    }

    pub(super) fn ask_for_huge_pages(mapping: &Mapping, _: usize, _: usize) {
        match *mapping {}
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    /// Every word of a slab belongs to one part of it, holds zero and can be written.
    #[test]
    fn a_slab_is_cut_into_parts_of_its_own() {
        let Some(slab) = Slab::map(SLAB_BYTES) else { return };
        let half = SLAB_BYTES / size_of::<AtomicU64>() / 2;
        let halves = [0, SLAB_BYTES / 2].map(|at| slab.cut::<AtomicU64>(at, half).unwrap());
        assert!(halves[0].as_ptr().addr().is_multiple_of(SLAB_BYTES));
        assert_eq!(halves[0].as_ptr_range().end, halves[1].as_ptr_range().start);
        assert!(slab.cut::<AtomicU64>(SLAB_BYTES / 2, half + 1).is_none(), "beyond its end");
        assert!(slab.cut::<AtomicU64>(4, 1).is_none(), "not aligned");
        assert!(slab.cut::<AtomicU64>(usize::MAX - 7, 1).is_none());
        drop(slab);
        for half in halves {
            assert!(half.iter().all(|word| word.load(Relaxed) == 0));
            half.iter().for_each(|word| word.store(u64::MAX, Relaxed));
        }
    }

    #[test]
    fn what_was_a_box_is_freed_once() {
        let shared = Arc::new(());
        let memory: Memory<_> = vec![Arc::clone(&shared); 3].into_boxed_slice().into();
        assert_eq!((memory.len(), Arc::strong_count(&shared)), (3, 4));
        drop(memory);
        assert_eq!(Arc::strong_count(&shared), 1);
        assert!(Memory::<Word>::default().is_empty());
    }
}

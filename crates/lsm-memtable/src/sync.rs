//! Atomics, locks and cells: those of `std`, or loom's where the models run.
//!
//! The models are in `models.rs`; CONTRIBUTING.md has the command that runs them.

#[cfg(all(loom, test))]
pub(crate) use of_loom::{
    AtomicBool, AtomicU64, AtomicUsize, Mutex, MutexGuard, OnceLock, Tracked, fence, raise,
    wait_for,
};
#[cfg(not(all(loom, test)))]
pub(crate) use of_std::{
    AtomicBool, AtomicU64, AtomicUsize, Mutex, MutexGuard, OnceLock, Tracked, fence, raise,
    wait_for,
};

use std::sync::{PoisonError, TryLockError};

/// How often one waits for the few instructions that another thread is about to finish.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    turns: u32,
}

impl Patience {
    /// 64 turns are some microseconds. Who is not done after so many has been put to
    /// sleep by the system, and may sleep for milliseconds.
    const MAX_TURNS: u32 = match (cfg!(all(loom, test)), cfg!(miri)) {
        (true, _) => 3,
        (_, true) => 64,
        _ => 64 * 64,
    };

    /// Waits for a moment, unless that was done too often already.
    pub(crate) fn wait(&mut self) -> bool {
        self.turns += 1;
        wait_for(self.turns);
        self.turns < Self::MAX_TURNS
    }
}

/// Takes a lock. Nothing panics under the locks of this crate, and what they guard
/// is whole between any two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a lock unless another thread has it.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

#[cfg(not(all(loom, test)))]
mod of_std {
    use std::ops::Range;

    use std::sync::atomic::Ordering;
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, fence};
    pub(crate) use std::sync::{Mutex, MutexGuard, OnceLock};

    /// Adds to a counter that no other thread changes.
    #[inline]
    pub(crate) fn raise(counter: &AtomicUsize, by: usize, order: Ordering) {
        counter.store(counter.load(Ordering::Relaxed) + by, order);
    }

    /// A moment; at times one in which others may run.
    pub(crate) fn wait_for(turn: u32) {
        if turn.is_multiple_of(64) { std::thread::yield_now() } else { std::hint::spin_loop() }
    }

    /// Tells loom who touches which words of a chunk.
    #[derive(Debug)]
    pub(crate) struct Tracked;

    impl Tracked {
        pub(crate) fn new(_: usize) -> Self {
            Self
        }

        pub(crate) fn write(&self, _: Range<usize>) {}

        pub(crate) fn read(&self, _: Range<usize>) {}
    }
}

#[cfg(all(loom, test))]
mod of_loom {
    use std::ops::Range;
    use std::sync::atomic::Ordering::{Acquire, Release};

    use loom::cell::UnsafeCell;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, fence};
    pub(crate) use loom::sync::{Mutex, MutexGuard};

    /// As that of `std`, but in one step: loom forgets who read an atomic before when
    /// its writer reads it, too, and then does not try what they could have seen.
    pub(crate) fn raise(counter: &AtomicUsize, by: usize, order: std::sync::atomic::Ordering) {
        counter.fetch_add(by, order);
    }

    pub(crate) fn wait_for(_: u32) {
        loom::thread::yield_now();
    }

    /// As that of `std`, of which loom has none: set by one thread, seen by others
    /// from the moment its flag is.
    pub(crate) struct OnceLock<T> {
        value: std::sync::OnceLock<T>,
        is_set: AtomicBool,
    }

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> Self {
            Self { value: std::sync::OnceLock::new(), is_set: AtomicBool::new(false) }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            self.is_set.load(Acquire).then(|| self.value.get()).flatten()
        }

        pub(crate) fn set(&self, value: T) -> Result<(), T> {
            self.value.set(value)?;
            self.is_set.store(true, Release);
            Ok(())
        }
    }

    pub(crate) struct Tracked(Vec<UnsafeCell<()>>);

    impl Tracked {
        pub(crate) fn new(words: usize) -> Self {
            Self((0..words).map(|_| UnsafeCell::new(())).collect())
        }

        pub(crate) fn write(&self, words: Range<usize>) {
            self.0.iter().take(words.end).skip(words.start).for_each(|word| word.with_mut(|_| ()));
        }

        pub(crate) fn read(&self, words: Range<usize>) {
            self.0.iter().take(words.end).skip(words.start).for_each(|word| word.with(|_| ()));
        }
    }
}

//! Locks and atomics: those of `std`, or loom's where the models run, or shuttle's where
//! it drives the engine.

use std::sync::PoisonError;
pub(crate) use std::sync::atomic::Ordering;
use std::time::Duration;

#[cfg(all(loom, test))]
pub(crate) use loom::sync::{Arc, Condvar, Mutex, MutexGuard, atomic::AtomicBool};
#[cfg(shuttle)]
pub(crate) use shuttle::sync::{Arc, Condvar, Mutex, MutexGuard, atomic::AtomicBool};
#[cfg(not(any(shuttle, all(loom, test))))]
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, atomic::AtomicBool};

/// Takes a lock. What the locks of this crate guard is whole between any two
/// statements, so a panic under one leaves nothing half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sleeps until someone notifies.
pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// Sleeps while `holds`, at most `patience`.
#[cfg(not(any(shuttle, all(loom, test))))]
pub(crate) fn wait_for<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    patience: Duration,
    holds: impl FnMut(&mut T) -> bool,
) -> MutexGuard<'a, T> {
    condvar.wait_timeout_while(guard, patience, holds).unwrap_or_else(PoisonError::into_inner).0
}

/// The checkers know no time: all patience is over at once.
#[cfg(any(shuttle, all(loom, test)))]
pub(crate) fn wait_for<'a, T>(
    _: &Condvar,
    guard: MutexGuard<'a, T>,
    _: Duration,
    _: impl FnMut(&mut T) -> bool,
) -> MutexGuard<'a, T> {
    guard
}

/// Between two looks at something that will change soon.
pub(crate) fn pause() {
    #[cfg(not(any(shuttle, all(loom, test))))]
    std::hint::spin_loop();
    #[cfg(shuttle)]
    shuttle::thread::yield_now();
    #[cfg(all(loom, test))]
    loom::thread::yield_now();
}

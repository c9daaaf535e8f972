//! Locks, channels and atomics: parking_lot's and those of `std`, or those of the
//! checkers that run the engine in many orders of its steps.
//!
//! Under `cfg(shuttle)` every lock, wait and message is a place where another thread
//! may go on; under `cfg(loom)` there is what the models of `current` and `memo` need. The
//! commands are `cargo xtask shuttle` and `cargo xtask loom`.

#[cfg(not(shuttle))]
mod plain {
    pub(crate) use std::sync::mpsc;

    pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
}

#[cfg(not(shuttle))]
pub(crate) use self::plain::{Condvar, Mutex, MutexGuard, mpsc};
#[cfg(shuttle)]
pub(crate) use self::shuttled::{Condvar, Mutex, MutexGuard, mpsc};

/// What readers load without a lock.
#[cfg(not(all(loom, test)))]
pub(crate) mod shown {
    pub(crate) use std::sync::atomic::Ordering;
    #[cfg(not(shuttle))]
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, fence};
    pub(crate) use std::sync::{Arc, Weak};

    pub(crate) use arc_swap::{ArcSwap as Swap, Guard};

    pub(crate) fn downgrade<T>(shown: &Arc<T>) -> Weak<T> {
        Arc::downgrade(shown)
    }

    #[cfg(shuttle)]
    pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU64, fence};

    #[cfg(not(shuttle))]
    pub(crate) use super::Mutex;
    #[cfg(shuttle)]
    pub(crate) use super::shuttled::Mutex;
}

/// The same for loom, which does not know arc-swap: a lock around the pointer stands
/// in for it, and orders no more than the pointer does.
#[cfg(all(loom, test))]
pub(crate) mod shown {
    use std::sync::PoisonError;

    pub(crate) use loom::sync::Arc;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

    pub(crate) type Guard<T> = T;

    /// Loom has none, and no model looks at what is no longer shown.
    #[derive(Debug)]
    pub(crate) struct Weak<T>(std::marker::PhantomData<fn() -> T>);

    impl<T> Weak<T> {
        pub(crate) fn strong_count(&self) -> usize {
            0
        }

        pub(crate) fn upgrade(&self) -> Option<Arc<T>> {
            None
        }
    }

    pub(crate) fn downgrade<T>(_: &Arc<T>) -> Weak<T> {
        Weak(std::marker::PhantomData)
    }

    #[derive(Debug)]
    pub(crate) struct Swap<T>(loom::sync::Mutex<Arc<T>>);

    impl<T> Swap<T> {
        pub(crate) fn new(value: Arc<T>) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn load(&self) -> Arc<T> {
            Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
        }

        pub(crate) fn load_full(&self) -> Arc<T> {
            self.load()
        }

        pub(crate) fn store(&self, value: Arc<T>) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = value;
        }
    }

    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn try_lock(&self) -> Option<loom::sync::MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }
}

/// Shuttle's, in the shape of parking_lot's: a guard stays with its owner while it
/// waits, and a panic poisons nothing.
#[cfg(shuttle)]
mod shuttled {
    use std::ops::{Deref, DerefMut};
    use std::sync::PoisonError;
    use std::time::Duration;

    pub(crate) use shuttle::sync::mpsc;

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    /// Nothing only while its owner waits.
    pub(crate) struct MutexGuard<'a, T>(Option<shuttle::sync::MutexGuard<'a, T>>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard(Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)))
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok().map(|guard| MutexGuard(Some(guard)))
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            match &self.0 {
                Some(guard) => guard,
                None => unreachable!("the owner is waiting"),
            }
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            match &mut self.0 {
                Some(guard) => guard,
                None => unreachable!("the owner is waiting"),
            }
        }
    }

    #[derive(Debug)]
    pub(crate) struct Condvar(shuttle::sync::Condvar);

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self(shuttle::sync::Condvar::new())
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }

        pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            if let Some(inner) = guard.0.take() {
                guard.0 = Some(self.0.wait(inner).unwrap_or_else(PoisonError::into_inner));
            }
        }

        /// Shuttle knows no time, so this waits until it is told.
        pub(crate) fn wait_while_for<T>(
            &self,
            guard: &mut MutexGuard<'_, T>,
            holds: impl Fn(&mut T) -> bool,
            _: Duration,
        ) {
            while holds(guard) {
                self.wait(guard);
            }
        }
    }
}

//! What lsm-db is tested with: a model, a generator of histories, a driver that
//! holds a store against the model, and a simulated disk.
//!
//! The model is a `BTreeMap`. The driver applies one random operation after the
//! other to both, compares every answer, and opens the store anew in between. The
//! [`SimDisk`] stands behind the same traits as the real one; it loses what was not
//! synced, and fails where it is told to.
#![cfg_attr(doctest, doc = include_str!("../README.md"))]
#![forbid(unsafe_code)]

mod disk;
mod driver;
mod history;
mod rng;
mod store;

pub use disk::{
    Call, CallKind, Crash, CrashImage, Crashes, Damage, Fault, Profile, Reached, Rule, SimDisk,
};
pub use driver::{Mismatch, Model, Report, drive};
pub use history::{Generator, Key, Op, Shape, Value};
pub use rng::Rng;
pub use store::{LsmStore, Store};

//! What lsm-db is tested with: a model, a generator of histories, a driver that
//! holds a store against the model, a simulated disk, and a simulation that tries all of
//! it by seeds ([`mod@sim`]).
//!
//! The model is a `BTreeMap`. The driver applies one random operation after the
//! other to both, compares every answer, and opens the store anew in between. The
//! [`SimDisk`] stands behind the same traits as the real one; it loses what was not
//! synced, and fails where it is told to.
#![cfg_attr(doctest, doc = include_str!("../README.md"))]
#![forbid(unsafe_code)]

mod client;
mod damage;
mod disk;
mod driver;
mod history;
mod oracle;
mod rng;
mod settings;
pub mod sim;
mod store;

pub use damage::{Rot, rot, said};
pub use disk::{
    Call, CallKind, Crash, CrashImage, Crashes, Damage, EAGAIN, EIO, ENOSPC, Fault, Profile,
    Reached, Rule, SimDisk,
};
pub use driver::{Mismatch, Report, Rules, drive, in_range, replay};
pub use history::{Change, Generator, Key, NEVER, Op, Shape, Turn, Value};
pub use oracle::{Model, Past, Step, apply};
pub use rng::Rng;
pub use settings::{Policy, Promise, Settings};
pub use store::{KeyRange, LsmStore, Moment, Row, Store, Walk};

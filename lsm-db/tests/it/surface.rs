//! The frozen surface, pinned at compile time: signatures, traits, auto traits.
//!
//! A change that breaks a program written against the reference breaks this file.

use std::error::Error as StdError;
use std::fmt::{Debug, Display};
use std::io;
use std::ops::{RangeFull, RangeInclusive};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::PathBuf;

use error_forge::ForgeError;
use lsm_db::{
    Batch, DEFAULT_BLOCK_CACHE_CAPACITY, DEFAULT_COMPACTION_TRIGGER, DEFAULT_MEMTABLE_CAPACITY,
    Error, LevelStats, Lsm, LsmConfig, Result, Scan, Stats,
};

fn is_send_sync_unpin<T: Send + Sync + Unpin + 'static>() {}
fn is_debug<T: Debug>() {}
fn is_config<T: Clone + Debug + Default + PartialEq + Eq + Send + Sync + Unpin>() {}
fn is_batch<T: Clone + Debug + Default + Send + Sync + Unpin>() {}
fn is_scan<T>()
where
    T: Debug
        + Send
        + Sync
        + Unpin
        + Iterator<Item = (Vec<u8>, Vec<u8>)>
        + ExactSizeIterator
        + DoubleEndedIterator
        + 'static,
{
}
fn is_error<
    T: StdError + Display + Debug + ForgeError + From<io::Error> + Send + Sync + 'static,
>() {
}
fn is_unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}

#[test]
fn types_have_their_traits() {
    is_send_sync_unpin::<Lsm>();
    is_send_sync_unpin::<Error>();
    is_debug::<Lsm>();
    is_debug::<Stats>();
    is_send_sync_unpin::<Stats>();
    is_send_sync_unpin::<LevelStats>();
    is_config::<LsmConfig>();
    is_batch::<Batch>();
    is_scan::<Scan>();
    is_error::<Error>();
    is_unwind_safe::<LsmConfig>();
    is_unwind_safe::<Batch>();
    is_unwind_safe::<Scan>();
}

#[test]
fn functions_have_their_signatures() {
    let _: fn(&'static str) -> Result<Lsm> = Lsm::open;
    let _: fn(PathBuf, LsmConfig) -> Result<Lsm> = Lsm::open_with;
    // Arguments of `impl Trait` type: called, since they cannot be named.
    let _ = |db: &Lsm| -> Result<()> { db.put("k", vec![1_u8]) };
    let _ = |db: &Lsm| -> Result<()> { db.put(*b"k", String::from("v")) };
    let _ = |db: &Lsm| -> Result<Option<Vec<u8>>> { db.get(b"k".as_slice()) };
    let _ = |db: &Lsm| -> Result<()> { db.delete(Vec::new()) };
    let _: fn(&Lsm, Batch) -> Result<()> = Lsm::write;
    let _: fn(&Lsm, RangeFull) -> Result<Scan> = Lsm::scan::<RangeFull>;
    let _: fn(&Lsm, RangeInclusive<Vec<u8>>) -> Result<Scan> = Lsm::scan::<RangeInclusive<Vec<u8>>>;
    let _: fn(&Lsm) -> Result<()> = Lsm::flush;
    let _: fn(Lsm) -> Result<()> = Lsm::close;
    let _: fn(&Lsm) -> Stats = Lsm::stats;

    let _: fn() -> LsmConfig = LsmConfig::new;
    let _: fn(LsmConfig, usize) -> LsmConfig = LsmConfig::memtable_capacity;
    let _: fn(&LsmConfig) -> usize = LsmConfig::memtable_capacity_bytes;
    let _: fn(LsmConfig, usize) -> LsmConfig = LsmConfig::compaction_trigger;
    let _: fn(&LsmConfig) -> usize = LsmConfig::compaction_trigger_runs;
    let _: fn(LsmConfig, usize) -> LsmConfig = LsmConfig::block_cache_capacity;
    let _: fn(&LsmConfig) -> usize = LsmConfig::block_cache_capacity_bytes;

    let _: fn() -> Batch = Batch::new;
    let _ = |batch: &mut Batch| batch.put("k", [1_u8]);
    let _ = |batch: &mut Batch| batch.delete("k");
    let _: fn(&Batch) -> usize = Batch::len;
    let _: fn(&Batch) -> bool = Batch::is_empty;
}

#[test]
fn constants_and_defaults_are_those_of_the_reference() {
    assert_eq!(DEFAULT_MEMTABLE_CAPACITY, 4 * 1024 * 1024);
    assert_eq!(DEFAULT_COMPACTION_TRIGGER, 4);
    assert_eq!(DEFAULT_BLOCK_CACHE_CAPACITY, 8 * 1024 * 1024);
    let config = LsmConfig::default();
    assert_eq!(config, LsmConfig::new());
    assert_eq!(config.memtable_capacity_bytes(), DEFAULT_MEMTABLE_CAPACITY);
    assert_eq!(config.compaction_trigger_runs(), DEFAULT_COMPACTION_TRIGGER);
    assert_eq!(config.block_cache_capacity_bytes(), DEFAULT_BLOCK_CACHE_CAPACITY);
    for (set, read) in [(0, 2), (1, 2), (2, 2), (9, 9), (usize::MAX, usize::MAX)] {
        assert_eq!(LsmConfig::new().compaction_trigger(set).compaction_trigger_runs(), read);
    }
}

#[test]
fn errors_have_their_variants_kinds_and_captions() {
    let io = Error::Io { context: "try", source: io::Error::other("why") };
    let corruption = Error::Corruption { reason: "bad" };
    let input = Error::InvalidInput { reason: "long" };
    let kinds = [&io, &corruption, &input].map(|error| (error.kind(), error.is_fatal()));
    assert_eq!(kinds, [("Io", false), ("Corruption", true), ("InvalidInput", false)]);
    for error in [&io, &corruption, &input] {
        assert_eq!(error.caption(), "lsm storage engine error");
    }
    assert!(io.source().is_some_and(|source| source.is::<io::Error>()));
    assert!(corruption.source().is_none());
    let from: Error = io::Error::from(io::ErrorKind::PermissionDenied).into();
    assert!(matches!(from, Error::Io { .. }));
    // Non-exhaustive: a match needs this arm.
    match from {
        Error::Io { context, source } => assert!(!context.is_empty(), "{source}"),
        Error::Corruption { reason } | Error::InvalidInput { reason } => {
            assert!(!reason.is_empty())
        }
        _ => {}
    }
}

#[test]
fn the_prelude_has_the_common_names() {
    use lsm_db::prelude as p;
    let _: Option<(p::Batch, p::Error, p::Lsm, p::LsmConfig, p::Scan)> = None;
    let _: p::Result<()> = Ok(());
}

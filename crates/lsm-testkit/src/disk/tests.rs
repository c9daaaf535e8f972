//! What each kind of crash leaves, by each profile; what rules do; and that going through
//! all crashes gives what one crash gives.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use lsm_vfs::{Dir, File, Fs, Name, read_exact_at, read_whole, write_all_at};

use super::*;

const DIR: &str = "/d";

fn name(name: &str) -> Name {
    Name::new(name).unwrap()
}

fn dir(disk: &SimDisk) -> Arc<dyn Dir> {
    disk.open_dir(Path::new(DIR), true).unwrap()
}

fn write(file: &dyn File, at: u64, bytes: &[u8]) {
    write_all_at(file, at, bytes).unwrap();
}

/// Names and contents, as text.
fn shown(disk: &SimDisk) -> String {
    let files: BTreeMap<_, _> = disk.contents(Path::new(DIR));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\0', ".");
    let files = files.iter().map(|(name, bytes)| format!("{name}={}", text(bytes)));
    files.collect::<Vec<_>>().join(" ")
}

/// `a` durable with "old"; then, not synced: "new!" over it, and `b`, which is renamed.
fn two_files() -> SimDisk {
    let disk = SimDisk::new(1);
    let dir = dir(&disk);
    let a = dir.create(&name("a")).unwrap();
    write(&*a, 0, b"old");
    a.sync().unwrap();
    dir.sync().unwrap();
    write(&*a, 0, b"new!");
    let b = dir.create(&name("b")).unwrap();
    write(&*b, 0, b"bb");
    dir.rename(&name("b"), &name("c")).unwrap();
    disk
}

#[test]
fn each_kind_of_crash_keeps_what_it_says() {
    let disk = two_files();
    let after = |how| shown(&disk.crash(disk.events(), how));
    assert_eq!(after(Crash::Kill), "a=new! c=bb");
    assert_eq!(after(Crash::LoseAll), "a=old");
    assert_eq!(after(Crash::NamesOnly), "a=old c=");
    assert_eq!(after(Crash::BytesOnly), "a=new!");
    assert_eq!(after(Crash::LengthsOnly), "a=old. c=..");
    let junk = after(Crash::Junk(5));
    assert!(junk.starts_with("a=old") && !junk.ends_with("c=.."), "{junk}");
    assert_eq!(after(Crash::FirstNames(1)), "a=old b=");
    assert_eq!(after(Crash::FirstNames(2)), "a=old c=");
    // Pending are: the write to a, the link of b, the write to b, the rename.
    assert_eq!(after(Crash::AllBut(0)), "a=old c=bb");
    assert_eq!(after(Crash::AllBut(1)), "a=new! c=bb", "a rename makes the name, too");
    assert_eq!(after(Crash::AllBut(2)), "a=new! c=");
    assert_eq!(after(Crash::AllBut(3)), "a=new! b=bb");
    assert_eq!(after(Crash::AllBut(4)), "a=new! c=bb");
    assert_eq!(
        [0, 1, 2, 3].map(|at| after(Crash::Only(at))),
        ["a=new!", "a=old b=", "a=old", "a=old c="]
    );
    assert_eq!(after(Crash::Torn(1)), "a=new! c=b");
    let random: BTreeSet<_> = (0..300).map(|seed| after(Crash::Random(seed))).collect();
    assert!(random.len() > 12, "{random:?}");
}

#[test]
fn a_write_is_torn_at_sectors_where_it_overwrites_and_at_bytes_where_it_appends() {
    let disk = SimDisk::new(1);
    let dir = dir(&disk);
    let file = dir.create(&name("a")).unwrap();
    write(&*file, 0, &[b'o'; 1030]);
    file.sync().unwrap();
    dir.sync().unwrap();
    write(&*file, 100, &[b'n'; 932]);
    let after = |kept| {
        let bytes =
            disk.crash(disk.events(), Crash::Torn(kept)).contents(Path::new(DIR))["a"].clone();
        (bytes.len(), bytes.iter().filter(|byte| **byte == b'n').count())
    };
    assert_eq!([0, 411].map(after), [(1030, 0); 2]);
    assert_eq!([412, 923].map(after), [(1030, 412); 2]);
    assert_eq!([924, 929].map(after), [(1030, 924); 2]);
    assert_eq!([930, 931, 932].map(after), [(1030, 930), (1031, 931), (1032, 932)]);
    let torn = disk.crashes(Profile::Posix).between(disk.events()..).torn(usize::MAX);
    let torn = torn.filter(|image| matches!(image.crash(), Crash::Torn(_))).count();
    // Not torn at all is as good as lost; 412, 924, and behind 930 and 931 bytes.
    assert_eq!(torn, 4);
}

/// An unlink of `old`, then a new file `a`, which is synced, then a name more.
fn synced_file() -> SimDisk {
    let disk = SimDisk::new(1);
    let dir = dir(&disk);
    dir.create(&name("old")).unwrap();
    dir.sync().unwrap();
    dir.remove(&name("old")).unwrap();
    let other = dir.create(&name("other")).unwrap();
    write(&*other, 0, b"o");
    let a = dir.create(&name("a")).unwrap();
    write(&*a, 0, b"a");
    a.sync().unwrap();
    dir.create(&name("z")).unwrap();
    disk
}

#[test]
fn the_profiles_promise_more_and_more() {
    let disk = synced_file();
    let after = |how, profile| shown(&disk.crash_as(disk.events(), how, profile));
    assert_eq!(after(Crash::LoseAll, Profile::Posix), "old=");
    assert_eq!(after(Crash::LoseAll, Profile::Linux), "a=a other=");
    assert_eq!(after(Crash::LoseAll, Profile::Ordered), "a=a other=o");
    // A journal brings what was written before a name with it.
    let disk = two_files();
    let after = |how, profile| shown(&disk.crash_as(disk.events(), how, profile));
    assert_eq!(after(Crash::NamesOnly, Profile::Ordered), "a=new! c=bb");
    assert_eq!(after(Crash::FirstNames(1), Profile::Ordered), "a=new! b=");
    assert_eq!(after(Crash::AllBut(1), Profile::Ordered), "a=new!");
}

#[test]
fn a_failed_sync_leaves_nothing_all_or_some_for_ever() {
    let lost = |reached, seed| {
        let disk = SimDisk::new(1);
        let dir = dir(&disk);
        let file = dir.create(&name("a")).unwrap();
        dir.sync().unwrap();
        (0..8).for_each(|at| write(&*file, at, b"x"));
        disk.add_rule(Rule::fail(EIO).on(&[CallKind::SyncFile]).times(1).reached(reached));
        assert!(file.sync().is_err());
        file.sync().unwrap();
        shown(&disk.crash(disk.events(), seed))
    };
    assert_eq!(lost(Reached::Nothing, Crash::Random(1)), "a=");
    assert_eq!(lost(Reached::All, Crash::LoseAll), "a=xxxxxxxx");
    assert_eq!(lost(Reached::Some, Crash::LoseAll), "a=");
    let some: BTreeSet<_> = (0..40).map(|seed| lost(Reached::Some, Crash::Random(seed))).collect();
    assert!(some.len() > 10, "{some:?}");
    assert_eq!(lost(Reached::Nothing, Crash::Kill), "a=xxxxxxxx", "memory still has it");
}

#[test]
fn what_a_kill_left_may_still_be_lost_and_the_count_goes_on() {
    let disk = two_files();
    let killed = disk.crash(disk.events(), Crash::Kill);
    assert_eq!((killed.events(), shown(&killed)), (disk.events(), "a=new! c=bb".to_owned()));
    assert_eq!(shown(&killed.crash(killed.events(), Crash::LoseAll)), "a=old");
    dir(&killed).sync().unwrap();
    assert_eq!(shown(&killed.crash(killed.events(), Crash::LoseAll)), "a=old c=");
    let failed = disk.crash(disk.events(), Crash::BytesOnly);
    assert_eq!((failed.events(), failed.crashes(Profile::Posix).count()), (0, 1));
}

/// What was pending for a file without a name must not become another file's.
#[test]
fn after_a_kill_a_new_file_is_nobody_else_s() {
    let disk = SimDisk::new(1);
    let dir_before = dir(&disk);
    let gone = dir_before.create(&name("gone")).unwrap();
    dir_before.sync().unwrap();
    write(&*gone, 0, b"junk");
    dir_before.remove(&name("gone")).unwrap();
    let killed = disk.crash(disk.events(), Crash::Kill);
    dir(&killed).create(&name("new")).unwrap().sync().unwrap();
    dir(&killed).sync().unwrap();
    assert_eq!(shown(&killed.crash(killed.events(), Crash::LoseAll)), "new=");
}

#[test]
fn going_through_all_crashes_gives_what_each_of_them_gives() {
    let disk = SimDisk::new(3).stepped(3);
    let config = lsm_db::LsmConfig::new().memtable_capacity(300).compaction_trigger(2);
    let db = lsm_db::Lsm::open_on(Arc::new(disk.clone()), DIR, config).unwrap();
    (0..60_u32).for_each(|n| db.put((n % 37).to_string(), n.to_string().repeat(9)).unwrap());
    drop(db);
    for profile in [Profile::Posix, Profile::Linux, Profile::Ordered] {
        let mut crashes = disk.crashes(profile);
        let (mut images, mut new, mut at) = (0, 0, BTreeSet::new());
        for image in crashes.by_ref() {
            let alone = disk.crash_as(image.event(), image.crash(), profile);
            let same = image.disk().contents(Path::new(DIR)) == alone.contents(Path::new(DIR));
            assert!(same, "{image}");
            images += 1;
            new += usize::from(image.is_new());
            at.insert(image.event());
        }
        assert_eq!(at, (0..=disk.events()).collect(), "every event");
        assert_eq!(crashes.distinct(), new);
        assert!(crashes.skipped() > 0 && new < images, "{new} of {images}");
        assert!(images > 3 * disk.events(), "{images} of {}", disk.events());
    }
    let some = disk.crashes(Profile::Posix).between(5..=6).map(|image| image.event());
    assert_eq!(some.collect::<BTreeSet<_>>(), BTreeSet::from([5, 6]));
}

#[test]
fn rules_choose_calls_and_count_them() {
    let disk = SimDisk::new(1);
    let dir = dir(&disk);
    let (a, b) = (dir.create(&name("a.sst")).unwrap(), dir.create(&name("b.log")).unwrap());
    disk.add_rule(Rule::fail(ENOSPC).on(&[CallKind::Write]).named(".sst").after(1).times(2));
    let wrote = |file: &dyn File| file.write_at(0, b"1234").is_ok();
    assert_eq!(
        [wrote(&*a), wrote(&*a), wrote(&*b), wrote(&*a), wrote(&*a)],
        [true, false, true, false, true]
    );
    assert_eq!(disk.hits(), [2]);
    disk.clear_rules();
    disk.add_rule(Rule::fail(EIO).when(|call| call.kind == CallKind::Read && call.offset == 2));
    let mut bytes = [0; 2];
    assert!(a.read_at(0, &mut bytes).is_ok());
    assert_eq!(a.read_at(2, &mut bytes).unwrap_err().raw_os_error(), Some(5));
    disk.clear_rules();
    disk.add_rule(Rule::short());
    assert_eq!(a.write_at(0, &[7; 10]).unwrap(), 5);
    assert_eq!(a.read_at(0, &mut [0; 4]).unwrap(), 2);
    write(&*a, 0, &[7; 10]);
    disk.clear_rules();
    disk.add_rule(Rule::fail(EAGAIN).on(&[CallKind::Spawn]).times(1));
    assert!(disk.spawn("thread", Box::new(|| {})).is_err());
    assert!(disk.spawn("thread", Box::new(|| {})).unwrap().join());
}

#[test]
fn damaged_reads_and_mappings_give_other_bytes() {
    let disk = SimDisk::new(1);
    let file = dir(&disk).create(&name("a")).unwrap();
    write(&*file, 0, &[b'o'; 8192]);
    write(&*file, 4096, &[b'p'; 4096]);
    write(&*file, 0, &[b'n'; 512]);
    let read = |rule: Rule| {
        disk.clear_rules();
        disk.add_rule(rule);
        let mut bytes = [0; 4];
        read_exact_at(&*file, 0, &mut bytes).unwrap();
        let mapped = file.map(8192).unwrap().bytes()[..4].to_vec();
        disk.clear_rules();
        assert!(read_whole(&*file).unwrap().starts_with(b"nnnn"), "the disk itself is sound");
        (String::from_utf8_lossy(&bytes).into_owned(), String::from_utf8(mapped).unwrap())
    };
    let same = |text: &str| (text.to_owned(), text.to_owned());
    assert_eq!(read(Rule::damage(Damage::FlippedBit)), same("onnn"));
    assert_eq!(read(Rule::damage(Damage::Zeros).bytes(1..3)), same("n\0\0n"));
    assert_eq!(read(Rule::damage(Damage::Stale).bytes(0..512)), same("oooo"));
    assert_eq!(read(Rule::damage(Damage::OtherBlock).bytes(0..512)), same("pppp"));
    disk.add_rule(Rule::fail(EIO).on(&[CallKind::Read, CallKind::Map]).bytes(10..20));
    assert!(file.read_at(0, &mut [0; 10]).is_ok() && file.read_at(20, &mut [0; 10]).is_ok());
    assert!(file.read_at(0, &mut [0; 11]).is_err() && file.map(8192).is_err());
}

#[test]
fn a_full_disk_takes_what_fits_and_overwrites() {
    let disk = SimDisk::new(1);
    let file = dir(&disk).create(&name("a")).unwrap();
    disk.set_room(Some(6));
    assert_eq!(file.write_at(0, &[1; 4]).unwrap(), 4);
    assert_eq!(file.write_at(4, &[1; 4]).unwrap(), 2);
    assert_eq!(file.write_at(6, &[1; 4]).unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(file.write_at(0, &[2; 6]).unwrap(), 6);
}

#[test]
fn events_are_told_in_words_and_by_a_number() {
    let disk = two_files();
    let words: Vec<_> = (0..disk.events()).filter_map(|at| disk.event(at)).collect();
    let expected = [
        "make the directory /d",
        "create a",
        "write 3 bytes at 0 of a",
        "sync a",
        "sync the directory /d",
        "write 4 bytes at 0 of a",
        "create b",
        "write 2 bytes at 0 of c",
        "rename b to c",
    ];
    assert_eq!(words, expected);
    assert_eq!(disk.event(words.len()), None);
    assert_eq!(disk.digest(), two_files().digest());
    dir(&disk).sync().unwrap();
    assert_ne!(disk.digest(), two_files().digest());
}

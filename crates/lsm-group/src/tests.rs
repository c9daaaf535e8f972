//! Real threads: every item is done once, in the order of coming, whoever leads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use crate::{Group, Lead, Turn};

type Numbers = Group<u64, u64>;

fn lead_of(group: &Numbers, number: u64) -> Result<(Lead<'_, u64, u64>, u64), u64> {
    match group.try_lead() {
        Some(lead) => Ok((lead, number)),
        None => match group.wait(number) {
            Turn::Done(reply) => Err(reply),
            Turn::Lead(lead, number) => Ok((lead, number)),
            Turn::Abandoned => panic!("abandoned"),
        },
    }
}

#[test]
fn every_item_is_done_once() {
    for spins in [0, 200] {
        let (group, done, leaders) =
            (Numbers::new(spins), Mutex::new(Vec::new()), AtomicUsize::new(0));
        thread::scope(|scope| {
            for thread in 0..8 {
                let (group, done, leaders) = (&group, &done, &leaders);
                scope.spawn(move || {
                    for number in (0..500).map(|number| thread * 1_000 + number) {
                        let (mut lead, number) = match lead_of(group, number) {
                            Ok(leading) => leading,
                            Err(reply) => {
                                assert_eq!(reply, number);
                                continue;
                            }
                        };
                        assert_eq!(leaders.fetch_add(1, SeqCst), 0);
                        let members = lead.take(|_| true);
                        done.lock().unwrap().push(number);
                        done.lock().unwrap().extend(members.iter().map(|member| *member.item()));
                        leaders.fetch_sub(1, SeqCst);
                        drop(lead);
                        for member in members {
                            let number = *member.item();
                            member.reply(number);
                        }
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap();
        for thread in 0..8 {
            let own: Vec<_> = done.iter().filter(|number| **number / 1_000 == thread).collect();
            assert!(own.is_sorted(), "each thread's items come in its order");
        }
        done.sort_unstable();
        done.dedup();
        assert_eq!(done.len(), 8 * 500);
    }
}

#[test]
fn a_leader_takes_what_fits_and_no_more() {
    let group = Numbers::new(0);
    let Some(mut lead) = group.try_lead() else { panic!("nobody leads") };
    thread::scope(|scope| {
        let mut others = Vec::new();
        for number in 1..=3 {
            others.push(scope.spawn({
                let group = &group;
                move || match lead_of(group, number) {
                    Ok((_, number)) => number + 100,
                    Err(reply) => reply,
                }
            }));
            while group.lock().waiting.len() < number as usize {
                thread::yield_now();
            }
        }
        let members = lead.take(|number| *number < 3);
        assert_eq!(members.iter().map(|member| *member.item()).collect::<Vec<_>>(), [1, 2]);
        drop(lead);
        members.into_iter().for_each(|member| member.reply(7));
        let replies: Vec<_> = others.into_iter().map(|other| other.join().unwrap()).collect();
        assert_eq!(replies, [7, 7, 103], "the third had to lead itself");
    });
}

#[test]
fn a_leader_who_was_not_alone_waits_for_company() {
    let group = Numbers::new(0);
    drop(group.try_lead());
    let Some(mut lead) = group.try_lead() else { panic!("nobody leads") };
    // The last leader was alone: this returns at once, whatever the patience.
    lead.gather(Duration::from_secs(3_600));
    assert!(lead.take(|_| true).is_empty());
    thread::scope(|scope| {
        let other = scope.spawn(|| lead_of(&group, 1).map(|_| ()));
        let members = loop {
            let members = lead.take(|_| true);
            if !members.is_empty() {
                break members;
            }
            thread::yield_now();
        };
        drop(lead);
        members.into_iter().for_each(|member| member.reply(0));
        assert_eq!(other.join().unwrap(), Err(0));
        // Two came last time: the next leader waits until a second one is there.
        let Some(mut lead) = group.try_lead() else { panic!("nobody leads") };
        let other = scope.spawn(|| lead_of(&group, 2).map(|_| ()));
        lead.gather(Duration::from_secs(3_600));
        let members = lead.take(|_| true);
        assert_eq!(members.len(), 1);
        drop(lead);
        members.into_iter().for_each(|member| member.reply(5));
        assert_eq!(other.join().unwrap(), Err(5));
    });
}

#[test]
fn whoever_a_panicking_leader_took_is_told() {
    let group = Numbers::new(0);
    thread::scope(|scope| {
        let leader = scope.spawn(|| {
            let Some(mut lead) = group.try_lead() else { panic!("nobody leads") };
            loop {
                let members = lead.take(|_| true);
                assert!(members.is_empty(), "a panic over the members");
                thread::yield_now();
            }
        });
        while !group.lock().is_led {
            thread::yield_now();
        }
        assert!(matches!(group.wait(1), Turn::Abandoned));
        assert!(leader.join().is_err());
        assert!(group.try_lead().is_some(), "leadership was handed on");
    });
}

#[test]
fn whoever_looks_sees_who_leads() {
    let group = Numbers::new(0);
    assert_eq!(format!("{group:?}"), "Group { is_led: false, waiting: 0 }");
    let lead = group.try_lead();
    assert_eq!(format!("{group:?}"), "Group { is_led: true, waiting: 0 }");
    drop(lead);
    assert_eq!(format!("{group:?}"), "Group { is_led: false, waiting: 0 }");
}

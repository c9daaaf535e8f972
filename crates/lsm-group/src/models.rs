//! Loom models: two and three threads, in every order of their steps.

use loom::sync::Arc;
use loom::sync::atomic::AtomicUsize;
use loom::sync::atomic::Ordering::SeqCst;
use loom::thread;

use crate::{Group, Turn};

/// What is done for a group, and how often.
struct Work {
    group: Group<usize, usize>,
    leaders: AtomicUsize,
    sum: AtomicUsize,
}

impl Work {
    fn new() -> Arc<Self> {
        let (leaders, sum) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { group: Group::new(0), leaders, sum })
    }

    /// Adds a number, alone or in company, and returns it.
    fn add(&self, number: usize) -> usize {
        let (mut lead, number) = match self.group.try_lead() {
            Some(lead) => (lead, number),
            None => match self.group.wait(number) {
                Turn::Done(reply) => return reply,
                Turn::Lead(lead, number) => (lead, number),
                Turn::Abandoned => panic!("nobody panics here"),
            },
        };
        assert_eq!(self.leaders.fetch_add(1, SeqCst), 0, "one leads");
        lead.gather(std::time::Duration::from_secs(1));
        let members = lead.take(|_| true);
        self.sum.fetch_add(number, SeqCst);
        for member in &members {
            self.sum.fetch_add(*member.item(), SeqCst);
        }
        self.leaders.fetch_sub(1, SeqCst);
        drop(lead);
        for member in members {
            let number = *member.item();
            member.reply(number);
        }
        number
    }
}

fn model(preemptions: usize, run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(builder.preemption_bound.unwrap_or(preemptions));
    builder.check(run);
}

#[test]
fn two_are_done_once_each() {
    model(3, || {
        let work = Work::new();
        let other = Arc::clone(&work);
        let other = thread::spawn(move || assert_eq!(other.add(1), 1));
        assert_eq!(work.add(2), 2);
        other.join().unwrap();
        assert_eq!(work.sum.load(SeqCst), 3);
    });
}

#[test]
fn three_are_done_once_each() {
    model(2, || {
        let work = Work::new();
        let others = [1, 2].map(|number| {
            let work = Arc::clone(&work);
            thread::spawn(move || assert_eq!(work.add(number), number))
        });
        assert_eq!(work.add(4), 4);
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(work.sum.load(SeqCst), 7);
        assert!(work.group.try_lead().is_some(), "nobody leads when all is done");
    });
}

#[test]
fn whoever_is_let_go_is_woken() {
    model(3, || {
        let group: Arc<Group<usize, usize>> = Arc::new(Group::new(0));
        let other = Arc::clone(&group);
        let Some(mut lead) = group.try_lead() else { panic!("nobody leads") };
        let other = thread::spawn(move || match other.wait(1) {
            Turn::Lead(lead, item) => {
                drop(lead);
                item == 1
            }
            Turn::Abandoned => true,
            Turn::Done(_) => false,
        });
        drop(lead.take(|_| true));
        drop(lead);
        assert!(other.join().unwrap());
        assert!(group.try_lead().is_some());
    });
}

//! Writing: the one way in for `put`, `delete` and `write`.
//!
//! Steps: refuse what can never be written; wait for a part of what the background
//! is behind; join the group. Its leader waits for room, takes those who wait, takes
//! the writer's lock, numbers the operations, logs them as one record and syncs
//! (feature `durability`), applies the same bytes to the memtable, publishes the last
//! number once, freezes the memtable if it is full; hands leadership on; replies.
//!
//! # Invariants
//!
//! * A group goes into one memtable, and a memtable's writes into one log.
//! * Only the first of a group may carry the memtable beyond its capacity.
//! * A write that fails is not visible, and none of its group is.
//! * The published number rises once a group, when all of it is in the memtable.

use std::sync::Arc;

use lsm_group::{Group, Lead, Member, Turn};
use lsm_types::{Batch, BatchError, Kind, Op, SeqNo};

use crate::buffer::{Buffer, BufferId};
use crate::shared::Shared;
use crate::streak::Streak;
use crate::sync::MutexGuard;
use crate::view::View;
use crate::{Error, Result};

/// A group takes no further batch beyond so many bytes: none waits long for others.
const MAX_GROUP_BYTES: usize = 1 << 20;

/// How often a writer looks for its reply before it sleeps. Where a group is synced
/// it takes so long that looking is in vain.
const SPINS: u32 = if cfg!(feature = "durability") { 0 } else { 300 };

/// Those who write at the same time.
pub(crate) type WriteGroup = Group<Batch, Result<Written, Arc<Error>>>;

/// A group without members.
pub(crate) fn new_group() -> WriteGroup {
    Group::new(SPINS)
}

/// What a writer waits for before it returns: nothing, or the flush of a memtable.
pub(crate) type Written = Option<BufferId>;

/// What one caller writes.
#[derive(Debug)]
pub(crate) enum Write<'a> {
    /// One operation, which is not copied unless the caller has to wait.
    One(Op<'a>),
    /// Several.
    Batch(Batch),
}

impl Write<'_> {
    fn check(&self) -> Result<(), BatchError> {
        match self {
            Self::One(op) => op.check(),
            Self::Batch(batch) => batch.check(),
        }
    }

    fn ops(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Batch(batch) => batch.len(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::One(op) => op.key.len() + op.value.len(),
            Self::Batch(batch) => batch.bytes().len(),
        }
    }

    fn into_batch(self) -> Batch {
        match self {
            Self::One(Op { kind: Kind::Put, key, value }) => Batch::of_put(key, value),
            Self::One(Op { kind: Kind::Delete, key, .. }) => Batch::of_delete(key),
            Self::Batch(batch) => batch,
        }
    }
}

/// What is guarded by the lock `writer`.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) last_seq: SeqNo,
    next_buffer: u64,
    /// Set while a group is being logged and applied; found set, a writer panicked.
    applying: bool,
    streak: Streak,
    #[cfg(feature = "durability")]
    pub(crate) logging: crate::log::Logging,
}

impl Writer {
    pub(crate) fn new(last_seq: SeqNo, next_buffer: u64) -> Self {
        Self {
            last_seq,
            next_buffer,
            applying: false,
            streak: Streak::default(),
            #[cfg(feature = "durability")]
            logging: crate::log::Logging::default(),
        }
    }
}

/// The leader's own write and those that it took.
pub(crate) struct Writes<'a> {
    pub(crate) own: Write<'a>,
    pub(crate) members: Vec<Member<Batch, Result<Written, Arc<Error>>>>,
}

impl Writes<'_> {
    /// The batches of the members, in their order.
    pub(crate) fn batches(&self) -> impl Iterator<Item = &Batch> {
        let own = match &self.own {
            Write::One(_) => None,
            Write::Batch(batch) => Some(batch),
        };
        own.into_iter().chain(self.members.iter().map(|member| member.item()))
    }

    /// The keys of their puts.
    fn puts(&self) -> impl Iterator<Item = &[u8]> {
        let own = match &self.own {
            Write::One(op) => Some(*op),
            Write::Batch(_) => None,
        };
        let ops = own.into_iter().chain(self.batches().flat_map(Batch::ops).flatten());
        ops.filter(|op| op.kind == Kind::Put).map(|op| op.key)
    }

    fn bytes(&self) -> usize {
        let own = self.own.bytes();
        self.members.iter().fold(own, |bytes, member| bytes + member.item().bytes().len())
    }

    pub(crate) fn ops(&self) -> usize {
        let own = self.own.ops();
        self.members.iter().fold(own, |ops, member| ops + member.item().len())
    }
}

impl Shared {
    /// Writes a batch or an operation: all of it or nothing.
    pub(crate) fn write(&self, write: Write<'_>) -> Result<()> {
        write.check()?;
        if write.ops() == 0 {
            return Ok(());
        }
        self.slow_down(write.bytes());
        let (lead, own) = match self.group.try_lead() {
            Some(lead) => (lead, write),
            None => match self.group.wait(write.into_batch()) {
                Turn::Lead(lead, batch) => (lead, Write::Batch(batch)),
                Turn::Done(Ok(written)) => return self.await_flush(written),
                Turn::Done(Err(error)) => return Err(shared_error(&error)),
                Turn::Abandoned => {
                    let error = Error::internal(self.disk.dir.path(), "a writer panicked");
                    return Err(self.refuse(error));
                }
            },
        };
        self.lead(lead, own)
    }

    /// Where a full memtable must not stay: waits until it is in tables.
    fn await_flush(&self, written: Written) -> Result<()> {
        written.map_or(Ok(()), |frozen| self.wait_flushed(frozen))
    }

    /// Writes for the group.
    fn lead(
        &self,
        mut lead: Lead<'_, Batch, Result<Written, Arc<Error>>>,
        own: Write<'_>,
    ) -> Result<()> {
        // Where this fails, the next leader finds out for itself.
        let mut writer = self.lock_writer_with_room(&mut lead)?;
        let view = self.view.load();
        let capacity = self.disk.options.memtable_capacity;
        let room = capacity.saturating_sub(view.active.memtable.live_bytes()).min(MAX_GROUP_BYTES);
        let mut left = room.checked_sub(own.bytes());
        let members = lead.take(|batch| {
            left = left.and_then(|left| left.checked_sub(batch.bytes().len()));
            left.is_some()
        });
        let writes = Writes { own, members };
        let applied = self.apply(&mut writer, &view, &writes);
        if applied.is_ok() {
            view.active.add_bytes(writes.bytes());
        }
        self.throttle.set_memory(view.active.memtable.memory_bytes(), capacity);
        let frozen = match applied {
            Ok(()) if view.active.is_full(capacity) => Some(self.freeze(&mut writer)),
            _ => None,
        };
        drop(writer);
        drop(lead);
        let written = frozen.filter(|_| capacity == 0);
        let Err(error) = applied else {
            writes.members.into_iter().for_each(|member| member.reply(Ok(written)));
            return self.await_flush(written);
        };
        if writes.members.is_empty() {
            return Err(error);
        }
        let error = Arc::new(error);
        for member in writes.members {
            member.reply(Err(Arc::clone(&error)));
        }
        Err(shared_error(&error))
    }

    /// Takes the writer's lock when there is room for another frozen memtable: a
    /// flush may have frozen one meanwhile. The company waits outside of the lock.
    fn lock_writer_with_room<T, R>(
        &self,
        lead: &mut Lead<'_, T, R>,
    ) -> Result<MutexGuard<'_, Writer>> {
        loop {
            self.wait_for_room()?;
            #[cfg(feature = "durability")]
            if self.syncs_each_group() {
                self.await_replayed()?;
                lead.gather(crate::log::GATHER);
            }
            #[cfg(not(feature = "durability"))]
            let _ = &lead;
            let writer = self.writer.lock();
            if self.has_room() {
                return Ok(writer);
            }
        }
    }

    /// Fails if no write is taken any more, or a writer panicked over a group.
    fn check_sound(&self, writer: &Writer) -> Result<()> {
        self.check_refused()?;
        if writer.applying {
            let error = Error::internal(self.disk.dir.path(), "a writer panicked");
            return Err(self.refuse(error));
        }
        Ok(())
    }

    /// Logs a group, puts it into the active memtable and publishes it.
    fn apply(&self, writer: &mut Writer, view: &View, writes: &Writes<'_>) -> Result<()> {
        let active = &*view.active;
        self.check_sound(writer)?;
        let last = writer.last_seq.checked_add(writes.ops() as u64).ok_or_else(|| {
            Error::UsedUp { path: self.disk.dir.path().into(), what: "sequence numbers" }
        })?;
        writer.applying = true;
        #[cfg(feature = "durability")]
        if let Err(error) = self.log_group(writer, active, writes) {
            // Either the log is as it was, or all writing has ended.
            writer.applying = false;
            return Err(error);
        }
        let mut seq = writer.last_seq;
        let (mut has_put, mut has_step) = (false, false);
        let streak = &mut writer.streak;
        let mut insert = |op: Op<'_>| {
            match op.kind {
                Kind::Put => has_put = true,
                Kind::Delete => has_step |= streak.note(op.key),
            }
            seq = seq.checked_add(1).unwrap_or(last);
            active.memtable.insert(op.key, seq, op.kind, op.value);
        };
        if let Write::One(op) = &writes.own {
            insert(*op);
        }
        for op in writes.batches().flat_map(Batch::ops) {
            // The batches are ours: their bytes were made by their own methods.
            insert(op.map_err(|error| self.refuse(error.into()))?);
        }
        writer.applying = false;
        let before = std::mem::replace(&mut writer.last_seq, last);
        active.set_last_seq(last);
        if has_put {
            let first = before.checked_add(1).unwrap_or(last);
            view.memos.note_puts(first, last, || writes.puts());
        }
        self.view.publish(last);
        if has_step {
            self.leave_deleted(&writer.streak);
        }
        Ok(())
    }

    /// Freezes the active memtable, which keeps being read, and puts a new one in
    /// its place. Returns which one was frozen.
    fn freeze(&self, writer: &mut Writer) -> BufferId {
        let id = BufferId(writer.next_buffer);
        writer.next_buffer += 1;
        #[cfg(feature = "durability")]
        self.retire_log(writer);
        let next = Arc::new(Buffer::new(id, writer.last_seq, &self.disk));
        let mut frozen = id;
        self.replace_view(|view| {
            frozen = view.active.id;
            let mut buffers = vec![Arc::clone(&view.active)];
            buffers.extend(view.frozen.iter().cloned());
            View {
                active: next,
                frozen: buffers,
                tables: Arc::clone(&view.tables),
                memos: Arc::clone(&view.memos),
            }
        });
        self.notify();
        frozen
    }

    /// Brings everything written so far into tables.
    pub(crate) fn flush(&self) -> Result<()> {
        let mut writer = self.writer.lock();
        let view = self.view.load_full();
        let last = if view.active.memtable.is_empty() {
            view.frozen.first().map(|buffer| buffer.id)
        } else {
            self.check_sound(&writer)?;
            Some(self.freeze(&mut writer))
        };
        drop(writer);
        last.map_or(Ok(()), |last| self.wait_flushed(last))
    }
}

/// One failure for all of a group.
fn shared_error(error: &Arc<Error>) -> Error {
    match &**error {
        Error::Refused(why) => Error::Refused(Arc::clone(why)),
        Error::Background(why) => Error::Background(Arc::clone(why)),
        _ => Error::Background(Arc::clone(error)),
    }
}

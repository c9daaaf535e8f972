//! An edit: what one commit changes. Its bytes are a list of tagged operations.
//!
//! ```text
//! tag u8 | fields
//!   1 add table     run varint, level u8, table (see `table`)
//!   2 remove table  number varint
//!   3 set live      number varint, start bytes, end: 0 or (1, bytes)
//!   4 add log       log varint, slot varint
//!   5 remove log    log varint
//!   6 reserve       the first number that stays free, varint
//!   7 last sequence varint
//! ```
//!
//! The tag's high bit is kept for a keyspace number (absent means keyspace 0) and
//! is refused by this version. Tags are durable: never reuse one.

use lsm_types::{LogNo, RunNo, SeqNo, SlotNo, TableNo, decode};

use crate::table::{Span, TableMeta, decode_span, encode_span};

const ADD_TABLE: u8 = 1;
const REMOVE_TABLE: u8 = 2;
const SET_LIVE: u8 = 3;
const ADD_LOG: u8 = 4;
const REMOVE_LOG: u8 = 5;
const RESERVE: u8 = 6;
const LAST_SEQ: u8 = 7;

/// One change of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditOp {
    /// The table joins the run, which begins with it if it is new.
    AddTable {
        /// The run.
        run: RunNo,
        /// The run's level; the newest runs are on level 0.
        level: u8,
        /// The table.
        table: TableMeta,
    },
    /// The table leaves its run.
    RemoveTable(TableNo),
    /// The table stands for these keys only from now on.
    SetLive {
        /// The table.
        table: TableNo,
        /// The keys it keeps.
        live: Span,
    },
    /// The log may be written from now on.
    AddLog {
        /// The log.
        log: LogNo,
        /// The file it is written to.
        slot: SlotNo,
    },
    /// The log is no longer needed.
    RemoveLog(LogNo),
    /// File numbers below this one may be used.
    Reserve(u64),
    /// Every write up to this one is in tables.
    LastSeq(SeqNo),
}

/// What one commit changes, in the order in which it is applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// The changes.
    pub ops: Vec<EditOp>,
}

impl Edit {
    /// Whether the edit changes nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// The edit's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.ops.iter().for_each(|op| encode_op(&mut out, op));
        out
    }

    /// Reads an edit. `Err` is the offset in `bytes` of the operation that is none.
    ///
    /// # Errors
    ///
    /// When an operation is unknown, cut short, or has a field out of range.
    pub fn decode(bytes: &[u8]) -> Result<Self, usize> {
        let mut input = bytes;
        let mut ops = Vec::new();
        while !input.is_empty() {
            let offset = bytes.len() - input.len();
            ops.push(decode_op(&mut input).ok_or(offset)?);
        }
        Ok(Self { ops })
    }
}

fn encode_op(out: &mut Vec<u8>, op: &EditOp) {
    match op {
        EditOp::AddTable { run, level, table } => {
            out.push(ADD_TABLE);
            decode::put_varint(out, run.get());
            out.push(*level);
            table.encode(out);
        }
        EditOp::RemoveTable(table) => {
            out.push(REMOVE_TABLE);
            decode::put_varint(out, table.get());
        }
        EditOp::SetLive { table, live } => {
            out.push(SET_LIVE);
            decode::put_varint(out, table.get());
            encode_span(out, live);
        }
        EditOp::AddLog { log, slot } => {
            out.push(ADD_LOG);
            decode::put_varint(out, log.get());
            decode::put_varint(out, slot.get());
        }
        EditOp::RemoveLog(log) => {
            out.push(REMOVE_LOG);
            decode::put_varint(out, log.get());
        }
        EditOp::Reserve(until) => {
            out.push(RESERVE);
            decode::put_varint(out, *until);
        }
        EditOp::LastSeq(seq) => {
            out.push(LAST_SEQ);
            decode::put_varint(out, seq.get());
        }
    }
}

fn decode_op(input: &mut &[u8]) -> Option<EditOp> {
    let op = match decode::u8(input)? {
        ADD_TABLE => EditOp::AddTable {
            run: RunNo::new(decode::varint(input)?)?,
            level: decode::u8(input)?,
            table: TableMeta::decode(input)?,
        },
        REMOVE_TABLE => EditOp::RemoveTable(TableNo::new(decode::varint(input)?)?),
        SET_LIVE => EditOp::SetLive {
            table: TableNo::new(decode::varint(input)?)?,
            live: decode_span(input)?,
        },
        ADD_LOG => EditOp::AddLog {
            log: LogNo::new(decode::varint(input)?)?,
            slot: SlotNo::new(decode::varint(input)?)?,
        },
        REMOVE_LOG => EditOp::RemoveLog(LogNo::new(decode::varint(input)?)?),
        RESERVE => EditOp::Reserve(decode::varint(input)?),
        LAST_SEQ => EditOp::LastSeq(SeqNo::new(decode::varint(input)?)?),
        _ => return None,
    };
    Some(op)
}

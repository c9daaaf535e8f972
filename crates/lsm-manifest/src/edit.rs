//! An edit: what one commit changes. Its bytes are a list of tagged operations.
//!
//! ```text
//! tag u8 | length of the body varint | body
//!   1 add table     run varint, level u8, table (see `table`)
//!   2 remove table  number varint
//!   3 set live      number varint, start bytes, end: 0 or (1, bytes)
//!   4 add log       log varint, slot varint
//!   5 remove log    log varint
//!   6 reserve       the first number that stays free, varint
//!   7 last sequence varint
//! ```
//!
//! The rest is room: a reader refuses the tags up to 63 that it does not know, and
//! passes over those from 64 to 127. The high bit says that the body begins with a
//! keyspace number (absent means keyspace 0); this version knows no such operation.
//! Tags are durable: never reuse one.

use lsm_types::{LogNo, RunNo, SeqNo, SlotNo, TableNo, decode};
use thiserror::Error;

use crate::table::{Properties, Span, TableMeta, decode_span, encode_span};

const ADD_TABLE: u8 = 1;
const REMOVE_TABLE: u8 = 2;
const SET_LIVE: u8 = 3;
const ADD_LOG: u8 = 4;
const REMOVE_LOG: u8 = 5;
const RESERVE: u8 = 6;
const LAST_SEQ: u8 = 7;
/// Operations with this bit can be done without. Durable.
const OPTIONAL: u8 = 0x40;
/// Operations with this bit name a keyspace. Durable.
const KEYSPACE: u8 = 0x80;

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

    /// Reads an edit. Operations that can be done without and that this version does
    /// not know are left out.
    ///
    /// # Errors
    ///
    /// When an operation is unknown, cut short, or has a field out of range.
    pub fn decode(bytes: &[u8]) -> Result<Self, OpError> {
        let mut input = bytes;
        let mut ops = Vec::new();
        while !input.is_empty() {
            let offset = bytes.len() - input.len();
            let malformed = OpError::Malformed { offset };
            let tag = decode::u8(&mut input).ok_or_else(|| malformed.clone())?;
            let body = decode::bytes(&mut input, usize::MAX).ok_or_else(|| malformed.clone())?;
            match decode_op(tag, body) {
                Ok(op) => ops.extend(op),
                Err(None) => return Err(malformed),
                Err(Some(what)) => return Err(OpError::Unknown { offset, what }),
            }
        }
        Ok(Self { ops })
    }
}

/// Why the bytes of an edit are none. Offsets are of the operation, in the edit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OpError {
    /// Something that a reader must know, and this one does not.
    #[error("{what}")]
    Unknown {
        /// Where.
        offset: usize,
        /// What it is.
        what: String,
    },
    /// An operation that is cut short, or with a field out of its range.
    #[error("an operation that is cut short or has a field out of range")]
    Malformed {
        /// Where.
        offset: usize,
    },
}

impl OpError {
    /// Where in the edit the operation begins.
    #[must_use]
    pub const fn offset(&self) -> usize {
        match self {
            Self::Unknown { offset, .. } | Self::Malformed { offset } => *offset,
        }
    }
}

fn encode_op(out: &mut Vec<u8>, op: &EditOp) {
    let mut body = Vec::new();
    let tag = match op {
        EditOp::AddTable { run, level, table } => {
            decode::put_varint(&mut body, run.get());
            body.push(*level);
            table.encode(&mut body);
            ADD_TABLE
        }
        EditOp::RemoveTable(table) => {
            decode::put_varint(&mut body, table.get());
            REMOVE_TABLE
        }
        EditOp::SetLive { table, live } => {
            decode::put_varint(&mut body, table.get());
            encode_span(&mut body, live);
            SET_LIVE
        }
        EditOp::AddLog { log, slot } => {
            decode::put_varint(&mut body, log.get());
            decode::put_varint(&mut body, slot.get());
            ADD_LOG
        }
        EditOp::RemoveLog(log) => {
            decode::put_varint(&mut body, log.get());
            REMOVE_LOG
        }
        EditOp::Reserve(until) => {
            decode::put_varint(&mut body, *until);
            RESERVE
        }
        EditOp::LastSeq(seq) => {
            decode::put_varint(&mut body, seq.get());
            LAST_SEQ
        }
    };
    out.push(tag);
    decode::put_bytes(out, &body);
}

/// The operation; none if it is unknown and can be done without. `Err` says what a
/// reader would have to know, or nothing of an operation that is none.
fn decode_op(tag: u8, body: &[u8]) -> Result<Option<EditOp>, Option<String>> {
    if tag & !KEYSPACE == 0 {
        return Err(None);
    }
    if tag & OPTIONAL != 0 {
        return Ok(None);
    }
    if tag & KEYSPACE != 0 {
        return Err(Some(format!("operation {} on a keyspace", tag & !KEYSPACE)));
    }
    if tag == ADD_TABLE {
        return decode_add_table(body).map(Some);
    }
    if tag > LAST_SEQ {
        return Err(Some(format!("operation {tag}")));
    }
    let mut input = body;
    let op = decode_known(tag, &mut input).filter(|_| input.is_empty());
    op.map(Some).ok_or(None)
}

fn decode_add_table(body: &[u8]) -> Result<EditOp, Option<String>> {
    let mut input = body;
    let mut fields = || {
        let run = RunNo::new(decode::varint(&mut input)?)?;
        let level = decode::u8(&mut input)?;
        Some(EditOp::AddTable { run, level, table: TableMeta::decode(&mut input)? })
    };
    let op = fields().ok_or(None)?;
    match Properties::check(input) {
        Properties::Known => Ok(op),
        Properties::Unknown(tag) => Err(Some(format!("property {tag} of a table"))),
        Properties::Malformed => Err(None),
    }
}

fn decode_known(tag: u8, input: &mut &[u8]) -> Option<EditOp> {
    Some(match tag {
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
    })
}

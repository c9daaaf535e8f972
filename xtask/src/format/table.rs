//! A table: everything that is wrong with its bytes, and what is left of one without its index.

use std::path::Path;

use lsm_sstable::{Block, Identity, Piece, RunReader, Salvage, SstError, problems};

use super::fault::{Checked, Fault, Keys, Salvaged};
use super::file::Kind;
use super::text::count;

/// A table that was looked into.
pub(super) struct Table<'a> {
    pub(super) checked: Checked,
    pub(super) faults: Vec<Fault>,
    /// If index and properties are intact.
    pub(super) reader: Option<RunReader<'a>>,
}

/// Checks the table in `bytes`. Where its own identity is lost, `known` helps to find its blocks.
pub(super) fn check<'a>(path: &Path, bytes: &'a [u8], known: Option<Identity>) -> Table<'a> {
    let kind = Kind::Table.name();
    let mut checked =
        Checked { path: path.to_owned(), kind, bytes: bytes.len() as u64, blocks: 0, entries: 0 };
    let reader = RunReader::new(bytes);
    let mut faults = Vec::new();
    for problem in problems(bytes) {
        let fault = Fault::of_table(path, &problem.error, problem.keys);
        let effect = match (&fault.keys, reader.as_ref()) {
            (Keys::After { .. }, Ok(reader)) => effect_on_reads(reader, fault.offset),
            _ => "",
        };
        faults.push(if fault.effect.is_empty() { fault.because(effect) } else { fault });
    }
    match &reader {
        Ok(reader) => {
            // What cannot be read is among the problems.
            let readable = (0..).zip(reader.meta().blocks());
            for (_, handle) in readable.filter(|(number, _)| reader.payload(*number).is_ok()) {
                checked.blocks += 1;
                checked.entries += handle.counts.entries;
            }
        }
        // What a later version means, its blocks do not say.
        Err(SstError::Unsupported { .. }) => {}
        Err(SstError::Damaged { .. }) => {
            let left = salvage(bytes, known);
            (checked.blocks, checked.entries) = (left.blocks, left.entries);
            if let Some(fault) = faults.first_mut() {
                fault.effect = without_index(&left);
                fault.salvaged = Some(left);
            }
        }
    }
    Table { checked, faults, reader: reader.ok() }
}

/// What becomes of reads when something is wrong at `offset`, inside a block.
fn effect_on_reads(reader: &RunReader<'_>, offset: Option<u64>) -> &'static str {
    let blocks = (0..).zip(reader.meta().blocks());
    let begun = blocks.take_while(|(_, handle)| Some(handle.offset) <= offset);
    match begun.last().map(|(number, _)| reader.payload(number)) {
        Some(Ok(_)) => "reads of these keys do not fail; whether they are right is not known",
        _ => "reads of these keys fail; other blocks are not affected",
    }
}

fn without_index(left: &Salvaged) -> String {
    let (blocks, entries) = (count(left.blocks, "block"), count(left.entries, "entry"));
    let lost: u64 = left.lost.iter().map(|(_, len)| *len).sum();
    format!(
        "the table cannot be opened; walked without its index, {blocks} with {entries} are \
         readable, {} {} no part of it",
        count(lost, "byte"),
        if lost == 1 { "is" } else { "are" }
    )
}

/// The pieces of a damaged table; none if nobody knows whose it is.
pub(super) fn pieces(bytes: &[u8], known: Option<Identity>) -> Option<Salvage<'_>> {
    match Salvage::new(bytes) {
        Ok(pieces) => Some(pieces),
        Err(SstError::Damaged { .. }) => Some(Salvage::with_identity(bytes, known?)),
        Err(SstError::Unsupported { .. }) => None,
    }
}

fn salvage(bytes: &[u8], known: Option<Identity>) -> Salvaged {
    let mut left = Salvaged::default();
    let Some(pieces) = pieces(bytes, known) else {
        left.lost.push((0, bytes.len() as u64));
        return left;
    };
    for piece in pieces {
        match piece {
            Piece::Lost { offset, len } => left.lost.push((offset, len)),
            Piece::Unsupported { .. } => left.unsupported += 1,
            Piece::Tail { .. } => {}
            Piece::Block { offset, payload, .. } => {
                let Ok(block) = Block::parse(&payload, offset) else { continue };
                left.blocks += 1;
                left.entries += block.len() as u64;
                let mut ends = block.iter();
                let (first, last) = (ends.next(), ends.next_back());
                let first = first.and_then(Result::ok).map(|entry| entry.to_key());
                let last = last.and_then(Result::ok).map(|entry| entry.to_key());
                if let Some(first) = first {
                    let last = last.unwrap_or_else(|| first.clone());
                    left.keys = Some((left.keys.take().map_or(first, |(lowest, _)| lowest), last));
                }
            }
        }
    }
    left
}

/// Shows `visit` the key of every readable entry, in order.
pub(super) fn keys(reader: &RunReader<'_>, visit: &mut dyn FnMut(&[u8])) {
    let mut key = Vec::new();
    for (number, handle) in (0..).zip(reader.meta().blocks()) {
        let Ok(Some(payload)) = reader.payload(number) else { continue };
        let Ok(block) = Block::parse(&payload, handle.offset) else { continue };
        for entry in block.iter().flatten() {
            visit(entry.join(&mut key).user_key);
        }
    }
}

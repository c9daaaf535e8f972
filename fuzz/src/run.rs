//! Whole tables: raw bytes, entries through a writer, damage, and sections put together.
//!
//! The first byte says which:
//! 0. The rest is a table. It is examined as it is and with all its checksums made right.
//! 1. The rest chooses entries and settings. The table that the writer makes of them must
//!    answer as a map of these entries. Then it is damaged, perhaps signed anew, and examined:
//!    damage that was not signed must be named, and nothing may be read but what was written.
//! 2. The rest is cut into payloads, of which a table with right checksums is put together.
//!
//! To examine is to walk, to salvage, to validate and to look up. A table without problems must
//! answer as a map of its entries; any other only without a panic, and with nothing that
//! contradicts itself.

use lsm_sstable::{Block, HEADER_BYTES, Piece, Row, RunReader, Salvage, SeqNo, SstError, problems};

use crate::damage::damage;
use crate::input::Input;
use crate::model::compare;
use crate::rows::{IDENTITY, Seen, options, rows, seen, write};
use crate::table_bytes::{Section, assemble, sections, sign};

/// Of a table that is not sound so many keys are looked up.
const SOME_KEYS: usize = 8;
const MAX_SECTIONS: usize = 12;
/// All that [`sign`] knows.
const EVERYTHING: u8 = 0xff;

pub(crate) fn run(input: &[u8]) {
    let mut input = Input::new(input);
    match input.u8() % 3 {
        0 => {
            let mut table = input.rest().to_vec();
            examine(&table, &mut Input::new(&[]));
            let sections = sections(&table);
            sign(&mut table, &sections, EVERYTHING);
            examine(&table, &mut Input::new(&[]));
        }
        1 => written(&mut input),
        _ => put_together(&mut input),
    }
}

/// Entries through the writer, and then damage.
fn written(input: &mut Input<'_>) {
    let options = options(input);
    let rows = rows(input);
    if rows.is_empty() {
        return;
    }
    let table = write(&rows, options);
    signed_by_the_book(&table);
    let rows: Vec<Seen> = rows.into_iter().map(|((key, seq), value)| (key, seq.0, value)).collect();
    let reader = RunReader::new(&table).unwrap();
    assert_eq!(problems(&table), []);
    assert_eq!(reader.validate(), Ok(()));
    compare(&reader, &rows, input);

    let places = sections(&table);
    let mut damaged = table.clone();
    let signed = input.u8();
    while !input.is_empty() {
        damage(&mut damaged, input);
    }
    if signed == 0 {
        only_the_truth(&table, &damaged, &rows);
    } else {
        sign(&mut damaged, &places, signed);
        examine(&damaged, input);
    }
}

/// Signing a sound table anew changes nothing.
fn signed_by_the_book(table: &[u8]) {
    let mut signed = table.to_vec();
    sign(&mut signed, &sections(table), EVERYTHING);
    assert_eq!(signed, table);
}

/// Damage without a signature is found, and nothing is read but what was written.
fn only_the_truth(table: &[u8], damaged: &[u8], rows: &[Seen]) {
    assert_eq!(problems(damaged).is_empty(), table == damaged, "damage went unnoticed");
    let truth = Salvage::with_identity(table, IDENTITY);
    let truth: Vec<Piece<'_>> = truth.collect();
    for piece in salvage(damaged, Salvage::with_identity(damaged, IDENTITY)) {
        assert!(matches!(piece, Piece::Lost { .. }) || truth.contains(&piece), "{piece:?}");
    }
    let Ok(reader) = RunReader::new(damaged) else { return };
    let intact = |row: Result<Row<'_>, SstError>| row.ok().map(|row| seen(&row));
    let forwards: Vec<Seen> = reader.iter().map_while(intact).collect();
    assert!(rows.starts_with(&forwards), "{forwards:?}");
    let mut backwards: Vec<Seen> = reader.iter().rev().map_while(intact).collect();
    backwards.reverse();
    assert!(rows.ends_with(&backwards), "{backwards:?}");
    for (key, ..) in rows.iter().step_by(rows.len().div_ceil(SOME_KEYS).max(1)) {
        if let Ok(found) = reader.get(key) {
            let newest = rows.iter().find(|row| row.0 == *key);
            assert_eq!(found.map(|row| seen(&row)).as_ref(), newest, "{key:?}");
        }
    }
}

/// Sections of the input's payloads: blocks, then index and properties.
fn put_together(input: &mut Input<'_>) {
    let count = usize::from(input.u8()) % MAX_SECTIONS + 2;
    let mut sections = Vec::new();
    for number in 0..count {
        let (kind, number) = match count - number {
            1 => (3, 0),
            2 => (2, 0),
            _ => (1, number as u32),
        };
        let (codec, raw) = if kind == 1 { (input.u8() % 4, input.u16()) } else { (1, 0) };
        let mut section = Section::plain(kind, number, input.long_bytes());
        match codec {
            0 | 1 => {}
            codec => (section.codec, section.raw) = (codec, raw_len(raw)),
        }
        sections.push(section);
    }
    examine(&assemble(&IDENTITY, &sections), input);
}

/// Any small length; of those up to the limit of 4 MiB, and a little above, some.
fn raw_len(chosen: u16) -> u32 {
    let large = u32::from(chosen & 0xff) << 14;
    if chosen < 0xfe00 { chosen.into() } else { large + u32::from(chosen >> 8 & 1) }
}

/// Asks a table of unknown soundness everything there is to ask.
fn examine(table: &[u8], input: &mut Input<'_>) {
    if let Ok(pieces) = Salvage::new(table) {
        salvage(table, pieces);
    }
    let found = problems(table);
    found.iter().for_each(|problem| error_is_in_place(&problem.error, table));
    let reader = match RunReader::new(table) {
        Ok(reader) => reader,
        Err(error) => {
            assert_eq!(found.iter().map(|problem| &problem.error).collect::<Vec<_>>(), [&error]);
            return;
        }
    };
    assert_eq!(reader.validate().err(), found.first().map(|problem| problem.error.clone()));
    blocks(&reader);
    let forwards = walk(reader.iter());
    let mut backwards = walk(reader.iter().rev());
    if let (Ok(forwards), Ok(backwards)) = (&forwards, &mut backwards) {
        backwards.reverse();
        assert_eq!(forwards, backwards);
    }
    if found.is_empty() {
        let rows = forwards.unwrap();
        let ascend = |a: &Seen, b: &Seen| (&a.0, b.1) < (&b.0, a.1);
        assert!(rows.is_sorted_by(ascend), "a sound table with rows out of order: {rows:?}");
        return compare(&reader, &rows, input);
    }
    let keys = forwards.unwrap_or_default().into_iter().map(|(key, ..)| key);
    let first_and_last =
        [reader.properties().smallest.clone(), reader.properties().largest.clone()];
    for key in first_and_last.into_iter().chain(keys.take(SOME_KEYS)) {
        ask(&reader, &key);
    }
    ask(&reader, input.bytes(64));
}

/// The rows, if all can be read; never more than were announced.
fn walk<'a>(
    rows: impl ExactSizeIterator<Item = Result<Row<'a>, SstError>>,
) -> Result<Vec<Seen>, SstError> {
    let announced = rows.len();
    let (mut found, mut error) = (Vec::new(), None);
    for row in rows {
        assert!(error.is_none(), "an iterator goes on behind an error");
        match row {
            Ok(row) => found.push(seen(&row)),
            Err(failed) => error = Some(failed),
        }
    }
    match error {
        Some(error) => Err(error),
        None => {
            assert_eq!(found.len(), announced);
            Ok(found)
        }
    }
}

/// Blocks follow one another, and their counts add up.
fn blocks(reader: &RunReader<'_>) {
    let meta = reader.meta();
    let (mut at, mut entries) = (HEADER_BYTES as u64, 0);
    for (number, block) in meta.blocks().enumerate() {
        assert_eq!((block.number as usize, block.offset), (number, at));
        assert_eq!(meta.counts_before(number).entries, entries);
        at = (block.offset + block.len).next_multiple_of(64);
        entries += block.counts.entries;
        if let Ok(payload) = reader.payload(number) {
            assert!(Block::parse(&payload.unwrap(), block.offset).is_ok());
        }
    }
    assert_eq!(meta.counts_before(meta.block_count()).entries, entries);
    assert_eq!(reader.payload(meta.block_count()), Ok(None));
    assert!(at < meta.file_bytes() && entries == reader.properties().counts.entries);
}

/// What any table must answer.
fn ask(reader: &RunReader<'_>, key: &[u8]) {
    for found in [reader.get(key), reader.get_at(key, SeqNo::ZERO), reader.get_at(key, SeqNo::MAX)]
    {
        if let Ok(Some(row)) = found {
            assert_eq!(row.to_key(), key, "another key was found");
        }
    }
    let entries = reader.properties().counts.entries;
    assert!(reader.rank(key).unwrap_or(0) <= entries);
    assert!(reader.count(key..).unwrap_or(0) <= entries);
    if let Ok(rows) = reader.range(..=key) {
        drop(walk(rows));
    }
}

/// The pieces of a table: they follow one another, and its blocks can be read.
fn salvage<'a>(table: &[u8], pieces: Salvage<'a>) -> Vec<Piece<'a>> {
    let (mut found, mut at, mut lost) = (Vec::new(), HEADER_BYTES as u64, None);
    for piece in pieces {
        let (Piece::Block { offset, .. }
        | Piece::Tail { offset, .. }
        | Piece::Unsupported { offset, .. }
        | Piece::Lost { offset, .. }) = &piece;
        assert!(*offset >= at && *offset < table.len() as u64, "{piece:?} behind {at}");
        assert!(lost.is_none_or(|end| end == *offset), "a gap before {piece:?}");
        (at, lost) = (*offset + 1, None);
        match &piece {
            Piece::Block { payload, .. } => {
                let block = Block::parse(payload, *offset).unwrap();
                assert!(block.iter().all(|entry| entry.is_ok()));
            }
            Piece::Tail { .. } => {}
            Piece::Unsupported { error, .. } => error_is_in_place(error, table),
            Piece::Lost { len, .. } => lost = Some(offset + len),
        }
        found.push(piece);
    }
    found
}

/// A message names a place in the table.
fn error_is_in_place(error: &SstError, table: &[u8]) {
    let (SstError::Damaged { offset, .. } | SstError::Unsupported { offset, .. }) = error;
    assert!(*offset <= table.len() as u64, "{error}");
}

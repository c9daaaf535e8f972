//! Showing a table: its ends, its blocks, its entries, its index, its properties.
//!
//! Of a table whose index is lost, the pieces are shown that a walk without it finds.

use std::io::Write;
use std::path::Path;

use lsm_sstable::{
    Block, BlockHandle, Counts, FOOTER_BYTES, FORMAT_VERSION, Kind, Piece, RunMeta, RunReader,
    SECTION_HEADER_BYTES, SstError,
};
use lsm_types::decode;

use super::dump::{Failure, View, field, owner};
use super::fault::{Fault, Keys};
use super::table;
use super::text::{count, hex, shown};

pub(super) fn dump(
    path: &Path,
    bytes: &[u8],
    view: View,
    out: &mut dyn Write,
) -> Result<Vec<Fault>, Failure> {
    let reader = match RunReader::new(bytes) {
        Ok(reader) => reader,
        Err(error) => return without_index(path, bytes, &error, view, out),
    };
    match view {
        View::Summary => summary(path, bytes, reader.meta(), out).map(|()| Vec::new()),
        View::Index => index(reader.meta(), out).map(|()| Vec::new()),
        View::Properties => properties(bytes, out).map(|()| Vec::new()),
        View::Blocks => blocks(path, bytes, &reader, out),
        View::Entries => entries(path, &reader, out),
    }
}

/// Where index and properties begin, as the footer of an intact table says.
fn tail(bytes: &[u8]) -> Option<(u64, u64)> {
    let mut footer = bytes.last_chunk::<FOOTER_BYTES>()?.as_slice();
    Some((decode::u64(&mut footer)?, decode::u64(&mut footer)?))
}

/// The fields of a section's frame that are worth showing, and its payload as it is stored.
struct Section<'a> {
    stored: u32,
    raw: u32,
    codec: &'static str,
    number: u32,
    payload: &'a [u8],
}

fn section(bytes: &[u8], offset: u64) -> Option<Section<'_>> {
    let section = bytes.get(usize::try_from(offset).ok()?..)?;
    let (frame, rest) = section.split_first_chunk::<SECTION_HEADER_BYTES>()?;
    let mut input = frame.get(8..)?;
    let (stored, raw) = (decode::u32(&mut input)?, decode::u32(&mut input)?);
    let [_kind, codec, _, _] = decode::array(&mut input)?;
    let codec = match codec {
        1 => "plain",
        2 => "lz4",
        _ => "other",
    };
    let number = decode::u32(&mut input)?;
    Some(Section { stored, raw, codec, number, payload: rest.get(..stored as usize)? })
}

fn summary(path: &Path, bytes: &[u8], meta: &RunMeta, out: &mut dyn Write) -> Result<(), Failure> {
    let said = meta.properties();
    field(out, "file", format_args!("{}, {} bytes", path.display(), bytes.len()))?;
    field(out, "kind", format_args!("table, version {FORMAT_VERSION}"))?;
    owner(out, &meta.identity().filter_identity())?;
    field(out, "blocks", format_args!("{}, from byte 64", meta.block_count()))?;
    if let Some((index, properties)) = tail(bytes) {
        for (name, at) in [("index", index), ("properties", properties)] {
            let len = section(bytes, at).map_or(0, |section| section.stored);
            field(out, name, format_args!("at byte {at}, {len} bytes"))?;
        }
    }
    let Counts { entries, tombstones, hidden } = said.counts;
    let text = format!("{entries}: {tombstones} tombstones, {hidden} hidden versions");
    field(out, "entries", text)?;
    let (first, last) = (shown(&said.smallest), shown(&said.largest));
    field(out, "keys", format_args!("{} bytes, from {first} to {last}", said.key_bytes))?;
    field(out, "values", format_args!("{} bytes", said.value_bytes))?;
    field(out, "sequences", format_args!("{} to {}", said.lowest_seq, said.highest_seq))?;
    field(out, "codec", format_args!("{:?}", said.codec))?;
    Ok(())
}

fn blocks_head(out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(
        out,
        "{:>7} {:>12} {:>8} {:>8} {:>5} {:>7} {:>10} {:>6} {:>6} {:>7} {:>5} {:>17} checksum",
        "number",
        "offset",
        "stored",
        "raw",
        "codec",
        "entries",
        "tombstones",
        "hidden",
        "prefix",
        "buckets",
        "width",
        "base"
    )
}

/// The fixed fields of a block.
struct Fields {
    entries: u64,
    width: u64,
    buckets: u64,
    prefix: u64,
    base: u64,
}

/// A line of `--blocks`; `counts` are those of the index, where there is one.
fn block_line(
    out: &mut dyn Write,
    offset: u64,
    section: Option<&Section<'_>>,
    counts: Option<Counts>,
    payload: Option<&[u8]>,
) -> std::io::Result<()> {
    let or_dash = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
    let fields = payload.and_then(|payload| {
        let mut input = payload;
        let [entries, width] = decode::array::<2>(&mut input)?.map(u64::from);
        let buckets = u64::from(decode::u16(&mut input)?);
        let prefix = u64::from(decode::u32(&mut input)?);
        Some(Fields { entries, width, buckets, prefix, base: decode::u64(&mut input)? })
    });
    let of_block = |get: fn(&Fields) -> u64| fields.as_ref().map(get);
    let of_frame = |get: fn(&Section<'_>) -> u32| or_dash(section.map(get).map(u64::from));
    writeln!(
        out,
        "{:>7} {:>12} {:>8} {:>8} {:>5} {:>7} {:>10} {:>6} {:>6} {:>7} {:>5} {:>17} {}",
        of_frame(|section| section.number),
        offset,
        of_frame(|section| section.stored),
        of_frame(|section| section.raw),
        section.map_or("-", |section| section.codec),
        or_dash(of_block(|block| block.entries).or(counts.map(|counts| counts.entries))),
        or_dash(counts.map(|counts| counts.tombstones)),
        or_dash(counts.map(|counts| counts.hidden)),
        or_dash(of_block(|block| block.prefix)),
        or_dash(of_block(|block| block.buckets)),
        or_dash(of_block(|block| block.width)),
        or_dash(of_block(|block| block.base)),
        if payload.is_some() { "ok" } else { "BAD" },
    )
}

fn keys_of(meta: &RunMeta, handle: &BlockHandle) -> Keys {
    let number = handle.number as usize;
    let separator = |number| {
        let parts: Option<(&[u8], &[u8])> = meta.separator(number);
        parts.map(|(prefix, rest)| [prefix, rest].concat())
    };
    let after = number.checked_sub(1).and_then(separator);
    Keys::After { after, up_to: separator(number).unwrap_or_default() }
}

fn blocks(
    path: &Path,
    bytes: &[u8],
    reader: &RunReader<'_>,
    out: &mut dyn Write,
) -> Result<Vec<Fault>, Failure> {
    let (meta, mut faults) = (reader.meta(), Vec::new());
    blocks_head(out)?;
    for handle in meta.blocks() {
        let payload = reader.payload(handle.number as usize);
        let section = section(bytes, handle.offset);
        let good = payload.as_ref().ok().and_then(Option::as_deref);
        block_line(out, handle.offset, section.as_ref(), Some(handle.counts), good)?;
        let error = payload.err();
        faults.extend(error.map(|error| Fault::of_table(path, &error, keys_of(meta, &handle))));
    }
    Ok(faults)
}

/// The entries of a block, a line each; gives what ends them early.
fn entry_lines(
    out: &mut dyn Write,
    payload: &[u8],
    offset: u64,
) -> Result<Option<SstError>, Failure> {
    let block = match Block::parse(payload, offset) {
        Ok(block) => block,
        Err(error) => return Ok(Some(error)),
    };
    let mut key = Vec::new();
    for entry in block.iter() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return Ok(Some(error)),
        };
        let entry = entry.join(&mut key);
        let (key, value) = (shown(entry.user_key), shown(entry.value));
        writeln!(out, "{key}\t{}\t{}\t{value}", entry.seq, kind_name(entry.kind))?;
    }
    Ok(None)
}

pub(super) const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Delete => "delete",
        Kind::Put => "put",
    }
}

fn entries(
    path: &Path,
    reader: &RunReader<'_>,
    out: &mut dyn Write,
) -> Result<Vec<Fault>, Failure> {
    let (meta, mut faults) = (reader.meta(), Vec::new());
    for handle in meta.blocks() {
        let error = match reader.payload(handle.number as usize) {
            Ok(payload) => entry_lines(out, &payload.unwrap_or_default(), handle.offset)?,
            Err(error) => Some(error),
        };
        faults.extend(error.map(|error| Fault::of_table(path, &error, keys_of(meta, &handle))));
    }
    Ok(faults)
}

fn index(meta: &RunMeta, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(
        out,
        "{:>7} {:>12} {:>8} {:>7} {:>10} {:>6} goes-on separator",
        "number", "offset", "length", "entries", "tombstones", "hidden"
    )?;
    for handle in meta.blocks() {
        let BlockHandle { number, offset, len, counts, continues } = handle;
        let Counts { entries, tombstones, hidden } = counts;
        let (prefix, rest) = meta.separator(number as usize).unwrap_or_default();
        let separator = shown(&[prefix, rest].concat());
        let goes_on = if continues { "yes" } else { "no" };
        writeln!(
            out,
            "{number:>7} {offset:>12} {len:>8} {entries:>7} {tombstones:>10} {hidden:>6} \
             {goes_on:>7} {separator}"
        )?;
    }
    Ok(())
}

/// The list of properties as it stands in the file, unknown ones included.
fn properties(bytes: &[u8], out: &mut dyn Write) -> Result<(), Failure> {
    let section = tail(bytes).and_then(|(_, at)| section(bytes, at));
    let mut input = section.map_or(&[][..], |section| section.payload);
    while !input.is_empty() {
        let mut next =
            || Some((decode::varint(&mut input)?, decode::bytes(&mut input, usize::MAX)?));
        // The reader has read it before: it is a list of tags and bytes.
        let Some((tag, value)) = next() else { break };
        let mut number = value;
        let number = decode::varint(&mut number).filter(|_| number.is_empty());
        let (name, text) = match (property_name(tag), number) {
            (Some(name), _) if matches!(tag, 7 | 8) => (name, shown(value)),
            (Some(name), Some(number)) => (name, number.to_string()),
            (name, _) => (name.unwrap_or("unknown"), hex(value)),
        };
        writeln!(out, "{tag:>3} {name:24} {text}")?;
    }
    Ok(())
}

const fn property_name(tag: u64) -> Option<&'static str> {
    Some(match tag {
        1 => "entries",
        2 => "tombstones",
        3 => "hidden versions",
        4 => "bytes of keys",
        5 => "bytes of values",
        6 => "data blocks",
        7 => "smallest key",
        8 => "largest key",
        9 => "lowest sequence number",
        10 => "highest sequence number",
        11 => "smallest expiry",
        12 => "largest expiry",
        13 => "codec offered",
        _ => return None,
    })
}

/// What a walk without the index finds.
fn without_index(
    path: &Path,
    bytes: &[u8],
    error: &SstError,
    view: View,
    out: &mut dyn Write,
) -> Result<Vec<Fault>, Failure> {
    let fault = Fault::of_table(path, error, Keys::All);
    let damaged = matches!(error, SstError::Damaged { .. });
    let pieces = if damaged { table::pieces(bytes, None) } else { None };
    let (Some(pieces), View::Summary | View::Blocks | View::Entries) = (pieces, view) else {
        return Ok(vec![fault]);
    };
    let mut faults = vec![fault.because("shown is what a walk without the index finds")];
    if view != View::Entries {
        owner(out, &pieces.identity().filter_identity())?;
        blocks_head(out)?;
    }
    for piece in pieces {
        match (piece, view) {
            (Piece::Block { offset, payload, .. }, View::Entries) => {
                let error = entry_lines(out, &payload, offset)?;
                faults.extend(error.map(|error| Fault::of_table(path, &error, Keys::All)));
            }
            (Piece::Block { offset, payload, .. }, _) => {
                block_line(out, offset, section(bytes, offset).as_ref(), None, Some(&payload))?;
            }
            (Piece::Tail { offset, kind }, View::Summary | View::Blocks) => {
                writeln!(out, "{:>7} {offset:>12} {kind:?}, intact", "-")?;
            }
            (Piece::Lost { offset, len }, View::Summary | View::Blocks) => {
                writeln!(out, "{:>7} {offset:>12} {} lost", "-", count(len, "byte"))?;
            }
            (Piece::Unsupported { error, .. }, _) => {
                faults.push(Fault::of_table(path, &error, Keys::All));
            }
            _ => {}
        }
    }
    Ok(faults)
}

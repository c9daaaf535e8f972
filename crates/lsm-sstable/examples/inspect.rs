//! Shows what is inside a table file, and what can be saved of a damaged one.
//!
//! `cargo run -p lsm-sstable --example inspect -- FILE`; without a file it makes a
//! table, damages it, and shows that.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use lsm_sstable::{Block, Identity, Piece, RunReader, RunWriter, Salvage, WriteOptions, problems};

fn main() -> Result<(), Box<dyn Error>> {
    let bytes = match env::args_os().nth(1).map(PathBuf::from) {
        Some(path) => fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?,
        None => damaged_table()?,
    };
    match RunReader::new(&bytes) {
        Ok(reader) => show(&reader)?,
        Err(error) => println!("index or footer cannot be read: {error}"),
    }
    let found = problems(&bytes);
    for problem in &found {
        println!("problem: {}", problem.error);
        if let Some(keys) = &problem.keys {
            let after =
                keys.after.as_deref().map_or("the first key".into(), String::from_utf8_lossy);
            println!("  keys after {after} up to {}", String::from_utf8_lossy(&keys.up_to));
        }
    }
    if !found.is_empty() {
        salvage(&bytes)?;
    }
    Ok(())
}

fn show(reader: &RunReader<'_>) -> Result<(), Box<dyn Error>> {
    let (meta, properties) = (reader.meta(), reader.properties());
    println!("table {} of store {}", meta.identity().number, meta.identity().store);
    println!("{properties:#?}");
    for handle in meta.blocks() {
        let Ok(Some(payload)) = reader.payload(handle.number as usize) else { continue };
        let block = Block::parse(&payload, handle.offset)?;
        println!(
            "block {} at {}: {} bytes, {} entries, prefix {:?}",
            handle.number,
            handle.offset,
            handle.len,
            block.len(),
            String::from_utf8_lossy(block.prefix()),
        );
    }
    Ok(())
}

fn salvage(bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut rows = 0;
    for piece in Salvage::new(bytes)? {
        match piece {
            Piece::Block { offset, payload, .. } => rows += Block::parse(&payload, offset)?.len(),
            Piece::Lost { offset, len } => println!("lost: {len} bytes at {offset}"),
            Piece::Unsupported { offset, error } => println!("at {offset}: {error}"),
            Piece::Tail { offset, kind } => println!("intact: {kind:?} at {offset}"),
        }
    }
    println!("{rows} entries can be saved");
    Ok(())
}

fn damaged_table() -> Result<Vec<u8>, Box<dyn Error>> {
    let mut writer = RunWriter::new(Identity::alone([7; 16]), WriteOptions::PLAIN)?;
    for n in 0..200 {
        writer.push(format!("row-{n:05}").as_bytes(), &[0; 100])?;
    }
    let mut bytes = writer.finish()?.bytes;
    if let Some(byte) = bytes.get_mut(5_000) {
        *byte ^= 1;
    }
    Ok(bytes)
}

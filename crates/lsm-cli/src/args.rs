//! The command line: what can be asked for, and what the help says of it.
//!
//! Keys and values stay as they were typed; [`crate::notation`] reads them.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

use crate::notation::Notation;

const HELP: &str = "\
Notation:
  Keys and values are text. On output, one that is not UTF-8 or has control characters
  is printed with escapes: \\t, \\n, \\\\ and \\xNN for any other byte. With --escaped
  the input is read in the same way, and every backslash of the output is escaped; with
  --hex both are hexadecimal. Either of the two is exact: what scan prints, load reads.

Exit codes:
  0  done; also when the reader of the output has gone (lsm scan DIR | head)
  1  get: the key is not there
  2  the call is wrong (options, or a KEY or VALUE that is not in its notation)
  3  input or output failed, or DIR holds no store
  4  the store is damaged
  5  the store is busy: another process has it open
  6  the input has invalid data (load: a malformed line; a key or value too long)

Messages go to standard error and begin `lsm: `.";

/// A store of keys and values, on the command line.
#[derive(Debug, Parser)]
#[command(name = "lsm", version, after_help = HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Put every line of a file into the store, which is created if there is none
    Load(LoadArgs),
    /// Print the value of a key
    Get(GetArgs),
    /// Print what a get of a key looks at: write buffers, runs, filters, blocks
    Explain(ExplainArgs),
    /// Set a key to a value; the store is created if there is none
    Put(PutArgs),
    /// Delete a key; it is no error if the key is not there
    Delete(DeleteArgs),
    /// Print keys and values in the order of the keys, a tab between the two
    Scan(ScanArgs),
    /// Merge all that the store holds, or the keys within bounds, and give back their space
    Compact(CompactArgs),
    /// Print what the store holds and did: runs, tables, levels, bytes, entries, tombstones
    Stats(StatsArgs),
}

#[derive(Debug, ClapArgs)]
#[command(after_help = LOAD_HELP)]
pub(crate) struct LoadArgs {
    /// The directory of the store
    pub(crate) dir: PathBuf,
    /// The file to read; `-` is standard input
    #[arg(default_value = "-")]
    pub(crate) file: PathBuf,
    /// Take each whole line as a key; its value is the number of the line, from 1
    #[arg(long)]
    pub(crate) lines: bool,
    /// Pass over malformed lines and say at the end how many there were
    #[arg(long)]
    pub(crate) skip_bad: bool,
    #[command(flatten)]
    pub(crate) notation: NotationArgs,
}

const LOAD_HELP: &str = "\
A line is a key, a tab and a value; further tabs belong to the value. Lines end with LF
or CRLF. A line is malformed if it has no tab (unless --lines), is not in the notation
asked for, or is longer than 256 MiB. Loading stops at the first such line with exit
code 6; the lines before it are in the store. Of equal keys the last line wins.";

#[derive(Debug, ClapArgs)]
pub(crate) struct GetArgs {
    /// The directory of the store
    pub(crate) dir: PathBuf,
    /// The key
    #[arg(allow_negative_numbers = true)]
    pub(crate) key: OsString,
    #[command(flatten)]
    pub(crate) notation: NotationArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ExplainArgs {
    /// The directory of the store
    pub(crate) dir: PathBuf,
    /// The key
    #[arg(allow_negative_numbers = true)]
    pub(crate) key: OsString,
    #[command(flatten)]
    pub(crate) notation: NotationArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct PutArgs {
    /// The directory of the store
    pub(crate) dir: PathBuf,
    /// The key
    #[arg(allow_negative_numbers = true)]
    pub(crate) key: OsString,
    /// The value
    #[arg(allow_negative_numbers = true)]
    pub(crate) value: OsString,
    #[command(flatten)]
    pub(crate) notation: NotationArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DeleteArgs {
    /// The directory of the store
    pub(crate) dir: PathBuf,
    /// The key
    #[arg(allow_negative_numbers = true)]
    pub(crate) key: OsString,
    #[command(flatten)]
    pub(crate) notation: NotationArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ScanArgs {
    /// The directory of the store
    pub(crate) dir: PathBuf,
    /// Only keys that begin with this
    #[arg(long, value_name = "KEY", allow_negative_numbers = true)]
    pub(crate) prefix: Option<OsString>,
    /// Only keys from this one on
    #[arg(long, value_name = "KEY", allow_negative_numbers = true)]
    pub(crate) from: Option<OsString>,
    /// Only keys before this one
    #[arg(long, value_name = "KEY", allow_negative_numbers = true)]
    pub(crate) to: Option<OsString>,
    /// From the last key to the first
    #[arg(long)]
    pub(crate) reverse: bool,
    /// At most so many
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Leave the values out
    #[arg(long)]
    pub(crate) keys_only: bool,
    #[command(flatten)]
    pub(crate) notation: NotationArgs,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = COMPACT_HELP)]
pub(crate) struct CompactArgs {
    /// The directory of the store
    pub(crate) dir: PathBuf,
    /// Only keys from this one on
    #[arg(long, value_name = "KEY", allow_negative_numbers = true)]
    pub(crate) from: Option<OsString>,
    /// Only keys before this one
    #[arg(long, value_name = "KEY", allow_negative_numbers = true)]
    pub(crate) to: Option<OsString>,
    #[command(flatten)]
    pub(crate) notation: NotationArgs,
}

const COMPACT_HELP: &str = "\
Afterwards each key is stored once, and nothing is left of what was deleted. It is done
piece by piece: what was merged before an interruption stays merged. It needs room for a
piece, about 100 MB. A store does not need it: it is merged in the background while a
program has it open.";

#[derive(Debug, ClapArgs)]
pub(crate) struct StatsArgs {
    /// The directory of the store
    pub(crate) dir: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, ClapArgs)]
pub(crate) struct NotationArgs {
    /// Keys and values are hexadecimal, in input and output
    #[arg(long)]
    hex: bool,
    /// Keys and values have escapes (\t, \n, \\, \xNN), in input and output
    #[arg(long, conflicts_with = "hex")]
    escaped: bool,
}

impl NotationArgs {
    pub(crate) fn notation(self) -> Notation {
        match self {
            NotationArgs { hex: true, .. } => Notation::Hex,
            NotationArgs { escaped: true, .. } => Notation::Escaped,
            _ => Notation::Text,
        }
    }
}

//! The policy without any I/O: a million flushes folded into versions.
//!
//! ```sh
//! cargo bench -p lsm-compaction --bench simulate -- --flushes 1000000 --workload random
//! ```
//!
//! `--workload` may be given more than once (`random`, `sequential`, `overwrite`, `zipf`,
//! `delete`, `queue`; all of them unless told), as may `--size` (of the data, in bytes;
//! 1e9 to 1e13 unless told). Further: `--memtable` in bytes (16 MiB), `--trigger` (4),
//! `--pace` for bytes that merges may write for each byte flushed (all that is due),
//! `--slow` for a writer after each of whose flushes the store comes to rest, `--pick` for
//! the time that picking takes.
//!
//! After each flush plans are folded until there is none, so the figures are those of a
//! background that keeps up. Beyond 256 tables of the largest size, tables and slices are
//! larger instead of more: how much is merged does not depend on that, only into how many
//! pieces, and a version is copied with each edit. The column *tables* counts what there
//! would be. Without `--bench` among the arguments, as `cargo test` runs it, a few
//! thousand flushes are folded.

mod load;
mod mix;
mod picking;
mod store;

use std::io::Write;
use std::time::Instant;

use crate::load::{Load, Workload};
use crate::store::{Figures, Result, Store};

struct Args {
    flushes: u64,
    workloads: Vec<(String, Workload)>,
    sizes: Vec<f64>,
    memtable: f64,
    trigger: usize,
    pick: bool,
    slow: bool,
    pace: f64,
}

fn args() -> Result<Args> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let is_bench = given.iter().any(|arg| arg == "--bench");
    let mut args = Args {
        flushes: if is_bench { 1_000_000 } else { 2_000 },
        workloads: Vec::new(),
        sizes: Vec::new(),
        memtable: f64::from(16 << 20),
        trigger: 4,
        pick: false,
        slow: false,
        pace: f64::INFINITY,
    };
    let mut given = given.into_iter().filter(|arg| arg != "--bench");
    while let Some(name) = given.next() {
        match name.as_str() {
            "--pick" => args.pick = true,
            "--slow" => args.slow = true,
            _ => {}
        }
        if args.pick || name == "--slow" {
            continue;
        }
        let value = given.next().ok_or_else(|| format!("{name} takes a value"))?;
        match name.as_str() {
            "--flushes" => args.flushes = value.parse()?,
            "--pace" => args.pace = value.parse()?,
            "--memtable" => args.memtable = value.parse()?,
            "--trigger" => args.trigger = value.parse()?,
            "--size" => args.sizes.push(value.parse()?),
            "--workload" => {
                let workload = Workload::from_name(&value).ok_or("no such workload")?;
                args.workloads.push((value, workload));
            }
            _ => return Err(format!("no such option: {name}").into()),
        }
    }
    if args.workloads.is_empty() {
        let all = Workload::ALL.iter().map(|(name, workload)| ((*name).to_owned(), *workload));
        args.workloads = all.collect();
    }
    if args.sizes.is_empty() {
        args.sizes = vec![1e9, 1e10, 1e11, 1e12, 1e13];
    }
    Ok(args)
}

fn main() -> Result<()> {
    let args = args()?;
    let mut out = std::io::stdout().lock();
    if args.pick {
        return picking::measure(&mut out);
    }
    for (name, workload) in &args.workloads {
        writeln!(out, "\n### {name}\n")?;
        let head = [
            "data",
            "flushes",
            "written",
            "written, settled",
            "space, mean",
            "space, most",
            "space, settled",
            "runs a get asks, mean",
            "runs, most",
            "runs, settled",
            "tables",
            "false answers a miss, equal bits",
            "by size",
        ];
        writeln!(out, "| {} |\n|{}", head.join(" | "), " ---: |".repeat(head.len()))?;
        let begun = Instant::now();
        let mut written = Vec::new();
        for size in &args.sizes {
            written.push((show_bytes(*size), run(&mut out, &args, *workload, *size)?));
            out.flush()?;
        }
        writeln!(out, "\nwritten, a mark for each half of what the user wrote:\n")?;
        for (size, written) in written {
            let bar = "#".repeat((written * 2.0).round() as usize);
            writeln!(out, "{size:>7} {bar} {written:.2}")?;
        }
        writeln!(out, "\n{:.0} s", begun.elapsed().as_secs_f64())?;
    }
    Ok(())
}

/// One line: a workload at a size. Returns what was written for a byte of the user.
fn run(out: &mut impl Write, args: &Args, workload: Workload, size: f64) -> Result<f64> {
    let load = Load::new(workload, size, args.memtable);
    let mut store = Store::new(args.trigger, 32 << 20, load.domain)?;
    store.pace = args.pace;
    let mut flushes = load.round;
    if workload.is_full() {
        store.begin_with(load.full())?;
        if workload != Workload::Delete {
            flushes = 3 * load.round;
        }
    }
    let flushes = flushes.min(args.flushes);
    for number in 0..flushes {
        store.flush(load.flush(number), load.user_bytes)?;
        store.fold(args.slow)?;
        store.sample(load.live(number + 1));
    }
    let figures = store.figures;
    let tables = store.real_tables();
    let (equal, shared) = store.false_answers();
    store.fold(true)?;
    let Figures { user_bytes, .. } = figures;
    let count = figures.samples.max(1) as f64;
    let cells = [
        show_bytes(size),
        figures.flushes.to_string(),
        format!("{:.2}", figures.written / user_bytes),
        format!("{:.2}", store.figures.written / user_bytes),
        format!("{:.2}", figures.space_sum / count),
        format!("{:.2}", figures.most_space),
        format!("{:.2}", store.bytes() as f64 / load.live(flushes)),
        format!("{:.1}", figures.asked_sum / count),
        figures.most_runs.to_string(),
        store.version.runs().len().to_string(),
        tables.to_string(),
        format!("{equal:.3}"),
        format!("{shared:.3}"),
    ];
    writeln!(out, "| {} |", cells.join(" | "))?;
    Ok(figures.written / user_bytes)
}

fn show_bytes(bytes: f64) -> String {
    let units = [("TB", 1e12), ("GB", 1e9), ("MB", 1e6)];
    let (unit, size) = units.iter().find(|(_, size)| bytes >= *size).unwrap_or(&("B", 1.0));
    format!("{} {unit}", bytes / size)
}

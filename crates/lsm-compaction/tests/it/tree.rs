//! A tree as text: runs, newest first, whose keys are the letters a to z.

use std::fmt::Write as _;
use std::ops::Range;

use lsm_compaction::{Asked, Busy, Cuts, DropRule, Load, Plan, Policy};
use lsm_manifest::{Edit, EditOp, Span, TableMeta, Version};
use lsm_types::{RunNo, SeqNo, TableNo, TableUid};

const MIB: u64 = 1 << 20;
/// Each entry of a drawn tree has so many bytes.
const ENTRY_BYTES: u64 = 128;

pub(crate) struct Tree {
    version: Version,
    policy: Policy,
    busy: Busy,
    next: u64,
    plan: Option<(Version, Plan)>,
}

fn letter(key: &[u8]) -> usize {
    key.first().map_or(0, |byte| usize::from(byte - b'a'))
}

fn size(text: &str) -> u64 {
    let (number, unit) = text.split_at(text.len() - 1);
    let unit = match unit {
        "K" => 1 << 10,
        "M" => MIB,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => panic!("a size is a number with K, M, G or T: {text}"),
    };
    number.parse::<u64>().unwrap() * unit
}

fn show_size(bytes: u64) -> String {
    let units = [("T", 1_u64 << 40), ("G", 1 << 30), ("M", MIB), ("K", 1 << 10)];
    let unit = units
        .iter()
        .find(|(_, unit)| bytes >= 10 * unit || (bytes > 0 && bytes.is_multiple_of(*unit)))
        .unwrap_or(&("K", 1 << 10));
    format!("{}{}", bytes / unit.1, unit.0)
}

fn load(words: &[&str]) -> Load {
    match words {
        ["writing"] => Load::Writing,
        ["idle", credit] => Load::Idle { credit: size(credit.strip_prefix("credit=").unwrap()) },
        ["idle"] => Load::Idle { credit: 0 },
        _ => panic!("writing, or idle credit=..: {words:?}"),
    }
}

impl Tree {
    /// Tiers are full at the trigger unless a tree says otherwise: so the trees stay small.
    pub(crate) fn new() -> Self {
        Self {
            version: Version::default(),
            policy: Policy { writing_factor: 1, ..Policy::new(4, 32 * MIB) },
            busy: Busy::default(),
            next: 1000,
            plan: None,
        }
    }

    /// Carries a command out and says what came of it.
    pub(crate) fn command(&mut self, command: &str, input: &[&str]) -> String {
        let words: Vec<_> = command.split_whitespace().collect();
        match words.as_slice() {
            ["tree", settings @ ..] => self.define(settings, input),
            ["pick", how @ ..] => self.pick(load(how)),
            ["apply", how @ ..] => {
                let (_, plan) = self.plan.take().unwrap();
                self.apply(&plan, percent(how));
                self.draw()
            }
            ["fold", how @ ..] => self.fold(load(how)),
            ["asked", range] => self.show_asked(range),
            ["compact", range] => self.compact(range),
            ["flush", range, bytes] => self.flush(range, size(bytes)),
            ["debt"] => {
                let debt = self.policy.debt(&self.version);
                let upper = show_size(debt.upper_bytes);
                format!("{} runs in a tier, {upper} too much above", debt.tier_runs)
            }
            ["drops", keys @ ..] => self.drops(keys),
            ["cuts", keys @ ..] => self.cuts(keys),
            _ => panic!("no such command: {command}"),
        }
    }

    fn define(&mut self, settings: &[&str], lines: &[&str]) -> String {
        *self = Self::new();
        for setting in settings {
            let (name, value) = setting.split_once('=').unwrap();
            match name {
                "trigger" if value == "max" => self.policy.trigger = usize::MAX,
                "trigger" => self.policy.trigger = value.parse().unwrap(),
                "table" => {
                    let writing_factor = self.policy.writing_factor;
                    let policy = Policy::new(self.policy.trigger, size(value));
                    self.policy = Policy { writing_factor, ..policy };
                }
                "factor" => self.policy.writing_factor = value.parse().unwrap(),
                "slice" => self.policy.slice_bytes = size(value),
                _ => panic!("no such setting: {setting}"),
            }
        }
        let mut ops = vec![EditOp::Reserve(100_000)];
        for line in lines {
            let (head, tables) = line.split_once(':').unwrap();
            let words: Vec<_> = head.split_whitespace().collect();
            let run = RunNo::new(words[0].parse().unwrap()).unwrap();
            let level = u8::from(words.contains(&"lower"));
            if words.contains(&"taken") {
                self.busy.runs.insert(run);
            }
            for text in tables.split(',') {
                let table = self.table(text);
                ops.push(EditOp::AddTable { run, level, table });
            }
        }
        self.version = self.version.apply(&Edit { ops }).unwrap();
        self.draw()
    }

    /// `a..m 4M`, then perhaps `dead=50%`, `live=c..` and `fenced`.
    fn table(&mut self, text: &str) -> TableMeta {
        let mut words = text.split_whitespace();
        let (first, last) = words.next().unwrap().split_once("..").unwrap();
        let bytes = size(words.next().unwrap());
        let mut table =
            self.new_table(letter(first.as_bytes())..letter(last.as_bytes()) + 1, bytes);
        for word in words {
            if let Some(dead) = word.strip_prefix("dead=") {
                table.tombstones = table.entries * percent(&[dead]) / 100;
            } else if let Some(live) = word.strip_prefix("live=") {
                let (start, end) = live.split_once("..").unwrap();
                let end = Some(end.as_bytes().to_vec()).filter(|end| !end.is_empty());
                table.live = Span { start: start.as_bytes().to_vec(), end };
            } else {
                assert_eq!(word, "fenced");
                self.busy.fenced.insert(table.number);
            }
        }
        table
    }

    fn new_table(&mut self, letters: Range<usize>, bytes: u64) -> TableMeta {
        self.next += 1;
        let key = |letter: usize| vec![b'a' + u8::try_from(letter).unwrap()];
        TableMeta {
            number: TableNo::new(self.next).unwrap(),
            uid: TableUid([0; 16]),
            file_bytes: bytes,
            entries: (bytes / ENTRY_BYTES).max(1),
            tombstones: 0,
            raw_bytes: bytes,
            lowest_seq: SeqNo::ZERO,
            highest_seq: SeqNo::ZERO,
            first: key(letters.start),
            last: key(letters.end - 1),
            live: Span::all(),
        }
    }

    fn pick(&mut self, load: Load) -> String {
        let plan = self.policy.pick(&self.version, &self.busy, load);
        let text = plan.as_ref().map_or("nothing".into(), |plan| self.show(plan));
        self.plan = plan.map(|plan| (self.version.clone(), plan));
        text
    }

    fn drops(&self, keys: &[&str]) -> String {
        let rule = self.plan.as_ref().map_or_else(
            || DropRule::for_flush(&self.version),
            |(version, plan)| DropRule::for_plan(version, plan),
        );
        let kept = keys.iter().filter(|key| !rule.may_drop(key.as_bytes()));
        format!("kept: {}", kept.copied().collect::<Vec<_>>().join(" "))
    }

    /// The keys of a flush, or of the last plan's output, with what separates tables.
    fn cuts(&self, keys: &[&str]) -> String {
        let mut cuts = match &self.plan {
            Some((version, plan)) => Cuts::for_plan(&self.policy, version, plan),
            None => Cuts::for_flush(&self.policy, &self.version, 4 * MIB),
        };
        let mut text = keys[0].to_owned();
        for pair in keys.windows(2) {
            let ends = cuts.ends_between(pair[0].as_bytes(), pair[1].as_bytes());
            text += if ends { " | " } else { " " };
            text += pair[1];
        }
        text
    }

    fn show(&self, plan: &Plan) -> String {
        let numbers: Vec<_> = plan.runs.iter().map(ToString::to_string).collect();
        let what = if plan.moves() { "move" } else { "merge" };
        let mut text =
            format!("{}: {what} runs {} into {}", plan.reason, numbers.join(" "), plan.base);
        let key = |key: &[u8]| String::from_utf8(key.to_vec()).unwrap();
        let end = plan.span.end.as_deref().map_or(String::new(), key);
        if *plan.span.start != *b"" || plan.span.end.is_some() {
            write!(text, ", keys {}..{end}", key(&plan.span.start)).unwrap();
        }
        if plan.charge > 0 {
            write!(text, ", for {} of credit", show_size(plan.charge)).unwrap();
        }
        writeln!(text).unwrap();
        for table in plan.moved() {
            writeln!(text, "  moved {}..{}", key(&table.first), key(&table.last)).unwrap();
        }
        for input in &plan.inputs {
            let (_, table) = self.version.tables().find(|it| it.1.number == input.table).unwrap();
            let stays = if input.stays { ", the rest stays" } else { "" };
            let bytes = show_size(input.bytes);
            let (first, last) = (key(&table.first), key(&table.last));
            writeln!(text, "  from {}: {first}..{last} {bytes}{stays}", input.run).unwrap();
        }
        if !plan.moves() {
            let cuts: Vec<_> = plan.cuts.iter().map(|cut| key(cut)).collect();
            let cuts = if cuts.is_empty() {
                cuts.join("")
            } else {
                format!(", cut at {}", cuts.join(" "))
            };
            let bottom = if plan.is_bottom { ", at the bottom" } else { "" };
            let bytes = show_size(plan.table_bytes);
            writeln!(text, "  out: level {}, tables of {bytes}{cuts}{bottom}", plan.level).unwrap();
        }
        text.trim_end().into()
    }

    /// Commits a plan; `kept` of a hundred bytes are left by a merge.
    fn apply(&mut self, plan: &Plan, kept: u64) {
        let mut covered = [0_u64; 26];
        for input in &plan.inputs {
            let (_, table) = self.version.tables().find(|it| it.1.number == input.table).unwrap();
            let whole = letter(&table.first)..letter(&table.last) + 1;
            let live = whole.clone().filter(|at| table.live.contains(&[b'a' + *at as u8]));
            let live = live.collect::<Vec<_>>();
            let inside = live.iter().filter(|at| plan.span.contains(&[b'a' + **at as u8]));
            let alive =
                if plan.is_bottom { table.entries - table.tombstones } else { table.entries };
            let bytes = table.file_bytes * alive / table.entries * kept / 100;
            inside.for_each(|at| covered[*at] += bytes / whole.len() as u64);
        }
        let mut outputs = Vec::new();
        let mut begin: Option<(usize, u64)> = None;
        for (at, bytes) in covered.into_iter().enumerate() {
            let cut = plan.cuts.iter().any(|cut| letter(cut) == at);
            if let Some((first, have)) = begin
                && (cut || bytes == 0 || have + bytes > plan.table_bytes)
            {
                outputs.push(self.new_table(first..at, have));
                begin = None;
            }
            if bytes > 0 {
                let (first, have) = begin.unwrap_or((at, 0));
                begin = Some((first, have + bytes));
            }
        }
        if let Some((first, have)) = begin {
            outputs.push(self.new_table(first..26, have));
        }
        self.version = self.version.apply(&Edit { ops: plan.edit(outputs) }).unwrap();
    }

    fn fold(&mut self, mut load: Load) -> String {
        let mut text = String::new();
        for _ in 0..100 {
            let Some(plan) = self.policy.pick(&self.version, &self.busy, load) else {
                return text + &self.draw();
            };
            if let Load::Idle { credit } = &mut load {
                *credit -= plan.charge;
            }
            writeln!(text, "{}", self.show(&plan).lines().next().unwrap()).unwrap();
            self.apply(&plan, 100);
        }
        panic!("no end of it:\n{text}");
    }

    /// What somebody asks for who names letters, of all runs up to now.
    fn asked(&self, range: &str) -> Asked {
        let (start, end) = range.split_once("..").unwrap();
        let end = Some(end.as_bytes().to_vec()).filter(|end| !end.is_empty());
        let newest = *self.version.runs().last_key_value().unwrap().0;
        Asked { span: Span { start: start.as_bytes().to_vec(), end }, newest }
    }

    fn show_asked(&mut self, range: &str) -> String {
        let asked = self.asked(range);
        let left = show_size(asked.bytes_left(&self.version));
        match self.policy.pick_asked(&self.version, &self.busy, &asked) {
            Ok(plan) => {
                let text = plan.as_ref().map_or("nothing".into(), |plan| self.show(plan));
                self.plan = plan.map(|plan| (self.version.clone(), plan));
                format!("{left} left\n{text}")
            }
            Err(hindered) => format!("{left} left\nhindered: {hindered:?}"),
        }
    }

    fn compact(&mut self, range: &str) -> String {
        let asked = self.asked(range);
        let mut text = String::new();
        for _ in 0..200 {
            let picked = self.policy.pick_asked(&self.version, &self.busy, &asked);
            let Some(plan) = picked.unwrap() else { return text + &self.draw() };
            writeln!(text, "{}", self.show(&plan).lines().next().unwrap()).unwrap();
            self.apply(&plan, 100);
        }
        panic!("no end of it:\n{text}");
    }

    fn flush(&mut self, range: &str, bytes: u64) -> String {
        let (first, last) = range.split_once("..").unwrap();
        let letters = letter(first.as_bytes())..letter(last.as_bytes()) + 1;
        let table = self.new_table(letters, bytes);
        let joined =
            self.policy.join_newest(&self.version, &self.busy, std::slice::from_ref(&table));
        let newest = self.version.runs().last_key_value();
        let next = newest.map_or(1, |(run, _)| run.get() + 1);
        let run = joined.unwrap_or_else(|| RunNo::new(next).unwrap());
        let level = self.version.runs().get(&run).map_or(0, |run| run.level);
        let edit = Edit { ops: vec![EditOp::AddTable { run, level, table }] };
        self.version = self.version.apply(&edit).unwrap();
        let what = if joined.is_some() { "joins run" } else { "is run" };
        format!("{what} {run}\n{}", self.draw())
    }

    /// One line a run: its tables over the letters, their sizes, and what is marked.
    fn draw(&self) -> String {
        let mut text = String::from("      abcdefghijklmnopqrstuvwxyz");
        for (number, run) in self.version.runs().iter().rev() {
            let mut line = [' '; 26];
            let mut sizes = Vec::new();
            for table in &run.tables {
                let (first, last) = (letter(&table.first), letter(&table.last));
                let is_live = |at: usize| table.live.contains(&[b'a' + at as u8]);
                let (from, to) = (
                    (first..=last).find(|at| is_live(*at)).unwrap_or(first),
                    (first..=last).rev().find(|at| is_live(*at)).unwrap_or(last),
                );
                line[from..=to].fill('-');
                line[from] = '[';
                line[to] = if from == to { '|' } else { ']' };
                let mut size = show_size(table.file_bytes);
                if table.tombstones > 0 {
                    write!(size, " {}% dead", table.tombstones * 100 / table.entries).unwrap();
                }
                if self.busy.fenced.contains(&table.number) {
                    size += " fenced";
                }
                sizes.push(size);
            }
            let taken = if self.busy.runs.contains(number) { " taken" } else { "" };
            let level = if run.level > 0 { "L" } else { " " };
            let sizes = group(&sizes);
            write!(text, "\n{number:>4}{level} {}  {sizes}{taken}", String::from_iter(line))
                .unwrap();
        }
        text
    }
}

/// `4M 4M 4M 8M` as `3x 4M, 8M`.
fn group(sizes: &[String]) -> String {
    let groups = sizes.chunk_by(|a, b| a == b);
    let texts = groups.map(|group| match group.len() {
        1 => group[0].clone(),
        count => format!("{count}x {}", group[0]),
    });
    texts.collect::<Vec<_>>().join(", ")
}

fn percent(words: &[&str]) -> u64 {
    words
        .first()
        .map_or(100, |word| word.trim_start_matches("keep=").trim_end_matches('%').parse().unwrap())
}

//! What the golden tables hold. It is frozen with the format: a change here changes their bytes.
//!
//! Each table has a name, which fills its uid too, and rows that bring out one side of the format.

use lsm_sstable::{Codec, Entry, Identity, Kind, SeqNo, StoreId, TableNo, TableUid, WriteOptions};

/// The store that the golden tables say they belong to.
const STORE: StoreId = StoreId(*b"lsm-db golden v1");

/// One version of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) key: Vec<u8>,
    pub(super) seq: SeqNo,
    pub(super) kind: Kind,
    pub(super) value: Vec<u8>,
}

impl Row {
    fn new(key: impl Into<Vec<u8>>, seq: u64, value: impl Into<Vec<u8>>) -> Self {
        let seq = SeqNo::new(seq).unwrap_or(SeqNo::MAX);
        Self { key: key.into(), seq, kind: Kind::Put, value: value.into() }
    }

    fn deleted(self) -> Self {
        Self { kind: Kind::Delete, value: Vec::new(), ..self }
    }

    pub(super) fn entry(&self) -> Entry<'_> {
        Entry { user_key: &self.key, seq: self.seq, kind: self.kind, value: &self.value }
    }
}

/// One golden table.
#[derive(Debug)]
pub(super) struct Golden {
    pub(super) name: &'static str,
    number: u64,
    pub(super) options: WriteOptions,
    /// In order.
    pub(super) rows: Vec<Row>,
}

impl Golden {
    /// Whose table it is: fixed, as everything else about it.
    pub(super) fn identity(&self) -> Identity {
        let mut uid = [0; 16];
        uid.iter_mut().zip(self.name.bytes()).for_each(|(to, from)| *to = from);
        let number = TableNo::new(self.number).unwrap_or(TableNo::FIRST);
        Identity { store: STORE, number, uid: TableUid(uid) }
    }

    /// Whether writing it again gives the same bytes. Those of compressed blocks are the
    /// compressor's to choose; reading them is what is frozen.
    pub(super) fn has_fixed_bytes(&self) -> bool {
        self.options.codec == Codec::Plain
    }
}

/// All golden tables.
pub(super) fn set() -> Vec<Golden> {
    let plain = WriteOptions::PLAIN;
    let small_blocks = WriteOptions { block_bytes: 256, ..plain };
    let with_filter = WriteOptions { filter_bits: Some(10), ..plain };
    let tables = [
        ("decimal", with_filter, decimal()),
        ("random", plain, random()),
        ("versions", plain, versions()),
        ("edge", small_blocks, edge()),
        ("big", plain, big()),
        ("single", plain, vec![Row::new("key", 1, "value")]),
        ("lz4", WriteOptions::LZ4, lz4()),
    ];
    let numbered = (1..).zip(tables);
    numbered.map(|(number, (name, options, rows))| Golden { name, number, options, rows }).collect()
}

/// Numbers that look random and never change (SplitMix64, Steele, Lea, Flood, 2014).
struct Stream(u64);

impl Stream {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn bytes(&mut self, len: u64) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// Keys as programs number things: long shared prefixes, one length, newer and older mixed.
fn decimal() -> Vec<Row> {
    let mut stream = Stream(1);
    let row =
        |n: u64| Row::new(format!("{:016}", n * 37), 1_000 + n * 7_919 % 400, stream.bytes(100));
    (0..400).map(row).collect()
}

/// Keys of all lengths up to 24 with nothing in common.
fn random() -> Vec<Row> {
    let mut stream = Stream(2);
    let row = |_| {
        let (key, value) = (1 + stream.below(24), stream.below(33));
        Row::new(stream.bytes(key), stream.below(1 << 40), stream.bytes(value))
    };
    let mut rows: Vec<Row> = (0..500).map(row).collect();
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    rows.dedup_by(|a, b| a.key == b.key);
    rows
}

/// Keys with older versions and tombstones, and among them one that fills whole blocks.
fn versions() -> Vec<Row> {
    let mut stream = Stream(3);
    let mut rows = Vec::new();
    for number in 0..60_u64 {
        let versions = if number == 30 { 600 } else { 1 + stream.below(5) };
        let mut seq = 1_000_000 + stream.below(1_000);
        for _ in 0..versions {
            let row = Row::new(format!("account-{number:02}"), seq, stream.bytes(20));
            rows.push(if stream.below(4) == 0 { row.deleted() } else { row });
            seq -= 1 + stream.below(9);
        }
    }
    rows
}

/// All keys of up to four bytes out of the lowest and the highest, in small blocks, with the lowest
/// and the highest sequence number.
fn edge() -> Vec<Row> {
    let mut keys = vec![Vec::new()];
    for len in 1..=4 {
        for bits in 0..1_u8 << len {
            keys.push((0..len).map(|at| if bits >> at & 1 == 0 { 0 } else { 0xff }).collect());
        }
    }
    keys.sort();
    let row = |(number, key): (u64, Vec<u8>)| {
        let seq = match number % 3 {
            0 => 0,
            1 => SeqNo::MAX.get(),
            _ => 1 << number,
        };
        let row = Row::new(key, seq, vec![number as u8; number as usize % 4]);
        if number % 5 == 4 { row.deleted() } else { row }
    };
    (0..).zip(keys).map(row).collect()
}

/// One entry that is longer than any block, between small ones.
fn big() -> Vec<Row> {
    let small = |prefix: &str, number: u64| Row::new(format!("{prefix}-{number}"), number, "small");
    let mut rows: Vec<Row> = (0..5).map(|number| small("before", number)).collect();
    let mut key = b"middle-".to_vec();
    key.extend((0..69_993_u64).map(|at| (at * at % 251) as u8));
    let value: Vec<u8> = (0..100_000_u32).map(|at| (at % 241 * (at % 239)) as u8).collect();
    rows.push(Row::new(key, 77, value));
    rows.extend((0..5).map(|number| small("nearly-last", number)));
    rows
}

/// Values that shrink, then values that do not: compressed blocks, and plain ones among them.
fn lz4() -> Vec<Row> {
    let mut stream = Stream(7);
    let row = |number: u64| {
        let value = if number < 120 {
            format!("{{\"page\": {number}, \"text\": \"{}\"}}", "again and again, ".repeat(16))
                .into_bytes()
        } else {
            stream.bytes(300)
        };
        Row::new(format!("page/{number:06}"), 5_000 + number, value)
    };
    (0..190).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_has_what_it_is_for() {
        let set = set();
        let table = |name| &set.iter().find(|golden| golden.name == name).unwrap().rows;
        assert_eq!(table("decimal").len(), 400);
        assert_eq!(table("edge").len(), 31);
        assert_eq!(table("edge")[0].key, b"");
        let hot = table("versions").iter().filter(|row| row.key == b"account-30");
        assert_eq!(hot.count(), 600);
        assert!(table("versions").iter().any(|row| row.kind == Kind::Delete));
        let big = &table("big")[5];
        assert_eq!((big.key.len(), big.value.len()), (70_000, 100_000));
        for golden in &set {
            assert!(golden.name.len() <= 16);
            let ascends = |pair: &[Row]| pair[0].entry().key() < pair[1].entry().key();
            assert!(golden.rows.windows(2).all(ascends), "{}", golden.name);
        }
    }
}

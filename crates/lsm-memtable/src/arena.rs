//! Memory for entries: each is written once, never moved, and freed with the arena.
//!
//! Entries lie one behind another in chunks, from the first chunk to the last. An
//! entry too large to share a chunk has one of its own. An entry is
//!
//! ```text
//! stamp    a word: kind, and 128 if there is an older version, in the lowest byte;
//!          above, sequence number
//! lengths  a word: value length << 32 | key length
//! older    a word, only if there is one: the place of the next older version of the key
//! then     key, value, zeros up to a whole word
//! ```
//!
//! Nearly always stamp and lengths are one word: 64 is added to the kind, and above are
//! key length in 12 bits, value length in 24, and in 20 by how much the sequence number
//! is above that of the chunk's first entry.
//!
//! # Invariants
//!
//! * All words of a chunk below its `filled` were written in full before `filled`
//!   was raised over them (`Release`), and are never written again.
//! * Words from `filled` on are written by the holder of the arena's lock and read
//!   by nobody.
//! * A chunk's words stay where they are until the arena is dropped.
//!
//! Readers load `filled` (`Acquire`) and look at nothing behind it. So any number
//! may be taken for a [`Place`]: what is found there are bytes that were written
//! before, checked like those of a file. That is all that memory safety rests on;
//! no other module of this crate but `memory`, which lends the words, can break it.
#![expect(unsafe_code, reason = "bytes are written while others are read")]

use std::cell::UnsafeCell;
use std::num::NonZeroU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use lsm_types::{Entry, Kind, SeqNo};

use crate::memory::{self, Memory, SLAB_BYTES, Word};
use crate::roll::Roll;
use crate::sync::{AtomicU64, AtomicUsize, Mutex, MutexGuard, Tracked, lock, raise};

const WORD_BYTES: usize = size_of::<u64>();
const LINE_BYTES: usize = 64;
/// Cache lines that are asked for beforehand at most: what is read one behind another the
/// processor fetches by itself.
const MAX_LINES: usize = 4;
/// Key and value of a usual entry, where nobody knows better.
pub(crate) const USUAL_BYTES: usize = 120;
/// Added to the kind of an entry that replaced an older one.
const HAS_OLDER: u8 = 0x80;
/// Added to the kind where stamp and lengths are one word; and how many bits of it are
/// which. Eight are the kind's.
const IS_SHORT: u8 = 0x40;
const KEY_LEN_BITS: u32 = 12;
const VALUE_LEN_BITS: u32 = 24;
const DELTA_BITS: u32 = 20;
const _: () = assert!(8 + KEY_LEN_BITS + VALUE_LEN_BITS + DELTA_BITS == u64::BITS);
/// A place's low bits: the word in its chunk. The rest of its 40 bits: the chunk.
const WORD_BITS: u32 = 15;

/// The most a chunk of many entries takes: 256 KiB. Chunks of this size are reused. Those
/// that are looked at word by word are small.
const MAX_CHUNK_WORDS: usize = match (cfg!(all(loom, test)), cfg!(miri)) {
    (true, _) => 16,
    (_, true) => 128,
    _ => 1 << WORD_BITS,
};
/// The least: a page.
const MIN_CHUNK_WORDS: usize = match (cfg!(all(loom, test)), cfg!(miri)) {
    (true, _) => 16,
    (_, true) => 64,
    _ => 512,
};
/// A new chunk takes this part of what the arena has or is meant to have.
const CHUNKS: usize = 16;
/// An entry that fills more than this part of a chunk gets its own.
const LARGE_PART: usize = if cfg!(all(loom, test)) { 2 } else { 8 };

/// Where an entry lies. Forty bits, never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(NonZeroU64);

impl Place {
    pub(crate) const BITS: u32 = 40;

    fn new(chunk: usize, word: usize) -> Option<Self> {
        let number = ((chunk as u64) << WORD_BITS) + word as u64 + 1;
        NonZeroU64::new(number).filter(|_| number >> Self::BITS == 0).map(Self)
    }

    #[inline]
    pub(crate) fn from_bits(bits: u64) -> Option<Self> {
        NonZeroU64::new(bits).map(Self)
    }

    #[inline]
    pub(crate) fn bits(self) -> u64 {
        self.0.get()
    }

    #[inline]
    fn split(self) -> (usize, usize) {
        let number = self.0.get() - 1;
        ((number >> WORD_BITS) as usize, number as usize & ((1 << WORD_BITS) - 1))
    }
}

/// An entry as it lies in the arena.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version<'a> {
    pub(crate) entry: Entry<'a>,
    /// The version of the key that this one replaced.
    pub(crate) older: Option<Place>,
}

impl Version<'_> {
    /// The words of an entry whose stamp and lengths take so many.
    fn words(&self, header_words: usize) -> usize {
        header_words
            + usize::from(self.older.is_some())
            + (self.entry.user_key.len() + self.entry.value.len()).div_ceil(WORD_BYTES)
    }

    /// Stamp and lengths in one word, if they fit, in a chunk that begins with `base`.
    fn short_header(&self, base: u64) -> Option<u64> {
        let Entry { user_key, seq, kind, value } = self.entry;
        let (key_len, value_len) = (user_key.len() as u64, value.len() as u64);
        let delta = seq.get().checked_sub(base)?;
        let fits = key_len >> KEY_LEN_BITS | value_len >> VALUE_LEN_BITS | delta >> DELTA_BITS == 0;
        let stamp = kind.to_byte() | IS_SHORT | self.older.map_or(0, |_| HAS_OLDER);
        let above = (delta << VALUE_LEN_BITS | value_len) << KEY_LEN_BITS | key_len;
        fits.then_some(above << 8 | u64::from(stamp))
    }
}

struct Chunk {
    words: Memory<Word>,
    filled: AtomicUsize,
    /// The sequence number of the first entry: written with it, before `filled` is raised.
    base: AtomicU64,
    /// Whether the chunk was made for its only entry.
    is_single: bool,
    tracked: Tracked,
}

// SAFETY: a chunk is shared for writing and reading at once.
// - Words from `filled` on are touched by `Chunk::write` alone, whose caller holds
//   the arena's lock: one thread at a time, ordered by the lock.
// - Words below `filled` are only read, by threads that loaded `filled` with
//   `Acquire` from the store with `Release` that followed their writing.
unsafe impl Sync for Chunk {}

impl Chunk {
    fn new(words: Memory<Word>, is_single: bool) -> Self {
        let (filled, base) = (AtomicUsize::new(0), AtomicU64::new(0));
        let tracked = Tracked::new(if cfg!(all(loom, test)) { words.len() } else { 0 });
        Self { words, filled, base, is_single, tracked }
    }

    /// Appends an entry. Returns the word it begins at, or `None` if it does not fit.
    ///
    /// # Safety
    ///
    /// No other thread writes to this chunk: it is not in an arena yet, or the caller
    /// holds the lock of the arena it is in.
    unsafe fn write(&self, version: &Version<'_>) -> Option<usize> {
        let start = self.filled.load(Relaxed);
        let Entry { user_key, seq, kind, value } = version.entry;
        if start == 0 {
            self.base.store(seq.get(), Relaxed);
        }
        let short = version.short_header(self.base.load(Relaxed));
        let header_words = if short.is_some() { 1 } else { 2 };
        let count = version.words(header_words);
        let room = self.words.get(start..start.checked_add(count)?)?;
        let stamp = u64::from(kind.to_byte() | version.older.map_or(0, |_| HAS_OLDER));
        let lengths = (value.len() as u64) << 32 | user_key.len() as u64;
        self.tracked.write(start..start + count);
        let first = UnsafeCell::raw_get(room.as_ptr()).cast::<u64>();
        // SAFETY:
        // - `room` is `count` words of this chunk, from `filled` on: by the caller's
        //   promise no other thread writes to them, and none reads them before
        //   `filled` is raised below. `UnsafeCell` allows writing behind `&self`.
        // - `count` is the words of the header, one or two, one more with an older
        //   version, and the words that key and value fill together, so that every
        //   write ends within `room`; `u64` needs the alignment that `Word` has.
        // - Key and value are borrowed: they lie elsewhere, or below `filled`.
        // - The last word goes first: what of it neither header nor bytes cover stays
        //   zero, and all `count` words are initialized.
        unsafe {
            first.add(count - 1).write(0);
            match short {
                Some(header) => first.write(header),
                None => {
                    first.write(seq.get() << 8 | stamp);
                    first.add(1).write(lengths);
                }
            }
            let mut behind = first.add(header_words);
            if let Some(older) = version.older {
                behind.write(older.bits());
                behind = behind.add(1);
            }
            let bytes = behind.cast::<u8>();
            bytes.copy_from_nonoverlapping(user_key.as_ptr(), user_key.len());
            bytes.add(user_key.len()).copy_from_nonoverlapping(value.as_ptr(), value.len());
        }
        raise(&self.filled, count, Release);
        Some(start)
    }

    /// The words from `start` to the end of what is filled.
    #[inline]
    fn filled_from(&self, start: usize) -> Option<&[u64]> {
        let words = self.words.get(start..self.filled.load(Acquire))?;
        self.tracked.read(start..start + words.len());
        // SAFETY:
        // - All of `words` lie below `filled`, loaded with `Acquire`: they were
        //   initialized in full by `write`, which this thread therefore sees, and
        //   nobody writes to them as long as the chunk lives, which `&self` outlasts.
        // - `Word` is `u64` inside `UnsafeCell` and `MaybeUninit`, both of which have
        //   the layout of what they hold.
        Some(unsafe { std::slice::from_raw_parts(words.as_ptr().cast::<u64>(), words.len()) })
    }

    /// The entry that begins at `start`, if one does.
    #[inline]
    fn version(&self, start: usize) -> Option<Version<'_>> {
        self.version_and_words(start).map(|(version, _)| version)
    }

    /// The same, and how many words it takes.
    #[inline]
    fn version_and_words(&self, start: usize) -> Option<(Version<'_>, usize)> {
        let (&stamp, mut rest) = self.filled_from(start)?.split_first()?;
        let (seq, key_len, value_len);
        let is_short = stamp as u8 & IS_SHORT != 0;
        if is_short {
            let low = |bits: u32| (1 << bits) - 1;
            let above = stamp >> 8;
            key_len = (above & low(KEY_LEN_BITS)) as usize;
            value_len = (above >> KEY_LEN_BITS & low(VALUE_LEN_BITS)) as usize;
            seq = self.base.load(Relaxed) + (above >> (KEY_LEN_BITS + VALUE_LEN_BITS));
        } else {
            let (&lengths, behind) = rest.split_first()?;
            (key_len, value_len) = (lengths as u32 as usize, (lengths >> 32) as usize);
            (seq, rest) = (stamp >> 8, behind);
        }
        let mut older = None;
        if stamp as u8 & HAS_OLDER != 0 {
            let (bits, behind) = rest.split_first()?;
            (older, rest) = (Some(Place::from_bits(*bits)?), behind);
        }
        let (user_key, rest) = bytes_of(rest).split_at_checked(key_len)?;
        let value = rest.get(..value_len)?;
        let kind = Kind::from_byte(stamp as u8 & !(HAS_OLDER | IS_SHORT)).ok()?;
        let version =
            Version { entry: Entry { user_key, seq: SeqNo::new(seq)?, kind, value }, older };
        let words = version.words(if is_short { 1 } else { 2 });
        Some((version, words))
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        if self.words.len() == MAX_CHUNK_WORDS {
            memory::keep(std::mem::take(&mut self.words));
        }
    }
}

/// The bytes of initialized words, in memory order.
#[inline]
fn bytes_of(words: &[u64]) -> &[u8] {
    // SAFETY: initialized words are `WORD_BYTES` times as many initialized bytes, which
    // need no alignment and are borrowed for as long.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast::<u8>(), size_of_val(words)) }
}

#[inline]
fn prefetch(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing that the program can see and cannot fault,
        // whatever the address; every x86-64 has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }
    #[cfg(any(not(target_arch = "x86_64"), miri))]
    let _ = address;
}

/// What only the writer knows.
struct Tail {
    chunks: usize,
    /// The chunk that takes the next entry, if it fits.
    open: Option<usize>,
}

/// Memory for the entries of one memtable.
pub(crate) struct Arena {
    chunks: Roll<Chunk>,
    expected_bytes: usize,
    bytes: AtomicUsize,
    tail: Mutex<Tail>,
}

impl Arena {
    /// An arena that is meant to hold about `expected_bytes`.
    pub(crate) fn new(expected_bytes: usize) -> Self {
        Self {
            chunks: Roll::new(),
            expected_bytes,
            bytes: AtomicUsize::new(0),
            tail: Mutex::new(Tail { chunks: 0, open: None }),
        }
    }

    /// The entry at a place.
    #[inline]
    pub(crate) fn get(&self, place: Place) -> Option<Version<'_>> {
        let (chunk, word) = place.split();
        self.chunks.get(chunk)?.version(word)
    }

    /// Shows every entry with a number above `seq` that was written before the call, from
    /// the newest chunk back.
    pub(crate) fn visit_newer(&self, seq: SeqNo, mut visit: impl FnMut(&Entry<'_>)) {
        let known = (0..).take_while(|number| self.chunks.get(*number).is_some()).count();
        for chunk in (0..known).rev().filter_map(|number| self.chunks.get(number)) {
            let mut word = 0;
            while let Some((version, words)) = chunk.version_and_words(word) {
                if version.entry.seq > seq {
                    visit(&version.entry);
                }
                word += words;
            }
            // When a chunk is begun that others share, nothing more comes into those before.
            let begins_before = |first: Version<'_>| first.entry.seq <= seq;
            if !chunk.is_single && chunk.version(0).is_some_and(begins_before) {
                return;
            }
        }
    }

    /// Asks the processor to fetch an entry that will be wanted soon and whose key and value
    /// may take so many bytes. What is behind its first cache line is otherwise asked for only
    /// when the key was found to be the one, or the value is copied.
    #[inline]
    pub(crate) fn prefetch(&self, place: Place, bytes: usize) {
        let (chunk, word) = place.split();
        let Some(first) = self.chunks.get(chunk).and_then(|chunk| chunk.words.get(word)) else {
            return;
        };
        let first = std::ptr::from_ref(first).cast::<u8>();
        let begin = first.addr() % LINE_BYTES;
        let lines = (begin + WORD_BYTES + bytes).div_ceil(LINE_BYTES).min(MAX_LINES);
        (0..lines).for_each(|line| prefetch(first.wrapping_add(line * LINE_BYTES)));
    }

    /// The key of the entry at a place.
    #[inline]
    pub(crate) fn key(&self, place: Place) -> &[u8] {
        self.get(place).map_or(&[], |version| version.entry.user_key)
    }

    /// Makes the caller the only one that writes.
    pub(crate) fn writer(&self) -> Writer<'_> {
        Writer { arena: self, tail: lock(&self.tail) }
    }

    /// What the arena takes, and the chunk it may take next.
    pub(crate) fn bytes(&self) -> usize {
        let taken = self.bytes.load(Relaxed);
        taken + self.next_chunk_words(taken) * WORD_BYTES
    }

    fn next_chunk_words(&self, taken: usize) -> usize {
        chunk_words(self.expected_bytes.max(taken))
    }

    /// Memory for a chunk, where so many bytes are taken. Whoever takes little is given no
    /// slab, and nobody one that would stay half empty.
    fn memory(&self, words: usize, taken: usize) -> Memory<Word> {
        if words != MAX_CHUNK_WORDS {
            return memory::unfilled(words);
        }
        let expected = self.expected_bytes.saturating_add(SLAB_BYTES / 4);
        memory::chunk(words, taken > 0 && taken.saturating_add(SLAB_BYTES) <= expected)
    }
}

/// How large a chunk is where there are, or are meant to be, so many bytes.
fn chunk_words(bytes: usize) -> usize {
    let words = bytes / CHUNKS / WORD_BYTES;
    words.next_multiple_of(MIN_CHUNK_WORDS).clamp(MIN_CHUNK_WORDS, MAX_CHUNK_WORDS)
}

/// The right to write to an arena.
pub(crate) struct Writer<'a> {
    arena: &'a Arena,
    tail: MutexGuard<'a, Tail>,
}

impl Writer<'_> {
    /// Copies an entry into the arena.
    pub(crate) fn push(&mut self, version: &Version<'_>) -> Place {
        let open = self.tail.open.and_then(|open| Some((open, self.arena.chunks.get(open)?)));
        if let Some((number, chunk)) = open {
            // SAFETY: this thread holds the lock of the arena that the chunk is in.
            let word = unsafe { chunk.write(version) };
            if let Some(place) = word.and_then(|word| Place::new(number, word)) {
                return place;
            }
        }
        self.push_into_new(version)
    }

    #[cold]
    fn push_into_new(&mut self, version: &Version<'_>) -> Place {
        let taken = self.arena.bytes.load(Relaxed);
        let words = self.arena.next_chunk_words(taken);
        let most_words = version.words(2);
        let is_single = most_words > words / LARGE_PART;
        let words = if is_single { most_words } else { words };
        let chunk = Chunk::new(self.arena.memory(words, taken), is_single);
        // SAFETY: no other thread knows the chunk yet.
        let _ = unsafe { chunk.write(version) };
        let number = self.tail.chunks;
        let bytes = words * WORD_BYTES + 2 * size_of::<Chunk>();
        raise(&self.arena.bytes, bytes, Relaxed);
        self.arena.chunks.add(number, chunk);
        self.tail.chunks += 1;
        if !is_single {
            self.tail.open = Some(number);
        }
        // 2^25 chunks hold a tebibyte: memory ends before numbers do.
        let end = || std::alloc::handle_alloc_error(std::alloc::Layout::new::<Chunk>());
        Place::new(number, 0).unwrap_or_else(end)
    }
}

/// How far someone has read an arena. Reads every entry once, not quite in the order of
/// writing; but where it stops, all entries that were written before one that it read
/// were read, too.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// Chunks known; all of them are done but the open one.
    chunks: usize,
    open: Option<usize>,
    word: usize,
}

impl Walk {
    /// Shows every entry written since the last time.
    pub(crate) fn advance(&mut self, arena: &Arena, mut visit: impl FnMut(Place)) {
        loop {
            // In this order: an entry read here may have come after a new chunk.
            self.drain(arena, &mut visit);
            let Some(chunk) = arena.chunks.get(self.chunks) else { return };
            if chunk.is_single {
                Place::new(self.chunks, 0).into_iter().for_each(&mut visit);
            } else {
                // Nothing more comes into the chunk that was open before.
                self.drain(arena, &mut visit);
                (self.open, self.word) = (Some(self.chunks), 0);
            }
            self.chunks += 1;
        }
    }

    fn drain(&mut self, arena: &Arena, visit: &mut impl FnMut(Place)) {
        let Some(open) = self.open else { return };
        let Some(chunk) = arena.chunks.get(open) else { return };
        while let Some((_, words)) = chunk.version_and_words(self.word) {
            Place::new(open, self.word).into_iter().for_each(&mut *visit);
            self.word += words;
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    fn version<'a>(key: &'a [u8], value: &'a [u8], older: Option<Place>) -> Version<'a> {
        let seq = SeqNo::new(7).unwrap();
        Version { entry: Entry { user_key: key, seq, kind: Kind::Put, value }, older }
    }

    /// Key and value lengths around whole words, parts of a chunk and whole chunks.
    const LENGTHS: [usize; 9] = match cfg!(miri) {
        true => [0, 1, 7, 8, 9, 63, 127, 512, 1_024],
        false => [0, 1, 7, 8, 9, 511, 4_095, 32_768, 262_144],
    };

    fn fill(arena: &Arena, bytes: &[u8]) -> Vec<(Place, usize, usize)> {
        let mut older = None;
        let mut pushed = Vec::new();
        for (key_len, value_len) in
            LENGTHS.iter().flat_map(|key| LENGTHS.iter().map(|value| (*key, *value)))
        {
            let entry = version(&bytes[..key_len], &bytes[..value_len], older);
            let place = arena.writer().push(&entry);
            pushed.push((place, key_len, value_len));
            older = Some(place);
        }
        pushed
    }

    #[test]
    fn what_was_pushed_stays_as_it_was() {
        let bytes: Vec<u8> = (0..LENGTHS[8] as u32).map(|at| at as u8).collect();
        // The second one has chunks that the first one gave back.
        for _ in 0..2 {
            let arena = Arena::new(4 << 20);
            let mut older = None;
            let mut walked = Vec::new();
            let pushed = fill(&arena, &bytes);
            Walk::default().advance(&arena, |place| walked.push(place.bits()));
            walked.sort_unstable();
            let mut all: Vec<_> = pushed.iter().map(|(place, ..)| place.bits()).collect();
            all.sort_unstable();
            assert!(walked == all, "each once");
            for (place, key_len, value_len) in pushed {
                let found = arena.get(place).unwrap();
                assert_eq!(
                    found.entry,
                    version(&bytes[..key_len], &bytes[..value_len], None).entry
                );
                assert_eq!(found.older, older);
                older = Some(place);
            }
        }
    }

    /// Sequence numbers far above and below that of the chunk's first entry, and lengths at
    /// the limits of a word for all of them.
    #[test]
    fn numbers_and_lengths_that_do_not_fit_one_word_are_kept() {
        let bytes = vec![7; 1 << VALUE_LEN_BITS];
        let far = 1 << DELTA_BITS;
        let arena = Arena::new(1 << 20);
        let mut pushed = Vec::new();
        for seq in [1_000, 1_001, 999, 0, 1_000 + far - 1, 1_000 + far, (1 << 56) - 1, 1_000] {
            for (key_len, value_len) in [
                (3, 5),
                ((1 << KEY_LEN_BITS) - 1, 1),
                (1 << KEY_LEN_BITS, 1),
                (1, (1 << VALUE_LEN_BITS) - 1),
                (1, 1 << VALUE_LEN_BITS),
            ] {
                if cfg!(miri) && value_len > 1 << 16 {
                    continue;
                }
                let (user_key, value) = (&bytes[..key_len], &bytes[..value_len]);
                let (seq, kind) = (SeqNo::new(seq).unwrap(), Kind::Put);
                let entry = Entry { user_key, seq, kind, value };
                let older = pushed.last().map(|(place, _)| *place);
                pushed.push((arena.writer().push(&Version { entry, older }), entry));
            }
        }
        let mut walked = 0;
        Walk::default().advance(&arena, |_| walked += 1);
        assert_eq!(walked, pushed.len());
        for (number, (place, entry)) in pushed.iter().enumerate() {
            let found = arena.get(*place).unwrap();
            assert_eq!(found.entry, *entry);
            assert_eq!(found.older, number.checked_sub(1).map(|before| pushed[before].0));
        }
    }

    #[test]
    fn of_the_entries_above_a_number_each_is_shown_once() {
        const LAST: u64 = if cfg!(miri) { 300 } else { 3_000 };
        let bytes = vec![7; if cfg!(miri) { 2_000 } else { 40_000 }];
        let arena = Arena::new(1 << 20);
        let seq = |number| SeqNo::new(number).unwrap();
        for number in 1..=LAST {
            // Some have a chunk of their own.
            let len = if number % 100 == 0 { bytes.len() } else { number as usize % 90 };
            let mut version = version(b"key", &bytes[..len], None);
            version.entry.seq = seq(number);
            arena.writer().push(&version);
        }
        for above in
            (0..=LAST).step_by(if cfg!(miri) { 50 } else { 7 }).chain([LAST - 1, LAST, 2 * LAST])
        {
            let mut shown = Vec::new();
            arena.visit_newer(seq(above), |entry| shown.push(entry.seq.get()));
            shown.sort_unstable();
            assert_eq!(shown, (above + 1..=LAST).collect::<Vec<_>>(), "above {above}");
        }
    }

    /// Whatever number is taken for a place: what is read there was written before.
    #[test]
    fn any_number_may_be_taken_for_a_place() {
        const WORDS: usize = if cfg!(miri) { 128 } else { 8_192 };
        let arena = Arena::new(0);
        // Seen as a header, each word of it is the beginning of a short entry.
        let bytes = 1_u64.to_le_bytes().repeat(WORDS);
        arena.writer().push(&version(&bytes, b"", None));
        arena.writer().push(&version(b"", &bytes[..400], None));
        let mut found = 0;
        let second_chunk = (1 << WORD_BITS)..(1 << WORD_BITS) + WORDS as u64;
        let places = (0..8 * WORDS as u64).chain(second_chunk);
        for bits in places.chain([1 << 39, (1 << 40) - 1, 1 << 40, u64::MAX]) {
            let Some(place) = Place::from_bits(bits) else { continue };
            arena.prefetch(place, USUAL_BYTES);
            if let Some(Version { entry, .. }) = arena.get(place) {
                std::hint::black_box(entry.user_key.iter().chain(entry.value).max());
                found += 1;
            }
        }
        assert!(found > WORDS, "{found}");
    }
}

#!/usr/bin/env python3
"""Reads tables of lsm-db (run-N.sst) and their filters (run-N.sst.bloom), format version 1.
To be read beside SSTABLE_FORMAT.md, in the words of that page. Needs Python 3.10 and nothing else.
    python3 reader.py FILE.sst [--filter FILE.bloom]   print all entries in order, one in a line
    python3 reader.py FILE.sst --get HEXKEY            print the newest entry of one key
    python3 reader.py FILE.log                         print a log, as reader_log.py does
    python3 reader.py MANIFEST                         print a manifest: reader_manifest.py

A line is: key in hex, sequence number, put or delete, value in hex; "-" for an empty key or value,
xxh3:<its hash>:<its length> for one of more than 256 bytes. All checks of the page are made before
anything is printed (but 1 and 15, which need a store), those up to 21 for --get; every printed key
must pass the filter. Exit codes: 0 fine, 1 key absent, 2 usage, 3 unsupported, 4 damaged.
"""
import argparse, collections, functools, itertools, os, pathlib, struct, sys

UNSUPPORTED, DAMAGED, MAX_BYTES, MAX_SEQ, MASK = 3, 4, 2**30, 2**56 - 1, 2**64 - 1
RANGE = {**dict.fromkeys((1, 2, 3, 4, 5, 6), range(2**64)),   # of the properties that are numbers
         9: range(2**56), 10: range(2**56), 13: range(1, 2**64)}
SALTS = (0x47B6137B, 0x44974D91, 0x8824AD5B, 0xA2B7289D,
         0x705495C7, 0x2DF1424B, 0x9EFC4947, 0x5C6BFB31)
Entry = collections.namedtuple("Entry", "key seq kind value")   # kind: 1 delete, 2 put
Record = collections.namedtuple("Record", "offset length goes_on counts rest")   # of the index

def check(ok: bool, where: str, at: int, expected: object, found: object, code=DAMAGED) -> None:
    if not ok:
        word = "unsupported" if code == UNSUPPORTED else "damaged"
        print(f"{word}: {where}, byte {at}: expected {expected}, found {found}", file=sys.stderr)
        sys.exit(code)
def align(x: int) -> int:
    return (x + 63) // 64 * 64
def number(data: bytes, at: int = 0, size: int = 8) -> int:
    return int.from_bytes(data[at:at + size], "little")
def text(data: bytes) -> str:
    return f"xxh3:{xxh3(data):016x}:{len(data)}" if len(data) > 256 else data.hex() or "-"

# XXH3, 64 bits, default secret, seed 0. The primes are in the order in which they start the lanes.
SECRET = bytes.fromhex("""
b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221
b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8
a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb
170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e""")
PRIMES = (0xC2B2AE3D, 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9,
          0x85EBCA77C2B2AE63, 0x85EBCA77, 0x27D4EB2F165667C5, 0x9E3779B1)
secret = functools.partial(number, SECRET)
def fold(a: int, b: int) -> int:
    return a * b & MASK ^ a * b >> 64
def mix(data: bytes, at: int, key: int) -> int:
    return fold(number(data, at) ^ secret(key), number(data, at + 8) ^ secret(key + 8))
def avalanche(x: int, shift: int = 37, factor: int = 0x165667919E3779F9) -> int:
    x = (x & MASK ^ (x & MASK) >> shift) * factor & MASK
    return x ^ x >> 32

def xxh3(data: bytes) -> int:
    size, total = len(data), len(data) * PRIMES[1]
    if size <= 3:
        x = secret(56) ^ secret(64)
        if size > 0:   # 0x87275A9B is the first u32 of the secret XOR the second
            x = (data[0] << 16 | data[size // 2] << 24 | data[-1] | size << 8) ^ 0x87275A9B
        return avalanche((x ^ x >> 33) * PRIMES[2], 29, PRIMES[3])
    if size <= 8:
        x = (number(data, 0, 4) << 32 | number(data, size - 4, 4)) ^ secret(8) ^ secret(16)
        x ^= ((x << 49 | x >> 15) ^ (x << 24 | x >> 40)) & MASK
        x = x * 0x9FB21C651E98DF25 & MASK
        x = (x ^ (x >> 35) + size) * 0x9FB21C651E98DF25 & MASK
        return x ^ x >> 28
    if size <= 16:
        low = number(data, 0) ^ secret(24) ^ secret(32)
        high = number(data, size - 8) ^ secret(40) ^ secret(48)
        return avalanche(size + number(low.to_bytes(8, "big")) + high + fold(low, high))
    if size <= 128:   # 16 bytes from the front and 16 from the back, up to the middle
        for i in range((size - 1) // 32 + 1):
            total += mix(data, 16 * i, 32 * i) + mix(data, size - 16 * (i + 1), 32 * i + 16)
        return avalanche(total)
    if size <= 240:
        total = avalanche(total + sum(mix(data, 16 * i, 16 * i) for i in range(8)))
        total += sum(mix(data, 16 * i, 16 * (i - 8) + 3) for i in range(8, size // 16))
        return avalanche(total + mix(data, size - 16, 119))
    lanes, last = list(PRIMES), (size - 1) // 64
    for stripe in range(last + 1):   # 64 bytes each; the last one ends where the data ends
        at, key = (64 * stripe, stripe % 16 * 8) if stripe < last else (size - 64, 121)
        words, keys = struct.unpack_from("<8Q", data, at), struct.unpack_from("<8Q", SECRET, key)
        for i in range(8):
            x = words[i] ^ keys[i]
            lanes[i] = lanes[i] + words[i ^ 1] + (x & 0xFFFFFFFF) * (x >> 32) & MASK
        if key == 120:   # after 16 stripes the lanes are scrambled
            for i, x in enumerate(lanes):
                lanes[i] = (x ^ x >> 47 ^ secret(128 + 8 * i)) * PRIMES[7] & MASK
    for i in range(0, 8, 2):
        total += fold(lanes[i] ^ secret(11 + 8 * i), lanes[i + 1] ^ secret(19 + 8 * i))
    return avalanche(total)

class Cursor:   # takes field after field from data, each compared with the end before it is used
    def __init__(self, data: bytes, where: str):
        self.data, self.where, self.at, self.left = data, where, 0, len(data)
    def take(self, size: int, what: str) -> bytes:
        check(size <= self.left, self.where, self.at, f"{size} bytes of {what}", self.left)
        self.at, self.left = self.at + size, self.left - size
        return self.data[self.at - size:self.at]
    def varint(self, what: str) -> int:
        start, value, byte = self.at, 0, 0x80
        while byte >= 0x80 and self.at < start + 10:
            byte = self.take(1, what)[0]
            value |= (byte & 0x7F) << 7 * (self.at - start - 1)
        ok = byte < 0x80 and value <= MASK and (byte > 0 or self.at == start + 1)
        check(ok, self.where, start, f"{what}, a shortest varint", self.data[start:self.at].hex())
        return value
    def bytes(self, what: str) -> bytes:
        return self.take(self.varint(f"the length of {what}"), what)

def lz4(stored: bytes, raw: int, where: str) -> bytes:   # one block, to exactly `raw` bytes
    out, where, source = bytearray(), f"{where}, payload", Cursor(stored, f"{where}, payload")
    def length(value: int, least: int) -> int:   # 15: bytes to add follow, up to one below 255
        byte = 255 if value == 15 else 0
        while byte == 255:
            byte = source.take(1, "a length")[0]
            value += byte
        check(value + least <= raw - len(out), where, source.at, f"{raw} bytes in all", "more")
        return value + least
    while True:
        token = source.take(1, "a token")[0]
        out += source.take(length(token >> 4, 0), "literals")
        if source.left == 0:   # the last sequence has only literals
            check(len(out) == raw, where, source.at, f"{raw} bytes unpacked", len(out))
            return bytes(out)
        back, size = number(source.take(2, "the distance of a match")), length(token & 15, 4)
        check(1 <= back <= len(out), where, source.at, f"1 to {len(out)} bytes back", back)
        piece = out[len(out) - back:][:size]   # where the match overlaps itself, it repeats
        out += (piece * (size // len(piece) + 1))[:size]

class Block:   # a data block; reading it makes check 18, and check 20 for all its entries
    def __init__(self, raw: bytes, where: str):
        self.where, self.entries, fields = where, [], Cursor(raw, where)
        self.n, self.w, self.b, self.p, self.base = struct.unpack("<BBHIQ", fields.take(16, "head"))
        prefix, self.buckets = fields.take(self.p, "prefix"), fields.take(self.b, "buckets")
        self.heads = [fields.take(4, "a head") for _ in range(self.n)]
        ends = [number(fields.take(2, "an offset")) for _ in range(self.n)] + [fields.left]
        ok = 1 <= self.n <= 253 and self.w <= 7 and self.b >= 2 and self.base <= MAX_SEQ
        ok = ok and (self.n == 1 or len(raw) < 2**16) and ends[0] == 0
        check(ok, where, 0, "n, w, b, base, length, offset 0 in their ranges", raw[:16].hex())
        for i in range(self.n):
            check(ends[i] < ends[i + 1] <= ends[-1], where, fields.at, f"end {i} behind it", ends)
            entry = Cursor(fields.take(ends[i + 1] - ends[i], "an entry"), f"{where}, entry {i}")
            kind, size = entry.take(1, "the kind")[0], entry.varint("the length of the suffix")
            seq = self.base + number(entry.take(self.w, "the delta"))
            key, value = prefix + entry.take(size, "the suffix"), entry.take(entry.left, "value")
            ok = seq <= MAX_SEQ and len(key) <= MAX_BYTES and len(value) <= MAX_BYTES
            check(ok, entry.where, 0, "all in range", (seq, len(key), len(value)))
            check(not 3 <= kind <= 31, entry.where, 0, "kind 1 or 2", kind, UNSUPPORTED)
            check(kind == 2 or kind == 1 and not value, entry.where, 0, "2, or an empty 1", kind)
            self.entries.append(Entry(key, seq, kind, value))
    def slots(self, key: bytes) -> list[int]:   # all buckets, in the order of the search
        first = xxh3(key) % 2**32 * self.b // 2**32
        return [*range(first, self.b), *range(first)]
    def get(self, key: bytes) -> list[Entry]:   # the newest one with the key, by the buckets
        numbers = [self.buckets[slot] for slot in self.slots(key)] + [255]
        found = [self.entries[v] for v in numbers[:numbers.index(255)] if v < self.n]
        return [entry for entry in found if entry.key == key][:1]
    def validate(self) -> None:   # checks 23 to 26
        where, p, keys = self.where, self.p, [entry.key for entry in self.entries]
        heads, buckets = [key[p:p + 4].ljust(4, b"\0") for key in keys], bytearray(b"\xff" * self.b)
        check(heads == self.heads, where, 16 + p + self.b, heads, self.heads)
        for key in sorted(set(keys)):   # each into the first bucket on its way that is empty
            buckets[next(s for s in self.slots(key) if buckets[s] == 255)] = keys.index(key)
            check(255 in buckets, where, 2, "more buckets than keys", self.b)
        check(buckets == self.buckets, where, 16 + p, buckets.hex(), self.buckets.hex())
        check(p == len(os.path.commonprefix(keys)), where, 4, "the longest prefix", p)
        seqs = [entry.seq for entry in self.entries]
        right = min(seqs), ((max(seqs) - min(seqs)).bit_length() + 7) // 8
        check((self.base, self.w) == right, where, 0, f"base and w {right}", (self.base, self.w))

class Table:   # a table; opening it makes checks 2 to 14
    def __init__(self, path: str):
        self.path, self.data = path, pathlib.Path(path).read_bytes()
        data, end, where = self.data, len(self.data) - 88, f"{path}, footer"
        check(end >= 0 and data[-8:] == b"LSMTABLE", where, end + 80, "LSMTABLE", data[-8:])
        (index, properties, self.identity, length, version, features, zero,
         checksum) = struct.unpack_from("<QQ40sQHHIQ", data, end)
        check(checksum == xxh3(data[end:end + 72]), where, end + 72, "the right hash", checksum)
        check(version == 1, where, end + 64, "version 1", version, UNSUPPORTED)
        check(features == 0, where, end + 66, "no incompatible feature", features, UNSUPPORTED)
        ok = 64 <= index < properties < end and index % 64 == properties % 64 == end % 64 == 0
        ok = ok and length == len(data) and zero == 0 and 1 <= number(self.identity, 16) < 10**10
        check(ok, where, end, f"fields in range, length {len(data)}", data[end:].hex())
        header = b"LSMTABLE\1" + bytes(7) + self.identity   # the one that fits: check 6
        header += struct.pack("<Q", xxh3(header))
        check(data[:64] == header, path, 0, f"the header {header.hex()}", data[:64].hex())
        self.read_index(Cursor(*self.section("index", index, properties, 2)), index)
        self.read_properties(Cursor(*self.section("properties", properties, end, 3)))
    # Checks 7, 11, 16, 21 of a section and its padding; gives the raw payload and where it is.
    def section(self, name: str, at: int, end: int, kind: int, i=0, length=0) -> tuple[bytes, str]:
        where, frame = f"{self.path}, {name} at offset {at}", self.data[at:at + 24]
        checksum, stored, raw, k, codec, zero, n = struct.unpack("<QIIBBHI", frame)
        section, padding = self.data[at:at + 24 + stored], self.data[at + 24 + stored:end]
        ok = 24 + stored == length if length else align(24 + stored) == end - at
        check(ok, where, 8, f"to fill {length or end - at} bytes", 24 + stored)
        place = xxh3(self.identity[24:] + at.to_bytes(8, "little"))   # table uid and offset
        check(checksum == xxh3(section[8:]) ^ place, where, 0, "the right checksum", checksum)
        check((k, n) == (kind, i), where, 16, f"kind and number {kind, i}", (k, n))
        check(codec in (1, 2), where, 17, "codec 1 or 2", codec, UNSUPPORTED)
        packed = kind == 1 and stored < raw <= min(2**22, 255 * stored + 64)
        ok = zero == 0 and (raw == stored if codec == 1 else packed)
        check(ok, where, 8, "lengths as the codec asks, zeros", frame[8:].hex())
        check(not any(padding), where, 24 + stored, "zeros as padding", padding.hex())
        payload = section[24:] if codec == 1 else lz4(section[24:], raw, where)
        return payload, f"{where}, raw payload"
    def read_index(self, c: Cursor, index: int) -> None:   # checks 8 to 10
        m, self.prefix, self.records = c.varint("m"), c.bytes("the prefix"), []
        check(1 <= m <= min(len(c.data) // 6, (index - 64) // 64), c.where, 0, "m in its range", m)
        offset, goes_on, before = 64, True, b""
        for _ in range(m):
            (flags, n, *counts), length = c.take(4, "flags and counts"), c.varint("the length")
            rest, end = c.bytes("the rest of the separator"), offset + align(length)
            ok = flags <= 1 and 1 <= n <= 253 and max(counts) <= n and 24 <= length
            ok = ok and offset < 2**38 and end <= index and len(self.prefix + rest) <= MAX_BYTES
            ok = ok and (before < rest or before == rest and goes_on)
            check(ok, c.where, c.at, f"a record above {before}", (flags, n, counts, length, rest))
            self.records.append(Record(offset, length, flags == 1, [n, *counts], rest))
            offset, goes_on, before = end, flags == 1, rest
        ok = c.left == 0 and offset == index and not goes_on
        check(ok, c.where, c.at, f"0 left, last block to {index}", (c.left, offset, goes_on))
    def read_properties(self, c: Cursor) -> None:   # checks 12 to 14
        p = self.properties = {}
        while c.left > 0:
            start, tag, value = c.at, c.varint("a tag"), c.bytes("a value")
            check(tag > max(p, default=0), c.where, start, f"a tag above {max(p, default=0)}", tag)
            check(tag < 128, c.where, start, "a known tag", tag, UNSUPPORTED)
            if tag in RANGE:   # a number; 7 and 8 are keys
                field = Cursor(value, f"{c.where}, property {tag}")
                value = field.varint("a number")
                check(field.left == 0 and value in RANGE[tag], field.where, 0, RANGE[tag], value)
                check(tag != 13 or value <= 2, field.where, 0, "codec 1 or 2", value, UNSUPPORTED)
            p[tag] = value
        check(p.keys() >= {*RANGE, 7, 8}, c.where, c.at, [*RANGE, 7, 8], [*p])   # check 13
        right = {i + 1: sum(record.counts[i] for record in self.records) for i in (0, 1, 2)}
        right |= {6: len(self.records), 8: self.prefix + self.records[-1].rest}   # check 14
        ok = p == {**p, **right} and p[7] <= p[8] and len(p[7]) <= MAX_BYTES and p[9] <= p[10]
        check(ok, c.where, 0, f"{right}, 7 up to 8, 9 up to 10", p)
    def block(self, i: int) -> Block:   # checks 17 to 20
        at, length, _, counts, _ = self.records[i]
        block = Block(*self.section(f"block {i}", at, at + align(length), 1, i, length))
        check(block.n == counts[0], block.where, 0, f"n {counts[0]}", block.n)
        return block
    def get(self, key: bytes) -> list[Entry]:   # the newest one, or none
        above = [i for i, record in enumerate(self.records) if self.prefix + record.rest >= key]
        return self.block(above[0]).get(key) if above else []
    def validate(self) -> list[Entry]:   # checks 16 to 30; gives all entries
        done, p = [], self.properties
        for i, record in enumerate(self.records):
            block = self.block(i)
            block.validate()
            pairs = list(itertools.pairwise(done[-1:] + block.entries))   # with the block before
            for a, b in pairs:
                check((a.key, -a.seq) < (b.key, -b.seq), block.where, 0, ("an entry behind", a), b)
            found = [sum(e.kind == 1 for e in block.entries), sum(a.key == b.key for a, b in pairs)]
            check(found == record.counts[1:], block.where, 0, record.counts[1:], found)
            if done:   # border, a separator, and goes_on are those of the block before
                last, first = done[-1].key, block.entries[0].key
                ok = last <= border <= first and goes_on == (last == first) == (border == first)
                check(ok, block.where, 0, "a separator, goes on", (last, border, first, goes_on))
            border, goes_on = self.prefix + record.rest, record.goes_on
            done += block.entries
        keys, seqs, _, values = zip(*done)
        right = {4: sum(map(len, keys)), 5: sum(map(len, values)), 7: keys[0], 8: keys[-1],
                 9: min(seqs), 10: max(seqs)}
        check(p == {**p, **right}, f"{self.path}, properties", 0, right, p)
        return done

def check_filter(path: str, identity: bytes, keys: set[bytes]) -> None:   # they all must pass
    data = pathlib.Path(path).read_bytes()
    check(len(data) >= 64 and data[:8] == b"LSMBLOOM", path, 0, "LSMBLOOM in 64 bytes", data[:8])
    version, flags, n, own = struct.unpack_from("<HHI40s", data, 8)
    ok = (version, flags) != (1, 0) or n >= 1 and len(data) == 72 + 32 * n
    check(ok, path, 12, f"blocks in {len(data)} bytes", n)
    check(number(data[-8:]) == xxh3(data[:-8]), path, len(data) - 8, "the right hash", "another")
    check((version, flags) == (1, 0), path, 8, "version 1, flags 0", (version, flags), UNSUPPORTED)
    check(own == identity, path, 16, f"the table's {identity.hex()}", own.hex())
    for key in keys:
        high, low = divmod(xxh3(key), 2**32)
        words = struct.unpack_from("<8I", data, 64 + 32 * (high * n // 2**32))
        bits = [word >> low * salt % 2**32 // 2**27 & 1 for word, salt in zip(words, SALTS)]
        check(all(bits), path, 64, f"all bits of key {text(key)}", bits)

def main() -> None:
    parser = argparse.ArgumentParser(description="Reads all files of lsm-db.")
    parser.add_argument("file")
    parser.add_argument("--get", metavar="HEXKEY", type=bytes.fromhex)
    parser.add_argument("--filter", metavar="FILE.bloom")
    args = parser.parse_args()
    try:
        data = pathlib.Path(args.file).read_bytes()
        if data[:8] == b"LSMWALOG":
            return __import__("reader_log").main()   # which takes its tools from here
        if b"LSMMANIF" in (data[:8], data[4096:4104]):
            return __import__("reader_manifest").main()   # so does this
        table = Table(args.file)
        entries = table.validate() if args.get is None else table.get(args.get)
        if args.filter:
            check_filter(args.filter, table.identity, {entry.key for entry in entries})
    except OSError as error:
        parser.error(str(error))
    for key, seq, kind, value in entries:
        print(text(key), seq, ("delete", "put")[kind - 1], text(value))
    sys.exit(0 if entries else 1)
if __name__ == "__main__": main()

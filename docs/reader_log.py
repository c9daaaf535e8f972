#!/usr/bin/env python3
"""Reads logs of lsm-db (wal-N.log), format version 1, with the tools of reader.py.

    python3 reader_log.py FILE.log [--log N] [--after N]

To be read beside WAL_FORMAT.md, in the words of that page. Of each record a line "record", first
sequence, count, durable sequence comes before what is in it: operations as reader.py shows entries, or
"item" lines where bodies are lists. The first record says which log it is and where it begins, unless
--log and --after do; "cut" is how many bytes of records do not count.
"""
import argparse, pathlib, struct

from reader import MAX_BYTES, MAX_SEQ, UNSUPPORTED, Cursor, check, number, text, xxh3

class Log:   # a log's slot; reading it makes checks 2 to 6 of a log, and 7 for this log alone
    def __init__(self, path: str, data: bytes, log: int | None, after: int | None):
        self.where, self.data, where = path, data, f"{path}, header"
        check(len(data) >= 512 and data[:8] == b"LSMWALOG", where, 0, "LSMWALOG", data[:8])
        version, self.features, zero, store, _, checksum = struct.unpack_from("<HHI16sQQ", data, 8)
        check(checksum == xxh3(data[:40]), where, 40, "the right hash", checksum)
        check(version == 1, where, 8, "version 1", version, UNSUPPORTED)
        check(self.features <= 1, where, 10, "features 0 or 1", self.features, UNSUPPORTED)
        check(zero == 0 and not any(data[48:512]), where, 12, "zeros", "other bytes")
        numbers = data[544:560] if data[528:532] == b"LREC" else bytes(16)   # of the first record
        log = number(numbers) if log is None else log
        self.owner = store[:8] + log.to_bytes(8, "little")
        self.last = max(number(numbers, 8), 1) - 1 if after is None else after
    def record(self, at: int) -> tuple | None:   # the intact one of this log at `at`, its checksum
        tag, version, flags, owner, first, count, n, durable = \
            struct.unpack("<4sHH16sQIIQ", self.data[at + 8:at + 56].ljust(48, b"\0"))
        covered = self.data[at + 8:at + 56 + n]
        ok = tag == b"LREC" and owner == self.owner and len(covered) == 48 + n
        if ok and number(self.data, at) == xxh3(covered):
            return version, flags, first, count, durable, covered[48:]
        return None
    def body(self, c: Cursor, first: int, count: int) -> list[str]:   # what is in a record
        lines = []
        while c.left > 0:
            seq, start = first + len(lines), c.at
            if self.features == 1:
                lines.append(f"{seq} item {text(c.take(number(c.take(4, 'a length')), 'an item'))}")
                continue
            kind = c.take(1, "a tag")[0]
            check(kind < 128, c.where, start, "no keyspace", kind, UNSUPPORTED)
            check(not 3 <= kind <= 31, c.where, start, "kind 1 or 2", kind, UNSUPPORTED)
            check(kind in (1, 2), c.where, start, "kind 1 or 2", kind)
            key, value = c.bytes("a key"), c.bytes("a value") if kind == 2 else b""
            check(max(len(key), len(value)) <= MAX_BYTES, c.where, start, "2^30 bytes", "more")
            lines.append(f"{text(key)} {seq} {('delete', 'put')[kind - 1]} {text(value)}")
        check(len(lines) == count, c.where, c.at, f"{count} of them", len(lines))
        return lines
    def read(self) -> list[str]:
        lines, at = [], 512
        while record := self.record(at + 8):
            version, flags, first, count, durable, body = record
            check(version == 1, self.where, at + 8, "record version 1", version, UNSUPPORTED)
            check(flags == 0, self.where, at + 8, "no flags", flags, UNSUPPORTED)
            if first != self.last + 1:
                break
            ok = count > 0 and durable < first and first + count - 1 <= MAX_SEQ
            check(ok, self.where, at + 8, "numbers in their ranges", (first, count, durable))
            lines.append(f"record {first} {count} {durable}")
            lines += self.body(Cursor(body, f"{self.where}, record at {at}"), first, count)
            self.last, at = first + count - 1, at + 64 + len(body)
        return lines + [f"cut {self.left_over(at)}"]
    def left_over(self, end: int) -> int:   # looks for records that do not count; their bytes
        cut, counted, place = 0, end, self.data.find(self.owner, end + 16)
        while place >= 0:
            start, following = place - 16, place + 1
            frame, n = max(start - 8, end), number(self.data, start + 44, 4)
            framed = number(self.data, frame + 4, 4) == 56 + n and len(self.data) >= start + 56
            stop = min(start + 56 + (n if framed else 0), len(self.data))
            if record := self.record(start):
                check(record[:2] == (1, 0), self.where, start, "version 1", record[:2], UNSUPPORTED)
                check(record[4] <= self.last, self.where, end, f"sequence {self.last + 1}",
                      f"damage, before a record that knew {record[4]} to be durable")
                stop = start + 56 + len(record[5])
                following = stop + 16
            cut += max(stop - max(frame, counted), 0)
            counted, place = max(counted, stop), self.data.find(self.owner, following)
        return cut

def main() -> None:
    parser = argparse.ArgumentParser(description="Reads logs of lsm-db, version 1.")
    parser.add_argument("file")
    parser.add_argument("--log", metavar="N", type=int)
    parser.add_argument("--after", metavar="N", type=int)
    args = parser.parse_args()
    try:
        data = pathlib.Path(args.file).read_bytes()
    except OSError as error:
        parser.error(str(error))
    print(*Log(args.file, data, args.log, args.after).read(), sep="\n")

if __name__ == "__main__": main()

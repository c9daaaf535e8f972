#!/usr/bin/env python3
"""Reads manifests of lsm-db (MANIFEST), format version 1, with the tools of reader.py.

    python3 reader_manifest.py MANIFEST

To be read beside MANIFEST_FORMAT.md, in the words of that page. Prints "store" and its id; "slot",
generation and committed length of the slot that counts; "edits", the number of the last one that
counts and where it ends; "torn" and the bytes behind it; then the version: "reserved", "last", runs with
their level, tables with all fields in the order of the page, logs with their slots. Bytes are as
reader.py shows them; a live range without an end ends in "end". Exit codes as those of reader.py.
"""
import argparse, pathlib, struct

from reader import MAX_BYTES, MAX_SEQ, UNSUPPORTED, Cursor, check, number, text, xxh3

MAX_NUMBER = 9_999_999_999

class Manifest:
    def __init__(self, path: str, data: bytes):
        self.where, self.data = path, data
        self.runs, self.logs, self.reserved, self.last = {}, {}, 1, 0
        self.levels = {}
        check(not data.startswith(b"LSMDB-MANIFEST"), path, 0, "a binary manifest", "text",
              UNSUPPORTED)                                                   # step 1
        heads = sorted(head for place in (0, 1) if (head := self.slot(place)))   # step 2
        check(bool(heads), path, 0, "a valid commit slot", "none")
        self.generation, self.committed, chain, self.store = heads[-1]
        check(self.committed <= len(data), path, len(data), f"{self.committed} bytes", "the end")
        self.fold(chain)
    def slot(self, place: int) -> tuple | None:
        at = place * 4096
        slot = self.data[at:at + 512]
        if len(slot) < 512 or slot[:8] != b"LSMMANIF" or number(slot, 504) != xxh3(slot[:504]):
            return None
        version, features, zero, store, generation, committed, chain = \
            struct.unpack_from("<HHI16sQQQ", slot, 8)
        check(version == 1, self.where, at + 8, "version 1", version, UNSUPPORTED)
        check(features == 0, self.where, at + 10, "no features", features, UNSUPPORTED)
        check(zero == 0 and not any(slot[56:504]), self.where, at + 12, "zeros", "other bytes")
        ok = 1 <= generation < 2**56 and generation % 2 == place
        check(ok, self.where, at + 32, f"a generation of slot {place}", generation)
        return generation, committed, chain, store
    def fold(self, chain: int) -> None:   # steps 4 to 6
        at, checksum, self.edits = 8192, xxh3(self.store), 0
        while True:
            if at == self.committed:
                check(checksum == chain, self.where, at, f"chain {chain:#x}", hex(checksum))
            payload = self.frame(at, checksum)
            if payload is None:
                break
            self.edits, checksum = number(self.data, at + 4), number(self.data, at + 12)
            self.edit(Cursor(payload, f"{self.where}, edit {self.edits}"))
            before, at = at, at + 20 + len(payload)
            ok = at <= self.committed or before >= self.committed
            check(ok, self.where, before, f"frames up to {self.committed}", at)
        check(at >= self.committed, self.where, at, "an intact frame", "damaged bytes")
        self.end, self.torn = at, len(self.data[at:].rstrip(b"\0"))
    def frame(self, at: int, before: int) -> bytes | None:
        header = self.data[at:at + 12]
        n, count = number(header, 0, 4), number(header, 4)
        payload = self.data[at + 20:at + 20 + n]
        ok = len(self.data) >= at + 20 + n and 1 <= count < 2**56
        ok = ok and self.edits in (0, count - 1)
        covered = before.to_bytes(8, "little") + header + payload
        return payload if ok and number(self.data, at + 12) == xxh3(covered) else None
    def edit(self, c: Cursor) -> None:
        while c.left > 0:
            start, tag = c.at, c.take(1, "a tag")[0]
            body = Cursor(c.bytes("a body"), f"{c.where}, operation at {start}")
            check(tag not in (0, 128), c.where, start, "a tag", tag)
            if tag & 64:
                continue   # what a reader can do without
            check(tag <= 7, c.where, start, "operation 1 to 7", tag, UNSUPPORTED)
            self.operation(tag, body)
            check(body.left == 0, body.where, body.at, "the end", f"{body.left} bytes")
        tables = [table for run in self.runs.values() for table in run.values()]
        check(all(table[7] <= self.last for table in tables), c.where, 0, "last sequence", "above")
        for run in self.runs.values():
            order = sorted(run.values(), key=lambda table: max(table[8], table[10]))
            for a, b in zip(order, order[1:]):
                end = a[11] if within(a[11], b[11]) else b[11]
                apart = a[9] < b[8] or end is not None and end <= max(a[10], b[10])
                check(apart, c.where, 0, "tables that do not overlap", (a[0], b[0]))
    def operation(self, tag: int, c: Cursor) -> None:
        if tag == 1:
            return self.add_table(self.file_number(c, True), c.take(1, "a level")[0], c)
        if tag in (2, 3):
            table = self.file_number(c)
            run = next((run for run, tables in self.runs.items() if table in tables), None)
            check(run is not None, c.where, 0, "a table of the version", table)
            if tag == 3:
                old, new = self.runs[run][table], live(c)
                inside = new[0] >= old[10] and within(new[1], old[11])
                check(inside, c.where, 0, "a live range inside the old one", new)
                self.runs[run][table] = old[:10] + new
            else:
                del self.runs[run][table]
                if not self.runs[run]:
                    del self.runs[run], self.levels[run]
        elif tag == 4:
            log, slot = self.file_number(c, True), self.file_number(c, True)
            ok = log > max(self.logs, default=0) and slot not in self.logs.values()
            check(ok, c.where, 0, "a log above the others in a slot of its own", (log, slot))
            self.logs[log] = slot
        elif tag == 5:
            log = self.file_number(c)
            check(self.logs.pop(log, None) is not None, c.where, 0, "a live log", log)
        elif tag == 6:
            until = c.varint("a number")
            check(self.reserved <= until <= MAX_NUMBER + 1, c.where, 0, "no fall", until)
            self.reserved = until
        else:
            seq = c.varint("a sequence")
            check(self.last <= seq <= MAX_SEQ, c.where, 0, "no fall", seq)
            self.last = seq
    def file_number(self, c: Cursor, reserved: bool = False) -> int:
        found = c.varint("a number")
        end = self.reserved if reserved else MAX_NUMBER + 1
        check(1 <= found < end, c.where, c.at, f"a number below {end}", found)
        return found
    def add_table(self, run: int, level: int, c: Cursor) -> None:
        table = [self.file_number(c, True), c.take(16, "the uid").hex()]
        table += [c.varint("a field") for _ in range(6)] + [c.bytes("a fence") for _ in range(2)]
        table += live(c)
        _, _, _, entries, tombstones, _, low, high, first, last, *_ = table
        ok = entries >= 1 and tombstones <= entries and low <= high <= MAX_SEQ and first <= last
        check(ok and len(first) <= 256 and len(last) <= 256, c.where, 0, "fields in range", table)
        known = any(table[0] in tables for tables in self.runs.values())
        check(not known, c.where, 0, "a new table", table[0])
        check(self.levels.setdefault(run, level) == level, c.where, 0, "one level", level)
        self.runs.setdefault(run, {})[table[0]] = table
        before = 0
        while c.left > 0:
            tag, _ = c.varint("a tag"), c.bytes("a value")
            check(tag > before, c.where, c.at, f"a tag above {before}", tag)
            check(tag < 128, c.where, c.at, "a property below 128", tag, UNSUPPORTED)
            before = tag
    def lines(self) -> list[str]:
        out = [f"store {self.store.hex()}", f"slot {self.generation} {self.committed}",
               f"edits {self.edits} {self.end}", f"torn {self.torn}",
               f"reserved {self.reserved}", f"last {self.last}"]
        for run in sorted(self.runs):
            out.append(f"run {run} {self.levels[run]}")
            order = sorted(self.runs[run].values(), key=lambda table: max(table[8], table[10]))
            for *fields, first, last, start, end in order:
                words = [text(first), text(last), text(start)]
                out.append(f"table {' '.join(map(str, fields + words))} "
                           f"{'end' if end is None else text(end)}")
        return out + [f"log {log} {slot}" for log, slot in sorted(self.logs.items())]

def live(c: Cursor) -> list:   # a live range: its first key, and the first outside or None
    start, has_end = c.bytes("a key"), c.take(1, "0 or 1")[0]
    check(has_end <= 1, c.where, c.at, "0 or 1", has_end)
    end = c.bytes("a key") if has_end else None
    check(max(len(start), len(end or b"")) <= MAX_BYTES, c.where, c.at, "2^30 bytes", "more")
    check(end is None or start < end, c.where, c.at, "a live range", (start, end))
    return [start, end]
def within(key: bytes | None, end: bytes | None) -> bool:   # of two ends, not above; None is last
    return end is None or key is not None and key <= end

def main() -> None:
    parser = argparse.ArgumentParser(description="Reads manifests of lsm-db, version 1.")
    parser.add_argument("file")
    args = parser.parse_args()
    try:
        data = pathlib.Path(args.file).read_bytes()
    except OSError as error:
        parser.error(str(error))
    print(*Manifest(args.file, data).lines(), sep="\n")

if __name__ == "__main__": main()

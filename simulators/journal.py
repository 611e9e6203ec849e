"""The gateway's outbox on disk: nothing leaves it before the hub's own receipt says that it is settled there.

One append-only file. Every line is `<crc32 in hex> <JSON>`: first the name of the journal (`boot`), then entries and
receipts in the order they happened. `append` returns after fsync, so a kill can only tear the last line, and that one
was promised to nobody. An entry keeps its boot and seq for ever; seq goes on over restarts. A real hut's box runs this
very file (`hub/main/blegate/`, decision 0013).
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from devices.pack import Record

ENTRIES_MAX = 100_000  # a hut's readings of about a year; beyond that somebody must look
COMPACT_AFTER_BYTES = 1_000_000  # rewriting this much takes a few milliseconds


class JournalBroken(ValueError):
    """A line before the last one cannot be read: the disk lied. Nothing is thrown away; a person must look."""


class OutboxFull(RuntimeError):
    """No receipt for too long."""


@dataclass(frozen=True, slots=True)
class Entry:
    seq: int
    device: str
    records: tuple[Record, ...]


class Journal:
    """`Journal.open(path, new_boot)`, then `append`, `pending`, `settle`."""

    def __init__(self, path: Path, boot: str, first_seq: int) -> None:
        self.path, self.boot = path, boot
        self._next_seq = first_seq
        self._settled = first_seq - 1
        self._pending: dict[int, Entry] = {}
        self._in_file = 0  # entries, settled or not
        self._descriptor = -1

    @classmethod
    def open(cls, path: Path, new_boot: Callable[[], str]) -> Journal:
        """The journal in `path`, as it was left; or a new one with a new name, never one used before."""
        lines, whole_bytes = _read(path)
        if not lines:
            journal = cls(path, new_boot(), 1)
            journal._rewrite()
            return journal
        head, *rest = lines
        journal = cls(path, str(head["boot"]), int(str(head["next"])))
        for line in rest:
            journal._replay(line)
        if whole_bytes < path.stat().st_size:
            os.truncate(path, whole_bytes)  # or the next line would be glued to the torn one
        journal._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        return journal

    def append(self, device: str, records: Iterable[Record]) -> Entry:
        """On disk when this returns."""
        return self.extend(device, [records])[0]

    def extend(self, device: str, several: Iterable[Iterable[Record]]) -> list[Entry]:
        """Several entries under one fsync: what a device had kept itself and hands over at once."""
        entries = [Entry(seq, device, tuple(records)) for seq, records in enumerate(several, start=self._next_seq)]
        if len(self._pending) + len(entries) > ENTRIES_MAX:
            raise OutboxFull(f"{len(self._pending)} entries wait for a receipt from the hub; is it reachable?")
        before = os.fstat(self._descriptor).st_size
        try:
            self._write(b"".join(_line(_entry_json(entry)) for entry in entries))
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, before)  # half a line must not stand before the next whole one
            raise
        self._next_seq += len(entries)
        self._in_file += len(entries)
        self._pending.update((entry.seq, entry) for entry in entries)
        return entries

    def pending(self, after: int = 0) -> list[Entry]:
        """What has no receipt yet, oldest first."""
        return [entry for seq, entry in self._pending.items() if seq > after]

    @property
    def settled(self) -> int:
        """The highest seq up to which the hub has sent its receipt."""
        return self._settled

    def settle(self, boot: str, seq: int) -> None:
        """Trim by a receipt. One for another journal, an old one, or one for what was never sent changes nothing."""
        if boot != self.boot or seq <= self._settled or seq >= self._next_seq:
            return
        self._settled = seq
        self._pending = {number: entry for number, entry in self._pending.items() if number > seq}
        # Without fsync: a receipt that is lost makes us send again, and the hub folds what it knows.
        self._write(_line({"receipt": seq}))
        # Only when most of it is settled: a long outbox would otherwise be written anew at every receipt.
        mostly_settled = 2 * len(self._pending) <= self._in_file
        if mostly_settled and os.fstat(self._descriptor).st_size > COMPACT_AFTER_BYTES:
            self._rewrite()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _replay(self, line: dict[str, object]) -> None:
        if "receipt" in line:
            self._settled = int(str(line["receipt"]))
            self._pending = {number: entry for number, entry in self._pending.items() if number > self._settled}
            return
        entry = _entry(line)
        self._pending[entry.seq] = entry
        self._next_seq = entry.seq + 1
        self._in_file += 1

    def _write(self, lines: bytes) -> None:
        left = memoryview(lines)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def _rewrite(self) -> None:
        """A new file with the name and what is pending only, put in place of the old one in one step."""
        self.close()
        fresh = self.path.with_name(self.path.name + ".new")
        first = min(self._pending, default=self._next_seq)
        with fresh.open("wb") as file:
            file.write(_line({"boot": self.boot, "next": first}))
            for entry in self._pending.values():
                file.write(_line(_entry_json(entry)))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._in_file = len(self._pending)
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)


def _line(body: dict[str, object]) -> bytes:
    text = json.dumps(body, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _read(path: Path) -> tuple[list[dict[str, object]], int]:
    """Every whole line, and how many bytes they take. Only the last line may be torn."""
    if not path.exists():
        return [], 0
    lines: list[dict[str, object]] = []
    whole_bytes = 0
    # Not splitlines: a torn tail may hold a carriage return, and that is no end of a line here.
    raw = [line for line in re.split(rb"(?<=\n)", path.read_bytes()) if line]
    for number, line in enumerate(raw, start=1):
        text = line[9:-1]
        if not line.endswith(b"\n") or line[:8] != b"%08x" % zlib.crc32(text):
            if number < len(raw):
                raise JournalBroken(f"{path.name}: line {number} of {len(raw)} is damaged")
            break
        lines.append(json.loads(text))
        whole_bytes += len(line)
    return lines, whole_bytes


def _entry_json(entry: Entry) -> dict[str, object]:
    records = [
        {
            "codec": record.codec,
            "hex": record.payload.hex(),
            "at": record.at.isoformat() if record.at else None,
            "anchor": record.anchor,
        }
        for record in entry.records
    ]
    return {"seq": entry.seq, "device": entry.device, "records": records}


def _entry(line: dict[str, object]) -> Entry:
    raw = line["records"]
    if not isinstance(raw, list):
        raise JournalBroken("an entry without records")
    records = tuple(
        Record(
            codec=each["codec"],
            payload=bytes.fromhex(each["hex"]),
            at=datetime.fromisoformat(each["at"]) if each["at"] else None,
            anchor=each["anchor"],
        )
        for each in raw
    )
    return Entry(int(str(line["seq"])), str(line["device"]), records)

"""What a power cut could have left on the disk, from the trace of disk.py.

A file is what its last successful sync made of it, plus, for each write since, nothing, all of it, or some of its
512-byte sectors: the disk may reorder and tear. A cut falls between any two steps of the trace.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.power.disk import Delete, LostSync, Said, Step, Sync, Truncate, Write

SECTOR = 512


@dataclass
class _File:
    durable: bytearray
    pending: list[Write | Truncate] = field(default_factory=list)

    def settle(self) -> None:
        for step in self.pending:
            _apply(self.durable, step)
        self.pending.clear()

    def torn(self, dice: random.Random) -> bytearray:
        """One of the states the unsynced writes may be in."""
        left = bytearray(self.durable)
        for step in self.pending:
            fate = dice.random()
            if fate < 1 / 3:
                continue
            if fate < 2 / 3 or isinstance(step, Truncate):
                _apply(left, step)
                continue
            for start in range(0, len(step.data), SECTOR):
                if dice.random() < 0.5:
                    _apply(left, Write(step.file, step.offset + start, step.data[start : start + SECTOR]))
        return left


@dataclass(frozen=True)
class Cut:
    at: int  # steps of the trace that had happened
    said: frozenset[str]  # what had been acknowledged by then
    unsynced: int  # writes in doubt
    files: dict[str, bytes]

    def put(self, folder: Path) -> None:
        for old in folder.iterdir():
            old.unlink()
        for name, content in self.files.items():
            (folder / name).write_bytes(content)


def cuts(start: dict[str, bytes], trace: Sequence[Step], points: Sequence[int], dice: random.Random) -> Iterator[Cut]:
    """The cuts at these points of the trace, in order; `start` is what stood on the disk before it."""
    disk = {name: _File(bytearray(content)) for name, content in start.items()}
    said: set[str] = set()
    wanted = sorted(points)
    for number, step in enumerate([*trace, None]):
        while wanted and wanted[0] == number:
            wanted.pop(0)
            files = {name: bytes(each.torn(dice)) for name, each in disk.items()}
            yield Cut(number, frozenset(said), sum(len(each.pending) for each in disk.values()), files)
        if step is not None:
            _take(disk, said, step, dice)


def _take(disk: dict[str, _File], said: set[str], step: Step, dice: random.Random) -> None:
    match step:
        case Said(what):
            said.add(what)
        case Delete(name):
            disk.pop(name, None)
        case Sync(name):
            disk.setdefault(name, _File(bytearray())).settle()
        case LostSync(name):
            file = disk.setdefault(name, _File(bytearray()))
            file.durable = file.torn(dice)
            file.pending.clear()
        case Write(name) | Truncate(name):
            disk.setdefault(name, _File(bytearray())).pending.append(step)


def _apply(content: bytearray, step: Write | Truncate) -> None:
    if isinstance(step, Truncate):
        del content[step.size :]
        return
    if len(content) < step.offset:
        content.extend(bytes(step.offset - len(content)))
    content[step.offset : step.offset + len(step.data)] = step.data

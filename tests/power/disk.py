"""A disk that remembers the order of its writes: an apsw VFS over real files that notes each write, truncation, sync
and deletion, and what was acknowledged in between. It can also refuse, as a full or a dying disk does.

    disk = Disk(folder)
    ... Store(..., driver=Driver(disk)) ...
    disk.said("key")            # something was acknowledged at this point
    rebuild.states(disk.trace)  # what a power cut could have left

A refused sync is the worst of them: the kernel may have thrown the pages away and still show them to whoever reads.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import apsw

_NUMBERS = itertools.count()


@dataclass(frozen=True, slots=True)
class Write:
    file: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    file: str
    size: int


@dataclass(frozen=True, slots=True)
class Sync:
    file: str


@dataclass(frozen=True, slots=True)
class LostSync:
    """A sync that failed: what was unsynced is not on the disk, and no later sync will bring it there."""

    file: str


@dataclass(frozen=True, slots=True)
class Delete:
    file: str


@dataclass(frozen=True, slots=True)
class Said:
    """Somebody was told that this is stored."""

    what: str


Step = Write | Truncate | Sync | LostSync | Delete | Said
Refusal = Callable[[Step], Exception | None]  # looks at what is about to happen; gives the error it shall meet


def never(_step: Step) -> Exception | None:
    return None


def full() -> Exception:
    return _coded(apsw.FullError("no space left"), apsw.SQLITE_FULL)


def broken_write() -> Exception:
    return _coded(apsw.IOError("write error"), apsw.SQLITE_IOERR_WRITE)


def broken_sync() -> Exception:
    return _coded(apsw.IOError("sync error"), apsw.SQLITE_IOERR_FSYNC)


def _coded(error: apsw.Error, code: int) -> apsw.Error:
    error.result, error.extendedresult = code & 0xFF, code
    return error


class Disk(apsw.VFS):
    def __init__(self, folder: Path) -> None:
        self.folder, self.trace = folder, list[Step]()
        self.refuses: Refusal = never
        self.vfs_name = f"linli-power-{next(_NUMBERS)}"
        super().__init__(self.vfs_name, "unix")

    def said(self, what: str) -> None:
        self.trace.append(Said(what))

    def note(self, step: Step) -> None:
        """Write it down, unless the disk refuses it."""
        refusal = self.refuses(step)
        if refusal is not None:
            if isinstance(step, Sync):
                self.trace.append(LostSync(step.file))
            raise refusal
        self.trace.append(step)

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:
        return _File(self, name, flags)

    def xDelete(self, name: str, sync_folder: bool) -> None:
        self.note(Delete(Path(name).name))
        super().xDelete(name, sync_folder)


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: apsw.URIFilename | str | None, flags: list[int]) -> None:
        full = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._disk, self._file = disk, Path(full).name if full else ""  # a temporary file survives nothing anyway
        super().__init__("unix", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._file:
            self._disk.note(Write(self._file, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:
        if self._file:
            self._disk.note(Truncate(self._file, size))
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:
        if self._file:
            self._disk.note(Sync(self._file))
        # Not passed on: what is unsynced is decided by the trace, and a real fsync would only cost time.

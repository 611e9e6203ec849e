"""What has been coded once is kept: in memory, and in the state folder within a limit. It can all be made again.

A full disk costs nothing but the coding at the next start; a file cut short by a power cut is no file.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections import OrderedDict
from pathlib import Path

import msgspec

from hub import disk

log = logging.getLogger(__name__)
DISK_BYTES_MAX = 400_000_000  # 6,000 pages: every community's own three, and what a year brings to all
MEMORY_BYTES_MAX = 32_000_000  # five hundred pages; the next ones are a read of the disk away
_DIGEST_BYTES = 16


class Library:
    def __init__(
        self, folder: Path, *, disk_bytes_max: int = DISK_BYTES_MAX, memory_bytes_max: int = MEMORY_BYTES_MAX
    ) -> None:
        self.folder, self._disk_bytes_max, self._memory_bytes_max = folder, disk_bytes_max, memory_bytes_max
        self._memory: OrderedDict[str, tuple[bytes, ...]] = OrderedDict()
        self._memory_bytes = 0
        self._disk_bytes: int | None = None  # counted at the first write
        self.trouble = ""  # why nothing is kept on disk, as a msgid

    def get(self, key: str) -> tuple[bytes, ...] | None:
        held = self._memory.get(key)
        if held is not None:
            self._memory.move_to_end(key)
            return held
        found = self._from_disk(key)
        if found is not None:
            self._remember(key, found)
        return found

    def put(self, key: str, parts: tuple[bytes, ...]) -> None:
        self._remember(key, parts)
        body = msgspec.msgpack.encode(parts)
        whole = hashlib.sha256(body).digest()[:_DIGEST_BYTES] + body
        path = self.folder / key
        fresh = path.with_name(f"{key}.{os.getpid()}")
        try:
            self._room(len(whole))
            fresh.write_bytes(whole)
            fresh.replace(path)
        except OSError as error:
            if not self.trouble:
                log.warning("TV pages are kept in memory only", extra={"why": disk.why(error)})
            self.trouble = disk.why(error)
            fresh.unlink(missing_ok=True)
            return
        self.trouble = ""
        self._disk_bytes = (self._disk_bytes or 0) + len(whole)

    def _from_disk(self, key: str) -> tuple[bytes, ...] | None:
        try:
            whole = (self.folder / key).read_bytes()
        except OSError:
            return None
        digest, body = whole[:_DIGEST_BYTES], whole[_DIGEST_BYTES:]
        if hashlib.sha256(body).digest()[:_DIGEST_BYTES] != digest:
            return None
        return msgspec.msgpack.decode(body, type=tuple[bytes, ...])

    def _remember(self, key: str, parts: tuple[bytes, ...]) -> None:
        if key not in self._memory:
            self._memory_bytes += sum(map(len, parts))
        self._memory[key] = parts
        while self._memory_bytes > self._memory_bytes_max and len(self._memory) > 1:
            _oldest, gone = self._memory.popitem(last=False)
            self._memory_bytes -= sum(map(len, gone))

    def _room(self, size: int) -> None:
        """Throw the oldest fifth away when the limit is reached."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._disk_bytes is not None and self._disk_bytes + size <= self._disk_bytes_max:
            return
        files = [(path, path.stat()) for path in self.folder.iterdir() if path.is_file()]
        files.sort(key=lambda pair: pair[1].st_mtime_ns)
        total = sum(stat.st_size for _path, stat in files)
        if total + size > self._disk_bytes_max:
            for path, stat in files:
                if total + size <= self._disk_bytes_max * 4 // 5:
                    break
                path.unlink(missing_ok=True)
                total -= stat.st_size
        self._disk_bytes = total

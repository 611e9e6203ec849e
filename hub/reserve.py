"""The reserve: a file that holds room on the disk for what must go on when the disk is full.

A full disk refuses even a DELETE (SQLite has to write to forget). So a file of some MiB stands beside the store. The
first write that meets a full disk gives it up: notices, approvals and the outbox go on in that room, while readings,
which their gateways keep anyway, wait until somebody has made space. Then the file is made again.
"""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

from hub.clock import Clock

log = logging.getLogger(__name__)
NAME = "reserve"
LOOK_AGAIN_S = 1.0
ROOM_TIMES = 2  # it is made again only when as much is free beside it, or the two would chase each other


class Reserve:
    def __init__(self, folder: Path, bytes_held: int, clock: Clock) -> None:
        self.path, self._bytes, self._clock = folder / NAME, bytes_held, clock
        self._looked = float("-inf")
        self._held = False

    def held(self) -> bool:
        """Whether the room is there. When it is not, look (once a second) whether it can be taken again."""
        if self._held or self._bytes == 0:
            return True
        now = self._clock.monotonic()
        if now - self._looked >= LOOK_AGAIN_S:
            self._looked = now
            self._held = self._take()
        return self._held

    def give_up(self) -> bool:
        """Give the room back to the disk; whether there was any."""
        self._held = False
        self._looked = self._clock.monotonic()
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        log.error("the disk is full: the reserve is given up, readings wait", extra={"bytes": self._bytes})
        return True

    def _take(self) -> bool:
        there = self.path.stat().st_size if self.path.exists() else 0
        if there == self._bytes:
            return True
        try:
            if free_bytes(self.path.parent) < ROOM_TIMES * self._bytes:
                return False
            with self.path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._bytes)
        except OSError as error:
            self.path.unlink(missing_ok=True)
            log.warning("no room for the reserve", extra={"why": error.strerror})
            return False
        return True


def free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free

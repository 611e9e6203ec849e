"""Proving passwords: slow on purpose, so at most two at once, in threads, and only so many may wait."""

from __future__ import annotations

import asyncio

from hub.errors import TooMany
from hub.i18n import _
from hub.login import proves

ARGON2_AT_ONCE = 2  # each takes 19 MiB and a core; more at once only make everyone wait
WAITING_MAX = 64  # about 2 s of argon2; beyond that it is an attack, and saying so is cheap


class Passwords:
    def __init__(self) -> None:
        self._gate = asyncio.Semaphore(ARGON2_AT_ONCE)
        self._waiting = 0

    async def prove(self, stored: str | None, password: str) -> bool:
        if self._waiting >= WAITING_MAX:
            raise TooMany(_("Too many people are signing in at once; try again in a moment"), 5)
        self._waiting += 1
        try:
            async with self._gate:
                return await asyncio.to_thread(proves, stored, password)
        finally:
            self._waiting -= 1

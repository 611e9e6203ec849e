"""Who holds which session, remembered for a moment so that a page with ten requests asks the store once.

A revoked session must act within 5 s (promises Q10): 2 s here, and the live sockets are asked again every 2 s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from itertools import islice

from sqlalchemy import select

from hub.access import Permissions, Subject
from hub.clock import Clock
from hub.db import Read, Store
from hub.login import SessionRow, subject_of

REMEMBERED_S = 2.0
REMEMBERED_MAX = 20_000  # two screens for each of 10,000 viewers; beyond that the oldest are asked again
ASKED_AT_ONCE = 500  # SQLite allows 999 parameters in one statement in its oldest builds


class Sessions:
    def __init__(self, store: Store, clock: Clock, permissions: Permissions) -> None:
        self._store, self._clock, self._permissions = store, clock, permissions
        self._known: dict[tuple[str, str], tuple[float, Subject | None]] = {}

    async def subject(self, token: str, surface: str, *, fresh: bool = False) -> Subject | None:
        """The subject of a token on a surface family, with its permissions; None when the session has ended."""
        now = self._clock.monotonic()
        known = self._known.get((token, surface))
        if known is not None and not fresh and now - known[0] < REMEMBERED_S:
            return known[1]
        found = await self._store.read(lambda read: subject_of(read, token, surface))
        subject = found.with_permissions(self._permissions) if found else None
        self._known.pop((token, surface), None)
        self._known[token, surface] = (now, subject)
        while len(self._known) > REMEMBERED_MAX:
            self._known.pop(next(iter(self._known)))
        return subject

    def forget(self, token: str) -> None:
        for key in [key for key in self._known if key[0] == token]:
            del self._known[key]

    def forget_of(self, ident: str) -> None:
        """What is known of one subject, whose rights have just changed."""
        for key in [key for key, (_at, who) in self._known.items() if who is not None and who.id == ident]:
            del self._known[key]

    async def ended(self, tokens: Collection[str]) -> set[str]:
        """Those of the tokens whose session is gone or over: one read for all the screens that stand open."""
        hashes = {hashlib.sha256(token.encode()).hexdigest(): token for token in tokens}
        alive = await self._store.read(lambda read: _alive(read, hashes)) if hashes else set()
        return {token for digest, token in hashes.items() if digest not in alive}


def _alive(read: Read, hashes: Iterable[str]) -> set[str]:
    alive: set[str] = set()
    waiting = iter(hashes)
    while chunk := list(islice(waiting, ASKED_AT_ONCE)):
        rows = read.session.execute(
            select(SessionRow.token_hash).where(  # type: ignore[call-overload]
                SessionRow.token_hash.in_(chunk),  # type: ignore[attr-defined]
                SessionRow.expires > read.now(),
            )
        )
        alive.update(rows.scalars())
    return alive

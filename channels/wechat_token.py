"""The one holder of the account's access token: fetched once, renewed early, replaced when WeChat refuses it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from channels.base import Clock, Retry
from channels.post import Refusal

RENEW_EARLY_S = 300.0  # WeChat keeps the old and the new token valid together for five minutes
FORCE_APART_S = 30.0  # WeChat allows a forced refresh every 30 s, 20 a day


@dataclass(frozen=True)
class Token:
    value: str = field(repr=False)
    renew_at: datetime
    forced_at: datetime | None = None  # when a forced refresh was last asked for


class TokenStore(Protocol):
    """Where the token lives: this process's memory, or one row of the database when several workers send."""

    def exclusive(self) -> AbstractAsyncContextManager[object]:
        """Held while a token is fetched, so that two never refresh at once."""

    async def load(self) -> Token | None: ...
    async def save(self, token: Token) -> None: ...


class MemoryTokenStore:
    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._token: Token | None = None

    def exclusive(self) -> asyncio.Lock:
        return self._lock

    async def load(self) -> Token | None:
        return self._token

    async def save(self, token: Token) -> None:
        self._token = token


@dataclass(frozen=True)
class Grant:
    """What WeChat's stable_token endpoint gave."""

    value: str = field(repr=False)
    expires_in_s: float


class TokenHolder:
    def __init__(self, fetch: Callable[[bool], Awaitable[Grant | Refusal]], store: TokenStore, clock: Clock) -> None:
        self._fetch, self._store, self._clock = fetch, store, clock

    async def get(self) -> str | Refusal:
        token = await self._store.load()
        if token and self._clock.now() < token.renew_at:
            return token.value
        async with self._store.exclusive():
            token = await self._store.load()
            if token and self._clock.now() < token.renew_at:
                return token.value
            grant = await self._fetch(False)
            return await self._keep(grant, token.forced_at if token else None)

    async def replace(self, refused: str) -> str | Refusal:
        """A token other than the refused one.

        Force only what WeChat itself still hands out: a forced refresh kills the token of every other worker, and
        two workers that force in turn would spend the day's twenty in ten minutes.
        """
        async with self._store.exclusive():
            token = await self._store.load()
            if token and token.value != refused:
                return token.value
            forced_at = token.forced_at if token else None
            grant = await self._fetch(False)
            if isinstance(grant, Grant) and grant.value == refused:
                now = self._clock.now()
                if forced_at and now - forced_at < timedelta(seconds=FORCE_APART_S):
                    return Refusal(Retry(FORCE_APART_S, "WeChat refuses the access token"), for_all=True)
                forced_at = now
                grant = await self._fetch(True)
            return await self._keep(grant, forced_at)

    async def _keep(self, grant: Grant | Refusal, forced_at: datetime | None) -> str | Refusal:
        if isinstance(grant, Refusal):
            return grant
        # Near its end WeChat may still hand out the old token; then half of what is left, or we would ask every time.
        left_s = grant.expires_in_s
        fresh_s = left_s - RENEW_EARLY_S if left_s > 2 * RENEW_EARLY_S else left_s / 2
        await self._store.save(Token(grant.value, self._clock.now() + timedelta(seconds=fresh_s), forced_at))
        return grant.value

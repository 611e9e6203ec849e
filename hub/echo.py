"""The echo: several processes on one PostgreSQL store, and each one's screens show what another one changed.

What a transaction touched is told with it (NOTIFY goes out at its commit or not at all); whoever serves screens listens
and draws anew. On SQLite there is one hub to a store, so there is nobody to tell.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from hub.db import Store, Tx
    from hub.feed import Feed

CHANNEL = "linli_touched"
PAYLOAD_BYTES_MAX = 7_900  # PostgreSQL takes less than 8,000 bytes in one notification
PAYLOADS_MAX = 20  # whoever touched some thousands of topics touched everything
SILENCE_S = 30  # a line that died without a word is found out by TCP's own probes


def tell(tx: Tx, speaker: str) -> None:
    """In the transaction that touched them."""
    topics = sorted(f"{name}:{key}" for name, key in tx.touched)
    for payload in payloads(speaker, topics):
        tx.session.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": CHANNEL, "payload": payload})


def payloads(speaker: str, topics: Sequence[str]) -> list[str]:
    """Pure: `[speaker, [topic, ...]]` as often as needed, or `[speaker, null]` for everything."""
    made = [json.dumps([speaker, part]) for part in _parts(topics, PAYLOAD_BYTES_MAX - len(speaker) - 10)]
    return made if len(made) <= PAYLOADS_MAX else [json.dumps([speaker, None])]


def _parts(topics: Sequence[str], room: int) -> Iterator[list[str]]:
    part: list[str] = []
    used = 0
    for topic in topics:
        size = len(json.dumps(topic)) + 2
        if part and used + size > room:
            yield part
            part, used = [], 0
        part.append(topic)
        used += size
    if part:
        yield part


def hear(feed: Feed, listener: str, payload: str) -> None:
    speaker, topics = json.loads(payload)
    if speaker == listener:
        return
    if topics is None:
        feed.forget()
    else:
        feed.committed((), frozenset((name, key) for name, _colon, key in (each.partition(":") for each in topics)))


@asynccontextmanager
async def listening(store: Store, channel: str) -> AsyncIterator[AsyncConnection[Any]]:
    """A line of its own that hears what is told on a channel."""
    from psycopg import AsyncConnection  # the driver of the `postgres` extra

    where, how = store.engine.dialect.create_connect_args(store.url)
    line = await AsyncConnection.connect(*where, autocommit=True, keepalives_idle=SILENCE_S, **how)
    async with line:
        await line.execute(f"LISTEN {channel}")
        yield line


async def follow(store: Store, feed: Feed) -> None:
    """The job of a process with screens: ends by an error when its line does, and is then started again."""
    async with listening(store, CHANNEL) as line:
        feed.forget()  # what was changed while nobody listened
        async for note in line.notifies():
            hear(feed, store.name, note.payload)

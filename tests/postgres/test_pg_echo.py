"""What one process changes on PostgreSQL stands on the screens of another."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import OperationalError
from sqlalchemy import text

from hub import echo
from hub.clock import SystemClock
from hub.db import Read, Store, Tx
from hub.feed import Feed, Watcher
from hub.module import Topic
from tests.conftest import needs
from tests.postgres.cluster import MakeStore
from tests.world import until

pytestmark = [pytest.mark.anyio, needs("postgresql")]
WAIT_S = 20
LISTENING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"


class Screen:
    """A process with one screen: its own store, feed and watcher; `drawn` counts what it drew from the store."""

    def __init__(self, store: Store) -> None:
        self.store, self.drawn, self.watcher = store, 0, Watcher("en")
        topic = Topic("t.stamp", "stamp", self.view, lambda _who, _key: True)
        self.feed = Feed(store, [topic], lambda _template, context, _lang: str(context["version"]), SystemClock())
        store.bus.observe(self.feed.committed)

    def view(self, read: Read, _key: str) -> Mapping[str, Any]:
        self.drawn += 1
        return {"version": read.session.execute(text("SELECT version FROM stamp WHERE name = 'probe'")).scalar_one()}

    async def shows(self) -> str:
        await asyncio.wait_for(self.watcher.wake.wait(), WAIT_S)
        return self.watcher.take()[-1].html

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[asyncio.Task[None]]:
        await self.feed.watch(self.watcher, "t.stamp:all")
        self.watcher.take()
        following = asyncio.create_task(echo.follow(self.store, self.feed))
        await until(lambda: listeners(self.store) or following.done())
        await self.shows()  # drawn anew once it listens
        try:
            yield following
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            self.feed.leave(self.watcher)


def listeners(store: Store) -> list[int]:
    return list(store.read_now(lambda read: read.session.execute(text(LISTENING)).scalars().all()))


def change(tx: Tx, version: int) -> None:
    tx.session.execute(text("UPDATE stamp SET version = :version WHERE name = 'probe'"), {"version": version})
    tx.touch("t.stamp", "all")


async def test_a_screen_shows_what_another_process_committed(make_store: MakeStore) -> None:
    worker, screen = make_store(seed="worker"), Screen(make_store(seed="screen"))
    async with screen.listening():
        await worker.write(lambda tx: change(tx, 7))
        assert await screen.shows() == "7"


async def test_what_was_rolled_back_is_never_told(make_store: MakeStore) -> None:
    worker, screen = make_store(seed="worker"), Screen(make_store(seed="screen"))

    def fails(tx: Tx) -> None:
        change(tx, 8)
        tx.session.flush()
        raise RuntimeError("the disk went away")

    async with screen.listening():
        drawn = screen.drawn
        with pytest.raises(RuntimeError):
            await worker.write(fails)
        await worker.write(lambda tx: change(tx, 9))
        assert await screen.shows() == "9"
        assert screen.drawn == drawn + 1


async def test_a_process_does_not_hear_itself(make_store: MakeStore) -> None:
    worker, screen = make_store(seed="worker"), Screen(make_store(seed="screen"))
    async with screen.listening():
        drawn = screen.drawn
        await screen.store.write(lambda tx: change(tx, 1))
        assert await screen.shows() == "1"
        await worker.write(lambda tx: change(tx, 2))  # comes after the echo of the first would have
        assert await screen.shows() == "2"
        assert screen.drawn == drawn + 2


async def test_a_lost_line_is_an_error_and_the_next_one_shows_what_was_missed(make_store: MakeStore) -> None:
    worker, screen = make_store(seed="worker"), Screen(make_store(seed="screen"))
    async with screen.listening() as following:
        (pid,) = listeners(worker)
        worker.write_now(lambda tx: tx.session.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid}))
        await asyncio.wait([following], timeout=WAIT_S)
        assert isinstance(following.exception(), OperationalError)
        await worker.write(lambda tx: change(tx, 5))
        again = asyncio.create_task(echo.follow(screen.store, screen.feed))
        assert await screen.shows() == "5"
        again.cancel()
        await asyncio.gather(again, return_exceptions=True)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters=":"), min_size=1, max_size=40)


@settings(max_examples=60)
@given(st.sets(st.tuples(NAMES, st.text(max_size=60)), max_size=60), st.integers(1, 60))
def test_every_touched_topic_is_told_in_pieces_postgresql_takes(topics: set[tuple[str, str]], times: int) -> None:
    wanted = sorted(f"{name}:{key}{number}" for name, key in topics for number in range(times))
    made = echo.payloads("a" * 16, wanted)
    assert all(len(payload.encode()) < 8_000 for payload in made)
    told = [json.loads(payload) for payload in made]
    assert all(speaker == "a" * 16 for speaker, _topics in told)
    if told and told[0][1] is None:
        assert len(told) == 1
        assert sum(len(json.dumps(each)) for each in wanted) > echo.PAYLOAD_BYTES_MAX
    else:
        assert [topic for _speaker, part in told for topic in part] == wanted

"""The feed: drawn once per change and language, latest wins, watched only by those who may."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hub.access import Subject
from hub.bus import Bus
from hub.db import Read, Store
from hub.feed import Feed, Watcher
from hub.i18n import language
from hub.module import Topic
from tests.world import make_store, until

DRAWN: list[tuple[str, str]] = []
COUNT = {"n": 0}


def view(_read: Read, key: str) -> Mapping[str, Any]:
    return {"key": key, "n": COUNT["n"]}


TOPICS = (
    Topic("t.count", "count", view, lambda who, key: who.id == key),
    Topic("t.toast", "toast", view, lambda who, key: True, kind="event"),
)


def render(template: str, context: Mapping[str, Any], lang: str) -> str:
    assert language() == lang, "the fragment is drawn in the watcher's language"
    DRAWN.append((template, lang))
    return f"{template} {lang} {context}"


def make(tmp_path: Path) -> tuple[Store, Feed]:
    DRAWN.clear()
    COUNT["n"] = 0
    store = make_store(tmp_path, bus=Bus())
    feed = Feed(store, TOPICS, render, store.clock)
    store.bus.observe(feed.committed)
    return store, feed


def test_a_touch_is_drawn_once_for_all_who_watch_it(tmp_path: Path) -> None:
    async def go() -> None:
        store, feed = make(tmp_path)
        screens = [Watcher("zh") for _ in range(50)]
        for screen in screens:
            await feed.watch(screen, "t.count:a")
            screen.take()
        assert len(DRAWN) == 1
        COUNT["n"] = 1
        await store.write(lambda tx: tx.touch("t.count", "a"))
        await asyncio.wait_for(asyncio.gather(*(screen.wake.wait() for screen in screens)), 5)
        assert len(DRAWN) == 2
        frames = {screen.take()[0].data for screen in screens}
        assert len(frames) == 1

    asyncio.run(go())


def test_a_slow_screen_holds_one_frame_a_topic(tmp_path: Path) -> None:
    async def go() -> None:
        store, feed = make(tmp_path)
        slow = Watcher("en")
        await feed.watch(slow, "t.count:a")
        for number in range(100):
            COUNT["n"] = number
            await store.write(lambda tx: tx.touch("t.count", "a"))
        await until(lambda: feed._drawing is None or feed._drawing.done())
        frames = slow.take()
        assert len(frames) == 1
        assert "99" in frames[0].html

    asyncio.run(go())


def test_an_event_missed_while_away_is_replayed(tmp_path: Path) -> None:
    async def go() -> None:
        _store, feed = make(tmp_path)
        here = Watcher("zh")
        await feed.watch(here, "t.toast:a")
        feed.push("t.toast", "a", {"what": 1})
        (first,) = here.take()
        feed.leave(here)
        feed.push("t.toast", "a", {"what": 2})
        feed.push("t.toast", "a", {"what": 3})
        again = Watcher("zh")
        await feed.watch(again, "t.toast:a", since=first.id)
        assert [frame.html.split("'what': ")[1][0] for frame in again.take()] == ["2", "3"]
        fresh = Watcher("zh")
        await feed.watch(fresh, "t.toast:a")
        assert fresh.take() == []

    asyncio.run(go())


def test_only_who_is_allowed_may_watch(tmp_path: Path) -> None:
    _store, feed = make(tmp_path)
    assert feed.may_watch(Subject(id="a"), "t.count:a")
    assert not feed.may_watch(Subject(id="b"), "t.count:a")
    assert not feed.may_watch(Subject(id="a"), "t.nothing:a")
    assert not feed.may_watch(Subject(id="a"), "t.toast:")

"""An emergency's way from the commit to the sockets: drawn before everything else, never behind a slow screen, never
overtaken by something older.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from hub.bus import Bus
from hub.clock import SystemClock
from hub.db import Read, Store, Tx
from hub.feed import DRAWN_AT_ONCE, Feed, Frame, Watcher
from hub.module import Topic
from tests.world import WAIT_S_MAX, make_store, until

LISTS = [f"k{number}" for number in range(3 * DRAWN_AT_ONCE)]


class Hub:
    """A store, a feed with a list and a cover, and a gate at which a drawing can be held."""

    def __init__(self, folder: Path) -> None:
        self.store: Store = make_store(folder, bus=Bus(), inline=False)
        self.version = 0
        self.drawn: list[str] = []
        self.held, self.gate = threading.Event(), threading.Event()
        self.gate.set()
        allow = lambda _who, _key: True  # noqa: E731
        topics = (Topic("a.list", "list", self.view, allow), Topic("z.cover", "cover", self.view, allow, covers=True))
        self.feed = Feed(self.store, topics, self.render, SystemClock())
        self.store.bus.observe(self.feed.committed)

    def view(self, _read: Read, key: str) -> Mapping[str, Any]:
        version = self.version
        self.held.set()
        assert self.gate.wait(WAIT_S_MAX)
        return {"key": key, "version": version}

    def render(self, template: str, context: Mapping[str, Any], _lang: str) -> str:
        self.drawn.append(f"{template} {context['key']}")
        return str(context["version"])

    async def touch(self, *topics: tuple[str, str]) -> None:
        def work(tx: Tx) -> None:
            for name, key in topics:
                tx.touch(name, key)

        await self.store.write(work)

    async def held_up(self) -> None:
        assert await asyncio.to_thread(self.held.wait, WAIT_S_MAX)


def test_a_cover_is_drawn_before_all_that_waits_already(tmp_path: Path) -> None:
    async def go() -> None:
        hub, screen = Hub(tmp_path), Watcher("zh")
        for key in LISTS:
            await hub.feed.watch(screen, f"a.list:{key}")
        await hub.feed.watch(screen, "z.cover:k")
        hub.drawn.clear()
        hub.held.clear()
        hub.gate.clear()
        await hub.touch(*(("a.list", key) for key in LISTS))
        await hub.held_up()  # the first look is under way; the rest of the lists wait
        await hub.touch(("a.list", "k0"), ("z.cover", "k"))
        hub.gate.set()
        await until(lambda: len(hub.drawn) == len(LISTS) + 2)
        assert hub.drawn.index("cover k") == DRAWN_AT_ONCE
        hub.store.close()

    asyncio.run(go())


def test_all_who_come_at_once_share_one_drawing(tmp_path: Path) -> None:
    async def go() -> None:
        hub = Hub(tmp_path)
        await asyncio.gather(*(hub.feed.watch(Watcher("zh"), "z.cover:k") for _ in range(200)))
        assert hub.drawn == ["cover k"]
        hub.store.close()

    asyncio.run(go())


async def _comes(hub: Hub) -> tuple[Watcher, list[str], asyncio.Task[None]]:
    """A screen whose first look at the store is held up, and what is written to it from then on."""
    written = list[str]()

    def write(frame: Frame) -> bool:
        written.append(frame.html)
        return True

    screen = Watcher("zh", write)
    hub.gate.clear()
    coming = asyncio.create_task(hub.feed.watch(screen, "z.cover:k"))
    await hub.held_up()
    return screen, written, coming


def test_who_comes_while_a_change_is_drawn_is_left_with_the_newer(tmp_path: Path) -> None:
    async def go() -> None:
        hub = Hub(tmp_path)
        _screen, written, coming = await _comes(hub)  # it has looked at the store before the change
        hub.version = 1
        hub.held.clear()
        await hub.touch(("z.cover", "k"))
        await hub.held_up()
        hub.gate.set()
        await asyncio.wait_for(coming, WAIT_S_MAX)
        await until(lambda: "1" in written)
        assert written[-1] == "1"
        hub.store.close()

    asyncio.run(go())


def test_what_is_pushed_to_a_screen_while_it_is_looked_up_for_it_stays_the_newest(tmp_path: Path) -> None:
    async def go() -> None:
        hub = Hub(tmp_path)
        screen, written, coming = await _comes(hub)
        screen.offer(Frame("z.cover:k", 1 << 50, "newer", b"", ""), event=False)
        hub.gate.set()
        await asyncio.wait_for(coming, WAIT_S_MAX)
        assert written == ["newer"]
        hub.store.close()

    asyncio.run(go())


STEPS = st.lists(st.sampled_from(["offer a", "offer b", "stuck", "free", "take", "send", "sent"]), max_size=40)


@settings(max_examples=60)
@given(STEPS)
@example(["stuck", "offer a", "take", "free", "offer a", "send", "sent"])
def test_a_screen_that_falls_behind_ends_with_the_newest_of_each_topic(steps: list[str]) -> None:
    """`written` is what its socket got, at once or by whoever sends what waited; the queue stays at one a topic."""
    state, written, taken = {"stuck": False}, list[Frame](), list[Frame]()

    def write(frame: Frame) -> bool:
        if not state["stuck"]:
            written.append(frame)
        return not state["stuck"]

    screen, offered, busy = Watcher("zh", write), dict[str, int](), False
    for number, step in enumerate([*steps, "free", *["send"] * 3, "sent", "take", *["send"] * 3, "sent"]):
        what, _, topic = step.partition(" ")
        if what == "offer":
            offered[topic] = number
            screen.offer(Frame(topic, number, "", b"", ""), event=False)
        elif what in ("stuck", "free"):
            state["stuck"] = what == "stuck"
        elif what == "take" and not busy:
            busy, taken = True, screen.take()
            assert len(taken) <= 2
        elif what == "send" and taken:
            written.append(taken.pop(0))
        elif what == "sent" and busy and not taken:
            screen.sent()
            busy = False
    for topic, newest in offered.items():
        ids = [frame.id for frame in written if frame.topic == topic]
        assert ids == sorted(ids)
        assert ids[-1] == newest

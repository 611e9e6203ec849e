"""The live fan-out: fragments by topic, drawn once per change and language, written to whoever watches.

A watcher that keeps up is written to at once, in the same turn as all others. One that does not holds the latest frame
per topic and one wake-up: a slow screen never builds a queue, its memory is bounded by the number of its topics. What
must not be lost (a notice, points) is state in the store, so the next drawing holds it. Topics that lie over a screen
are drawn before all others, also before those that were touched earlier.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from sys import intern
from typing import TYPE_CHECKING, Any

from hub.access import Subject
from hub.clock import Clock
from hub.db import Read, Store
from hub.events import Event
from hub.i18n import speaking

if TYPE_CHECKING:
    from hub.module import Topic

log = logging.getLogger(__name__)
REPLAY_FRAMES_MAX = 50  # event topics: about a day of one community's notices
DRAWN_AT_ONCE = 8  # topics in one look at the store: what is urgent waits for one such look at most
CACHE_FRAGMENTS_MAX = 20_000  # 1,557 communities x a few topics x two languages, with room; oldest go first


Where = tuple[str, str]  # topic and language


@dataclass(frozen=True, slots=True)
class Frame:
    """One message to the screens, encoded once."""

    topic: str
    id: int
    html: str
    data: bytes
    etag: str


class Watcher:
    """One screen: its topics and what it was not sent yet. `write` sends a frame at once, or says that it cannot."""

    __slots__ = ("_events", "_latest", "_taken", "_wake", "_write", "lang", "looked_for", "topics")

    def __init__(self, lang: str, write: Callable[[Frame], bool] | None = None) -> None:
        self.lang = lang
        self.topics: set[str] = set()
        self.looked_for: set[str] = set()  # topics it is about to be shown, unless something newer comes first
        self._write = write
        self._taken = False  # somebody is sending what was waiting: what is newer must not overtake it
        self._latest: dict[str, Frame] = {}
        # Thousands of screens keep up and need neither of these: together they are a kilobyte.
        self._events: deque[Frame] | None = None
        self._wake: asyncio.Event | None = None

    @property
    def wake(self) -> asyncio.Event:
        """Set while something waits to be taken."""
        if self._wake is None:
            self._wake = asyncio.Event()
            if self._latest or self._events:
                self._wake.set()
        return self._wake

    def offer(self, frame: Frame, *, event: bool) -> None:
        if self.looked_for:
            self.looked_for.discard(frame.topic)
        free = self._write is not None and not self._taken and not self._latest and not self._events
        if free and self._write is not None and self._write(frame):
            return
        if event:
            if self._events is None:
                self._events = deque(maxlen=REPLAY_FRAMES_MAX)
            self._events.append(frame)
        else:
            self._latest[frame.topic] = frame
        if self._wake is not None:
            self._wake.set()

    def take(self) -> list[Frame]:
        """What waits; until `sent`, nothing is written past it."""
        frames = [*self._latest.values(), *(self._events or ())]
        self._latest.clear()
        self._events = None
        if self._wake is not None:
            self._wake.clear()
        self._taken = True
        return frames

    def sent(self) -> None:
        self._taken = False


class Feed:
    def __init__(
        self,
        store: Store,
        topics: Sequence[Topic],
        render: Callable[[str, Mapping[str, Any], str], str],
        clock: Clock,
    ) -> None:
        self._store, self._render, self._clock = store, render, clock
        self._topics = {topic.name: topic for topic in topics}
        self._watchers: dict[tuple[str, str], set[Watcher]] = defaultdict(set)
        self._cache: dict[Where, Frame | asyncio.Future[Frame]] = {}  # drawn, or being drawn
        self._looks: set[asyncio.Task[None]] = set()
        self._replay: dict[tuple[str, str], deque[Frame]] = {}
        # Topics to draw, with the events that touched them: what covers nothing, and what covers a screen.
        self._dirty: tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]] = ({}, {})
        self._drawing: asyncio.Task[None] | None = None
        self._last_id = 0
        self.observers: list[Callable[[str, int, tuple[str, ...]], None]] = []  # (topic, viewers, event ids)
        self.touches: list[Callable[[frozenset[tuple[str, str]] | None], None]] = []  # what changed; None: anything

    def may_watch(self, subject: Subject, topic: str) -> bool:
        name, _, key = topic.partition(":")
        declared = self._topics.get(name)
        return declared is not None and bool(key) and declared.allow(subject, key)

    def committed(self, events: Sequence[Event], touched: frozenset[tuple[str, str]]) -> None:
        """Bus observer: draw the touched topics anew. Fragments nobody watches are only forgotten."""
        ids = tuple(event.id for event in events)
        for touch in self.touches:
            touch(touched)
        for name, key in sorted(touched):  # a set's own order would differ from run to run
            topic = f"{name}:{key}"
            for lang in ("zh", "en"):
                self._cache.pop((topic, lang), None)
            if self.viewers(topic):
                self._dirty[self._covers(topic)][topic] = ids
        if not any(self._dirty):
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # the command line and tests without a loop have no screens
            self._dirty = ({}, {})
            return
        if self._drawing is None or self._drawing.done():
            self._drawing = loop.create_task(self._draw(), name="feed-draw")

    def forget(self) -> None:
        """Drop every cached fragment and draw what is watched anew: another process wrote to the store."""
        self._cache.clear()
        for touch in self.touches:
            touch(None)
        self.committed((), frozenset(_split(topic) for topic, _lang in self._watchers if self._watchers[topic, _lang]))

    async def _draw(self) -> None:
        while any(self._dirty):
            plain, covering = self._dirty
            queue = covering or plain
            part = {topic: queue.pop(topic) for topic in list(islice(queue, DRAWN_AT_ONCE))}
            wanted = [(topic, lang) for topic in part for lang in ("zh", "en") if self._watchers.get((topic, lang))]
            for (topic, lang), frame in (await self._drawn(wanted)).items():
                watchers = tuple(self._watchers.get((topic, lang), ()))
                for watcher in watchers:
                    watcher.offer(frame, event=False)
                for observer in self.observers:
                    observer(topic, len(watchers), part[topic])

    async def quiet(self, wait_s: float) -> None:
        """Once those who watch have what was touched, or after so long."""
        if self._drawing is not None and not self._drawing.done():
            await asyncio.wait((self._drawing,), timeout=wait_s)

    def _covers(self, topic: str) -> bool:
        declared = self._topics.get(topic.partition(":")[0])
        return declared is not None and declared.covers

    async def _drawn(self, wanted: Sequence[Where]) -> dict[Where, Frame]:
        """These fragments as they stand, drawn in one look; without those that cannot be drawn."""
        found: dict[Where, Frame] = {}
        drawings = self._drawings(wanted)
        for where, frame in zip(wanted, await asyncio.gather(*drawings, return_exceptions=True), strict=True):
            if isinstance(frame, BaseException):
                name = where[0].partition(":")[0]
                log.error("a fragment could not be drawn", exc_info=frame, extra={"topic": name})
            else:
                found[where] = frame
        return found

    def held(self, topic: str, lang: str) -> Frame | None:
        """The fragment as it stands, if it is drawn."""
        cached = self._cache.get((topic, lang))
        return cached if isinstance(cached, Frame) else None

    async def current(self, topic: str, lang: str) -> Frame:
        """The fragment as it stands: from the cache, or drawn now, once for all who ask meanwhile."""
        cached = self._cache.get((topic, lang))
        if isinstance(cached, Frame):
            return cached
        (drawing,) = self._drawings([(topic, lang)])
        return await asyncio.shield(drawing)

    async def currents(self, topics: Sequence[str], lang: str) -> dict[str, Frame]:
        """The same of several: what must be drawn is drawn in one look at the store."""
        drawings = self._drawings([(topic, lang) for topic in topics])
        return dict(zip(topics, await asyncio.gather(*(asyncio.shield(each) for each in drawings)), strict=True))

    def _drawings(self, wanted: Sequence[Where]) -> list[asyncio.Future[Frame]]:
        """What is under way already, or begins now; what begins is one look at the store, whoever goes away."""
        loop = asyncio.get_running_loop()
        found: list[asyncio.Future[Frame]] = []
        fresh: dict[Where, asyncio.Future[Frame]] = {}
        for where in wanted:
            drawing = self._cache.get(where)
            if drawing is None:
                drawing = fresh[where] = self._cache[where] = loop.create_future()
            elif isinstance(drawing, Frame):
                done, drawing = drawing, loop.create_future()
                drawing.set_result(done)
            found.append(drawing)
        if fresh:
            look = loop.create_task(self._look(fresh), name="feed-look")
            self._looks.add(look)
            look.add_done_callback(self._looks.discard)
        return found

    async def _look(self, fresh: Mapping[Where, asyncio.Future[Frame]]) -> None:
        try:
            htmls = await self._store.read(lambda read: [self._html(read, *where) for where in fresh])
        except Exception as error:
            htmls = [error] * len(fresh)
        for (where, drawing), html in zip(fresh.items(), htmls, strict=True):
            standing = self._cache.get(where) is drawing  # a touch while we drew took it out
            if standing:
                del self._cache[where]
            if drawing.done():
                continue  # cancelled with the loop
            if isinstance(html, Exception):
                drawing.set_exception(html)
                drawing.exception()  # perhaps nobody waits for it any more
                continue
            frame = self._frame(where[0], html)
            drawing.set_result(frame)
            if standing:
                self._cache[where] = frame
        while len(self._cache) > CACHE_FRAGMENTS_MAX:
            self._cache.pop(next(iter(self._cache)))

    def _html(self, read: Read, topic: str, lang: str) -> str | Exception:
        name, _, key = topic.partition(":")
        declared = self._topics[name]
        try:
            with speaking(lang):
                return self._render(declared.template, declared.view(read, key), lang)
        except Exception as error:
            read.session.rollback()  # PostgreSQL answers nothing more in a transaction that failed
            return error

    def push(self, name: str, key: str, context: Mapping[str, Any]) -> None:
        """Show something at once on an `event` topic: drawn from `context` alone, kept for replay, never stored."""
        topic = f"{name}:{key}"
        declared = self._topics[name]
        for lang in ("zh", "en"):
            with speaking(lang):
                frame = self._frame(topic, self._render(declared.template, context, lang))
            self._replay.setdefault((topic, lang), deque(maxlen=REPLAY_FRAMES_MAX)).append(frame)
            for watcher in tuple(self._watchers.get((topic, lang), ())):
                watcher.offer(frame, event=True)

    async def watch(self, watcher: Watcher, topic: str, since: int = 0) -> None:
        """Add a topic the caller has already checked with `may_watch`; sends what stands now, or what was missed."""
        name = topic.partition(":")[0]
        topic = intern(topic)  # every screen of a place names the same few
        watcher.topics.add(topic)
        self._watchers[(topic, watcher.lang)].add(watcher)
        if self._topics[name].kind == "event":
            for frame in self._replay.get((topic, watcher.lang), ()):
                if since and frame.id > since:
                    watcher.offer(frame, event=True)
        else:
            watcher.looked_for.add(topic)
            try:
                frame = await self.current(topic, watcher.lang)
            except BaseException:
                self._drop(watcher, topic)
                raise
            if topic in watcher.looked_for:  # else it was given a newer one while we looked
                watcher.offer(frame, event=False)

    def leave(self, watcher: Watcher) -> None:
        for topic in tuple(watcher.topics):
            self._drop(watcher, topic)

    def _drop(self, watcher: Watcher, topic: str) -> None:
        watcher.topics.discard(topic)
        watcher.looked_for.discard(topic)
        watchers = self._watchers.get((topic, watcher.lang))
        if watchers is not None:
            watchers.discard(watcher)
            if not watchers:
                del self._watchers[(topic, watcher.lang)]

    def viewers(self, topic: str) -> int:
        return sum(len(self._watchers.get((topic, lang), ())) for lang in ("zh", "en"))

    def watched(self) -> frozenset[str]:
        """The topics somebody watches now."""
        return frozenset(topic for (topic, _lang), watchers in self._watchers.items() if watchers)

    def _frame(self, topic: str, html: str) -> Frame:
        # Ids grow over restarts, so that a screen's `since` from yesterday still means something today.
        self._last_id = max(self._last_id + 1, int(self._clock.now().timestamp() * 1000))
        data = json.dumps({"t": topic, "id": self._last_id, "html": html}, ensure_ascii=False).encode()
        return Frame(topic, self._last_id, html, data, hashlib.sha256(html.encode()).hexdigest()[:20])


def _split(topic: str) -> tuple[str, str]:
    name, _, key = topic.partition(":")
    return name, key

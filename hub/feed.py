"""The live fan-out: fragments by topic, drawn once per change and language, written to whoever watches.

A watcher holds the latest frame per topic and one wake-up: a slow screen never builds a queue, its memory is bounded by
the number of its topics. What must not be lost (a notice, points) is state in the store, so the next drawing holds it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub.access import Subject
from hub.clock import Clock
from hub.db import Store
from hub.events import Event
from hub.i18n import speaking

if TYPE_CHECKING:
    from hub.module import Topic

log = logging.getLogger(__name__)
REPLAY_FRAMES_MAX = 50  # event topics: about a day of one community's notices
CACHE_FRAGMENTS_MAX = 20_000  # 1,557 communities x a few topics x two languages, with room; oldest go first


@dataclass(frozen=True, slots=True)
class Frame:
    """One message to the screens, encoded once."""

    topic: str
    id: int
    html: str
    data: bytes
    etag: str


class Watcher:
    """One screen: its topics and what it has not been sent yet."""

    def __init__(self, lang: str) -> None:
        self.lang = lang
        self.topics: set[str] = set()
        self.wake = asyncio.Event()
        self._latest: dict[str, Frame] = {}
        self._events: deque[Frame] = deque(maxlen=REPLAY_FRAMES_MAX)

    def offer(self, frame: Frame, *, event: bool) -> None:
        if event:
            self._events.append(frame)
        else:
            self._latest[frame.topic] = frame
        self.wake.set()

    def take(self) -> list[Frame]:
        frames = [*self._latest.values(), *self._events]
        self._latest.clear()
        self._events.clear()
        self.wake.clear()
        return frames


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
        self._cache: dict[tuple[str, str], Frame] = {}
        self._replay: dict[tuple[str, str], deque[Frame]] = {}
        self._dirty: set[str] = set()
        self._drawing: asyncio.Task[None] | None = None
        self._last_id = 0
        self.observers: list[Callable[[str, int, tuple[str, ...]], None]] = []  # (topic, viewers, event ids)
        self._why: dict[str, tuple[str, ...]] = {}

    def may_watch(self, subject: Subject, topic: str) -> bool:
        name, _, key = topic.partition(":")
        declared = self._topics.get(name)
        return declared is not None and bool(key) and declared.allow(subject, key)

    def committed(self, events: Sequence[Event], touched: frozenset[tuple[str, str]]) -> None:
        """Bus observer: draw the touched topics anew. Fragments nobody watches are only forgotten."""
        ids = tuple(event.id for event in events)
        for name, key in touched:
            topic = f"{name}:{key}"
            for lang in ("zh", "en"):
                self._cache.pop((topic, lang), None)
            self._dirty.add(topic)
            self._why[topic] = ids
        if not self._dirty:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # the command line and tests without a loop have no screens
            self._dirty.clear()
            return
        if self._drawing is None or self._drawing.done():
            self._drawing = loop.create_task(self._draw(), name="feed-draw")

    def forget(self) -> None:
        """Drop every cached fragment and draw what is watched anew: another process wrote to the store."""
        self._cache.clear()
        self.committed((), frozenset(_split(topic) for topic, _lang in self._watchers if self._watchers[topic, _lang]))

    async def _draw(self) -> None:
        while self._dirty:
            topics, self._dirty = self._dirty, set()
            for topic in sorted(topics):  # a set's own order would differ from run to run
                for lang in ("zh", "en"):
                    watchers = self._watchers.get((topic, lang))
                    if not watchers:
                        continue
                    try:
                        frame = await self.current(topic, lang)
                    except Exception:
                        log.exception("a fragment could not be drawn", extra={"topic": topic.partition(":")[0]})
                        continue
                    for watcher in tuple(watchers):
                        watcher.offer(frame, event=False)
                    for observer in self.observers:
                        observer(topic, len(watchers), self._why.get(topic, ()))
                self._why.pop(topic, None)

    async def current(self, topic: str, lang: str) -> Frame:
        """The fragment as it stands, from the cache or drawn now."""
        cached = self._cache.get((topic, lang))
        if isinstance(cached, Frame):  # or the marker of a drawing under way: then draw here too
            return cached
        name, _, key = topic.partition(":")
        declared = self._topics[name]
        marker = object()
        self._cache[(topic, lang)] = marker  # type: ignore[assignment] # a touch while we draw removes the marker

        def draw(read: Any) -> str:
            with speaking(lang):
                return self._render(declared.template, declared.view(read, key), lang)

        try:
            html = await self._store.read(draw)
        except BaseException:
            if self._cache.get((topic, lang)) is marker:
                del self._cache[(topic, lang)]
            raise
        frame = self._frame(topic, html)
        if self._cache.get((topic, lang)) is marker:
            self._cache[(topic, lang)] = frame
        while len(self._cache) > CACHE_FRAGMENTS_MAX:
            self._cache.pop(next(iter(self._cache)))
        return frame

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
        watcher.topics.add(topic)
        self._watchers[(topic, watcher.lang)].add(watcher)
        if self._topics[name].kind == "event":
            for frame in self._replay.get((topic, watcher.lang), ()):
                if since and frame.id > since:
                    watcher.offer(frame, event=True)
        else:
            try:
                watcher.offer(await self.current(topic, watcher.lang), event=False)
            except BaseException:
                self._drop(watcher, topic)
                raise

    def leave(self, watcher: Watcher) -> None:
        for topic in tuple(watcher.topics):
            self._drop(watcher, topic)

    def _drop(self, watcher: Watcher, topic: str) -> None:
        watcher.topics.discard(topic)
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

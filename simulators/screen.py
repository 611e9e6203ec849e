"""A screen that somebody may be looking at: it loads a page, follows the page's live topics, and says what it showed.

No browser: the page's `data-live` attributes name the topics, `data-notice` and `data-rev` the notices. The socket is
`/live` on the page's own origin; where it is refused, `/live/poll` with ETags takes its place, and proof is posted.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from html.parser import HTMLParser
from urllib.parse import urlsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Origin

from simulators.chance import unit
from simulators.clock import Now, utc_now
from simulators.trust import trust

POLL_EVERY_S = 5.0
SOCKET_RETRY_S = 15.0  # how long a screen polls before it tries the socket again
RECONNECT_FIRST_S, RECONNECT_MAX_S = 0.5, 10.0
SESSION_ENDED = 4401  # the hub's word for: load the page again
FRAME_BYTES_MAX = 1 << 20  # a fragment is a few kilobytes; this only bounds memory

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Showing:
    """One notice on the screen."""

    notice: str
    rev: int
    topic: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened on this screen: shown, gone, proof shown, proof seen."""

    at: datetime
    what: str
    notice: str
    rev: int


@dataclass(frozen=True, slots=True)
class Habits:
    """How its owner behaves: seconds until a notice counts as shown, and whether and when a key is pressed."""

    shown_after_s: tuple[float, float] = (5.0, 8.0)
    seen_share: float = 0.3
    seen_after_s: tuple[float, float] = (3.0, 20.0)


class Page(HTMLParser):
    """What a screen needs to know of a page or fragment."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.topics: list[str] = []
        self.notices: dict[str, int] = {}
        self.fields: dict[str, str] = {}
        self.action: str | None = None
        self.in_topic: dict[str, dict[str, int]] = {}
        self.surface, self.csrf = "resident", ""
        self._open: list[tuple[str, str | None]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        self._shell(tag, said)
        topic = said.get("data-live")
        if topic and topic not in self.topics:
            self.topics.append(topic)
        if tag not in _VOID:
            self._open.append((tag, topic))
        if notice := said.get("data-notice"):
            rev = int(said.get("data-rev") or 1)
            self.notices[notice] = rev
            around = next((name for _, name in reversed(self._open) if name), "")
            self.in_topic.setdefault(around, {})[notice] = rev

    def _shell(self, tag: str, said: dict[str, str | None]) -> None:
        """What the page says once: whose cookie the feed takes, the CSRF token, the first form that posts."""
        if tag == "html":
            self.surface = said.get("data-surface") or self.surface
        elif tag == "meta" and said.get("name") == "linli-csrf":
            self.csrf = said.get("content") or ""
        elif tag == "form" and (said.get("method") or "").lower() == "post" and self.action is None:
            self.action = said.get("action") or ""
        elif tag == "input" and said.get("type") == "hidden" and said.get("name"):
            self.fields[str(said["name"])] = said.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        for place in range(len(self._open) - 1, -1, -1):
            if self._open[place][0] == tag:
                del self._open[place:]
                return


_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)


class Screen:
    """`base` is the hub's origin, `path` the page. `run` until cancelled; `until` waits for something to show."""

    def __init__(
        self, base: str, path: str, *, name: str, seed: str, now: Now = utc_now, habits: Habits | None = None
    ) -> None:
        self.name, self.path = name, path
        self.origin = "{0.scheme}://{0.netloc}".format(urlsplit(base))
        self.habits = habits or Habits()
        self.client = httpx.AsyncClient(
            base_url=self.origin,
            follow_redirects=True,
            headers={"Accept-Language": "zh"},
            verify=trust(self.origin),
            trust_env=False,  # a screen in the house reaches its hub by no proxy
        )
        self.html: dict[str, str] = {}  # topic -> the fragment as it stands
        self.history: list[Moment] = []
        self.counts: Counter[str] = Counter()
        self.live = ""  # "socket" | "poll": how this screen hears of changes now
        self._showing: dict[tuple[str, str], Showing] = {}
        self._since: dict[str, int] = {}
        self._etags: dict[str, str] = {}
        self._surface, self._csrf = "resident", ""
        self._proofs: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._socket: ClientConnection | None = None
        self._changed = asyncio.Condition()
        self._seed, self._now = seed, now

    @property
    def now_showing(self) -> dict[str, Showing]:
        """Notice id -> what stands on the screen of it."""
        return {one.notice: one for one in self._showing.values()}

    async def run(self) -> None:
        """Load the page, then follow it for ever: by socket, else by polling."""
        topics = await self.load()
        pause_s = RECONNECT_FIRST_S
        while True:
            sockets = self.counts["sockets"]
            try:
                await self._by_socket(topics)
            except (OSError, WebSocketException) as ended:
                log.info("no socket", extra={"screen": self.name, "why": type(ended).__name__})
                if isinstance(ended, ConnectionClosed) and ended.rcvd is not None and ended.rcvd.code == SESSION_ENDED:
                    topics = await self.load()
            if not self.counts["sockets"]:
                self.counts["socket_refused"] += 1
                await self._by_poll(topics)
                continue
            # It has worked before, so the hub is only away: come back, not all in one moment.
            pause_s = RECONNECT_FIRST_S if self.counts["sockets"] > sockets else min(pause_s * 2, RECONNECT_MAX_S)
            share = unit(self._seed, self.name, "screen", self.counts["sockets"], "pause")
            await asyncio.sleep(pause_s * (0.5 + share / 2))

    async def load(self) -> list[str]:
        """GET the page: cookies are kept, notices on it are showing, its topics come back."""
        answer = await self.client.get(self.path)
        answer.raise_for_status()
        self.counts["pages"] += 1
        page = Page(answer.text)
        self._surface, self._csrf = page.surface, page.csrf
        for topic in page.topics or [""]:
            await self._shows(topic, page.in_topic.get(topic, {}))
        return page.topics

    async def close(self) -> None:
        for task in self._proofs.values():
            task.cancel()
        await asyncio.gather(*self._proofs.values(), return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()
        await self.client.aclose()

    async def until(self, met: Callable[[Screen], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: met(self))

    async def press(self, notice: str) -> None:
        """The owner presses a key on this notice."""
        await self._prove(self.now_showing[notice], "seen")

    async def _by_socket(self, topics: list[str]) -> None:
        scheme = "wss" if self.origin.startswith("https") else "ws"
        address = f"{scheme}{self.origin[self.origin.index('://') :]}/live?surface={self._surface}&lang=zh"
        cookies = "; ".join(f"{one.name}={one.value}" for one in self.client.cookies.jar)
        async with connect(
            address,
            origin=Origin(self.origin),
            additional_headers={"Cookie": cookies} if cookies else None,
            compression=None,
            proxy=None,
            max_size=FRAME_BYTES_MAX,
        ) as socket:
            await socket.send(json.dumps({"sub": topics, "since": self._since}))
            self._socket = socket
            self.counts["sockets"] += 1
            await self._tell("socket")
            try:
                async for message in socket:
                    await self._frame(json.loads(message))
            finally:
                self._socket = None

    async def _by_poll(self, topics: list[str]) -> None:
        for _ in range(max(1, round(SOCKET_RETRY_S / POLL_EVERY_S))):
            for topic in topics:
                await self._poll(topic)
            if self.live != "poll":
                await self._tell("poll")
            await asyncio.sleep(POLL_EVERY_S)

    async def _poll(self, topic: str) -> None:
        known = {"If-None-Match": self._etags[topic]} if topic in self._etags else {}
        try:
            asked = {"surface": self._surface, "lang": "zh", "t": topic}
            answer = await self.client.get("/live/poll", params=asked, headers=known)
        except httpx.TransportError:
            self.counts["polls_failed"] += 1
            return
        self.counts[f"polls_{answer.status_code}"] += 1
        if answer.status_code == 200:
            self._etags[topic] = answer.headers.get("etag", "")
            await self._frame(answer.json())

    async def _frame(self, said: dict[str, object]) -> None:
        if "html" not in said:
            self.counts["topics_refused"] += bool(said.get("refused"))
            return
        topic, html = str(said["t"]), str(said["html"])
        self._since[topic] = int(str(said["id"]))
        self.html[topic] = html
        self.counts["frames"] += 1
        await self._shows(topic, Page(html).notices)

    async def _shows(self, topic: str, notices: dict[str, int]) -> None:
        """The topic's part of the screen now shows exactly these notices."""
        for (where, notice), one in list(self._showing.items()):
            if where == topic and notices.get(notice) != one.rev:
                del self._showing[where, notice]
                self._note("gone", one)
                if proof := self._proofs.pop((notice, one.rev), None):
                    proof.cancel()
        for notice, rev in notices.items():
            if (topic, notice) not in self._showing:
                one = self._showing[topic, notice] = Showing(notice, rev, topic, self._now())
                self._note("shown", one)
                if (notice, rev) not in self._proofs:
                    self._proofs[notice, rev] = asyncio.get_running_loop().create_task(self._behave(one))
        async with self._changed:
            self._changed.notify_all()

    async def _behave(self, one: Showing) -> None:
        """After a while it counts as shown; some owners then press a key."""
        await asyncio.sleep(self._span(one, "shown", self.habits.shown_after_s))
        await self._prove(one, "shown")
        if self._u(one, "presses") < self.habits.seen_share:
            await asyncio.sleep(self._span(one, "seen", self.habits.seen_after_s))
            await self._prove(one, "seen")

    async def _prove(self, one: Showing, level: str) -> None:
        body = json.dumps({"proof": [{"notice": one.notice, "rev": one.rev, "level": level}]})
        async with self._changed:
            await self._changed.wait_for(lambda: self._socket is not None or self.live == "poll")
        if self._socket is not None:
            await self._socket.send(body)
        else:
            headers = {"Content-Type": "application/json", "X-CSRF": self._csrf, "Origin": self.origin}
            asked = {"surface": self._surface}
            answer = await self.client.post("/live/proof", params=asked, content=body, headers=headers)
            self.counts[f"proofs_{answer.status_code}"] += 1
        self._note(f"proof {level}", one)
        async with self._changed:
            self._changed.notify_all()

    async def _tell(self, way: str) -> None:
        self.live = way
        async with self._changed:
            self._changed.notify_all()

    def _note(self, what: str, one: Showing) -> None:
        self.counts[what] += 1
        self.history.append(Moment(self._now(), what, one.notice, one.rev))

    def _u(self, one: Showing, field: str) -> float:
        return unit(self._seed, self.name, "screen", one.notice, f"{one.rev}.{field}")

    def _span(self, one: Showing, field: str, span: tuple[float, float]) -> float:
        return span[0] + (span[1] - span[0]) * self._u(one, field)


def forms(html: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The first form of a page that posts: its address and its hidden fields."""
    page = Page(html)
    if page.action is not None:
        yield page.action, page.fields

"""What boxes without a socket ask for every few seconds: several topics in one request, and mostly nothing new.

Public topics are answered from what is drawn already, before anybody looks who asks: such a box costs the store
nothing. A topic that is not for everybody is not answered among others; it is named the asker's `own`, to be asked for
alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Collection, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from hub.access import NOBODY
from hub.errors import LinliError
from hub.feed import Feed, Frame
from web.guards import known_host, own_origin
from web.quick import Answer, Lasting

log = logging.getLogger(__name__)
TOPICS_MAX = 60
ADDRESSES_MAX = 4_000  # a city's communities in two languages, with room; then it begins anew
ADDRESS_BYTES_MAX = 2_000  # a page names a dozen topics
FAILED_S = 5.0  # what cannot be drawn is not tried again for so long
AFTER_SOCKETS_S = 0.5
KEPT = "private, no-cache"
Asked = tuple[str, tuple[str, ...]]  # the language, and topics that are for everybody


def public(feed: Feed, topic: str) -> bool:
    return feed.may_watch(NOBODY, topic)


def written(frames: Sequence[Frame], own: Sequence[str] = ()) -> bytes:
    """One topic as it is; several as a list, with the names of those that are the asker's own."""
    if len(frames) == 1 and not own:
        return frames[0].data
    named = [msgspec.json.encode({"t": topic, "own": True}) for topic in own]
    return b"[" + b",".join([*(frame.data for frame in frames), *named]) + b"]"


def tagged(frames: Sequence[Frame], own: Sequence[str] = ()) -> str:
    if len(frames) == 1 and not own:
        return frames[0].etag
    return hashlib.sha256("".join([*(frame.etag for frame in frames), *own]).encode()).hexdigest()[:20]


class Polls:
    """The short way of `/live/poll` (web/quick.py); the long one is in web/live_http.py and says the same."""

    def __init__(self, feed: Feed, hosts: Collection[str]) -> None:
        self._feed, self._hosts = feed, hosts
        self._known: dict[bytes, Asked | None] = {}
        self._drawings: dict[bytes, asyncio.Future[bool]] = {}
        self._tags: dict[bytes, tuple[tuple[Frame, ...], str]] = {}
        self._nothing: dict[bytes, Lasting] = {}  # "nothing new", for each address, until one of its topics is touched
        self._touching: dict[str, set[bytes]] = {}  # topic -> the addresses that ask for it
        feed.touches.append(self._touched)

    def quick(self, address: bytes, head: bytes) -> Answer:
        if address not in self._known:
            if len(self._known) >= ADDRESSES_MAX:
                self._touched(None)
                self._known.clear()
                self._tags.clear()
            self._known[address] = self._read(address)
        asked = self._known[address]
        if asked is None:
            return None
        headers = _headers(head)
        if headers is None or not known_host(headers.get("host", ""), self._hosts) or not own_origin(headers):
            return None
        lang, topics = asked
        frames = tuple([frame for topic in topics if (frame := self._feed.held(topic, lang)) is not None])
        if len(frames) < len(topics):
            return self._coming(address, topics, lang)
        known = self._tags.get(address)
        if known is None or known[0] != frames:
            known = self._tags[address] = (frames, tagged(frames))
        if f'"{known[1]}"' in headers.get("if-none-match", ""):
            return self._nothing_new(address, known[1], topics)
        return _answer(frames, known[1], lang)

    def _nothing_new(self, address: bytes, tag: str, topics: Sequence[str]) -> Lasting:
        told = self._nothing.get(address)
        if told is None:
            told = self._nothing[address] = Lasting(f"HTTP/1.1 304 Not Modified\r\n{_about(tag)}".encode())
            for topic in topics:
                self._touching.setdefault(topic, set()).add(address)
        return told

    def _touched(self, touched: frozenset[tuple[str, str]] | None) -> None:
        topics = tuple(self._touching) if touched is None else [f"{name}:{key}" for name, key in touched]
        for topic in topics:
            for address in self._touching.pop(topic, ()):
                if (told := self._nothing.pop(address, None)) is not None:
                    told.good = False

    def _coming(self, address: bytes, topics: Sequence[str], lang: str) -> asyncio.Future[Any] | None:
        """All who ask while it is drawn wait for the one drawing; what failed goes the long way, which says why."""
        drawing = self._drawings.get(address)
        if drawing is None:
            drawing = self._drawings[address] = asyncio.ensure_future(self._drawn(topics, lang))
            drawing.add_done_callback(lambda done: self._forget(address, done))  # before those who wait for it
        return None if drawing.done() else drawing

    def _forget(self, address: bytes, drawing: asyncio.Future[bool]) -> None:
        if not drawing.cancelled() and drawing.result():
            del self._drawings[address]
        else:
            asyncio.get_running_loop().call_later(FAILED_S, self._drawings.pop, address)

    async def _drawn(self, topics: Sequence[str], lang: str) -> bool:
        try:
            await self._feed.quiet(AFTER_SOCKETS_S)  # most of it is drawn for them, and theirs cannot wait five seconds
            await self._feed.currents(topics, lang)
        except LinliError:
            return False
        except Exception:
            log.exception("a fragment could not be drawn")
            return False
        return True

    def _read(self, address: bytes) -> Asked | None:
        """What is asked, where nothing about the asker need be known to answer it."""
        parts = urlsplit(address.decode("latin-1"))
        if parts.path != "/live/poll" or len(address) > ADDRESS_BYTES_MAX:
            return None
        query = parse_qs(parts.query)
        lang, topics = query.get("lang", [""])[-1], query.get("t", [])
        if lang not in ("zh", "en") or not 0 < len(topics) <= TOPICS_MAX:
            return None
        return (lang, tuple(topics)) if all(public(self._feed, topic) for topic in topics) else None


def _headers(head: bytes) -> dict[str, str] | None:
    """By name; nothing if one stands there twice or is folded: then h11 shall say what it means."""
    found: dict[str, str] = {}
    for line in head.decode("latin-1").split("\r\n"):
        if not line:
            continue
        name, colon, value = line.partition(":")
        if not colon or name in found or name[:1] in " \t":
            return None
        found[name.lower()] = value.strip()
    return found


def _answer(frames: Sequence[Frame], tag: str, lang: str) -> bytes:
    body = written(frames)
    about = f"content-length: {len(body)}\r\ncontent-language: {'zh-CN' if lang == 'zh' else 'en'}\r\n"
    return f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{about}{_about(tag)}".encode() + body


def _about(tag: str) -> str:
    return f'etag: "{tag}"\r\ncache-control: {KEPT}\r\n{_ALWAYS}'


_ALWAYS = "vary: Cookie, Accept-Language\r\nx-content-type-options: nosniff\r\n\r\n"

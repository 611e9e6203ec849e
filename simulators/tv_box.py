"""A headless set-top box on the community's channel: the list, the guide and the stream, each looked at as it comes.

It plays like a real player: three target durations behind the newest segment, and a stall when the next one is not
there in time. With PyAV at hand (extra `tv`) it also looks at the picture; without, it tells pages by their bytes.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import io
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urljoin

import httpx
from defusedxml import ElementTree

from simulators.transport_stream import Stream

BEHIND = 3  # target durations a player stays behind the newest segment
GRID = timedelta(minutes=30)
_WORD = re.compile(r'([a-z-]+)="([^"]*)"')
_LINE, _COLUMN = 612, 640  # below the letters of a page
_RED_MIN, _OTHERS_MAX = 110, 70  # of 255: the ground of an emergency, nothing else is that red


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a channel list."""

    id: str
    number: int
    name: str
    logo: str
    url: str


@dataclass
class Lineup:
    entries: list[Entry]
    guide: str
    wrong: list[str] = field(default_factory=list)


def lineup(text: str) -> Lineup:
    """An M3U list as IPTV players read it."""
    lines = text.splitlines()
    if not lines or not lines[0].startswith("#EXTM3U"):
        return Lineup([], "", ["no channel list"])
    head = dict(_WORD.findall(lines[0]))
    made = Lineup([], head.get("x-tvg-url", ""))
    if head.get("url-tvg") != made.guide or not made.guide:
        made.wrong.append("the two spellings of the guide's address differ")
    for info, url in zip(lines[1::2], lines[2::2], strict=False):
        said = dict(_WORD.findall(info))
        name = info.rpartition(",")[2]
        number = said.get("tvg-chno", "")
        if not (number.isdigit() and int(number) > 0):
            made.wrong.append(f"{name}: a number players ignore")
            number = "0"
        made.entries.append(Entry(said.get("tvg-id", ""), int(number), name, said.get("tvg-logo", ""), url))
    ids, numbers = Counter(each.id for each in made.entries), Counter(str(each.number) for each in made.entries)
    for what, seen in (("id", ids), ("number", numbers)):
        made.wrong += [f"{what} {value} stands {count} times" for value, count in seen.items() if count > 1]
    return made


def guide_faults(document: bytes, listed: list[Entry]) -> list[str]:
    """What a player would trip over: ids that match nothing, programmes that overlap or leave the grid."""
    top = ElementTree.fromstring(document)
    named = {each.get("id", ""): each.findtext("display-name") for each in top.iter("channel")}
    wrong = [f"{each.id} is listed and has no guide" for each in listed if each.id not in named]
    wrong += [f"{ident} has no name" for ident, name in named.items() if not name]
    ends: dict[str, datetime] = {}
    for each in top.iter("programme"):
        ident = each.get("channel", "")
        start, stop = (datetime.strptime(each.get(what, ""), "%Y%m%d%H%M%S %z") for what in ("start", "stop"))
        if ident not in named:
            wrong.append(f"a programme of {ident}, which is no channel")
        if start < ends.get(ident, start):
            wrong.append(f"{ident}: two programmes at {start:%H:%M}")
        if start.timestamp() % GRID.total_seconds() or stop - start != GRID:
            wrong.append(f"{ident}: {start:%H:%M} is off the grid")
        if not each.findtext("title"):
            wrong.append(f"{ident}: {start:%H:%M} has no title")
        ends[ident] = stop
    return wrong


@dataclass
class TvBox:
    """One set. `counts`, `wrong` and `alarm_at` tell what it saw; times are of the monotonic clock."""

    base: str
    area: str
    query: str = ""
    net: httpx.AsyncClient | None = None
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    pages: set[str] = field(default_factory=set)
    alarms: list[tuple[float, bool]] = field(default_factory=list)  # when the picture turned red, and back
    stream: Stream = field(default_factory=Stream)
    _fetched: int = -1
    _buffered_until: float = 0.0  # when the picture would stand still

    async def tune(self) -> None:
        """Look at the list and the guide once."""
        async with self._client() as net:
            found = lineup((await net.get(f"{self.base}/tv/playlist.m3u")).raise_for_status().text)
            guide = (await net.get(found.guide)).raise_for_status().content
        self.wrong += found.wrong + guide_faults(guide, found.entries)
        if not any(f"/tv/{self.area}/" in each.url for each in found.entries):
            self.wrong.append(f"{self.area} is not listed")
        self.counts.update(listed=len(found.entries), guide_bytes=len(guide))

    async def watch(self, seconds: float) -> None:
        """Play for so long."""
        until = time.monotonic() + seconds
        async with self._client() as net:
            while (now := time.monotonic()) < until:
                listed = await self._listed(net)
                if self._fetched < 0 and listed:
                    self._fetched = listed[max(0, len(listed) - BEHIND)][0] - 1
                    self._buffered_until = now + 2 * listed[0][2]
                for number, url, duration in listed:
                    if number <= self._fetched:
                        continue
                    if number != self._fetched + 1:
                        self.wrong.append(f"{number - self._fetched - 1} segments were missed")
                    await self._segment(net, url)
                    if time.monotonic() > self._buffered_until:
                        self.counts["stalls"] += 1
                        self._buffered_until = time.monotonic()
                    self._buffered_until += duration
                    self._fetched = number
                await asyncio.sleep(0.5)
        self.wrong += self.stream.faults()

    async def _listed(self, net: httpx.AsyncClient) -> list[tuple[int, str, float]]:
        address = f"{self.base}/tv/{self.area}/live.m3u8{self.query}"
        lines = (await net.get(address)).raise_for_status().text.splitlines()
        said = dict(line.partition(":")[::2] for line in lines if line.startswith("#EXT"))
        first, target = int(said["#EXT-X-MEDIA-SEQUENCE"]), int(said["#EXT-X-TARGETDURATION"])
        durations = [float(line[8:].rstrip(",")) for line in lines if line.startswith("#EXTINF:")]
        if any(round(each) > target for each in durations):
            self.wrong.append("a segment is longer than the target duration")
        urls = [urljoin(address, line) for line in lines if not line.startswith("#")]
        return [(first + place, url, durations[place]) for place, url in enumerate(urls)]

    async def _segment(self, net: httpx.AsyncClient, url: str) -> None:
        data = (await net.get(url)).raise_for_status().content
        begun = len(self.stream.frames)
        self.stream.feed(data)
        self.counts.update(segments=1, bytes=len(data))
        pictures = [each for each in self.stream.frames[begun:] if each.pid == self.stream.video]
        if pictures:
            self.pages.add(hashlib.sha256(bytes(pictures[0].body)).hexdigest()[:12])
        alarm = is_red(data)
        if alarm is not None and (not self.alarms or self.alarms[-1][1] != alarm):
            self.alarms.append((time.monotonic(), alarm))

    def _client(self) -> httpx.AsyncClient:
        return self.net or httpx.AsyncClient(timeout=10, trust_env=False)


def is_red(segment: bytes) -> bool | None:
    """Whether the ground of the picture is an emergency's; None where nothing here can decode it."""
    if importlib.util.find_spec("av") is None:
        return None
    import av

    with av.open(io.BytesIO(segment), "r", format="mpegts") as stream:
        frame: Any = next(stream.decode(video=0))
        shown = frame.reformat(format="rgb24").planes[0]
        at = _LINE * shown.line_size + _COLUMN * 3
        red, green, blue = bytes(shown)[at : at + 3]
    return bool(red > _RED_MIN and green < _OTHERS_MAX and blue < _OTHERS_MAX)

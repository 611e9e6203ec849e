"""The channel of each community: a playlist that grows by itself, and segments that anybody fetches at any time.

Nothing runs for a channel that nobody watches. Which pages there are is asked of the store when something touched the
place or ran out; what a segment holds stands in its own name, signed, so any worker serves it and nobody makes us code
what we did not list.
"""

from __future__ import annotations

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Generic, TypeVar

from channels import tv_codec
from channels.tv_picture import FOOT_ROWS, HEAD_ROWS, Crawl, Hour, Name, Sheet
from channels.tv_stream import SEGMENT_S, Segment, mux, retimed
from hub import directory, font, slides
from hub.civic.television import lineup
from hub.civic.television.headlines import headlines
from hub.civic.television.library import Library
from hub.civic.television.studio import Spoken, Studio, Wanted
from hub.civic.television.timetable import LISTED, Entry, Timeline, Timetable, Turn, segments
from hub.db import Read
from hub.directory import Area
from hub.errors import NotFound
from hub.i18n import _, pick, speaking
from hub.services import Services
from hub.slides import Slide

LOOK_AGAIN_S = 60.0  # what changes by time alone touches nothing
WELCOME_S = 15.0
AHEAD_TURNS = 2  # coded before they are due
SERVED = 62  # segments after which a listed one is served no more: a set that stood for two minutes begins anew
TEMPLATES_BYTES_MAX = 128_000_000  # every channel of a city watched at once, one page each
ANSWERS_BYTES_MAX = 32_000_000  # what several viewers of one channel fetch within the same seconds
GUIDES_BYTES_MAX = 64_000_000  # a city's in two languages
TARGET_S = round(SEGMENT_S)  # rounded, not up: players stay three of these behind
# Where a player begins that reads it. Three targets, its own rule, are a second more than two segments and a look at
# the list in between need, and that second stays between a release and the set for as long as it is on.
BEHIND_S = 5.0
AHEAD = 2  # another worker may read its clock a moment before us
TAG_CHARS = 12
HOURS_MAX = 1_000
PLAYLIST, STREAM = "application/vnd.apple.mpegurl", "video/mp2t"
KEPT, UNKEPT = "public, max-age=120, immutable", "no-store"

K = TypeVar("K")
V = TypeVar("V")


class Shelf(Generic[K, V]):
    """The latest used, up to so many bytes."""

    def __init__(self, bytes_max: int) -> None:
        self._held: OrderedDict[K, tuple[int, V]] = OrderedDict()
        self._bytes, self._bytes_max = 0, bytes_max

    def get(self, key: K) -> V | None:
        found = self._held.get(key)
        if found is None:
            return None
        self._held.move_to_end(key)
        return found[1]

    def put(self, key: K, value: V, size: int) -> None:
        gone, _value = self._held.pop(key, (0, None))
        self._held[key] = (size, value)
        self._bytes += size - gone
        while self._bytes > self._bytes_max and len(self._held) > 1:
            _oldest, (freed, _last) = self._held.popitem(last=False)
            self._bytes -= freed


@dataclass
class Channel:
    """What one place shows in one language, with a voice or without."""

    area: str
    lang: str
    voice: bool
    tz: str = ""
    name: Name = field(default_factory=lambda: Name("", ""))
    crawl: str = ""  # what runs through the band below, and how many segments it takes; empty: the day and the hour
    crawl_segments: int = 1
    unsaid: tuple[Spoken, ...] = ()  # what shall be read aloud and is not spoken yet
    turns: tuple[Turn, ...] = ()
    sheets: dict[str, Sheet] = field(default_factory=dict)
    timetable: Timetable = field(default_factory=Timetable)
    good_until: datetime | None = None
    listed: tuple[int, bytes] = (-1, b"")
    names: dict[int, str] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass
class Guides:
    """Guides as they were last written, by place, language and address."""

    made: Shelf[tuple[str, str, str], tuple[bytes, datetime]] = field(default_factory=lambda: Shelf(GUIDES_BYTES_MAX))
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Station:
    def __init__(self, hub: Services) -> None:
        state = Path(hub.config.get("state_dir") or hub.data)
        otf = font.files(state).otf
        self._hub = hub
        self.timeline = Timeline(hub.clock)
        self.studio = Studio(Library(state / "tv"), otf if otf.exists() else None)
        self.guides = Guides()
        self._crawls = bool(hub.config.get("tv.crawl"))
        self._channels: dict[tuple[str, str, bool], Channel] = {}
        self._templates: Shelf[str, Segment] = Shelf(TEMPLATES_BYTES_MAX)
        self._answers: Shelf[bytes, tuple[float, bytes]] = Shelf(ANSWERS_BYTES_MAX)  # good until, of the clock's ticks
        self._hours: dict[tuple[str, str, int], Hour] = {}
        self._ahead: set[asyncio.Task[None]] = set()
        hub.feed.touches.append(self._touched)

    @property
    def channels(self) -> int:
        """Channels somebody has watched since the start."""
        return len(self._channels)

    async def playlist(self, area: str, lang: str, *, voice: bool = False) -> bytes:
        found = self.playlist_now(area, lang, voice=voice)
        if found is not None:
            return found
        channel = self._channels.get((area, lang, voice)) or Channel(area, lang, voice)
        async with channel.lock:
            newest = self.timeline.newest()
            if channel.good_until is None or channel.good_until <= self._hub.clock.now():
                await self._refresh(channel)
            if channel.timetable.newest < newest:
                await self._list(channel, newest)
        return channel.listed[1]

    def playlist_now(self, area: str, lang: str, *, voice: bool = False) -> bytes | None:
        """The playlist, where nothing has to be asked or coded for it."""
        channel = self._channels.get((area, lang, voice))
        if channel is None or channel.lock.locked():
            return None
        newest = self.timeline.newest()
        if channel.listed[0] < newest:
            fresh = channel.good_until is not None and channel.good_until > self._hub.clock.now()
            if not fresh or not self._coded(channel, newest):
                return None
            self._write(channel, newest)
        return channel.listed[1]

    def _coded(self, channel: Channel, newest: int) -> bool:
        """Whether all that is due can be fetched already."""
        if not channel.timetable.turns_as(channel.turns):
            return False
        return all(
            self.studio.held(entry.page) and all(map(self.studio.has, self._around(channel, entry.number, entry.page)))
            for entry in channel.timetable.due(newest)
        )

    def quick(self, path: bytes, _head: bytes) -> bytes | None:
        """The whole answer to a player that asks for what is at hand; anything else goes the ordinary way."""
        known = self._answers.get(path)
        if known is not None and known[0] > self._hub.clock.monotonic():
            return known[1]
        _nothing, _tv, area, name = path.split(b"/", 3) if path.count(b"/") == 3 else (b"", b"", b"", b"")
        if name == b"live.m3u8":
            listed = self.playlist_now(area.decode("latin-1"), "zh")
            return None if listed is None else answer(listed, PLAYLIST, UNKEPT)
        if not name.endswith(b".ts"):
            return None
        try:
            made = answer(self.segment(area.decode("latin-1"), name[:-3].decode("latin-1")), STREAM, KEPT)
        except NotFound:
            return None
        left = int(name.partition(b"-")[0]) + SERVED + 1 - self.timeline.now() / SEGMENT_S
        self._answers.put(path, (self._hub.clock.monotonic() + left * SEGMENT_S, made), len(made))
        return made

    def segment(self, area: str, stem: str) -> bytes:
        """The bytes of a segment this hub has listed; the same for ever."""
        number, page, head, foot, sound, part = self._opened(area, stem)
        wanted = f"{page}-{head}-{foot}-{sound}-{part}"
        template = self._templates.get(wanted)
        if template is None:
            template = self._muxed(page, head, foot, sound, part)
            self._templates.put(wanted, template, len(template.data))
        return retimed(template, number)

    def _muxed(self, page: str, head: str, foot: str, sound: str, part: int) -> Segment:
        coded = [self.studio.picture(each) for each in (page, head, foot)]
        if any(each is None for each in coded):
            raise NotFound(_("There is no such segment any more"))
        shown, above, below = (each for each in coded if each is not None)
        pictures = tv_codec.access_units(shown, above, HEAD_ROWS, below, FOOT_ROWS)
        return mux(pictures, self.studio.sounds(sound, part))

    def _opened(self, area: str, stem: str) -> tuple[int, str, str, str, str, int]:
        """The parts of a segment's name, if we wrote it and it is of these minutes."""
        said, _dash, tag = stem.rpartition("-")
        if len(said) > 120 or not hmac.compare_digest(self._tag(area, said).encode(), tag.encode()):
            raise NotFound(_("There is no such segment"))
        number, page, head, foot, sound, part = said.split("-")
        if not -AHEAD <= self.timeline.newest() - int(number) <= SERVED:
            raise NotFound(_("There is no such segment any more"))
        return int(number), page, head, foot, sound, int(part)

    def _tag(self, area: str, said: str) -> str:
        return self._hub.store.seal.mark(f"{area}/{said}", "tv")[:TAG_CHARS]

    async def _list(self, channel: Channel, newest: int) -> None:
        """List what is due, once it can be fetched."""
        channel.timetable.turn_to(channel.turns, newest)
        for entry in channel.timetable.due(newest):
            await self.studio.ready(channel.sheets[entry.page])
            for each in self._around(channel, entry.number, entry.page):
                await self.studio.ready(each)
        self._write(channel, newest)

    def _write(self, channel: Channel, newest: int) -> None:
        for entry in channel.timetable.extend(newest):
            head, foot = map(self.studio.key, self._around(channel, entry.number, entry.page))
            said = f"{entry.number}-{entry.page}-{head}-{foot}-{entry.sound}-{entry.part}"
            channel.names[entry.number] = f"{said}-{self._tag(channel.area, said)}"
        entries = channel.timetable.entries
        channel.names = {each.number: channel.names[each.number] for each in entries}
        channel.listed = (newest, written(list(entries), channel.names))
        self._prepare(channel, newest)

    def _prepare(self, channel: Channel, newest: int) -> None:
        sheets = [channel.sheets[turn.page] for turn in channel.timetable.coming(AHEAD_TURNS)]
        coming = [newest + LISTED] if not channel.crawl else [newest + 1, newest + 2, newest + LISTED]
        around = [each for number in coming for each in self._around(channel, number, channel.turns[0].page)]
        every: tuple[Wanted, ...] = (*sheets, *around)
        wanted = [each for each in every if not self.studio.has(each)]
        if not wanted:
            return

        async def prepare() -> None:
            for each in wanted:
                await self.studio.ready(each)

        self._background(prepare(), "tv-ahead")

    def _background(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._ahead.add(task)
        task.add_done_callback(self._ahead.discard)

    async def settled(self) -> None:
        """Once all that was begun ahead of time is made."""
        while self._ahead:
            await asyncio.gather(*self._ahead)

    async def _say(self, channel: Channel) -> None:
        """A voice takes seconds, and no picture waits for it: the page is silent until it can be read aloud."""
        while channel.unsaid:
            spoken = channel.unsaid[0]
            await self.studio.ready(spoken)
            channel.unsaid = tuple(each for each in channel.unsaid if each != spoken)
            if spoken.chime or not channel.unsaid:
                channel.good_until = None

    def _around(self, channel: Channel, number: int, page: str) -> tuple[Name, Hour | Crawl]:
        """The bands above and below a page. What must be read now has nothing running beside it."""
        hour = self._hour(channel, number)
        if not channel.crawl or channel.sheets[page].form != "plain":
            return channel.name, hour
        above = Name(channel.name.name, hour.day, hour.clock)
        return above, Crawl(channel.crawl, number % channel.crawl_segments)

    def _hour(self, channel: Channel, number: int) -> Hour:
        where = (channel.tz, channel.lang, int(number * SEGMENT_S / 60))
        if where not in self._hours:
            at = datetime.fromtimestamp(number * SEGMENT_S, UTC)
            if len(self._hours) > HOURS_MAX:
                self._hours.clear()
            with speaking(channel.lang):
                self._hours[where] = Hour(slides.day(at, channel.tz), slides.clock(at, channel.tz))
        return self._hours[where]

    async def _refresh(self, channel: Channel) -> None:
        def look(read: Read) -> tuple[Area, list[Slide], str]:
            with speaking(channel.lang):
                place = directory.area(read, channel.area)
                if place.kind not in lineup.KINDS:
                    raise NotFound(_("There is no such area"))
                return place, slides.gather(read, channel.area, self._hub.modules), _("Community channel")

        now = self._hub.clock.now()
        where = (channel.area, channel.lang, channel.voice)
        known = where in self._channels
        self._channels[where] = channel
        channel.good_until = now + timedelta(seconds=LOOK_AGAIN_S)  # first: what is touched from here on is seen
        try:
            place, shown, about = await self._hub.store.read(look)
        except BaseException:
            channel.good_until = None
            if not known:
                del self._channels[where]
            raise
        with speaking(channel.lang):
            channel.tz, name = place.tz, pick(place.zh, place.en)
            sheets = sheets_of(shown) or [welcome(name)]
        channel.name = Name(name, about)
        await self.studio.ready(channel.name)
        crawl = headlines(shown, channel.lang) if self._crawls else ""
        if crawl != channel.crawl:
            channel.crawl, channel.crawl_segments = crawl, await self.studio.crawl_segments(crawl)
        turns, unsaid = [], []
        for sheet, seconds in sheets:
            page, sound, count = self.studio.key(sheet), "", segments(seconds)
            if channel.voice:
                struck = sheet.form == "alarm" and first_of(sheet)
                spoken = Spoken(read_aloud(sheet, channel.lang), channel.lang, struck)
                if self.studio.has(spoken):
                    sound = self.studio.key(spoken)
                    count = max(count, self.studio.said_segments(sound))
                else:
                    unsaid.append(spoken)
            channel.sheets[page] = sheet
            turns.append(Turn(page, count, sound))
        kept = {turn.page for turn in turns} | {turn.page for turn in channel.turns}
        channel.sheets = {page: sheet for page, sheet in channel.sheets.items() if page in kept}
        channel.turns = tuple(turns)
        if unsaid and not channel.unsaid:
            self._background(self._say(channel), "tv-voice")
        channel.unsaid = tuple(unsaid)
        ends = [each.until for each in shown if each.until is not None and each.until > now]
        if channel.good_until is not None:  # else something changed while we looked
            channel.good_until = min([channel.good_until, *ends])

    def _touched(self, touched: frozenset[tuple[str, str]] | None) -> None:
        places = None if touched is None else {key for _name, key in touched}
        for channel in self._channels.values():
            if places is None or channel.area in places:
                channel.good_until = None


def answer(body: bytes, kind: str, kept: str) -> bytes:
    """An HTTP answer as it goes over the line. A player on another site's page may play a public broadcast, too."""
    head = (
        f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\ncache-control: {kept}\r\n"
        "access-control-allow-origin: *\r\nx-content-type-options: nosniff\r\n\r\n"
    )
    return head.encode() + body


def sheets_of(shown: list[Slide]) -> list[tuple[Sheet, float]]:
    """Every page of every slide, with the seconds it takes to read."""
    made = []
    for slide in shown:
        for place, page in enumerate(slide.pages, start=1):
            mark = f"{place}/{len(slide.pages)}" if len(slide.pages) > 1 else ""
            made.append((Sheet(slide.title, page.lines, slide.badge, mark, slide.form), page.dwell_s))
    return made


def welcome(name: str) -> tuple[Sheet, float]:
    lines = (_("No new notices at present"), _("This channel shows notices,"), _("activities and the honour roll."))
    return Sheet(_("Welcome to {name}").format(name=name), ("", *lines)), WELCOME_S


def first_of(sheet: Sheet) -> bool:
    return not sheet.mark or sheet.mark.startswith("1/")


def read_aloud(sheet: Sheet, lang: str) -> str:
    """The title once, and the lines as they were before they were set."""
    text = ("" if lang == "zh" else " ").join(sheet.lines).replace("\t", "，" if lang == "zh" else ", ")
    stop = "。" if lang == "zh" else ". "
    return f"{sheet.badge}{stop}{sheet.title}{stop}{text}" if first_of(sheet) else text


def written(entries: list[Entry], names: dict[int, str]) -> bytes:
    """RFC 8216, version 3: what the oldest boxes read."""
    began = datetime.fromtimestamp(entries[0].number * SEGMENT_S, UTC).isoformat(timespec="milliseconds")
    lines = [
        "#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{TARGET_S}",
        f"#EXT-X-MEDIA-SEQUENCE:{entries[0].number}", f"#EXT-X-START:TIME-OFFSET=-{BEHIND_S:.1f}",
        f"#EXT-X-PROGRAM-DATE-TIME:{began.replace('+00:00', 'Z')}",
    ]  # fmt: skip
    for entry in entries:
        lines += [f"#EXTINF:{SEGMENT_S:.3f},", f"{names[entry.number]}.ts"]
    return ("\n".join(lines) + "\n").encode()

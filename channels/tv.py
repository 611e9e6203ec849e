"""The television: pages that turn, sized to be read across a room by old eyes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import httpx

from channels import words
from channels.base import Caps, Clock, Message, Page, Rendered, Skip
from channels.proof import Example, Exchange, Setting, water
from channels.text import clean, cut, is_ideograph, one_line, wrap

CHANNEL_NAME = "tv"

PAGES_MAX = 8  # about two and a half minutes; nobody sits through more, the rest is on the phone
DWELL_S_MIN = 6.0  # a short page still needs finding with the eyes
CHARS_READ_PER_S = 4.0  # slow reading aloud, the pace of the oldest viewers
TORN = 6.0  # a page that ends inside a paragraph weighs as much as one that is two lines and a half too short
LATIN_CHARS = 2  # letters that take the room, and the time, of one Chinese character


@dataclass(frozen=True)
class Grid:
    line_chars: int
    page_lines: int
    chars_read_per_s: float = CHARS_READ_PER_S


@dataclass(frozen=True)
class Line:
    text: str
    last: bool  # of its paragraph


NORMAL = Grid(line_chars=18, page_lines=5)
LARGE = Grid(line_chars=12, page_lines=6)  # 大字版: at least 48 px at 720 lines

CAPS = Caps(
    shape="broadcast",
    address_kind="place",
    ceiling="acknowledged",  # OK on the remote of a box that is bound to a household
    title_chars_max=NORMAL.line_chars * LATIN_CHARS,  # the most of any script
    body_chars_max=NORMAL.line_chars * LATIN_CHARS * NORMAL.page_lines * PAGES_MAX,
    recall=True,
    obeys_quiet_hours=False,  # a set that is off stays off
)


@dataclass(frozen=True)
class Television:
    name: str = CHANNEL_NAME
    title: str = "Television"
    caps: Caps = CAPS

    def render(self, message: Message, large: bool = False) -> Rendered | Skip:
        whole_title = one_line(message.title)
        if not whole_title:
            return Skip("the notice has no title")
        grid, own = _grid(_script(message), large=large), _grid(message.lang, large=large)
        title = cut(whole_title, grid.line_chars)
        # A title that does not fit its line opens the text whole, so that nothing is lost on a screen without links.
        body = clean(message.text) if title == whole_title else f"{whole_title}\n{clean(message.text)}"
        issuer, when = one_line(message.issuer), words.when(message)
        lines, dropped = _fitted(
            [*_set(body, grid), *_set(f"{issuer}\n{when}", own)],
            _set(words.whole_text_elsewhere(message), own),
            grid,
        )
        return Rendered(
            title=title,
            body=body,
            badge=words.badge(message),
            url=message.url,
            issuer=issuer,
            when=when,
            pages=_pages(lines, grid),
            cut=dropped,
        )


def _script(message: Message) -> str:
    """The language whose letters these are: what was written in English only is not set as if it were Chinese."""
    if any(is_ideograph(char) for char in message.title + message.text):
        return message.lang
    return "en"


def _grid(lang: str, *, large: bool) -> Grid:
    grid = LARGE if large else NORMAL
    if lang.startswith("zh"):
        return grid
    return replace(grid, line_chars=grid.line_chars * LATIN_CHARS, chars_read_per_s=grid.chars_read_per_s * LATIN_CHARS)


def _set(text: str, grid: Grid) -> list[Line]:
    made = []
    for paragraph in clean(text).split("\n"):
        lines = wrap(paragraph, grid.line_chars)
        made += [Line(line, place == len(lines)) for place, line in enumerate(lines, start=1)]
    return made


def _fitted(lines: list[Line], closing: list[Line], grid: Grid) -> tuple[list[Line], bool]:
    lines_max = grid.page_lines * PAGES_MAX
    if len(lines) <= lines_max:
        return lines, False
    return [*lines[: lines_max - len(closing)], *closing], True


def _pages(lines: list[Line], grid: Grid) -> tuple[Page, ...]:
    """As few pages as possible: evenly filled, since a last page with one line looks like a fault of the set, and with
    whole sentences on each, as far as the two go together."""
    count = -(-len(lines) // grid.page_lines)
    best: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, (0,))}  # by the line a page ends before
    for _page_number in range(count):
        following: dict[int, tuple[float, tuple[int, ...]]] = {}
        for start, (cost, edges) in best.items():
            for end in range(start + 1, min(start + grid.page_lines, len(lines)) + 1):
                torn = 0 if lines[end - 1].last else TORN
                found = (cost + (end - start - len(lines) / count) ** 2 + torn, (*edges, end))
                following[end] = min(following.get(end, found), found)
        best = following
    edges = best[len(lines)][1]
    return tuple(_page(lines[start:end], grid.chars_read_per_s) for start, end in pairwise(edges))


def _page(lines: list[Line], chars_read_per_s: float) -> Page:
    texts = tuple(line.text for line in lines)
    return Page(texts, max(DWELL_S_MIN, sum(map(len, texts)) / chars_read_per_s))


def create(config: Mapping[str, str], net: httpx.AsyncClient, clock: Clock) -> Television:
    return Television()


SETTINGS: tuple[Setting, ...] = ()
EXCHANGES: tuple[Exchange, ...] = ()

_WATER = water("因管道检修，11月22日8:00至18:00停水（2栋、3栋），请提前储水。")
EXAMPLES = (
    Example(
        _WATER,
        Rendered(
            "停水通知",
            _WATER.text,
            "紧急",
            _WATER.url,
            "浏河社区居委会",
            "2026年11月22日 09:30",
            pages=(
                Page(
                    (
                        "因管道检修，11月22日8:00至",
                        "18:00停水（2栋、3栋），请提前",
                        "储水。",
                        "浏河社区居委会",
                        "2026年11月22日 09:30",
                    ),
                    15.5,
                ),
            ),
        ),
    ),
    Example(
        _WATER,
        large=True,
        reads=Rendered(
            "停水通知",
            _WATER.text,
            "紧急",
            _WATER.url,
            "浏河社区居委会",
            "2026年11月22日 09:30",
            pages=(
                Page(("因管道检修，11月22日", "8:00至18:00停水", "（2栋、3栋），请提前储", "水。"), 9.5),
                Page(("浏河社区居委会", "2026年11月22日", "09:30"), 6.0),
            ),
        ),
    ),
    Example(
        Message("n-2", 1, "routine", "notice", "", "x", "", "", _WATER.sent_at, None, ""),
        Skip("the notice has no title"),
    ),
)

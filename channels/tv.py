"""The television: pages that turn, sized to be read across a room by old eyes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import httpx

from channels import words
from channels.base import Caps, Clock, Message, Page, Rendered, Skip
from channels.proof import Example, Exchange, Setting, water
from channels.text import clean, cut, one_line, wrap

CHANNEL_NAME = "tv"

PAGES_MAX = 8  # about two and a half minutes; nobody sits through more, the rest is on the phone
DWELL_S_MIN = 6.0  # a short page still needs finding with the eyes
CHARS_READ_PER_S = 4.0  # slow reading aloud, the pace of the oldest viewers
LATIN_CHARS = 2  # letters that take the room, and the time, of one Chinese character


@dataclass(frozen=True)
class Grid:
    line_chars: int
    page_lines: int
    chars_read_per_s: float = CHARS_READ_PER_S


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
        grid = _grid(message.lang, large=large)
        title = cut(whole_title, grid.line_chars)
        # A title that does not fit its line opens the text whole, so that nothing is lost on a screen without links.
        body = clean(message.text) if title == whole_title else f"{whole_title}\n{clean(message.text)}"
        issuer, when = one_line(message.issuer), words.when(message)
        lines, dropped = _fitted(
            [*wrap(body, grid.line_chars), *wrap(f"{issuer}\n{when}", grid.line_chars)],
            wrap(words.whole_text_elsewhere(message), grid.line_chars),
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


def _grid(lang: str, *, large: bool) -> Grid:
    grid = LARGE if large else NORMAL
    if lang.startswith("zh"):
        return grid
    return replace(grid, line_chars=grid.line_chars * LATIN_CHARS, chars_read_per_s=grid.chars_read_per_s * LATIN_CHARS)


def _fitted(lines: list[str], closing: list[str], grid: Grid) -> tuple[list[str], bool]:
    lines_max = grid.page_lines * PAGES_MAX
    if len(lines) <= lines_max:
        return lines, False
    return [*lines[: lines_max - len(closing)], *closing], True


def _pages(lines: list[str], grid: Grid) -> tuple[Page, ...]:
    """As few pages as possible, evenly filled: a last page with one line looks like a fault of the set."""
    count = -(-len(lines) // grid.page_lines)
    edges = [len(lines) * page // count for page in range(count + 1)] if count else []
    return tuple(_page(lines[start:end], grid.chars_read_per_s) for start, end in pairwise(edges))


def _page(lines: list[str], chars_read_per_s: float) -> Page:
    return Page(tuple(lines), max(DWELL_S_MIN, sum(map(len, lines)) / chars_read_per_s))


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
                Page(("因管道检修，11月22日", "8:00至18:00停水", "（2栋、3栋），请提前储"), 9.0),
                Page(("水。", "浏河社区居委会", "2026年11月22日", "09:30"), 6.25),
            ),
        ),
    ),
    Example(
        Message("n-2", 1, "routine", "notice", "", "x", "", "", _WATER.sent_at, None, ""),
        Skip("the notice has no title"),
    ),
)

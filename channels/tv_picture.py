"""What a community's TV channel looks like: a name, one page in letters to be read across a room, the day and the hour.

Drawn with Pillow (extra `tv`) in three bands, each a whole number of coded slices, because each changes for another
reason: the name never, the page every quarter of a minute, the clock once a minute. Nothing moves, a page turns: unless
the operator wants the headlines to run through the band below, no quicker than they can be read; then the clock stands
above.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from channels.tv import CHARS_READ_PER_S
from channels.tv_codec import HEIGHT, SLICE_LINES, WIDTH
from channels.tv_stream import PICTURES, SEGMENT_S

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

LOOK = "2"  # counts up with every change below, so that no cached picture of the old look is shown
HEAD_ROWS, FOOT_ROWS = 3, 2  # slices of 48 lines
PAGE_TOP, PAGE_END = HEAD_ROWS * SLICE_LINES, HEIGHT - FOOT_ROWS * SLICE_LINES
MARGIN = WIDTH // 20  # old tubes and careless sets cut 5 %
# The colours of web/static/tokens.css, surface tv; tests/tv compares them.
GROUND, TEXT, MUTED, GOLD, BAND = "#0b1215", "#edf2f0", "#c9d8d5", "#e8b95a", "#1e2d33"
CARDS = {"plain": "#0b3d31", "alarm": "#8c1f18", "drill": "#4a3200", "clear": "#0b3d31"}
HEADS = {"plain": "#0a4838", "alarm": "#5c120d", "drill": "#332200", "clear": "#072a22"}
NAME_PX, TITLE_PX, LINE_PX, CLOCK_PX, SMALL_PX = 56, 54, 56, 56, 34
LINE_STEP = 70
BIG_PX, BIG_STEP, BIG_LINES = 76, 108, 3  # a page of few words is read from the kitchen
CRAWL_PX, CRAWL_TOP = 44, 2  # its letters end above the 5 %
CRAWL_STEP = int(CRAWL_PX * CHARS_READ_PER_S * SEGMENT_S / PICTURES)  # pixels from picture to picture
UNKNOWN = "〓"  # what Chinese type-setters put where a character has not been cut yet


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page between the name and the clock."""

    title: str
    lines: tuple[str, ...]  # a tab parts what stands left from what stands right
    badge: str = ""
    mark: str = ""  # which page of how many
    form: str = "plain"  # plain | alarm | drill | clear


@dataclass(frozen=True, slots=True)
class Name:
    """The band above: whose channel this is."""

    name: str
    about: str
    clock: str = ""


@dataclass(frozen=True, slots=True)
class Hour:
    """The band below."""

    day: str
    clock: str


@dataclass(frozen=True, slots=True)
class Crawl:
    """The band below while a text runs through it: the way it goes in one segment."""

    text: str
    part: int


@dataclass
class Type:
    """The letters: our own font, the system's for what it lacks, and a sign in place of what neither can draw."""

    font: Path | None
    lacking: set[str] = field(default_factory=set)  # what was asked for and could not be drawn by either
    _faces: dict[tuple[bool, int], FreeTypeFont] = field(default_factory=dict)
    _drawn: dict[tuple[bool, str], bool] = field(default_factory=dict)
    _system: tuple[str, int] | None = None

    def runs(self, text: str, size: int) -> list[tuple[str, FreeTypeFont]]:
        """The text in pieces of one face each."""
        chosen = [self._choose(each) for each in text]
        return [
            ("".join(each for each, _own in part), self._face(own, size))
            for own, part in ((own, list(group)) for own, group in groupby(chosen, key=lambda pair: pair[1]))
        ]

    def width(self, text: str, size: int) -> float:
        return sum(face.getlength(piece) for piece, face in self.runs(text, size))

    def fitting(self, text: str, size: int, room: int) -> int:
        """The size at which a text fits; letters shrink before they are cut."""
        width = self.width(text, size)
        return size if width <= room else max(18, int(size * room / width))

    def _choose(self, character: str) -> tuple[str, bool]:
        if character.isspace():
            return " ", self.font is not None
        for own in (True, False):
            if self._draws(own, character):
                return character, own
        self.lacking.add(character)
        return UNKNOWN, self._draws(True, UNKNOWN)

    def _draws(self, own: bool, character: str) -> bool:
        known = self._drawn.get((own, character))
        if known is None:
            face = self._face(own, 20) if not own or self.font is not None else None
            known = face is not None and _mask(face, character) != _mask(face, "\U0010ffff")
            self._drawn[own, character] = known
        return known

    def _face(self, own: bool, size: int) -> FreeTypeFont:
        from PIL import ImageFont

        if (own, size) not in self._faces:
            if own and self.font is not None:
                self._faces[own, size] = ImageFont.truetype(str(self.font), size)
            else:
                self._system = self._system or _system_font()
                file, index = self._system
                found = ImageFont.truetype(file, size, index=index) if file else ImageFont.load_default(size)
                self._faces[own, size] = found  # type: ignore[assignment] # with a size it is a FreeType font
        return self._faces[own, size]


def _mask(face: FreeTypeFont, character: str) -> bytes:
    return bytes(face.getmask(character))


def _system_font() -> tuple[str, int]:
    """The system's own Chinese font, as fontconfig names it."""
    program = shutil.which("fc-match")
    if program is None:
        return "", 0
    words = [program, "-f", "%{file}\t%{index}", ":lang=zh-cn"]
    file, _tab, index = subprocess.run(words, capture_output=True, text=True, check=False).stdout.partition("\t")
    return file, int(index or 0) & 0xFFFF


def sheet(page: Sheet, letters: Type) -> Image:
    image, draw = _ground()
    if page.form == "alarm":  # from edge to edge: nobody shall take it for one more page
        draw.rectangle((0, PAGE_TOP, WIDTH, PAGE_END - 1), fill=CARDS["alarm"])
        draw.rectangle((0, PAGE_TOP, WIDTH, PAGE_TOP + 101), fill=HEADS["alarm"])
    else:
        left, top, right, end = MARGIN - 16, PAGE_TOP + 4, WIDTH - MARGIN + 16, PAGE_END - 6
        draw.rounded_rectangle((left, top, right, end), 20, fill=CARDS[page.form])
        corners = (True, True, False, False)
        draw.rounded_rectangle((left, top, right, PAGE_TOP + 101), 20, fill=HEADS[page.form], corners=corners)
    left, right = MARGIN + 24, WIDTH - MARGIN - 24
    if page.mark:
        wide = letters.width(page.mark, SMALL_PX)
        _write(draw, letters, (right - wide, PAGE_TOP + 34), page.mark, SMALL_PX, MUTED)
        right -= int(wide) + 24
    if page.badge:
        left += _pill(draw, letters, (left, PAGE_TOP + 30), page.badge, page.form) + 24
    size = letters.fitting(page.title, TITLE_PX, right - left)
    _write(draw, letters, (left, PAGE_TOP + 20 + (TITLE_PX - size) // 2), page.title, size, TEXT, bold=True)
    _lines(draw, letters, page.lines)
    return image


def _lines(draw: ImageDraw, letters: Type, lines: tuple[str, ...]) -> None:
    left, right = MARGIN + 24, WIDTH - MARGIN - 24
    fits = len(lines) <= BIG_LINES and all(letters.width(each, BIG_PX) <= right - left for each in lines)
    px, step = (BIG_PX, BIG_STEP) if fits else (LINE_PX, LINE_STEP)
    for place, line in enumerate(lines):
        said, _tab, told = line.partition("\t")
        top, end = PAGE_TOP + 106 + (12 if fits else 0) + place * step, right
        if told:
            size = letters.fitting(told, px, (right - left) // 2)
            end -= int(letters.width(told, size)) + 24
            _write(draw, letters, (end + 24, top), told, size, TEXT, bold=True)
        _write(draw, letters, (left, top), said, letters.fitting(said, px, end - left), TEXT)


def name(band: Name, letters: Type) -> Image:
    image, draw = _ground(PAGE_TOP)
    wide = letters.width(band.about, SMALL_PX)
    if band.clock:
        own = letters.width(band.clock, CLOCK_PX)
        _write(draw, letters, (WIDTH - MARGIN - own, 44), band.clock, CLOCK_PX, TEXT, bold=True)
        wide += own + 36
    _write(draw, letters, (WIDTH - MARGIN - wide, 62), band.about, SMALL_PX, MUTED)
    room = int(WIDTH - 2 * MARGIN - wide - 48)
    size = letters.fitting(band.name, NAME_PX, room)
    draw.rounded_rectangle((MARGIN, 54, MARGIN + 10, 114), 5, fill=GOLD)
    _write(draw, letters, (MARGIN + 30, 44 + (NAME_PX - size) // 2), band.name, size, TEXT, bold=True)
    return image


def hour(band: Hour, letters: Type) -> Image:
    image, draw = _ground()
    _write(draw, letters, (MARGIN, PAGE_END + 14), band.day, SMALL_PX, MUTED)
    wide = letters.width(band.clock, CLOCK_PX)
    _write(draw, letters, (WIDTH - MARGIN - wide, PAGE_END - 6), band.clock, CLOCK_PX, TEXT, bold=True)
    return image


def crawl_segments(text: str, letters: Type) -> int:
    """How long the text takes from the right edge until its end has left at the left one."""
    return -int(-(WIDTH + letters.width(text, CRAWL_PX)) // (CRAWL_STEP * PICTURES))


def crawl(band: Crawl, letters: Type) -> list[Image]:
    """The pictures of one segment; after the last part the first follows without a jump, since both ends are bare."""
    from PIL import Image, ImageDraw

    begins, high = band.part * PICTURES * CRAWL_STEP, HEIGHT - PAGE_END
    strip = Image.new("RGB", (WIDTH + PICTURES * CRAWL_STEP, high), BAND)
    _write(ImageDraw.Draw(strip), letters, (WIDTH - begins, CRAWL_TOP), band.text, CRAWL_PX, TEXT)
    return [strip.crop((at, 0, at + WIDTH, high)) for at in range(0, PICTURES * CRAWL_STEP, CRAWL_STEP)]


def emblem(text: str, letters: Type) -> Image:
    """A channel's sign in a player's list: the first characters of the community's name."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (256, 256), CARDS["plain"])
    draw = ImageDraw.Draw(image)
    size = letters.fitting(text, 112, 216)
    wide = letters.width(text, size)
    _write(draw, letters, ((256 - wide) / 2, 118 - size * 0.72), text, size, TEXT, bold=True)
    return image


def _ground(height: int = HEIGHT) -> tuple[Image, ImageDraw]:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (WIDTH, height), GROUND)
    return image, ImageDraw.Draw(image)


def _pill(draw: ImageDraw, letters: Type, at: tuple[int, int], text: str, form: str) -> int:
    wide = int(letters.width(text, SMALL_PX)) + 36
    fill, ink = (GOLD, GROUND) if form != "alarm" else (TEXT, HEADS["alarm"])
    draw.rounded_rectangle((at[0], at[1], at[0] + wide, at[1] + 54), 27, fill=fill)
    _write(draw, letters, (at[0] + 18, at[1] + 2), text, SMALL_PX, ink)
    return wide


def _write(
    draw: ImageDraw, letters: Type, at: tuple[float, float], text: str, size: int, ink: str, *, bold: bool = False
) -> None:
    """Only one weight is cut: the bold is the same letter with a thicker line."""
    x, y = at
    for piece, face in _pieces(letters, text, size):
        draw.text((x, y), piece, font=face, fill=ink, stroke_width=1 if bold else 0, stroke_fill=ink)
        x += face.getlength(piece)


def _pieces(letters: Type, text: str, size: int) -> Iterator[tuple[str, FreeTypeFont]]:
    yield from letters.runs(text, size)

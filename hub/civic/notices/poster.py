"""A notice on paper: A4 for the board by the door, A5 for the stairwell, as large as the sheet allows; its QR."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from hub import qr
from hub.access import needs, public, subject
from hub.civic.notices import active, cards
from hub.db import Read
from hub.errors import NotFound
from hub.i18n import _, language, speaking
from hub.page import page, public_base, services

router = APIRouter()
READABLE = ("released", "retracted", "expired", "archived")  # what a link on an old sheet still has an answer for
LANGUAGE_CHOICES = ("zh", "en")


@dataclass(frozen=True, slots=True)
class Type:
    """A size of type on a sheet: full-width characters a line holds, and lines that fit between head and foot."""

    name: str
    line_chars: int
    lines: int


# Measured on the printed sheets; notices.css holds the same sizes in points.
SHEETS = {
    "a4": (Type("xl", 16, 9), Type("l", 20, 12), Type("m", 27, 17), Type("s", 34, 22)),
    "a5": (Type("xl", 15, 7), Type("l", 18, 9), Type("m", 24, 13), Type("s", 30, 17)),
}
LARGE_AT_LEAST = 2  # of the sizes above: large type goes on to a second sheet sooner than down to small print


def type_size(text: str, sheet: str, large: bool = False) -> str:
    """The largest type in which the text fits on one sheet; the smallest allowed when none does."""
    sizes = SHEETS[sheet][:LARGE_AT_LEAST] if large else SHEETS[sheet]
    return next((size.name for size in sizes if _lines(text, size) <= size.lines), sizes[-1].name)


def sheets_needed(text: str, sheet: str, large: bool = False) -> int:
    name = type_size(text, sheet, large)
    size = next(size for size in SHEETS[sheet] if size.name == name)
    return max(1, math.ceil(_lines(text, size) / size.lines))


def _lines(text: str, size: Type) -> int:
    return sum(max(1, math.ceil(_width(line) / size.line_chars)) for line in text.splitlines())


def _width(line: str) -> float:
    """In full-width characters; Latin letters take a little more than half of one."""
    return sum(1.0 if unicodedata.east_asian_width(char) in "WFA" else 0.56 for char in line)


@router.get("/desk/notices/{ident}/poster", dependencies=[needs("notices.read")])
async def poster(request: Request, ident: str, size: str = "a4", large: str = "", text: str = "") -> HTMLResponse:
    who = subject(request)
    sheet, lang = (size if size in SHEETS else "a4"), (text if text in LANGUAGE_CHOICES else language())

    def look(read: Read) -> cards.Shown:
        with speaking(lang):
            return cards.shown(read, active.touching(read, active.notice(read, ident), who.paths("notices.read")))

    shown = await services(request).store.read(look)
    with speaking(lang):  # the whole sheet: its telephone, its day and what stands under the code
        body = "\n".join(shown.lines[:-1])
        return page(
            request, "notices/poster.html", notice=shown, qr=qr.svg(f"{public_base(request)}{shown.url}"), sheet=sheet,
            text_lang=lang, large=large == "1", type=type_size(body, sheet, large == "1"),
            long=sheets_needed(body, sheet, large == "1") > 1, other="a5" if sheet == "a4" else "a4",
        )  # fmt: skip


@router.get("/n/{ident}/qr.png", dependencies=[public("the same link stands on every poster")])
async def code(request: Request, ident: str) -> Response:
    """For screens: a picture that engines without inline SVG draw as well."""
    found = await services(request).store.read(lambda read: active.notice(read, ident).state)
    if found not in READABLE:
        raise NotFound(_("There is no such notice"))
    drawn = qr.png(f"{public_base(request)}/n/{ident}")
    return Response(drawn, media_type="image/png", headers={"cache-control": "public, max-age=3600"})

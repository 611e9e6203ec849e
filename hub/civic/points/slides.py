"""The honour roll on the community's TV channel: organisations, and residents who agreed to be named, masked."""

from __future__ import annotations

from channels.base import Page
from channels.tv import CHARS_READ_PER_S, DWELL_S_MIN, NORMAL
from hub.civic.points import cards
from hub.db import Read
from hub.i18n import _
from hub.slides import Slide

ORDER = 60


def of_area(read: Read, area: str) -> list[Slide]:
    found = cards.tv(read, area)
    lines = []
    if found["accounts"] >= found["crowd"]:
        lines.append(_("This month: {points} points").format(points=f"{found['points']:,}"))
    for each in found["items"]:
        who = f"{each.name} {each.place}".strip()
        earned = _("{points} points").format(points=f"{each.earned:,}")
        lines.append(f"{who}\t{each.level} {earned}".replace("\t ", "\t"))
    size = NORMAL.page_lines
    cut = [tuple(lines[at : at + size]) for at in range(0, len(lines), size)]
    pages = tuple(Page(part, max(DWELL_S_MIN, sum(map(len, part)) / CHARS_READ_PER_S)) for part in cut)
    if not pages:
        return []
    return [
        Slide(id="honours", title=_("Honour roll"), pages=pages, order=ORDER, text="\n".join(lines).replace("\t", "  "))
    ]

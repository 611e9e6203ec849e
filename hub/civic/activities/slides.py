"""What takes place soon, one page each on the community's TV channel."""

from __future__ import annotations

from channels.base import Page
from hub.civic.activities import programme
from hub.civic.activities.cards import ZONE, shown
from hub.db import Read
from hub.directory import Area
from hub.i18n import _
from hub.slides import Slide, clock, day

SHOWN_MAX = 4
SECONDS = 8.0  # a day, an hour and a place
ORDER = 40


def of_area(read: Read, area: str) -> list[Slide]:
    place = read.session.get(Area, area)
    tz = place.tz if place is not None else ZONE
    made = []
    for found in programme.coming(read, area, SHOWN_MAX):
        each = shown(read, found, tz)
        lines = (day(each.starts, tz), f"{clock(each.starts, tz)}–{clock(each.ends, tz)}", each.place)
        made.append(
            Slide(
                id=f"activity-{each.id}", title=each.title, pages=(Page(lines, SECONDS),), badge=_("What's on"),
                order=ORDER, text="\n".join(lines), until=each.ends, happens=(each.starts, each.ends),
            )
        )  # fmt: skip
    return made

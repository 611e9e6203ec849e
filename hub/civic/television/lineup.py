"""The channels of a city for any player: an M3U list that Kodi, VLC, TiviMate and Jellyfin read, numbered from one.

`tvg-id` is letter for letter the `id` of guide.py; where one of them differs a player shows no guide at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import col

from hub import directory
from hub.access import covers
from hub.db import Read
from hub.directory import Area
from hub.i18n import pick

KINDS = ("community", "village")
_NUMBER_FIRST = re.compile(r"^([\d.\-]+) ")


@dataclass(frozen=True, slots=True)
class Station:
    """One line of the list."""

    area: str
    number: int  # among all, whatever part of them is asked for; nought is no number to a player
    name: str
    group: str  # the area above
    tz: str

    @property
    def id(self) -> str:
        return f"{self.area}.linli"


def stations(read: Read, within: str = "") -> list[Station]:
    """All communities, or those below one area."""
    path = directory.area(read, within).path if within else ""
    areas = {area.code: area for area in read.session.execute(select(Area).order_by(col(Area.path))).scalars()}
    found = [area for area in areas.values() if area.kind in KINDS]
    made = []
    for number, area in enumerate(found, start=1):
        if path and not covers(path, area.path):
            continue
        above = areas.get(area.parent or "")
        group = pick(above.zh, above.en) if above else ""
        made.append(Station(area.code, number, pick(area.zh, area.en), group, area.tz))
    return made


def m3u(listed: Sequence[Station], base: str, within: str = "") -> str:
    asked = f"?area={within}" if within else ""
    guide = f"{base}/tv/guide.xml{asked}"
    lines = [f'#EXTM3U x-tvg-url="{guide}" url-tvg="{guide}"']  # players know the one or the other
    for each in listed:
        name = _plain(each.name)
        words = {
            "tvg-id": each.id, "tvg-name": name, "tvg-chno": str(each.number),
            "tvg-logo": f"{base}/tv/{each.area}/logo.png", "group-title": _plain(each.group),
        }  # fmt: skip
        said = " ".join(f'{key}="{value}"' for key, value in words.items() if value)  # an empty one is taken for a name
        lines += [f"#EXTINF:-1 {said},{name}", f"{base}/tv/{each.area}/live.m3u8"]
    return "\n".join(lines) + "\n"


_SIGNS = str.maketrans({'"': "”", ",": "，", ";": "；", "=": "＝"})


def _plain(text: str) -> str:
    """The format knows no escape, so its signs may not stand in a name: Kodi makes several groups of one at each `;`.

    Jellyfin takes a number and a blank in front of a name for the channel's number; a wider blank it leaves alone.
    """
    return _NUMBER_FIRST.sub("\\1\u2002", " ".join(text.translate(_SIGNS).split()))

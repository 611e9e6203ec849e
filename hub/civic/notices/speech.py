"""What the loudspeakers of a place are to say: a part of its signed board, so that one signature, one sequence and one
end hold for both. What is no longer on the board is no longer said, in the middle of the word.

An emergency is said at once, at any hour. Everything else waits for the morning between `CURFEW_BEGINS` and
`CURFEW_ENDS`: who wakes a village for a routine notice is not listened to when it matters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select, tuple_
from sqlmodel import col

from channels.base import Rendered
from channels.loudspeaker import Loudspeaker
from hub.civic.notices.message import message_of
from hub.civic.notices.models import Aloud, Clip, Notice, Speech
from hub.db import Read
from hub.directory import Area

CURFEW_BEGINS, CURFEW_ENDS = time(21, 0), time(7, 30)  # channels.md 5: the community's night, in its own zone


@dataclass(frozen=True, slots=True)
class Hours:
    """From when until when a speaker may begin to say something; `until` is None as long as the notice holds."""

    begin: datetime
    until: datetime | None


def hours(priority: str, now: datetime, zone: str) -> Hours:
    """Pure: the next stretch of day in which this may be said."""
    if priority == "emergency":
        return Hours(now, None)
    there = now.astimezone(ZoneInfo(zone))
    day = there.date()
    if there.time() >= CURFEW_BEGINS:
        day += timedelta(days=1)
    morning = datetime.combine(day, CURFEW_ENDS, there.tzinfo)
    evening = datetime.combine(day, CURFEW_BEGINS, there.tzinfo)
    return Hours(max(now, morning.astimezone(now.tzinfo)), evening.astimezone(now.tzinfo))


def of_place(read: Read, area: str, notices: Sequence[Notice]) -> dict[str, Mapping[str, Any]]:
    """By notice, for those of this place's active notices that shall be said: what a speaker needs to know."""
    place = read.session.get(Area, area)
    if place is None or not notices:
        return {}
    wanted = read.session.execute(
        select(Speech).where(
            tuple_(col(Speech.notice), col(Speech.revision)).in_([(each.id, each.revision) for each in notices]),
            col(Speech.area).in_(place.path.split("/")),
        )
    ).scalars()
    rounds: dict[str, int] = {}
    for row in wanted:
        rounds[row.notice] = max(rounds.get(row.notice, 0), row.round)
    made = {each.id: _say(read, place, each, rounds[each.id]) for each in notices if each.id in rounds}
    return {ident: say for ident, say in made.items() if say}


def spoken(read: Read, notice: Notice, areas: Sequence[Area]) -> Rendered | None:
    """The words, and how often, as the desk previews them."""
    rendered = Loudspeaker().render(message_of(notice, areas))
    return rendered if isinstance(rendered, Rendered) else None


def times(rendered: Rendered) -> int:
    return int(dict(rendered.fields)["times"])


def _say(read: Read, place: Area, notice: Notice, round_: int) -> Mapping[str, Any]:
    rendered = spoken(read, notice, [place])
    if rendered is None:
        return {}
    when = hours(notice.priority, read.now(), place.tz)
    clip = read.session.get(Clip, (notice.id, notice.revision))
    return {
        "text": rendered.body,
        "times": times(rendered),
        "round": round_,
        "from": when.begin.isoformat(),
        "until": when.until.isoformat() if when.until else None,
        **_english(read, place, notice),
        **({"clip": {"path": clip_path(clip.sha256), "sha256": clip.sha256}} if clip else {}),
    }


def _english(read: Read, place: Area, notice: Notice) -> Mapping[str, Any]:
    """Said after the Chinese, where the place wants it and somebody has translated the notice."""
    wanted = read.session.get(Aloud, place.code, populate_existing=True)
    if wanted is None or not wanted.english or not (notice.title_en and notice.text_en):
        return {}
    rendered = Loudspeaker().render(message_of(notice, [place], "en"))
    return {"en": rendered.body} if isinstance(rendered, Rendered) else {}


def speaks_english(read: Read, area: str) -> bool:
    found = read.session.get(Aloud, area, populate_existing=True)
    return found is not None and found.english


def clip_path(sha256: str) -> str:
    return f"/clips/{sha256}.wav"

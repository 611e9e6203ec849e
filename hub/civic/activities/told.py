"""社区动态: what took place lately and how many came, counted from the approved sheets; nobody is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlmodel import col

from hub import directory
from hub.civic.activities import programme
from hub.civic.activities.models import Row, Sheet
from hub.db import Read
from hub.i18n import N_, pick
from hub.module import Card, Topic

LATELY_MAX = 10  # two pages of a television's list


def lately(read: Read, area: str) -> Mapping[str, Any]:
    """An activity whose sheet nobody has approved yet has no number: what is not certain is not shown."""
    found = programme.listed(read, [area], limit=LATELY_MAX, past_only=True)
    came = _came(read, [each.id for each in found])
    items = [
        {
            "title": pick(each.zh, each.en), "place": pick(each.place_zh, each.place_en), "starts": each.starts,
            "ends": each.ends, "came": came.get(each.id, 0),
        }
        for each in found
    ]  # fmt: skip
    return {"items": items, "tz": directory.area(read, area).tz}


def _came(read: Read, activities: list[str]) -> dict[str, int]:
    query = (
        select(col(Sheet.activity), func.count())
        .join(Row, col(Row.sheet) == col(Sheet.id))
        .where(col(Sheet.activity).in_(activities), col(Sheet.state) == "approved")
        .group_by(col(Sheet.activity))
    )
    return {activity: int(count) for activity, count in read.session.execute(query)}


def _anyone(_subject: object, key: str) -> bool:
    return len(key) == 12 and key.isascii() and key.isdigit()


TOPICS = (Topic("activities.told", "activities/told.html", lately, _anyone),)
CARDS = (Card("tv", "activities.told", "area", order=20, title=N_("Community news")),)

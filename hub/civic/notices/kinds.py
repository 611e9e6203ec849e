"""The kinds of notices and the fields each asks for: data (kinds.toml), so that a community adds one without code."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from hub.directory import Area
from hub.i18n import pick

SALUTATION = ("尊敬的居民朋友", "Dear neighbours")
FREE = "general"  # the kind of what nobody chose a kind for
_DAYS_AHEAD_MAX = 10
_OFFICE = {"community": ("居委会", "residents' committee"), "village": ("村委会", "villagers' committee")}


@dataclass(frozen=True, slots=True)
class Field:
    """One thing a kind asks for, and the line of the body that it becomes."""

    id: str
    asks_zh: str
    asks_en: str
    says_zh: str
    says_en: str
    type: str = "line"  # line | lines | number | time
    chars: int = 200

    @property
    def name(self) -> str:
        return pick(self.asks_zh, self.asks_en)

    @property
    def bilingual(self) -> bool:
        return self.type != "number"


@dataclass(frozen=True, slots=True)
class Kind:
    id: str
    zh: str
    en: str
    priority: str
    title: str
    title_en: str
    fields: tuple[Field, ...]
    needs: frozenset[str]
    shape: str  # of its time: span (to the hour) | days | words
    values: Mapping[str, str]  # the ready text, with {d0} and d1 for days
    edition: str
    days: int = 14  # how long it stands when nobody says

    @property
    def name(self) -> str:
        return pick(self.zh, self.en)

    @property
    def template(self) -> str:
        return f"{self.id}@{self.edition}"

    def ready(self, today: date) -> dict[str, str]:
        """The values of the ready text, with real days for d0 (today) to d10."""
        days = {f"d{n}": today + timedelta(days=n) for n in range(_DAYS_AHEAD_MAX + 1)}
        zh, en = ({name: say(day) for name, day in days.items()} for say in (zh_day, en_day))
        made = {}
        for name, value in self.values.items():
            if name in ("begin", "end"):
                day, _space, clock = value.partition(" ")
                made[name] = days[day].isoformat() + (f"T{clock}" if clock else "")
            else:
                made[name] = value.format(**(en if name.endswith("_en") else zh))
        return made


@cache
def every() -> Mapping[str, Kind]:
    data = tomllib.loads(Path(__file__).with_name("kinds.toml").read_text(encoding="utf-8"))
    known = [
        Field(
            ident, asks_zh=row["asks"][0], asks_en=row["asks"][1], says_zh=row["says"][0], says_en=row["says"][1],
            type=row.get("type", "line"), chars=row["chars"],
        )
        for ident, row in data["field"].items()
    ]  # fmt: skip
    return {ident: _kind(ident, row, known, data["edition"]["id"]) for ident, row in data["kind"].items()}


def issuer(area: Area) -> str:
    """落款单位: who signs at the foot of a notice when nobody else is named."""
    return area.zh + _OFFICE.get(area.kind, ("", ""))[0]


def issuer_en(area: Area) -> str:
    office = _OFFICE.get(area.kind, ("", ""))[1]
    return f"{area.en} {office}".strip()


def zh_day(day: date) -> str:
    return f"{day.month}月{day.day}日"


def en_day(day: date) -> str:
    return f"{day.day} {day:%B}"


def _kind(ident: str, row: Mapping[str, Any], known: list[Field], edition: str) -> Kind:
    asked = ("salutation", *row["asks"])
    values = {"salutation": SALUTATION[0], "salutation_en": SALUTATION[1]}
    for each in (*row["asks"], "begin", "end"):
        if isinstance(value := row.get(each, ""), list):
            values[each], values[f"{each}_en"] = value
        elif value:
            values[each] = value
    return Kind(
        id=ident, zh=row["name"][0], en=row["name"][1], priority=row["priority"], title=row["title"][0],
        title_en=row["title"][1], fields=tuple(each for each in known if each.id in asked),
        needs=frozenset(row["needs"]), shape=row["shape"], values=values, edition=edition, days=row["days"],
    )  # fmt: skip

"""The kinds of notices with their ready-made texts: data (kinds.toml), so that a community adds one without code."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path

from hub.directory import Area
from hub.i18n import pick

_DAYS_AHEAD_MAX = 10
_OFFICE = {"community": ("居委会", "residents' committee"), "village": ("村委会", "villagers' committee")}


@dataclass(frozen=True, slots=True)
class Kind:
    id: str
    zh: str
    en: str
    priority: str
    title: str
    text: str
    title_en: str
    text_en: str
    contact: str = ""
    days: int = 14  # how long it stands when nobody says

    @property
    def name(self) -> str:
        return pick(self.zh, self.en)

    def filled(self, today: date) -> Kind:
        """With real days for {d1} (tomorrow) to {d10}."""
        zh = {f"d{n}": _zh(today + timedelta(days=n)) for n in range(_DAYS_AHEAD_MAX + 1)}
        en = {f"d{n}": _en(today + timedelta(days=n)) for n in range(_DAYS_AHEAD_MAX + 1)}
        return Kind(
            self.id, self.zh, self.en, self.priority, self.title.format(**zh), self.text.format(**zh),
            self.title_en.format(**en), self.text_en.format(**en), self.contact, self.days,
        )  # fmt: skip


@cache
def every() -> Mapping[str, Kind]:
    rows = tomllib.loads(Path(__file__).with_name("kinds.toml").read_text(encoding="utf-8"))
    return {ident: Kind(id=ident, **row) for ident, row in rows.items()}


def issuer(area: Area) -> str:
    """落款单位: who signs at the foot of a notice when nobody else is named."""
    return area.zh + _OFFICE.get(area.kind, ("", ""))[0]


def issuer_en(area: Area) -> str:
    office = _OFFICE.get(area.kind, ("", ""))[1]
    return f"{area.en} {office}".strip()


def _zh(day: date) -> str:
    return f"{day.month}月{day.day}日"


def _en(day: date) -> str:
    return f"{day.day} {day:%B}"

"""The points catalogue: 4 categories, 46 items, five levels, from versioned data files. No value stands in code."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from hub.errors import Refused
from hub.i18n import _, pick

FOLDER = Path(__file__).parent / "catalogue"
PERIODS = ("day", "week", "month", "quarter", "year", "event")
KINDS = {"P": "person", "H": "household", "O": "organisation"}


@dataclass(frozen=True, slots=True)
class Cap:
    """At most so many points or so many acts of one item in a period, for one account."""

    limit: int
    counts: str  # points | acts
    per: str
    each: str = ""  # dwelling | neighbour: counted for each of them


@dataclass(frozen=True, slots=True)
class Item:
    code: str
    zh: str
    en: str
    unit_zh: str
    unit_en: str
    points: int  # a minus deducts
    hours: int  # how many hours make one unit; 0: one act is one unit
    caps: tuple[Cap, ...]
    evidence_zh: str
    evidence_en: str
    approvers: tuple[str, ...]  # G S P M B A, see the data file
    kinds: tuple[str, ...]  # person | household | organisation

    @property
    def category(self) -> str:
        return self.code[0]

    @property
    def name(self) -> str:
        return pick(self.zh, self.en)


@dataclass(frozen=True, slots=True)
class Level:
    zh: str
    en: str
    points: int


@dataclass(frozen=True, slots=True)
class Category:
    id: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    version: str
    effective_from: date
    zh: str
    en: str
    categories: tuple[Category, ...]
    levels: tuple[Level, ...]
    items: dict[str, Item]

    def item(self, code: str) -> Item:
        found = self.items.get(code.strip().upper())
        if found is None:
            raise Refused(_("There is no item {code} in the points catalogue").format(code=code[:16]))
        return found


@cache
def versions() -> tuple[Catalogue, ...]:
    """Every version there is, oldest first."""
    read = [parse(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.toml"))]
    return tuple(sorted(read, key=lambda each: each.effective_from))


def on(day: date, among: Sequence[Catalogue] | None = None) -> Catalogue:
    """The version that held on a date: an act keeps the value of its own day."""
    held = [each for each in (versions() if among is None else among) if each.effective_from <= day]
    if not held:
        raise Refused(_("No points catalogue held on {day}").format(day=day.isoformat()))
    return held[-1]


def parse(text: str) -> Catalogue:
    raw = tomllib.loads(text)
    items = [_item(each) for each in raw["items"]]
    return Catalogue(
        version=raw["version"],
        effective_from=raw["effective_from"],
        zh=raw["zh"],
        en=raw["en"],
        categories=tuple(Category(**each) for each in raw["categories"]),
        levels=tuple(sorted((Level(**each) for each in raw["levels"]), key=lambda level: level.points)),
        items={item.code: item for item in items},
    )


def _item(raw: dict[str, Any]) -> Item:
    return Item(
        code=raw["code"],
        zh=raw["zh"],
        en=raw["en"],
        unit_zh=raw["unit_zh"],
        unit_en=raw["unit_en"],
        points=raw["points"],
        hours=raw.get("hours", 0),
        caps=tuple(_cap(each) for each in raw.get("caps", ())),
        evidence_zh=raw["evidence_zh"],
        evidence_en=raw["evidence_en"],
        approvers=tuple(raw["approvers"]),
        kinds=tuple(KINDS[each] for each in raw["kinds"]),
    )


def _cap(raw: dict[str, Any]) -> Cap:
    counts = "points" if "points" in raw else "acts"
    if raw["per"] not in PERIODS:
        raise ValueError(f"a cap counts per one of {PERIODS}, not {raw['per']}")
    return Cap(raw[counts], counts, raw["per"], raw.get("each", ""))

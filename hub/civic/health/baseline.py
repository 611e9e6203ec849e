"""One's own usual values: do the last days differ from them? Computed for whoever asked for it, told to nobody else."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from statistics import fmean, median
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from hub import readings
from hub.audit import AuditRow
from hub.civic.health import consents
from hub.civic.health.events import BaselineMoved
from hub.civic.health.figures import KIND_NAMES
from hub.db import Read, Tx
from hub.derived import numbers_of
from hub.events import PersonalMessage, ReadingBound
from hub.i18n import N_, _, speaking
from hub.readings import Reading

WORDS = {"up": N_("higher than your usual values"), "down": N_("lower than your usual values")}
_MAX = 200


@dataclass(frozen=True, slots=True)
class Window:
    days: int
    readings: int


@dataclass(frozen=True, slots=True)
class Rule:
    kind: str
    code: str
    least: Decimal  # in the unit of the number
    spreads: Decimal  # times the median deviation of the usual days


@dataclass(frozen=True, slots=True)
class Rules:
    version: str
    recent: Window
    usual: Window
    again: timedelta
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Moved:
    name: str
    words: str
    version: str


def moved(rules: Rules, rule: Rule, samples: Sequence[tuple[datetime, Decimal]], now: datetime) -> str:
    """up, down or nothing. Pure: a few days of one's own against a quarter of one's own."""
    edge = now - timedelta(days=rules.recent.days)
    start = edge - timedelta(days=rules.usual.days)
    recent = [float(number) for at, number in samples if at > edge]
    usual = [float(number) for at, number in samples if start < at <= edge]
    if len(recent) < rules.recent.readings or len(usual) < rules.usual.readings:
        return ""
    own = median(usual)
    spread = median(abs(number - own) for number in usual)
    step = fmean(recent) - own
    if abs(step) < max(float(rule.least), float(rule.spreads) * spread):
        return ""
    return "up" if step > 0 else "down"


def on_bound(tx: Tx, event: ReadingBound) -> None:
    """Listener: tell a person who asked for it, once; neither the message nor the event says which way."""
    if event.person is None or not consents.stands(tx, event.person, consents.TREND):
        return  # nearly everybody: asked first, before the reading is fetched once more
    row = tx.session.get(Reading, event.reading)
    if row is None or row.person is None:
        return
    rule = next((each for each in in_force().rules if each.kind == row.kind), None)
    if rule is None or not _moved(tx, row.person, rule) or _told_lately(tx, row.person, row.kind):
        return
    tx.emit(BaselineMoved, person=row.person, kind=row.kind, version=in_force().version)
    tx.touch(consents.TOPIC, row.person)
    with speaking("zh"):  # the residents' language
        title = _("There is something new in your household")
        text = _("Please open My health on your phone, or ask in the community.")
    tx.emit(PersonalMessage, resident=row.person, kind="health", title=title, text=text)


def of_person(read: Read, person: str) -> list[Moved]:
    """What differs now, for the person's own page."""
    if not consents.stands(read, person, consents.TREND):
        return []
    rules = in_force()
    found = [(rule, _moved(read, person, rule)) for rule in rules.rules]
    return [Moved(_(KIND_NAMES[rule.kind]), _(WORDS[way]), rules.version) for rule, way in found if way]


def _moved(read: Read, person: str, rule: Rule) -> str:
    rules = in_force()
    since = read.now() - timedelta(days=rules.recent.days + rules.usual.days)
    samples = []
    for row in readings.of_person(read, person, rule.kind, since=since, limit=_MAX):
        number = numbers_of(readings.values(read, row)).get(rule.code) if row.quality == "ok" else None
        if number is not None:
            samples.append((readings.from_ms(row.t_effective_ms), number))
    return moved(rules, rule, samples, read.now())


def _told_lately(read: Read, person: str, kind: str) -> bool:
    rule = select(col(AuditRow.detail)).where(
        col(AuditRow.subject) == person,
        col(AuditRow.kind) == BaselineMoved.__name__,
        col(AuditRow.at) > read.now() - in_force().again,
    )
    return any(json.loads(detail)["kind"] == kind for detail in read.session.execute(rule).scalars())


@cache
def in_force() -> Rules:
    raw: dict[str, Any] = tomllib.loads(
        (Path(__file__).parent / "baselines.toml").read_text("utf-8"), parse_float=Decimal
    )
    return Rules(
        version=f"{raw['id']}@{raw['version']}",
        recent=Window(**raw["recent"]),
        usual=Window(**raw["usual"]),
        again=timedelta(days=raw["again_days"]),
        rules=tuple(
            Rule(each["kind"], each["code"], Decimal(each["least"]), Decimal(each["spreads"])) for each in raw["rule"]
        ),
    )

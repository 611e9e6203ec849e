"""The resources a subject may have: readings by `visible_to`, devices by place or because one was measured by them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, func, or_, select, true
from sqlmodel import col

from hub import derived, erasure, fhir, readings, recall
from hub.access import Subject
from hub.civic.fhir.search import Bound, Cursor, Question
from hub.db import Read
from hub.directory import Area, Consent
from hub.errors import LinliError, NotAllowed, NotFound
from hub.fhir import Json
from hub.i18n import _
from hub.readings import Reading
from hub.registry import Device, Gateway

DEVICES = "fhir.devices"
ZONE = "Asia/Shanghai"
_ROWS = 100  # looked at in one go; a search for a rare code goes on until its page is full
_LOOKS_MAX = 40
_DONE = 999  # more than any reading says


class Gone(LinliError):
    """There was one, and it was erased: whoever holds a copy should know."""

    status = 410
    slug = "gone"


@dataclass(frozen=True, slots=True)
class Page:
    entries: tuple[Json, ...]
    rows: tuple[Reading, ...]  # whose values were opened
    after: Cursor | None


Meals = Callable[[Read, Reading], fhir.Meal | None]


def observations(read: Read, who: Subject, asked: Question, meals: Meals | None = None) -> Page:
    """The newest first. A page ends inside a reading when it must; the next one goes on there."""
    visible = _visible(who)
    entries: list[Json] = []
    rows: list[Reading] = []
    cursor = asked.cursor
    for _look in range(_LOOKS_MAX):
        found = _rows(read, visible, asked, cursor)
        for row in found:
            skip = cursor.taken if cursor is not None and cursor.reading == row.id else 0
            said = [each for each in _said(read, row, meals) if _wanted(each, row, asked)]
            for place, each in enumerate(said[skip:], start=skip):
                if len(entries) == asked.count:
                    return Page(tuple(entries), tuple(rows), Cursor(row.t_effective_ms, row.id, place))
                if row not in rows:
                    rows.append(row)
                entries.append(each)
        if len(found) < _ROWS:
            return Page(tuple(entries), tuple(rows), None)
        cursor = Cursor(found[-1].t_effective_ms, found[-1].id, _DONE)
    return Page(tuple(entries), tuple(rows), cursor)


def observation(read: Read, who: Subject, ident: str, meals: Meals | None = None) -> tuple[Json, Reading]:
    rule = select(Reading).where(_visible(who), col(Reading.id) == ident[:36])
    row = read.session.execute(rule).scalar_one_or_none()
    for each in _said(read, row, meals) if row is not None else ():
        if each["id"] == ident and row is not None:
            return each, row
    if row is None and _was_theirs(read, who, ident[:36]):
        raise Gone(_("It was deleted by whom it was about"))
    raise NotFound(_("There is no such resource, or it is not yours to see"))


def _was_theirs(read: Read, who: Subject, ident: str) -> bool:
    """Only who could have seen it learns that it was there."""
    erased = erasure.erased_of(read, ident)
    if erased is None or erased.person is None:
        return False
    if who.kind == "resident":
        return erased.person == who.id
    agreed = select(col(Consent.id)).where(
        col(Consent.resident) == erased.person, col(Consent.purpose) == "doctor", col(Consent.withdrawn_at).is_(None)
    )
    return read.session.execute(agreed.limit(1)).first() is not None


def _visible(who: Subject) -> ColumnElement[bool]:
    visible, with_values = readings.visible_to(who)
    if not with_values:
        raise NotAllowed(_("Your role does not cover this here"))
    return visible & col(Reading.person).is_not(None)


def _rows(read: Read, visible: ColumnElement[bool], asked: Question, cursor: Cursor | None) -> Sequence[Reading]:
    at, ident = col(Reading.t_effective_ms), col(Reading.id)
    rule = select(Reading).where(visible)
    if asked.person is not None:
        rule = rule.where(col(Reading.person) == asked.person)
    if asked.device is not None:
        rule = rule.where(col(Reading.device) == asked.device)
    if asked.ids:
        rule = rule.where(ident.in_([each[:36] for each in asked.ids]))
    if asked.where is not None:
        rule = rule.where(col(Reading.kind).in_(_kinds(asked.where)))
    for bound in asked.times:
        rule = rule.where(_within(at, bound))
    if asked.changed:
        changed = func.coalesce(col(Reading.bound_at_ms), col(Reading.t_received_ms))
        # A recall changes a resource later than its reading; `_wanted` looks at what it then says of itself.
        recalled = select(col(recall.ReadingFlag.reading))
        rule = rule.where(or_(and_(*[_within(changed, bound) for bound in asked.changed]), ident.in_(recalled)))
    if cursor is not None:
        last = ident <= cursor.reading if cursor.taken < _DONE else ident < cursor.reading
        rule = rule.where((at < cursor.at_ms) | ((at == cursor.at_ms) & last))
    return read.session.execute(rule.order_by(at.desc(), ident.desc()).limit(_ROWS)).scalars().all()


def _kinds(where: frozenset[fhir.Code]) -> set[str]:
    """A mass index is worked out of a weight or a height, whatever its device says."""
    return {each.kind for each in where}


def _within(moment: Any, bound: Bound) -> ColumnElement[bool]:
    if bound.outside:
        return or_(moment < bound.start_ms, moment >= bound.end_ms)
    rules: list[ColumnElement[bool]] = [true()]
    if bound.start_ms is not None:
        rules.append(moment >= bound.start_ms)
    if bound.end_ms is not None:
        rules.append(moment < bound.end_ms)
    return and_(*rules)


def _holds(at_ms: int, bound: Bound) -> bool:
    before, after = bound.start_ms is not None and at_ms < bound.start_ms, False
    if bound.end_ms is not None:
        after = at_ms >= bound.end_ms
    return (before or after) if bound.outside else not (before or after)


def _wanted(entry: Json, row: Reading, asked: Question) -> bool:
    if asked.ids and entry["id"] not in asked.ids:
        return False
    if asked.category is not None:
        coded = [coding["code"] for each in entry.get("category", ()) for coding in each["coding"]]
        if asked.category not in coded:
            return False
    if asked.changed:
        at = readings.to_ms(datetime.fromisoformat(entry["meta"]["lastUpdated"]))
        if not all(_holds(at, bound) for bound in asked.changed):
            return False
    if asked.where is None:
        return True
    part = entry["id"][len(row.id) + 1 :]
    return fhir.Code(row.kind, part) in asked.where


def _said(read: Read, row: Reading, meals: Meals | None) -> Iterator[Json]:
    values = readings.values(read, row)
    area = read.session.get(Area, row.area)
    zone, flagged = area.tz if area is not None else ZONE, recall.flagged(read, [row.id]).get(row.id)
    meal = meals(read, row) if meals is not None else None
    return fhir.observations(row, values, zone, derived.bmi(read, row, values), flagged, meal)


def devices(read: Read, who: Subject) -> list[Json]:
    """Devices and the gateways before them."""
    rows = _devices(read, who)
    today = _today(read)
    gateways = sorted({row.gateway for row in rows})
    return [*(fhir.device(row, today) for row in rows), *(fhir.gateway(each) for each in gateways)]


def metrics(read: Read, who: Subject) -> list[Json]:
    today = _today(read)
    return [fhir.metric(row, code, today) for row in _devices(read, who) for code in fhir.metric_codes(row.kind)]


def _devices(read: Read, who: Subject) -> list[Device]:
    rule = select(Device).order_by(col(Device.id))
    if who.kind == "resident":
        mine = select(col(Reading.device)).where(col(Reading.person) == who.id)
        return list(read.session.execute(rule.where(col(Device.id).in_(mine))).scalars())
    paths = who.paths(DEVICES)
    if not paths:
        raise NotAllowed(_("Your role does not cover this here"))
    if "" not in paths:
        inside = [col(Area.path) == path for path in paths] + [col(Area.path).startswith(path + "/") for path in paths]
        here = select(col(Gateway.id)).join(Area, col(Area.code) == col(Gateway.area)).where(or_(*inside))
        rule = rule.where(col(Device.gateway).in_(here))
    return list(read.session.execute(rule).scalars())


def _today(read: Read) -> date:
    return read.now().astimezone(ZoneInfo(ZONE)).date()

"""Erasing one's own readings: what the consent page promises, what goes with them, and what stays and why.

A number goes from the store for ever. That a device measured, that a visit was, who looked and what a doctor did stays
on record, without any number: it answers for what people did with the readings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from sqlalchemy import delete, exists, or_, select, update
from sqlmodel import col

from hub import directory, erasure
from hub.access import Subject, signed_in
from hub.civic.health import alerts, bands, consents, kiosk, tasks
from hub.civic.health.figures import KIND_NAMES
from hub.civic.health.models import HealthAlert, HealthTask, KioskSession, Meal, PastBand, ReadingBand
from hub.civic.health.rules import MEAN
from hub.db import Read, Tx
from hub.erasure import ERASED
from hub.errors import NotFound
from hub.events import ReadingsErased
from hub.i18n import _
from hub.page import actor, page, see_other, services
from hub.readings import Reading, from_ms, to_ms

Owner = Annotated[Subject, signed_in("resident")]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which of a person's readings: one, those of a day, or all."""

    person: str
    reading: str = ""
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What an erasure would take, without a value."""

    count: int
    kinds: tuple[tuple[str, int], ...]
    first: datetime | None
    last: datetime | None
    tasks: int


def chosen(read: Read, scope: Scope) -> list[str]:
    rule = select(col(Reading.id)).where(col(Reading.person) == scope.person)
    if scope.reading:
        rule = rule.where(col(Reading.id) == scope.reading)
    if scope.day is not None:
        zone = ZoneInfo(directory.area(read, directory.resident(read, scope.person).area).tz)
        start = datetime(scope.day.year, scope.day.month, scope.day.day, tzinfo=zone)
        rule = rule.where(
            col(Reading.t_effective_ms) >= to_ms(start),
            col(Reading.t_effective_ms) < to_ms(start + timedelta(days=1)),
        )
    return list(read.session.execute(rule.order_by(col(Reading.t_effective_ms))).scalars())


def look(read: Read, scope: Scope) -> Found:
    idents = set(chosen(read, scope))
    rule = select(col(Reading.id), col(Reading.kind), col(Reading.t_effective_ms))
    rows = [row for row in read.session.execute(rule.where(col(Reading.person) == scope.person)) if row.id in idents]
    times = [row.t_effective_ms for row in rows]
    kinds = Counter(_(KIND_NAMES.get(row.kind, row.kind)) for row in rows)
    return Found(
        len(rows),
        tuple(kinds.most_common()),
        from_ms(min(times)) if times else None,
        from_ms(max(times)) if times else None,
        len(_tasks(read, scope.person, idents)),
    )


def erase(tx: Tx, scope: Scope, why: str) -> int:
    """For ever. The listener below takes back what this slice has made of them."""
    return erasure.erase(tx, chosen(tx, scope), why)


def on_erased(tx: Tx, event: ReadingsErased) -> None:
    """Listener: words, meals, tasks and visits that came of these readings."""
    gone = set(event.readings)
    for table in (ReadingBand, PastBand, Meal):
        tx.change(delete(table).where(col(table.reading).in_(gone)))
    if event.person:
        _judge_what_leaned_on(tx, event.person, gone)
    _let_go(tx, gone)
    _leave_visits(tx, event.person, gone)
    if event.person:
        for topic in (bands.HOME_TOPIC, bands.LIST_TOPIC, consents.TOPIC):
            tx.touch(topic, event.person)


def _judge_what_leaned_on(tx: Tx, person: str, gone: set[str]) -> None:
    """An index made with an erased height, a mean of an erased pressure: found anew from what is left."""
    rule = (
        select(ReadingBand)
        .join(Reading, col(Reading.id) == col(ReadingBand.reading))
        .where(col(Reading.person) == person, col(ReadingBand.measure).in_(("bmi", MEAN)))
    )
    leaning = {row.reading for row in tx.session.execute(rule).scalars() if gone & set(row.used.split())}
    past = select(PastBand).join(Reading, col(Reading.id) == col(PastBand.reading)).where(col(Reading.person) == person)
    for row in list(tx.session.execute(past).scalars()):
        if gone & set(row.used.split()):
            tx.session.delete(row)
    for ident in sorted(leaning):
        bands.judge_again(tx, tx.session.get_one(Reading, ident), ERASED)


def _let_go(tx: Tx, gone: set[str]) -> None:
    """An alert that has no reading left calls nobody, and nobody follows it up."""
    named = or_(col(HealthAlert.reading).in_(gone), col(HealthAlert.confirmed_by).in_(gone))
    for alert in list(tx.session.execute(select(HealthAlert).where(named)).scalars()):
        left = [each for each in (alert.reading, alert.confirmed_by) if each and each not in gone]
        alert.reading, alert.confirmed_by = (left[0] if left else None), None
        if not left:
            alert.session, alert.told_doctor = None, False
            if alert.state == "open":
                alert.state, alert.done_by, alert.done_at = "done", tx.actor.id, tx.now()
            task = tx.session.execute(select(HealthTask).where(col(HealthTask.alert) == alert.id)).scalar_one_or_none()
            if task is not None and task.state != "withdrawn":
                tasks.take_away(tx, task)
        tx.session.add(alert)
        tx.session.flush()
        alerts.redraw(tx, alert)


def _leave_visits(tx: Tx, person: str, gone: set[str]) -> None:
    """A visit of which nothing is left belongs to nobody; one that goes on shows the erased reading no longer."""
    for visit in tx.session.execute(select(KioskSession).where(col(KioskSession.reading).in_(gone))).scalars():
        visit.reading, visit.stage, visit.note = None, "ready", ""
        tx.session.add(visit)
        tx.touch(kiosk.TOPIC, visit.hut)
    if person:
        left = exists().where(col(Reading.session) == col(KioskSession.id), col(Reading.person) == person)
        ended = (col(KioskSession.person) == person, col(KioskSession.closed).is_not(None), ~left)
        tx.change(update(KioskSession).where(*ended).values(person=None).execution_options(synchronize_session="fetch"))


def _tasks(read: Read, person: str, idents: set[str]) -> Sequence[HealthTask]:
    mine = [(task, alerts.get(read, task.alert)) for task in tasks.of_person(read, person)]
    return [task for task, alert in mine if {each for each in (alert.reading, alert.confirmed_by) if each} & idents]


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/me/health/erase")
    async def ask(request: Request, who: Owner, reading: str = "") -> Response:
        shown = await services(request).store.read(lambda read: _asked(read, who, reading))
        return page(request, "health/erase.html", active="/me/health", **shown)

    @routes.post("/me/health/erase")
    async def sure(request: Request, who: Owner, reading: Annotated[str, Form(max_length=36)] = "") -> Response:
        store = services(request).store
        await store.write(lambda tx: erase(tx, Scope(who.id, reading), "self"), actor(request))
        await store.settle_log()
        return see_other("/me/health?erased=1")

    return routes


def _asked(read: Read, who: Subject, reading: str) -> dict[str, Any]:
    found = look(read, Scope(who.id, reading))
    if reading and not found.count:
        raise NotFound(_("There is no such reading"))
    return {
        "reading": reading,
        "found": found,
        "tz": directory.area(read, directory.resident(read, who.id).area).tz,
    }

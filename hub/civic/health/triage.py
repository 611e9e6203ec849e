"""The doctor's triage list: residents who let the doctor know, the gravest first. A colour and a word, no number.

The numbers stand on the page behind a task, and that the doctor opened it stands in the resident's own list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from hub import directory, readings, registry, sightings
from hub.access import Subject, needs
from hub.civic.health import alerts, bands, consents, cover, figures, rules, tasks, trend
from hub.civic.health.figures import MEASURE_NAMES, Judged
from hub.civic.health.models import HealthStep, HealthTask
from hub.db import Read, Tx
from hub.errors import NotFound
from hub.i18n import _, pick
from hub.page import actor, page, page_live, see_other, services

PERMISSION = "readings.doctor"
RECENT_ROWS = 20  # beside the urgent ones, for a doctor who may see all
Doctor = Annotated[Subject, needs(PERMISSION)]


@dataclass(frozen=True, slots=True)
class Did:
    what: str
    by: str
    at: datetime
    undone: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A task on the list."""

    id: str
    measure: str
    judged: Judged | None
    who: str
    years: int
    place: str
    opened: datetime
    due: date
    overdue: bool
    referred: bool
    last: Did | None
    tz: str
    waits: str  # for whom it waits; empty: somebody has it
    waits_since: datetime
    held: str  # who has it


def may_watch(subject: Subject, key: str) -> bool:
    return subject.may(PERMISSION, key)


def listed(read: Read, key: str) -> Mapping[str, Any]:
    """The open tasks of an area and those closed lately."""
    area = read.session.get(directory.Area, key.rpartition("/")[2])
    found = [_row(read, task) for task in tasks.below(read, key, "open")]
    return {
        "place": pick(area.zh, area.en) if area else "",
        # What nobody has taken in hand first, then what is late.
        "rows": sorted(found, key=lambda row: (not row.waits, not row.overdue, row.due, row.opened)),
        "late": sum(row.overdue for row in found),
        "done": [_row(read, task) for task in tasks.below(read, key, "done")],
        "actions": tasks.ACTIONS,
    }


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/desk/triage")
    async def triage(request: Request, who: Doctor) -> Response:
        paths = sorted(set(who.paths(PERMISSION)))
        topics = [f"{tasks.TOPIC}:{path}" for path in paths]
        return await page_live(request, "health/triage.html", topics, paths=paths)

    @routes.get("/desk/triage/{task}")
    async def opened(request: Request, task: str, who: Doctor) -> Response:
        shown = await services(request).store.write(lambda tx: _open(tx, who, task), actor(request))
        return page(request, "health/task.html", active="/desk/triage", **shown)

    @routes.post("/desk/triage/{task}/step")
    async def step(
        request: Request,
        task: str,
        who: Doctor,
        what: Annotated[str, Form(max_length=16)],
        back: Annotated[bool, Form()] = False,
    ) -> Response:
        await services(request).store.write(lambda tx: tasks.act(tx, _mine(tx, who, task).id, what), actor(request))
        return see_other(f"/desk/triage/{task}" if back else "/desk/triage")

    @routes.post("/desk/triage/{task}/hold")
    async def hold(request: Request, task: str, who: Doctor, back: Annotated[bool, Form()] = False) -> Response:
        await services(request).store.write(lambda tx: _hold(tx, who, task), actor(request))
        return see_other(f"/desk/triage/{task}" if back else "/desk/triage")

    @routes.post("/desk/triage/{task}/undo")
    async def undo(request: Request, task: str, who: Doctor, back: Annotated[bool, Form()] = False) -> Response:
        await services(request).store.write(lambda tx: tasks.undo(tx, _mine(tx, who, task).id), actor(request))
        return see_other(f"/desk/triage/{task}" if back else "/desk/triage")

    return routes


def _mine(read: Read, who: Subject, ident: str) -> HealthTask:
    """The task, for a doctor of that place. Elsewhere there is none."""
    task = tasks.get(read, ident)
    if not who.may(PERMISSION, directory.area(read, task.area).path):
        raise NotFound(_("There is no such task"))
    return task


def _hold(tx: Tx, who: Subject, ident: str) -> None:
    tasks.hold(tx, _mine(tx, who, ident), tx.actor.id)


def readings_of(read: Read, who: Subject, ident: str) -> list[readings.Reading]:
    """The readings a task tells of."""
    alert = alerts.get(read, _mine(read, who, ident).alert)
    return [readings.get(read, each) for each in (alert.reading, alert.confirmed_by) if each]


def trusting(read: Read, who: Subject, ident: str) -> str | None:
    """The person behind a task, when they agreed that the doctor sees all."""
    person = _mine(read, who, ident).person
    return person if consents.stands(read, person, consents.DOCTOR) else None


def _open(tx: Tx, who: Subject, ident: str) -> dict[str, Any]:
    task = _mine(tx, who, ident)
    alert = alerts.get(tx, task.alert)
    person = directory.resident(tx, task.person)
    urgent = readings_of(tx, who, ident)
    all_of_them = consents.stands(tx, task.person, consents.DOCTOR)
    others = readings.of_person(tx, task.person, limit=RECENT_ROWS) if all_of_them else []
    others = [row for row in others if row.id not in {each.id for each in urgent}]
    sightings.leave(tx, who, [*urgent, *others], "triage")
    return {
        "row": _row(tx, task),
        "name": person.name,
        "phone": person.phone or "",
        "rule": f"{alert.ruleset}@{alert.version}",
        "urgent": [figures.shown(tx, row) for row in urgent],
        "others": [figures.shown(tx, row) for row in others],
        "trends": trend.of_person(tx, task.person) if all_of_them else [],
        "basis": task.basis,
        "steps": [_did(tx, step) for step in tasks.steps(tx, task.id)],
        "state": task.state,
        "alert": alert.id,
        "actions": tasks.ACTIONS,
    }


def _row(read: Read, task: HealthTask) -> Row:
    alert = alerts.get(read, task.alert)
    person = directory.resident(read, task.person)
    years = directory.age(person.born, read.now().date())
    hut = read.session.get(registry.Hut, alert.hut) if alert.hut else None
    standing = [step for step in tasks.steps(read, task.id) if step.undone_at is None]
    return Row(
        id=task.id,
        measure=_(MEASURE_NAMES.get(alert.rule, alert.rule)),
        judged=_word(read, alert.confirmed_by or alert.reading or "", alert.rule),
        who=directory.greeting(person.name, person.sex, years),
        years=years,
        place=pick(hut.zh, hut.en) if hut else "",
        opened=task.opened,
        due=task.due,
        overdue=tasks.overdue(read, task),
        referred=any(step.what == "referred" for step in standing),
        last=_did(read, standing[-1]) if standing else None,
        tz=directory.area(read, task.area).tz,
        waits="" if task.held_by else _(cover.RUNGS[task.rung]),
        waits_since=task.rung_at or task.opened,
        held=_by(read, task.held_by) if task.held_by else "",
    )


def _word(read: Read, reading: str, measure: str) -> Judged | None:
    row = read.session.get(readings.Reading, reading)
    found = [band for band in bands.of(read, row) if band.measure == measure] if row is not None else []
    chief = rules.gravest(found)
    return figures.as_judged(chief) if chief is not None and chief.level != "none" else None


def _did(read: Read, step: HealthStep) -> Did:
    return Did(_(tasks.ACTIONS[step.what]), _by(read, step.by), step.at, step.undone_at is not None)


def _by(read: Read, actor_id: str) -> str:
    kind, _colon, ident = actor_id.partition(":")
    staff = read.session.get(directory.Staff, ident) if kind == "staff" else None
    return staff.name if staff else ident

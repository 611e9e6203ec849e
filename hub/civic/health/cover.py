"""Who answers for an urgent value, and what if nobody does: the doctor, after half an hour the deputy, then telephones.

A task waits until somebody says "I have it" or does a step. The telephone list is rung by people: after the deputy's
time the attendant's pad shows the numbers, without a value and without a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from sqlalchemy import or_, select
from sqlmodel import col

from hub import calls, contacts, directory, registry
from hub.access import Subject, needs
from hub.civic.health import alerts, tasks
from hub.civic.health.events import CoverChanged, TaskChanged, TaskPassedOn
from hub.civic.health.models import Cover, HealthTask
from hub.db import Read, Tx
from hub.directory import Area, Staff, StaffRole
from hub.errors import Refused
from hub.events import CallMoved
from hub.i18n import N_, _, pick, speaking
from hub.page import actor, page, see_other, services
from hub.services import Services

PERMISSION = "health.cover"
DOCTOR, DEPUTY, PHONES = 0, 1, 2
ANSWER_MIN = 30  # S-2; hub/settings.py has the knob
TICK_S = 15.0
CALL = "health"
PHONE_LINES_MAX, LINE_CHARS_MAX = 8, 80
Director = Annotated[Subject, needs(PERMISSION)]
RUNGS: Mapping[int, str] = {
    DOCTOR: N_("waits for the doctor"),
    DEPUTY: N_("waits for the deputy"),
    PHONES: N_("nobody has answered: telephone"),
}


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A task for the telephone: where, since when, and the numbers. Whose it is stands on the doctor's list."""

    id: str
    hut: str
    since: datetime
    phones: tuple[str, ...]


def of_area(read: Read, code: str) -> Cover | None:
    """The nearest one up the tree."""
    area = read.session.get(Area, code)
    for above in reversed(area.path.split("/") if area is not None else []):
        found = read.session.get(Cover, above)
        if found is not None:
            return found
    return None


def set_cover(tx: Tx, area: str, doctor: str, deputy: str, phones: str) -> Cover:
    """Doctor and deputy are two people who may open the list of this place."""
    able = {each.id for each in doctors(tx, area)}
    if {doctor, deputy} - {""} - able or (doctor and doctor == deputy):
        raise Refused(_("Doctor and deputy are two doctors of this place"))
    lines = [line.strip() for line in phones.splitlines() if line.strip()]
    if len(lines) > PHONE_LINES_MAX or any(len(line) > LINE_CHARS_MAX for line in lines):
        raise Refused(_("At most {n} numbers, one a line").format(n=PHONE_LINES_MAX))
    row = tx.session.get(Cover, area) or Cover(area=area, changed_by="", changed_at=tx.now())
    row.doctor, row.deputy, row.phones = doctor, deputy, "\n".join(lines)
    row.changed_by, row.changed_at = tx.actor.id, tx.now()
    tx.session.add(row)
    tx.session.flush()
    tx.emit(CoverChanged, area=area, doctor=doctor, deputy=deputy)
    return row


def doctors(read: Read, code: str) -> list[Staff]:
    """Whose role of a doctor holds in this area."""
    path = directory.area(read, code).path
    rule = (
        select(Staff, col(Area.path))
        .join(StaffRole, col(StaffRole.staff) == col(Staff.id))
        .join(Area, col(Area.code) == col(StaffRole.area))
        .where(col(StaffRole.role) == "doctor", col(Area.code).in_(path.split("/")))
        .order_by(col(Staff.id))
    )
    return list({staff.id: staff for staff, _path in read.session.execute(rule)}.values())


def on_opened(tx: Tx, event: TaskChanged) -> None:
    """Listener: a task was opened, anew or again: the doctor is called."""
    task = tx.session.get(HealthTask, event.task) if event.what == "opened" else None
    if task is not None:
        found = of_area(tx, task.area)
        _call(tx, task, found.doctor if found is not None else "")


def pass_on(tx: Tx, wait: timedelta) -> int:
    """Every task that nobody has answered in time goes one further. Gives how many."""
    moved = list(tx.session.execute(_due(tx, wait)).scalars())
    for task in moved:
        found = of_area(tx, task.area)
        deputy = found.deputy if found is not None else ""
        task.rung = DEPUTY if task.rung == DOCTOR and deputy else PHONES
        task.rung_at = tx.now()
        tx.session.add(task)
        tx.session.flush()
        tx.emit(TaskPassedOn, task=task.id, area=task.area, rung=task.rung)
        if task.rung == DEPUTY:
            _call(tx, task, deputy)
        tasks.redraw(tx, task)
    return len(moved)


def on_moved(tx: Tx, event: CallMoved) -> None:
    """Listener: who answers the call has what waits for them."""
    call = tx.session.get(calls.StaffCall, event.call)
    if event.level != "acknowledged" or call is None or call.kind != CALL:
        return
    rule = select(HealthTask).where(
        col(HealthTask.state) == "open", col(HealthTask.held_by).is_(None), col(HealthTask.area) == call.area
    )
    for task in list(tx.session.execute(rule.where(col(HealthTask.opened) <= call.made_at)).scalars()):
        tasks.hold(tx, task, f"staff:{event.staff}")


def unanswered(read: Read, area_path: str) -> list[Unanswered]:
    """What the pad shows: tasks whose doctor and deputy have not answered."""
    rule = (
        select(HealthTask)
        .join(Area, col(Area.code) == col(HealthTask.area))
        .where(
            col(HealthTask.state) == "open", col(HealthTask.held_by).is_(None), col(HealthTask.rung) == PHONES,
        )
        .order_by(col(HealthTask.opened))
    )  # fmt: skip
    if area_path:
        rule = rule.where(or_(col(Area.path) == area_path, col(Area.path).startswith(area_path + "/")))
    return [_unanswered(read, task) for task in read.session.execute(rule.limit(tasks.LIST_MAX)).scalars()]


def _unanswered(read: Read, task: HealthTask) -> Unanswered:
    alert = alerts.get(read, task.alert)
    hut = read.session.get(registry.Hut, alert.hut) if alert.hut else None
    found = of_area(read, task.area)
    lines = found.phones.splitlines() if found is not None else []
    return Unanswered(task.id, pick(hut.zh, hut.en) if hut else "", task.opened, tuple(lines))


def _due(read: Read, wait: timedelta) -> Any:
    return select(HealthTask).where(
        col(HealthTask.state) == "open",
        col(HealthTask.held_by).is_(None),
        col(HealthTask.rung) < PHONES,
        col(HealthTask.rung_at) <= read.now() - wait,
    )


def _call(tx: Tx, task: HealthTask, staff: str) -> None:
    """On whatever the colleague entered. The words name no body and nobody."""
    area = directory.area(tx, task.area)
    for to in contacts.of_staff(tx, staff) if staff else ():
        with speaking(to.lang):
            words = calls.Words(
                _("Somebody on the triage list waits for you"),
                _("{place}: an urgent value was confirmed. Please open the triage list.").format(
                    place=pick(area.zh, area.en)
                ),
                area.code,
                pick(area.zh, area.en),
            )
        calls.plan(tx, to, CALL, words, "urgent")


async def watch(services: Services) -> None:
    """Job: look every few seconds whose time is over."""
    wait = timedelta(minutes=int(services.config.get("health.answer_min", ANSWER_MIN)))
    while True:
        await services.clock.sleep(TICK_S)
        if await services.store.read(lambda read: read.session.execute(_due(read, wait).limit(1)).first() is not None):
            await services.store.write(partial(pass_on, wait=wait))


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/desk/cover")
    async def shown(request: Request, who: Director) -> Response:
        found = await services(request).store.read(lambda read: _places(read, who))
        return page(
            request,
            "health/cover.html",
            places=found,
            wait=services(request).config.get("health.answer_min", ANSWER_MIN),
        )

    @routes.post("/desk/cover/{area}")
    async def change(
        request: Request,
        area: str,
        who: Director,
        doctor: Annotated[str, Form(max_length=64)] = "",
        deputy: Annotated[str, Form(max_length=64)] = "",
        phones: Annotated[str, Form(max_length=1000)] = "",
    ) -> Response:
        def work(tx: Tx) -> None:
            who.require(PERMISSION, directory.area(tx, area).path)
            set_cover(tx, area, doctor, deputy, phones)

        await services(request).store.write(work, actor(request))
        return see_other("/desk/cover")

    return routes


def _places(read: Read, who: Subject) -> list[dict[str, Any]]:
    """The areas this director answers for, each with what holds there now."""
    found = []
    for path in sorted(set(who.paths(PERMISSION))):
        area = read.session.get(Area, path.rpartition("/")[2])
        if area is None:
            continue
        row = of_area(read, area.code)
        found.append(
            {
                "code": area.code,
                "name": pick(area.zh, area.en),
                "doctors": [(each.id, each.name) for each in doctors(read, area.code)],
                "doctor": row.doctor if row else "",
                "deputy": row.deputy if row else "",
                "phones": row.phones if row else "",
                "above": row is not None and row.area != area.code,
            }
        )
    return found

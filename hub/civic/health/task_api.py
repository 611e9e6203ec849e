"""The doctor's tasks as JSON: the list, and one write for each thing a doctor says. No value, and no name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse
from sqlalchemy import or_, select
from sqlmodel import col

from hub import directory
from hub.access import Subject, needs
from hub.civic.health import alerts, tasks, triage
from hub.civic.health.models import HealthTask
from hub.command import answered
from hub.db import Read, Tx
from hub.directory import Area
from hub.errors import NotFound
from hub.i18n import _
from hub.idempotency import Answer
from hub.page import services

PAGE, PAGE_MAX = 50, 200
RUNGS = ("doctor", "deputy", "telephone")
Doctor = Annotated[Subject, needs(triage.PERMISSION)]
Key = Annotated[str | None, Header(alias="Idempotency-Key")]
State = Literal["open", "done"]
Verb = Literal["called", "visited", "referred", "undo", "hold"]


def router() -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["health"])

    @routes.get("/tasks")
    async def list_tasks(
        request: Request,
        who: Doctor,
        state: State = "open",
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE,
        after: Annotated[str | None, Query(max_length=36)] = None,
    ) -> dict[str, Any]:
        """Confirmed urgent values that their owners let the doctor know, newest first. No value stands here."""
        return await services(request).store.read(lambda read: _page(read, who, state, limit, after))

    @routes.post("/tasks/{ident}/{verb}")
    async def act_on_task(request: Request, ident: str, verb: Verb, who: Doctor, key: Key = None) -> JSONResponse:
        """`called`, `visited` close it; `referred`: two weeks more; `undo`: the last step; `hold`: who has it."""
        return await answered(request, key, lambda tx: _act(tx, who, ident, verb))

    return routes


def _act(tx: Tx, who: Subject, ident: str, verb: Verb) -> Answer:
    task = tasks.get(tx, ident)
    if not who.may(triage.PERMISSION, directory.area(tx, task.area).path):
        raise NotFound(_("There is no such task"))
    if verb == "undo":
        tasks.undo(tx, ident)
    elif verb == "hold":
        tasks.hold(tx, task, tx.actor.id)
    else:
        tasks.act(tx, ident, verb)
    return Answer(200, shape(tx, task))


def _page(read: Read, who: Subject, state: str, limit: int, after: str | None) -> dict[str, Any]:
    rule = select(HealthTask).join(Area, col(Area.code) == col(HealthTask.area)).where(col(HealthTask.state) == state)
    paths = who.paths(triage.PERMISSION)
    if "" not in paths:
        rule = rule.where(or_(*[(col(Area.path) == path) | col(Area.path).startswith(path + "/") for path in paths]))
    if after is not None:
        rule = rule.where(col(HealthTask.id) < after)
    rows = list(read.session.execute(rule.order_by(col(HealthTask.id).desc()).limit(limit + 1)).scalars())
    return {
        "items": [shape(read, row) for row in rows[:limit]],
        "after": rows[limit - 1].id if len(rows) > limit else None,
    }


def shape(read: Read, task: HealthTask) -> dict[str, Any]:
    alert = alerts.get(read, task.alert)
    return {
        "id": task.id,
        "alert": task.alert,
        "person": task.person,
        "measure": alert.rule,
        "rule": f"{alert.ruleset}@{alert.version}",
        "hut": alert.hut,
        "area": task.area,
        "basis": task.basis,
        "state": task.state,
        "opened": task.opened.isoformat(),
        "due": task.due.isoformat(),
        "overdue": tasks.overdue(read, task),
        "waits_for": RUNGS[task.rung] if task.state == "open" and task.held_by is None else None,
        "held_by": task.held_by,
        "steps": [
            {"what": step.what, "by": step.by, "at": step.at.isoformat(), "undone": step.undone_at is not None}
            for step in tasks.steps(read, task.id)
        ],
    }

"""The attendant's pad: which hut calls, large enough to read while walking. It rings; it never shows a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from hub import directory
from hub.access import Subject, needs
from hub.civic.health import alerts, cover, desk, tasks
from hub.db import Read, Tx
from hub.page import actor, page_live, see_other, services

PERMISSION = "health.attend"
Attendant = Annotated[Subject, needs(PERMISSION)]


def may_watch(subject: Subject, key: str) -> bool:
    return subject.may(PERMISSION, key)


def view(read: Read, key: str) -> Mapping[str, Any]:
    return {**desk.waiting(read, key), "unanswered": cover.unanswered(read, key)}


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/desk/pad")
    async def pad(request: Request, who: Attendant) -> Response:
        paths = sorted(set(who.paths(PERMISSION)))
        topics = [f"{alerts.PAD_TOPIC}:{path}" for path in paths]
        return await page_live(request, "health/pad.html", topics, paths=paths)

    @routes.post("/desk/pad/{alert}/take")
    async def take(request: Request, alert: str, who: Attendant) -> Response:
        await services(request).store.write(lambda tx: _take(tx, who, alert), actor(request))
        return see_other("/desk/pad")

    @routes.post("/desk/pad/{alert}/done")
    async def done(request: Request, alert: str, who: Attendant) -> Response:
        await services(request).store.write(lambda tx: _finish(tx, who, alert), actor(request))
        return see_other("/desk/pad")

    @routes.post("/desk/pad/tasks/{task}/reached")
    async def reached(request: Request, task: str, who: Attendant) -> Response:
        await services(request).store.write(lambda tx: _reached(tx, who, task), actor(request))
        return see_other("/desk/pad")

    return routes


def _reached(tx: Tx, who: Subject, ident: str) -> None:
    """Somebody was reached by telephone, so it is no longer nobody's."""
    task = tasks.get(tx, ident)
    who.require(PERMISSION, directory.area(tx, task.area).path)
    tasks.hold(tx, task, tx.actor.id)


def _here(read: Read, who: Subject, ident: str) -> None:
    who.require(PERMISSION, directory.area(read, alerts.get(read, ident).area).path)


def _take(tx: Tx, who: Subject, ident: str) -> None:
    _here(tx, who, ident)
    alerts.take(tx, ident)


def _finish(tx: Tx, who: Subject, ident: str) -> None:
    _here(tx, who, ident)
    alerts.finish(tx, ident)

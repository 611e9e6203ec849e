"""The queue under an operator's hands: one thing with all that was done about it, the acts, undo, and the handover."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from hub.access import Subject, needs
from hub.civic.operations import acts, alarms, handover, scope, summons, work
from hub.civic.operations.models import Act
from hub.civic.operations.scope import ACT, VIEW
from hub.civic.operations.words import ROLE_WORDS, WAY_WORDS
from hub.db import Read, Tx
from hub.errors import Conflict, Refused
from hub.i18n import _
from hub.page import actor, page, see_other, services

Viewer = Annotated[Subject, needs(VIEW)]
Actor = Annotated[Subject, needs(ACT)]
Key = Annotated[str, Form(max_length=160)]
Word = Annotated[str, Form(max_length=16)]


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)
    routes.add_api_route("/operate/work/{key:path}", thing, methods=["GET"])
    routes.add_api_route("/operate/act", act, methods=["POST"])
    routes.add_api_route("/operate/undo/{ident}", undo, methods=["POST"])
    routes.add_api_route("/operate/handover", sheet, methods=["GET"])
    return routes


async def thing(request: Request, key: str, who: Viewer) -> Response:
    """One thing of the queue: who has it, what was done and said, and everything that can be done now."""
    return await _page(request, key, who)


async def _page(request: Request, key: str, who: Subject, wrong: str = "", status: int = 200) -> Response:
    within = scope.of(who)

    def look(read: Read) -> dict[str, Any]:
        task = work.one(read, within, key)
        return {
            "task": task, "done": acts.history(read, key), "others": acts.colleagues(read, task.area),
            "told": summons.told(read, [alarm.id for alarm in task.alarms]), "titles": alarms.titles(read),
        }  # fmt: skip

    found = await services(request).store.read(look)
    return page(
        request, "operations/thing.html", status, **found, wrong=wrong, me=who.id, roles=ROLE_WORDS, ways=WAY_WORDS,
        snoozes=acts.SNOOZES_MIN, may_act=who.may(ACT), at=services(request).clock.now(),
    )  # fmt: skip


async def act(
    request: Request,
    who: Actor,
    key: Key,
    do: Word,
    to: Annotated[str, Form(max_length=64)] = "",
    minutes: Annotated[int, Form()] = acts.SNOOZES_MIN[0],
    said: Annotated[str, Form(max_length=2_000)] = "",
    seen: Word = "",
) -> Response:
    """`seen` is the mark of what the page showed: of two at once the second is told, and shown how it stands now."""
    store, within = services(request).store, scope.of(who, ACT)
    task = await store.read(lambda read: work.one(read, within, key))

    def write(tx: Tx) -> Act:
        if seen and do != "comment":
            acts.unchanged(tx, key, seen)
        match do:
            case "ack":
                return acts.acknowledge(tx, who, key, task.area)
            case "take":
                return acts.assign(tx, who, key, task.area, who.id)
            case "assign":
                return acts.assign(tx, who, key, task.area, to)
            case "snooze":
                return acts.snooze(tx, who, key, task.area, minutes)
            case "comment":
                return acts.comment(tx, who, key, task.area, said)
        raise Refused(_("Nobody knows how to do that"))

    try:
        made = await store.write(write, actor(request))
    except Conflict as error:
        return await _page(request, key, who, error.sentence, error.status)
    return see_other(f"/operate?did={made.id}")


async def undo(request: Request, ident: str, who: Actor) -> Response:
    await services(request).store.write(lambda tx: acts.undo(tx, who, ident), actor(request))
    return see_other("/operate")


async def sheet(request: Request, who: Viewer) -> Response:
    """交接班单: what the next shift takes over, on one sheet of A4."""
    within = scope.of(who)
    found = await services(request).store.read(lambda read: handover.look(read, within))
    return page(request, "operations/handover.html", sheet=found)

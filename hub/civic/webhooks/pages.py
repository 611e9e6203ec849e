"""The operator's page: which systems are told of what, what they did not take, and a secret that is shown once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import func, select
from sqlmodel import col

from channels import apprise
from hub import directory
from hub.access import Subject, needs, subject
from hub.civic.webhooks import book, carrier
from hub.civic.webhooks.book import Wish
from hub.civic.webhooks.kinds import BY_ID, KINDS
from hub.civic.webhooks.models import Happening, Subscription, Telling
from hub.db import Read
from hub.errors import LinliError
from hub.i18n import N_, _, pick
from hub.module import Topic
from hub.page import actor, page_live, see_other, services

DEAD_SHOWN = 20
LIST = "webhooks.list:all"
_STATE = {
    "active": (N_("is told"), "ok"), "paused": (N_("paused"), "plain"), "gone": (N_("no longer wants it"), "warn"),
}  # fmt: skip
router = APIRouter(include_in_schema=False)


@router.get("/operate/webhooks", dependencies=[needs("webhooks.manage")])
async def listing(request: Request) -> HTMLResponse:
    return await _page(request)


@router.post("/operate/webhooks", dependencies=[needs("webhooks.manage")])
async def subscribe(request: Request) -> HTMLResponse:
    """The answer itself shows the secret: no address ever leads to it again."""
    form, who = await request.form(), subject(request)
    wish = Wish(
        str(form.get("name", "")), str(form.get("url", "")).strip(), tuple(map(str, form.getlist("kinds"))),
        str(form.get("area", "")),
    )  # fmt: skip
    allowed = carrier.allowed(services(request))
    try:
        _made, secret = await services(request).store.write(
            lambda tx: book.subscribe(tx, who, wish, allowed), actor(request)
        )
    except LinliError as error:
        return await _page(request, wrong=error.sentence, status=error.status, wish=wish)
    return await _page(request, secret=secret)


@router.post("/operate/webhooks/{ident}/{step}", dependencies=[needs("webhooks.manage")])
async def act(request: Request, ident: str, step: str) -> Response:
    who, form = subject(request), await request.form()
    happening = str(form.get("event", ""))[:36]
    verbs: dict[str, Any] = {
        "pause": lambda tx: book.turn(tx, who, ident, "paused"),
        "resume": lambda tx: book.turn(tx, who, ident, "active"),
        "remove": lambda tx: book.remove(tx, who, ident), "replay": lambda tx: book.replay(tx, who, ident, happening),
    }  # fmt: skip
    if step in verbs:
        await services(request).store.write(verbs[step], actor(request))
    return see_other("/operate/webhooks")


async def _page(
    request: Request, *, wrong: str = "", status: int = 200, wish: Wish | None = None, secret: str = ""
) -> HTMLResponse:
    who = subject(request)
    areas = await services(request).store.read(lambda read: _areas(read, who))
    return await page_live(
        request, "webhooks/list.html", topics=[LIST], status=status, topic=LIST, wrong=wrong, wish=wish, secret=secret,
        kinds=[(each.id, _(each.title)) for each in KINDS], areas=areas, apprise=apprise.installed(),
    )  # fmt: skip


def _areas(read: Read, who: Subject) -> list[tuple[str, str]]:
    found = read.session.execute(select(directory.Area).order_by(col(directory.Area.path))).scalars()
    return [(each.code, pick(each.zh, each.en)) for each in found if who.may("webhooks.manage", each.path)]


def drawn(read: Read, _key: str) -> Mapping[str, Any]:
    counts: dict[str, dict[str, int]] = {}
    rows = read.session.execute(
        select(col(Telling.subscription), col(Telling.state), func.count()).group_by(
            col(Telling.subscription), col(Telling.state)
        )
    )
    for subscription, state, count in rows:
        counts.setdefault(subscription, {})[state] = count
    items = []
    for each in read.session.execute(select(Subscription).order_by(col(Subscription.made_at))).scalars():
        word, tag = _STATE[each.state]
        kinds = _(", ").join(_(BY_ID[kind].title) for kind in json.loads(each.kinds) if kind in BY_ID)
        items.append(
            {"hook": each, "word": _(word), "tag": tag, "kinds": kinds, "counts": counts.get(each.id, {}),
             "dead": _dead(read, each.id)}
        )  # fmt: skip
    return {"items": items}


def _dead(read: Read, subscription: str) -> list[dict[str, Any]]:
    rows = read.session.execute(
        select(Telling, Happening)
        .join(Happening, col(Happening.id) == col(Telling.happening))
        .where(col(Telling.subscription) == subscription, col(Telling.state) == "dead")
        .order_by(col(Happening.at).desc())
        .limit(DEAD_SHOWN)
    )
    return [
        {"id": what.id, "kind": _(BY_ID[what.kind].title) if what.kind in BY_ID else what.kind, "at": what.at,
         "why": _(telling.why), "code": telling.code, "attempts": telling.attempts}
        for telling, what in rows
    ]  # fmt: skip


def _operators(who: Subject, key: str) -> bool:
    return key == "all" and who.may("webhooks.manage")


TOPICS = (Topic("webhooks.list", "webhooks/rows.html", drawn, _operators),)

"""/desk/letters: how each channel does, what waits for tomorrow's quota, and what died on the way (死信)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from hub import breaker, delivery, letters, quota
from hub.access import Subject, needs, subject
from hub.breaker import ChannelState
from hub.civic.notices.message import DEFAULT_ZONE
from hub.db import Read, Tx
from hub.i18n import _
from hub.module import Topic
from hub.page import actor, page, page_live, see_other, services

PERMISSION, NAMING = "notices.letters", "notices.addressee"
SENDING = "notices.sending"
TOPIC = f"{SENDING}:all"
_GIVEN_UP = re.compile(r"given up after (\d+) tries: (.*)", re.DOTALL)
router = APIRouter()


@router.get("/desk/letters", dependencies=[needs(PERMISSION)])
async def listed(request: Request, sent: int | None = None) -> HTMLResponse:
    hub, paths = services(request), subject(request).paths(PERMISSION)
    if not hub.feed.viewers(TOPIC):  # counts move with every claim; they are drawn anew for who comes to look
        hub.feed.committed((), frozenset({(SENDING, "all")}))
    piles = await hub.store.read(lambda read: letters.piles(read, paths))
    return await page_live(
        request, "notices/letters.html", topics=[TOPIC], topic=TOPIC, piles=piles, reason=reason, sent=sent,
        tz=DEFAULT_ZONE,
    )  # fmt: skip


@router.get("/desk/letters/{channel}/{notice}", dependencies=[needs(PERMISSION)])
async def one_pile(request: Request, channel: str, notice: str) -> HTMLResponse:
    return page(request, "notices/letters_pile.html", **await _pile(request, channel, notice))


@router.post("/desk/letters/again", dependencies=[needs(PERMISSION)])
async def again(request: Request) -> Response:
    """One letter, or all of a notice on a channel."""
    form, paths = await request.form(), subject(request).paths(PERMISSION)
    chosen = {name: str(form.get(name, "")) for name in ("letter", "channel", "notice")}
    count = await services(request).store.write(lambda tx: letters.replay(tx, paths, **chosen), actor(request))
    return see_other(f"/desk/letters?sent={count}")


@router.post("/desk/letters/{channel}/{notice}/{letter}/who", dependencies=[needs(NAMING)])
async def who(request: Request, channel: str, notice: str, letter: str) -> HTMLResponse:
    """The name stands on this one answer, in no address and in no list."""
    form, paths = await request.form(), subject(request).paths(NAMING)

    def look(tx: Tx) -> letters.Addressee:
        return letters.addressee(tx, paths, letter, str(form.get("reason", "")))

    named = await services(request).store.write(look, actor(request))
    shown = await _pile(request, channel, notice)
    return page(request, "notices/letters_pile.html", **{**shown, "named": named, "opened": letter})


async def _pile(request: Request, channel: str, notice: str) -> dict[str, Any]:
    hub, viewer = services(request), subject(request)
    paths = viewer.paths(PERMISSION)

    def read(read: Read) -> tuple[list[letters.Letter], list[letters.Pile]]:
        piles = [each for each in letters.piles(read, paths) if (each.channel, each.notice) == (channel, notice)]
        return letters.letters(read, paths, channel, notice), piles

    found, piles = await hub.store.read(read)
    return {
        "letters": found, "title": piles[0].title if piles else "", "channel": channel, "notice": notice,
        "reason": reason, "reasons": letters.REASONS, "names": viewer.may(NAMING), "tz": DEFAULT_ZONE,
        "named": None, "opened": "",
    }  # fmt: skip


def reason(why: str) -> str:
    """Why it died, in the reader's language."""
    tried = _GIVEN_UP.fullmatch(why)
    if tried is None:
        return _(why)
    return _("given up after {n} tries: {why}").format(n=tried[1], why=_(tried[2]))


def sending(read: Read, _key: str) -> Mapping[str, Any]:
    return {"ways": [_way(read, state) for state in breaker.states(read)], "tz": DEFAULT_ZONE}


def _way(read: Read, state: ChannelState) -> dict[str, Any]:
    limits, now = state.limits, read.now()
    messages, fen = quota.used(read, state.channel, quota.day_of(now))
    return {
        "channel": state.channel, "state": state.state, "why": state.why, "since": state.since, "until": state.until,
        "messages": messages, "messages_max": limits.messages, "kept": limits.kept_messages(),
        "fen": fen, "fen_max": limits.fen, "kept_fen": limits.kept_fen(),
        "held": delivery.held_by_quota(read, state.channel, limits), "goes": quota.renews_at(now),
        "menu": state.menu,
        "waits": delivery.waiting(read, state.channel) if state.state == breaker.PAUSED else 0,
    }  # fmt: skip


def _may_watch(who: Subject, key: str) -> bool:
    return key == "all" and who.may(PERMISSION)


TOPICS: Sequence[Topic] = (Topic(SENDING, "notices/sending.html", sending, _may_watch),)

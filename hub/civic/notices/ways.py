"""How messages come to a resident (消息送达方式): text message, notification on this phone, WeChat; each on or off.

What comes on them, and when, is in wishes.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from channels.base import Offered
from hub import audience, courier, preferences
from hub.access import Subject, signed_in, subject
from hub.civic.notices import wishes
from hub.db import Read, Tx
from hub.directory import resident
from hub.errors import NotFound, Refused
from hub.i18n import N_, _
from hub.module import Card, Topic
from hub.page import actor, page_live, see_other, services

SMS, PUSH = "sms", "webpush"
SUBSCRIPTION_BYTES_MAX = 4 * 1024
NAMES = {"wechat": N_("WeChat"), SMS: N_("Text message"), PUSH: N_("App notification")}
router = APIRouter()


def card(read: Read, ident: str) -> Mapping[str, Any]:
    bound = audience.of_resident(read, ident)
    return {"on": [_(NAMES[each.channel]) for each in bound if each.channel in NAMES]}


def _own(who: Subject, key: str) -> bool:
    return who.kind == "resident" and who.id == key


TOPICS = (Topic("notices.ways", "notices/ways_card.html", card, _own),)
CARDS = (Card("me", "notices.ways", "subject", order=80),)


@router.get("/me/ways", dependencies=[signed_in("resident")])
async def ways(request: Request) -> HTMLResponse:
    return await _page(request)


@router.post("/me/ways/wishes", dependencies=[signed_in("resident")])
async def wish(request: Request) -> Response:
    """Which classes on which channel, which hours are quiet, and whether it all comes once a day."""
    who, form = subject(request), await request.form()

    def keep(tx: Tx) -> None:
        wishes.choose(tx, who.id, form)
        tx.touch("notices.ways", who.id)

    try:
        await services(request).store.write(keep, actor(request))
    except Refused as error:
        return await _page(request, error.sentence, error.status)
    return see_other("/me/ways?saved=1#wishes")


async def _page(request: Request, wrong: str = "", status: int = 200) -> HTMLResponse:
    hub, who = services(request), subject(request)
    curfew = preferences.curfew(hub.config)
    phone, bound = await hub.store.read(lambda read: _standing(read, who.id))
    wanted = await hub.store.read(lambda read: wishes.standing(read, who.id, list(bound), curfew))
    offered = courier.open_channel(hub, PUSH)
    return await page_live(
        request, "notices/ways.html", [], status,
        phone=masked(phone), sms=courier.open_channel(hub, SMS) is not None, sms_on=SMS in bound,
        push_key=offered.application_server_key if isinstance(offered, Offered) else "",
        push_on=PUSH in bound, push_mine=_public_key(bound.get(PUSH, "")), wechat_on="wechat" in bound,
        wanted=wanted, names=NAMES, wrong=wrong, saved="saved" in request.query_params,
        edition=preferences.version(),
    )  # fmt: skip


@router.post("/me/ways/sms", dependencies=[signed_in("resident")])
async def text_messages(request: Request) -> Response:
    """On means the number the community has on file: nobody can enter a stranger's."""
    who, on = subject(request), (await request.form()).get("do") == "on"

    def switch(tx: Tx) -> None:
        phone = resident(tx, who.id).phone
        if on and not phone:
            raise Refused(_("The community has no telephone number of yours"))
        if on and phone:
            audience.bind(tx, who.id, SMS, phone)
            preferences.joined(tx, who.id, SMS)
        else:
            _unbind(tx, who.id, SMS)
        tx.touch("notices.ways", who.id)

    await services(request).store.write(switch, actor(request))
    return see_other("/me/ways")


@router.post("/me/ways/push", dependencies=[signed_in("resident")])
async def subscribe(request: Request) -> Response:
    """A browser offers itself. One phone a person: the last one to ask is the one that is told."""
    hub, who = services(request), subject(request)
    channel = courier.open_channel(hub, PUSH)
    if not isinstance(channel, Offered):
        raise NotFound(_("This hub sends no notifications to phones"))
    body = await request.body()
    try:
        said = json.loads(body) if len(body) <= SUBSCRIPTION_BYTES_MAX else None
        address = channel.address_of(said if isinstance(said, dict) else {})
    except (ValueError, RecursionError):
        raise Refused(_("This browser's notifications cannot be used here")) from None

    def bind(tx: Tx) -> None:
        audience.bind(tx, who.id, PUSH, address.value)
        preferences.joined(tx, who.id, PUSH)
        tx.touch("notices.ways", who.id)

    await hub.store.write(bind, actor(request))
    return Response(status_code=204)


@router.post("/me/ways/push/off", dependencies=[signed_in("resident")])
async def unsubscribe(request: Request) -> Response:
    who = subject(request)

    def off(tx: Tx) -> None:
        _unbind(tx, who.id, PUSH)
        tx.touch("notices.ways", who.id)

    await services(request).store.write(off, actor(request))
    return see_other("/me/ways")


def masked(phone: str) -> str:
    return f"{phone[:3]}****{phone[-4:]}" if len(phone) >= 7 else ""


def _standing(read: Read, ident: str) -> tuple[str, dict[str, str]]:
    phone = resident(read, ident).phone or ""
    return phone, {each.channel: each.address for each in audience.of_resident(read, ident)}


def _unbind(tx: Tx, ident: str, channel: str) -> None:
    for each in audience.of_resident(tx, ident):
        if each.channel == channel:
            audience.unbind(tx, each.id)
    preferences.left(tx, ident, channel)


def _public_key(address: str) -> str:
    """By its public key the page knows whether the subscribed phone is this one."""
    return str(json.loads(address)["keys"]["p256dh"]) if address else ""

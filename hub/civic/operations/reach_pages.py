"""/operate/reach-me: how a colleague is called, tried out by them; /call/{token}: what a call's link opens."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from channels import apprise
from channels.base import Offered
from hub import caller, calls, contacts, courier, preferences
from hub.access import Subject, needs, public
from hub.civic.operations import acts, alarms, duty, rulebook, scope, summons
from hub.civic.operations.words import ROLE_WORDS, WAY_WORDS
from hub.contacts import StaffContact
from hub.db import Actor, Read, Tx
from hub.errors import NotFound, Refused
from hub.i18n import N_, _
from hub.page import actor, page, see_other, services

OWN = "calls.own"
Mine = Annotated[Subject, needs(OWN)]
Name = Annotated[str, Form(max_length=16)]
HERE = "/operate/reach-me"
PUSH_BYTES_MAX = 4 * 1024
WEIGHTS = {"routine": N_("everything"), "important": N_("alarms"), "urgent": N_("grave alarms only")}
FAULTS = {
    apprise.NOT_INSTALLED: N_("For addresses like this the hub needs the extra apprise, which is not installed here"),
}
_NUMBER = re.compile(r"\+?[0-9]{5,15}")


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)
    routes.add_api_route(HERE, mine, methods=["GET"])
    routes.add_api_route(f"{HERE}/address", enter, methods=["POST"])
    routes.add_api_route(f"{HERE}/code", code, methods=["POST"])
    routes.add_api_route(f"{HERE}/push", push, methods=["POST"])
    routes.add_api_route(f"{HERE}/wishes", wishes, methods=["POST"])
    routes.add_api_route(f"{HERE}/try", try_out, methods=["POST"])
    routes.add_api_route(f"{HERE}/remove", remove, methods=["POST"])
    held = [public("whoever holds the message it was sent in; its signature is the proof")]
    routes.add_api_route("/call/{token}", called, methods=["GET"], dependencies=held)
    routes.add_api_route("/call/{token}", answer, methods=["POST"], dependencies=held)
    return routes


async def mine(request: Request, who: Mine, tried: str = "") -> Response:
    return await _page(request, who, tried=tried)


async def _page(request: Request, who: Subject, *, wrong: str = "", code: str = "", **more: Any) -> Response:
    hub = services(request)
    offered = courier.open_channel(hub, "webpush")

    def look(read: Read) -> dict[str, Any]:
        own = {each.channel: each for each in contacts.of_staff(read, who.id)}
        force = alarms.active(read)
        book = rulebook.read(force.text if force is not None else alarms.SHIPPED.read_text(encoding="utf-8"))
        gaps = duty.gaps(read, book, scope.of(who, OWN))
        try_ = calls.of(read, {more["tried"]}) if more.get("tried") else []
        return {
            "own": own, "gaps": gaps,
            "tried": next((row for row in try_ if row.staff == who.id), None),
        }  # fmt: skip

    told = await hub.store.read(look)
    return page(
        request, "operations/reach.html", 422 if wrong else 200, **told, channels=caller.names(hub), names=WAY_WORDS,
        ways=WAY_WORDS, roles=ROLE_WORDS,
        shown=_shown, weights=WEIGHTS, wrong=wrong, code=code, minutes=contacts.TOKEN_MINUTES, states=summons.STATES,
        push_key=offered.application_server_key if isinstance(offered, Offered) else "",
    )  # fmt: skip


async def enter(request: Request, who: Mine, channel: Name, address: Annotated[str, Form(max_length=400)]) -> Response:
    """A telephone number or the address of a group chat, typed."""
    said = address.strip().replace(" ", "")
    if wrong := _wrong(request, channel, said):
        return await _page(request, who, wrong=wrong)
    await services(request).store.write(lambda tx: contacts.enter(tx, who.id, channel, said), actor(request))
    return see_other(HERE)


async def code(request: Request, who: Mine) -> Response:
    """A word to write to the official account."""
    made = await services(request).store.write(lambda tx: contacts.token(tx, who.id), actor(request))
    return await _page(request, who, code=made)


async def push(request: Request, who: Mine) -> Response:
    """A browser offers itself."""
    hub, body = services(request), await request.body()
    channel = courier.open_channel(hub, "webpush")
    if not isinstance(channel, Offered):
        raise NotFound(_("This hub sends no notifications to phones"))
    try:
        said = json.loads(body) if len(body) <= PUSH_BYTES_MAX else None
        address = channel.address_of(said if isinstance(said, dict) else {})
    except (ValueError, RecursionError):
        raise Refused(_("This browser's notifications cannot be used here")) from None
    await hub.store.write(lambda tx: contacts.enter(tx, who.id, "webpush", address.value), actor(request))
    return Response(status_code=204)


async def wishes(
    request: Request, who: Mine, channel: Name, least: Name, lang: Name, start: Name = "", end: Name = ""
) -> Response:
    def keep(tx: Tx) -> StaffContact:
        first, last = (preferences.minute(each) if each.strip() else 0 for each in (start, end))
        quiet = None if first == last else preferences.Quiet(first, last)
        return contacts.choose(tx, who.id, channel, least, quiet, lang)

    await services(request).store.write(keep, actor(request))
    return see_other(HERE)


async def try_out(request: Request, who: Mine, channel: Name) -> Response:
    def call(tx: Tx) -> str:
        return summons.try_out(tx, contacts.one(tx, who.id, channel)).id

    made = await services(request).store.write(call, actor(request))
    return see_other(f"{HERE}?tried={made}")


async def remove(request: Request, who: Mine, channel: Name) -> Response:
    await services(request).store.write(lambda tx: contacts.remove(tx, who.id, channel), actor(request))
    return see_other(HERE)


async def called(request: Request, token: str) -> Response:
    """Opening the link proves nothing: chats open links by themselves. The button does."""

    def look(read: Read) -> dict[str, Any]:
        call = calls.by_link(read, token)
        raised = summons.standing(read, call.id)
        return {
            "call": call, "lines": [(each, summons.named(read, each)) for each in raised],
            "titles": alarms.titles(read),
            "names": acts.called(read, {call.staff, *(each.acked_by for each in raised if each.acked_by)}),
        }  # fmt: skip

    found = await services(request).store.read(look)
    return page(request, "operations/call.html", **found, token=token)


async def answer(request: Request, token: str) -> Response:
    store = services(request).store
    staff = (await store.read(lambda read: calls.by_link(read, token))).staff

    def take(tx: Tx) -> None:
        calls.raise_to(tx, calls.by_link(tx, token), "acknowledged")

    await store.write(take, Actor(f"staff:{staff}"))
    return see_other(f"/call/{token}")


def _wrong(request: Request, channel: str, said: str) -> str:
    if channel not in caller.names(services(request)) or channel not in ("sms", apprise.ADDRESS_KIND):
        return _("This hub cannot call anybody that way")
    if channel == "sms":
        return "" if _NUMBER.fullmatch(said) else _("This is no telephone number")
    fault = apprise.fault_of(said)
    return _(FAULTS.get(fault, N_("This is no address of a group chat or mailbox"))) if fault else ""


def _shown(contact: StaffContact) -> str:
    """Enough to recognise one's own, too little for who looks over the shoulder."""
    match contact.channel:
        case "sms":
            return f"{contact.address[:3]}****{contact.address[-4:]}"
        case "apprise":
            return contact.address.partition(":")[0]
    return ""

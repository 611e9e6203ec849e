"""Providers call us: receipts raise the ledger, a scanned token binds a follower, 退订 unbinds, words are answers.

`/callback/{channel}` opens any listening channel of the folder by its name; `/wechat` is WeChat's own address. The
channel understands the request (signature, age, replay); here its events are written in one transaction with the keys
that make a repeat harmless. The answer leaves within WeChat's five seconds, with a sentence where the channel can
carry one; all else goes by the outbox.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from datetime import timedelta

from fastapi import APIRouter, Request, Response
from sqlalchemy import delete, select
from sqlmodel import col

from channels.answer import understood as understood_words
from channels.base import Callback, Inbound, Listening, Receipt, Remember, Reply, Replying
from hub import audience, calls, contacts, courier, delivery, preferences
from hub.access import public
from hub.civic.notices import spoken
from hub.civic.notices.models import BindingToken, CallbackSeen
from hub.civic.notices.spoken import Back
from hub.db import Actor, Read, Tx
from hub.errors import NotFound
from hub.i18n import _
from hub.page import services
from hub.rng import code
from hub.upsert import insert_for

log = logging.getLogger(__name__)
WECHAT = "wechat"
BINDING_MINUTES = 10
BODY_BYTES_MAX = 64 * 1024
AUTHORIZATION_CHARS_MAX = 1024
router = APIRouter()


def binding_token(tx: Tx, resident: str) -> str:
    """A one-time token for a QR code. Random, never the resident's id: whoever photographs it learns nothing."""
    token = code(tx.rng, 24)
    expires = tx.now() + timedelta(minutes=BINDING_MINUTES)
    tx.session.add(BindingToken(token_hash=_hash(token), resident=resident, expires=expires))
    return token


@router.get("/wechat", dependencies=[public("WeChat checks our address; its signature is the proof")])
async def check(request: Request) -> Response:
    return await _receive(request, WECHAT, b"")


@router.post("/wechat", dependencies=[public("WeChat reports; its signature is the proof")])
async def report(request: Request) -> Response:
    return await _receive(request, WECHAT, await _body(request))


@router.get("/callback/{name}", dependencies=[public("a provider checks our address; its channel asks for the proof")])
async def check_any(request: Request, name: str) -> Response:
    return await _receive(request, name, b"")


@router.post("/callback/{name}", dependencies=[public("a provider reports; its channel asks for the proof")])
async def report_any(request: Request, name: str) -> Response:
    return await _receive(request, name, await _body(request))


async def _body(request: Request) -> bytes | None:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            return None
    return bytes(body)


async def _receive(request: Request, name: str, body: bytes | None) -> Response:
    hub = services(request)
    channel = courier.open_channel(hub, name)
    if not isinstance(channel, Listening):
        raise NotFound(_("No channel of this hub listens here"))
    if body is None:
        return Response(status_code=413)
    mark = request.headers.get("authorization", "")[:AUTHORIZATION_CHARS_MAX]
    asked = Callback(request.method, dict(request.query_params), body, mark)
    reply = await hub.store.read(lambda read: understood(read, channel, asked))
    if reply.events or reply.remember:
        # Asked again inside: another worker may have taken the same report meanwhile. A forged one never comes here,
        # so that strangers cannot keep the writer busy.
        reply = await hub.store.write(lambda tx: take(tx, channel, asked), Actor(name))
    if reply.refused:
        log.warning("callback not taken", extra={"channel": name, "reason": reply.refused, "status": reply.status})
    return Response(reply.body, reply.status, media_type=reply.media_type)


def understood(read: Read, channel: Listening, asked: Callback) -> Reply:
    return channel.receive(asked, read.now(), lambda key: read.session.get(CallbackSeen, key) is not None)


def take(tx: Tx, channel: Listening, asked: Callback) -> Reply:
    """Understand and write down, all or nothing."""
    reply = understood(tx, channel, asked)
    events = {event.dedupe_key: event for event in reply.events}
    taken = {key.key for key in reply.remember if _remember(tx, key)}
    lost = {key.key for key in reply.remember} - taken
    if lost - events.keys():
        return replace(reply, events=(), refused="repeat")  # another worker took the same request a moment ago
    for event in (each for each in reply.events if each.dedupe_key not in lost):
        if isinstance(event, Receipt):
            if not calls.receipt(tx, channel.name, event):  # what a colleague was called for, or a resident's message
                delivery.receipt(tx, channel.name, event)
        elif isinstance(event, Inbound):
            back = inbound(tx, event)
            reply = _said(tx, channel, asked, reply, event, back) if back is not None else reply
    return reply


def _said(tx: Tx, channel: Listening, asked: Callback, reply: Reply, event: Inbound, back: Back) -> Reply:
    """Say it below what was written where the channel can, else as a message of its own."""
    if isinstance(channel, Replying):
        return channel.saying(reply, asked, back.words, tx.now(), tx.rng.token(32))
    bound = audience.find(tx, event.address.kind, event.address.value)
    if bound is not None and back.about:
        spoken.say(tx, bound, back)
    return reply


def prune(tx: Tx) -> None:
    tx.session.execute(delete(CallbackSeen).where(col(CallbackSeen.until) < tx.now()))
    tx.session.execute(delete(BindingToken).where(col(BindingToken.expires) < tx.now()))
    delivery.prune(tx)


def inbound(tx: Tx, event: Inbound) -> Back | None:
    """What a person did: bound by a token, gone, or an answer; gives what is said back."""
    channel, address = event.address.kind, event.address.value
    leaves = event.kind == "unsubscribed" or (event.kind == "said" and understood_words(event.value).kind == "stop")
    if leaves:
        bound = audience.find(tx, channel, address)
        if bound is not None:
            audience.unbind(tx, bound.id)
            preferences.left(tx, bound.resident, channel)
        contacts.gone(tx, channel, address)
    elif event.value and contacts.entered(tx, channel, address, event.value.strip()):
        return Back("heard", _("Calls to you come here from now on"), "")
    elif event.kind in ("subscribed", "scanned") and event.value:
        token = tx.session.execute(
            select(BindingToken).where(col(BindingToken.token_hash) == _hash(event.value)).with_for_update()
        ).scalar_one_or_none()
        if token is not None and token.expires > tx.now():
            audience.bind(tx, token.resident, channel, address)
            preferences.joined(tx, token.resident, channel)
        if token is not None:
            tx.session.delete(token)
    elif event.kind in ("said", "clicked"):
        return spoken.heard(tx, event, _remember)
    return None


def _remember(tx: Tx, key: Remember) -> bool:
    row = {"key": key.key[:200], "until": key.until}
    fresh = insert_for(tx)(CallbackSeen).values(row).on_conflict_do_nothing(index_elements=["key"])
    # Not rowcount: on PostgreSQL it is -1 here.
    return tx.session.execute(fresh.returning(col(CallbackSeen.key))).scalar() is not None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

"""WeChat calls us: receipts raise the ledger, a scanned one-time token binds a follower, 退订 and unfollowing unbind.

The channel file understands the request (signature, age, replay); here its events are written in one transaction with
the keys that make a repeat harmless. The answer leaves within WeChat's five seconds: nothing is sent from here.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import timedelta

from fastapi import APIRouter, Request, Response
from sqlalchemy import delete, select
from sqlmodel import col

from channels.base import Callback, Inbound, Listening, Receipt, Remember, Reply
from hub import audience, courier, delivery
from hub.access import public
from hub.civic.notices.models import BindingToken, CallbackSeen
from hub.db import Actor, Tx
from hub.errors import NotFound
from hub.i18n import _
from hub.page import services
from hub.rng import code
from hub.upsert import insert_for

log = logging.getLogger(__name__)
CHANNEL = "wechat"
BINDING_MINUTES = 10
BODY_BYTES_MAX = 64 * 1024
UNSUBSCRIBE_WORDS = frozenset({"退订", "TD", "td", "unsubscribe"})
router = APIRouter()


def binding_token(tx: Tx, resident: str) -> str:
    """A one-time token for a QR code. Random, never the resident's id: whoever photographs it learns nothing."""
    token = code(tx.rng, 24)
    expires = tx.now() + timedelta(minutes=BINDING_MINUTES)
    tx.session.add(BindingToken(token_hash=_hash(token), resident=resident, expires=expires))
    return token


@router.get("/wechat", dependencies=[public("WeChat checks our address; its signature is the proof")])
async def check(request: Request) -> Response:
    return await _receive(request, b"")


@router.post("/wechat", dependencies=[public("WeChat reports; its signature is the proof")])
async def report(request: Request) -> Response:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            return Response(status_code=413)
    return await _receive(request, bytes(body))


async def _receive(request: Request, body: bytes) -> Response:
    hub = services(request)
    channel = courier.open_channel(hub, CHANNEL)
    if not isinstance(channel, Listening):
        raise NotFound(_("This hub has no WeChat account"))
    asked = Callback(request.method, dict(request.query_params), body)
    reply = await hub.store.write(lambda tx: take(tx, channel, asked), Actor("wechat"))
    if reply.refused:
        log.warning("wechat callback not taken", extra={"reason": reply.refused, "status": reply.status})
    return Response(reply.body, reply.status, media_type=reply.media_type)


def take(tx: Tx, channel: Listening, asked: Callback) -> Reply:
    """Understand and write down, all or nothing."""
    reply = channel.receive(asked, tx.now(), lambda key: tx.session.get(CallbackSeen, key) is not None)
    for key in reply.remember:
        if not _remember(tx, key):
            return Reply(200, "success", refused="repeat")  # another worker took the same message a moment ago
    for event in reply.events:
        if isinstance(event, Receipt):
            delivery.receipt(tx, CHANNEL, event)
        elif isinstance(event, Inbound):
            inbound(tx, event)
    return reply


def prune(tx: Tx) -> None:
    tx.session.execute(delete(CallbackSeen).where(col(CallbackSeen.until) < tx.now()))
    tx.session.execute(delete(BindingToken).where(col(BindingToken.expires) < tx.now()))
    delivery.prune(tx)


def inbound(tx: Tx, event: Inbound) -> None:
    """What a follower did: bound by a token, or gone."""
    address = event.address.value
    leaves = event.kind == "unsubscribed" or (event.kind == "said" and event.value.strip() in UNSUBSCRIBE_WORDS)
    if leaves:
        bound = audience.find(tx, CHANNEL, address)
        if bound is not None:
            audience.unbind(tx, bound.id)
    elif event.kind in ("subscribed", "scanned") and event.value:
        token = tx.session.execute(
            select(BindingToken).where(col(BindingToken.token_hash) == _hash(event.value)).with_for_update()
        ).scalar_one_or_none()
        if token is not None and token.expires > tx.now():
            audience.bind(tx, token.resident, CHANNEL, address)
        if token is not None:
            tx.session.delete(token)


def _remember(tx: Tx, key: Remember) -> bool:
    row = {"key": key.key[:200], "until": key.until}
    fresh = insert_for(tx)(CallbackSeen).values(row).on_conflict_do_nothing(index_elements=["key"])
    # Not rowcount: on PostgreSQL it is -1 here.
    return tx.session.execute(fresh.returning(col(CallbackSeen.key))).scalar() is not None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

"""Vendors' webhooks: `POST /hooks/{vendor}`, verified, bounded, on the disk before the vendor hears that all is well.

Who they are is data (devices/vendors/*.toml), their secret a setting (`hooks.<vendor>.secret`): without one the address
does not exist. A record goes the same way as a gateway's (hub/batch.py): one transaction, quarantine for what cannot be
read, and the expected answer only after the commit. The same body again gives the same keys for ever, so that a replay
stores nothing; a signed one must be fresh besides.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime, timedelta
from functools import partial

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from sqlalchemy.exc import SQLAlchemyError

from devices.json_text import PAYLOAD_BYTES_MAX
from devices.vendor import Vendor, all_vendors
from hub.access import public
from hub.batch import write_batch
from hub.clock import Clock
from hub.disk import why
from hub.errors import NotAllowed, NotFound
from hub.foreign import open_foreign
from hub.i18n import _
from hub.page import services
from hub.rng import Ids
from hub.services import Services
from hub.uplink import Uplink, Verdict

log = logging.getLogger(__name__)

CALLS_A_SECOND = 20.0  # the whole city at peak is 11 messages/s
CALLS_AT_ONCE = 200.0  # a vendor's cloud that was away for a while comes back with a heap
BUSY_S = 5


class Bucket:
    """So many calls a second of one vendor, and a heap at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left = CALLS_AT_ONCE
        self._at: datetime = clock.now()

    def take(self) -> bool:
        now = self._clock.now()
        passed = max(timedelta(0), now - self._at).total_seconds()
        self._left, self._at = min(CALLS_AT_ONCE, self._left + passed * CALLS_A_SECOND), now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def router() -> APIRouter:
    routes = APIRouter(dependencies=[public("a vendor proves itself with its secret")], include_in_schema=False)
    buckets: dict[str, Bucket] = {}

    @routes.post("/hooks/{vendor}")
    async def hear(vendor: str, request: Request) -> Response:
        hub = services(request)
        known = all_vendors().get(vendor)
        secret = hub.config.get(f"hooks.{vendor}.secret", "") if known is not None else ""
        if known is None or known.hook is None or not secret:
            raise NotFound(_("There is no such webhook"))
        if not buckets.setdefault(vendor, Bucket(hub.clock)).take():
            hub.ingest.refused("hook-rate")
            return PlainTextResponse("busy", 429, {"Retry-After": str(BUSY_S)})
        body = await _body(request)
        if body is None:
            hub.ingest.refused("too-large")
            return PlainTextResponse("too large", 413)
        headers, query = dict(request.headers), dict(request.query_params)
        if not known.hook.verify.holds(headers, query, body, secret, hub.clock.now()):
            hub.ingest.refused("hook-proof")
            log.warning("a webhook's caller did not prove itself", extra={"vendor": vendor})
            raise NotAllowed(_("This message does not carry the proof that was agreed on"))
        try:
            verdict = await _stored(hub, known, body)
        except (SQLAlchemyError, OSError) as error:  # nothing was said to be stored, so the vendor tries again
            log.error("a webhook was not stored", extra={"vendor": vendor, "why": why(error)})
            return PlainTextResponse("not stored, try again", 503, {"Retry-After": str(BUSY_S)})
        log.info("webhook heard", extra={"vendor": vendor, "verdict": verdict.value})
        return PlainTextResponse(known.hook.answer)

    return routes


async def _body(request: Request) -> bytes | None:
    """The body, or None when it is longer than any message of a device."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > PAYLOAD_BYTES_MAX:
            return None
    return bytes(body)


async def _stored(hub: Services, vendor: Vendor, body: bytes) -> Verdict:
    now = hub.clock.now()
    uplink = Uplink(f"hook-{vendor.id}", f"hooks/{vendor.id}", body, now, lambda _verdict: None)
    unique = f"hook|{vendor.id}|{hashlib.sha256(body).hexdigest()}"
    opened = open_foreign(uplink, hub.registry, partial(Ids(hub.rng).at, now), unique, vendor)
    outcome = await hub.store.write(lambda tx: write_batch(tx, [opened]))
    hub.ingest.meter.batch(
        stored=outcome.stored, duplicate=outcome.duplicate, quarantined=outcome.quarantined, latencies_ms=[]
    )
    return outcome.verdicts[0]

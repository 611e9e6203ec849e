"""Webhooks out: what another system gets (CloudEvents 1.0, JSON) and how it knows that it is from us and from now.

Three headers, as the Standard Webhooks specification has them: `webhook-id` (the same on every try),
`webhook-timestamp` (unix seconds of this try) and `webhook-signature`, `v1,` and the base64 of HMAC-SHA256(secret,
"id.timestamp.body"). A receiver refuses what is older than five minutes or has an id it knows. No channel: nobody is
reached by it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import httpx

from channels.base import Accepted, AddressGone, Dead, Outcome
from channels.post import Refusal, post, trouble

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
PREFIX = "whsec_"
AGE_S_MAX = 300


@dataclass(frozen=True)
class CloudEvent:
    id: str
    type: str
    source: str
    subject: str
    time: datetime
    data: Mapping[str, object]

    def body(self) -> bytes:
        """The same event is the same bytes, today and on every later try."""
        said = {
            "specversion": "1.0", "id": self.id, "type": self.type, "source": self.source, "subject": self.subject,
            "time": self.time.isoformat(), "datacontenttype": "application/json", "data": dict(self.data),
        }  # fmt: skip
        return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def secret_of(random: bytes) -> str:
    return PREFIX + base64.b64encode(random).decode()


def signature(secret: str, ident: str, at: int, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    mark = hmac.new(key, f"{ident}.{at}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(mark).decode()


def headers(secret: str, ident: str, now: datetime, body: bytes) -> dict[str, str]:
    at = int(now.timestamp())
    return {
        "content-type": CONTENT_TYPE,
        "user-agent": "linli-webhook/1",
        "webhook-id": ident,
        "webhook-timestamp": str(at),
        "webhook-signature": signature(secret, ident, at, body),
    }


async def deliver(net: httpx.AsyncClient, url: str, secret: str, ident: str, body: bytes, now: datetime) -> Outcome:
    """One try. `net` is a client that reaches only checked addresses (webhook_net.py)."""
    posted = await post(net, url, body, headers=headers(secret, ident, now, body))
    if isinstance(posted, Refusal):
        return posted.outcome
    if common := trouble(posted):
        return common.outcome
    code = f"http {posted.status}"
    if 200 <= posted.status < 300:
        return Accepted(ident)
    if posted.status == 410:
        return AddressGone("the receiver no longer wants this", code)
    if 300 <= posted.status < 400:
        return Dead("the receiver points somewhere else; redirects are not followed", code)
    return Dead("the receiver refuses the message", code)

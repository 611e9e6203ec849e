"""Web Push: an encrypted word on a resident's phone by the push service of its browser; the phone says it was shown."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

import httpx

from channels import words
from channels.base import (
    RETRACTION,
    Accepted,
    Address,
    AddressGone,
    Callback,
    Caps,
    Clock,
    Dead,
    Delivery,
    Message,
    Outcome,
    Receipt,
    Remember,
    Rendered,
    Reply,
    Retry,
    Skip,
)
from channels.post import Posted, Refusal, post, trouble
from channels.text import cut, one_line, without_salutation
from channels.webpush_address import BadSubscription, Services, Subscription, unpadded
from channels.webpush_ece import PLAIN_BYTES_MAX, SALT_BYTES, SCALAR_BYTES, encrypt, private_key
from channels.webpush_proof import EXAMPLES, EXCHANGES, SETTINGS
from channels.webpush_vapid import Vapid

__all__ = ["CHANNEL_NAME", "EXAMPLES", "EXCHANGES", "SETTINGS", "Webpush", "create"]

CHANNEL_NAME = "webpush"

AT_ONCE_MAX = 8
TTL_S_MAX = 28 * 86_400  # what the services keep at most
TTL_S_DEFAULT = 3 * 86_400  # of a notice without an end
OPERATOR_RETRY_S = 600.0
RECEIPT_BYTES_MAX = 512
RECEIPT_MEMORY = timedelta(days=TTL_S_MAX // 86_400)
TOPIC_CHARS = 32  # and only those of base64url (RFC 8030, 5.4)
URGENCY = {"drill": "low", "routine": "low", "important": "normal", "urgent": "high", "emergency": "high"}
CAPS = Caps(
    shape="addressed",
    address_kind="person",
    ceiling="seen",  # shown on a lock screen is delivered; opened by a finger is seen
    title_chars_max=40,
    body_chars_max=100,
    recall=False,  # a correction with the same topic takes the place of what was shown
    obeys_quiet_hours=True,
    batch_max=20,
    per_s=100.0,
)
_ALARMING = frozenset({"urgent", "emergency", "drill"})
_DID: dict[str, tuple[Literal["delivered", "seen"], str]] = {
    "shown": ("delivered", "the phone showed it"),
    "opened": ("seen", "opened from the notification"),
}
_TOKEN = re.compile(r"[0-9a-f]{56}", re.ASCII)


class Webpush:
    name = CHANNEL_NAME
    title = "App notification"
    caps = CAPS

    def __init__(
        self, secret: bytes, subject: str, services: Services, net: httpx.AsyncClient, clock: Clock,
        chance: Callable[[int], bytes],
    ) -> None:  # fmt: skip
        self._vapid = Vapid(private_key(secret), subject)
        self._mark = hmac.new(secret, b"linli webpush receipts", hashlib.sha256).digest()
        self._services, self._net, self._clock, self._chance = services, net, clock, chance

    def __repr__(self) -> str:
        return f"Webpush({self._services!r})"

    @property
    def application_server_key(self) -> str:
        """What a page hands to `pushManager.subscribe`."""
        return self._vapid.public

    def address_of(self, said: Mapping[str, object]) -> Address:
        """The address of a browser that offers itself, or BadSubscription."""
        subscription = Subscription.of(said)
        if not self._services.allow(subscription.endpoint):
            raise BadSubscription("this push service is not on the list")
        return Address(CHANNEL_NAME, str(subscription))

    def render(self, message: Message, large: bool = False) -> Rendered | Skip:
        if message.personal:
            return Rendered(words.new_message(message), url=message.url, when=words.when(message))
        title, badge = one_line(message.title), words.badge(message)
        if not title:
            return Skip("the notice has no title")
        if badge and (message.priority in _ALARMING or message.kind == RETRACTION):
            title = f"【{badge}】{title}" if message.lang.startswith("zh") else f"[{badge}] {title}"
        text = one_line(without_salutation(message.text))
        short, body = cut(title, CAPS.title_chars_max), cut(text, CAPS.body_chars_max)
        issuer = one_line(message.issuer)
        return Rendered(
            short, body, badge, message.url, issuer, words.when(message), cut=short != title or body != text
        )

    async def send(self, batch: Sequence[Delivery]) -> list[Outcome]:
        return await self._carry(batch, "send")

    async def recall(self, batch: Sequence[Delivery]) -> list[Outcome]:
        withdrawn = [replace(delivery, message=replace(delivery.message, kind=RETRACTION)) for delivery in batch]
        return await self._carry(withdrawn, "recall")

    def receive(self, callback: Callback, now: datetime, seen: Callable[[str], bool]) -> Reply:
        """The phone's own word: `{"r": token, "did": "shown" | "opened"}`. Who has no token of ours is not heard."""
        if callback.method != "POST":
            return Reply(405, refused="method")
        if len(callback.body) > RECEIPT_BYTES_MAX:
            return Reply(413, refused="too large")
        try:
            said = json.loads(callback.body)
        except (ValueError, RecursionError):
            return Reply(400, refused="not JSON")
        token, did = (said.get("r"), said.get("did")) if isinstance(said, dict) else (None, None)
        if not isinstance(token, str) or not self._made_here(token) or did not in _DID:
            return Reply(403, refused="token")
        key = f"webpush {did} {token}"
        if seen(key):
            return Reply(204, refused="repeat")
        level, evidence = _DID[str(did)]
        receipt = Receipt(token, level, now, evidence, dedupe_key=key)
        return Reply(204, events=(receipt,), remember=(Remember(key, now + RECEIPT_MEMORY),))

    async def _carry(self, batch: Sequence[Delivery], purpose: str) -> list[Outcome]:
        gate, stopped = asyncio.Semaphore(AT_ONCE_MAX), dict[str, Outcome]()

        async def carry(delivery: Delivery) -> Outcome:
            try:
                to = Subscription.read(delivery.address.value)
            except BadSubscription:
                return AddressGone("the phone's push address cannot be used")
            if delivery.address.kind != CHANNEL_NAME or not self._services.allow(to.endpoint):
                return AddressGone("the phone's push service is not on this hub's list")
            async with gate:
                if to.origin in stopped:  # this service is down or wants us slower; the others are asked all the same
                    return stopped[to.origin]
                answer = await self._deliver(delivery, to, purpose)
                if isinstance(answer, Refusal):
                    if answer.for_all:
                        stopped[to.origin] = answer.outcome
                    return answer.outcome
                return answer

        return list(await asyncio.gather(*map(carry, batch)))

    async def _deliver(self, delivery: Delivery, to: Subscription, purpose: str) -> Outcome | Refusal:
        message, now = delivery.message, self._clock.now()
        rendered = self.render(message, delivery.large)
        if isinstance(rendered, Skip):
            return Dead(rendered.reason)
        ttl_s = TTL_S_DEFAULT if message.expires is None else int((message.expires - now).total_seconds())
        if ttl_s <= 0:
            return Dead("it ran out before it could be sent")
        token = self.token(delivery.idempotency_key, purpose)
        plain = payload(message, rendered, token)
        if len(plain) > PLAIN_BYTES_MAX:
            return Dead("the notification is too long")
        sender, salt = private_key(self._chance(SCALAR_BYTES)), self._chance(SALT_BYTES)
        hide_in_logs(to.origin)
        answer = await post(
            self._net,
            to.endpoint,
            encrypt(plain, to.p256dh, to.auth, sender, salt),
            headers={
                "authorization": self._vapid.authorization(to.origin, now),
                "content-encoding": "aes128gcm",
                "content-type": "application/octet-stream",
                "ttl": str(min(ttl_s, TTL_S_MAX)),
                "urgency": URGENCY[message.priority],
                "topic": topic(message.notice_id),
            },
        )
        return answer if isinstance(answer, Refusal) else _meaning(answer, token)

    def token(self, idempotency_key: str, purpose: str) -> str:
        """Known to us and to the phone that could decrypt it: what it reports with. Nobody else can make one."""
        name = hashlib.sha256(f"{purpose} {idempotency_key}".encode()).hexdigest()[:24]
        return name + self._signed(name)

    def _made_here(self, token: str) -> bool:
        return bool(_TOKEN.fullmatch(token)) and hmac.compare_digest(token[24:], self._signed(token[:24]))

    def _signed(self, name: str) -> str:
        return hmac.new(self._mark, name.encode(), hashlib.sha256).hexdigest()[:32]


def topic(notice: str) -> str:
    """A newer word on the same notice takes the place of the older, in the service's store and on the phone."""
    return unpadded(hashlib.sha256(notice.encode()).digest())[:TOPIC_CHARS]


def payload(message: Message, rendered: Rendered, token: str) -> bytes:
    """What sw.js reads: title, body, path to open, tag, priority, language, receipt token."""
    said = {
        "t": rendered.title,
        "b": rendered.body,
        "u": urlsplit(message.url).path or "/",
        "g": topic(message.notice_id),
        "p": message.priority,
        "l": message.lang,
        "r": token,
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def _meaning(posted: Posted, token: str) -> Outcome | Refusal:
    code = f"http {posted.status}"
    if posted.status in (200, 201, 202):
        return Accepted(token)
    if posted.status in (404, 410):
        return AddressGone("the phone no longer takes our notifications", code)
    if posted.status == 413:
        return Dead("the notification is too long", code)
    if posted.status in (401, 403):
        return Refusal(Retry(OPERATOR_RETRY_S, "the push service does not accept our key", code), for_all=True)
    return trouble(posted) or Dead("the provider refuses the request", code)


_HIDDEN: set[str] = set()


class _HideEndpoints(logging.Filter):
    _URL = re.compile(r"(https?://[^/\s\"']+)/[^\s\"']*")

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        hidden = self._URL.sub(lambda found: f"{found[1]}/***" if found[1] in _HIDDEN else found[0], message)
        if hidden != message:
            record.msg, record.args = hidden, None
        return True


_HIDE_ENDPOINTS = _HideEndpoints()


def hide_in_logs(origin: str) -> None:
    """An endpoint's path is the key to a phone, and httpx logs each URL at INFO."""
    if origin not in _HIDDEN:
        _HIDDEN.add(origin)
        logging.getLogger("httpx").addFilter(_HIDE_ENDPOINTS)


def create(
    config: Mapping[str, str], net: httpx.AsyncClient, clock: Clock, chance: Callable[[int], bytes] = os.urandom
) -> Webpush:
    """`chance` is the operating system's but in a test: each message has a key pair and a salt of its own."""
    values = {setting.name: config.get(setting.name, setting.default) for setting in SETTINGS}
    given = {name: value for name, value in values.items() if value is not None}
    if missing := sorted(values.keys() - given.keys()):
        raise ValueError(f"the Web Push channel needs the settings {', '.join(missing)}")
    secret = bytes.fromhex(given["key"])
    if len(secret) < 32:
        raise ValueError("key is 64 hexadecimal digits")
    return Webpush(secret, given["subject"], Services.of(given["services"]), net, clock, chance)

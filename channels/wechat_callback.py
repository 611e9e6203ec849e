"""What WeChat's server tells us: signature, age and replay checked first, then XML turned into receipts and events."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from channels.base import Address, Callback, Event, Inbound, InboundKind, Receipt, Remember, Reply
from channels.wechat_crypto import BadCiphertext, MessageCipher, is_signed, signature
from channels.wechat_xml import XML_BYTES_MAX, BadXml, compose, parse

AGE_S_MAX = 300  # WeChat repeats for 15 s; the rest is for clocks that differ
EVENT_MEMORY_S = 24 * 3600  # longer than any repeat, short enough for a small table
ECHO_CHARS_MAX = 512

ADDRESS_KIND = "wechat"
_SCENE_PREFIX = "qrscene_"
_FAILURES = {
    "failed:user block": "the resident blocks this account's messages",
    "failed:system failed": "WeChat could not deliver the message",
    "failed:freq limit": "the resident gets too many messages",
}


@dataclass(frozen=True)
class Door:
    """The callback side of the official account's settings."""

    token: str = field(repr=False)
    cipher: MessageCipher | None

    def receive(self, callback: Callback, now: datetime, seen: Callable[[str], bool]) -> Reply:
        if callback.method == "GET":
            return self._check(callback, now)
        if callback.method != "POST":
            return Reply(405, refused="method")
        if len(callback.body) > XML_BYTES_MAX:
            return Reply(413, refused="too large")
        try:
            return self._message(callback, now, seen)
        except BadXml as fault:
            return Reply(400, refused=f"xml: {fault}")
        except BadCiphertext as fault:
            return Reply(403, refused=f"cipher: {fault}")

    def _check(self, callback: Callback, now: datetime) -> Reply:
        """WeChat asks once, when the operator enters our address on the settings page."""
        refused = self._refusal(callback.query, now)
        echo = callback.query.get("echostr", "")
        if refused or len(echo) > ECHO_CHARS_MAX:
            return Reply(403, refused=refused or "echo")
        return Reply(200, echo)

    def _message(self, callback: Callback, now: datetime, seen: Callable[[str], bool]) -> Reply:
        query = callback.query
        if refused := self._refusal(query, now):
            return Reply(403, refused=refused)
        # A plain signature does not cover the body. So one signed query admits one body, once; the same body again is
        # WeChat repeating itself after an answer that got lost, and is thanked without effect.
        nonce_key = f"wechat nonce {query['timestamp']} {query['nonce']}"
        body_key = f"{nonce_key} {hashlib.sha256(callback.body).hexdigest()}"
        if seen(body_key):
            return Reply(200, "success", refused="repeat")
        if seen(nonce_key):
            return Reply(403, refused="replay")
        outer = parse(callback.body)
        if self.cipher:
            # The compatible mode sends plain fields beside the cipher; only what was encrypted is believed.
            encrypted = outer.get("Encrypt", "")
            if not is_signed(query.get("msg_signature", ""), self.token, query["timestamp"], query["nonce"], encrypted):
                return Reply(403, refused="message signature")
            outer = parse(self.cipher.decrypt(encrypted))
        elif "Encrypt" in outer:
            return Reply(403, refused="encrypted, but no EncodingAESKey is set")
        event = event_of(outer)
        keys = [Remember(key, now + timedelta(seconds=2 * AGE_S_MAX)) for key in (nonce_key, body_key)]
        if event is None:
            return Reply(200, "success", remember=tuple(keys))
        if seen(event.dedupe_key):
            return Reply(200, "success", remember=tuple(keys), refused="repeat")
        keys.append(Remember(event.dedupe_key, now + timedelta(seconds=EVENT_MEMORY_S)))
        return Reply(200, "success", events=(event,), remember=tuple(keys))

    def saying(self, reply: Reply, callback: Callback, text: str, now: datetime, chance: bytes) -> Reply:
        """The passive reply: WeChat shows it below what the follower wrote, without quota or template."""
        outer = parse(callback.body)
        inner = parse(self.cipher.decrypt(outer["Encrypt"])) if self.cipher else outer
        at = str(int(now.timestamp()))
        body = compose(
            {"ToUserName": inner["FromUserName"], "FromUserName": inner.get("ToUserName", ""), "CreateTime": at,
             "MsgType": "text", "Content": text}
        )  # fmt: skip
        if self.cipher:
            nonce, encrypted = chance[16:].hex(), self.cipher.encrypt(body.encode(), chance[:16])
            mark = signature(self.token, at, nonce, encrypted)
            body = compose({"Encrypt": encrypted, "MsgSignature": mark, "TimeStamp": at, "Nonce": nonce})
        return replace(reply, body=body, media_type="application/xml; charset=utf-8")

    def _refusal(self, query: Mapping[str, str], now: datetime) -> str:
        timestamp, nonce = query.get("timestamp", ""), query.get("nonce", "")
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12 and 0 < len(nonce) <= 64):
            return "query"
        if not is_signed(query.get("signature", ""), self.token, timestamp, nonce):
            return "signature"
        if abs(now.timestamp() - int(timestamp)) > AGE_S_MAX:
            return "age"
        return ""


def event_of(fields: Mapping[str, str]) -> Event | None:
    """None for kinds we have no use for: they are thanked and forgotten."""
    openid, created = fields.get("FromUserName", ""), fields.get("CreateTime", "")
    if not openid or not (created.isascii() and created.isdigit() and len(created) <= 12):
        raise BadXml("no sender or no time")
    address, at = Address(ADDRESS_KIND, openid), datetime.fromtimestamp(int(created), UTC)
    kind = fields.get("MsgType", "")
    if kind == "text":
        said, message_id = fields.get("Content", ""), _message_id(fields)
        return Inbound("said", address, said, at, _key(openid, message_id or f"{created} {said}"))
    if kind != "event":
        return None
    name, key = fields.get("Event", ""), fields.get("EventKey", "")
    if name == "TEMPLATESENDJOBFINISH":
        return _receipt(fields, address, at)
    inbound = _INBOUND.get(name)
    if inbound is None:
        return None
    # Two events may share a second, so the event and its key belong to the dedupe key.
    return Inbound(inbound, address, key.removeprefix(_SCENE_PREFIX), at, _key(openid, f"{created} {name} {key}"))


_INBOUND: dict[str, InboundKind] = {
    "subscribe": "subscribed",
    "unsubscribe": "unsubscribed",
    "SCAN": "scanned",
    "CLICK": "clicked",
}


def _receipt(fields: Mapping[str, str], address: Address, at: datetime) -> Receipt:
    said, message_id = fields.get("Status", ""), _message_id(fields)
    status = ":".join(part.strip() for part in said.lower().split(":"))  # both "failed:x" and "failed: x" are sent
    dedupe_key = _key(address.value, f"receipt {message_id} {int(at.timestamp())}")
    if status == "success":
        return Receipt(message_id, "delivered", at, said, address=address, dedupe_key=dedupe_key)
    why = _FAILURES.get(status, "WeChat did not deliver the message")
    return Receipt(message_id, "failed", at, said, why, address, dedupe_key)


def _message_id(fields: Mapping[str, str]) -> str:
    """Spelled both ways in the wild. Seen as 0 too: then only the address tells which message is meant."""
    message_id = fields.get("MsgID") or fields.get("MsgId") or ""
    return "" if message_id == "0" else message_id


def _key(openid: str, what: str) -> str:
    """Hashed, so that the table of seen keys holds neither openids nor words."""
    return "wechat event " + hashlib.sha256(f"{openid} {what}".encode()).hexdigest()

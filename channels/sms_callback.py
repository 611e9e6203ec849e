"""What an SMS gateway tells us: status reports (状态报告) and what people answer (上行短信), signed, each once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from channels.answer import understood
from channels.base import Address, Callback, Event, Inbound, Receipt, Remember, Reply
from channels.sms_codes import report_for
from channels.sms_sign import AGE_S_MAX, checked

ADDRESS_KIND = "sms"
BODY_BYTES_MAX = 64 * 1024
EVENTS_MAX = 100  # of one callback
EVENT_MEMORY_S = 3 * 24 * 3600  # carriers report for up to 72 h, and gateways repeat what was not answered
NUMBER_CHARS_MAX, TEXT_CHARS_MAX, ID_CHARS_MAX = 20, 500, 64


class BadReport(ValueError):
    """Not what our protocol says; nothing of it is taken."""


@dataclass(frozen=True)
class Door:
    """The callback side of the gateway's settings."""

    access_id: str
    secret: str = field(repr=False)

    def receive(self, callback: Callback, now: datetime, seen: Callable[[str], bool]) -> Reply:
        if callback.method != "POST":
            return Reply(405, refused="method")
        if len(callback.body) > BODY_BYTES_MAX:
            return Reply(413, refused="too large")
        signed = checked(callback.authorization, self.secret, "callback", self.access_id, now, callback.body)
        if isinstance(signed, str):
            return Reply(403, refused=signed)
        nonce = f"sms nonce {signed.at} {signed.nonce}"
        if seen(nonce):
            # The signature covers the body, so this is the very same report: an answer of ours got lost.
            return Reply(200, "ok", refused="repeat")
        try:
            events = [event for said in _reports(callback.body) for event in events_of(said)]
        except BadReport as fault:
            return Reply(400, refused=f"report: {fault}")
        fresh: dict[str, Event] = {}
        for event in events:
            if event.dedupe_key not in fresh and not seen(event.dedupe_key):
                fresh[event.dedupe_key] = event
        keep = [Remember(nonce, now + timedelta(seconds=2 * AGE_S_MAX))]
        keep += [Remember(key, now + timedelta(seconds=EVENT_MEMORY_S)) for key in fresh]
        return Reply(200, "ok", events=tuple(fresh.values()), remember=tuple(keep))


def events_of(said: Mapping[str, object]) -> list[Event]:
    """One report or one answer in our words; nothing for what says nothing final."""
    kind, ident = said.get("type"), _text(said, "id", ID_CHARS_MAX)
    number, at = _text(said, "number", NUMBER_CHARS_MAX), _time(said)
    address = Address(ADDRESS_KIND, number)
    if kind == "report":
        code = _text(said, "code", 16)
        report = report_for(code)
        key = _key(number, f"report {ident} {code}")
        if report.action == "wait":
            return []
        if report.action == "delivered":
            return [Receipt(ident, "delivered", at, code, address=address, dedupe_key=key)]
        failed = Receipt(ident, "failed", at, code, report.why, address, key)
        gone = Inbound("unsubscribed", address, report.why, at, f"{key} gone")
        return [failed, gone] if report.action == "gone" else [failed]
    if kind == "reply":
        return [_answer(said, ident, address, at)]
    return []


def _answer(said: Mapping[str, object], ident: str, address: Address, at: datetime) -> Event:
    text = _text(said, "text", TEXT_CHARS_MAX, empty=True)
    meant = understood(text)
    key = _key(address.value, f"reply {ident}")
    # Some gateways know by an extension number which of our messages is answered; else it is the latest.
    to = said.get("reply_to")
    message = to if isinstance(to, str) and len(to) <= ID_CHARS_MAX else ""
    if meant.kind == "received":
        return Receipt(message, "acknowledged", at, "reply by text message", address=address, dedupe_key=key)
    if meant.kind == "stop":
        return Inbound("unsubscribed", address, text.strip(), at, key)
    return Inbound("said", address, text, at, key, message)


def _reports(body: bytes) -> list[Mapping[str, object]]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise BadReport("not JSON") from None
    events = said.get("events") if isinstance(said, dict) else None
    if not isinstance(events, list) or len(events) > EVENTS_MAX or not all(isinstance(each, dict) for each in events):
        raise BadReport("no list of events")
    return events


def _text(said: Mapping[str, object], name: str, chars_max: int, *, empty: bool = False) -> str:
    value = said.get(name)
    if not isinstance(value, str) or len(value) > chars_max or not (value or empty):
        raise BadReport(f"{name} is missing or too long")
    return value


def _time(said: Mapping[str, object]) -> datetime:
    try:
        at = datetime.fromisoformat(_text(said, "at", 40))
    except ValueError:
        raise BadReport("at is no time") from None
    if at.tzinfo is None:
        raise BadReport("at has no zone")
    return at.astimezone(UTC)


def _key(number: str, what: str) -> str:
    """Hashed, so that the table of seen keys holds neither numbers nor words."""
    return "sms event " + hashlib.sha256(f"{number} {what}".encode()).hexdigest()

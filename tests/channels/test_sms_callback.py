"""What an SMS gateway may tell us, in what order it likes; and what nobody else may."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.base import Address, Callback, Inbound, Receipt, Reply
from channels.sms_callback import BODY_BYTES_MAX, EVENTS_MAX, Door
from channels.sms_codes import REPORTS
from channels.sms_sign import header

NOW = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)
DOOR = Door("linli", "callback-secret")
NUMBER = Address("sms", "10000000001")


def signed(body: bytes, nonce: str = "nonce-free0000", secret: str = "callback-secret") -> Callback:
    mark = header(secret, "callback", "linli", NOW, nonce.replace("-", ""), body)
    return Callback("POST", {}, body, mark)


def report(code: str, ident: str = "m-1") -> dict[str, object]:
    return {"type": "report", "id": ident, "number": NUMBER.value, "code": code, "at": NOW.isoformat()}


def reply(text: str, **more: str) -> dict[str, object]:
    return {"type": "reply", "id": "u-1", "number": NUMBER.value, "text": text, "at": NOW.isoformat(), **more}


def told(*events: object, seen: frozenset[str] = frozenset()) -> Reply:
    return DOOR.receive(signed(json.dumps({"events": list(events)}).encode()), NOW, seen.__contains__)


@pytest.mark.parametrize(("code", "rule"), REPORTS.items())
def test_each_status_report_does_what_its_row_says(code: str, rule: object) -> None:
    action = REPORTS[code].action
    events = told(report(code)).events
    receipts = [event.level for event in events if isinstance(event, Receipt)]
    left = [event.kind for event in events if isinstance(event, Inbound)]
    assert receipts == {"delivered": ["delivered"], "wait": []}.get(action, ["failed"])
    assert left == (["unsubscribed"] if action == "gone" else [])


def test_an_unlisted_status_is_a_failure_with_a_reason() -> None:
    [event] = told(report("ZZ:9999")).events
    assert isinstance(event, Receipt)
    assert (event.level, event.evidence) == ("failed", "ZZ:9999")
    assert event.why


@pytest.mark.parametrize("word", ["1", "１", " 1 。", "收到", "ok"])
def test_answering_1_acknowledges(word: str) -> None:
    [event] = told(reply(word)).events
    assert isinstance(event, Receipt)
    assert (event.level, event.address, event.provider_id) == ("acknowledged", NUMBER, "")
    [event] = told(reply(word, reply_to="m-7")).events
    assert isinstance(event, Receipt)
    assert event.provider_id == "m-7"


@pytest.mark.parametrize("word", ["T", "td", "ＴＤ", "退订", " 退订。", "n"])
def test_the_words_for_stop_unbind(word: str) -> None:
    [event] = told(reply(word)).events
    assert isinstance(event, Inbound)
    assert event.kind == "unsubscribed"


@pytest.mark.parametrize("word", ["11", "不收到", "请问几点来水", "", "1 2"])
def test_other_words_are_kept_as_said(word: str) -> None:
    [event] = told(reply(word)).events
    assert isinstance(event, Inbound)
    assert (event.kind, event.value) == ("said", word)


def test_a_forged_or_altered_report_is_refused() -> None:
    body = json.dumps({"events": [report("DELIVRD")]}).encode()
    whole = signed(body)
    for callback, why in (
        (signed(body, secret="guessed"), "signature"),
        (Callback("POST", {}, body + b" ", whole.authorization), "signature"),
        (Callback("POST", {}, body), "no signature"),
        (Callback("POST", {}, body, "Basic YTpi"), "no signature"),
    ):
        answer = DOOR.receive(callback, NOW, lambda _key: False)
        assert (answer.status, answer.refused, answer.events) == (403, why, ())
    late = DOOR.receive(whole, NOW + timedelta(seconds=301), lambda _key: False)
    assert (late.status, late.refused) == (403, "age")
    assert DOOR.receive(Callback("GET", {}), NOW, lambda _key: False).status == 405
    assert DOOR.receive(signed(b" " * (BODY_BYTES_MAX + 1)), NOW, lambda _key: False).status == 413


def test_a_replayed_report_is_thanked_and_changes_nothing() -> None:
    callback = signed(json.dumps({"events": [report("DELIVRD")]}).encode())
    first = DOOR.receive(callback, NOW, lambda _key: False)
    kept = {key.key for key in first.remember}
    again = DOOR.receive(callback, NOW, kept.__contains__)
    assert (again.status, again.events, again.refused) == (200, (), "repeat")


def test_the_same_report_under_another_signature_counts_once() -> None:
    body = json.dumps({"events": [report("DELIVRD"), report("DELIVRD")]}).encode()
    first = DOOR.receive(signed(body), NOW, lambda _key: False)
    assert len(first.events) == 1
    kept = {key.key for key in first.remember}
    again = DOOR.receive(signed(body, "another00000"), NOW, kept.__contains__)
    assert (again.status, again.events) == (200, ())


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b'{"events": 1}', b'{"events": [1]}', b"\xff", b"[" * 60_000,
        json.dumps({"events": [report("DELIVRD")] * (EVENTS_MAX + 1)}).encode(),
        json.dumps({"events": [{**report("DELIVRD"), "at": "yesterday"}]}).encode(),
        json.dumps({"events": [{**report("DELIVRD"), "at": "2026-11-22T09:30:00"}]}).encode(),
        json.dumps({"events": [{**report("DELIVRD"), "number": "1" * 21}]}).encode(),
        json.dumps({"events": [{**report("DELIVRD"), "id": None}]}).encode(),
    ],
)  # fmt: skip
def test_a_signed_heap_is_refused_as_a_whole(body: bytes) -> None:
    answer = DOOR.receive(signed(body), NOW, lambda _key: False)
    assert (answer.status, answer.events, answer.remember) == (400, (), ())


@given(st.binary(max_size=300), st.text(max_size=120))
@settings(max_examples=40, deadline=None)
def test_random_bytes_never_raise_and_never_count(body: bytes, mark: str) -> None:
    answer = DOOR.receive(Callback("POST", {}, body, mark), NOW, lambda _key: False)
    assert (answer.status, answer.events) == (403, ())
    assert DOOR.receive(signed(body), NOW, lambda _key: False).status == 400

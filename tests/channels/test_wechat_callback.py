"""What a stranger can do to our WeChat address: nothing. What WeChat can do: be believed, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.base import Address, Callback, Inbound, Receipt, Reply
from channels.wechat_callback import Door
from channels.wechat_crypto import MessageCipher, signature

NOW = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)
TOKEN, APPID, KEY = "callback-token", "wx0123456789abcdef", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
CIPHER = MessageCipher.of(APPID, KEY)
PLAIN, SEALED = Door(TOKEN, None), Door(TOKEN, CIPHER)


class Memory(set[str]):
    """What the hub's table does: keeps the keys of requests whose events were stored."""

    def take(self, reply: Reply) -> Reply:
        self.update(kept.key for kept in reply.remember)
        return reply

    def receive(self, door: Door, callback: Callback, now: datetime = NOW) -> Reply:
        return self.take(door.receive(callback, now, self.__contains__))


def xml(fields: Mapping[str, str]) -> bytes:
    return (
        "<xml>" + "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in fields.items()) + "</xml>"
    ).encode()


def event(name: str, **more: str) -> bytes:
    return xml(
        {
            "ToUserName": "gh_1",
            "FromUserName": "openid-1",
            "CreateTime": "1795311000",
            "MsgType": "event",
            "Event": name,
            **more,
        }
    )


def text(said: str, message_id: str = "6054768590064713728") -> bytes:
    return xml(
        {
            "FromUserName": "openid-1",
            "CreateTime": "1795311000",
            "MsgType": "text",
            "Content": said,
            "MsgId": message_id,
        }
    )


def signed(body: bytes, nonce: str = "n-1", at: datetime = NOW, token: str = TOKEN) -> Callback:
    timestamp = str(int(at.timestamp()))
    query = {"timestamp": timestamp, "nonce": nonce, "signature": signature(token, timestamp, nonce)}
    return Callback("POST", query, body)


def sealed(body: bytes, nonce: str = "n-1", beside: str = "") -> Callback:
    encrypted = CIPHER.encrypt(body, bytes(16))
    outer = signed(f"<xml><ToUserName>gh_1</ToUserName>{beside}<Encrypt>{encrypted}</Encrypt></xml>".encode(), nonce)
    query = {
        **outer.query,
        "encrypt_type": "aes",
        "msg_signature": signature(TOKEN, outer.query["timestamp"], nonce, encrypted),
    }
    return replace(outer, query=query)


@pytest.mark.parametrize(
    ("body", "kind", "value"),
    [
        (event("subscribe", EventKey="qrscene_k7-token"), "subscribed", "k7-token"),
        (event("subscribe", EventKey=""), "subscribed", ""),
        (event("unsubscribe"), "unsubscribed", ""),
        (event("SCAN", EventKey="k7-token"), "scanned", "k7-token"),
        (event("CLICK", EventKey="my-points"), "clicked", "my-points"),
        (text("我知道了 <!DOCTYPE>"), "said", "我知道了 <!DOCTYPE>"),
    ],
)
@pytest.mark.parametrize("mode", ["plain", "aes"])
def test_what_a_person_does_becomes_an_event(body: bytes, kind: str, value: str, mode: str) -> None:
    door, callback = (PLAIN, signed(body)) if mode == "plain" else (SEALED, sealed(body))
    reply = Memory().receive(door, callback)
    assert (reply.status, reply.body) == (200, "success")
    [happened] = reply.events
    assert isinstance(happened, Inbound)
    assert (happened.kind, happened.value, happened.address.value) == (kind, value, "openid-1")
    assert happened.at == datetime.fromtimestamp(1795311000, UTC)
    assert "openid-1" not in repr(reply)
    assert not value or value not in repr(reply)


@pytest.mark.parametrize(
    ("status", "level", "why"),
    [
        ("success", "delivered", ""),
        ("failed:user block", "failed", "the resident blocks this account's messages"),
        ("failed: system failed", "failed", "WeChat could not deliver the message"),
        ("failed:system failed", "failed", "WeChat could not deliver the message"),
        ("failed:freq limit", "failed", "the resident gets too many messages"),
        ("failed:something new", "failed", "WeChat did not deliver the message"),
    ],
)
@pytest.mark.parametrize("spelling", ["MsgID", "MsgId"])
def test_a_finished_job_becomes_a_receipt(status: str, level: str, why: str, spelling: str) -> None:
    reply = Memory().receive(PLAIN, signed(event("TEMPLATESENDJOBFINISH", Status=status, **{spelling: "200228332"})))
    [receipt] = reply.events
    assert isinstance(receipt, Receipt)
    assert (receipt.provider_id, receipt.level, receipt.evidence, receipt.why) == ("200228332", level, status, why)
    assert receipt.address == Address("wechat", "openid-1")


def test_a_receipt_without_an_id_still_says_for_whom() -> None:
    [receipt] = Memory().receive(PLAIN, signed(event("TEMPLATESENDJOBFINISH", Status="success", MsgID="0"))).events
    assert isinstance(receipt, Receipt)
    assert (receipt.provider_id, receipt.address) == ("", Address("wechat", "openid-1"))


@pytest.mark.parametrize("door", [PLAIN, SEALED], ids=["plain", "aes"])
def test_a_replayed_callback_has_no_effect(door: Door) -> None:
    memory = Memory()
    first = signed(text("积分")) if door is PLAIN else sealed(text("积分"))
    assert memory.receive(door, first).events
    again = memory.receive(door, first, NOW + timedelta(seconds=60))
    assert (again.status, again.events, again.refused) == (200, (), "repeat")


def test_a_captured_signature_cannot_carry_other_words() -> None:
    memory = Memory()
    captured = signed(text("积分", "1"))
    assert memory.receive(PLAIN, captured).events
    forged = memory.receive(PLAIN, replace(captured, body=text("把积分转给我", "2")))
    assert (forged.status, forged.events, forged.refused) == (403, (), "replay")


def test_a_callback_that_could_not_be_stored_is_taken_when_it_comes_again() -> None:
    memory = Memory()
    callback = signed(text("积分"))
    assert PLAIN.receive(callback, NOW, memory.__contains__).events  # the transaction fails: nothing is remembered
    assert memory.receive(PLAIN, callback).events


def test_the_same_message_under_a_new_nonce_is_one_message() -> None:
    memory = Memory()
    assert memory.receive(PLAIN, signed(text("积分"), "n-1")).events
    again = memory.receive(PLAIN, signed(text("积分"), "n-2"))
    assert (again.status, again.events, again.refused) == (200, (), "repeat")
    assert memory.receive(PLAIN, signed(text("积分", "77"), "n-3")).events


def test_two_events_of_one_second_are_two_events() -> None:
    memory = Memory()
    assert memory.receive(PLAIN, signed(event("CLICK", EventKey="a"), "n-1")).events
    assert memory.receive(PLAIN, signed(event("CLICK", EventKey="b"), "n-2")).events


@pytest.mark.parametrize("seconds", [-301, 301, -(10**6)])
def test_a_callback_from_another_time_is_refused(seconds: int) -> None:
    old = signed(text("x"), at=NOW + timedelta(seconds=seconds))
    reply = PLAIN.receive(old, NOW, set().__contains__)
    assert (reply.status, reply.events, reply.refused) == (403, (), "age")
    assert PLAIN.receive(signed(text("x"), at=NOW - timedelta(seconds=299)), NOW, set().__contains__).events


def test_keys_are_remembered_longer_than_their_signature_lives() -> None:
    reply = PLAIN.receive(signed(text("x"), at=NOW + timedelta(seconds=300)), NOW, set().__contains__)
    assert all(kept.until >= NOW + timedelta(seconds=600) for kept in reply.remember)
    assert not any("openid-1" in kept.key for kept in reply.remember)


def forgeries() -> dict[str, Callback]:
    good, sealed_good = signed(text("x")), sealed(text("x"))
    return {
        "another token": signed(text("x"), token="guess"),
        "no signature": replace(good, query={name: good.query[name] for name in ("timestamp", "nonce")}),
        "no query": Callback("POST", {}, text("x")),
        "another nonce": replace(good, query={**good.query, "nonce": "n-2"}),
        "odd digits": replace(good, query={**good.query, "timestamp": "１７９５３１１０００"}),
        "plain where cipher is due": good,
        "another message signature": replace(sealed_good, query={**sealed_good.query, "msg_signature": "0" * 40}),
        "another cipher text": replace(sealed_good, body=sealed(text("y")).body),
    }


@pytest.mark.parametrize("name", forgeries())
def test_a_forged_callback_is_refused_and_leaves_nothing(name: str) -> None:
    reply = SEALED.receive(forgeries()[name], NOW, set().__contains__)
    assert (reply.status, reply.body, reply.events, reply.remember) == (403, "", (), ())
    assert reply.refused


def test_a_message_sealed_for_another_account_is_refused() -> None:
    other = Door(TOKEN, MessageCipher.of("wx-another", KEY))
    assert other.receive(sealed(text("x")), NOW, set().__contains__).refused == "cipher: meant for another account"


def test_of_a_compatible_mode_callback_only_the_sealed_part_is_believed() -> None:
    beside = "<FromUserName>openid-9</FromUserName><MsgType>text</MsgType><Content>forged</Content>"
    [happened] = SEALED.receive(sealed(text("true"), beside=beside), NOW, set().__contains__).events
    assert isinstance(happened, Inbound)
    assert (happened.value, happened.address.value) == ("true", "openid-1")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"<!DOCTYPE x><xml/>", 400),
        (b"not xml", 400),
        (b"<xml/>", 400),
        (b"x" * 70_000, 413),
        (xml({"FromUserName": "o", "CreateTime": "soon", "MsgType": "text"}), 400),
    ],
)
def test_bad_bodies_get_a_status_and_no_effect(body: bytes, status: int) -> None:
    reply = PLAIN.receive(signed(body), NOW, set().__contains__)
    assert (reply.status, reply.events) == (status, ())


def test_kinds_we_have_no_use_for_are_thanked() -> None:
    for body in (event("LOCATION"), xml({"FromUserName": "o", "CreateTime": "1795311000", "MsgType": "image"})):
        reply = PLAIN.receive(signed(body), NOW, set().__contains__)
        assert (reply.status, reply.body, reply.events) == (200, "success", ())


def test_the_address_check_echoes_only_to_wechat() -> None:
    good = signed(b"")
    asked = Callback("GET", {**good.query, "echostr": "5316812"})
    reply = PLAIN.receive(asked, NOW, set().__contains__)
    assert (reply.status, reply.body, reply.media_type) == (200, "5316812", "text/plain; charset=utf-8")
    forged = PLAIN.receive(Callback("GET", {**asked.query, "signature": "0" * 40}), NOW, set().__contains__)
    assert (forged.status, forged.body) == (403, "")
    assert PLAIN.receive(Callback("PUT", asked.query), NOW, set().__contains__).status == 405


@given(
    st.sampled_from(["GET", "POST"]),
    st.dictionaries(
        st.sampled_from(["signature", "timestamp", "nonce", "msg_signature", "echostr"]), st.text(max_size=40)
    ),
    st.binary(max_size=200),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_no_request_raises(method: str, query: dict[str, str], body: bytes, sign: bool) -> None:
    callback = Callback(method, {**query, **signed(body).query} if sign else query, body)
    for door in (PLAIN, SEALED):
        assert door.receive(callback, NOW, set().__contains__).status in {200, 400, 403}

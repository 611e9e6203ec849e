"""The RFC's own example to the byte, and an independent receiver that opens whatever we seal."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.webpush_address import BadSubscription, Services, Subscription, unpadded
from channels.webpush_ece import BODY_BYTES_MAX, CURVE, PLAIN_BYTES_MAX, encrypt, private_key, raw_public
from channels.webpush_vapid import Vapid
from simulators.push_platform import Phone, Platform, Rejected, decrypt

NOW = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)
ORIGIN = "https://push.example"


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def scalar(text: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(raw(text)), CURVE)


def test_the_example_of_rfc_8291_comes_out_to_the_byte() -> None:
    sealed = encrypt(
        b"When I grow up, I want to be a watermelon",
        raw("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
        raw("BTBZMqHH6r4Tts7J_aSIgg"),
        scalar("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
        raw("DGv6ra1nlYgDCS1FRnbzlw"),
    )
    assert unpadded(sealed) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_y"
        "l95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


@given(plain=st.binary(max_size=PLAIN_BYTES_MAX), seed=st.integers(0, 2**64))
@settings(max_examples=40, deadline=None)
def test_the_browser_reads_what_was_sealed_and_nothing_else_does(plain: bytes, seed: int) -> None:
    chance = Random(seed)
    phone = Phone("one", "p", private_key(chance.randbytes(48)), chance.randbytes(16))
    sealed = encrypt(plain, phone.public, phone.auth, private_key(chance.randbytes(48)), chance.randbytes(16))
    assert len(sealed) <= BODY_BYTES_MAX
    assert decrypt(phone, sealed) == plain
    stranger = Phone("two", "q", private_key(chance.randbytes(48)), phone.auth)
    broken = bytearray(sealed)
    broken[-1] ^= 1
    for who, what in ((stranger, sealed), (phone, bytes(broken))):
        with pytest.raises(Rejected):
            decrypt(who, what)


def test_one_byte_more_does_not_fit() -> None:
    key = private_key(bytes(48))
    assert len(encrypt(bytes(PLAIN_BYTES_MAX), raw_public(key), bytes(16), key, bytes(16))) == BODY_BYTES_MAX
    with pytest.raises(ValueError, match="fit"):
        encrypt(bytes(PLAIN_BYTES_MAX + 1), raw_public(key), bytes(16), key, bytes(16))


def test_a_token_is_kept_for_half_a_day_for_each_origin() -> None:
    vapid = Vapid(private_key(b"k" * 32), "mailto:office@linli.example")
    first = vapid.authorization(ORIGIN, NOW)
    assert vapid.authorization(ORIGIN, NOW + timedelta(hours=11, minutes=59)) == first
    assert vapid.authorization("https://other.example", NOW) != first
    assert vapid.authorization(ORIGIN, NOW + timedelta(hours=12)) != first
    claims = json.loads(raw(first.split("t=")[1].split(".")[1]))
    assert claims["aud"] == ORIGIN
    assert NOW.timestamp() < claims["exp"] <= NOW.timestamp() + 24 * 3600
    with pytest.raises(ValueError, match="subject"):
        Vapid(private_key(b"k" * 32), "the office")


def test_the_service_knows_its_sender_by_audience_key_and_age() -> None:
    clock = [NOW]
    service = Platform(ORIGIN, Random(1), lambda: clock[0])
    vapid = Vapid(private_key(b"k" * 32), "mailto:office@linli.example")
    said = service.subscribe("one", vapid.public)
    phone = next(iter(service.phones.values()))
    to = Subscription.of(said)
    body = encrypt(b'{"t":"t","b":"b","u":"/","g":"g","r":"r"}', to.p256dh, to.auth, private_key(bytes(48)), bytes(16))

    def status(authorization: str) -> int:
        headers = {"ttl": "60", "content-encoding": "aes128gcm", "authorization": authorization}
        try:
            service.take(phone.ident, headers, body)
        except Rejected as rejected:
            return rejected.status
        return 201

    good = vapid.authorization(ORIGIN, NOW)
    other = Vapid(private_key(b"o" * 32), "mailto:office@linli.example")
    assert status(good) == 201
    assert status(vapid.authorization("https://other.example", NOW)) == 403
    assert status(other.authorization(ORIGIN, NOW)) == 403
    assert status(good.replace("k=B", "k=C")) == 401
    assert status("") == 401
    clock[0] += timedelta(hours=21)
    assert status(good) == 403


@pytest.mark.parametrize(
    ("endpoint", "allowed"),
    [
        ("https://fcm.googleapis.com/fcm/send/abc", True),
        ("https://updates.push.services.mozilla.com/wpush/v2/abc", True),
        ("https://fcm.googleapis.com:443/x", True),
        ("http://127.0.0.1:9/push/abc", True),
        ("http://127.0.0.1:90/push/abc", False),
        ("http://fcm.googleapis.com/x", False),
        ("https://fcm.googleapis.com:8443/x", False),
        ("https://fcm.googleapis.com.evil.example/x", False),
        ("https://evilpush.services.mozilla.com.cn/x", False),
        ("https://push.services.mozilla.com/x", False),
        ("https://fcm.googleapis.com@127.0.0.1/x", False),
        ("https://fcm.googleapis.com\\@127.0.0.1/x", False),
        ("https://[::1]/x", False),
        ("https://fcm.googleapis.com:99999/x", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_only_listed_push_services_are_ever_asked(endpoint: str, allowed: bool) -> None:
    services = Services.of("fcm.googleapis.com *.push.services.mozilla.com http://127.0.0.1:9")
    assert services.allow(endpoint) is allowed


@given(
    st.recursive(
        st.none() | st.text(max_size=20) | st.integers(),
        lambda inner: st.dictionaries(st.sampled_from(["endpoint", "keys", "p256dh", "auth", "x"]), inner, max_size=4),
        max_leaves=8,
    )
)
@settings(max_examples=40, deadline=None)
def test_whatever_a_page_sends_is_a_subscription_or_refused(said: object) -> None:
    if isinstance(said, dict):
        with pytest.raises(BadSubscription):
            Subscription.of(said)
    with pytest.raises(BadSubscription):
        Subscription.read(json.dumps(said))


def test_an_address_reads_back_as_the_same_subscription() -> None:
    said = Platform(ORIGIN, Random(2), lambda: NOW).subscribe("one")
    one = Subscription.of(said)
    assert Subscription.read(str(one)) == one
    assert one.endpoint not in repr(one)
    off_curve = {**said, "keys": {"auth": unpadded(bytes(16)), "p256dh": unpadded(b"\x04" + bytes(64))}}
    with pytest.raises(BadSubscription, match="curve"):
        Subscription.of(off_curve)

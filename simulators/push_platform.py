"""What the simulated push service and its phones know: subscriptions, VAPID, decryption, topics. No HTTP here.

It decrypts with the browser's own keys, by code that shares nothing with the hub's, so it is also an oracle for it.
"""

from __future__ import annotations

import base64
import json
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

BODY_BYTES_MAX = 4096
INBOX_MAX = 10_000
WAITING_MAX = 100  # for one phone that is off
JWT_HOURS_MAX = 24
_CURVE = ec.SECP256R1()


class Rejected(Exception):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


@dataclass(frozen=True)
class Arrival:
    """A notification on somebody's lock screen."""

    who: str
    title: str
    body: str
    url: str
    tag: str
    urgency: str
    token: str
    at: str


@dataclass
class Phone:
    """A browser with one subscription; its keys never leave it but for the public one."""

    who: str
    ident: str
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    auth: bytes = field(repr=False)
    vapid: str = ""  # the application server it subscribed to; empty: any
    online: bool = True
    gone: bool = False
    waiting: dict[str, tuple[Arrival, datetime]] = field(default_factory=dict)

    @property
    def public(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@dataclass
class Platform:
    origin: str
    chance: random.Random
    now: Callable[[], datetime]
    phones: dict[str, Phone] = field(default_factory=dict)
    inbox: deque[Arrival] = field(default_factory=lambda: deque(maxlen=INBOX_MAX))

    def subscribe(self, who: str, vapid: str = "") -> dict[str, object]:
        """What `pushManager.subscribe` gives a page."""
        key = ec.derive_private_key(self.chance.getrandbits(250) + 1, _CURVE)
        phone = Phone(who, f"{self.chance.getrandbits(160):040x}", key, self.chance.randbytes(16), vapid)
        self.phones[phone.ident] = phone
        keys = {"p256dh": _text(phone.public), "auth": _text(phone.auth)}
        return {"endpoint": f"{self.origin}/push/{phone.ident}", "expirationTime": None, "keys": keys}

    def take(self, ident: str, headers: Mapping[str, str], body: bytes) -> Arrival | None:
        """One message for one phone; None while the phone is off."""
        phone = self.phones.get(ident)
        if phone is None:
            raise Rejected(404, "no such subscription")
        if phone.gone:
            raise Rejected(410, "unsubscribed")
        ttl, urgency, topic = headers.get("ttl", ""), headers.get("urgency", "normal"), headers.get("topic", "")
        if not ttl.isdigit():
            raise Rejected(400, "TTL is missing")
        if urgency not in ("very-low", "low", "normal", "high") or len(topic) > 32:
            raise Rejected(400, "urgency or topic")
        if headers.get("content-encoding") != "aes128gcm":
            raise Rejected(400, "content-encoding")
        if len(body) > BODY_BYTES_MAX:
            raise Rejected(413, "too large")
        self._admit(phone, headers.get("authorization", ""))
        said = json.loads(decrypt(phone, body))
        now = self.now()
        arrival = Arrival(
            phone.who, str(said["t"]), str(said["b"]), str(said["u"]), str(said["g"]), urgency, str(said["r"]),
            now.isoformat(),
        )  # fmt: skip
        if phone.online:
            self.inbox.appendleft(arrival)
            return arrival
        if len(phone.waiting) < WAITING_MAX and int(ttl):
            phone.waiting[topic or arrival.token] = (arrival, now + timedelta(seconds=int(ttl)))
        return None

    def switch(self, who: str, online: bool) -> list[Arrival]:
        """A phone goes off, or comes back: then what waited and has not run out arrives, one of each topic."""
        arrived: list[Arrival] = []
        for phone in self._of(who):
            phone.online = online
            if online:
                arrived += [arrival for arrival, until in phone.waiting.values() if until > self.now()]
                phone.waiting.clear()
        self.inbox.extendleft(arrived)
        return arrived

    def leave(self, who: str) -> None:
        for phone in self._of(who):
            phone.gone = True

    def _of(self, who: str) -> list[Phone]:
        found = [phone for phone in self.phones.values() if phone.who == who]
        if not found:
            raise ValueError("nobody of that name has subscribed")
        return found

    def _admit(self, phone: Phone, authorization: str) -> None:
        """VAPID (RFC 8292): the right audience, a short life, the key the browser subscribed to."""
        try:
            scheme, _, rest = authorization.partition(" ")
            given = dict(part.strip().split("=", 1) for part in rest.split(","))
            signed, _, mark = given["t"].rpartition(".")
            head, claims = (json.loads(_raw(part)) for part in signed.split("."))
            raw = _raw(mark)
            public = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, _raw(given["k"]))
            der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
            public.verify(der, signed.encode(), ec.ECDSA(SHA256()))
            until = datetime.fromtimestamp(claims["exp"], self.now().tzinfo)
        except (ValueError, KeyError, InvalidSignature):
            raise Rejected(401, "no valid VAPID token") from None
        in_time = self.now() < until <= self.now() + timedelta(hours=JWT_HOURS_MAX)
        if scheme.lower() != "vapid" or head.get("alg") != "ES256" or claims.get("aud") != self.origin or not in_time:
            raise Rejected(403, "VAPID claims")
        if phone.vapid and phone.vapid != given["k"]:
            raise Rejected(403, "subscribed to another application server")


def decrypt(phone: Phone, body: bytes) -> bytes:
    """RFC 8188 and 8291 from the receiving side."""
    salt, length = body[:16], body[20]
    sender, record = body[21 : 21 + length], body[21 + length :]
    try:
        shared = phone.key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, sender))
        info = b"WebPush: info\x00" + phone.public + sender
        ikm = HKDF(SHA256(), 32, phone.auth, info).derive(shared)
        key = HKDF(SHA256(), 16, salt, b"Content-Encoding: aes128gcm\x00").derive(ikm)
        nonce = HKDF(SHA256(), 12, salt, b"Content-Encoding: nonce\x00").derive(ikm)
        plain = AESGCM(key).decrypt(nonce, record, None)
    except (ValueError, InvalidTag):
        raise Rejected(400, "cannot be decrypted") from None
    text, _, padding = plain.rpartition(b"\x02")
    if padding.strip(b"\x00"):
        raise Rejected(400, "padding")
    return text


def seed_of(text: str) -> random.Random:
    return random.Random(sha256(text.encode()).hexdigest())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

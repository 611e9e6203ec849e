"""Who we are to a push service (VAPID, RFC 8292): a signed token for its origin, kept for half a day."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from channels.webpush_address import unpadded
from channels.webpush_ece import raw_public

KEPT = timedelta(hours=12)
GOOD_FOR = timedelta(hours=20)  # a service refuses more than 24; the rest is for clocks that differ
ORIGINS_MAX = 64  # there are a handful of push services


@dataclass(frozen=True)
class _Token:
    text: str
    made: datetime


class Vapid:
    def __init__(self, key: ec.EllipticCurvePrivateKey, subject: str) -> None:
        if not subject.startswith(("mailto:", "https:")):
            raise ValueError("subject is mailto: and an address, or https: and a page, where a push service may ask")
        self._key, self._subject = key, subject
        self._tokens: dict[str, _Token] = {}
        self.public = unpadded(raw_public(key))

    def authorization(self, origin: str, now: datetime) -> str:
        token = self._tokens.get(origin)
        if token is None or not timedelta(0) <= now - token.made < KEPT:
            if len(self._tokens) >= ORIGINS_MAX:
                self._tokens.pop(next(iter(self._tokens)))
            token = self._tokens[origin] = _Token(self._signed(origin, now), now)
        return f"vapid t={token.text}, k={self.public}"

    def _signed(self, origin: str, now: datetime) -> str:
        claims = {"aud": origin, "exp": int((now + GOOD_FOR).timestamp()), "sub": self._subject}
        text = f"{_part({'typ': 'JWT', 'alg': 'ES256'})}.{_part(claims)}"
        r, s = decode_dss_signature(self._key.sign(text.encode(), ec.ECDSA(SHA256())))
        return f"{text}.{unpadded(r.to_bytes(32) + s.to_bytes(32))}"


def _part(said: dict[str, object]) -> str:
    return unpadded(json.dumps(said, separators=(",", ":")).encode())

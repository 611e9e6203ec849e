"""A browser's push subscription as an address: where it may lead to, and that its keys are keys."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec

from channels.webpush_ece import CURVE

ENDPOINT_CHARS_MAX = 1_000
AUTH_BYTES, POINT_BYTES = 16, 65
_TOKEN = re.compile(r"[A-Za-z0-9_-]+={0,2}")


class BadSubscription(ValueError):
    """Not something we would send to."""


@dataclass(frozen=True)
class Subscription:
    """The endpoint is a secret of the browser's: whoever knows it may try to write to it."""

    endpoint: str = field(repr=False)
    p256dh: bytes = field(repr=False)
    auth: bytes = field(repr=False)

    @classmethod
    def of(cls, said: Mapping[str, object]) -> Subscription:
        """As `PushSubscription.toJSON()` of a page gives it."""
        endpoint, keys = said.get("endpoint"), said.get("keys")
        if not isinstance(endpoint, str) or not endpoint.isascii() or len(endpoint) > ENDPOINT_CHARS_MAX:
            raise BadSubscription("the endpoint is missing or too long")
        if not isinstance(keys, dict):
            raise BadSubscription("the keys are missing")
        p256dh, auth = _bytes(keys.get("p256dh"), POINT_BYTES), _bytes(keys.get("auth"), AUTH_BYTES)
        try:
            ec.EllipticCurvePublicKey.from_encoded_point(CURVE, p256dh)
        except ValueError:
            raise BadSubscription("the key is not on the curve") from None
        return cls(endpoint, p256dh, auth)

    @classmethod
    def read(cls, address: str) -> Subscription:
        try:
            said = json.loads(address)
        except (ValueError, RecursionError):
            raise BadSubscription("not a subscription") from None
        if not isinstance(said, dict):
            raise BadSubscription("not a subscription")
        return cls.of(said)

    def __str__(self) -> str:
        keys = {"auth": unpadded(self.auth), "p256dh": unpadded(self.p256dh)}
        return json.dumps({"endpoint": self.endpoint, "keys": keys}, separators=(",", ":"))

    @property
    def origin(self) -> str:
        parts = urlsplit(self.endpoint)
        return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True)
class Services:
    """The push services a subscription may name. A resident chooses the endpoint: without this list he could make the
    hub knock at any door behind the firewall."""

    entries: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Services:
        return cls(tuple(text.lower().split()))

    def allow(self, endpoint: str) -> bool:
        """An entry is a host, `*.` and a host, or a whole origin; but for a whole origin only https on its own port."""
        try:
            parts = urlsplit(endpoint)
            port = parts.port
        except ValueError:
            return False
        host = (parts.hostname or "").lower()
        if not host or "@" in parts.netloc or "\\" in endpoint:
            return False
        if f"{parts.scheme}://{parts.netloc}".lower() in self.entries:
            return True
        if parts.scheme != "https" or port not in (None, 443):
            return False
        return any(host == entry or (entry.startswith("*.") and host.endswith(entry[1:])) for entry in self.entries)


def unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(said: object, length: int) -> bytes:
    if not isinstance(said, str) or len(said) > 2 * length or not _TOKEN.fullmatch(said):
        raise BadSubscription("a key is missing or malformed")
    text = said.rstrip("=")
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise BadSubscription("a key is malformed") from None
    if len(raw) != length:
        raise BadSubscription("a key has the wrong length")
    return raw

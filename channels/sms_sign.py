"""How we and an SMS gateway know each other: one HMAC over purpose, time, nonce and body, in the Authorization header.

`LINLI1-HMAC-SHA256 id=<access id>, time=<unix seconds>, nonce=<8-64 of 0-9a-z>, signature=<64 hex>` where the
signature is HMAC-SHA256(secret, "LINLI1\\n<purpose>\\n<id>\\n<time>\\n<nonce>\\n<sha256 of the body in hex>"). The
purpose is `send` towards the gateway and `callback` towards us, so that neither can be replayed as the other.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime

SCHEME = "LINLI1-HMAC-SHA256"
AGE_S_MAX = 300  # clocks that differ, and a gateway's own queue
_HEADER = re.compile(
    rf"{SCHEME} id=([\w.-]{{1,64}}), time=(\d{{1,12}}), nonce=([0-9a-z]{{8,64}}), signature=([0-9a-f]{{64}})", re.ASCII
)


@dataclass(frozen=True)
class Signed:
    """A signature that holds."""

    at: int
    nonce: str


def signature(secret: str, purpose: str, access_id: str, at: int, nonce: str, body: bytes) -> str:
    said = "\n".join(("LINLI1", purpose, access_id, str(at), nonce, hashlib.sha256(body).hexdigest()))
    return hmac.new(secret.encode(), said.encode(), hashlib.sha256).hexdigest()


def header(secret: str, purpose: str, access_id: str, now: datetime, nonce: str, body: bytes) -> str:
    at = int(now.timestamp())
    mark = signature(secret, purpose, access_id, at, nonce, body)
    return f"{SCHEME} id={access_id}, time={at}, nonce={nonce}, signature={mark}"


def checked(given: str, secret: str, purpose: str, access_id: str, now: datetime, body: bytes) -> Signed | str:
    """The signature, or in a word why it does not hold."""
    found = _HEADER.fullmatch(given)
    if found is None:
        return "no signature"
    said_id, at, nonce, mark = found[1], int(found[2]), found[3], found[4]
    expected = signature(secret, purpose, access_id, at, nonce, body)
    if not hmac.compare_digest(mark, expected) or said_id != access_id:
        return "signature"
    if abs(now.timestamp() - at) > AGE_S_MAX:
        return "age"
    return Signed(at, nonce)

"""A screen's own reading of the signed board (contracts.md 1): believed if signed by a known key, newer, not over."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Unbelieved(ValueError):
    """A board that a screen must not act on."""


def believed(payload: bytes, keys: Mapping[str, bytes], *, area: str, least: int, now: datetime) -> dict[str, Any]:
    """The board. `least`: the highest sequence seen; the same one again is what the broker retained."""
    try:
        board: dict[str, Any] = json.loads(payload)
        body = {name: value for name, value in board.items() if name != "sig"}
        said = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
        Ed25519PublicKey.from_public_bytes(keys[board["key"]]).verify(base64.b64decode(board["sig"]), said)
        over, seq = datetime.fromisoformat(board["expires"]), int(board["seq"])
    except InvalidSignature:
        raise Unbelieved("forged") from None
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Unbelieved("no board of ours") from None
    if board["area"] != area:
        raise Unbelieved("another place's")
    if seq < least:
        raise Unbelieved("older than what we have")
    if over <= now:
        raise Unbelieved("out of date")
    return board

"""Chance as an argument: secrets from the operating system, or a seeded stream that replays a failing night."""

from __future__ import annotations

import random
import secrets
from datetime import datetime
from typing import Protocol


class Rng(Protocol):
    def token(self, nbytes: int) -> bytes:
        """Unguessable bytes (in production)."""

    def uniform(self, low: float, high: float) -> float: ...


class SystemRng:
    def token(self, nbytes: int) -> bytes:
        return secrets.token_bytes(nbytes)

    def uniform(self, low: float, high: float) -> float:
        return secrets.SystemRandom().uniform(low, high)


class SeededRng:
    """For tests and the simulation only: everything it gives out can be foretold."""

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(seed)  # noqa: S311

    def token(self, nbytes: int) -> bytes:
        return self._random.randbytes(nbytes)

    def uniform(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)


# Crockford's base 32 in lower case: no i, l, o, u, so that an id read out over the phone survives.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def uuid7(now: datetime, rng: Rng) -> str:
    """A time-ordered UUID (RFC 9562, 5.7) as 36 characters: 48 bits of milliseconds, then chance."""
    milliseconds = int(now.timestamp() * 1000)
    chance = bytearray(rng.token(10))
    chance[0] = 0x70 | (chance[0] & 0x0F)
    chance[2] = 0x80 | (chance[2] & 0x3F)
    text = (milliseconds.to_bytes(6, "big") + bytes(chance)).hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def secret(rng: Rng) -> str:
    """A 256-bit credential, shown once to a person and kept only as its hash."""
    number = int.from_bytes(rng.token(32), "big")
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(0, 256, 5))


def code(rng: Rng, length: int = 8) -> str:
    """A short one-time code of 5 bits a character (8 characters = 40 bits)."""
    number = int.from_bytes(rng.token(length), "big")
    return "".join(_ALPHABET[(number >> (5 * place)) & 31] for place in range(length))

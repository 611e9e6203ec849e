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


_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_DIGITS = 20  # of chance in one id; it needs 74 bits
_IDS_AT_ONCE = 2_048


class Ids:
    """uuid7 after uuid7 for one thread that needs thousands a second: chance by the block, a moment's digits once."""

    def __init__(self, rng: Rng) -> None:
        self._rng = rng
        self._moment: datetime | None = None
        self._head = ""
        self._chance = ""
        self._place = 0

    def at(self, moment: datetime) -> str:
        if moment is not self._moment:
            self._moment = moment
            digits = f"{int(moment.timestamp() * 1000):012x}"
            self._head = f"{digits[:8]}-{digits[8:]}-7"
        if self._place == len(self._chance):
            self._chance, self._place = self._rng.token(_IDS_AT_ONCE * _DIGITS // 2).hex(), 0
        place, self._place = self._place, self._place + _DIGITS
        chance = self._chance[place : place + _DIGITS]
        return f"{self._head}{chance[:3]}-{_VARIANT[chance[3]]}{chance[4:7]}-{chance[7:19]}"


def uuid7s(moment: datetime, count: int, rng: Rng) -> list[str]:
    """So many of one moment at once, in ascending order: chance once, then a counter (RFC 9562, 6.2, method 2).

    Ascending, a batch fills an index from its end. Who knows one can guess the next: they are names, not secrets.
    """
    first = uuid7(moment, rng)
    start = int(first[24:], 16) >> 1  # half of what 48 bits hold is left to count in
    return [f"{first[:24]}{number:012x}" for number in range(start, start + count)]


def secret(rng: Rng) -> str:
    """A 256-bit credential, shown once to a person and kept only as its hash."""
    number = int.from_bytes(rng.token(32), "big")
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(0, 256, 5))


def code(rng: Rng, length: int = 8) -> str:
    """A short one-time code of 5 bits a character (8 characters = 40 bits)."""
    number = int.from_bytes(rng.token(length), "big")
    return "".join(_ALPHABET[(number >> (5 * place)) & 31] for place in range(length))

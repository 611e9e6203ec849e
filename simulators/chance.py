"""Seeded chance without a stream: every value is named, so adding one thing never changes another.

`draw(seed, community, kind, i, field)` is blake2b of that name (domain.md 7, rule 1). No state, any value can be
recomputed alone, in any order.
"""

from __future__ import annotations

from hashlib import blake2b
from statistics import NormalDist

_STANDARD = NormalDist()


def draw(seed: str, community: str, kind: str, i: int | str, field: str) -> int:
    """64 bits that belong to exactly this name."""
    name = f"{seed}|{community}|{kind}|{i}|{field}".encode()
    return int.from_bytes(blake2b(name, digest_size=8).digest(), "big")


def unit(seed: str, community: str, kind: str, i: int | str, field: str) -> float:
    """A number in the open interval (0, 1)."""
    return ((draw(seed, community, kind, i, field) >> 11) + 0.5) / (1 << 53)


def between(low: int, high: int, value: int) -> int:
    """Map 64 drawn bits to low..high, both included."""
    return low + value % (high - low + 1)


def normal(mean: float, sd: float, u: float) -> float:
    return mean + sd * _STANDARD.inv_cdf(u)

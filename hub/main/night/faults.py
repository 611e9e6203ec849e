"""What goes wrong in a night: each seed draws which kinds are on (swarm), and when. The last fifth is quiet, so that
everything must drain.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

QUIET_FROM = 0.8  # of the night: from here on nothing goes wrong
CHANNEL_UNTIL = 0.5  # a channel's last retry waits 135 s; its faults must end early enough for that
GATEWAYS = ("g-1", "g-2", "g-3")
SICK_CHANNELS = ("wechat", "phone")  # `post` stays well: its deadline is what a healthy channel promises


class Kind(StrEnum):
    CUT = "cut"  # a line is reset in the middle of whatever it carries
    HALF_OPEN = "half-open"  # the gateway has dialled anew, the hub still believes in the old line
    STALL = "stall"  # nothing moves on a line, nobody is told
    SLICE = "slice"  # TCP delivers packets in pieces
    REORDER = "reorder"  # a gateway speaks on two lines at once, and one of them breaks
    REPEAT = "repeat"  # messages are said twice
    GARBAGE = "garbage"  # bytes that are no MQTT
    MALFORMED = "malformed"  # frames that no codec reads
    SAME = "same"  # a record kept twice, in two entries
    CLOCK = "clock"  # a device's clock is wrong, and jumps
    GATEWAY_CRASH = "gateway-crash"  # the box in the hut loses power and comes back with its journal
    HUB_CRASH = "hub-crash"  # kill -9
    HUB_STOP = "hub-stop"  # an orderly restart
    SLOW_DISK = "slow-disk"
    DISK_ERROR = "disk-error"
    CHANNEL_HANG = "channel-hang"
    CHANNEL_5XX = "channel-5xx"
    CHANNEL_LOST = "channel-lost"  # the provider takes the message, its answer is lost


# How often in ten minutes, and how long (seconds).
_HABITS: dict[Kind, tuple[int, float, float]] = {
    Kind.CUT: (6, 0.0, 0.0),
    Kind.HALF_OPEN: (3, 0.0, 0.0),
    Kind.STALL: (3, 3.0, 40.0),
    Kind.SLICE: (1, 60.0, 400.0),
    Kind.REORDER: (3, 30.0, 120.0),
    Kind.REPEAT: (2, 30.0, 200.0),
    Kind.GARBAGE: (2, 20.0, 90.0),
    Kind.MALFORMED: (2, 30.0, 200.0),
    Kind.SAME: (2, 30.0, 200.0),
    Kind.CLOCK: (2, 30.0, 200.0),
    Kind.GATEWAY_CRASH: (3, 1.0, 15.0),
    Kind.HUB_CRASH: (8, 0.5, 10.0),
    Kind.HUB_STOP: (2, 0.5, 10.0),
    Kind.SLOW_DISK: (2, 10.0, 90.0),
    Kind.DISK_ERROR: (2, 3.0, 25.0),
    Kind.CHANNEL_HANG: (2, 10.0, 30.0),
    Kind.CHANNEL_5XX: (1, 10.0, 30.0),
    Kind.CHANNEL_LOST: (2, 10.0, 30.0),
}
_OF_HUB = frozenset({Kind.HUB_CRASH, Kind.HUB_STOP})
_OF_CHANNEL = frozenset({Kind.CHANNEL_HANG, Kind.CHANNEL_5XX, Kind.CHANNEL_LOST})
_EVERYWHERE = frozenset({Kind.SLICE, Kind.SLOW_DISK, Kind.DISK_ERROR, *_OF_HUB})


@dataclass(frozen=True, slots=True, order=True)
class Spell:
    begin_s: float
    end_s: float
    kind: Kind
    target: str  # a gateway, a channel, or the hub


def draw(seed: str, kinds: Sequence[Kind] | None, length_s: float, often: float = 1.0) -> list[Spell]:
    """The spells of a night, in order. Without `kinds` the seed chooses about half of them."""
    chance = random.Random(f"{seed} faults")  # noqa: S311
    chosen = [kind for kind in Kind if chance.random() < 0.5]
    found = []
    for kind in Kind:
        # Every kind has a stream of its own: leaving one out does not move the others.
        stream = random.Random(f"{seed} faults {kind}")  # noqa: S311
        if kind in (chosen if kinds is None else kinds):
            found += _spells(kind, stream, length_s, often)
    return sorted(found)


def _spells(kind: Kind, chance: random.Random, length_s: float, often: float) -> list[Spell]:
    count, shortest_s, longest_s = _HABITS[kind]
    until_s = length_s * (CHANNEL_UNTIL if kind in _OF_CHANNEL else QUIET_FROM)
    pool = SICK_CHANNELS if kind in _OF_CHANNEL else ("hub",) if kind in _EVERYWHERE else GATEWAYS
    first = chance.randrange(len(pool))
    spells = []
    for number in range(max(1, round(count * often * length_s / 600))):
        begin = chance.uniform(0.04 * length_s, 0.95 * until_s)
        end = min(begin + chance.uniform(shortest_s, longest_s), until_s)
        spells.append(Spell(round(begin, 3), round(end, 3), kind, pool[(first + number) % len(pool)]))
    return spells

"""A town of four huts whose gateways speak at once: the accounts, the topics, and the frames of a wave."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from devices import pack, topics
from hub import directory, registry
from hub.db import Tx
from hub.main import wiring
from hub.settings import load as load_settings

AREA = "420802002001"
GATEWAYS = tuple(f"bench-{number}" for number in range(1, 5))
CUFFS_EACH = 16  # 64 cuffs and 250 users of each: 16,000 readings can share a second and still be told apart
USERS = 250
CODEC = "sig.2a35"
_ZONE = timezone(timedelta(hours=8))  # what a cuff means by its local time
_FRAME = struct.Struct("<BHHHHBBBBBHB")
_TIME_PULSE_USER = 0x0E
READINGS_A_SECOND = len(GATEWAYS) * CUFFS_EACH * USERS


@dataclass(frozen=True, slots=True)
class Account:
    user: str
    password: str


def cuffs(gateway: str) -> list[str]:
    return [f"{gateway}-bp-{number}" for number in range(1, CUFFS_EACH + 1)]


def topics_of(gateway: str, *, packed: bool = False) -> list[str]:
    if packed:
        return [topics.pack(AREA, gateway, device) for device in cuffs(gateway)]
    return [topics.up(AREA, gateway, device, CODEC) for device in cuffs(gateway)]


def found(data: Path) -> list[Account]:
    """A store in `data` that knows the town; the accounts of its gateways."""
    store = wiring.open_store(load_settings({"data_dir": data}, {}))
    try:
        return store.write_now(_furnish)
    finally:
        store.close()


def _furnish(tx: Tx) -> list[Account]:
    directory.found_area(tx, AREA, "community", "浏河社区", "Liuhe")
    return huts(tx)


def huts(tx: Tx, area: str = AREA) -> list[Account]:
    """The huts of an area that stands already; the accounts of their gateways."""
    accounts = []
    for gateway in GATEWAYS:
        registry.found_hut(tx, gateway, area, gateway, gateway)
        accounts.append(Account(gateway, registry.add_gateway(tx, gateway, area, gateway)))
        for device in cuffs(gateway):
            registry.add_device(tx, device, gateway, "generic.sig.2a35")
    return accounts


def frame(number: int, moment: datetime, user: int) -> bytes:
    """A true cuff frame. The values go up and down as people's do; one in some two hundred is urgent."""
    top = 104 + number * 7 % 60 + (24 if number % 197 == 0 else 0)
    low = 62 + number * 5 % 28
    return _FRAME.pack(
        _TIME_PULSE_USER,
        top,
        low,
        low + (top - low) // 3,
        moment.year,
        moment.month,
        moment.day,
        moment.hour,
        moment.minute,
        moment.second,
        58 + number * 3 % 40,
        user,
    )


def payloads(gateway: int, count: int, first_second: int) -> list[bytes]:
    """The first `count` frames of one gateway, to be sent to its topics in turn; no two of a town share a key.

    The devices' clocks begin at `first_second` (seconds since 1970)."""
    moments: dict[int, datetime] = {}
    made = []
    for number in range(count):
        turn = number // CUFFS_EACH
        second = first_second + turn // USERS
        moment = moments.get(second)
        if moment is None:
            moment = moments[second] = datetime.fromtimestamp(second, UTC).astimezone(_ZONE)
        made.append(frame(number + 31 * gateway, moment, turn % USERS))
    return made


def seconds_needed(readings: int) -> int:
    """How many seconds of device time a wave of so many readings covers."""
    return -(-readings // READINGS_A_SECOND) + 1


def envelopes(gateway: int, count: int, first_second: int, records: int, boot: str) -> list[bytes]:
    """The same frames, `records` of them to an envelope; envelope k is for device k modulo the cuffs."""
    turns = -(-count // CUFFS_EACH)
    frames = payloads(gateway, turns * CUFFS_EACH * records, first_second)
    taken = datetime.fromtimestamp(first_second, UTC)
    made = []
    for seq in range(1, count + 1):
        turn, device = divmod(seq - 1, CUFFS_EACH)
        own = frames[device + turn * records * CUFFS_EACH :: CUFFS_EACH][:records]
        made.append(pack.build(boot, seq, taken, [pack.Record(CODEC, each, taken) for each in own]))
    return made


def plan(accounts: Sequence[Account]) -> Mapping[str, str]:
    return {account.user: account.password for account in accounts}

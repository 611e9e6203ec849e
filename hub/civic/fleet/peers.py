"""Peers: does a device say otherwise than its like in other huts, at the same time of day?

One hut's neighbours may be older than another's, so a device is set beside many huts, and only what stands out far
beyond the differences between those is told: somebody should compare it with a reference. Nothing is rewritten and
nothing is held back. It opens values, so it runs once a day, one model at a time, and keeps medians alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from statistics import median

from sqlalchemy import func, select
from sqlmodel import col

from devices.profile import Profile, all_profiles
from hub import readings
from hub.civic.fleet import rules
from hub.civic.fleet.models import Hold
from hub.civic.fleet.rules import Finding, Middle, Rule
from hub.db import Read
from hub.readings import Reading, from_ms, to_ms
from hub.registry import Device
from hub.services import Services

RULE = "peer-drift"
READINGS_MAX = 200  # of one device; a median asks no more
PARTS_OF_DAY = 4  # pressure and glucose go by the hour: night, morning, afternoon, evening
Middles = Mapping[str, Mapping[int, Middle]]  # code -> part of the day


@dataclass(frozen=True, slots=True)
class Group:
    """Devices that should say the same: of one model, with strips of one lot where they use strips."""

    profile: str
    lot: str | None
    devices: tuple[tuple[str, str, str], ...]  # device, gateway, hut


def groups(read: Read, rule: Rule) -> list[Group]:
    """Those that stand in enough huts to be compared."""
    rows = select(col(Device.profile), col(Device.lot), col(Device.id), col(Device.gateway), col(Device.hut)).where(
        col(Device.state) == "active", col(Device.profile).is_not(None), col(Device.hut).is_not(None)
    )
    found: dict[tuple[str, str | None], list[tuple[str, str, str]]] = defaultdict(list)
    for profile, lot, device, gateway, hut in read.session.execute(rows.order_by(col(Device.id))):
        found[profile, lot].append((device, gateway, hut))
    return [
        Group(profile, lot, tuple(devices))
        for (profile, lot), devices in found.items()
        if len({hut for *_names, hut in devices}) > rule.limits["huts_min"]
    ]


def look(read: Read, group: Group, rule: Rule) -> list[Finding]:
    """Each device of the group beside all of the group in other huts."""
    profile = all_profiles().get(group.profile)
    if profile is None:
        return []
    ended = select(col(Hold.device), func.max(col(Hold.released_at))).where(col(Hold.rule) == rule.id)
    rows = read.session.execute(ended.where(col(Hold.released_at).is_not(None)).group_by(col(Hold.device)))
    released = {device: at for device, at in rows}
    window = read.now() - timedelta(days=rule.limits["days"])
    said = {
        device: _middles(read, rule, device, max(window, released.get(device) or window), profile)
        for device, _gateway, _hut in group.devices
    }
    found = []
    for device, gateway, hut in group.devices:
        others = [(there, said[other]) for other, _gateway, there in group.devices if there != hut]
        for code, own in said[device].items():
            fields = rules.apart(rule, code, own, [(there, each[code]) for there, each in others if code in each])
            if fields is not None:
                found.append(Finding(device, gateway, rule.id, fields))
                break
    return found


def _middles(read: Read, rule: Rule, device: str, since: datetime, profile: Profile) -> Middles:
    numbers: dict[str, dict[int, list[Decimal]]] = defaultdict(lambda: defaultdict(list))
    newest = (
        select(col(Reading.sealed_values), col(Reading.t_effective_ms))
        .where(col(Reading.device) == device, col(Reading.quality) == "ok", col(Reading.t_received_ms) >= to_ms(since))
        .order_by(col(Reading.t_received_ms).desc())
        .limit(READINGS_MAX)
    )
    for sealed, at_ms in read.session.execute(newest):
        part = from_ms(at_ms).astimezone(profile.zone).hour * PARTS_OF_DAY // 24
        for value in readings.open_values(read.seal, sealed)[0]:
            if value.code in rule.by_code and value.value is not None:
                numbers[value.code][part].append(value.value)
    return {
        code: {part: Middle(median(each), len(each)) for part, each in parts.items()} for code, parts in numbers.items()
    }


async def find(hub: Services) -> list[Finding]:
    """One model after another, so that no look at the store lasts long."""
    if hub.config.get("peer_drift", "1") != "1":
        return []
    rule = rules.rules()[RULE]
    found: list[Finding] = []
    for group in await hub.store.read(lambda read: groups(read, rule)):
        found += await hub.store.read(partial(look, group=group, rule=rule))
    return found

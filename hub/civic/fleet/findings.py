"""What the rules are asked about, gathered from the store: counts, clocks, serial numbers; values only for drift."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import case, func, or_, select
from sqlmodel import col

from devices.profile import all_profiles
from hub import readings
from hub.civic.fleet import lots, rules
from hub.civic.fleet.models import Hold
from hub.civic.fleet.rules import Finding, Rule
from hub.db import Read
from hub.presence import CLOCK_WRONG_S, DevicePresence, Sighting
from hub.quarantine import QuarantineRow
from hub.readings import Reading, to_ms
from hub.registry import Device

DRIFT_READINGS_MAX = 200  # of each side; a median asks no more


def gather(read: Read) -> list[Finding]:
    """Everything that can be found without opening a value."""
    book = rules.rules()
    return [
        *_unknown(read, book["unknown-device"]),
        *_clones(read, book["clone-serial"]),
        *_exchanged(read, book["other-serial"]),
        *_implausible(read, book["implausible"]),
        *_skewed(read, book["clock-skew"]),
        *_expired(read),
    ]


def _since(read: Read, rule: Rule) -> dict[str, datetime]:
    """From when a device is judged by this rule: what was released is not found again in the same measurements."""
    ended = select(col(Hold.device), func.max(col(Hold.released_at))).where(col(Hold.rule) == rule.id)
    rows = read.session.execute(ended.where(col(Hold.released_at).is_not(None)).group_by(col(Hold.device)))
    return {device: at for device, at in rows if at is not None}


def _unknown(read: Read, rule: Rule) -> Iterator[Finding]:
    since = read.now() - timedelta(hours=rule.limits["hours"])
    known = select(col(Device.id))
    columns = (col(QuarantineRow.gateway), col(QuarantineRow.device), func.count(), func.max(col(QuarantineRow.at)))
    rows = read.session.execute(
        select(*columns)
        .where(
            col(QuarantineRow.reason) == "unknown-device",
            col(QuarantineRow.at) > since,
            col(QuarantineRow.device).not_in(known),
        )
        .group_by(col(QuarantineRow.gateway), col(QuarantineRow.device))
    )
    released = _since(read, rule)
    for gateway, device, frames, last in rows:
        if device and not (device in released and last <= released[device]):
            yield Finding(device, gateway, rule.id, {"device": device, "gateway": gateway, "frames": frames})


def _clones(read: Read, rule: Rule) -> Iterator[Finding]:
    """The same serial number named by two gateways: both are held back, for nobody knows which is the copy."""
    since, released = read.now() - timedelta(hours=rule.limits["hours"]), _since(read, rule)
    fresh = (col(Sighting.at) > since, col(Sighting.serial).is_not(None), col(Sighting.serial) != "")
    twice = (
        select(col(Sighting.serial))
        .where(*fresh)
        .group_by(col(Sighting.serial))
        .having(func.count(func.distinct(col(Sighting.gateway))) > 1)
    )
    places: dict[str, list[Sighting]] = defaultdict(list)
    rule_rows = select(Sighting).where(*fresh, col(Sighting.serial).in_(twice)).order_by(col(Sighting.gateway))
    for seen in read.session.execute(rule_rows).scalars():
        places[str(seen.serial)].append(seen)
    for serial, seen_at in places.items():
        for seen in seen_at:
            other = next(each.gateway for each in seen_at if each.gateway != seen.gateway)
            if seen.device in released and max(each.at for each in seen_at) <= released[seen.device]:
                continue
            fields = {"serial": serial, "gateway": seen.gateway, "other": other}
            yield Finding(seen.device, seen.gateway, rule.id, fields)


def _exchanged(read: Read, rule: Rule) -> Iterator[Finding]:
    """A device that calls itself otherwise than it was registered: its certificate may be another one's."""
    since, released = read.now() - timedelta(hours=rule.limits["hours"]), _since(read, rule)
    both = select(Device, Sighting).join(
        Sighting, (col(Sighting.device) == col(Device.id)) & (col(Sighting.gateway) == col(Device.gateway))
    )
    rows = read.session.execute(
        both.where(
            col(Device.state).in_(("active", "provisioned")),
            col(Sighting.at) > since,
            col(Sighting.serial) != "",
            col(Device.serial) != col(Sighting.serial),
        )
    )
    for device, seen in rows:
        if not (device.id in released and seen.at <= released[device.id]):
            yield Finding(device.id, device.gateway, rule.id, {"said": str(seen.serial), "serial": str(device.serial)})


def _implausible(read: Read, rule: Rule) -> Iterator[Finding]:
    since = read.now() - timedelta(hours=rule.limits["hours"])
    for device, gateway, total, bad in _counted(read, rule, since, None):
        if rules.implausible(rule, total, bad) is None:
            continue
        at = _since(read, rule).get(device)
        if at is not None and at > since:
            total, bad = next(((t, b) for _d, _g, t, b in _counted(read, rule, at, device)), (0, 0))
        fields = rules.implausible(rule, total, bad)
        if fields is not None:
            yield Finding(device, gateway, rule.id, fields)


def _counted(read: Read, rule: Rule, since: datetime, device: str | None) -> list[tuple[str, str, int, int]]:
    strange = or_(*(col(Reading.reasons).contains(reason) for reason in rule.words["reasons"]))
    columns = (col(Reading.device), func.max(col(Reading.gateway)), func.count(), func.sum(case((strange, 1), else_=0)))
    which = select(*columns).where(col(Reading.t_received_ms) > to_ms(since))
    if device is not None:
        which = which.where(col(Reading.device) == device)
    rows = read.session.execute(which.group_by(col(Reading.device)))
    return [(name, gateway, int(total), int(bad)) for name, gateway, total, bad in rows]


def _skewed(read: Read, rule: Rule) -> Iterator[Finding]:
    offset = col(DevicePresence.clock_offset_s)
    limit = max(rule.limits["offset_s"], CLOCK_WRONG_S)
    suspects = select(Device).join(DevicePresence, col(DevicePresence.device) == col(Device.id))
    suspects = suspects.where(col(Device.state) == "active", or_(offset > limit, offset < -limit))
    released = _since(read, rule)
    for device in read.session.execute(suspects.order_by(col(Device.id))).scalars():
        since = max(
            read.now() - timedelta(hours=rule.limits["hours"]),
            released.get(device.id, datetime.min.replace(tzinfo=read.now().tzinfo)),
        )
        fields = rules.skewed(rule, _offsets_s(read, device, since, rule.limits["readings_min"]))
        if fields is not None:
            yield Finding(device.id, device.gateway, rule.id, fields)


def _offsets_s(read: Read, device: Device, since: datetime, count: int) -> Sequence[int]:
    """By how much the device's clock was off in its newest measurements that told a time, the newest first."""
    profile = all_profiles().get(device.profile or "")
    if profile is None:
        return ()
    columns = (col(Reading.t_device), col(Reading.t_gateway_ms), col(Reading.t_received_ms))
    rule = (
        select(*columns)
        .where(
            col(Reading.device) == device.id,
            col(Reading.t_received_ms) > to_ms(since),
            col(Reading.t_device).is_not(None),
        )
        .order_by(col(Reading.t_received_ms).desc())
        .limit(count)
    )
    found = []
    for said, gateway_ms, received_ms in read.session.execute(rule):
        taken = datetime.fromisoformat(said).replace(tzinfo=profile.zone)
        found.append((gateway_ms if gateway_ms is not None else received_ms) // 1000 - int(taken.timestamp()))
    return found


def _expired(read: Read) -> Iterator[Finding]:
    for lot, gateway in lots.past(read):
        yield Finding(lot.device, gateway, lots.EXPIRED, {"lot": lot.number, "expires": lot.expires.isoformat()})


def drift(read: Read) -> list[Finding]:
    """Each device's last days beside its gateway's earlier ones. It opens values, so it runs once a day."""
    rule = rules.rules()["drift"]
    lately = read.now() - timedelta(days=rule.limits["days"])
    before = lately - timedelta(days=rule.limits["history_days"])
    released = _since(read, rule)
    active = select(Device).where(col(Device.state) == "active", col(Device.profile).is_not(None))
    found: list[Finding] = []
    history: dict[tuple[str, str], Mapping[str, list[Decimal]]] = {}
    for device in read.session.execute(active.order_by(col(Device.gateway), col(Device.id))).scalars():
        since = max(lately, released.get(device.id, lately))
        new = _numbers(read, rule, since, read.now() + timedelta(seconds=1), col(Reading.device) == device.id)
        if not any(len(numbers) >= rule.limits["readings_min"] for numbers in new.values()):
            continue
        key = (device.gateway, device.kind)
        if key not in history:
            behind = (col(Reading.gateway) == device.gateway) & (col(Reading.kind) == device.kind)
            history[key] = _numbers(read, rule, before, lately, behind)
        for code, numbers in new.items():
            fields = rules.drifted(rule, history[key].get(code, ()), numbers)
            if fields is not None:
                found.append(Finding(device.id, device.gateway, rule.id, fields))
                break
    return found


def _numbers(read: Read, rule: Rule, since: datetime, until: datetime, which: object) -> dict[str, list[Decimal]]:
    chosen = select(col(Reading.sealed_values)).where(
        which,  # type: ignore[arg-type]
        col(Reading.quality) == "ok",
        col(Reading.t_effective_ms) >= to_ms(since),
        col(Reading.t_effective_ms) < to_ms(until),
    )
    found: dict[str, list[Decimal]] = defaultdict(list)
    newest = chosen.order_by(col(Reading.t_effective_ms).desc()).limit(DRIFT_READINGS_MAX)
    for sealed in read.session.execute(newest).scalars():
        for value in readings.open_values(read.seal, sealed)[0]:
            if value.code in rule.words["codes"] and value.value is not None:
                found[value.code].append(value.value)
    return found

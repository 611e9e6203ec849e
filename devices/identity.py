"""Identity: which reading is this (devices.md 7.2), and when was it taken (7.3)? Judged from one message alone.

The key never holds the value or the person: two people may both have 36.5 within a minute, and a person may be bound
later. The same payload gives the same key years later, on another path, after a restore.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone
from typing import Literal, NamedTuple, TypeAlias

from devices.base import DeviceTime, Measurement

Basis: TypeAlias = Literal["device", "device_adjusted", "gateway", "received"]

TRUSTED_YEAR_MIN = 2015  # older than any device in a hut: an earlier date is a clock that started from its epoch
CLOCK_AGREES = timedelta(seconds=120)
CLOCK_CORRECTABLE = timedelta(hours=24)
HISTORY_AFTER = timedelta(days=30)


class Anchor(NamedTuple):
    """What singles a reading out among all of its device and kind. `weak`: nothing in the message did."""

    text: str
    weak: bool


class EffectiveTime(NamedTuple):
    at: datetime  # aware
    basis: Basis
    late: bool  # history older than 30 days: import it, raise no alert
    offset: timedelta | None  # reference minus device clock; None where the device gave no usable time


def key(device: str, kind: str, anchor: str) -> str:
    """The idempotency key: 32 hex digits of sha256(device | kind | anchor). Ids hold no `|`, so nothing can collide."""
    return hashlib.sha256(f"{device}|{kind}|{anchor}".encode()).hexdigest()[:32]


def anchor_of(
    measurement: Measurement,
    *,
    unique: str,
    record_anchor: str | None = None,
    gateway: str | None = None,
    boot: str | None = None,
    seq: int | None = None,
    index: int = 0,
    part: int = 0,
) -> Anchor:
    """The anchor, by the first rule of devices.md 7.2 that applies:

    1. the device's own record number with the date it stands under (its clock epoch: numbers start again when a clock
       or a memory is reset). The number inside the frame wins over the envelope's, so that the path does not matter;
    2. a device time of 2015 or later, to the second, with the user index;
    3. the gateway's outbox entry: gateway, boot, seq, and `index`, the place of the record in its envelope, with
       `part`, the place of the measurement in its record where it holds several;
    4. nothing: `unique`, which the caller makes fresh for every message that is not a known redelivery.

    A clock that says it is not set gives no valid date: after every battery change it would tell the same times again.
    """
    at = _trusted(measurement)
    number = measurement.anchor or record_anchor
    if number is not None:
        return Anchor(f"record|{at.isoformat() if at else ''}|{number}", weak=False)
    if at is not None:
        return Anchor(f"time|{at.isoformat()}|{measurement.context.get('user_index', '')}", weak=False)
    if gateway is not None and boot is not None and seq is not None:
        place = f"{index}.{part}" if part else str(index)
        return Anchor(f"entry|{gateway}|{seq}|{place}|{boot}", weak=False)
    return Anchor(f"weak|{unique}", weak=True)


def effective_time(
    t_device: DeviceTime | None,
    zone: timezone,
    t_gateway: datetime | None,
    t_received: datetime,
    *,
    clock_not_set: bool = False,
    stored: bool = False,
) -> EffectiveTime:
    """When the reading was taken, by devices.md 7.3, as far as one message can tell.

    The reference is the gateway's time where it is sane (2015 or later, not more than 120 s after we received it: a
    gateway may hold a reading for days, but not from the future), otherwise the time we received it.
    offset = reference - device time in the profile's zone.

    - |offset| <= 120 s: the device's time (`device`);
    - the device up to 24 h behind a sane gateway: device time + offset (`device_adjusted`), that is the gateway's time;
      one message cannot tell a slow clock from a stored record, only a series can;
    - further off, year 0, not set, before 2015, or in the future: the gateway's time where it is sane (`gateway`),
      otherwise the time we received it (`received`).

    `late` marks history older than 30 days. A device date alone does not make it so, or a cuff whose battery was
    changed would never alarm again; only where the message says that it comes from a memory (`stored`) is it believed.
    """
    sane = t_gateway is not None and t_gateway.year >= TRUSTED_YEAR_MIN and t_gateway - t_received <= CLOCK_AGREES
    reference = t_gateway if sane and t_gateway is not None else t_received
    at, offset = reference, None
    basis: Basis = "gateway" if sane else "received"
    if t_device is not None and t_device.year >= TRUSTED_YEAR_MIN and not clock_not_set:
        said = t_device.replace(tzinfo=zone)
        offset = reference - said
        if -CLOCK_AGREES <= offset <= CLOCK_AGREES:
            at, basis = said, "device"
        elif sane and timedelta(0) < offset <= CLOCK_CORRECTABLE:
            basis = "device_adjusted"
    late = t_received - at > HISTORY_AFTER or (stored and offset is not None and offset > HISTORY_AFTER)
    return EffectiveTime(at, basis, late, offset)


def _trusted(measurement: Measurement) -> DeviceTime | None:
    at = measurement.at
    if at is None or at.year < TRUSTED_YEAR_MIN or "clock_not_set" in measurement.quality_flags:
        return None
    return at.replace(microsecond=0) if at.microsecond else at

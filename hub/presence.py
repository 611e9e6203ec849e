"""Presence: is the box dead or just quiet? What gateways say of themselves, when each device was last heard, and the
state that follows, decided in one pure function.

    never-seen · online · quiet · faulty · clock-wrong · asleep · offline
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, select
from sqlmodel import Field, SQLModel

from devices import topics
from hub import bulk
from hub.arrival import Arrival, Note
from hub.db import Read, Tx
from hub.events import DeviceChanged, GatewayChanged
from hub.registry import Device
from hub.types import UtcTime

CLOCK_WRONG_S = 120  # devices.md 7.3: beyond it the device's own time is not believed
FAULTY_AFTER = 3  # failed measurements in a row; one or two are a loose cuff
STATES = ("online", "quiet", "faulty", "clock-wrong", "asleep", "offline", "never-seen")
_SAID = {"online": "online", "offline": "offline", "sleeping": "asleep"}


class GatewayPresence(SQLModel, table=True):
    __tablename__ = "presence_gateway"
    gateway: str = Field(primary_key=True, max_length=64)
    state: str = Field(default="never-seen", max_length=16)
    since: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    seen: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    boot: str | None = Field(default=None, max_length=64)
    firmware: str | None = Field(default=None, max_length=64)
    owner: str = Field(default="", max_length=64)  # the connection that published `birth` owns `state`


class DevicePresence(SQLModel, table=True):
    __tablename__ = "presence_device"
    device: str = Field(primary_key=True, max_length=64)
    seen: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    gone: bool = Field(default=False)  # its gateway reported that it no longer answers
    failed_in_a_row: int = Field(default=0)
    clock_offset_s: int | None = Field(default=None)


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known of one device."""

    seen: datetime | None
    failed_in_a_row: int = 0
    clock_offset_s: int | None = None
    gone: bool = False


def device_state(gateway_state: str, heard: Heard | None, offline_after_s: int, now: datetime) -> str:
    """The one decision. A dead line outweighs everything; then the clock, then repeated failures, then silence."""
    if gateway_state in ("offline", "asleep"):
        return gateway_state
    if heard is not None and heard.gone:
        return "offline"
    if heard is None or heard.seen is None:
        return "never-seen"
    if gateway_state == "never-seen":
        return "offline"
    if heard.clock_offset_s is not None and abs(heard.clock_offset_s) > CLOCK_WRONG_S:
        return "clock-wrong"
    if heard.failed_in_a_row >= FAULTY_AFTER:
        return "faulty"
    if now - heard.seen > timedelta(seconds=offline_after_s):
        return "quiet"
    return "online"


def note(tx: Tx, said: Note) -> None:
    """Keep what a gateway published about itself. Births and states that make no sense are ignored: they carry no
    data.
    """
    body = _object(said.payload)
    if isinstance(said.topic, topics.TwinReported):
        _twin(tx, said.topic, body)
    if not isinstance(said.topic, topics.Birth | topics.State):
        return
    row = _gateway(tx, said.topic.gateway)
    row.seen = said.received
    if isinstance(said.topic, topics.Birth):
        row.boot = _text(body, "boot")
        row.firmware = _text(body, "firmware")
        row.owner = said.connection
        _move(tx, row, "online", said)
        return
    state = _SAID.get(str(body.get("s")))
    # A late will of an earlier connection must not kill the present one (Sparkplug's bdSeq lesson).
    stale = state == "offline" and row.owner != "" and said.connection != "" and said.connection != row.owner
    if state is not None and not stale:
        _move(tx, row, state, said)
    tx.session.add(row)


def _twin(tx: Tx, topic: topics.TwinReported, body: dict[str, object]) -> None:
    """The gateway's own word on one of its devices."""
    known = tx.session.get(Device, topic.device)
    if known is None or known.gateway != topic.gateway or body.get("s") not in ("online", "offline"):
        return
    row = tx.session.get(DevicePresence, topic.device) or DevicePresence(device=topic.device)
    gone = body["s"] == "offline"
    if row.gone != gone:
        row.gone = gone
        tx.session.add(row)
        tx.emit(DeviceChanged, device=topic.device, hut=known.hut, area=topic.area, state=str(body["s"]))
        tx.touch("operations.huts", "all")


def _gateway(tx: Tx, gateway: str) -> GatewayPresence:
    found = tx.session.get(GatewayPresence, gateway)
    return found or GatewayPresence(gateway=gateway, since=tx.now(), seen=tx.now())


def _move(tx: Tx, row: GatewayPresence, state: str, said: Note) -> None:
    if row.state != state:
        row.state, row.since = state, said.received
        tx.emit(GatewayChanged, gateway=row.gateway, area=said.topic.area, state=state)
    tx.session.add(row)
    tx.touch("operations.huts", "all")


_HEARD = ("device", "seen", "gone", "failed_in_a_row", "clock_offset_s")
_UPSERT = """ON CONFLICT (device) DO UPDATE SET gone = excluded.gone,
    seen = CASE WHEN presence_device.seen > excluded.seen THEN presence_device.seen ELSE excluded.seen END,
    clock_offset_s = coalesce(excluded.clock_offset_s, presence_device.clock_offset_s),
    failed_in_a_row = excluded.failed_in_a_row"""


def hear(tx: Tx, arrivals: Sequence[Arrival]) -> None:
    """Note each device of a batch as heard. One row a device, whatever its number of readings, and none is read
    before: two workers may hear the same device."""
    by_device: dict[str, list[Arrival]] = {}
    for arrival in arrivals:
        by_device.setdefault(arrival.device.id, []).append(arrival)
    measured: list[tuple[Any, ...]] = []
    failed: list[tuple[Any, ...]] = []
    for device, heard in sorted(by_device.items()):
        in_a_row = 0
        offset_s = None
        for arrival in heard:
            in_a_row = in_a_row + 1 if arrival.quality == "bad" else 0
            # A device far behind its gateway may only be telling an old record; ahead of it, its clock is wrong.
            if arrival.effective.offset is not None:
                offset_s = max(-(2**31), min(2**31 - 1, int(arrival.effective.offset.total_seconds())))
        # Who speaks is there, whatever its gateway said before.
        row = (device, bulk.moment(tx, heard[-1].t_received), False, in_a_row, offset_s)
        (failed if in_a_row == len(heard) else measured).append(row)
    bulk.insert(tx, "presence_device", _HEARD, measured, _UPSERT)
    # Nothing but failures: they go on where the last batch ended.
    bulk.insert(tx, "presence_device", _HEARD, failed, f"{_UPSERT} + presence_device.failed_in_a_row")


def gateways(read: Read) -> Mapping[str, GatewayPresence]:
    return {row.gateway: row for row in read.session.execute(select(GatewayPresence)).scalars()}


def heard(read: Read) -> Mapping[str, Heard]:
    rows = read.session.execute(select(DevicePresence)).scalars()
    return {row.device: Heard(row.seen, row.failed_in_a_row, row.clock_offset_s, row.gone) for row in rows}


def _object(payload: bytes) -> dict[str, object]:
    try:
        body = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _text(body: dict[str, object], name: str) -> str | None:
    """A word of the gateway's that any store can keep: no NUL (PostgreSQL), no half of a surrogate pair (nobody)."""
    found = body.get(name)
    return found[:64] if isinstance(found, str) and found.isprintable() else None

"""Presence: is the box dead or just quiet? What gateways say of themselves, when each device was last heard, and the
state that follows, decided in one pure function.

    never-seen · online · quiet · faulty · clock-wrong · asleep · offline
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class Line:
    """What is known of a gateway's line. `owner` is the connection whose word counts: the one that said `birth`."""

    state: str = "never-seen"
    since: datetime | None = None
    seen: datetime | None = None
    owner: str = ""


def born(line: Line, connection: str, at: datetime) -> Line:
    """A birth: the line is up, and from now on this connection speaks for it."""
    since = line.since if line.state == "online" else at
    return Line("online", since, _later(line.seen, at), connection)


def told(line: Line, state: str, connection: str, at: datetime) -> Line:
    """The gateway's state or its will. Only the owner's word counts, or the late will of an earlier connection would
    kill the present one (Sparkplug's bdSeq lesson). Once the owner is gone, whoever speaks next owns the line, and its
    own will counts again. An operator's broker does not name connections; then every word counts."""
    seen = _later(line.seen, at)
    if connection and line.owner and connection != line.owner:
        return replace(line, seen=seen)
    since = line.since if line.state == state else at
    return Line(state, since, seen, "" if state == "offline" else connection or line.owner)


def device_state(line: Line, heard: Heard | None, offline_after_s: int, now: datetime) -> str:
    """The one decision. A dead line outweighs everything; then the clock, then repeated failures, then silence.

    `offline_after_s` is the profile's bound. A device silent for longer is quiet while its gateway still speaks; when
    the gateway has been silent as long, its will was lost, and both are offline.
    """
    bound = timedelta(seconds=offline_after_s)
    seen = heard.seen if heard is not None else None
    if line.state in ("offline", "asleep") and not (seen is not None and line.since is not None and seen > line.since):
        return line.state
    if heard is not None and heard.gone:
        return "offline"
    if heard is None or seen is None:
        return "never-seen"
    if line.state == "never-seen":
        return "offline"
    if now - _later(line.seen, seen) > bound:
        return "offline"
    if heard.clock_offset_s is not None and abs(heard.clock_offset_s) > CLOCK_WRONG_S:
        return "clock-wrong"
    if heard.failed_in_a_row >= FAULTY_AFTER:
        return "faulty"
    return "quiet" if now - seen > bound else "online"


def _later(known: datetime | None, at: datetime) -> datetime:
    return at if known is None else max(known, at)


def note(tx: Tx, said: Note) -> None:
    """Keep what a gateway published about itself. Births and states that make no sense are ignored: they carry no
    data.
    """
    body = _object(said.payload)
    if isinstance(said.topic, topics.TwinReported):
        _twin(tx, said.topic, body)
    if not isinstance(said.topic, topics.Birth | topics.State):
        return
    row = tx.session.get(GatewayPresence, said.topic.gateway)
    line = line_of(row)
    if isinstance(said.topic, topics.Birth):
        after = born(line, said.connection, said.received)
    else:
        state = _SAID.get(str(body.get("s")))
        after = replace(line, seen=_later(line.seen, said.received))
        if state is not None:
            after = told(line, state, said.connection, said.received)
    if row is None:
        row = GatewayPresence(gateway=said.topic.gateway, since=said.received, seen=said.received)
    row.state, row.owner = after.state, after.owner
    row.since, row.seen = after.since or said.received, after.seen or said.received
    if isinstance(said.topic, topics.Birth):
        row.boot, row.firmware = _text(body, "boot"), _text(body, "firmware")
    tx.session.add(row)
    if after.state != line.state:
        tx.emit(GatewayChanged, gateway=row.gateway, area=said.topic.area, state=after.state)
        tx.touch("operations.huts", "all")


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


def line_of(row: GatewayPresence | None) -> Line:
    return Line() if row is None else Line(row.state, row.since, row.seen, row.owner)


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

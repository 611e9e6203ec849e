"""Presence: is the box dead or just quiet? What gateways say of themselves, when each device was last heard, and the
state that follows, decided in one pure function.

    never-seen · online · quiet · faulty · clock-wrong · asleep · offline
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Column, select, update
from sqlmodel import Field, SQLModel, col

from devices import topics
from hub import bulk, registry
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


class Sighting(SQLModel, table=True):
    """A device as a gateway's last birth named it, registered or not: what stands there, by its own word."""

    __tablename__ = "presence_sighting"
    gateway: str = Field(primary_key=True, max_length=64)
    device: str = Field(primary_key=True, max_length=64)
    serial: str | None = Field(default=None, max_length=64, index=True)
    firmware: str | None = Field(default=None, max_length=64)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))


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
    notes(tx, (said,))


def notes(tx: Tx, said: Sequence[Note]) -> None:
    """Keep what gateways published about themselves, a batch at once: after a power cut ten thousand births come within
    a minute. Births and states that make no sense are ignored: they carry no data."""
    for each in said:
        if isinstance(each.topic, topics.TwinReported):
            _twin(tx, each.topic, _object(each.payload))
    about = [each for each in said if isinstance(each.topic, topics.Birth | topics.State)]
    rows = _locked(tx, {each.topic.gateway: each.received for each in about})
    changed: list[tuple[str, str, str]] = []
    for each in about:
        row = rows[each.topic.gateway]
        before, row = row.state, _after(row, each)
        rows[each.topic.gateway] = row
        if row.state != before:
            changed.append((row.gateway, each.topic.area, row.state))
    kept = [(*row[:2], bulk.moment(tx, row.since), bulk.moment(tx, row.seen), *row[4:]) for row in rows.values()]
    bulk.insert(tx, "presence_gateway", _Row._fields, kept, _KEPT)
    _sighted(tx, [each for each in said if isinstance(each.topic, topics.Birth)])
    for gateway, area, state in changed:
        tx.emit(GatewayChanged, gateway=gateway, area=area, state=state)
    if changed:
        tx.touch("operations.huts", "all")


_SEEN = ("gateway", "device", "serial", "firmware", "at")
_SEEN_AGAIN = "ON CONFLICT (gateway, device) DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in _SEEN)
DEVICES_NAMED_MAX = 200  # by one birth; a hut has a dozen, and a gateway that invents devices must not fill the disk


def _sighted(tx: Tx, births: Sequence[Note]) -> None:
    """What the births say of each device, and the firmware and serial the registry did not know."""
    seen: dict[tuple[str, str], tuple[Any, ...]] = {}
    for birth in births:
        named = _object(birth.payload).get("devices")
        for each in named[:DEVICES_NAMED_MAX] if isinstance(named, list) else ():
            if isinstance(each, dict) and isinstance(ident := each.get("id"), str) and topics.is_id(ident):
                where = (birth.topic.gateway, ident)
                at = bulk.moment(tx, birth.received)
                seen[where] = (*where, _text(each, "serial"), _text(each, "firmware"), at)
    if not seen:
        return
    bulk.insert(tx, "presence_sighting", _SEEN, [seen[where] for where in sorted(seen)], _SEEN_AGAIN)
    gateways = sorted({gateway for gateway, _device in seen})
    learned = False
    for page in bulk.pages(gateways):
        columns = (col(Device.id), col(Device.gateway), col(Device.serial), col(Device.firmware))
        for row in tx.session.execute(select(*columns).where(col(Device.gateway).in_(page)).order_by(col(Device.id))):
            *_ids, serial, firmware, _at = seen.get((row.gateway, row.id), (None, None, None, None, None))
            # A serial number is learned once: another one later is another device, and fleet's rules look at that.
            new = {"firmware": firmware} if firmware and firmware != row.firmware else {}
            new |= {"serial": serial} if serial and row.serial is None else {}
            if new:
                learned = bool(tx.change(update(Device).where(col(Device.id) == row.id).values(**new))) or learned
    if learned:
        registry.moved(tx)


class _Row(NamedTuple):
    """A row of presence_gateway, outside the ORM."""

    gateway: str
    state: str
    since: datetime
    seen: datetime
    boot: str | None
    firmware: str | None
    owner: str


_KEPT = "ON CONFLICT (gateway) DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in _Row._fields[1:])


def _after(row: _Row, said: Note) -> _Row:
    body = _object(said.payload)
    line = Line(row.state, row.since, row.seen, row.owner)
    if isinstance(said.topic, topics.Birth):
        line = born(line, said.connection, said.received)
        row = row._replace(boot=_text(body, "boot"), firmware=_text(body, "firmware"))
    elif (state := _SAID.get(str(body.get("s")))) is not None:
        line = told(line, state, said.connection, said.received)
    else:
        line = replace(line, seen=_later(line.seen, said.received))
    return row._replace(
        state=line.state, since=line.since or said.received, seen=line.seen or said.received, owner=line.owner
    )


def _locked(tx: Tx, wanted: Mapping[str, datetime]) -> dict[str, _Row]:
    """The rows of these gateways, held until the transaction ends; blank ones for gateways never heard before."""
    blanks = {name: _Row(name, "never-seen", at, at, None, None, "") for name, at in sorted(wanted.items())}
    found = _held(tx, list(blanks))
    missing = [blank for name, blank in blanks.items() if name not in found]
    if missing and tx.session.get_bind().dialect.name != "sqlite":
        # Two workers may hear a new gateway's first words at once: a row that is not there cannot be held.
        bulk.insert(tx, "presence_gateway", _Row._fields, missing, "ON CONFLICT (gateway) DO NOTHING")
        found = _held(tx, list(blanks))
    return {**blanks, **found}


def _held(tx: Tx, names: Sequence[str]) -> dict[str, _Row]:
    columns = [col(getattr(GatewayPresence, name)) for name in _Row._fields]
    found: dict[str, _Row] = {}
    for page in bulk.pages(names):
        rule = select(*columns).where(columns[0].in_(page)).order_by(columns[0]).with_for_update()
        found.update((row.gateway, _Row._make(row)) for row in tx.session.execute(rule))
    return found


_GONE = ("device", "gone", "failed_in_a_row")
_UNLESS_GONE = "ON CONFLICT (device) DO UPDATE SET gone = excluded.gone WHERE NOT presence_device.gone"


def _twin(tx: Tx, topic: topics.TwinReported, body: dict[str, object]) -> None:
    """The gateway's own word on one of its devices. What changes is written without a look at it before."""
    known = tx.session.get(Device, topic.device)
    if known is None or known.gateway != topic.gateway or body.get("s") not in ("online", "offline"):
        return
    if body["s"] == "offline":
        changed = bulk.insert(tx, "presence_device", _GONE, [(topic.device, True, 0)], _UNLESS_GONE)
    else:
        there = update(DevicePresence).where(col(DevicePresence.device) == topic.device, col(DevicePresence.gone))
        changed = tx.change(there.values(gone=False))
    if changed:
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


SEQ_MAX = 2**53  # beyond it JSON's readers no longer agree on a number


def outboxes(said: Sequence[Note]) -> dict[tuple[str, str], int]:
    """(gateway, boot) -> from which entry on its outbox still keeps, where a birth says so."""
    found: dict[tuple[str, str], int] = {}
    for each in said:
        if isinstance(each.topic, topics.Birth):
            body = _object(each.payload)
            boot, first = _text(body, "boot"), body.get("from")
            if boot and type(first) is int and 1 <= first <= SEQ_MAX:
                found[each.topic.gateway, boot] = first
    return found


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

"""Arrival: one uplink read to the end, pure: topic, registry, codec, quality, identity, effective time.

An uplink gives arrivals (will become readings), poisons (quarantine), or a note (birth, state, twin, done). No
session, no clock; what varies comes in as arguments, so a frame can be walked through in a test by hand.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from devices import pack, topics
from devices.base import DecodeError, Measurement
from devices.base import Value as DeviceValue
from devices.codecs import codec as codec_of
from devices.identity import EffectiveTime, anchor_of, effective_time
from devices.identity import key as key_of
from devices.profile import Profile
from devices.quality import judge
from hub.events import ReadValue
from hub.quarantine import Poison, decode_poison, hub_poison
from hub.uplink import Uplink

_BOOT = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Device(Protocol):
    """What must be known of a device to read its frames (registry.KnownDevice)."""

    @property
    def id(self) -> str: ...
    @property
    def gateway(self) -> str: ...
    @property
    def hut(self) -> str | None: ...
    @property
    def area(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def serial(self) -> str | None: ...
    @property
    def firmware(self) -> str | None: ...
    @property
    def calibration(self) -> str | None: ...
    @property
    def profile(self) -> Profile | None: ...


class Book(Protocol):
    """The registry, as far as reading a frame needs it."""

    def device(self, ident: str) -> Device | None: ...
    def gateway_area(self, gateway: str) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Arrival:
    """A measurement on its way to the disk: everything of the reading but who it belongs to."""

    id: str
    frame: str
    profile: str
    key: str
    weak_key: bool
    kind: str
    device: Device
    values: tuple[ReadValue, ...]
    orig: tuple[ReadValue, ...]
    quality: str
    reasons: tuple[str, ...]
    context: Mapping[str, str | int]
    t_device: str | None
    t_gateway: datetime | None
    t_received: datetime
    effective: EffectiveTime
    codec: str
    payload: bytes
    raw_sha256: str
    boot: str | None
    seq: int | None

    @property
    def hut(self) -> str | None:
        return self.device.hut


@dataclass(frozen=True, slots=True)
class Note:
    """What a gateway says about itself or its devices."""

    topic: topics.Birth | topics.State | topics.TwinReported | topics.Done
    payload: bytes
    received: datetime
    connection: str


@dataclass
class Opened:
    """One uplink, read. `entry` names the outbox entry it settles."""

    uplink: Uplink
    frame: str
    arrivals: list[Arrival] = field(default_factory=list)
    poisons: list[Poison] = field(default_factory=list)
    note: Note | None = None
    entry: tuple[str, str, int] | None = None  # gateway, boot, seq


@dataclass(frozen=True, slots=True)
class _Frame:
    """The innermost record with where it came from."""

    codec: str
    payload: bytes
    at: datetime | None
    anchor: str | None
    boot: str | None
    seq: int | None
    index: int


def open_uplink(uplink: Uplink, book: Book, new_id: Callable[[], str], unique: str) -> Opened:
    """Read one uplink. `unique` singles it out when nothing inside does (devices.md 7.2, case 4)."""
    opened = Opened(uplink, new_id())
    topic = topics.parse(uplink.topic)
    if isinstance(topic, topics.Birth | topics.State | topics.TwinReported | topics.Done):
        opened.note = Note(topic, uplink.payload, uplink.received, uplink.connection)
        return opened
    if not isinstance(topic, topics.UpRaw | topics.UpPack):
        _poison(opened, "", "", "", uplink.payload, hub_poison("unknown-topic"), unique)
        return opened
    try:
        frames = list(_frames(uplink, topic))
    except DecodeError as error:
        _poison(opened, topic.device, topic.area, "pack", uplink.payload, decode_poison(error), unique)
        return opened
    if frames and frames[0].boot is not None and frames[0].seq is not None:
        opened.entry = (topic.gateway, frames[0].boot, frames[0].seq)
    trouble = _registered(topic, book)
    for frame in frames:
        entry = unique if frame.seq is None else f"{topic.gateway}|{frame.boot}|{frame.seq}|{frame.index}"
        if trouble is not None:
            _poison(opened, topic.device, topic.area, frame.codec, frame.payload, trouble, entry)
            continue
        device = book.device(topic.device)
        assert device is not None  # noqa: S101 - _registered has looked
        assert device.profile is not None  # noqa: S101
        try:
            found = codec_of(frame.codec).decode(frame.payload, device.profile)
        except DecodeError as error:
            _poison(opened, topic.device, topic.area, frame.codec, frame.payload, decode_poison(error), entry)
            continue
        for place, measurement in enumerate(found):
            opened.arrivals.append(_arrival(opened, frame, place, measurement, device, device.profile, new_id(), entry))
    return opened


def _frames(uplink: Uplink, topic: topics.UpRaw | topics.UpPack) -> list[_Frame]:
    if isinstance(topic, topics.UpPack):
        envelope = pack.parse(uplink.payload)
        return [
            _Frame(record.codec, record.payload, record.at, record.anchor, envelope.boot, envelope.seq, index)
            for index, record in enumerate(envelope.records)
        ]
    boot, seq, at = _said(uplink.properties)
    return [_Frame(topic.codec, uplink.payload, at, None, boot, seq, 0)]


def _said(properties: Mapping[str, str]) -> tuple[str | None, int | None, datetime | None]:
    """boot, seq and at as an MQTT 5 client says them beside a raw payload: boot and seq together or not at all."""
    boot, seq, at = properties.get("boot"), properties.get("seq"), properties.get("at")
    taken = None
    if at is not None:
        try:
            taken = datetime.fromisoformat(at)
        except ValueError:
            raise DecodeError("bad-time", field="at") from None
        if taken.tzinfo is None:
            raise DecodeError("bad-time", field="at")
    if boot is None and seq is None:
        return None, None, taken
    if boot is None or not _BOOT.fullmatch(boot):
        raise DecodeError("bad-id", field="boot")
    if seq is None or not seq.isascii() or not seq.isdigit() or not 0 < int(seq[:20]) <= pack.SEQ_MAX:
        raise DecodeError("not-an-integer", field="seq", least=1, most=pack.SEQ_MAX)
    return boot, int(seq), taken


def _registered(topic: topics.UpRaw | topics.UpPack, book: Book) -> dict[str, Any] | None:
    """Why this gateway and device may not give readings, or None when they may."""
    area = book.gateway_area(topic.gateway)
    if area is None:
        return hub_poison("unknown-gateway", gateway=topic.gateway)
    if area != topic.area:
        return hub_poison("other-area")
    device = book.device(topic.device)
    if device is None:
        return hub_poison("unknown-device", device=topic.device)
    if device.gateway != topic.gateway:
        return hub_poison("other-gateway", device=topic.device)
    if device.state != "active":
        return hub_poison("not-active", device=topic.device, state=device.state)
    if device.profile is None:
        return hub_poison("no-profile", device=topic.device)
    return None


def _arrival(
    opened: Opened,
    frame: _Frame,
    place: int,
    measurement: Measurement,
    device: Device,
    profile: Profile,
    ident: str,
    entry: str,
) -> Arrival:
    quality, reasons = judge(measurement, profile)
    anchor = anchor_of(
        measurement,
        unique=f"{entry}|{place}",
        record_anchor=frame.anchor,
        gateway=device.gateway,
        boot=frame.boot,
        seq=frame.seq,
        index=frame.index,
    )
    received = opened.uplink.received
    effective = effective_time(
        measurement.at,
        profile.zone,
        frame.at,
        received,
        clock_not_set="clock_not_set" in measurement.quality_flags,
    )
    return Arrival(
        id=ident,
        frame=opened.frame,
        profile=profile.ref,
        key=key_of(device.id, measurement.kind, anchor.text),
        weak_key=anchor.weak,
        kind=measurement.kind,
        device=device,
        values=tuple(_value(each) for each in measurement.values),
        orig=tuple(_value(each) for each in measurement.orig),
        quality=quality,
        reasons=reasons,
        context=dict(measurement.context),
        t_device=measurement.at.isoformat() if measurement.at else None,
        t_gateway=frame.at,
        t_received=received,
        effective=effective,
        codec=f"{frame.codec}@{codec_of(frame.codec).VERSION}",
        payload=frame.payload,
        raw_sha256=hashlib.sha256(frame.payload).hexdigest(),
        boot=frame.boot,
        seq=frame.seq,
    )


def _value(said: DeviceValue) -> ReadValue:
    return ReadValue(said.code, said.value, said.unit, said.absent_reason)


def _poison(
    opened: Opened, device: str, area: str, codec: str, payload: bytes, why: dict[str, Any], entry: str
) -> None:
    opened.poisons.append(
        Poison(
            gateway=opened.uplink.account,
            device=device,
            area=area,
            codec=codec,
            payload=payload,
            entry=entry,
            frame=opened.frame,
            **why,
        )
    )

"""Arrival: one uplink read to the end, pure: topic, registry, codec, quality, identity, effective time.

An uplink gives arrivals (will become readings), poisons (quarantine), or a note (birth, state, twin, done). No
session, no clock; what varies comes in as arguments, so a frame can be walked through in a test by hand.

What is the same for every frame of one topic is looked up once and kept in a `Lane`. What travels is msgspec structs:
a frozen dataclass costs several times as much to make, and a thousand readings a second are made here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from devices import json_text, pack, topics
from devices.base import Codec, DecodeError, Measurement
from devices.codecs import codec as codec_of
from devices.codecs import scrub_of
from devices.codes import of_person
from devices.identity import EffectiveTime, anchor_of, effective_time
from devices.identity import key as key_of
from devices.merge import joined
from devices.profile import Profile
from devices.quality import judge
from hub.events import ReadValue
from hub.held import Origin
from hub.quarantine import Poison, decode_poison, hub_poison
from hub.uplink import Uplink

LANES_MAX = 20_000  # as many topics as devices may be connected; a gateway that invents topics must not fill the memory
SPEAKING = ("active", "provisioned")  # the first reading of a provisioned device makes it active (lifecycle.py)
HELD = "quarantined"  # the state of a device that is held back
CONTROL = "control"  # the kind of a reading of control solution: of the meter, of no person
UNCALIBRATED = "uncalibrated"
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
    @property
    def calibrated_until(self) -> datetime | None: ...
    @property
    def lot(self) -> str | None: ...


class Book(Protocol):
    """The registry, as far as reading a frame needs it."""

    def device(self, ident: str) -> Device | None: ...
    def gateway_area(self, gateway: str) -> str | None: ...


class Arrival(msgspec.Struct, frozen=True, gc=False):
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


class Note(msgspec.Struct, frozen=True):
    """What a gateway says about itself or its devices."""

    topic: topics.Birth | topics.State | topics.TwinReported | topics.Done
    payload: bytes
    received: datetime
    connection: str


class Opened(msgspec.Struct):
    """One uplink, read. `entry` names the outbox entry it settles."""

    uplink: Uplink
    frame: str
    arrivals: list[Arrival] = []
    poisons: list[Poison] = []
    note: Note | None = None
    entry: tuple[str, str, int] | None = None  # gateway, boot, seq


class Frame(msgspec.Struct, frozen=True):
    """The innermost record with where it came from."""

    codec: str
    payload: bytes
    at: datetime | None = None
    anchor: str | None = None
    boot: str | None = None
    seq: int | None = None
    index: int = 0


class Lane(msgspec.Struct, frozen=True):
    """What one topic means as long as the registry says the same of its gateway and its device."""

    topic: topics.Topic | None
    area: str | None  # the gateway's
    device: Device | None
    trouble: dict[str, Any] | None  # why its frames give no readings

    @classmethod
    def of(cls, text: str, book: Book) -> Lane:
        topic = topics.parse(text)
        if not isinstance(topic, topics.UpRaw | topics.UpPack):
            return cls(topic, None, None, None)
        device, area = book.device(topic.device), book.gateway_area(topic.gateway)
        return cls(topic, area, device, _trouble(topic, area, device))

    def stands(self, book: Book) -> bool:
        topic = self.topic
        return not isinstance(topic, topics.UpRaw | topics.UpPack) or (
            book.device(topic.device) is self.device and book.gateway_area(topic.gateway) == self.area
        )


class Lanes:
    """The lanes in use."""

    def __init__(self) -> None:
        self._by_topic: dict[str, Lane] = {}

    def lane(self, text: str, book: Book) -> Lane:
        lane = self._by_topic.get(text)
        if lane is None or not lane.stands(book):
            if len(self._by_topic) >= LANES_MAX:
                self._by_topic.clear()
            lane = self._by_topic[text] = Lane.of(text, book)
        return lane


def open_uplink(
    uplink: Uplink, book: Book, new_id: Callable[[], str], unique: str, lanes: Lanes | None = None
) -> Opened:
    """Read one uplink. `unique` singles it out when nothing inside does (devices.md 7.2, case 4)."""
    opened = Opened(uplink, new_id())
    lane = Lane.of(uplink.topic, book) if lanes is None else lanes.lane(uplink.topic, book)
    topic = lane.topic
    if isinstance(topic, topics.Birth | topics.State | topics.TwinReported | topics.Done):
        opened.note = Note(topic, uplink.payload, uplink.received, uplink.connection)
        return opened
    if not isinstance(topic, topics.UpRaw | topics.UpPack):
        poison(opened, "", "", "", uplink.payload, hub_poison("unknown-topic"), unique)
        return opened
    try:
        frames = _frames(uplink, topic)
    except DecodeError as error:
        poison(opened, topic.device, topic.area, "pack", uplink.payload, decode_poison(error), unique)
        return opened
    first = frames[0]
    if first.boot is not None and first.seq is not None:
        opened.entry = (topic.gateway, first.boot, first.seq)
    for frame in frames:
        entry = unique if frame.seq is None else f"{topic.gateway}|{frame.boot}|{frame.seq}|{frame.index}"
        _read(opened, frame, topic.device, topic.area, lane.device, lane.trouble, new_id, entry)
    return opened


def read_record(opened: Opened, frame: Frame, device: Device, new_id: Callable[[], str], entry: str) -> None:
    """Read one record of a device that was found by its address (hub/foreign.py), not by a topic."""
    _read(opened, frame, device.id, device.area, device, _idle(device), new_id, entry)


def _read(
    opened: Opened,
    frame: Frame,
    name: str,
    area: str,
    device: Device | None,
    trouble: dict[str, Any] | None,
    new_id: Callable[[], str],
    entry: str,
) -> None:
    kept = _scrubbed(frame, device)
    if trouble is not None or device is None:
        why = trouble or hub_poison("unknown-device", device=name)
        held = device is not None and device.state == HELD and why["reason"] == "not-active"
        if held and device is not None and _is_control(frame, device):
            return _decode(opened, frame, kept, device, new_id, entry)  # the check that may let it back
        poison(opened, name, area, frame.codec, kept.payload, why, entry, _origin(opened, frame) if held else None)
        return
    try:
        _decode(opened, frame, kept, device, new_id, entry)
    except DecodeError as error:
        poison(opened, name, area, frame.codec, kept.payload, decode_poison(error), entry)


def _decode(opened: Opened, frame: Frame, kept: Frame, device: Device, new_id: Callable[[], str], entry: str) -> None:
    """What is read is the frame as it came, so that a refusal names its true reason; what is kept names nobody."""
    codec, profile = codec_of(frame.codec), device.profile
    assert profile is not None  # noqa: S101 - or there would be trouble
    measurements = codec.decode(frame.payload, profile)
    if frame.codec not in profile.codec.values() and any(of_person(each.kind) for each in measurements):
        # Some scales send a layout of their own under a standard number: the profile chooses, not the number.
        raise DecodeError("other-codec", profile=profile.id, codec=frame.codec)
    for place, measurement in enumerate(measurements):
        mark = entry if place == 0 else f"{entry}|{place}"
        opened.arrivals.append(_arrival(opened, kept, codec, measurement, device, profile, new_id(), mark, place))


def _scrubbed(frame: Frame, device: Device | None) -> Frame:
    """The frame without what names a person: some vendors put name and ID number beside the value."""
    scrub = scrub_of(frame.codec)
    if scrub is None:
        return frame
    known = device.profile if device is not None else None
    payload = (
        scrub(frame.payload, known) if known is not None else json_text.kept_only(frame.payload, lambda _path: False)
    )
    return msgspec.structs.replace(frame, payload=payload)


def _frames(uplink: Uplink, topic: topics.UpRaw | topics.UpPack) -> list[Frame]:
    if isinstance(topic, topics.UpPack):
        envelope = pack.parse(uplink.payload)
        return [
            Frame(record.codec, record.payload, record.at, record.anchor, envelope.boot, envelope.seq, index)
            for index, record in joined(envelope.records)
        ]
    boot, seq, at = _said(uplink.properties) if uplink.properties else (None, None, None)
    return [Frame(topic.codec, uplink.payload, at, None, boot, seq, 0)]


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


def _trouble(topic: topics.UpRaw | topics.UpPack, area: str | None, device: Device | None) -> dict[str, Any] | None:
    """Why this gateway and device may not give readings, or None when they may."""
    if area is None:
        return hub_poison("unknown-gateway", gateway=topic.gateway)
    if area != topic.area:
        return hub_poison("other-area")
    if device is None:
        return hub_poison("unknown-device", device=topic.device)
    if device.gateway != topic.gateway:
        return hub_poison("other-gateway", device=topic.device)
    return _idle(device)


def _idle(device: Device) -> dict[str, Any] | None:
    if device.state not in SPEAKING:
        return hub_poison("not-active", device=device.id, state=device.state)
    return hub_poison("no-profile", device=device.id) if device.profile is None else None


def _arrival(
    opened: Opened,
    frame: Frame,
    codec: Codec,
    measurement: Measurement,
    device: Device,
    profile: Profile,
    ident: str,
    unique: str,
    part: int,
) -> Arrival:
    quality, reasons = judge(measurement, profile)
    anchor = anchor_of(
        measurement,
        unique=unique,
        record_anchor=frame.anchor,
        gateway=device.gateway,
        boot=frame.boot,
        seq=frame.seq,
        index=frame.index,
        part=part,
    )
    received, at = opened.uplink.received, measurement.at
    not_set = "clock_not_set" in measurement.quality_flags
    taken = frame.at
    if ago := measurement.context.get("ago_s"):  # a sensor without a clock says how long ago it was
        taken = (taken or received) - timedelta(seconds=int(ago))
    effective = effective_time(at, profile.zone, taken, received, clock_not_set=not_set)
    if device.calibrated_until is not None and effective.at >= device.calibrated_until:
        # Kept and shown, never classified: a number nobody vouches for any more.
        quality, reasons = "suspect" if quality == "ok" else quality, (*reasons, UNCALIBRATED)
    return Arrival(
        ident,
        opened.frame,
        profile.ref,
        key_of(device.id, measurement.kind, anchor.text),
        anchor.weak,
        measurement.kind,
        device,
        measurement.values,
        measurement.orig,
        quality,
        reasons,
        measurement.context if device.lot is None else {**measurement.context, "lot": device.lot},
        None if at is None else at.isoformat(),
        taken,
        received,
        effective,
        f"{frame.codec}@{codec.VERSION}",
        frame.payload,
        hashlib.sha256(frame.payload).hexdigest(),
        frame.boot,
        frame.seq,
    )


def _is_control(frame: Frame, device: Device) -> bool:
    """Whether a device that is held back was given control solution: a measurement of the device, of nobody else."""
    try:
        measured = codec_of(frame.codec).decode(frame.payload, device.profile) if device.profile is not None else []
    except DecodeError:
        return False
    return bool(measured) and all(each.kind == CONTROL for each in measured)


def _origin(opened: Opened, frame: Frame) -> Origin:
    return Origin(opened.uplink.received, frame.at, frame.anchor, frame.boot, frame.seq, frame.index)


def poison(
    opened: Opened,
    device: str,
    area: str,
    codec: str,
    payload: bytes,
    why: dict[str, Any],
    entry: str,
    origin: Origin | None = None,
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
            origin=origin,
            **why,
        )
    )

"""Frames: what every byte of a frame was, for whoever asks how a reading came to be.

Who may see the reading's values sees what the bytes say. Who may only see that there was a reading (an operator) sees
where each field lies, flags, times, and statuses of the device alone; bytes that may tell something of a person are
covered (an irregular pulse and a meter's "Hi" are statuses too), also in quarantine, where nobody knows whose they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlmodel import col

from devices.base import DecodeError
from devices.codecs import codec as codec_of
from devices.fields import Field, unread
from devices.profile import Profile, all_profiles
from hub import quarantine, readings, retention
from hub.access import Subject
from hub.db import Read
from hub.errors import NotFound
from hub.i18n import _, pick
from hub.quarantine import QuarantineRow
from hub.readings import RawFrame, Reading, from_ms

COVER = "··"
BYTES_SHOWN_MAX = 4_096  # as many as quarantine keeps


@dataclass(frozen=True, slots=True)
class Part:
    """One field of the frame. `cells` are its bytes as hexadecimal pairs, or covers of the same number."""

    number: int
    start: int
    end: int
    name: str
    title: str
    clause: str
    role: str
    cells: tuple[str, ...]
    text: str | None  # None: covered


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame as somebody may see it."""

    id: str  # of the reading, or of the row in quarantine
    device: str
    at: datetime
    codec: str
    profile: str
    sha256: str  # only with the values: so few bytes are soon guessed from their hash
    quality: str
    reasons: tuple[str, ...]
    sentence: str  # why it was set aside, or nothing
    length: int
    parts: tuple[Part, ...]
    open: bool  # whether the bytes that tell of a person are shown
    kept: bool  # the bytes are still there
    gone: datetime | None = None  # since when they are not, by age; None: they are there, or were dropped before


def of_reading(read: Read, subject: Subject, ident: str, keep_days: int = retention.RAW_DAYS) -> Frame:
    """The frame behind a reading, as far as this subject may see the reading; for anybody else there is none."""
    rule, with_values = readings.visible_to(subject)
    row = read.session.execute(select(Reading).where(col(Reading.id) == ident, rule)).scalar_one_or_none()
    if row is None:
        raise NotFound(_("There is no such reading"))
    raw = read.session.get(RawFrame, ident)
    payload = readings.open_raw(read.seal, raw.payload) if raw is not None else b""
    profile = all_profiles().get(row.profile.partition("@")[0])
    return Frame(
        id=row.id,
        device=row.device,
        at=from_ms(row.t_received_ms),
        codec=row.codec,
        profile=row.profile,
        sha256=row.raw_sha256 if with_values else "",
        quality=row.quality,
        reasons=readings.reasons_of(row.reasons, with_values=with_values),
        sentence="",
        length=len(payload),
        parts=parts(payload, row.codec.partition("@")[0], profile, open_=with_values),
        open=with_values,
        kept=raw is not None,
        gone=None if raw is not None else retention.gone_since(from_ms(row.t_received_ms), keep_days, read.now()),
    )


def set_aside(read: Read, held: ColumnElement[bool], ident: str, profile: str | None) -> Frame:
    """A frame in quarantine, covered for everybody: it may hold a value, and nobody knows whose."""
    found = select(QuarantineRow).where(col(QuarantineRow.id) == ident, held)
    row = read.session.execute(found).scalar_one_or_none()
    if row is None:
        raise NotFound(_("There is no such frame in quarantine"))
    payload = read.seal.read(row.payload, "quarantine.payload")
    known = all_profiles().get(profile or "") or all_profiles().get(f"generic.{row.codec}")
    return Frame(
        id=row.id,
        device=row.device or row.gateway,
        at=row.at,
        codec=row.codec,
        profile=known.ref if known else "",
        sha256="",
        quality="",
        reasons=(row.reason,),
        sentence=quarantine.sentence(row),
        length=row.payload_bytes,
        parts=parts(payload, row.codec, known, open_=False),
        open=False,
        kept=True,
    )


def parts(payload: bytes, codec: str, profile: Profile | None, *, open_: bool) -> tuple[Part, ...]:
    """Every byte in exactly one part. What no codec of ours can place is one part, `unread`."""
    shown = payload[:BYTES_SHOWN_MAX]
    return tuple(_part(number, each, shown, open_) for number, each in enumerate(_fields(shown, codec, profile), 1))


def _fields(payload: bytes, codec: str, profile: Profile | None) -> list[Field]:
    if not payload:
        return []
    try:
        known = codec_of(codec)
    except DecodeError:
        return [unread(0, len(payload))]
    return known.fields(payload, profile) if profile is not None else [unread(0, len(payload))]


def _part(number: int, field: Field, payload: bytes, open_: bool) -> Part:
    hidden = field.private and not open_
    said = payload[field.start : field.end]
    return Part(
        number=number,
        start=field.start,
        end=field.end,
        name=field.name,
        title=pick(field.title.zh, field.title.en),
        clause=field.clause,
        role=field.role,
        cells=tuple(COVER for _byte in said) if hidden else tuple(f"{byte:02x}" for byte in said),
        text=None if hidden else pick(field.text.zh, field.text.en),
    )

"""What a resident wants of the hub's messages: none of a class on a channel, none at night, or one a day (每日一览).

Urgent notices and emergencies ask nobody: neither a switch nor the night holds them. Quiet hours (免打扰) are a
`not_before` on the outbox row, so there is no second scheduler; delivery.py asks once more before a row leaves.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Column, delete, select
from sqlmodel import Field, SQLModel, col

from hub import directory
from hub.db import Read, Tx
from hub.directory import Area, Resident
from hub.errors import Refused
from hub.i18n import _, pick
from hub.types import UtcTime

DAY_MINUTES = 24 * 60
UNASKED = ("urgent", "emergency")  # priorities that go to everybody and at once
BASIS = "app"  # how consent was given here: by the person's own hand
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


class Preference(SQLModel, table=True):
    """One row for whoever chose anything; without it the community's curfew holds and nothing is gathered."""

    __tablename__ = "preference"
    resident: str = Field(primary_key=True, foreign_key="resident.id", max_length=64)
    own_quiet: bool = Field(default=False)  # False: the community's curfew
    quiet_start: int = Field(default=0)  # minutes after midnight; equal to the end: none
    quiet_end: int = Field(default=0)
    zone: str = Field(default="", max_length=64)  # empty: the area's
    digest_at: int | None = Field(default=None)  # minutes after midnight; None: each message by itself
    digest_channel: str = Field(default="", max_length=16)
    lang: str = Field(default="", max_length=8)  # of what is written to them; empty: Chinese


class OptOut(SQLModel, table=True):
    """One class of messages that one resident does not want on one channel."""

    __tablename__ = "opt_out"
    resident: str = Field(primary_key=True, foreign_key="resident.id", max_length=64)
    channel: str = Field(primary_key=True, max_length=16)
    topic: str = Field(primary_key=True, max_length=16)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    version: str = Field(max_length=16)  # of the wording that was on the page


@dataclass(frozen=True, slots=True)
class Quiet:
    """Minutes after midnight, the end not included; an interval that passes midnight ends before it starts."""

    start: int
    end: int

    def __contains__(self, minute: int) -> bool:
        if self.start <= self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end

    def __str__(self) -> str:
        return f"{clock_time(self.start)}-{clock_time(self.end)}"


@dataclass(frozen=True, slots=True)
class Class:
    id: str
    zh: str
    en: str
    kinds: tuple[str, ...]

    @property
    def name(self) -> str:
        return pick(self.zh, self.en)


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds for one resident now."""

    quiet: Quiet | None
    zone: str
    digest_at: int | None = None
    digest_channel: str = ""
    refused: frozenset[tuple[str, str]] = frozenset()  # (channel, class)
    lang: str = "zh"

    def sendable_at(self, now: datetime) -> datetime:
        return sendable_at(now, self.quiet, self.zone)


def sendable_at(now: datetime, quiet: Quiet | None, zone: str) -> datetime:
    """The first moment from now on that is outside the quiet hours on the clocks of that zone."""
    if quiet is None or quiet.start == quiet.end:
        return now
    place, at = ZoneInfo(zone), now
    while minute_of(local := at.astimezone(place)) in quiet:
        # Twice at most: a clock set forward can jump over the end, into the next quiet time.
        day = local.date() if minute_of(local) < quiet.end else local.date() + timedelta(days=1)
        end = datetime.combine(day, time(*divmod(quiet.end, 60)), tzinfo=place)
        # An hour that comes twice is quiet until its second end.
        at = max(end.astimezone(UTC), end.replace(fold=1).astimezone(UTC), at + timedelta(minutes=1))
    return at


def next_at(now: datetime, minute: int, zone: str) -> datetime:
    """When the clocks of that zone next show this minute, later than now."""
    place = ZoneInfo(zone)
    day = now.astimezone(place).date()
    while True:
        at = datetime.combine(day, time(*divmod(minute, 60)), tzinfo=place).astimezone(UTC)
        if at > now:
            return at
        day += timedelta(days=1)


def minute_of(local: datetime) -> int:
    return local.hour * 60 + local.minute


def clock_time(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def minute(typed: str) -> int:
    found = _TIME.fullmatch(typed.strip())
    if found is None:
        raise Refused(_("Write the time as hour:minute, for example 21:30"))
    return int(found[1]) * 60 + int(found[2])


def curfew(config: Mapping[str, str]) -> Quiet | None:
    """The community's own quiet hours (`quiet_hours`, as 21:30-07:30), for whoever has none; empty: none."""
    start, dash, end = config.get("quiet.hours", "").partition("-")
    return Quiet(minute(start), minute(end)) if dash else None


@cache
def classes() -> tuple[Class, ...]:
    rows = _data()["class"]
    return tuple(Class(ident, row["zh"], row["en"], tuple(row["kinds"])) for ident, row in rows.items())


@cache
def version() -> str:
    """Of the wording that residents agree to."""
    return str(_data()["version"])


@cache
def _data() -> Mapping[str, Any]:
    return tomllib.loads(Path(__file__).with_name("preferences.toml").read_text(encoding="utf-8"))


def asks(priority: str, kind: str) -> bool:
    """Whether a message of this priority and kind heeds switches and quiet hours at all."""
    return priority not in UNASKED and kind not in _data()["always"]


def class_of(kind: str) -> str:
    """A kind nobody has sorted yet is community news."""
    return _sorted().get(kind, classes()[0].id)


@cache
def _sorted() -> Mapping[str, str]:
    return {kind: each.id for each in classes() for kind in each.kinds}


def standings(read: Read, residents: Collection[str], quiet: Quiet | None = None) -> dict[str, Standing]:
    """For each of them, in three questions; `quiet` is the community's curfew."""
    if not residents:
        return {}
    zones = read.session.execute(
        select(col(Resident.id), col(Area.tz))
        .join(Area, col(Area.code) == col(Resident.area))
        .where(col(Resident.id).in_(residents))
    ).all()
    rows = read.session.execute(select(Preference).where(col(Preference.resident).in_(residents))).scalars()
    chosen = {row.resident: row for row in rows}
    refused: dict[str, set[tuple[str, str]]] = {}
    out = select(col(OptOut.resident), col(OptOut.channel), col(OptOut.topic))
    for who, channel, topic in read.session.execute(out.where(col(OptOut.resident).in_(residents))):
        refused.setdefault(who, set()).add((channel, topic))
    return {who: _standing(chosen.get(who), zone, quiet, frozenset(refused.get(who, ()))) for who, zone in zones}


def of(read: Read, resident: str) -> Preference:
    """What this resident has chosen; a fresh row, not in the store, for whoever has not."""
    return read.session.get(Preference, resident, populate_existing=True) or Preference(resident=resident)


def english(read: Read, residents: Collection[str]) -> set[str]:
    """Who of these is written to in English, where there is English."""
    theirs = (col(Preference.resident).in_(residents), col(Preference.lang) == "en")
    return set(read.session.execute(select(col(Preference.resident)).where(*theirs)).scalars())


def refused(read: Read, resident: str) -> set[tuple[str, str]]:
    rows = read.session.execute(select(col(OptOut.channel), col(OptOut.topic)).where(col(OptOut.resident) == resident))
    return {(channel, topic) for channel, topic in rows}


def refuse(tx: Tx, resident: str, channel: str, topics: Collection[str]) -> None:
    """From now on nothing of these classes on this channel; all others come. Each change is consent, with its time."""
    unknown = set(topics) - {each.id for each in classes()}
    if unknown:
        raise Refused(_("There is no such class of messages"))
    before = {topic for at, topic in refused(tx, resident) if at == channel}
    for topic in sorted(set(topics) - before):
        tx.session.add(OptOut(resident=resident, channel=channel, topic=topic, at=tx.now(), version=version()))
        directory.withdraw_consent(tx, resident, purpose(channel, topic))
    for topic in sorted(before - set(topics)):
        gone = (col(OptOut.resident) == resident, col(OptOut.channel) == channel, col(OptOut.topic) == topic)
        tx.session.execute(delete(OptOut).where(*gone))
        directory.give_consent(tx, resident, purpose(channel, topic), version(), BASIS)
    tx.session.flush()


def joined(tx: Tx, resident: str, channel: str) -> None:
    """They asked for this channel, in these words, now."""
    directory.withdraw_consent(tx, resident, purpose(channel))
    directory.give_consent(tx, resident, purpose(channel), version(), BASIS)


def left(tx: Tx, resident: str, channel: str) -> None:
    directory.withdraw_consent(tx, resident, purpose(channel))


def purpose(channel: str, topic: str = "all") -> str:
    return f"send.{channel}.{topic}"


def _standing(row: Preference | None, zone: str, quiet: Quiet | None, refused: frozenset[tuple[str, str]]) -> Standing:
    if row is None:
        return Standing(quiet, zone, refused=refused)
    own = Quiet(row.quiet_start, row.quiet_end) if row.own_quiet else quiet
    return Standing(own, row.zone or zone, row.digest_at, row.digest_channel, refused, row.lang or "zh")

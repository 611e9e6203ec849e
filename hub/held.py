"""Held frames: what a device said while it was held back, kept whole until somebody decides about it.

Quarantine keeps the reason and the first bytes; here stands what makes a frame a reading later: all of its bytes and
how it came. Taken in once (hub/civic/fleet/takein.py) it gives the very reading it would have given then, under the
same key, so that a device which tells its memory again adds nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from sqlalchemy import BigInteger, Column, Index, LargeBinary, delete, func, select, update
from sqlmodel import Field, SQLModel, col

from hub.db import Read, Tx
from hub.types import UtcTime

FRAMES_MAX = 1_000  # of one device: a month of a busy cuff; later ones stay in quarantine only
KEPT = timedelta(days=30)  # older ones would be history that nobody is told of (devices.md 7.3)
State: TypeAlias = Literal["kept", "due", "stored", "twice", "refused", "left"]
WAITING = ("kept", "due")
_PAYLOAD = "held_frame.payload"


class HeldFrame(SQLModel, table=True):
    __tablename__ = "held_frame"
    __table_args__ = (Index("ix_held_frame_state_device", "state", "device"),)
    quarantine: str = Field(primary_key=True, max_length=36)  # its row there, where the reason stands
    device: str = Field(max_length=64)
    gateway: str = Field(max_length=64)
    codec: str = Field(max_length=64)
    payload: bytes = Field(sa_column=Column(LargeBinary, nullable=False))  # sealed; empty once it is decided about
    received: datetime = Field(sa_column=Column(UtcTime, nullable=False, index=True))
    at: datetime | None = Field(default=None, sa_column=Column(UtcTime))  # the gateway's
    anchor: str | None = Field(default=None, max_length=128)
    boot: str | None = Field(default=None, max_length=64)
    seq: int | None = Field(default=None, sa_column=Column(BigInteger))
    place: int = Field(default=0)  # in its envelope
    entry: str = Field(max_length=256)  # what singles it out when nothing inside does
    frame: str = Field(max_length=36)
    state: str = Field(default="kept", max_length=8)
    reason: str = Field(default="", max_length=32)  # why it was refused after all


@dataclass(frozen=True, slots=True)
class Origin:
    """How a frame came, beside its bytes."""

    received: datetime
    at: datetime | None
    anchor: str | None
    boot: str | None
    seq: int | None
    place: int


@dataclass(frozen=True, slots=True)
class Kept:
    """A frame to keep: `quarantine` is its row there."""

    quarantine: str
    device: str
    gateway: str
    codec: str
    payload: bytes
    entry: str
    frame: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Standing:
    """How many frames of a device are where."""

    waiting: int
    due: int
    stored: int
    twice: int
    refused: Mapping[str, int]  # by reason

    @property
    def decided(self) -> int:
        return self.stored + self.twice + sum(self.refused.values())


def keep(tx: Tx, frames: Sequence[Kept]) -> None:
    """Keep these whole, as far as there is room for their devices."""
    devices = {frame.device for frame in frames}
    counted = (
        select(col(HeldFrame.device), func.count())
        .where(col(HeldFrame.device).in_(devices), col(HeldFrame.state).in_(WAITING))
        .group_by(col(HeldFrame.device))
    )
    there = Counter({device: count for device, count in tx.session.execute(counted)})
    for frame in frames:
        there[frame.device] += 1
        if there[frame.device] > FRAMES_MAX:
            continue
        origin = frame.origin
        tx.session.add(
            HeldFrame(
                quarantine=frame.quarantine,
                device=frame.device,
                gateway=frame.gateway,
                codec=frame.codec,
                payload=tx.seal.close(frame.payload, _PAYLOAD),
                received=origin.received,
                at=origin.at,
                anchor=origin.anchor,
                boot=origin.boot,
                seq=origin.seq,
                place=origin.place,
                entry=frame.entry,
                frame=frame.frame,
            )
        )
    tx.session.flush()


def opened(read: Read, row: HeldFrame) -> bytes:
    return read.seal.read(row.payload, _PAYLOAD)


def decide(tx: Tx, device: str, *, take: bool) -> int:
    """Take a device's frames in as soon as it is in use again, or leave them where they are. Pressed twice: once."""
    mine = update(HeldFrame).where(col(HeldFrame.device) == device, col(HeldFrame.state) == "kept")
    return tx.change(mine.values(state="due") if take else mine.values(state="left", payload=b""))


def due(read: Read) -> list[str]:
    """Devices with frames that wait to be taken in."""
    return sorted(read.session.execute(_DUE).scalars())


_DUE = select(col(HeldFrame.device)).where(col(HeldFrame.state) == "due").distinct()


def next_due(read: Read, device: str, limit: int) -> list[str]:
    """The oldest of them, in the order in which they came."""
    rule = select(col(HeldFrame.quarantine)).where(col(HeldFrame.device) == device, col(HeldFrame.state) == "due")
    rule = rule.order_by(col(HeldFrame.received), col(HeldFrame.quarantine)).limit(limit)
    return list(read.session.execute(rule).scalars())


def rows(read: Read, idents: Collection[str]) -> list[HeldFrame]:
    """Those of them nobody has decided about yet, in the order in which they came."""
    rule = select(HeldFrame).where(col(HeldFrame.quarantine).in_(idents), col(HeldFrame.state) == "due")
    return list(read.session.execute(rule.order_by(col(HeldFrame.received), col(HeldFrame.quarantine))).scalars())


def settle(tx: Tx, ident: str, state: State, reason: str = "") -> None:
    """What became of it; its bytes are where they belong now."""
    mine = update(HeldFrame).where(col(HeldFrame.quarantine) == ident, col(HeldFrame.state) == "due")
    tx.change(mine.values(state=state, reason=reason, payload=b""))


def standing(read: Read, device: str) -> Standing:
    rule = (
        select(col(HeldFrame.state), col(HeldFrame.reason), func.count())
        .where(col(HeldFrame.device) == device)
        .group_by(col(HeldFrame.state), col(HeldFrame.reason))
    )
    found: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for state, reason, count in read.session.execute(rule):
        if state == "refused":
            refused[reason] += count
        else:
            found[state] += count
    return Standing(found["kept"], found["due"], found["stored"], found["twice"], dict(sorted(refused.items())))


def forget(tx: Tx, limit: int) -> int:
    """Delete what is too old to be of use, at most so many rows at once."""
    old = select(col(HeldFrame.quarantine)).where(col(HeldFrame.received) < tx.now() - KEPT).limit(limit)
    return tx.change(delete(HeldFrame).where(col(HeldFrame.quarantine).in_(old)))

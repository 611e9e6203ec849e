"""One channel's pace: a bucket in which nothing stands before what is urgent, and a breaker for a dead provider.

Both live with the worker; what a person must know of them stands in the store, so that every process can show it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, select
from sqlmodel import Field, SQLModel, col

from channels.base import Outcome, Retry
from hub.db import Read, Tx
from hub.quota import Limits
from hub.types import UtcTime

BREAKER_BATCHES = 3  # that many batches without one success: the provider is down, not the message
BREAKER_FIRST_S, BREAKER_LONGEST_S = 10.0, 300.0
EXPRESS_LONGEST_S = 10.0  # an emergency knocks again after this, however long the others stay away
OK, PAUSED, OFF = "ok", "paused", "off"


class ChannelState(SQLModel, table=True):
    """How a channel does, as its worker last said: with it the desk and the operator's board can be true."""

    __tablename__ = "channel_state"
    channel: str = Field(primary_key=True, max_length=16)
    state: str = Field(max_length=8)  # ok | paused | off
    why: str = Field(default="", max_length=200)
    failures: int = Field(default=0)
    since: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    until: datetime | None = Field(default=None, sa_column=Column(UtcTime))  # when a paused one is tried again
    messages_max: int | None = Field(default=None)
    fen_max: int | None = Field(default=None)
    reserve_percent: int = Field(default=0)
    menu: str = Field(default="", max_length=200)  # why its menu does not stand; empty where it does, or has none

    @property
    def limits(self) -> Limits:
        return Limits(self.messages_max, self.fen_max, self.reserve_percent)


@dataclass
class Breaker:
    """Opens for longer each time until something succeeds; half-open, it lets one message try."""

    failures: int = 0
    until: float = 0.0
    failed_at: float = 0.0
    why: str = ""

    @property
    def open(self) -> bool:
        return self.failures >= BREAKER_BATCHES

    def judge(self, outcomes: Sequence[Outcome], monotonic: float) -> None:
        failed = [each for each in outcomes if isinstance(each, Retry)]
        if not outcomes or len(failed) < len(outcomes):
            self.failures, self.until = 0, 0.0
            return
        self.failures += 1
        self.failed_at, self.why = monotonic, failed[-1].why
        if self.open:
            pause_s = min(BREAKER_LONGEST_S, BREAKER_FIRST_S * 2 ** (self.failures - BREAKER_BATCHES))
            self.until = monotonic + pause_s

    def waits(self, monotonic: float, *, express: bool = False) -> bool:
        return self.left_s(monotonic, express=express) > 0

    def left_s(self, monotonic: float, *, express: bool = False) -> float:
        until = min(self.until, self.failed_at + EXPRESS_LONGEST_S) if express else self.until
        return max(0.0, until - monotonic)


@dataclass
class Bucket:
    """Tokens that come back at the provider's pace, in two counts.

    What is urgent asks only its own count, so that nothing which can wait ever stands before it; what it takes is
    charged to the others too, who wait the longer: over time all keep to the pace together.
    """

    per_s: float | None
    burst: int
    _express: float = 0.0
    _ordinary: float = 0.0
    _at: float | None = None

    def room(self, monotonic: float, *, express: bool) -> int:
        """How many messages may leave now."""
        if self.per_s is None:
            return self.burst
        back = float("inf") if self._at is None else max(0.0, monotonic - self._at) * self.per_s
        self._at = monotonic
        self._express = min(float(self.burst), self._express + back)
        self._ordinary = min(float(self.burst), self._ordinary + back)
        return max(0, int(self._left(express) + 1e-6))

    def take(self, count: int, *, express: bool) -> None:
        self._ordinary -= count
        if express:
            self._express -= count

    def wait_s(self, *, express: bool) -> float:
        """Until there is room for one."""
        return 0.0 if self.per_s is None else max(0.0, (1 - self._left(express)) / self.per_s)

    def _left(self, express: bool) -> float:
        return self._express if express else self._ordinary


def states(read: Read) -> list[ChannelState]:
    rows = read.session.execute(select(ChannelState).order_by(col(ChannelState.channel)))
    return list(rows.scalars())


def begin(tx: Tx, channel: str, limits: Limits) -> None:
    """A worker took up its work: what an earlier one met is over."""
    tx.session.merge(
        ChannelState(
            channel=channel, state=OK, since=tx.now(), messages_max=limits.messages, fen_max=limits.fen,
            reserve_percent=limits.reserve_percent,
        )
    )  # fmt: skip
    tx.session.flush()
    _touch(tx)


def switched_off(tx: Tx, channel: str) -> None:
    """This hub has no settings for it any more."""
    row = tx.session.get(ChannelState, channel)
    if row is not None and row.state != OFF:
        row.state, row.why, row.since, row.until = OFF, "", tx.now(), None
        tx.session.add(row)
        _touch(tx)


def note(tx: Tx, channel: str, breaker: Breaker, monotonic: float) -> None:
    """Write down how the provider does, where that has changed."""
    row = tx.session.get(ChannelState, channel)
    if row is None:
        return
    before = (row.state, row.failures)
    if breaker.open:
        row.until = tx.now() + timedelta(seconds=breaker.left_s(monotonic))
        row.since = tx.now() if row.state != PAUSED else row.since
        row.state, row.failures, row.why = PAUSED, breaker.failures, breaker.why[:200]
    elif row.state == PAUSED:
        row.state, row.failures, row.why, row.since, row.until = OK, 0, "", tx.now(), None
    if (row.state, row.failures) != before:
        tx.session.add(row)
        _touch(tx)


def menu_said(tx: Tx, channel: str, why: str) -> None:
    """What became of the channel's menu; nothing: it stands."""
    row = tx.session.get(ChannelState, channel)
    if row is not None and row.menu != why[:200]:
        row.menu = why[:200]
        tx.session.add(row)
        _touch(tx)


def _touch(tx: Tx) -> None:
    tx.touch("notices.sending", "all")

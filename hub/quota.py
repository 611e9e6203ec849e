"""What a day allows on a channel (配额): messages and money; a part is kept for urgent and emergency messages.

A delivery is counted once, in the transaction that claims it, and given back when the provider surely did not take it.
A try without an answer may have left and stays counted; tried again, it goes under the same key and is not counted
twice. The day is the providers' own.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Date, bindparam, delete, select, update
from sqlmodel import Field, SQLModel, col

from channels.base import AddressGone, Dead, Outcome, Retry
from hub.db import Read, Tx
from hub.upsert import insert_for

URGENT_RANK = 3  # from here on the reserve may be used
RESERVE_PERCENT = 30
RENEWS_IN = ZoneInfo("Asia/Shanghai")  # WeChat and the SMS providers begin their day there
KEPT_DAYS = 400  # a year to compare with the last one


class ChannelQuota(SQLModel, table=True):
    __tablename__ = "channel_quota"
    channel: str = Field(primary_key=True, max_length=16)
    day: date = Field(primary_key=True, sa_type=Date)
    messages: int
    fen: int


@dataclass(frozen=True, slots=True)
class Limits:
    """None: no limit of that kind."""

    messages: int | None = None
    fen: int | None = None
    reserve_percent: int = RESERVE_PERCENT

    @property
    def any(self) -> bool:
        return self.messages is not None or self.fen is not None

    def kept_messages(self) -> int:
        return _part(self.messages, self.reserve_percent)

    def kept_fen(self) -> int:
        return _part(self.fen, self.reserve_percent)


NONE = Limits()


@dataclass(slots=True)
class Purse:
    """What is left of a day; the reserve stays in it for who may take it."""

    messages: float
    fen: float
    kept_messages: float
    kept_fen: float

    def may(self, rank: int, fen: int = 0) -> bool:
        kept_messages, kept_fen = (0.0, 0.0) if rank >= URGENT_RANK else (self.kept_messages, self.kept_fen)
        return self.messages - 1 >= kept_messages and self.fen - max(fen, 0) >= kept_fen and self.fen > kept_fen

    def take(self, rank: int, fen: int = 0) -> bool:
        if not self.may(rank, fen):
            return False
        self.messages -= 1
        self.fen -= fen
        return True


def limits_of(config: Mapping[str, str], channel: str, per_day: int | None = None) -> Limits:
    """From the settings; a channel's own daily ceiling where none is set. 0 means no limit."""

    def given(name: str, otherwise: int | None) -> int | None:
        said = config.get(f"quota.{channel}.{name}")
        return otherwise if said is None else int(said) or None

    percent = int(config.get("quota.reserve_percent", RESERVE_PERCENT))
    return Limits(given("messages", per_day), given("fen", None), percent)


def day_of(now: datetime) -> date:
    return now.astimezone(RENEWS_IN).date()


def renews_at(now: datetime) -> datetime:
    """When the next day's quota begins."""
    tomorrow = day_of(now) + timedelta(days=1)
    return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=RENEWS_IN)


_USED = select(col(ChannelQuota.messages), col(ChannelQuota.fen)).where(
    col(ChannelQuota.channel) == bindparam("channel"), col(ChannelQuota.day) == bindparam("day")
)


def used(read: Read, channel: str, day: date) -> tuple[int, int]:
    """Messages and fen counted on that day."""
    row = read.session.execute(_USED, {"channel": channel, "day": day}).first()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def purse(read: Read, channel: str, limits: Limits) -> Purse:
    if not limits.any:
        return Purse(math.inf, math.inf, 0.0, 0.0)
    messages, fen = used(read, channel, day_of(read.now()))
    return Purse(
        math.inf if limits.messages is None else limits.messages - messages,
        math.inf if limits.fen is None else limits.fen - fen,
        limits.kept_messages(),
        limits.kept_fen(),
    )


def locked_purse(tx: Tx, channel: str, limits: Limits) -> Purse:
    """The same for who will take from it: two workers of one channel never spend the same message."""
    if limits.any:
        _add(tx, channel, day_of(tx.now()), 0, 0)
        row = select(col(ChannelQuota.day)).where(
            col(ChannelQuota.channel) == channel, col(ChannelQuota.day) == day_of(tx.now())
        )
        tx.session.execute(row.with_for_update())
    return purse(tx, channel, limits)


def count(tx: Tx, channel: str, messages: int, fen: int) -> None:
    """Enter what was claimed now."""
    if messages:
        _add(tx, channel, day_of(tx.now()), messages, fen)


def give_back(tx: Tx, channel: str, counted: Iterable[tuple[date, int, int]]) -> None:
    """(day, messages, fen) that did not leave, or the difference to what they really cost."""
    messages, money = Counter[date](), Counter[date]()
    for day, n, fen in counted:
        messages[day] += n
        money[day] += fen
    for day in sorted(messages):
        if messages[day] or money[day]:
            tx.session.execute(
                update(ChannelQuota)
                .where(col(ChannelQuota.channel) == channel, col(ChannelQuota.day) == day)
                .values(messages=col(ChannelQuota.messages) - messages[day], fen=col(ChannelQuota.fen) - money[day])
            )


def stayed(outcome: Outcome) -> bool:
    """Whether the provider surely has not taken it. `http 5xx`, a cut line, no answer: nobody knows."""
    if isinstance(outcome, Dead | AddressGone):
        return True
    if not isinstance(outcome, Retry) or not outcome.code:
        return False
    if outcome.code in ("ConnectError", "ConnectTimeout", "http 429"):
        return True
    return not outcome.code.startswith("http ") and not outcome.code.endswith(("Error", "Timeout"))


def prune(tx: Tx) -> None:
    tx.session.execute(delete(ChannelQuota).where(col(ChannelQuota.day) < day_of(tx.now()) - timedelta(days=KEPT_DAYS)))


def _add(tx: Tx, channel: str, day: date, messages: int, fen: int) -> None:
    fresh = insert_for(tx)(ChannelQuota)
    grown = {
        "messages": col(ChannelQuota.messages) + fresh.excluded.messages,
        "fen": col(ChannelQuota.fen) + fresh.excluded.fen,
    }
    tx.session.execute(
        fresh.on_conflict_do_update(index_elements=["channel", "day"], set_=grown),
        [{"channel": channel, "day": day, "messages": messages, "fen": fen}],
    )


def _part(whole: int | None, percent: int) -> int:
    return 0 if whole is None else whole * percent // 100

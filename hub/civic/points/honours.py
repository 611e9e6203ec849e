"""Honours: the level by what was earned, the stars of a quarter, and twelve months running.

A star is not given by a computer: the list says who earned most, the residents' meeting decides, and the award is a
claim of D05 like any other. A level counts awards alone: neither what was received nor what was spent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlmodel import col

from hub.civic.points import publicity
from hub.civic.points.models import Account, Posting, Txn
from hub.db import Read

STARS_MAX = 10  # as many as a meeting can weigh
STAR = "D05"
CONTINUED = "D06"
MONTHS_RUNNING = 12


@dataclass(frozen=True, slots=True)
class Candidate:
    account: str
    name: str
    place: str
    earned: int
    acts: int


def candidates(read: Read, area: str, first: date, last: date, tz: str) -> list[Candidate]:
    """Who earned most in a span, persons and households, masked: for the meeting that names the stars."""
    since, until = moment(first, tz), moment(last, tz, end=True)
    total = func.sum(col(Posting.amount))
    rows = read.session.execute(
        select(col(Account.kind), col(Account.owner), total, func.count())
        .join(Posting, col(Posting.destination) == col(Account.id))
        .join(Txn, col(Txn.id) == col(Posting.txn))
        .where(col(Account.area) == area, col(Account.kind).in_(("person", "household")), col(Txn.reason) == "award")
        .where(col(Txn.at) >= since, col(Txn.at) < until, col(Txn.item) != STAR)
        .group_by(col(Account.kind), col(Account.owner))
        .order_by(total.desc(), col(Account.owner))
        .limit(STARS_MAX)
    ).all()
    known = publicity.named(read, [(kind, owner) for kind, owner, _sum, _n in rows])
    return [
        Candidate(f"{kind}-{owner}", *known.get(f"{kind}-{owner}", ("", "")), int(earned), int(acts))
        for kind, owner, earned, acts in rows
    ]


def active_months(read: Read, account: str, tz: str) -> int:
    """How many months running, up to this one or the last, something was earned: twelve are honoured (D06)."""
    rows = read.session.execute(
        select(col(Txn.at))
        .join(Posting, col(Posting.txn) == col(Txn.id))
        .where(col(Posting.destination) == account, col(Txn.reason) == "award", col(Txn.item) != CONTINUED)
    ).scalars()
    months = {(at.astimezone(ZoneInfo(tz)).year, at.astimezone(ZoneInfo(tz)).month) for at in rows}
    now = read.now().astimezone(ZoneInfo(tz))
    place = now.year * 12 + now.month - 1
    known = {year * 12 + month - 1 for year, month in months}
    place = place if place in known else place - 1
    running = 0
    while place in known:
        running, place = running + 1, place - 1
    return running


def quarter(day: date) -> tuple[date, date]:
    """The last whole quarter before a day."""
    start = date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
    last = date.fromordinal(start.toordinal() - 1)
    return date(last.year, (last.month - 1) // 3 * 3 + 1, 1), last


def moment(day: date, tz: str, *, end: bool = False) -> datetime:
    at = date.fromordinal(day.toordinal() + 1) if end else day
    return datetime.combine(at, time(), ZoneInfo(tz)).astimezone(UTC)

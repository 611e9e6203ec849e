"""Honours: the level by what was earned, the stars of a quarter, and twelve months running.

A star is not given by a computer: the list says who earned most, the residents' meeting decides, and the award is a
claim of D05 like any other. A level counts awards alone: neither what was received nor what was spent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlmodel import col

from hub import directory
from hub.civic.points import award, catalogue, publicity, rules, tidings
from hub.civic.points.award import Award, Signed
from hub.civic.points.models import Account, Posting, Txn
from hub.db import Read, Tx
from hub.i18n import _

STARS_MAX = 10  # as many as a meeting can weigh
STAR = "D05"
CONTINUED = "D06"
MONTHS_RUNNING = 12
COMPUTED = "hub"  # who approved what nobody had to decide
ACCOUNTS_AT_ONCE = 10_000  # of a look; more than a community has residents


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
    months, _honoured = _months(read, account, tz)
    now = read.now().astimezone(ZoneInfo(tz))
    place = now.year * 12 + now.month - 1
    return _running(months, place if place in months else place - 1)


def honour_continued(tx: Tx) -> int:
    """持续参与奖: whoever earned in twelve months running, this one the twelfth, once for each twelve. Nobody signs it:
    it is worked out, and stands among the awards of which supervisors draw their sample.
    """
    done = 0
    for account, kind, owner, area in _long_active(tx):
        tz = directory.area(tx, area).tz
        months, honoured = _months(tx, account, tz)
        today = tx.now().astimezone(ZoneInfo(tz)).date()
        place = today.year * 12 + today.month - 1
        fresh = {each for each in months if each > honoured}
        if place not in fresh or _running(fresh, place) < MONTHS_RUNNING:
            continue
        act = Award(kind, owner, CONTINUED, None, today, f"continued:{account}:{place}", evidence="computed")
        receipt = award.credit(tx, [act], Signed(approver=COMPUTED))[0].receipt
        if receipt is not None and not receipt.repeated:
            done += 1
            item, amount = catalogue.on(today).item(CONTINUED), receipt.amount
            _tell(tx, tidings.hearers(tx, kind, owner, today), item.name, amount)
    return done


def _tell(tx: Tx, people: list[str], item: str, amount: int) -> None:
    tidings.tell(
        tx, people, lambda: _("Points received +{points}").format(points=amount),
        lambda: _("{item}. See My points for all entries.").format(item=item),
    )  # fmt: skip


def _long_active(read: Read) -> list[tuple[str, str, str, str]]:
    """Accounts that earned lately and eleven months ago; only these are looked at month by month."""
    now = read.now()
    rows = read.session.execute(
        select(col(Account.id), col(Account.kind), col(Account.owner), col(Account.area))
        .join(Posting, col(Posting.destination) == col(Account.id))
        .join(Txn, col(Txn.id) == col(Posting.txn))
        .where(col(Account.kind).in_(rules.PERSONAL), col(Account.earned) > 0, col(Txn.reason) == "award")
        .group_by(col(Account.id), col(Account.kind), col(Account.owner), col(Account.area))
        .having(func.min(col(Txn.at)) <= now - timedelta(days=330), func.max(col(Txn.at)) >= now - timedelta(days=31))
        .order_by(col(Account.id))
        .limit(ACCOUNTS_AT_ONCE)
    ).all()
    return [(account, kind, owner, area) for account, kind, owner, area in rows]


def _months(read: Read, account: str, tz: str) -> tuple[set[int], int]:
    """The months in which anything was earned, counted from year nought, and the last that was honoured."""
    rows = read.session.execute(
        select(col(Txn.at), col(Txn.item))
        .join(Posting, col(Posting.txn) == col(Txn.id))
        .where(col(Posting.destination) == account, col(Txn.reason) == "award")
    )
    months, honoured = set[int](), -1
    for at, item in rows:
        local = at.astimezone(ZoneInfo(tz))
        place = local.year * 12 + local.month - 1
        if item == CONTINUED:
            honoured = max(honoured, place)
        else:
            months.add(place)
    return months, honoured


def _running(months: set[int], place: int) -> int:
    running = 0
    while place - running in months:
        running += 1
    return running


def quarter(day: date) -> tuple[date, date]:
    """The last whole quarter before a day."""
    start = date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
    last = date.fromordinal(start.toordinal() - 1)
    return date(last.year, (last.month - 1) // 3 * 3 + 1, 1), last


def moment(day: date, tz: str, *, end: bool = False) -> datetime:
    at = date.fromordinal(day.toordinal() + 1) if end else day
    return datetime.combine(at, time(), ZoneInfo(tz)).astimezone(UTC)

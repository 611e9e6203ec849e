"""积分办: indicators of a period from the ledger, and the rehearsal of a changed rule on awards that were given.

Figures are counts and sums. A rehearsal runs the very rules that credit (rules.fits, rules.span) over what stands in
the ledger; with nothing changed it gives exactly what stands there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, select
from sqlmodel import col

from hub.civic.points import accounts, book, catalogue, honours, rules
from hub.civic.points.catalogue import Item
from hub.civic.points.claim_models import Claim, Objection, Transfer
from hub.civic.points.models import Account, Posting, Txn
from hub.civic.points.reward_models import Redemption, Reward
from hub.civic.points.rules import Span, Used
from hub.db import Read
from hub.directory import Area, Household, Resident

FEN_PER_POINT = 5  # domain.md 2.1: what a point costs when it is redeemed for goods
CROWD_MIN = 10  # domain.md 5: of fewer nobody is counted in a group


@dataclass(frozen=True, slots=True)
class Money:
    """A community's money of a year as it stood at the end of a period, in fen; and what was spent in the period."""

    granted: int
    encumbered: int
    spent: int
    available: int
    spent_within: int


@dataclass(frozen=True, slots=True)
class Indicators:
    area: str
    first: date
    last: date
    residents: int
    households: int
    credited: dict[str, int]  # kind of account -> how many were credited
    homes: int  # households of which somebody was credited
    acts: int
    points: int
    categories: list[tuple[str, int, int]]  # letter, acts, points
    claims: dict[str, int]  # state -> how many were declared in the period
    objections: int
    redeemed: list[tuple[str, int, int, int]]  # kind of reward, how many, points, fen
    sent: int  # points between neighbours and into the pool
    money: Money | None = None  # of the period's last year; None where none was granted

    @property
    def participation(self) -> float:
        """Per cent of the households of which somebody was credited."""
        return 100 * self.homes / self.households if self.households else 0.0


@dataclass(frozen=True, slots=True)
class Given:
    """One award as it stands."""

    account: str
    day: date
    about: str
    amount: int


@dataclass(frozen=True, slots=True)
class Rehearsed:
    item: str
    acts: int
    accounts: int
    points: int
    would_be: int
    changed: int  # accounts that would have had another sum

    @property
    def fen(self) -> int:
        return (self.would_be - self.points) * FEN_PER_POINT


def indicators(read: Read, place: Area, first: date, last: date) -> Indicators:
    since, until = honours.moment(first, place.tz), honours.moment(last, place.tz, end=True)
    kinds: Counter[str] = Counter()
    homes: set[str] = set()
    for kind, owner in _credited(read, place.code, since, until):
        kinds[kind] += 1
        homes |= {owner} if kind == "household" else set()
    homes |= _homes(read, place.code, since, until)
    acts = _by_category(read, place.code, since, until)
    return Indicators(
        place.code, first, last, _count(read, Resident, place.code), _count(read, Household, place.code), dict(kinds),
        len(homes), sum(each[1] for each in acts), sum(each[2] for each in acts), acts,
        _claims(read, place.code, since, until), _objected(read, place.code, since, until),
        _redeemed(read, place.code, since, until), _sent(read, place.code, since, until),
        _money(read, place.code, last.year, since, until),
    )  # fmt: skip


def _money(read: Read, area: str, year: int, since: datetime, until: datetime) -> Money | None:
    def stood(kind: str, at: datetime) -> int:
        return book.balance_as_of(read, accounts.purse_id(kind, area, year), at)

    granted, spent = -stood("issue", until), stood("spent", until)
    if not granted:
        return None
    return Money(granted, stood("encumbered", until), spent, stood("available", until), spent - stood("spent", since))


def rows(found: Indicators) -> list[tuple[str, str]]:
    """As a table for a spreadsheet: name and figure."""
    return [
        ("area", found.area), ("first", found.first.isoformat()), ("last", found.last.isoformat()),
        ("residents", str(found.residents)), ("households", str(found.households)),
        ("participation_percent", f"{found.participation:.1f}"), ("acts", str(found.acts)),
        ("points", str(found.points)),
        *[(f"credited_{kind}", str(count)) for kind, count in sorted(found.credited.items())],
        *[(f"category_{letter}_points", str(points)) for letter, _acts, points in found.categories],
        *[(f"claims_{state}", str(count)) for state, count in sorted(found.claims.items())],
        ("objections", str(found.objections)), ("sent_points", str(found.sent)),
        *([(f"money_{name}_fen", str(value)) for name, value in asdict(found.money).items()] if found.money else []),
        *[(f"redeemed_{kind}_{name}", str(value)) for kind, count, points, fen in found.redeemed
          for name, value in (("count", count), ("points", points), ("fen", fen))],
    ]  # fmt: skip


def rehearse(
    read: Read, place: Area, code: str, first: date, last: date, points: int, limits: Sequence[int]
) -> Rehearsed:
    """What an item would have brought in a period with another value or lower caps."""
    item = catalogue.on(last).item(code)
    caps = [replace(cap, limit=limit) for cap, limit in zip(item.caps, limits, strict=False)]
    changed = replace(item, points=points, caps=tuple(caps) or item.caps)
    given = _given(read, place.code, item.code, first, last)
    before, after = _sums(given, item, item), _sums(given, item, changed)
    return Rehearsed(
        item.code, len(given), len(before), sum(before.values()), sum(after.values()),
        sum(before[each] != after[each] for each in before),
    )  # fmt: skip


def _sums(given: Iterable[Given], old: Item, new: Item) -> dict[str, int]:
    """Each account's sum, the awards taken in their order under the caps. Pure."""
    sums: dict[str, int] = {}
    used: dict[tuple[str, Span, str], Used] = {}
    for each in given:
        worth = each.amount * new.points // old.points
        spans = [(cap, rules.span(cap, each.day), each.about if cap.each else "") for cap in new.caps]
        amount = rules.fits(worth, [(cap, _had(used, each.account, span, about)) for cap, span, about in spans])
        sums[each.account] = sums.get(each.account, 0) + amount
        if amount:
            for key in {(each.account, span, about) for _cap, span, about in spans if span is not None}:
                had = used.get(key, Used())
                used[key] = Used(had.points + amount, had.acts + 1)
    return sums


def _had(used: dict[tuple[str, Span, str], Used], account: str, span: Span | None, about: str) -> Used:
    return Used() if span is None else used.get((account, span, about), Used())


def _given(read: Read, area: str, item: str, first: date, last: date) -> list[Given]:
    undone = select(col(Txn.reverses)).where(col(Txn.reverses).is_not(None))
    found = read.session.execute(
        select(col(Posting.destination), col(Txn.act_date), col(Txn.about), col(Posting.amount))
        .join(Txn, col(Txn.id) == col(Posting.txn))
        .join(Account, col(Account.id) == col(Posting.source))
        .where(col(Account.area) == area, col(Txn.reason) == "award", col(Txn.item) == item)
        .where(col(Txn.act_date).between(first, last), col(Txn.id).not_in(undone))
        .order_by(col(Posting.id))
    )
    return [Given(account, day, about or "", int(amount)) for account, day, about, amount in found]


def _awards(area: str, since: Any, until: Any) -> list[Any]:
    return [col(Account.area) == area, col(Txn.reason) == "award", col(Txn.at) >= since, col(Txn.at) < until]


def _credited(read: Read, area: str, since: Any, until: Any) -> list[tuple[str, str]]:
    found = read.session.execute(
        select(col(Account.kind), col(Account.owner))
        .join(Posting, col(Posting.destination) == col(Account.id))
        .join(Txn, col(Txn.id) == col(Posting.txn))
        .where(*_awards(area, since, until))
        .distinct()
    )
    return [(kind, owner) for kind, owner in found]


def _homes(read: Read, area: str, since: Any, until: Any) -> set[str]:
    return set(
        read.session.execute(
            select(col(Resident.household))
            .join(Account, (col(Account.owner) == col(Resident.id)) & (col(Account.kind) == "person"))
            .join(Posting, col(Posting.destination) == col(Account.id))
            .join(Txn, col(Txn.id) == col(Posting.txn))
            .where(*_awards(area, since, until))
            .distinct()
        ).scalars()
    )


def _by_category(read: Read, area: str, since: Any, until: Any) -> list[tuple[str, int, int]]:
    letter = func.substr(col(Txn.item), 1, 1)
    found = read.session.execute(
        select(letter, func.count(), func.sum(col(Posting.amount)))
        .join(Posting, col(Posting.txn) == col(Txn.id))
        .join(Account, col(Account.id) == col(Posting.source))
        .where(*_awards(area, since, until))
        .group_by(letter)
        .order_by(letter)
    )
    return [(name or "", int(acts), int(points)) for name, acts, points in found]


def _claims(read: Read, area: str, since: Any, until: Any) -> dict[str, int]:
    found = read.session.execute(
        select(col(Claim.state), func.count())
        .where(col(Claim.area) == area, col(Claim.declared_at) >= since, col(Claim.declared_at) < until)
        .group_by(col(Claim.state))
    )
    return {state: int(count) for state, count in found}


def _objected(read: Read, area: str, since: Any, until: Any) -> int:
    query = select(func.count()).where(
        col(Objection.area) == area, col(Objection.at) >= since, col(Objection.at) < until
    )
    return int(read.session.execute(query).scalar_one())


def _redeemed(read: Read, area: str, since: Any, until: Any) -> list[tuple[str, int, int, int]]:
    found = read.session.execute(
        select(col(Reward.kind), func.count(), func.sum(col(Redemption.price)), func.sum(col(Redemption.fen)))
        .join(Redemption, col(Redemption.reward) == col(Reward.id))
        .where(col(Redemption.area) == area, col(Redemption.state) == "picked")
        .where(col(Redemption.settled_at) >= since, col(Redemption.settled_at) < until)
        .group_by(col(Reward.kind))
        .order_by(col(Reward.kind))
    )
    return [(kind, int(count), int(points), int(fen)) for kind, count, points, fen in found]


def _sent(read: Read, area: str, since: Any, until: Any) -> int:
    query = select(func.coalesce(func.sum(col(Transfer.amount)), 0)).where(
        col(Transfer.area) == area, col(Transfer.state) == "done", col(Transfer.at) >= since, col(Transfer.at) < until
    )
    return int(read.session.execute(query).scalar_one())


def _count(read: Read, table: Any, area: str) -> int:
    return int(
        read.session.execute(select(func.count()).select_from(table).where(col(table.area) == area)).scalar_one()
    )

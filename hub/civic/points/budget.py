"""The money behind rewards (积分经费): 1.5 yuan for each resident and year, granted, encumbered, spent or released.

Every fen is in the ledger's second unit: `issue -> available` grants, `available -> encumbered` (占用) when a reward is
set aside, `-> spent` (支出) when it is handed over, back to `available` (释放) when it is not. The database lets
`available` fall to zero and no fen lower. What is left at the end of the year lapses; points never do.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlmodel import col

from hub import approval, directory
from hub.access import Subject
from hub.approval import Signature
from hub.civic.points import accounts, ledger, rules
from hub.civic.points.models import Account, Posting, Txn
from hub.civic.points.money_events import BudgetMoved
from hub.civic.points.reward_models import Budget
from hub.civic.points.why import Receipt, Why
from hub.db import Read, Tx
from hub.directory import Resident
from hub.errors import Conflict, NotFound, Refused
from hub.events import BudgetAlert
from hub.i18n import _

RATE_FEN = 150  # the source: 1.5 yuan for each permanent resident and year, half from the city, half from the district
CITY_PERCENT = 50
POINT_FEN = 5  # what a point is worth in goods (a city's setting)
PARTS = ("verify", "approve", "third")
RESIDENTS_MAX, FEN_MAX = 10_000_000, 10**12  # of one place and one sum; more is a typing mistake
DOCUMENT_CHARS_MAX = 60
ALERTS = (70, 85, 95, 100)
COVERAGE_LOW = 20  # per cent; below it more services and honours, or new prices announced thirty days ahead


class BudgetSpent(Conflict):
    slug = "budget-spent"

    def __init__(self) -> None:
        super().__init__(_("This year's money for goods is used up; services and honours are still open"))


@dataclass(frozen=True, slots=True)
class Purse:
    """A community's money of a year, in fen."""

    area: str
    year: int
    residents: int
    rate_fen: int
    city_percent: int
    granted: int
    available: int
    encumbered: int
    spent: int
    lapsed: int
    closed: bool

    @property
    def used_percent(self) -> int:
        return 100 * (self.encumbered + self.spent) // self.granted if self.granted else 100

    @property
    def city_fen(self) -> int:
        return self.granted * self.city_percent // 100

    @property
    def alert(self) -> int:
        """The highest mark that has been reached; 0 while there is enough."""
        return max((mark for mark in ALERTS if self.used_percent >= mark), default=0)


@dataclass(frozen=True, slots=True)
class Year:
    """One year of the forecast."""

    number: int
    outstanding: int
    coverage_percent: int


def year_of(now: datetime, tz: str) -> int:
    return now.astimezone(ZoneInfo(tz)).year


def grant(tx: Tx, area: str, year: int, residents: int, signer: Subject, *, city: int = CITY_PERCENT) -> Purse | None:
    """A year's money, once. Three people enter the same figures (三瓣章); None until the third has.

    Granted already, the same figures change nothing and others are refused.
    """
    if not 0 < residents <= RESIDENTS_MAX or not 0 <= city <= 100:
        raise Refused(_("Give the residents on the first of January, and the city's share in per cent"))
    standing = tx.session.get(Budget, (area, year))
    if standing is not None:
        if (standing.residents, standing.city_percent) != (residents, city):
            raise Conflict(_("This year's money is granted already; add to it by a top-up"))
        return purse(tx, area, year)
    reference = f"budget:grant:{area}:{year}"
    why = _signed(tx, reference, {"residents": residents, "city": city}, signer)
    if why is None:
        return None
    tx.session.add(Budget(area=area, year=year, residents=residents, rate_fen=RATE_FEN, city_percent=city))
    tx.session.flush()
    ends = accounts.purse(tx, area, year)
    ledger.post(tx, ends["issue"], ends["available"], residents * RATE_FEN, reference, why)
    _moved(tx, area, year, "granted", residents * RATE_FEN)
    return purse(tx, area, year)


def top_up(tx: Tx, area: str, year: int, fen: int, document: str, signer: Subject) -> Receipt | None:
    """More money in the year, by a numbered document, under three signatures. Again: the first receipt."""
    if _budget(tx, area, year).closed_at is not None:
        raise Conflict(_("This year is closed"))
    if not 0 < fen <= FEN_MAX or not document.strip():
        raise Refused(_("Give the amount and the number of the document"))
    reference = f"budget:more:{area}:{year}:{document.strip()[:DOCUMENT_CHARS_MAX]}"
    known = ledger.receipts(tx, [reference])
    if known:
        return known[reference]
    why = _signed(tx, reference, {"fen": fen}, signer)
    if why is None:
        return None
    ends = accounts.purse(tx, area, year)
    _moved(tx, area, year, "topped-up", fen)
    return ledger.post(tx, ends["issue"], ends["available"], fen, reference, why)


def encumber(tx: Tx, area: str, year: int, fen: int, of: str) -> Receipt:
    """占用: set money aside for one redemption. The last fen can be used, not one more."""
    if tx.session.get(Budget, (area, year)) is None:
        raise BudgetSpent
    ends = accounts.purse(tx, area, year)
    free = accounts.locked(tx, [ends["available"], ends["encumbered"]])[ends["available"]].balance
    reference = f"money:hold:{of}"
    if free < fen and not ledger.receipts(tx, [reference]):
        raise BudgetSpent
    receipt = ledger.post(tx, ends["available"], ends["encumbered"], fen, reference, Why("encumber"))
    _watch(tx, area, year)
    return receipt


def spend(tx: Tx, area: str, year: int, fen: int, of: str) -> Receipt:
    """支出: the reward was handed over."""
    ends = accounts.purse(tx, area, year)
    tx.touch("points.money", area)
    return ledger.post(tx, ends["encumbered"], ends["spent"], fen, f"money:spend:{of}", Why("spend"))


def release(tx: Tx, area: str, year: int, fen: int, of: str) -> Receipt:
    """释放: it was not. Into the year it came from; a closed year's money lapses."""
    ends = accounts.purse(tx, area, year)
    free = "lapsed" if _budget(tx, area, year).closed_at else "available"
    tx.touch("points.money", area)
    return ledger.post(tx, ends["encumbered"], ends[free], fen, f"money:free:{of}", Why("release"))


def close_year(tx: Tx, area: str, year: int, signer: Subject) -> Purse | None:
    """What is left of a past year lapses, under three signatures; what is still encumbered may yet be spent."""
    standing = _budget(tx, area, year)
    if year >= year_of(tx.now(), directory.area(tx, area).tz):
        raise Refused(_("A year is closed when it is over"))
    if standing.closed_at is None:
        reference = f"budget:close:{area}:{year}"
        why = _signed(tx, reference, {"year": year}, signer)
        if why is None:
            return None
        left = purse(tx, area, year).available
        standing.closed_at = tx.now()
        tx.session.flush()
        ends = accounts.purse(tx, area, year)
        if left:
            ledger.post(tx, ends["available"], ends["lapsed"], left, reference, why)
        _moved(tx, area, year, "closed", left)
    return purse(tx, area, year)


def start_over(tx: Tx, area: str, year: int, document: str = "") -> None:
    """The figures that were signed do not agree: everybody enters them anew. Of a top-up by its document."""
    reference = f"budget:more:{area}:{year}:{document.strip()}" if document.strip() else f"budget:grant:{area}:{year}"
    if not ledger.receipts(tx, [reference]):
        approval.void(tx, reference)


def pending(read: Read, area: str, year: int) -> list[tuple[str, int]]:
    """Top-ups that lack signatures: the document, and how many it has."""
    mark = f"budget:more:{area}:{year}:"
    rows = read.session.execute(
        select(col(Signature.subject), func.count())
        .where(col(Signature.subject).startswith(mark, autoescape=True))
        .group_by(col(Signature.subject))
        .having(func.count() < len(PARTS))
        .order_by(col(Signature.subject))
    )
    return [(subject.removeprefix(mark), int(count)) for subject, count in rows]


def signatures(read: Read, area: str, year: int) -> int:
    return len(approval.signatures(read, f"budget:grant:{area}:{year}"))


def purse(read: Read, area: str, year: int) -> Purse:
    standing = _budget(read, area, year)
    ids = {kind: accounts.purse_id(kind, area, year) for kind in accounts.PURSE}
    found = accounts.held(read, ids.values())
    have = {kind: found[ident].balance if ident in found else 0 for kind, ident in ids.items()}
    return Purse(
        area, year, standing.residents, standing.rate_fen, standing.city_percent, -have["issue"], have["available"],
        have["encumbered"], have["spent"], have["lapsed"], standing.closed_at is not None,
    )  # fmt: skip


def outstanding(read: Read, area: str) -> int:
    """Points that may still be brought to the counter: of people, households, organisations, and what is held."""
    query = select(func.coalesce(func.sum(col(Account.balance)), 0)).where(
        col(Account.area) == area, col(Account.kind).in_((*rules.PERSONAL, "hold"))
    )
    return int(read.session.execute(query).scalar_one())


def flow(read: Read, area: str, since: datetime) -> tuple[int, int]:
    """Points issued and points redeemed since a moment."""
    found = {}
    for reason in ("award", "redeem"):
        query = (
            select(func.coalesce(func.sum(col(Posting.amount)), 0))
            .join(Txn, col(Txn.id) == col(Posting.txn))
            .where(col(Txn.area) == area, col(Txn.reason) == reason, col(Txn.at) >= since)
        )
        found[reason] = int(read.session.execute(query).scalar_one())
    return found["award"], found["redeem"]


def coverage_percent(left_fen: int, points: int) -> int:
    """How much of what may be brought the money left would pay for."""
    return 100 if points <= 0 else min(100, 100 * left_fen // (points * POINT_FEN))


def forecast(points: int, issued: int, redeemed: int, yearly_fen: int, years: int = 5) -> list[Year]:
    """Outstanding points and the coverage of each coming year's grant, if every year is like the last.

    What is issued in a year can be redeemed in it, and the grant is the most that can be.
    """
    found, standing = [], points
    redeemable = min(redeemed, yearly_fen // POINT_FEN) if redeemed else yearly_fen // POINT_FEN
    for number in range(1, years + 1):
        demand = standing + issued
        found.append(Year(number, demand, coverage_percent(yearly_fen, demand)))
        standing = max(0, demand - redeemable)
    return found


def counted_residents(read: Read, area: str) -> int:
    """What the directory knows: a proposal for the figure of the first of January."""
    return int(
        read.session.execute(select(func.count()).select_from(Resident).where(col(Resident.area) == area)).scalar_one()
    )


def _budget(read: Read, area: str, year: int) -> Budget:
    found = read.session.get(Budget, (area, year))
    if found is None:
        raise NotFound(_("No money is granted to this community for this year"))
    return found


def _signed(tx: Tx, reference: str, content: dict[str, object], signer: Subject) -> Why | None:
    """Three different people sign one content; None until the third has."""
    standing = approval.signatures(tx, reference)
    parts = approval.sign(tx, reference, PARTS[min(len(standing), 2)], {"of": reference, **content}, signer)
    if len(parts) < len(PARTS):
        return None
    first, second, third = (part.staff for part in parts)
    return Why("budget", verifier=first, approver=second, third=third)


def _watch(tx: Tx, area: str, year: int) -> None:
    """Tell each mark once, when it is passed."""
    tx.touch("points.money", area)
    standing, now = _budget(tx, area, year), purse(tx, area, year)
    if now.alert > standing.alerted:
        standing.alerted = now.alert
        tx.emit(BudgetAlert, area=area, year=year, percent=now.alert)


def _moved(tx: Tx, area: str, year: int, how: str, fen: int) -> None:
    tx.emit(BudgetMoved, area=area, year=year, how=how, fen=fen)
    tx.touch("points.money", area)

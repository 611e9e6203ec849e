"""How a group of movements is written: its hashes, one link, and the rows, in a few statements.

Every transfer of a batch passes here, so what is the same for many of them (the moment, an account's part of the hash,
a reason as text and as values) is made once, and what is not is one line each. Nothing here decides who may: ledger.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from hub import bulk
from hub.civic.points import chain, rules
from hub.civic.points.beneficiary import chunks
from hub.civic.points.chain import BETWEEN
from hub.civic.points.why import Draft, Held, NotEnoughPoints, Receipt, Why
from hub.db import Tx
from hub.directory import Resident
from hub.errors import Refused
from hub.events import PointsPosted, Posted
from hub.i18n import _

OVERDRAWS = ("reversal", "false_claim")  # what may take a balance below zero; the database asks the same
TXN_COLUMNS = (
    "id", "reference", "at", "area", "reason", "rule", "item", "catalogue", "act_date", "about", "proposer", "verifier",
    "approver", "third", "evidence", "cause", "actor", "on_behalf_of", "reverses", "settles", "until", "link",
)  # fmt: skip
POSTING_COLUMNS = ("txn", "source", "destination", "amount")


class _End:
    """An account while a batch passes through it: what a thousand drafts ask of it, asked once."""

    __slots__ = ("balance", "bounded", "head", "id", "kind", "owner", "page", "personal", "unit")

    def __init__(self, account: Held, at: str, page: _Page) -> None:
        self.id, self.kind, self.owner, self.unit = account.id, account.kind, account.owner, account.unit
        self.balance, self.bounded = account.balance, account.floor is not None
        self.personal = account.kind in rules.PERSONAL
        self.head = BETWEEN.join(("", at, account.area, account.unit, account.id, ""))
        self.page = page


@dataclass(slots=True)
class _Page:
    """What a batch adds to one community's chain."""

    entries: list[tuple[str, str, Why]] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Written:
    """A batch as it will stand, before any of it does."""

    pages: dict[str, _Page]
    postings: list[tuple[str, str, str, int]]
    posted: list[Posted]
    receipts: dict[str, Receipt]


def write(tx: Tx, drafts: Sequence[Draft], balances: Mapping[str, Held]) -> dict[str, Receipt]:
    """In the order given, each draft by a reference that is new; the accounts are locked."""
    now = tx.now()
    reasons = _Reasons(tx, now)
    batch = _worked_out(drafts, balances, tx.new_ids(len(drafts)), now, reasons)
    for area, page in batch.pages.items():
        if page.entries:
            link = chain.extend(tx, area, now, page.hashes)
            bulk.insert(tx, "points_txn", TXN_COLUMNS, reasons.rows(area, link, page.entries))
    bulk.insert(tx, "points_posting", POSTING_COLUMNS, batch.postings)
    tell(tx, batch.posted, balances)
    return batch.receipts


def _worked_out(
    drafts: Sequence[Draft], balances: Mapping[str, Held], ids: Sequence[str], now: datetime, reasons: _Reasons
) -> _Written:
    """What each account has after each movement, or the first one that cannot be; and each entry's hash.

    One pass and no calls that can be spared: this loop is half of what a batch costs besides the database.
    """
    at = now.isoformat()
    pages: dict[str, _Page] = {each.area: _Page() for each in balances.values()}
    ends = {ident: _End(each, at, pages[each.area]) for ident, each in balances.items()}
    postings: list[tuple[str, str, str, int]] = []
    posted: list[Posted] = []
    receipts: dict[str, Receipt] = {}
    last, before, after = None, "", ""
    for txn, draft in zip(ids, drafts, strict=True):
        amount, reference, why = draft.amount, draft.reference, draft.why
        source, destination = ends[draft.source], ends[draft.destination]
        if source.unit != destination.unit:
            raise Refused(_("Points and money are two ledgers; nothing moves from one to the other"))
        left, arrived = source.balance - amount, destination.balance + amount
        if left < 0 and source.bounded and why.reason not in OVERDRAWS:
            raise NotEnoughPoints(source.balance, amount)
        source.balance, destination.balance = left, arrived
        if source.personal:
            posted.append(Posted(source.id, source.kind, source.owner, -amount, left, reference))
        if destination.personal:
            posted.append(Posted(destination.id, destination.kind, destination.owner, amount, arrived, reference))
        if why is not last:
            last = why
            before, after = reasons.texts(why)
        page = source.page
        page.entries.append((txn, reference, why))
        text = f"{txn}{source.head}{destination.id}{BETWEEN}{amount}{before}{reference}{after}"
        page.hashes.append(sha256(text.encode()).hexdigest())
        postings.append((txn, source.id, destination.id, amount))
        receipts[reference] = Receipt(txn, reference, now, source.id, destination.id, amount)
    return _Written(pages, postings, posted, receipts)


class _Reasons:
    """The part of an entry that its reason fills: as text to be hashed, as values to be kept. A batch has few."""

    def __init__(self, tx: Tx, now: datetime) -> None:
        self._tx, self._at = tx, bulk.moment(tx, now)
        self._lite = tx.session.get_bind().dialect.name == "sqlite"
        self._known: dict[int, tuple[str, str, Why]] = {}  # the reason kept alive, or another would take its number

    def texts(self, why: Why) -> tuple[str, str]:
        """What stands before the reference in an entry's hash, and what after it."""
        known = self._known.get(id(why))
        if known is None:
            item, catalogue, *rest = self._values(why)
            cells = (item, catalogue, why.act_date, *rest, why.until)
            before = BETWEEN.join(("", why.reason, why.by_rule, ""))
            known = (before, BETWEEN.join(("", *chain.texts(cells))), why)
            self._known[id(why)] = known
        return known[:2]

    def rows(self, area: str, link: int, entries: Sequence[tuple[str, str, Why]]) -> list[tuple[Any, ...]]:
        """Entries as rows: what each has of its own, then what its reason fills."""
        made: list[tuple[Any, ...]] = []
        last, tail = None, ()
        for txn, reference, why in entries:
            if why is not last:
                last, tail = why, self._tail(area, link, why)
            made.append((txn, reference, *tail))
        return made

    def _tail(self, area: str, link: int, why: Why) -> tuple[Any, ...]:
        item, catalogue, *rest = self._values(why)
        day = why.act_date.isoformat() if self._lite and why.act_date else why.act_date
        until = bulk.moment(self._tx, why.until) if why.until else None
        return (self._at, area, why.reason, why.by_rule, item, catalogue, day, *rest, until, link)

    def _values(self, why: Why) -> tuple[str | None, ...]:
        """In the order of chain.COLUMNS from the item on, without its two times. None may hold what parts the cells."""
        actor = self._tx.actor
        values = (
            why.item, why.catalogue, why.about, why.proposer, why.verifier, why.approver, why.third, why.evidence,
            why.cause or actor.cause, actor.id, actor.on_behalf_of, why.reverses, why.settles,
        )  # fmt: skip
        if any(each and BETWEEN in each for each in (*values, why.reason, why.rule)):
            raise Refused(_("A text of the ledger holds a sign that no text has"))
        return values


def tell(tx: Tx, posted: Sequence[Posted], balances: Mapping[str, Held]) -> None:
    """One event for all of them; every screen that shows one is drawn anew: a household's points with each member."""
    if posted:
        tx.emit(PointsPosted, posted=tuple(posted))
    moved = [balances[ident] for ident in {each.account for each in posted}]
    people = {account.owner for account in moved if account.kind == "person"}
    homes = {account.owner for account in moved if account.kind == "household"}
    people |= _members(tx, homes)
    tx.touched.update(("points.tv", area) for area in {account.area for account in moved})
    tx.touched.update((topic, each) for each in people for topic in ("points.home", "points.statement"))
    tx.touched.update((topic, each) for each in homes for topic in ("points.household", "points.tv_home"))


def _members(tx: Tx, homes: Collection[str]) -> set[str]:
    found: set[str] = set()
    for some in chunks(homes):
        found |= set(tx.session.execute(select(col(Resident.id)).where(col(Resident.household).in_(some))).scalars())
    return found

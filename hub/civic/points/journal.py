"""How a group of movements is written: its hashes, one link, and the rows, in a few statements.

Every transfer of a batch passes here, so what is the same for many of them (the moment, an account's part of the hash,
a reason as text and as values) is made once, and what is not is one line each. Nothing here decides who may: ledger.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
from hub.events import PointsPosted
from hub.i18n import _

OVERDRAWS = ("reversal", "false_claim")  # what may take a balance below zero; the database asks the same
TXN_COLUMNS = (
    "id", "reference", "at", "area", "reason", "rule", "item", "catalogue", "act_date", "about", "proposer", "verifier",
    "approver", "third", "evidence", "cause", "actor", "on_behalf_of", "reverses", "settles", "until", "link",
)  # fmt: skip
POSTING_COLUMNS = ("txn", "source", "destination", "amount")

Move = tuple[Held, int, int, str]  # an account, what came or went, what is there then, the reference


def write(tx: Tx, drafts: Sequence[Draft], balances: Mapping[str, Held]) -> dict[str, Receipt]:
    """In the order given, each draft by a reference that is new; the accounts are locked."""
    moves = settled(drafts, balances)
    now = tx.now()
    at, reasons, ids = now.isoformat(), _Reasons(tx, now), tx.new_ids(len(drafts))
    heads = {ident: BETWEEN.join(("", at, each.area, each.unit, ident, "")) for ident, each in balances.items()}
    pages: dict[str, tuple[list[tuple[str, Draft]], list[str]]] = {}
    made: dict[str, Receipt] = {}
    postings: list[tuple[str, str, str, int]] = []
    for draft, txn in zip(drafts, ids, strict=True):
        source, destination, amount, reference = draft.source, draft.destination, draft.amount, draft.reference
        before, after = reasons.texts(draft.why)
        text = f"{txn}{heads[source]}{destination}{BETWEEN}{amount}{before}{reference}{after}"
        entries, hashes = pages.get(balances[source].area) or pages.setdefault(balances[source].area, ([], []))
        entries.append((txn, draft))
        hashes.append(sha256(text.encode()).hexdigest())
        postings.append((txn, source, destination, amount))
        made[reference] = Receipt(txn, reference, now, source, destination, amount)
    for area, (entries, hashes) in pages.items():
        tail = reasons.tails(area, chain.extend(tx, area, now, hashes))
        rows = [(txn, draft.reference, *tail(draft.why)) for txn, draft in entries]
        bulk.insert(tx, "points_txn", TXN_COLUMNS, rows)
    bulk.insert(tx, "points_posting", POSTING_COLUMNS, postings)
    tell(tx, moves)
    return made


def settled(drafts: Sequence[Draft], balances: Mapping[str, Held]) -> list[Move]:
    """What each account has after each movement, or the first one that cannot be."""
    running = {ident: each.balance for ident, each in balances.items()}
    moves: list[Move] = []
    for draft in drafts:
        source, destination, amount = balances[draft.source], balances[draft.destination], draft.amount
        if source.unit != destination.unit:
            raise Refused(_("Points and money are two ledgers; nothing moves from one to the other"))
        left = running[source.id] - amount
        if left < 0 and source.floor is not None and draft.why.reason not in OVERDRAWS:
            raise NotEnoughPoints(left + amount, amount)
        running[source.id] = left
        arrived = running[destination.id] = running[destination.id] + amount
        if source.kind in rules.PERSONAL:
            moves.append((source, -amount, left, draft.reference))
        if destination.kind in rules.PERSONAL:
            moves.append((destination, amount, arrived, draft.reference))
    return moves


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

    def tails(self, area: str, link: int) -> Any:
        """What a row holds after its id and its reference, as a function of its reason."""
        made: dict[int, tuple[Any, ...]] = {}

        def tail(why: Why) -> tuple[Any, ...]:
            found = made.get(id(why))
            if found is None:
                item, catalogue, *rest = self._values(why)
                day = why.act_date.isoformat() if self._lite and why.act_date else why.act_date
                until = bulk.moment(self._tx, why.until) if why.until else None
                found = (self._at, area, why.reason, why.by_rule, item, catalogue, day, *rest, until, link)
                made[id(why)] = found
            return found

        return tail

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


def tell(tx: Tx, moves: Sequence[Move]) -> None:
    """An event per movement; every screen that shows it is drawn anew: a household's points show with each member."""
    tx.emit_all(
        PointsPosted,
        [
            {"account": account.id, "owner_kind": account.kind, "owner": account.owner, "amount": amount,
             "balance": balance, "reference": reference}
            for account, amount, balance, reference in moves
        ],
    )  # fmt: skip
    moved = {account.id: account for account, *_rest in moves}.values()
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

"""The ledger's verbs: post, share, reverse. Double entry, append-only, each reference at most once for ever.

Accounts are locked (accounts.py) before anything is read that a decision hangs on; what the database promises on its
own stands in guards.py. Everything that moves points or money goes through `post_all`, which also adds the link to the
hash chain of each community (chain.py).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlmodel import col

from hub import approval, bulk
from hub.access import Subject
from hub.civic.points import beneficiary, chain, rules
from hub.civic.points.accounts import (
    HOUSE,
    Opening,
    account_id,
    held,
    house_account,
    locked,
    open_account,
    open_accounts,
)
from hub.civic.points.beneficiary import chunks
from hub.civic.points.models import Posting, Txn
from hub.civic.points.why import Draft, Held, Receipt, Why
from hub.db import IDS_BY_THE_BLOCK, Read, Tx
from hub.directory import Resident, has_consent
from hub.errors import Conflict, NotAllowed, NotFound, Refused
from hub.events import PointsPosted
from hub.i18n import _
from hub.rng import Ids

__all__ = [
    "HOUSE", "OVERDRAWS", "NotEnoughPoints", "Opening", "account_id", "held", "house_account", "locked", "open_account",
    "open_accounts", "post", "post_all", "receipts", "reverse", "share",
]  # fmt: skip
OVERDRAWS = ("reversal", "false_claim")  # what may take a balance below zero; the database asks the same
REFERENCE_CHARS_MAX = 160
SHARE_VERSION = "1"  # of the text a grown-up agreed to before drawing on the household account

TXN_COLUMNS = (*chain.COLUMNS[:3], *chain.COLUMNS[7:], "link")  # between: the unit and what the posting holds
POSTING_COLUMNS = ("txn", "source", "destination", "amount")


# Built once: every movement asks it, and building a statement costs more than running it.
_RECEIPTS = (
    select(
        col(Txn.id), col(Txn.reference), col(Txn.at), col(Posting.source), col(Posting.destination), col(Posting.amount)
    )
    .join(Posting, col(Posting.txn) == col(Txn.id))
    .where(col(Txn.reference).in_(bindparam("references", expanding=True)))
)


class NotEnoughPoints(Conflict):
    slug = "not-enough-points"

    def __init__(self, has: int, needs: int) -> None:
        super().__init__(_("{needs} points needed, {has} available").format(needs=needs, has=max(0, has)))


def post(tx: Tx, source: str, destination: str, amount: int, reference: str, why: Why) -> Receipt:
    """Move points once. The same reference again gives the first receipt, for ever."""
    return post_all(tx, [Draft(source, destination, amount, reference, why)])[0]


def post_all(tx: Tx, drafts: Sequence[Draft]) -> list[Receipt]:
    """All or nothing, in the order given; a reference that was posted before is answered with its first receipt."""
    for draft in drafts:
        _sound(draft)
    balances = locked(tx, {end for draft in drafts for end in (draft.source, draft.destination)})
    known = receipts(tx, [draft.reference for draft in drafts])
    fresh: dict[str, Draft] = {}
    for draft in drafts:
        if draft.reference not in known:
            fresh.setdefault(draft.reference, draft)
    made = _write(tx, list(fresh.values()), balances) if fresh else {}
    answers: list[Receipt] = []
    told: set[str] = set()
    for draft in drafts:
        again = draft.reference in told or draft.reference in known
        receipt = known.get(draft.reference) or made[draft.reference]
        answers.append(replace(receipt, repeated=True) if again and not receipt.repeated else receipt)
        told.add(draft.reference)
    return answers


def receipts(read: Read, references: Collection[str]) -> dict[str, Receipt]:
    """What was posted under these references."""
    found: dict[str, Receipt] = {}
    for some in chunks(set(references)):
        for row in read.session.execute(_RECEIPTS, {"references": some}):
            found[row[1]] = replace(Receipt(*row), repeated=True)
    return found


def _sound(draft: Draft) -> None:
    if draft.amount <= 0:
        raise Refused(_("Points move by a whole number above zero"))
    if draft.source == draft.destination:
        raise Refused(_("Points cannot move from an account to itself"))
    if not 0 < len(draft.reference) <= REFERENCE_CHARS_MAX:
        raise Refused(_("A reference has 1 to {most} characters").format(most=REFERENCE_CHARS_MAX))


def _write(tx: Tx, drafts: Sequence[Draft], balances: dict[str, Held]) -> dict[str, Receipt]:
    now, running = tx.now(), {ident: each.balance for ident, each in balances.items()}
    at, ids, reasons = now.isoformat(), Ids(tx.rng) if len(drafts) >= IDS_BY_THE_BLOCK else None, _Reasons(tx, now)
    chains: dict[str, tuple[list[tuple[Any, ...]], list[str]]] = {}  # rows and their hashes, by community
    postings: list[tuple[Any, ...]] = []
    made: dict[str, Receipt] = {}
    moved: list[tuple[Held, int, int, str]] = []
    for draft in drafts:
        source, destination, amount = balances[draft.source], balances[draft.destination], draft.amount
        if source.unit != destination.unit:
            raise Refused(_("Points and money are two ledgers; nothing moves from one to the other"))
        left = running[source.id] - amount
        if source.floor is not None and left < 0 and draft.why.reason not in OVERDRAWS:
            raise NotEnoughPoints(running[source.id], amount)
        running[source.id] = left
        arrived = running[destination.id] = running[destination.id] + amount
        txn = ids.at(now) if ids else tx.new_id()
        reason, rule, said, kept = reasons.of(draft.why)
        entry = (
            txn,
            at,
            source.area,
            source.unit,
            source.id,
            destination.id,
            str(amount),
            reason,
            rule,
            draft.reference,
            said,
        )
        rows, hashes = chains.setdefault(source.area, ([], []))
        hashes.append(chain.entry_hash(entry))
        rows.append((txn, reasons.at, source.area, reason, rule, draft.reference, *kept))
        postings.append((txn, source.id, destination.id, amount))
        made[draft.reference] = Receipt(txn, draft.reference, now, source.id, destination.id, amount)
        if source.kind in rules.PERSONAL:
            moved.append((source, -amount, left, draft.reference))
        if destination.kind in rules.PERSONAL:
            moved.append((destination, amount, arrived, draft.reference))
    for area, (rows, hashes) in chains.items():
        link = chain.extend(tx, area, now, hashes)
        bulk.insert(tx, "points_txn", TXN_COLUMNS, [(*row, link) for row in rows])
    bulk.insert(tx, "points_posting", POSTING_COLUMNS, postings)
    _tell(tx, moved)
    return made


class _Reasons:
    """The part of an entry that its reason fills: as text to be hashed, as values to be kept. A batch has few."""

    def __init__(self, tx: Tx, now: datetime) -> None:
        self.at = bulk.moment(tx, now)
        self._tx, self._lite = tx, tx.session.get_bind().dialect.name == "sqlite"
        self._known: dict[int, tuple[Why, tuple[str, str, str, tuple[Any, ...]]]] = {}

    def of(self, why: Why) -> tuple[str, str, str, tuple[Any, ...]]:
        known = self._known.get(id(why))
        if known is None:
            known = self._known[id(why)] = (why, self._made(why))  # kept alive, or another would take its id
        return known[1]

    def _made(self, why: Why) -> tuple[str, str, str, tuple[Any, ...]]:
        """In the order of chain.COLUMNS, from the item on."""
        actor = self._tx.actor
        before = (why.item, why.catalogue)
        after = (
            why.about, why.proposer, why.verifier, why.approver, why.third, why.evidence, why.cause or actor.cause,
            actor.id, actor.on_behalf_of, why.reverses, why.settles,
        )  # fmt: skip
        said = chain.BETWEEN.join(chain.texts((*before, why.act_date, *after, why.until)))
        day = why.act_date.isoformat() if self._lite and why.act_date else why.act_date
        until = bulk.moment(self._tx, why.until) if why.until else None
        return why.reason, why.by_rule, said, (*before, day, *after, until)


def _tell(tx: Tx, moved: Sequence[tuple[Held, int, int, str]]) -> None:
    """An event per account; every screen that shows it is drawn anew: a household's points show with each member."""
    tx.emit_all(
        PointsPosted,
        [
            {"account": account.id, "owner_kind": account.kind, "owner": account.owner, "amount": amount,
             "balance": balance, "reference": reference}
            for account, amount, balance, reference in moved
        ],
    )  # fmt: skip
    for area in {account.area for account, *_rest in moved}:
        tx.touch("points.tv", area)
    people = {account.owner for account, *_rest in moved if account.kind == "person"}
    homes = {account.owner for account, *_rest in moved if account.kind == "household"}
    for some in chunks(homes):
        people |= set(tx.session.execute(select(col(Resident.id)).where(col(Resident.household).in_(some))).scalars())
    for person in people:
        tx.touch("points.home", person)
        tx.touch("points.statement", person)
    for home in homes:
        tx.touch("points.household", home)
        tx.touch("points.tv_home", home)


def share(tx: Tx, by: Subject, source: str, destination: str, amount: int, reference: str) -> Receipt:
    """Move points between a person and their own household: free and at once (积分共享).

    Giving is one's own act. Drawing on the household needs a grown-up who agreed to share it: being head of the
    household is no right by itself.
    """
    ends = locked(tx, [source, destination])
    given = ends[source].kind == "person"
    person, home = (ends[source], ends[destination]) if given else (ends[destination], ends[source])
    who = beneficiary.one(tx, "person", person.owner) if person.kind == "person" else None
    if who is None or home.kind != "household" or who.household != home.owner or by.person != who.id:
        raise NotAllowed(_("Points are shared between your own account and your own household"))
    if not given and not has_consent(tx, who.id, "household_points", SHARE_VERSION):
        raise NotAllowed(_("Agree to share the household's points first"))
    return post(tx, source, destination, amount, reference, Why("share", proposer=who.id))


def reverse(tx: Tx, ident: str, why: str, signer: Subject) -> Receipt | None:
    """Mirror a transaction (积分冲正). Two people sign, neither for their own household; None until the second has.

    What was spent meanwhile makes the balance fall below zero, and spending waits until it is whole again.
    """
    done = receipts(tx, [f"reversal:{ident}"])
    if done:
        return next(iter(done.values()))
    original = tx.session.execute(
        select(
            col(Txn.reason), col(Txn.item), col(Txn.catalogue), col(Txn.act_date), col(Txn.about), col(Txn.settles)
        ).where(col(Txn.id) == ident)
    ).first()
    if original is None:
        raise NotFound(_("There is no such entry"))
    if original[0] == "reversal":
        raise Conflict(_("A reversal is not reversed; enter the points anew"))
    if original[0] in ("hold", "void"):
        raise Conflict(_("What is only held is given back, not reversed"))
    source, destination, amount = _ends(tx, ident)
    if original[5]:
        source = _ends(tx, original[5])[
            0
        ]  # what was held before it was handed over goes back to whom it was taken from
    ends = held(tx, [source, destination])
    homes = {home for account in ends.values() if (home := _home(tx, account))}
    persons = {account.owner for account in ends.values() if account.kind == "person"}
    standing = approval.signatures(tx, f"reversal:{ident}")
    signed = approval.sign(
        tx, f"reversal:{ident}", "approve" if standing else "verify", {"txn": ident, "why": why.strip()}, signer,
        beneficiary_households=homes, beneficiary_persons=persons,
    )  # fmt: skip
    if len(signed) < 2:
        return None
    reason = replace(
        Why("reversal", *original[1:5]), verifier=signed[0].staff, approver=signed[1].staff,
        evidence=why.strip()[:160], reverses=ident, rule="reversal@1",
    )  # fmt: skip
    return post(tx, destination, source, amount, f"reversal:{ident}", reason)


def _home(read: Read, account: Held) -> str | None:
    return beneficiary.one(read, account.kind, account.owner).household if account.kind in rules.PERSONAL else None


def _ends(read: Read, txn: str) -> tuple[str, str, int]:
    query = select(col(Posting.source), col(Posting.destination), col(Posting.amount)).where(col(Posting.txn) == txn)
    source, destination, amount = read.session.execute(query).one()
    return source, destination, amount

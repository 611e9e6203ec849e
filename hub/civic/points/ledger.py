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

from sqlalchemy import bindparam, insert, select
from sqlmodel import col

from hub import approval
from hub.access import Subject
from hub.civic.points import beneficiary, chain, rules
from hub.civic.points.accounts import (
    HOUSE,
    Opening,
    account_id,
    bare,
    held,
    house_account,
    locked,
    open_account,
    open_accounts,
)
from hub.civic.points.beneficiary import chunks
from hub.civic.points.models import Posting, Txn
from hub.civic.points.why import Draft, Held, Receipt, Why
from hub.db import Read, Tx
from hub.directory import Resident, has_consent
from hub.errors import Conflict, NotAllowed, NotFound, Refused
from hub.events import PointsPosted
from hub.i18n import _

__all__ = [
    "HOUSE", "OVERDRAWS", "NotEnoughPoints", "Opening", "account_id", "held", "house_account", "locked", "open_account",
    "open_accounts", "post", "post_all", "receipts", "reverse", "share",
]  # fmt: skip
OVERDRAWS = ("reversal", "false_claim")  # what may take a balance below zero; the database asks the same
REFERENCE_CHARS_MAX = 160
SHARE_VERSION = "1"  # of the text a grown-up agreed to before drawing on the household account

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
    answers = []
    for draft in drafts:
        receipt = made.pop(draft.reference, None)
        if receipt is not None:
            known[draft.reference] = replace(receipt, repeated=True)
        answers.append(receipt or known[draft.reference])
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
    txns: dict[str, tuple[list[dict[str, Any]], list[str]]] = {}  # rows and hashes, by the community of the chain
    postings: list[dict[str, Any]] = []
    made: dict[str, Receipt] = {}
    moved: list[tuple[Held, int, int, str]] = []
    for draft in drafts:
        source, destination = balances[draft.source], balances[draft.destination]
        if source.unit != destination.unit:
            raise Refused(_("Points and money are two ledgers; nothing moves from one to the other"))
        left = running[source.id] - draft.amount
        if source.floor is not None and draft.why.reason not in OVERDRAWS and left < 0:
            raise NotEnoughPoints(running[source.id], draft.amount)
        running[source.id], running[destination.id] = left, running[destination.id] + draft.amount
        txn = tx.new_id()
        row = _txn_row(tx, txn, now, draft, source.area)
        posting = {"txn": txn, "source": source.id, "destination": destination.id, "amount": draft.amount}
        postings.append(posting)
        rows, hashes = txns.setdefault(source.area, ([], []))
        rows.append(row)
        hashes.append(chain.entry_hash(chain.cells({**row, **posting, "unit": source.unit})))
        made[draft.reference] = Receipt(txn, draft.reference, now, source.id, destination.id, draft.amount)
        moved += [
            (source, -draft.amount, running[source.id], draft.reference),
            (destination, draft.amount, running[destination.id], draft.reference),
        ]
    for area, (rows, hashes) in txns.items():
        link = chain.extend(tx, area, now, hashes)
        for row in rows:
            row["link"] = link
        tx.session.execute(insert(bare(Txn)), rows)
    tx.session.execute(insert(bare(Posting)), postings)
    _tell(tx, [each for each in moved if each[0].kind in rules.PERSONAL])
    return made


def _txn_row(tx: Tx, ident: str, now: datetime, draft: Draft, area: str) -> dict[str, Any]:
    why = draft.why
    return {
        "id": ident, "at": now, "reason": why.reason, "reference": draft.reference, "item": why.item,
        "catalogue": why.catalogue, "act_date": why.act_date, "about": why.about, "proposer": why.proposer,
        "verifier": why.verifier, "approver": why.approver, "third": why.third, "evidence": why.evidence,
        "cause": why.cause or tx.actor.cause, "actor": tx.actor.id, "on_behalf_of": tx.actor.on_behalf_of,
        "reverses": why.reverses, "settles": why.settles, "until": why.until, "rule": why.by_rule, "area": area,
    }  # fmt: skip


def _tell(tx: Tx, moved: Sequence[tuple[Held, int, int, str]]) -> None:
    """An event per account; every screen that shows it is drawn anew: a household's points show with each member."""
    for account, amount, balance, reference in moved:
        tx.emit(
            PointsPosted, account=account.id, owner_kind=account.kind, owner=account.owner, amount=amount,
            balance=balance, reference=reference,
        )  # fmt: skip
        tx.touch("points.tv", account.area)
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

"""The ledger's verbs: post, share, reverse. Double entry, append-only, each reference at most once for ever.

Accounts are locked (accounts.py) before anything is read that a decision hangs on; what the database promises on its
own stands in guards.py. Everything that moves points or money goes through `post_all`, which also adds the link to the
hash chain of each community (chain.py).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace as changed

from msgspec.structs import replace
from sqlalchemy import bindparam, select
from sqlmodel import col

from hub import approval, bulk
from hub.access import Subject
from hub.civic.points import beneficiary, journal, rules
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
from hub.civic.points.chain import BETWEEN
from hub.civic.points.journal import OVERDRAWS
from hub.civic.points.models import Posting, Txn
from hub.civic.points.why import Draft, Held, NotEnoughPoints, Receipt, Why
from hub.db import Read, Tx
from hub.directory import has_consent
from hub.errors import Conflict, NotAllowed, NotFound, Refused
from hub.i18n import _

__all__ = [
    "HOUSE", "OVERDRAWS", "NotEnoughPoints", "Opening", "account_id", "held", "house_account", "locked", "open_account",
    "open_accounts", "post", "post_all", "receipts", "reverse", "share",
]  # fmt: skip
REFERENCE_CHARS_MAX = 160
SHARE_VERSION = "1"  # of the text a grown-up agreed to before drawing on the household account

_POSTED = "SELECT reference FROM points_txn WHERE reference {names}"
# Built once: building a statement costs more than running it.
_RECEIPTS = (
    select(
        col(Txn.id), col(Txn.reference), col(Txn.at), col(Posting.source), col(Posting.destination), col(Posting.amount)
    )
    .join(Posting, col(Posting.txn) == col(Txn.id))
    .where(col(Txn.reference).in_(bindparam("references", expanding=True)))
)


def post(tx: Tx, source: str, destination: str, amount: int, reference: str, why: Why) -> Receipt:
    """Move points once. The same reference again gives the first receipt, for ever."""
    return post_all(tx, [Draft(source, destination, amount, reference, why)])[0]


def post_all(tx: Tx, drafts: Sequence[Draft]) -> list[Receipt]:
    """All or nothing, in the order given; a reference that was posted before is answered with its first receipt."""
    _checked(drafts)
    balances = locked(tx, {draft.source for draft in drafts} | {draft.destination for draft in drafts})
    wanted = {draft.reference for draft in drafts}
    known = receipts(tx, wanted)
    if not known and len(wanted) == len(drafts):
        return list(journal.write(tx, drafts, balances).values())
    fresh: dict[str, Draft] = {}
    for draft in drafts:
        if draft.reference not in known:
            fresh.setdefault(draft.reference, draft)
    made = journal.write(tx, list(fresh.values()), balances) if fresh else {}
    answers: list[Receipt] = []
    for draft in drafts:
        first = made.get(draft.reference)
        answers.append(first or known[draft.reference])
        if first is not None:  # told as new once, to the draft that made it
            known[draft.reference] = replace(made.pop(draft.reference), repeated=True)
    return answers


def receipts(read: Read, references: Collection[str]) -> dict[str, Receipt]:
    """What was posted under these references."""
    posted = bulk.among(read, _POSTED, references)
    if not posted:
        return {}
    found: dict[str, Receipt] = {}
    for some in chunks({row[0] for row in posted}):
        for row in read.session.execute(_RECEIPTS, {"references": some}):
            found[row[1]] = replace(Receipt(*row), repeated=True)
    return found


def _checked(drafts: Sequence[Draft]) -> None:
    """That each can be an entry at all, whatever the accounts hold."""
    for draft in drafts:
        if draft.amount <= 0:
            raise Refused(_("Points move by a whole number above zero"))
        if draft.source == draft.destination:
            raise Refused(_("Points cannot move from an account to itself"))
        if not 0 < len(draft.reference) <= REFERENCE_CHARS_MAX or BETWEEN in draft.reference:
            raise Refused(_("A reference has 1 to {most} characters").format(most=REFERENCE_CHARS_MAX))


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
    reason = changed(
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

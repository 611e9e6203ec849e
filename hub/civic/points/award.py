"""Crediting what people did: by the catalogue of that day, under the caps, once per reference, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import TypeAlias
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlmodel import col

from hub.civic.points import beneficiary, catalogue, ledger, local, rules
from hub.civic.points.beneficiary import Key, Owner, chunks
from hub.civic.points.catalogue import Item
from hub.civic.points.models import Posting, Txn
from hub.civic.points.reward_models import LocalItem
from hub.civic.points.rules import Span, Used
from hub.civic.points.why import Draft, Receipt, Why
from hub.db import Read, Tx

Known: TypeAlias = dict[tuple[str, date], dict[str, LocalItem]]  # what communities changed, asked once a batch


@dataclass(frozen=True, slots=True)
class Award:
    """One act of one owner. A child's act names the child; the points go to the household."""

    owner_kind: str
    owner: str
    item: str
    hours: Decimal | None
    day: date
    reference: str
    of_minor: bool = False
    about: str | None = None
    evidence: str | None = None
    claimed: datetime | None = None  # when it was declared: the thirty days end there, not with the last signature


@dataclass(frozen=True, slots=True)
class Signed:
    """Who proposed, and the different people who verified and approved."""

    proposer: str | None = None
    verifier: str | None = None
    approver: str | None = None
    third: str | None = None


@dataclass(frozen=True, slots=True)
class Credited:
    """No receipt: the caps left nothing to credit."""

    award: Award
    account: str
    receipt: Receipt | None


@dataclass(frozen=True, slots=True)
class _Due:
    """An award whose account, item and worth are known."""

    award: Award
    owner: Owner
    account: str
    item: Item
    version: str
    worth: int


def check(read: Read, awards: Sequence[Award], signed: Signed | None = None) -> None:
    """Say now what crediting would refuse later."""
    owners, known = _owners(read, awards), Known()
    for award in awards:
        _due(read, award, owners, signed, known)


def credit(tx: Tx, awards: Sequence[Award], signed: Signed, *, cause: str | None = None) -> list[Credited]:
    """Credit all of them or none. What was credited before under its reference gives its first receipt."""
    if not awards:
        return []
    owners = _owners(tx, awards)
    here = Known()
    dues = [_due(tx, award, owners, signed, here) for award in awards]
    ledger.open_accounts(tx, [due.owner for due in dues])
    issues = {due.owner.area: ledger.house_account(tx, "issue", due.owner.area, due.owner.tz) for due in dues}
    # Before the caps are counted: two sheets at once must not both find the day's last ten points free.
    ledger.locked(tx, {due.account for due in dues} | set(issues.values()))
    known = ledger.receipts(tx, [award.reference for award in awards])
    tally = Tally(tx, {due.account for due in dues})
    drafts: list[Draft] = []
    seen = set(known)
    for due in dues:
        award = due.award
        if award.reference in seen:
            continue
        seen.add(award.reference)
        amount = tally.take(due.account, due.item, award.day, due.worth, award.about or "")
        if amount:
            why = Why(
                "award", due.item.code, due.version, award.day, award.about, signed.proposer, signed.verifier,
                signed.approver, signed.third, award.evidence, cause,
            )  # fmt: skip
            drafts.append(Draft(issues[due.owner.area], due.account, amount, award.reference, why))
    posted = {receipt.reference: receipt for receipt in ledger.post_all(tx, drafts)} if drafts else {}
    return [
        Credited(due.award, due.account, posted.get(due.award.reference) or known.get(due.award.reference))
        for due in dues
    ]


def _owners(read: Read, awards: Sequence[Award]) -> dict[Key, Owner]:
    owners = beneficiary.find(read, {(award.owner_kind, award.owner) for award in awards})
    homes = {beneficiary.for_act(owners, (award.owner_kind, award.owner), award.day)[0] for award in awards}
    return owners | beneficiary.find(read, homes - set(owners))


def _due(read: Read, award: Award, owners: dict[Key, Owner], signed: Signed | None, known: Known) -> _Due:
    key, child = beneficiary.for_act(owners, (award.owner_kind, award.owner), award.day)
    owner = owners[key]
    rules.in_time(award.day, (award.claimed or read.now()).astimezone(ZoneInfo(owner.tz)).date())
    book = catalogue.on(award.day)
    item = local.item_on(read, owner.area, book.item(award.item), award.day, known)
    rules.creditable(item, owner.kind, of_minor=child or award.of_minor)
    if signed is not None:
        rules.signed(item, (signed.verifier, signed.approver, signed.third))
    worth = rules.value(item, award.hours)
    return _Due(
        replace(award, owner_kind=owner.kind, owner=owner.id), owner, ledger.account_id(*key), item, book.version, worth
    )


class Tally:
    """What each account of a batch has had under each cap, with what this batch itself adds."""

    def __init__(self, read: Read, accounts: set[str]) -> None:
        self._read, self._accounts = read, accounts
        self._loaded: set[tuple[str, Span, str]] = set()
        self._used: dict[tuple[str, str, Span, str], Used] = {}

    def take(self, account: str, item: Item, day: date, worth: int, about: str = "") -> int:
        """How much of it fits; counted as had from now on."""
        spans = [(cap, rules.span(cap, day), about if cap.each else "") for cap in item.caps]
        amount = rules.fits(worth, [(cap, self._had(account, item, span, each)) for cap, span, each in spans])
        if amount:
            for span, each in {(span, each) for _cap, span, each in spans if span is not None}:
                had = self._used.get((account, item.code, span, each), Used())
                self._used[account, item.code, span, each] = Used(had.points + amount, had.acts + 1)
        return amount

    def _had(self, account: str, item: Item, span: Span | None, about: str) -> Used:
        if span is None:
            return Used()
        if (item.code, span, about) not in self._loaded:
            self._loaded.add((item.code, span, about))
            self._load(item.code, span, about)
        return self._used.get((account, item.code, span, about), Used())

    def _load(self, item: str, span: Span, about: str) -> None:
        """Awards of the span, less those that were reversed."""
        for reason, end, sign in (("award", Posting.destination, 1), ("reversal", Posting.source, -1)):
            for some in chunks(self._accounts):
                query = (
                    select(col(end), func.sum(col(Posting.amount)), func.count())
                    .join(Txn, col(Txn.id) == col(Posting.txn))
                    .where(col(end).in_(some), col(Txn.reason) == reason, col(Txn.item) == item)
                    .where(col(Txn.act_date).between(span.first, span.last))
                    .group_by(col(end))
                )
                if about:
                    query = query.where(col(Txn.about) == about)
                for account, points, acts in self._read.session.execute(query):
                    had = self._used.get((account, item, span, about), Used())
                    self._used[account, item, span, about] = Used(
                        had.points + sign * int(points), had.acts + sign * acts
                    )

"""监委会: replay the ledger from zero, draw five in a hundred awards of a month, look at each, and say what was found.

Which awards are drawn hangs on the hub's key: nobody at the desk can know before, and drawn again they are the same.
Everything a supervisor opens is in the record.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from math import ceil
from typing import Any

from sqlalchemy import func, select
from sqlmodel import col

from hub import directory
from hub.access import Subject
from hub.audit import AuditRow
from hub.civic.points import book, catalogue, chain, honours, publicity
from hub.civic.points.claim_models import Check, Claim, Photo
from hub.civic.points.events import AwardChecked, AwardOpened
from hub.civic.points.models import Account, Posting, Txn
from hub.db import Read, Tx
from hub.errors import NotFound, Refused
from hub.i18n import N_, _, pick

SHARE = 0.05
VERDICTS = ("sound", "doubted")
ATTEMPTS_MAX = 100
REFUSED = {
    "own": N_("for themselves"), "household": N_("for the own household"), "twice": N_("a second part of one thing"),
    "declared": N_("what they declared themselves"), "complaint": N_("about a household that complained about them"),
    "peer": N_("for a colleague"),
}  # fmt: skip
SIGNED = {
    "claim": N_("A claim"), "sheet": N_("An attendance sheet"), "redemption": N_("A hand-over at the counter"),
    "reversal": N_("A reversal"), "budget": N_("Money"),
}  # fmt: skip
LINKED = ("claim", "sheet")


@dataclass(frozen=True, slots=True)
class Replay:
    """The ledger added up from zero, and its chain walked from the first link."""

    accounts: int
    postings: int
    total: int
    different: tuple[str, ...]
    broken: tuple[str, ...]

    @property
    def sound(self) -> bool:
        return self.total == 0 and not self.different and not self.broken


@dataclass(frozen=True, slots=True)
class Drawn:
    txn: str
    number: str
    at: datetime
    name: str
    place: str
    what: str
    points: int
    claim: str
    verdict: str
    twin: bool  # its photo is another claim's as well


@dataclass(frozen=True, slots=True)
class Attempt:
    """A signature that separation of duties refused."""

    at: datetime
    who: str
    what: str  # claim | sheet | redemption | reversal | budget
    ident: str
    why: str


def replay(read: Read) -> Replay:
    found = book.recount(read)
    broken = tuple(f"{each.area} {each.month} #{each.seq}" for each in chain.verify(read))
    return Replay(found.accounts, found.postings, found.total, found.different, broken)


def sample(read: Read, area: str, first: date, last: date, tz: str) -> list[Drawn]:
    """At least one of a month in which anything was credited."""
    since, until = honours.moment(first, tz), honours.moment(last, tz, end=True)
    rows = read.session.execute(
        select(
            col(Txn.id), col(Posting.id), col(Txn.at), col(Account.kind), col(Account.owner), col(Txn.item),
            col(Txn.act_date), col(Posting.amount), col(Txn.evidence),
        )
        .join(Posting, col(Posting.txn) == col(Txn.id))
        .join(Account, col(Account.id) == col(Posting.destination))
        .where(col(Account.area) == area, col(Txn.reason) == "award", col(Txn.at) >= since, col(Txn.at) < until)
    ).all()  # fmt: skip
    chosen = sorted(rows, key=lambda row: read.seal.mark(row[0], "points.sample"))[: ceil(SHARE * len(rows))]
    named = publicity.named(read, [(row[3], row[4]) for row in chosen])
    verdicts = _verdicts(read, area, [row[0] for row in chosen])
    twins = _twins(read, [row[8].removeprefix("claim:") for row in chosen if (row[8] or "").startswith("claim:")])
    return [
        Drawn(
            txn, f"{posting:06}", at, *named.get(f"{kind}-{owner}", ("", "")), _named(item, day), int(points),
            _claim(evidence), verdicts.get(txn, ""), _claim(evidence) in twins,
        )
        for txn, posting, at, kind, owner, item, day, points, evidence in sorted(chosen, key=lambda row: row[2])
    ]  # fmt: skip


def refused(read: Read, area: str, first: date, last: date, tz: str) -> list[Attempt]:
    """Who tried to sign what they may not, in a community and a span, the newest first."""
    rows = read.session.execute(
        select(AuditRow)
        .where(col(AuditRow.kind) == "SignatureRefused")
        .where(col(AuditRow.at) >= honours.moment(first, tz), col(AuditRow.at) < honours.moment(last, tz, end=True))
        .where(col(AuditRow.detail).contains(f'"area":"{area}"', autoescape=True))
        .order_by(col(AuditRow.seq).desc())
        .limit(ATTEMPTS_MAX)
    ).scalars()
    found = []
    for row in rows:
        what, _colon, ident = row.subject.partition(":")
        staff = read.session.get(directory.Staff, row.actor.removeprefix("staff:"))
        who = f"{pick(staff.title_zh, staff.title_en)} {directory.masked(staff.name)}".strip() if staff else ""
        why = REFUSED.get(json.loads(row.detail)["why"], "")
        found.append(
            Attempt(
                row.at,
                who,
                _(SIGNED[what]) if what in SIGNED else what,
                f"{what}s/{ident}" if what in LINKED else "",
                _(why),
            )
        )
    return found


def open_award(tx: Tx, by: Subject, txn: str) -> dict[str, Any]:
    """What stands behind one entry, without a name; that it was opened is in the record."""
    row = tx.session.get(Txn, txn)
    end = tx.session.execute(
        select(col(Account.area), col(Posting.amount), col(Account.kind), col(Account.owner))
        .join(Account, col(Account.id) == col(Posting.destination))
        .where(col(Posting.txn) == txn)
    ).first()
    if row is None or end is None:
        raise NotFound(_("There is no such entry"))
    by.require("points.supervise", directory.area(tx, end[0]).path)
    tx.emit(AwardOpened, txn=txn, area=end[0])
    name, place = publicity.named(tx, [(end[2], end[3])]).get(f"{end[2]}-{end[3]}", ("", ""))
    return {
        "txn": row, "points": int(end[1]), "name": name, "place": place, "what": _named(row.item, row.act_date),
        "claim": _claim(row.evidence), "area": end[0],
    }  # fmt: skip


def judge(tx: Tx, by: Subject, txn: str, verdict: str) -> Check:
    """What was found. Said again, the newer word stands; both are in the record."""
    if verdict not in VERDICTS:
        raise Refused(_("Say whether it is sound or doubted"))
    seen = open_award(tx, by, txn)
    found = tx.session.get(Check, (seen["area"], txn)) or Check(
        area=seen["area"], txn=txn, verdict=verdict, by=by.id, at=tx.now()
    )
    found.verdict, found.by, found.at = verdict, by.id, tx.now()
    tx.session.add(found)
    tx.session.flush()
    tx.emit(AwardChecked, txn=txn, area=found.area, verdict=verdict)
    return found


def _verdicts(read: Read, area: str, txns: list[str]) -> dict[str, str]:
    rows = read.session.execute(
        select(col(Check.txn), col(Check.verdict)).where(col(Check.area) == area, col(Check.txn).in_(txns))
    )
    return {txn: verdict for txn, verdict in rows}


def _twins(read: Read, claims: list[str]) -> set[str]:
    """Claims of which a photo, to the byte, is another live claim's too."""
    shared = (
        select(col(Photo.digest))
        .join(Claim, col(Claim.id) == col(Photo.claim))
        .where(col(Claim.state).not_in(("withdrawn", "refused")))
        .group_by(col(Photo.digest))
        .having(func.count(func.distinct(col(Photo.claim))) > 1)
    )
    rows = read.session.execute(
        select(col(Photo.claim)).where(col(Photo.claim).in_(claims), col(Photo.digest).in_(shared))
    )
    return set(rows.scalars())


def _claim(evidence: str | None) -> str:
    return evidence.removeprefix("claim:") if evidence and evidence.startswith("claim:") else ""


def _named(item: str | None, day: date | None) -> str:
    found = catalogue.on(day).items.get(item) if item and day else None
    return found.name if found else item or ""

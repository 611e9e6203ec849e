"""Certificates (证书): of a level reached, or of hours of service, under a number by which a stranger can check it.

A certificate says what stood in the ledger on its day and is never edited. Its number is drawn, sixty bits, and stands
in the address a stranger opens; no name does. What a stranger sees is the name masked, so that whoever holds the paper
can be compared with it and nobody can be looked up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from hub import directory
from hub.civic.points import catalogue, honours, ledger, rules
from hub.civic.points.events import CertificateIssued
from hub.civic.points.models import Posting, Txn
from hub.civic.points.reward_models import Certificate
from hub.db import Read, Tx
from hub.errors import Conflict, NotFound, Refused
from hub.i18n import N_, _, pick
from hub.rng import code

KINDS = {"honour": N_("Certificate of honour"), "service": N_("Certificate of service hours")}
NUMBER_CHARS = 12
LISTED_MAX = 20


@dataclass(frozen=True, slots=True)
class Standing:
    """What a certificate of today would say."""

    stars: int
    earned: int
    minutes: int
    first: date | None
    last: date | None


def standing(read: Read, person: str) -> Standing:
    account = ledger.account_id("person", person)
    held = ledger.held(read, [account])
    earned = held[account].earned if account in held else 0
    levels = catalogue.versions()[-1].levels
    reached = rules.level(earned, levels)
    minutes, days = _served(read, account)
    stars = levels.index(reached) + 1 if reached else 0
    return Standing(stars, earned, minutes, min(days, default=None), max(days, default=None))


def issue(tx: Tx, person: str, kind: str, by: str) -> Certificate:
    """The same figures are the same certificate, however often it is asked for."""
    if kind not in KINDS:
        raise Refused(_("There is no such certificate"))
    now = standing(tx, person)
    if (kind == "honour" and not now.stars) or (kind == "service" and not now.minutes):
        raise Conflict(_("There is nothing to certify yet"))
    query = select(Certificate).where(col(Certificate.resident) == person, col(Certificate.kind) == kind)
    known: list[Certificate] = list(tx.session.execute(query).scalars())
    figures = (now.stars, now.earned) if kind == "honour" else (now.minutes, now.last)
    for each in known:
        if ((each.stars, each.earned) if kind == "honour" else (each.minutes, each.last)) == figures:
            return each
    found = directory.resident(tx, person)
    made = Certificate(
        id=tx.new_id(), code=code(tx.rng, NUMBER_CHARS), resident=person, area=found.area, kind=kind, stars=now.stars,
        earned=now.earned, minutes=now.minutes if kind == "service" else 0, first=now.first, last=now.last,
        at=tx.now(), by=by,
    )  # fmt: skip
    tx.session.add(made)
    tx.session.flush()
    tx.emit(CertificateIssued, certificate=made.id, area=made.area, kind=kind)
    return made


def of_person(read: Read, person: str) -> list[Certificate]:
    query = select(Certificate).where(col(Certificate.resident) == person).order_by(col(Certificate.at).desc())
    return list(read.session.execute(query.limit(LISTED_MAX)).scalars())


def one(read: Read, ident: str) -> Certificate:
    found = read.session.get(Certificate, ident)
    if found is None:
        raise NotFound(_("There is no such certificate"))
    return found


def by_number(read: Read, number: str) -> Certificate | None:
    """As it is typed from paper: blanks, dashes and capitals do not matter."""
    text = "".join(each for each in number.lower() if each.isalnum())
    return read.session.execute(select(Certificate).where(col(Certificate.code) == text)).scalar_one_or_none()


def shown(read: Read, found: Certificate, *, whole: bool) -> dict[str, Any]:
    """`whole` for the owner's own paper; a stranger sees the name masked."""
    person, place = directory.resident(read, found.resident), directory.area(read, found.area)
    level = catalogue.versions()[-1].levels[found.stars - 1] if found.stars else None
    return {
        "certificate": found, "title": _(KINDS[found.kind]), "tz": place.tz, "place": pick(place.zh, place.en),
        "name": person.name if whole else directory.masked(person.name), "number": spaced(found.code),
        "level": pick(level.zh, level.en) if level else "", "hours": f"{found.minutes / 60:g}",
        "months": honours.active_months(read, ledger.account_id("person", person.id), place.tz) if whole else 0,
    }  # fmt: skip


def spaced(number: str) -> str:
    return " ".join(number[start : start + 4] for start in range(0, len(number), 4)).upper()


def _served(read: Read, account: str) -> tuple[int, list[date]]:
    """Minutes that were credited, by the catalogue of each day, less what was reversed."""
    undone = select(col(Txn.reverses)).where(col(Txn.reverses).is_not(None))
    rows = read.session.execute(
        select(col(Txn.item), col(Txn.act_date), col(Posting.amount))
        .join(Posting, col(Posting.txn) == col(Txn.id))
        .where(col(Posting.destination) == account, col(Txn.reason) == "award", col(Txn.id).not_in(undone))
        .where(col(Txn.item).is_not(None), col(Txn.act_date).is_not(None))
    )
    minutes, days = 0, []
    for item, day, amount in rows:
        found = catalogue.on(day).items.get(item)
        if found is not None and found.hours:
            minutes += int(60 * found.hours * amount / found.points)
            days.append(day)
    return minutes, days

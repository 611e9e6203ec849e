"""The docket: claims as they are read, locked and told of; shared by claims.py, publicity.py and deductions.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from hub import directory
from hub.access import Subject
from hub.approval import Signature
from hub.civic.points import catalogue, claim_rules, keepers, tidings
from hub.civic.points.catalogue import Item
from hub.civic.points.claim_models import Claim, Objection, Photo
from hub.civic.points.events import ClaimMoved
from hub.db import Read, Tx
from hub.directory import Area
from hub.errors import NotFound
from hub.i18n import _

PEERS_MAX = 50  # of a district's staff; they are few, and claim little


def find(read: Read, ident: str) -> Claim:
    found = read.session.get(Claim, ident, populate_existing=True)
    if found is None:
        raise NotFound(_("There is no such claim"))
    return found


def locked(tx: Tx, ident: str) -> Claim:
    found = tx.session.get(Claim, ident, populate_existing=True, with_for_update=True)
    if found is None:
        raise NotFound(_("There is no such claim"))
    return found


def item_of(claim: Claim) -> Item:
    return catalogue.on(claim.act_date).item(claim.item)


def needed(claim: Claim) -> tuple[str, ...]:
    return claim_rules.parts(item_of(claim), claim.points, forced=claim.forced)


def subject_of(claim: Claim) -> str:
    return f"claim:{claim.id}"


def content(read: Read, claim: Claim) -> dict[str, Any]:
    """What a signature covers."""
    digests = read.session.execute(select(col(Photo.digest)).where(col(Photo.claim) == claim.id)).scalars()
    return {
        "claim": claim.id, "owner": [claim.owner_kind, claim.owner], "item": claim.item, "day": claim.act_date,
        "minutes": claim.minutes, "points": claim.points, "number": claim.number, "about": claim.about,
        "words": claim.words, "photos": sorted(digests),
    }  # fmt: skip


def moved(tx: Tx, claim: Claim) -> None:
    """It is in the record, and every screen that shows it is drawn anew."""
    tx.emit(ClaimMoved, claim=claim.id, area=claim.area, item=claim.item, state=claim.state)
    tx.touch("points.desk", claim.area)
    tx.touch("points.work", claim.area)
    tx.touch("points.public", claim.area)
    for area in beside_of(tx, claim.area) if claim.peer else ():
        tx.touch("points.desk", area)
    for person in told(tx, claim):
        tx.touch("points.claims", person)


def mine(read: Read, person: str, home: str, limit: int = 30) -> list[Claim]:
    """What this resident declared or what is theirs, the newest first; also what is an organisation's of theirs."""
    teams = [each.id for each in keepers.of_person(read, person)]
    query = select(Claim).where(
        (col(Claim.owner) == person)
        | (col(Claim.owner_kind) == "organisation") & col(Claim.owner).in_(teams)
        | (col(Claim.home) == home) & (col(Claim.owner_kind) == "household")
        | (col(Claim.declared_by) == person)
    )
    return list(read.session.execute(query.order_by(col(Claim.declared_at).desc()).limit(limit)).scalars())


def belongs(read: Read, who: Subject, claim: Claim) -> bool:
    """Whether a resident reads this claim: their own, their household's, one they declared, or their organisation's."""
    if who.kind != "resident":
        return False
    if claim.owner_kind == "organisation" and keepers.acting(read, who, claim.owner) is not None:
        return True
    return who.person in (claim.owner, claim.declared_by) or (
        claim.owner_kind == "household" and claim.owner == who.household
    )


def waiting(read: Read, area: str, limit: int = 100) -> list[Claim]:
    """What the desk has to do something about, the oldest first; last what the staff next door claimed."""
    query = select(Claim).where(col(Claim.area) == area, col(Claim.state).in_((*claim_rules.SIGNABLE, "objected")))
    return [*read.session.execute(query.order_by(col(Claim.declared_at)).limit(limit)).scalars(), *peers(read, area)]


def peers(read: Read, area: str) -> list[Claim]:
    """Claims of staff of the same district's other communities that wait for a worker who is no colleague of theirs."""
    beside = beside_of(read, area)
    query = select(Claim).where(
        col(Claim.peer).is_(True), col(Claim.area).in_(beside), col(Claim.state).in_(claim_rules.SIGNABLE)
    )
    found = list(read.session.execute(query.order_by(col(Claim.declared_at)).limit(PEERS_MAX)).scalars())
    signed = signers(read, found)
    return [each for each in found if _next(each, signed.get(each.id, 0)) == claim_rules.PEER]


def beside_of(read: Read, area: str) -> list[str]:
    """The other communities below the same district or county."""
    path = directory.area(read, area).path.split("/")
    rows = select(col(Area.code)).where(
        col(Area.path).startswith("/".join(path[:2]) + "/"), col(Area.code) != area,
        col(Area.kind).in_(("community", "village")),
    )  # fmt: skip
    return list(read.session.execute(rows).scalars())


def _next(claim: Claim, signed: int) -> str:
    letters = needed(claim)
    return letters[signed] if signed < len(letters) else ""


def objections(read: Read, area: str) -> list[Objection]:
    query = select(Objection).where(col(Objection.area) == area, col(Objection.state) == "open")
    return list(read.session.execute(query.order_by(col(Objection.at)).limit(100)).scalars())


def told(read: Read, claim: Claim) -> list[str]:
    return tidings.hearers(read, claim.owner_kind, claim.owner, claim.act_date)


def tell(tx: Tx, claim: Claim, title: Callable[[], str], text: Callable[[], str]) -> None:
    tidings.tell(tx, told(tx, claim), tidings.about(tx, claim.owner_kind, claim.owner, title), text)


def tell_end(tx: Tx, claim: Claim) -> None:
    tell(
        tx, claim,
        lambda: _("Your claim was sent back") if claim.state == "returned" else _("Your claim was not granted"),
        lambda: _("{item}: {why}").format(item=item_name(claim), why=claim.why or ""),
    )  # fmt: skip


def item_name(claim: Claim) -> str:
    return item_of(claim).name


def signers(read: Read, claims: Sequence[Claim]) -> dict[str, int]:
    """How many signatures each has."""
    rows = read.session.execute(
        select(col(Signature.subject)).where(col(Signature.subject).in_([subject_of(each) for each in claims]))
    ).scalars()
    counted: dict[str, int] = {}
    for subject in rows:
        counted[subject.removeprefix("claim:")] = counted.get(subject.removeprefix("claim:"), 0) + 1
    return counted

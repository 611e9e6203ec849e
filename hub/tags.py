"""Marks of a resident (居民标签) that a notice may be meant for: kept in the directory, or worked out when asked.

Age and an empty home are never stored twice: a mark is as old as the last census, a birthday is not. There is no mark
for an illness: health values have a house of their own, and a list of the sick is not a list for notices.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, and_, or_, select
from sqlmodel import col

from hub.db import Tx
from hub.directory import AGED, ELDER, MINOR, Household, Resident
from hub.errors import Refused
from hub.events import Event
from hub.i18n import N_, _


@dataclass(frozen=True, kw_only=True)
class ResidentMarked(Event):
    """Somebody of the staff changed a resident's marks. Which ones is in the directory alone."""

    resident: str

    def subject(self) -> str:
        return self.resident


@dataclass(frozen=True, slots=True)
class Tag:
    id: str
    name: str  # msgid
    kept: bool = True  # False: worked out from the birth date and the household alone


TAGS = (
    Tag("alone", N_("Lives alone")),
    Tag("aged80", N_("Aged 80 or more"), kept=False),
    Tag("aged60", N_("Aged 60 or more"), kept=False),
    Tag("children", N_("Children under 14 at home"), kept=False),
    Tag("disabled", N_("Disabled")),
    Tag("hardship", N_("In hardship")),
    Tag("single-parent", N_("Single parent")),
    Tag("tenant", N_("Tenant")),
    Tag("veteran", N_("Veteran")),
    Tag("party", N_("Party member")),
    Tag("volunteer", N_("Volunteer")),
    Tag("building-head", N_("Head of a building")),
)
KEPT = tuple(tag for tag in TAGS if tag.kept)


def rule(tag: str, today: date) -> ColumnElement[bool]:
    """Who carries it, as a rule over `Resident`: by the directory's mark, or by what we know anyhow."""
    marked = f" {tag} "
    homes = select(col(Household.id)).where(col(Household.tags).contains(marked, autoescape=True))
    held = or_(col(Resident.tags).contains(marked, autoescape=True), col(Resident.household).in_(homes))
    if tag == "aged80":
        return or_(held, col(Resident.born) <= born_by(today, AGED))
    if tag == "aged60":
        return or_(held, col(Resident.born) <= born_by(today, ELDER))
    if tag == "alone":
        single = select(col(Household.id)).where(col(Household.size) == 1)
        return or_(held, and_(col(Resident.born) <= born_by(today, ELDER), col(Resident.household).in_(single)))
    if tag == "children":
        young = select(col(Resident.household)).where(col(Resident.born) > born_by(today, MINOR))
        return or_(held, col(Resident.household).in_(young))
    return held


def born_by(today: date, years: int) -> date:
    """Whoever was born on this day or before has turned that old."""
    try:
        return today.replace(year=today.year - years)
    except ValueError:  # today is 29 February, and that year had none
        return date(today.year - years, 2, 28)


def mark(tx: Tx, resident: Resident, wanted: Collection[str]) -> bool:
    """Set the kept marks of a resident. Says whether any changed; who changed them is in the audit log."""
    known = {tag.id for tag in KEPT}
    if not set(wanted) <= known:
        raise Refused(_("There is no such mark"))
    others = [each for each in resident.tags.split() if each not in known]
    fresh = " ".join(["", *others, *(tag.id for tag in KEPT if tag.id in wanted), ""])
    if set(fresh.split()) == set(resident.tags.split()):
        return False
    resident.tags = fresh if fresh.strip() else " "
    tx.session.add(resident)
    tx.emit(ResidentMarked, resident=resident.id)
    return True

"""Who may own an account: residents, households and filed organisations, looked up in the directory many at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from sqlalchemy import select
from sqlmodel import col

from hub.civic.points import rules
from hub.db import Read
from hub.directory import Area, Household, Organisation, Resident
from hub.errors import NotFound, Refused
from hub.i18n import _

ASKED_AT_ONCE = 500  # ids in one IN list, far below any engine's limit
T = TypeVar("T")
Key = tuple[str, str]  # (kind, id)


@dataclass(frozen=True, slots=True)
class Owner:
    kind: str  # person | household | organisation
    id: str
    area: str
    tz: str
    household: str | None = None
    born: date | None = None

    @property
    def key(self) -> Key:
        return self.kind, self.id


def find(read: Read, wanted: Collection[Key]) -> dict[Key, Owner]:
    """Everyone asked for; raises when one is unknown, or is an organisation that is not filed (备案)."""
    found: dict[Key, Owner] = {}
    for kind, ask in (("person", _residents), ("household", _households), ("organisation", _organisations)):
        for ids in chunks({ident for each, ident in wanted if each == kind}):
            found |= {owner.key: owner for owner in ask(read, ids)}
    if any(key not in found for key in wanted):
        raise NotFound(_("There is no such resident, household or filed organisation"))
    return found


def one(read: Read, kind: str, ident: str) -> Owner:
    return find(read, [(kind, ident)])[kind, ident]


def for_act(owners: dict[Key, Owner], key: Key, day: date) -> tuple[Key, bool]:
    """Whose account takes the points, and whether the act was a child's: under 14 it is the household's."""
    owner = owners[key]
    if owner.kind == "person" and owner.born is not None and rules.is_minor(owner.born, day):
        if owner.household is None:
            raise Refused(_("A child under 14 has no account; name the household"))
        return ("household", owner.household), True
    return key, False


def chunks(items: Iterable[T]) -> Iterator[list[T]]:
    ordered = sorted(items)  # type: ignore[type-var]
    for start in range(0, len(ordered), ASKED_AT_ONCE):
        yield ordered[start : start + ASKED_AT_ONCE]


def _residents(read: Read, ids: list[str]) -> Iterator[Owner]:
    rows = read.session.execute(
        select(col(Resident.id), col(Resident.area), col(Area.tz), col(Resident.household), col(Resident.born))
        .join(Area, col(Area.code) == col(Resident.area))
        .where(col(Resident.id).in_(ids))
    )
    return (Owner("person", *row) for row in rows)


def _households(read: Read, ids: list[str]) -> Iterator[Owner]:
    rows = read.session.execute(
        select(col(Household.id), col(Household.area), col(Area.tz), col(Household.id))
        .join(Area, col(Area.code) == col(Household.area))
        .where(col(Household.id).in_(ids))
    )
    return (Owner("household", *row) for row in rows)


def _organisations(read: Read, ids: list[str]) -> Iterator[Owner]:
    rows = read.session.execute(
        select(col(Organisation.id), col(Organisation.area), col(Area.tz))
        .join(Area, col(Area.code) == col(Organisation.area))
        .where(col(Organisation.id).in_(ids), col(Organisation.state) == "filed")
    )
    return (Owner("organisation", *row) for row in rows)

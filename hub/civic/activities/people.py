"""Finding who was there: by name, card or id within one community. What leaves here is masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlmodel import col

from hub import directory
from hub.db import Read
from hub.directory import MINOR, Building, Household, Organisation, Resident
from hub.errors import NotFound, Refused
from hub.i18n import _, pick

FOUND_MAX = 20  # as many as one looks through; more means: type more
KINDS = ("person", "household", "organisation")


@dataclass(frozen=True, slots=True)
class Found:
    """Someone who may stand on a sheet, told apart by door and age, never by the full name."""

    account: str  # `<kind>-<owner>`, as the ledger names it
    kind: str
    name: str
    place: str
    years: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Whose account a row credits."""

    kind: str
    owner: str
    of_minor: bool = False


def search(read: Read, area: str, text: str, today: date) -> list[Found]:
    """Residents by a part of the name or their card, organisations by a part of theirs.

    Names are sealed, so they are opened one by one: 7,300 of a community take about 60 ms, and no index may leak them.
    """
    wanted = text.strip()
    if not wanted:
        raise Refused(_("Type a name or a card number"))
    by_card = directory.resident_by_card(read, wanted)
    if by_card is not None and by_card.area == area:
        ids: list[str] = [by_card.id]
    else:
        rows = read.session.execute(
            select(col(Resident.id), col(Resident.name)).where(col(Resident.area) == area).order_by(col(Resident.id))
        )
        ids = [ident for ident, name in rows if wanted in name][:FOUND_MAX]
    teams = read.session.execute(
        select(col(Organisation.id), col(Organisation.zh), col(Organisation.en)).where(
            col(Organisation.area) == area, col(Organisation.state) == "filed"
        )
    )
    organisations = [
        Found(f"organisation-{ident}", "organisation", pick(zh, en), "")
        for ident, zh, en in teams
        if wanted.lower() in zh.lower() or wanted.lower() in en.lower()
    ]
    return [*residents(read, ids, today), *organisations][:FOUND_MAX]


def residents(read: Read, ids: Sequence[str], today: date) -> list[Found]:
    rows = read.session.execute(
        select(
            col(Resident.id), col(Resident.name), col(Resident.born), col(Building.zh), col(Building.en),
            col(Household.flat),
        )
        .join(Household, col(Household.id) == col(Resident.household))
        .join(Building, col(Building.id) == col(Household.building))
        .where(col(Resident.id).in_(ids))
        .order_by(col(Building.id), col(Household.flat), col(Resident.born))
    )  # fmt: skip
    return [
        Found(
            f"person-{ident}",
            "person",
            directory.masked(name),
            directory.door(pick(zh, en), flat),
            directory.age(born, today),
        )
        for ident, name, born, zh, en, flat in rows
    ]


def homes(read: Read, ids: Sequence[str]) -> list[Found]:
    rows = read.session.execute(
        select(col(Household.id), col(Building.zh), col(Building.en), col(Household.flat))
        .join(Building, col(Building.id) == col(Household.building))
        .where(col(Household.id).in_(ids))
    )
    return [
        Found(f"household-{ident}", "household", _("Household"), directory.door(pick(zh, en), flat))
        for ident, zh, en, flat in rows
    ]


def organisations(read: Read, ids: Sequence[str]) -> list[Found]:
    rows = read.session.execute(
        select(col(Organisation.id), col(Organisation.zh), col(Organisation.en)).where(col(Organisation.id).in_(ids))
    )
    return [Found(f"organisation-{ident}", "organisation", pick(zh, en), "") for ident, zh, en in rows]


def standing(read: Read, area: str, text: str, day: date) -> Standing:
    """Whose account is meant, by an account id, a card, or the id of a resident, household or organisation from here.

    A child under 14 stands for the household.
    """
    wanted = text.strip()
    if not wanted.isprintable():
        raise NotFound(_("Nobody of this community has that name, card or account"))
    kind, _dash, rest = wanted.partition("-")
    tries = [(kind, rest)] if kind in KINDS and rest else [(each, wanted) for each in KINDS]
    for each, ident in tries:
        found = _standing(read, area, each, ident, day)
        if found is not None:
            return found
    by_card = directory.resident_by_card(read, wanted)
    if by_card is not None:
        found = _standing(read, area, "person", by_card.id, day)
        if found is not None:
            return found
    raise NotFound(_("Nobody of this community has that name, card or account"))


def person(read: Read, area: str, text: str) -> str:
    """A resident of this community by account, id or card."""
    wanted = text.strip()
    found = read.session.get(Resident, wanted.removeprefix("person-")) if wanted.isprintable() else None
    found = found or directory.resident_by_card(read, wanted)
    if found is None or found.area != area:
        raise NotFound(_("Nobody of this community has that name, card or account"))
    return found.id


def _standing(read: Read, area: str, kind: str, ident: str, day: date) -> Standing | None:
    if kind == "person":
        person = read.session.get(Resident, ident)
        if person is None or person.area != area:
            return None
        if directory.age(person.born, day) < MINOR:
            return Standing("household", person.household, of_minor=True)
        return Standing("person", person.id)
    if kind == "household":
        home = read.session.get(Household, ident)
        return Standing("household", home.id) if home is not None and home.area == area else None
    team = read.session.get(Organisation, ident)
    return Standing("organisation", team.id) if team is not None and team.area == area else None

"""An organisation's account (单位积分): who is entered as its keeper, and what its keepers see and do.

A keeper declares, redeems what is open to organisations, and gives to the pool; nobody pays a person out of it. Whoever
acts for an organisation signs nothing for it, as nobody does for the own household.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlmodel import col

from hub import directory
from hub.access import Subject
from hub.civic.points import book, cards, catalogue, keepers, ledger, rules, tidings
from hub.civic.points.events import KeeperSet
from hub.civic.points.keepers import ROLES, Keeper, Kept
from hub.db import Read, Tx
from hub.directory import Organisation, Resident
from hub.errors import Conflict, NotAllowed, NotFound, Refused
from hub.events import PointsPosted
from hub.i18n import _, pick
from hub.module import Topic

KEEPERS_MAX = 4  # of one organisation; more would be a door without a lock


def enter(tx: Tx, by: Subject, organisation: str, resident: str, role: str) -> Keeper:
    """By the desk of the organisation's community, and by somebody else than the resident or their household."""
    team = _team(tx, by, organisation)
    person = directory.resident(tx, resident)
    if role not in ROLES:
        raise Refused(_("Choose as what the resident stands for the organisation"))
    if by.person == resident or (by.household and by.household == person.household):
        raise NotAllowed(_("You may not sign for yourself or your own household"))
    today = tx.now().astimezone(ZoneInfo(directory.area(tx, team.area).tz)).date()
    if directory.age(person.born, today) < rules.ADULT:
        raise Refused(_("Only a grown-up acts for an organisation"))
    standing = keepers.standing(tx, organisation)
    known = next((each for each in standing if each.resident == resident), None)
    if known is not None and known.role == role:
        return known
    if known is not None:
        _end(tx, by, known)
    elif len(standing) >= KEEPERS_MAX:
        raise Conflict(_("At most {most} people act for an organisation").format(most=KEEPERS_MAX))
    made = Keeper(
        id=tx.new_id(), organisation=organisation, resident=resident, role=role, at=tx.now(), by=by.id
    )  # fmt: skip
    tx.session.add(made)
    tx.session.flush()
    _moved(tx, team, resident, role)
    tidings.tell(
        tx, [resident], lambda: _("You may act for {team} now").format(team=pick(team.zh, team.en)),
        lambda: _("Under My points you find its account. If this is not right, say so at the desk."),
    )  # fmt: skip
    return made


def leave(tx: Tx, by: Subject, ident: str) -> None:
    """By the desk, or by whoever does not want to any more."""
    found = tx.session.get(Keeper, ident)
    if found is None:
        raise NotFound(_("Nobody is entered under this number"))
    team = tx.session.get_one(Organisation, found.organisation)
    if not (by.kind == "resident" and by.person == found.resident):
        _team(tx, by, found.organisation)
    if found.ended_at is None:
        _end(tx, by, found)
        _moved(tx, team, found.resident, "ended")
        if by.person != found.resident:
            tidings.tell(
                tx, [found.resident],
                lambda: _("You act for {team} no more").format(team=pick(team.zh, team.en)),
                lambda: _("The community's desk has entered it. Ask there if it is not right."),
            )  # fmt: skip


def for_desk(read: Read, organisation: str) -> list[tuple[str, str, str, Any]]:
    """Who acts for it: the entry, the masked name, as what, since when."""
    rows = read.session.execute(
        select(col(Keeper.id), col(Resident.name), col(Keeper.role), col(Keeper.at))
        .join(Resident, col(Resident.id) == col(Keeper.resident))
        .where(col(Keeper.organisation) == organisation, col(Keeper.ended_at).is_(None))
        .order_by(col(Keeper.at))
    )
    return [(ident, directory.masked(name), _(ROLES[role]), at) for ident, name, role, at in rows]


def must_act(read: Read, who: Subject, organisation: str, *, spends: bool = False) -> Kept:
    """Raises unless this resident acts for it; a contact spends and gives nothing."""
    kept = keepers.acting(read, who, organisation)
    if kept is None:
        raise NotFound(_("There is no such organisation"))
    if spends and kept.role != "keeper":
        raise NotAllowed(_("Whoever answers for the organisation decides this; a contact looks on and declares"))
    return kept


def mine(read: Read, person: str) -> Mapping[str, Any]:
    """On the page of one's own points: for whom one acts, and what they have."""
    kept = keepers.of_person(read, person)
    held = ledger.held(read, [each.account for each in kept])
    return {
        "teams": [
            (each.id, each.name, _(ROLES[each.role]), held[each.account].balance if each.account in held else 0)
            for each in kept
        ]
    }


def account(read: Read, key: str) -> Mapping[str, Any]:
    """`person.organisation`: figures and newest entries, as long as this person acts for it."""
    person, _dot, ident = key.partition(".")
    kept = next((each for each in keepers.of_person(read, person) if each.id == ident), None)
    if kept is None:
        return {"known": False}
    held = ledger.held(read, [kept.account])
    place = directory.area(read, kept.area)
    earned = held[kept.account].earned if kept.account in held else 0
    reached = rules.level(earned, catalogue.on(read.now().astimezone(ZoneInfo(place.tz)).date()).levels)
    found = book.statement(read, kept.account, limit=cards.FIRST_ENTRIES)
    return {
        "known": True, "team": kept.id, "name": kept.name, "tz": place.tz, "earned": earned,
        "balance": held[kept.account].balance if kept.account in held else 0,
        "level": pick(reached.zh, reached.en) if reached else "",
        "month": book.earned_since(read, kept.account, book.month_start(read.now(), place.tz)),
        **cards.lines_of(found, cards.FIRST_ENTRIES),
    }  # fmt: skip


def on_posted(tx: Tx, event: PointsPosted) -> None:
    """What an organisation's keepers look at is drawn anew."""
    teams = {each.owner for each in event.posted if each.owner_kind == "organisation"}
    if teams:
        _drawn(tx, teams)


def _drawn(tx: Tx, teams: set[str]) -> None:
    for team in teams:
        for person in keepers.people_of(tx, [team]):
            tx.touch("points.teams", person)
            tx.touch("points.team", f"{person}.{team}")


def _team(read: Read, by: Subject, organisation: str) -> Organisation:
    team = read.session.get(Organisation, organisation)
    if team is None:
        raise NotFound(_("There is no such organisation"))
    by.require("points.declare", directory.area(read, team.area).path)
    return team


def _end(tx: Tx, by: Subject, found: Keeper) -> None:
    found.ended_at, found.ended_by = tx.now(), by.id
    tx.session.add(found)
    tx.session.flush()


def _moved(tx: Tx, team: Organisation, resident: str, role: str) -> None:
    tx.emit(KeeperSet, organisation=team.id, resident=resident, area=team.area, role=role)
    tx.touch("points.teams", resident)
    tx.touch("points.team", f"{resident}.{team.id}")


TOPICS = (
    Topic("points.teams", "points/teams.html", mine, lambda who, key: who.kind == "resident" and who.person == key),
    Topic(
        "points.team", "points/team_account.html", account,
        lambda who, key: who.kind == "resident" and who.person == key.partition(".")[0],
    ),
)  # fmt: skip

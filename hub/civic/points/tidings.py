"""Tidings (积分变动): one line on the phone and a badge on the TV, to whom an account belongs.

In Chinese whoever presses the button: it is the residents' language; what leaves the hub is put into each one's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date

from sqlalchemy import select
from sqlmodel import col

from hub import directory
from hub.civic.points import keepers
from hub.db import Read, Tx
from hub.directory import Organisation, Resident
from hub.events import PersonalMessage
from hub.i18n import _, pick, speaking
from hub.registry import Hut

KIOSK = "points.kiosk"  # the figure of whoever has shown a card at a hut


def hearers(read: Read, kind: str, owner: str, day: date) -> list[str]:
    """The person, those of the household who may have an account, or who acts for the organisation."""
    if kind == "person":
        return [owner]
    if kind == "organisation":
        return keepers.people_of(read, [owner])
    if kind != "household":
        return []
    return [each.id for each in directory.members(read, owner) if directory.age(each.born, day) >= directory.MINOR]


def about(read: Read, kind: str, owner: str, title: Callable[[], str]) -> Callable[[], str]:
    """Whoever acts for an organisation has points of their own too: its name goes before what is said of it."""
    team = read.session.get(Organisation, owner) if kind == "organisation" else None
    if team is None:
        return title
    return lambda: _("{team}: {words}").format(team=pick(team.zh, team.en), words=title())


def tell(tx: Tx, people: Iterable[str], title: Callable[[], str], text: Callable[[], str]) -> None:
    with speaking("zh"):
        said = title(), text()
    told = list(people)
    for person in told:
        tx.emit(PersonalMessage, resident=person, kind="points", title=said[0], text=said[1])
    near = select(col(Hut.id)).join(Resident, col(Resident.area) == col(Hut.area)).where(col(Resident.id).in_(told))
    for hut in tx.session.execute(near.distinct()).scalars():
        tx.touch(KIOSK, hut)  # who is told may stand at a kiosk, with the page of points open

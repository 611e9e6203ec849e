"""搬家: a household moves to another community; its people's accounts, with balance and history, go along.

The entries stay where they were written, in the chain of the community that gave them.
"""

from __future__ import annotations

from sqlalchemy import select, update
from sqlmodel import col

from hub import directory
from hub.access import Subject
from hub.civic.points.events import HouseholdMoved
from hub.civic.points.models import Account
from hub.db import Tx
from hub.directory import Building, Household, Resident
from hub.errors import NotFound, Refused
from hub.i18n import _

FLAT_MAX = 32


def move(tx: Tx, by: Subject, household: str, building: str, flat: str) -> Household:
    """By the desk of the community they move to."""
    home = tx.session.get(Household, household, with_for_update=True)
    to = tx.session.get(Building, building)
    if home is None or to is None:
        raise NotFound(_("There is no such household or building"))
    by.require("points.declare", directory.area(tx, to.area).path)
    if not 0 < len(flat.strip()) <= FLAT_MAX:
        raise Refused(_("Give the flat"))
    before = home.area
    members = list(tx.session.execute(select(col(Resident.id)).where(col(Resident.household) == household)).scalars())
    home.area, home.building, home.flat = to.area, to.id, flat.strip()
    tx.session.add(home)
    tx.session.execute(update(Resident).where(col(Resident.household) == household).values(area=to.area))
    tx.session.execute(
        update(Account)
        .where(
            ((col(Account.kind) == "household") & (col(Account.owner) == household))
            | ((col(Account.kind) == "person") & col(Account.owner).in_(members))
        )
        .values(area=to.area)
        .execution_options(synchronize_session=False)
    )
    tx.session.flush()
    tx.emit(HouseholdMoved, household=household, area=to.area, before=before)
    for area in (before, to.area):
        tx.touch("points.tv", area)
    return home

"""Who acts for an organisation (单位经办人): residents whom the community has entered, and who do it as themselves.

An organisation has no password of its own. A keeper (负责人) declares, spends and gives in its name; a contact
(联系人) looks on and declares. Each step stands in the record with the person who took it and the organisation it was
taken for.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import CheckConstraint, Column, Index, select, text
from sqlmodel import Field, SQLModel, col

from hub.access import Subject
from hub.db import Read
from hub.directory import Organisation, Resident
from hub.i18n import N_, pick
from hub.types import UtcTime

ROLES = {"keeper": N_("Person in charge"), "contact": N_("Contact")}
_STANDS = text("ended_at IS NULL")


class Keeper(SQLModel, table=True):
    """A resident who may act for an organisation, from a day on; ended, it stays on record."""

    __tablename__ = "points_keeper"
    id: str = Field(primary_key=True, max_length=36)
    organisation: str = Field(foreign_key="organisation.id", max_length=64)
    resident: str = Field(foreign_key="resident.id", max_length=64, index=True)
    role: str = Field(max_length=16)  # keeper | contact
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    by: str = Field(max_length=64)
    ended_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    ended_by: str | None = Field(default=None, max_length=64)
    __table_args__ = (
        CheckConstraint("role IN ('keeper', 'contact')", name="role"),
        Index(
            "uq_points_keeper_standing", "organisation", "resident", unique=True, sqlite_where=_STANDS,
            postgresql_where=_STANDS,
        ),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kept:
    """An organisation, as somebody who acts for it sees it."""

    id: str
    name: str
    area: str
    role: str

    @property
    def account(self) -> str:
        return f"organisation-{self.id}"


def of_person(read: Read, person: str) -> list[Kept]:
    """The filed organisations this resident acts for."""
    rows = read.session.execute(
        select(
            col(Organisation.id), col(Organisation.zh), col(Organisation.en), col(Organisation.area), col(Keeper.role)
        )
        .join(Keeper, col(Keeper.organisation) == col(Organisation.id))
        .where(col(Keeper.resident) == person, col(Keeper.ended_at).is_(None), col(Organisation.state) == "filed")
        .order_by(col(Organisation.id))
    )
    return [Kept(ident, pick(zh, en), area, role) for ident, zh, en, area, role in rows]


def acting(read: Read, who: Subject, organisation: str) -> Kept | None:
    """As what this resident stands for that organisation; None for everybody else."""
    if who.kind != "resident" or not who.person:
        return None
    return next((each for each in of_person(read, who.person) if each.id == organisation), None)


def accounts(read: Read, who: Subject) -> set[str]:
    """The accounts this resident may ask about: their own, their household's, and their organisations'."""
    teams = {each.account for each in of_person(read, who.person or "")}
    return {f"person-{who.person}", f"household-{who.household}", *teams}


def standing(read: Read, organisation: str) -> list[Keeper]:
    query = select(Keeper).where(col(Keeper.organisation) == organisation, col(Keeper.ended_at).is_(None))
    return list(read.session.execute(query.order_by(col(Keeper.at))).scalars())


def people_of(read: Read, organisations: Collection[str]) -> list[str]:
    """Everybody who acts for one of these: who is told, and who signs nothing for it."""
    rows = read.session.execute(
        select(col(Keeper.resident))
        .where(col(Keeper.organisation).in_(organisations), col(Keeper.ended_at).is_(None))
        .distinct()
        .order_by(col(Keeper.resident))
    )
    return list(rows.scalars())


def concerned(read: Read, kind: str, owner: str, home: str) -> tuple[set[str], set[str]]:
    """Households and persons who judge nothing of an account: its own, or of those who act for the organisation."""
    if kind != "organisation":
        return {home} - {""}, {owner}
    people = people_of(read, [owner])
    homes = read.session.execute(select(col(Resident.household)).where(col(Resident.id).in_(people))).scalars()
    return set(homes), {owner, *people}

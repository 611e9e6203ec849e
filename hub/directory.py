"""The directory: area tree, buildings, households, residents, organisations, staff with roles, consent.

Areas are 12-digit division codes with a materialised path; a notice to a district is a path prefix. Names and phones
are sealed; what one must find them by is an HMAC beside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Column, insert, or_, select, update
from sqlmodel import Field, SQLModel, col

from hub import surnames
from hub.access import Grant
from hub.db import Read, Tx
from hub.errors import Conflict, NotFound, Refused
from hub.i18n import _, language
from hub.seal import SealedText
from hub.types import UtcTime

KINDS = ("province", "city", "district", "county", "street", "town", "community", "village")
AGED = 80  # 高龄: who is visited first
ELDER = 60
MINOR = 14  # PIPL art. 31: everything of a child under 14 is sensitive; no account of its own


class Area(SQLModel, table=True):
    __tablename__ = "area"
    code: str = Field(primary_key=True, max_length=12)
    kind: str = Field(max_length=16)  # city | district | street | town | community | village
    zh: str = Field(max_length=64)
    en: str = Field(max_length=64)
    parent: str | None = Field(default=None, max_length=12, index=True)
    path: str = Field(max_length=128, index=True)
    tz: str = Field(default="Asia/Shanghai", max_length=64)
    profile: str = Field(default="urban", max_length=16)


class Building(SQLModel, table=True):
    __tablename__ = "building"
    id: str = Field(primary_key=True, max_length=64)
    area: str = Field(foreign_key="area.code", max_length=12, index=True)
    zh: str = Field(max_length=64)
    en: str = Field(max_length=64)
    grid: int = Field(default=0)


class Household(SQLModel, table=True):
    __tablename__ = "household"
    id: str = Field(primary_key=True, max_length=64)
    area: str = Field(foreign_key="area.code", max_length=12, index=True)
    building: str = Field(foreign_key="building.id", max_length=64, index=True)
    flat: str = Field(max_length=32)
    size: int
    tags: str = Field(default=" ", max_length=128)  # " alone aged80 ", blanks around each


class Resident(SQLModel, table=True):
    __tablename__ = "resident"
    id: str = Field(primary_key=True, max_length=64)
    household: str = Field(foreign_key="household.id", max_length=64, index=True)
    area: str = Field(foreign_key="area.code", max_length=12, index=True)
    name: str = Field(sa_column=Column(SealedText("resident.name"), nullable=False))
    phone: str | None = Field(default=None, sa_column=Column(SealedText("resident.phone")))
    phone_mark: str | None = Field(default=None, max_length=32, index=True)
    card_mark: str | None = Field(default=None, max_length=32, unique=True)
    sex: str = Field(max_length=1)  # m | f
    born: date
    tags: str = Field(default=" ", max_length=128)


class Organisation(SQLModel, table=True):
    __tablename__ = "organisation"
    id: str = Field(primary_key=True, max_length=64)
    area: str = Field(foreign_key="area.code", max_length=12, index=True)
    zh: str = Field(max_length=64)
    en: str = Field(max_length=64)
    state: str = Field(default="filed", max_length=16)


class Staff(SQLModel, table=True):
    __tablename__ = "staff"
    id: str = Field(primary_key=True, max_length=64)
    name: str = Field(sa_column=Column(SealedText("staff.name"), nullable=False))
    title_zh: str = Field(default="", max_length=32)
    title_en: str = Field(default="", max_length=64)
    person: str = Field(max_length=64, unique=True)  # one staff id per natural person
    household: str | None = Field(default=None, max_length=64)  # nobody signs for their own household
    active: bool = Field(default=True)


class StaffRole(SQLModel, table=True):
    __tablename__ = "staff_role"
    staff: str = Field(foreign_key="staff.id", primary_key=True, max_length=64)
    role: str = Field(primary_key=True, max_length=32)
    area: str = Field(primary_key=True, foreign_key="area.code", max_length=12)


class Consent(SQLModel, table=True):
    __tablename__ = "consent"
    id: str = Field(primary_key=True, max_length=36)
    resident: str = Field(foreign_key="resident.id", max_length=64, index=True)
    purpose: str = Field(max_length=32)  # kiosk | doctor | honour_roll | photo_wall | send.<channel>.<class>
    version: str = Field(max_length=16)
    basis: str = Field(max_length=16)  # kiosk | oral | written | guardian | app
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    withdrawn_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))


@dataclass(frozen=True, slots=True)
class NewResident:
    id: str
    household: str
    name: str
    sex: str
    born: date
    phone: str | None = None
    card: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewHousehold:
    id: str
    building: str
    flat: str
    tags: tuple[str, ...] = ()
    members: tuple[NewResident, ...] = ()


def found_area(tx: Tx, code: str, kind: str, zh: str, en: str, parent: str | None = None, **extra: str) -> Area:
    """Add an area below its parent; the path is made here and nowhere else."""
    if len(code) != 12 or not code.isdigit():
        raise Refused(_("An area code is 12 digits"))
    above = tx.session.get(Area, parent) if parent else None
    if parent and above is None:
        raise NotFound(_("The area above does not exist; add it first"))
    if tx.session.get(Area, code) is not None:
        raise Conflict(_("This area code exists already"))
    path = f"{above.path}/{code}" if above else code
    area = Area(code=code, kind=kind, zh=zh, en=en, parent=parent, path=path, **extra)
    tx.session.add(area)
    tx.session.flush()
    return area


def found_building(tx: Tx, ident: str, area: str, zh: str, en: str, grid: int = 0) -> Building:
    building = Building(id=ident, area=area, zh=zh, en=en, grid=grid)
    tx.session.add(building)
    return building


def register_households(tx: Tx, area: str, households: Iterable[NewHousehold]) -> int:
    """Enter households with their members, in bulk. Returns how many residents came in."""
    tx.session.flush()
    house_rows: list[dict[str, Any]] = []
    people_rows: list[dict[str, Any]] = []
    for house in households:
        if not house.members:
            raise Refused(_("A household needs at least one member"))
        house_rows.append(
            {
                "id": house.id,
                "area": area,
                "building": house.building,
                "flat": house.flat,
                "size": len(house.members),
                "tags": tags_text(house.tags),
            }
        )
        people_rows += [_resident_row(tx, area, member) for member in house.members]
    if house_rows:
        tx.session.execute(insert(Household), house_rows)
        tx.session.execute(insert(Resident), people_rows)
    return len(people_rows)


def join_household(tx: Tx, household: str, members: Sequence[NewResident]) -> int:
    """Further people of a home that is there."""
    home = tx.session.get_one(Household, household)
    rows = [_resident_row(tx, home.area, member) | {"household": household} for member in members]
    tx.session.execute(insert(Resident), rows)
    home.size += len(rows)
    tx.session.add(home)
    return len(rows)


def _resident_row(tx: Tx, area: str, member: NewResident) -> dict[str, Any]:
    return {
        "id": member.id,
        "household": member.household,
        "area": area,
        "name": member.name,
        "phone": member.phone,
        "phone_mark": tx.seal.mark(member.phone, "phone") if member.phone else None,
        "card_mark": tx.seal.mark(member.card, "card") if member.card else None,
        "sex": member.sex,
        "born": member.born,
        "tags": tags_text(member.tags),
    }


def tags_text(tags: Sequence[str]) -> str:
    return " " + "".join(f"{tag} " for tag in tags)


def hire(
    tx: Tx,
    ident: str,
    name: str,
    person: str,
    roles: Sequence[tuple[str, str]],
    *,
    title_zh: str = "",
    title_en: str = "",
    household: str | None = None,
) -> Staff:
    """Enter a staff member with roles [(role, area code)]."""
    staff = Staff(id=ident, name=name, person=person, title_zh=title_zh, title_en=title_en, household=household)
    tx.session.add(staff)
    tx.session.flush()
    for role, area in roles:
        tx.session.add(StaffRole(staff=ident, role=role, area=area))
    return staff


def grants(read: Read, staff: str) -> tuple[Grant, ...]:
    rows = read.session.execute(
        select(col(StaffRole.role), col(Area.path))
        .join(Area, col(Area.code) == col(StaffRole.area))
        .where(col(StaffRole.staff) == staff)
    )
    return tuple(Grant(role, path) for role, path in rows)


def area(read: Read, code: str) -> Area:
    found = read.session.get(Area, code)
    if found is None:
        raise NotFound(_("There is no such area"))
    return found


def below(read: Read, codes: Sequence[str]) -> list[Area]:
    """The communities and villages at or below the given areas."""
    paths = [area(read, code).path for code in codes]
    if not paths:
        return []
    rule = or_(*[col(Area.path) == path for path in paths], *[col(Area.path).startswith(path + "/") for path in paths])
    rows = read.session.execute(
        select(Area).where(rule, col(Area.kind).in_(("community", "village"))).order_by(col(Area.path))
    )
    return list(rows.scalars())


def door(building: str, flat: str) -> str:
    """Where somebody lives, as the reader's language says it. A flat is kept as it is painted on the wall: 3单元402."""
    if language() == "zh":
        return f"{building} {flat}"
    stair, mark, number = flat.partition("单元")
    return f"{building}, stair {stair}, flat {number}" if mark and number else f"{building}, flat {flat}"


def resident(read: Read, ident: str) -> Resident:
    found = read.session.get(Resident, ident)
    if found is None:
        raise NotFound(_("There is no such resident"))
    return found


def resident_by_card(read: Read, card: str) -> Resident | None:
    mark = read.seal.mark(card.strip().upper(), "card")
    return read.session.execute(select(Resident).where(col(Resident.card_mark) == mark)).scalar_one_or_none()


def members(read: Read, household: str) -> list[Resident]:
    rows = read.session.execute(
        select(Resident).where(col(Resident.household) == household).order_by(col(Resident.born))
    )
    return list(rows.scalars())


def age(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def greeting(name: str, sex: str, years: int) -> str:
    """How a screen addresses a person: surname and title, never the full name (王奶奶; Granny Wang is no English)."""
    surname = surnames.of(name)
    if language() != "zh":
        roman = surnames.romanised(surname)
        return _("Mr {surname}").format(surname=roman) if sex == "m" else _("Ms {surname}").format(surname=roman)
    if years >= ELDER:
        return surname + ("爷爷" if sex == "m" else "奶奶")
    if years >= 45:
        return surname + ("叔叔" if sex == "m" else "阿姨")
    if years >= 18:
        return surname + ("先生" if sex == "m" else "女士")
    return surname + "同学"


def masked(name: str) -> str:
    """王**: what a shared screen or a list may show."""
    return name[:1] + "**"


def give_consent(tx: Tx, resident_id: str, purpose: str, version: str, basis: str) -> Consent:
    consent = Consent(id=tx.new_id(), resident=resident_id, purpose=purpose, version=version, basis=basis, at=tx.now())
    tx.session.add(consent)
    return consent


def withdraw_consent(tx: Tx, resident_id: str, purpose: str) -> None:
    """Whatever was agreed to for this purpose ends now; when it was given and when it ended stays on record."""
    standing = (
        col(Consent.resident) == resident_id,
        col(Consent.purpose) == purpose,
        col(Consent.withdrawn_at).is_(None),
    )
    tx.session.execute(update(Consent).where(*standing).values(withdrawn_at=tx.now()))


def has_consent(read: Read, resident_id: str, purpose: str, version: str) -> bool:
    rows = read.session.execute(
        select(col(Consent.id)).where(
            col(Consent.resident) == resident_id,
            col(Consent.purpose) == purpose,
            col(Consent.version) == version,
            col(Consent.withdrawn_at).is_(None),
        )
    )
    return rows.first() is not None

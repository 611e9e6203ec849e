"""Who hears a notice: areas, and within them buildings, stairs, homes, marks, roles or those another notice missed.

It is kept as a rule, signed with the words, and expanded to residents lazily in pages, never all at once.

An address (a WeChat openid, a phone) is a channel binding: sealed, with an HMAC mark to find it by. One resident has at
most one active address on a channel; an address belongs to at most one resident.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Column, ColumnElement, Index, and_, exists, func, insert, or_, select, update
from sqlmodel import Field, SQLModel, col

from hub import tags
from hub.access import ROLES
from hub.db import Read, Tx
from hub.directory import Area, Building, Household, Resident, Staff, StaffRole
from hub.errors import Refused
from hub.i18n import _
from hub.login import SessionRow
from hub.reach import BEST, RANK, Reach
from hub.seal import SealedText
from hub.types import UtcTime

PAGE_RESIDENTS = 1_000  # one short transaction on the smallest machine; a city is 1,560 of them
LIST_MAX = 200  # areas, buildings, tags or roles of one notice; more is a mistake
BUILDINGS_MAX = 80  # of a count by building; a street has more, and nobody reads them
_LISTS = ("areas", "buildings", "stairs", "households", "tags", "roles")
_TAG = re.compile(r"[a-z0-9_-]{1,32}")
_STAIR = re.compile(r"[a-z0-9-]{1,64}/[0-9]{1,2}")
_ID = re.compile(r"[a-z0-9-]{1,64}")
_FIRST = ("areas", "buildings", "tags", "roles")
STAIR_MARKS = ("单元", "-")  # what stands behind the number of the stair in a flat's name: 2单元301, 2-301
_HOME = col(Resident.household)


class ChannelBinding(SQLModel, table=True):
    __tablename__ = "channel_binding"
    id: str = Field(primary_key=True, max_length=36)
    resident: str = Field(foreign_key="resident.id", max_length=64, index=True)
    channel: str = Field(max_length=16)
    address: str = Field(sa_column=Column(SealedText("channel_binding.address"), nullable=False))
    address_mark: str = Field(max_length=32, unique=True)
    state: str = Field(default="active", max_length=16)  # active | gone
    bound_at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    __table_args__ = (Index("ix_channel_binding_channel_resident", "channel", "resident"),)


@dataclass(frozen=True, slots=True)
class Audience:
    """Lists of places add up (a building, a stair of another, one home more); tags, roles and `unreached` narrow that.

    Empty lists mean everybody in the areas.
    """

    areas: tuple[str, ...]
    buildings: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    stairs: tuple[str, ...] = ()  # "<building>/<number>"
    households: tuple[str, ...] = ()
    unreached: str = ""  # a notice: only those who have not seen it

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Audience:
        """From a request or a stored text; says what is wrong with it."""
        unreached = given.get("unreached") or ""
        lists = {name: given.get(name) or () for name in _LISTS}
        fits = all(
            isinstance(items, list | tuple) and len(items) <= LIST_MAX and all(isinstance(each, str) for each in items)
            for items in lists.values()
        )
        if set(given) - {*_LISTS, "unreached"} or not fits or not isinstance(unreached, str):
            raise Refused(_("An audience has areas and, if wanted, buildings, tags and roles, each a list of texts"))
        made = cls(**{name: tuple(dict.fromkeys(items)) for name, items in lists.items()}, unreached=unreached)
        if not made.areas:
            raise Refused(_("Choose at least one area"))
        if not all(_TAG.fullmatch(tag) for tag in made.tags) or not set(made.roles) <= set(ROLES):
            raise Refused(_("The audience names a tag or a role that does not exist"))
        if not all(_STAIR.fullmatch(each) for each in made.stairs) or not _ID.fullmatch(unreached or "none"):
            raise Refused(_("The audience names a stair or a notice that does not exist"))
        return made

    @classmethod
    def read(cls, text: str) -> Audience:
        return cls.of(json.loads(text))

    @property
    def everybody(self) -> bool:
        """Whether the public screens of the areas may show it. A stair or a home is too few people to stay unknown."""
        return not (self.tags or self.roles or self.stairs or self.households or self.unreached)

    def __str__(self) -> str:
        """What is signed. Lists that came later are left out while empty: an older signature stays good."""
        kept = {name: items for name, items in asdict(self).items() if items or name in _FIRST}
        return json.dumps(kept, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Count:
    residents: int
    households: int
    tvs: int
    followers: Mapping[str, int]  # active addresses by channel


@dataclass(frozen=True, slots=True)
class InBuilding:
    id: str
    zh: str
    en: str
    residents: int
    households: int


@dataclass(frozen=True, slots=True)
class Survey:
    """What the desk is shown before a release: counts, and nobody's name."""

    count: Count
    reachable: int  # with at least one address
    buildings: tuple[InBuilding, ...]  # empty where there are too many to read

    @property
    def unreachable(self) -> int:
        return self.count.residents - self.reachable


@dataclass(frozen=True, slots=True)
class Target:
    resident: str
    binding: str | None  # None: no address on this channel


@dataclass(frozen=True, slots=True)
class Page:
    targets: tuple[Target, ...]
    after: str | None  # where the next page goes on; None: this was the last


def counted(read: Read, audience: Audience) -> Count:
    """How many people, homes and screens it would reach. Three counts, no person is loaded."""
    who = [*members_of(read, audience), _inside(read, audience)]
    homes = func.count(func.distinct(col(Resident.household)))
    one = read.session.execute(select(func.count(), homes).where(*who)).one()
    bound = read.session.execute(
        select(col(ChannelBinding.channel), func.count())
        .join(Resident, col(Resident.id) == col(ChannelBinding.resident))
        .where(*who, col(ChannelBinding.state) == "active")
        .group_by(col(ChannelBinding.channel))
    )
    tvs = 0
    if audience.everybody:
        tvs = read.session.execute(
            select(func.count()).where(
                col(SessionRow.surface) == "tv",
                col(SessionRow.expires) > read.now(),
                col(SessionRow.area).in_(select(col(Area.code)).where(_within(read, audience))),
            )
        ).scalar_one()
    return Count(int(one[0]), int(one[1]), int(tvs), {channel: int(n) for channel, n in bound})


def size(read: Read, audience: Audience, as_of: datetime | None = None) -> int:
    """How many people it means."""
    who = [*members_of(read, audience, as_of), _inside(read, audience)]
    return int(read.session.execute(select(func.count()).select_from(Resident).where(*who)).scalar_one())


def surveyed(read: Read, audience: Audience) -> Survey:
    who = [*members_of(read, audience), _inside(read, audience)]
    bound = exists().where(col(ChannelBinding.resident) == col(Resident.id), col(ChannelBinding.state) == "active")
    reachable = select(func.count()).select_from(Resident).where(*who, bound)
    rows = read.session.execute(
        select(col(Building.id), col(Building.zh), col(Building.en), func.count(), func.count(func.distinct(_HOME)))
        .join(Household, col(Household.building) == col(Building.id))
        .join(Resident, col(Household.id) == _HOME)
        .where(*who)
        .group_by(col(Building.id), col(Building.zh), col(Building.en))
        .order_by(col(Building.id))
        .limit(BUILDINGS_MAX + 1)
    ).all()
    few = [InBuilding(*row) for row in rows] if len(rows) <= BUILDINGS_MAX else []
    return Survey(counted(read, audience), int(read.session.execute(reachable).scalar_one()), tuple(few))


def page(
    read: Read,
    audience: Audience,
    channel: str,
    after: str = "",
    limit: int = PAGE_RESIDENTS,
    as_of: datetime | None = None,
) -> Page:
    """The next residents behind the cursor, community by community, each with an address on the channel or none.

    A cursor is `<community>/<resident>`: an index finds it, however many millions come before. `as_of` is the moment
    at which the audience was counted: who has read an earlier notice since then still belongs to it.
    """
    chosen = members_of(read, audience, as_of)
    code, _slash, last = after.partition("/")
    within = _within(read, audience)
    while code or (code := _next_community(read, within, "")):
        rows = read.session.execute(
            select(col(Resident.id), col(ChannelBinding.id))
            .outerjoin(
                ChannelBinding,
                (col(ChannelBinding.resident) == col(Resident.id))
                & (col(ChannelBinding.channel) == channel)
                & (col(ChannelBinding.state) == "active"),
            )
            .where(*chosen, col(Resident.area) == code, col(Resident.id) > last)
            .order_by(col(Resident.id))
            .limit(limit)
        ).all()
        if len(rows) == limit:
            return Page(tuple(Target(*row) for row in rows), f"{code}/{rows[-1][0]}")
        following = _next_community(read, within, code)
        if rows or not following:
            return Page(tuple(Target(*row) for row in rows), f"{following}/" if following else None)
        code, last = following, ""
    return Page((), None)


def members_of(read: Read, audience: Audience, as_of: datetime | None = None) -> list[ColumnElement[bool]]:
    """Who inside one of its areas is meant: rules over `Resident`, to be joined with `Resident.area`."""
    rules: list[ColumnElement[bool]] = []
    if audience.buildings or audience.stairs or audience.households:
        rules.append(_HOME.in_(select(col(Household.id)).where(_homes(audience))))
    if audience.tags:
        today = _today(read, audience)
        rules.append(or_(*[tags.rule(tag, today) for tag in audience.tags]))
    if audience.roles and "resident" not in audience.roles:
        at_work = (
            select(col(Staff.person))
            .join(StaffRole, col(StaffRole.staff) == col(Staff.id))
            .where(col(StaffRole.role).in_(audience.roles), col(Staff.active))
        )
        rules.append(col(Resident.id).in_(at_work))
    if audience.unreached:
        rules.append(~_has_seen(audience.unreached, as_of))
    return rules


def bound_channels(read: Read) -> list[str]:
    """The addressed channels that anybody can be reached on at all."""
    found, after = list[str](), ""
    # From name to name by the index: DISTINCT would read the addresses of a whole city, in every release.
    following = select(func.min(col(ChannelBinding.channel)))
    while (name := read.session.execute(following.where(col(ChannelBinding.channel) > after)).scalar()) is not None:
        found.append(name)
        after = name
    return found


def bind(tx: Tx, resident: str, channel: str, address: str) -> ChannelBinding:
    """This address is the resident's on this channel from now on, and the only one they have there."""
    tx.session.execute(
        update(ChannelBinding)
        .where(col(ChannelBinding.resident) == resident, col(ChannelBinding.channel) == channel)
        .values(state="gone")
    )
    found = find(tx, channel, address)
    if found is None:
        mark = _mark(tx, channel, address)
        found = ChannelBinding(
            id=tx.new_id(), resident=resident, channel=channel, address=address, address_mark=mark, bound_at=tx.now()
        )
    found.resident, found.state, found.bound_at = resident, "active", tx.now()
    tx.session.add(found)
    tx.session.flush()
    return found


def bind_many(tx: Tx, channel: str, addresses: Iterable[tuple[str, str]]) -> int:
    """Enter (resident, address) pairs nobody has bound before, in bulk: an import, the demo's followers."""
    rows = [
        {"id": tx.new_id(), "resident": resident, "channel": channel, "address": address,
         "address_mark": _mark(tx, channel, address), "state": "active", "bound_at": tx.now()}
        for resident, address in addresses
    ]  # fmt: skip
    if rows:
        tx.session.execute(insert(ChannelBinding), rows)
    return len(rows)


def unbind(tx: Tx, binding: str) -> None:
    """The address works no more: the provider said so, or the person left."""
    tx.session.execute(update(ChannelBinding).where(col(ChannelBinding.id) == binding).values(state="gone"))


def find(read: Read, channel: str, address: str) -> ChannelBinding | None:
    mark = _mark(read, channel, address)
    return read.session.execute(
        select(ChannelBinding).where(col(ChannelBinding.address_mark) == mark).execution_options(populate_existing=True)
    ).scalar_one_or_none()


def of_resident(read: Read, resident: str) -> Sequence[ChannelBinding]:
    active = (col(ChannelBinding.resident) == resident, col(ChannelBinding.state) == "active")
    return read.session.execute(select(ChannelBinding).where(*active)).scalars().all()


def buildings_in(read: Read, areas: Sequence[str]) -> list[Building]:
    rows = read.session.execute(select(Building).where(col(Building.area).in_(areas)).order_by(col(Building.id)))
    return list(rows.scalars())


def astray(read: Read, audience: Audience, communities: Sequence[str]) -> bool:
    """Whether it names a building, a stair or a home outside these communities."""
    buildings = {*audience.buildings, *(stair.partition("/")[0] for stair in audience.stairs)}
    standing = select(col(Building.id)).where(col(Building.id).in_(buildings), col(Building.area).in_(communities))
    homes = select(col(Household.id)).where(
        col(Household.id).in_(audience.households), col(Household.area).in_(communities)
    )
    known = set(read.session.execute(standing).scalars()) if buildings else set()
    lived = set(read.session.execute(homes).scalars()) if audience.households else set()
    return not (buildings <= known and set(audience.households) <= lived)


def _mark(read: Read, channel: str, address: str) -> str:
    return read.seal.mark(f"{channel}|{address}", "address")


def _within(read: Read, audience: Audience) -> ColumnElement[bool]:
    paths = read.session.execute(select(col(Area.path)).where(col(Area.code).in_(audience.areas))).scalars().all()
    return or_(col(Area.code).in_(audience.areas), *[col(Area.path).startswith(f"{path}/") for path in paths])


def _inside(read: Read, audience: Audience) -> ColumnElement[bool]:
    return col(Resident.area).in_(select(col(Area.code)).where(_within(read, audience)))


def _homes(audience: Audience) -> ColumnElement[bool]:
    """Places add up: a building, one stair of another, a home of a third."""
    places: list[ColumnElement[bool]] = []
    if audience.buildings:
        places.append(col(Household.building).in_(audience.buildings))
    for stair in audience.stairs:
        building, _slash, number = stair.partition("/")
        on_it = [col(Household.flat).startswith(f"{number}{mark}") for mark in STAIR_MARKS]
        places.append(and_(col(Household.building) == building, or_(*on_it)))
    if audience.households:
        places.append(col(Household.id).in_(audience.households))
    return or_(*places)


def _has_seen(notice: str, as_of: datetime | None) -> ColumnElement[bool]:
    proof = and_(
        col(Reach.notice) == notice, col(Reach.viewer) == "r:" + col(Resident.id), col(Reach.channel) == BEST,
        col(Reach.level) >= RANK["seen"],
    )  # fmt: skip
    return exists().where(proof if as_of is None else and_(proof, col(Reach.seen_at) <= as_of))


def _today(read: Read, audience: Audience) -> date:
    zone = read.session.execute(select(col(Area.tz)).where(col(Area.code).in_(audience.areas)).limit(1)).scalar()
    return read.now().astimezone(ZoneInfo(zone or "UTC")).date()


def _next_community(read: Read, within: ColumnElement[bool], after: str) -> str:
    found = read.session.execute(
        select(col(Area.code))
        .where(within, col(Area.kind).in_(("community", "village")), col(Area.code) > after)
        .order_by(col(Area.code))
        .limit(1)
    ).scalar_one_or_none()
    return found or ""

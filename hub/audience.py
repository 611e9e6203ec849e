"""Who hears a notice: areas, buildings, tags and roles, expanded to residents lazily in pages, never all at once.

An address (a WeChat openid, a phone) is a channel binding: sealed, with an HMAC mark to find it by. One resident has at
most one active address on a channel; an address belongs to at most one resident.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, func, insert, or_, select, update
from sqlmodel import Field, SQLModel, col

from hub.access import ROLES
from hub.db import Read, Tx
from hub.directory import Area, Building, Household, Resident, Staff, StaffRole
from hub.errors import Refused
from hub.i18n import _
from hub.login import SessionRow
from hub.seal import SealedText
from hub.types import UtcTime

PAGE_RESIDENTS = 1_000  # one short transaction on the smallest machine; a city is 1,560 of them
LIST_MAX = 200  # areas, buildings, tags or roles of one notice; more is a mistake
_TAG = re.compile(r"[a-z0-9_-]{1,32}")


class ChannelBinding(SQLModel, table=True):
    __tablename__ = "channel_binding"
    id: str = Field(primary_key=True, max_length=36)
    resident: str = Field(foreign_key="resident.id", max_length=64, index=True)
    channel: str = Field(max_length=16)
    address: str = Field(sa_column=Column(SealedText("channel_binding.address"), nullable=False))
    address_mark: str = Field(max_length=32, unique=True)
    state: str = Field(default="active", max_length=16)  # active | gone
    bound_at: datetime = Field(sa_column=Column(UtcTime, nullable=False))


@dataclass(frozen=True, slots=True)
class Audience:
    """Empty buildings, tags and roles mean everybody in the areas."""

    areas: tuple[str, ...]
    buildings: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Audience:
        """From a request or a stored text; says what is wrong with it."""
        unknown = set(given) - {"areas", "buildings", "tags", "roles"}
        lists = {name: given.get(name) or () for name in ("areas", "buildings", "tags", "roles")}
        fits = all(
            isinstance(items, list | tuple) and len(items) <= LIST_MAX and all(isinstance(each, str) for each in items)
            for items in lists.values()
        )
        if unknown or not fits:
            raise Refused(_("An audience has areas and, if wanted, buildings, tags and roles, each a list of texts"))
        made = cls(**{name: tuple(dict.fromkeys(items)) for name, items in lists.items()})
        if not made.areas:
            raise Refused(_("Choose at least one area"))
        if not all(_TAG.fullmatch(tag) for tag in made.tags) or not set(made.roles) <= set(ROLES):
            raise Refused(_("The audience names a tag or a role that does not exist"))
        return made

    @classmethod
    def read(cls, text: str) -> Audience:
        return cls.of(json.loads(text))

    @property
    def everybody(self) -> bool:
        """Whether the public screens of the areas may show it: it is not meant for some of the people only."""
        return not (self.tags or self.roles)

    def __str__(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Count:
    residents: int
    households: int
    tvs: int
    followers: Mapping[str, int]  # active addresses by channel


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
    who = _chosen(audience, _within(read, audience))
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


def page(read: Read, audience: Audience, channel: str, after: str = "", limit: int = PAGE_RESIDENTS) -> Page:
    """The next residents behind the cursor, community by community, each with an address on the channel or none.

    A cursor is `<community>/<resident>`: an index finds it, however many millions come before.
    """
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
            .where(*_chosen(audience, None), col(Resident.area) == code, col(Resident.id) > last)
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


def members_of(audience: Audience) -> list[ColumnElement[bool]]:
    """Who inside one of its areas is meant: rules over `Resident`, to be joined with `Resident.area`."""
    return _chosen(audience, None)


def bound_channels(read: Read) -> list[str]:
    """The addressed channels that anybody can be reached on at all."""
    return list(read.session.execute(select(col(ChannelBinding.channel)).distinct()).scalars())


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


def _mark(read: Read, channel: str, address: str) -> str:
    return read.seal.mark(f"{channel}|{address}", "address")


def _within(read: Read, audience: Audience) -> ColumnElement[bool]:
    paths = read.session.execute(select(col(Area.path)).where(col(Area.code).in_(audience.areas))).scalars().all()
    return or_(col(Area.code).in_(audience.areas), *[col(Area.path).startswith(f"{path}/") for path in paths])


def _chosen(audience: Audience, within: ColumnElement[bool] | None) -> list[ColumnElement[bool]]:
    rules: list[ColumnElement[bool]] = []
    if within is not None:
        rules.append(col(Resident.area).in_(select(col(Area.code)).where(within)))
    if audience.buildings:
        homes = select(col(Household.id)).where(col(Household.building).in_(audience.buildings))
        rules.append(col(Resident.household).in_(homes))
    if audience.tags:
        rules.append(or_(*[col(Resident.tags).contains(f" {tag} ", autoescape=True) for tag in audience.tags]))
    if audience.roles and "resident" not in audience.roles:
        at_work = (
            select(col(Staff.person))
            .join(StaffRole, col(StaffRole.staff) == col(Staff.id))
            .where(col(StaffRole.role).in_(audience.roles), col(Staff.active))
        )
        rules.append(col(Resident.id).in_(at_work))
    return rules


def _next_community(read: Read, within: ColumnElement[bool], after: str) -> str:
    found = read.session.execute(
        select(col(Area.code))
        .where(within, col(Area.kind).in_(("community", "village")), col(Area.code) > after)
        .order_by(col(Area.code))
        .limit(1)
    ).scalar_one_or_none()
    return found or ""

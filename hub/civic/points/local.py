"""What a community may change of the catalogue: switch an item off, or count less of it. Never a name, never a value.

A change holds from a day on, today at the earliest; an act is judged by what held on its own day. Nothing is edited:
a newer row stands beside the older one, so that it can still be said by which caps an act of March was credited.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlmodel import col

from hub import directory
from hub.access import Subject
from hub.civic.points.catalogue import Item
from hub.civic.points.money_events import LocalItemSet
from hub.civic.points.reward_models import LocalItem
from hub.db import Read, Tx
from hub.errors import Refused
from hub.i18n import _


def set_item(
    tx: Tx, area: str, item: Item, by: Subject, *, off: bool, limits: tuple[int, ...], since: date
) -> LocalItem:
    """Only switched off or with lower caps, in the order in which the catalogue names them."""
    today = tx.now().astimezone(ZoneInfo(directory.area(tx, area).tz)).date()
    if since < today:
        raise Refused(_("A change holds from today on, or later; what was done before keeps its rules"))
    caps = [cap.limit for cap in item.caps]
    if len(limits) != len(caps) or any(not 0 < mine <= theirs for mine, theirs in zip(limits, caps, strict=True)):
        raise Refused(_("A community may lower the caps of {item}, not raise them").format(item=item.name))
    made = LocalItem(
        id=tx.new_id(), area=area, item=item.code, since=since, off=off,
        limits=",".join(str(limit) for limit in limits), by=by.id, at=tx.now(),
    )  # fmt: skip
    tx.session.add(made)
    tx.session.flush()
    tx.emit(LocalItemSet, area=area, item=item.code, off=off, limits=made.limits)
    return made


def in_force(read: Read, area: str, day: date) -> dict[str, LocalItem]:
    """What holds on a day, by item: of several, the one set last."""
    query = (
        select(LocalItem)
        .where(col(LocalItem.area) == area, col(LocalItem.since) <= day)
        .order_by(col(LocalItem.since), col(LocalItem.at), col(LocalItem.id))
    )
    return {each.item: each for each in read.session.execute(query).scalars()}


def applied(item: Item, mine: LocalItem | None) -> Item:
    """The item as it holds here. A newer catalogue with lower caps of its own wins over an older local figure."""
    if mine is None or not mine.limits:
        return item
    limits = [int(limit) for limit in mine.limits.split(",")]
    if len(limits) != len(item.caps):
        return item
    caps = tuple(replace(cap, limit=min(cap.limit, limit)) for cap, limit in zip(item.caps, limits, strict=True))
    return replace(item, caps=caps)


def item_on(read: Read, area: str, item: Item, day: date, known: dict[tuple[str, date], dict[str, LocalItem]]) -> Item:
    """For crediting many at once: `known` keeps what was asked before. Refuses what is switched off here."""
    if (area, day) not in known:
        known[area, day] = in_force(read, area, day)
    mine = known[area, day].get(item.code)
    if mine is not None and mine.off:
        raise Refused(_("{item} is switched off in this community").format(item=item.name))
    return applied(item, mine)

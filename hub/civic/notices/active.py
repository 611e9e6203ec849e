"""The active set of a place: its own notices and those of every area above it, asked of the store, kept nowhere."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, bindparam, or_, select
from sqlmodel import col

from hub.access import Subject, covers
from hub.civic.notices import rules
from hub.civic.notices.models import Notice, NoticeArea
from hub.db import Read, Tx
from hub.directory import Area
from hub.errors import NotFound
from hub.i18n import _
from hub.types import UtcTime

LISTED_MAX = 200  # a desk's list; older ones are found by their address


def notices_of(read: Read, area: str) -> list[Notice]:
    """What the screens of an area show now, the most important first. An unknown area shows nothing.

    One look draws an area's cover, list and tile in two languages: a reader's answer is kept as long as its look."""
    if isinstance(read, Tx):
        return _notices_of(read, area)
    known: dict[str, list[Notice]] = read.session.info.setdefault("notices.active", {})
    if area not in known:
        known[area] = _notices_of(read, area)
    return known[area]


def _notices_of(read: Read, area: str) -> list[Notice]:
    place = read.session.get(Area, area)
    if place is None:
        return []
    now = read.now()
    rows = read.session.execute(_HELD, {"areas": place.path.split("/"), "now": now})
    return rules.ordered([each for each in rows.scalars() if rules.holds(each, now)])


_HELD = (
    select(Notice)
    .join(NoticeArea, col(NoticeArea.notice) == col(Notice.id))
    .where(
        col(NoticeArea.area).in_(bindparam("areas", expanding=True)),
        col(Notice.state) == "released",
        col(Notice.everybody),
        col(Notice.expires) > bindparam("now", type_=UtcTime),
    )
    .distinct()
    .execution_options(populate_existing=True)
)


def notice(read: Read, ident: str) -> Notice:
    found = read.session.get(Notice, ident, populate_existing=True)
    if found is None:
        raise NotFound(_("There is no such notice"))
    return found


def areas_of(read: Read, ident: str) -> list[Area]:
    rows = read.session.execute(
        select(Area).join(NoticeArea, col(NoticeArea.area) == col(Area.code)).where(col(NoticeArea.notice) == ident)
    )
    return sorted(rows.scalars(), key=lambda each: each.path)


def paths_of(read: Read, ident: str) -> tuple[str, ...]:
    return tuple(area.path for area in areas_of(read, ident))


def visible_to(read: Read, subject: Subject, ident: str, permission: str) -> Notice:
    """A notice all of whose areas this subject holds the permission in; for anybody else it does not exist."""
    found = notice(read, ident)
    if not all(subject.may(permission, path) for path in paths_of(read, ident)):
        raise NotFound(_("There is no such notice"))
    return found


def touching(read: Read, found: Notice, paths: Sequence[str]) -> Notice:
    """The notice itself, if it holds in one of these places or in part of it; else it does not exist for the asker."""
    own = paths_of(read, found.id)
    if not any(covers(place, path) or covers(path, place) for place in own for path in paths):
        raise NotFound(_("There is no such notice"))
    return found


def listed(
    read: Read,
    paths: Sequence[str],
    states: Sequence[str],
    *,
    before: str = "",
    limit: int = LISTED_MAX,
    only: Sequence[ColumnElement[bool]] = (),
) -> list[Notice]:
    """Every notice that touches these places, or holds there from above, newest first; `before` is a notice's id."""
    query = select(Notice).where(col(Notice.state).in_(states), *only)
    if before:
        query = query.where(col(Notice.id) < before)
    if "" not in paths:
        above = {code for path in paths for code in path.split("/")}
        within = [col(NoticeArea.path).startswith(f"{path}/") for path in paths]
        query = query.where(
            col(Notice.id).in_(select(col(NoticeArea.notice)).where(or_(col(NoticeArea.area).in_(above), *within)))
        )
    rows = read.session.execute(query.order_by(col(Notice.id).desc()).limit(limit))
    return list(rows.scalars())


def choosable(read: Read, subject: Subject, permission: str = "notices.draft") -> list[Area]:
    """The areas this subject may write notices for, as a tree: by path."""
    rows = read.session.execute(select(Area).order_by(col(Area.path))).scalars()
    return [area for area in rows if subject.may(permission, area.path)]

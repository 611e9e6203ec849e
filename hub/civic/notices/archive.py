"""The archive: every notice that ended here, found again by words, kind and day, and taken out as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, or_, select
from sqlmodel import col

from hub.civic.notices import active
from hub.civic.notices.models import Notice
from hub.db import Read
from hub.errors import Refused
from hub.i18n import _

ENDED = ("retracted", "expired", "archived")
PAGE = 50
EXPORTED_MAX = 10_000  # a community's notices of about twenty years; more is asked for by days


@dataclass(frozen=True, slots=True)
class Wanted:
    words: str = ""
    kind: str = ""
    first: date | None = None
    last: date | None = None
    zone: str = "Asia/Shanghai"

    @classmethod
    def of(cls, q: str, kind: str, first: str, last: str, zone: str) -> Wanted:
        made = cls(q.strip()[:60], kind[:32], _day(first), _day(last), zone)
        if made.first and made.last and made.last < made.first:
            raise Refused(_("It ends before it begins: change the second time"))
        return made


def found(read: Read, paths: Sequence[str], wanted: Wanted, *, before: str = "", limit: int = PAGE) -> list[Notice]:
    """Newest first; `before` is the last notice of the page before."""
    return active.listed(read, paths, ENDED, before=before, limit=limit, only=_only(wanted))


def last_contact(read: Read, area: str) -> str:
    """The telephone number that this place last gave."""
    row = read.session.execute(
        select(col(Notice.contact))
        .where(col(Notice.place) == area, col(Notice.contact) != "")
        .order_by(col(Notice.id).desc())
        .limit(1)
    ).scalar_one_or_none()
    return row or ""


def _only(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    for word in wanted.words.split():
        places = (Notice.title, Notice.text, Notice.title_en, Notice.text_en, Notice.issuer)
        conditions.append(or_(*(col(each).icontains(word, autoescape=True) for each in places)))
    if wanted.kind:
        conditions.append(col(Notice.kind) == wanted.kind)
    if wanted.first:
        conditions.append(col(Notice.drafted_at) >= _midnight(wanted.first, wanted.zone))
    if wanted.last:
        conditions.append(col(Notice.drafted_at) < _midnight(wanted.last + timedelta(days=1), wanted.zone))
    return conditions


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone))


def _day(typed: str) -> date | None:
    if not typed:
        return None
    try:
        return date.fromisoformat(typed)
    except ValueError:
        raise Refused(_("Write the day as year-month-day")) from None

"""What takes place in a community: publish, cancel, list. Every verb redraws the screens that announce it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import exists, select
from sqlmodel import col

from hub import directory
from hub.access import Subject
from hub.civic.activities.models import Activity, Sheet
from hub.db import Read, Tx
from hub.errors import Conflict, NotFound, Refused
from hub.events import ActivityPublished
from hub.i18n import _

HOURS_MAX = 12  # one activity fits into a day; longer is two activities
AHEAD_DAYS_MAX = 366
SEATS_MAX = 10_000
TOPICS = ("activities.home", "activities.tv", "activities.told", "activities.page", "activities.desk")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a person writes at the desk."""

    area: str
    zh: str
    en: str
    item: str
    starts: datetime
    ends: datetime
    place_zh: str
    place_en: str = ""
    seats: int = 0
    number: str = ""  # of a city-wide activity; one community accounts for it


def publish(tx: Tx, by: Subject, plan: Plan) -> Activity:
    """Announce an activity. The points slice hears of it and refuses an item by which nobody could be credited."""
    place = directory.area(tx, plan.area)
    by.require("activities.write", place.path)
    if place.kind not in ("community", "village"):
        raise Refused(_("Choose the community where it takes place"))
    _sound(plan, tx.now())
    made = Activity(
        id=tx.new_id(), area=plan.area, zh=plan.zh.strip(), en=plan.en.strip(), item=plan.item.strip().upper(),
        starts=plan.starts, ends=plan.ends, place_zh=plan.place_zh.strip(), place_en=plan.place_en.strip(),
        published_by=by.id, published_at=tx.now(), seats=plan.seats, number=plan.number.strip().upper() or None,
    )  # fmt: skip
    _once_in_the_city(tx, made)
    tx.session.add(made)
    tx.session.flush()
    tx.emit(ActivityPublished, activity=made.id, area=made.area, item=made.item, day=day_of(made, place.tz))
    show(tx, made.area)
    return made


def cancel(tx: Tx, by: Subject, ident: str) -> Activity:
    """It does not take place. What was attended cannot be cancelled any more."""
    found = activity(tx, ident)
    by.require("activities.write", directory.area(tx, found.area).path)
    if tx.session.execute(select(exists().where(col(Sheet.activity) == ident, col(Sheet.state) != "open"))).scalar():
        raise Conflict(_("People have taken part already; it cannot be cancelled"))
    found.state = "cancelled"
    tx.session.add(found)
    show(tx, found.area)
    return found


def show(tx: Tx, area: str) -> None:
    for topic in TOPICS:
        tx.touch(topic, area)


def activity(read: Read, ident: str) -> Activity:
    found = read.session.get(Activity, ident)
    if found is None:
        raise NotFound(_("There is no such activity"))
    return found


def coming(read: Read, area: str, limit: int) -> list[Activity]:
    """What has not ended yet, the nearest first."""
    query = select(Activity).where(
        col(Activity.area) == area, col(Activity.state) == "planned", col(Activity.ends) >= read.now()
    )
    return list(read.session.execute(query.order_by(col(Activity.starts)).limit(limit)).scalars())


def listed(
    read: Read, areas: Sequence[str], *, before: str = "", limit: int = 50, past_only: bool = False
) -> list[Activity]:
    """All of some communities, the newest first. `before` is the id of the last one seen."""
    query = select(Activity).where(col(Activity.area).in_(areas))
    if past_only:
        query = query.where(col(Activity.ends) < read.now(), col(Activity.state) == "planned")
    if before:
        last = activity(read, before)
        query = query.where(
            (col(Activity.starts) < last.starts)
            | ((col(Activity.starts) == last.starts) & (col(Activity.id) < last.id))
        )
    query = query.order_by(col(Activity.starts).desc(), col(Activity.id).desc()).limit(limit)
    return list(read.session.execute(query).scalars())


def turned(read: Read, since: datetime, now: datetime) -> list[str]:
    """The communities where something began or ended after `since`, up to now."""
    begun = (col(Activity.starts) > since) & (col(Activity.starts) <= now)
    over = (col(Activity.ends) > since) & (col(Activity.ends) <= now)
    return list(read.session.execute(select(col(Activity.area)).where(begun | over).distinct()).scalars())


def day_of(found: Activity, tz: str) -> date:
    """The day of the act, as the community's own calendar says it."""
    return found.starts.astimezone(ZoneInfo(tz)).date()


def _once_in_the_city(tx: Tx, made: Activity) -> None:
    """One activity of the whole city is accounted for in one community, or its people would be credited twice."""
    if made.number is None:
        return
    other = tx.session.execute(select(col(Activity.area)).where(col(Activity.number) == made.number)).scalar()
    if other is not None:
        raise Conflict(
            _("This activity number is used here already")
            if other == made.area
            else _("Another community accounts for this city-wide activity already")
        )


def _sound(plan: Plan, now: datetime) -> None:
    if not plan.zh.strip() or not plan.place_zh.strip():
        raise Refused(_("An activity needs a title and a place"))
    if max(len(plan.zh), len(plan.place_zh)) > 80 or max(len(plan.en), len(plan.place_en)) > 120:
        raise Refused(_("The title or the place is too long"))
    if not timedelta(0) < plan.ends - plan.starts <= timedelta(hours=HOURS_MAX):
        raise Refused(_("An activity ends after it began, within {hours} hours").format(hours=HOURS_MAX))
    if not 0 <= plan.seats <= SEATS_MAX or len(plan.number) > 64:
        raise Refused(_("Places go from 0 (no limit) to {most}").format(most=SEATS_MAX))
    if plan.starts - now > timedelta(days=AHEAD_DAYS_MAX):
        raise Refused(_("That is more than a year ahead"))

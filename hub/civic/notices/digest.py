"""The daily overview (每日一览): what a resident asked to hear once a day leaves as one message at the time they chose.

It names how many notices wait and where to read them, and no title: what is withdrawn in between need not be taken back
from anybody. hub/digest.py keeps the items; a proof of the overview proves each notice in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlmodel import col

from channels.base import Message
from hub import audience, outbox, preferences, reach
from hub import digest as core
from hub.audience import Audience, ChannelBinding
from hub.civic.notices import kinds
from hub.civic.notices.models import Notice
from hub.db import Read, Tx
from hub.digest import DigestItem
from hub.directory import Area, Resident
from hub.i18n import N_, translate
from hub.preferences import Standing
from hub.services import Services

EVERY_S = 5.0  # to the minute is enough; a look is one indexed read
RESIDENTS_MAX = 200  # of one transaction
HOURS = 24  # an overview nobody could be sent by the next one's time is over
PREFERRED = ("wechat", "webpush", "sms")  # where nobody chose: what costs nothing comes first
TITLE, TEXT = (
    N_("Overview of today: {n} notices"),
    N_("{n} notices of your community are waiting for you to read them."),
)


@dataclass(frozen=True, slots=True)
class Ready:
    """One resident's overview of now."""

    resident: str
    area: str
    binding: ChannelBinding
    key: str
    items: tuple[DigestItem, ...]


async def keep_sending(services: Services) -> None:
    while True:
        if await services.store.read(is_due):
            await services.store.write(send)
        else:
            await services.clock.sleep(EVERY_S)


def is_due(read: Read) -> bool:
    """A look without a lock."""
    due = (col(DigestItem.state) == "waiting", col(DigestItem.due) <= read.now())
    return read.session.execute(select(col(DigestItem.resident)).where(*due).limit(1)).first() is not None


def send(tx: Tx, limit: int = RESIDENTS_MAX) -> int:
    """The overviews that are due, so many residents at once. Returns how many residents were dealt with."""
    due = (col(DigestItem.state) == "waiting", col(DigestItem.due) <= tx.now())
    first = select(col(DigestItem.resident)).where(*due).distinct().order_by(col(DigestItem.resident)).limit(limit)
    items = tx.session.execute(
        select(DigestItem)
        .where(*due, col(DigestItem.resident).in_(first))
        .order_by(col(DigestItem.resident), col(DigestItem.notice))
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    held: dict[str, list[DigestItem]] = defaultdict(list)
    for item in items.scalars():
        held[item.resident].append(item)
    standings = preferences.standings(tx, list(held))
    ready = _ready(tx, held, standings)
    for (_area, _channel, lang, _count), group in _alike(ready, standings).items():
        _plan(tx, group, standings, lang)
    tx.session.flush()
    return len(held)


def _ready(tx: Tx, held: Mapping[str, list[DigestItem]], standings: Mapping[str, Standing]) -> list[Ready]:
    """Without what is over, was corrected or has been read meanwhile; without those who have no address any more."""
    notices = {item.notice for items in held.values() for item in items}
    rows = tx.session.execute(
        select(Notice).where(col(Notice.id).in_(notices)).execution_options(populate_existing=True)
    )
    living = {
        (each.id, each.revision) for each in rows.scalars() if each.state == "released" and each.expires > tx.now()
    }
    seen = {(notice, revision): reach.has_seen(tx, notice, revision, list(held)) for notice, revision in living}
    areas = dict(
        tx.session.execute(select(col(Resident.id), col(Resident.area)).where(col(Resident.id).in_(held))).all()
    )
    found = []
    for resident, items in held.items():
        fresh = []
        for item in items:
            place = (item.notice, item.revision)
            if place in living and resident not in seen[place]:
                fresh.append(item)
            else:
                item.state = "dropped"
        binding = _way(audience.of_resident(tx, resident), standings[resident].digest_channel)
        if binding is None:
            for item in fresh:
                item.state = "dropped"
        elif fresh:
            day = max(item.due for item in fresh).astimezone(ZoneInfo(standings[resident].zone)).date()
            found.append(Ready(resident, areas[resident], binding, core.key(day, resident), tuple(fresh)))
    return found


def _way(bound: Sequence[ChannelBinding], wanted: str) -> ChannelBinding | None:
    by_channel = {each.channel: each for each in bound}
    order = (wanted, *PREFERRED, *sorted(by_channel))
    return next((by_channel[channel] for channel in order if channel in by_channel), None)


def _alike(
    ready: Sequence[Ready], standings: Mapping[str, Standing]
) -> Mapping[tuple[str, str, str, int], list[Ready]]:
    """Who reads the same words on the same channel shares one message."""
    groups: dict[tuple[str, str, str, int], list[Ready]] = defaultdict(list)
    for each in ready:
        lang = standings[each.resident].lang
        groups[each.area, each.binding.channel, lang, len(each.items)].append(each)
    return groups


def _plan(tx: Tx, group: Sequence[Ready], standings: Mapping[str, Standing], lang: str) -> None:
    first = group[0]
    place, count = tx.session.get_one(Area, first.area), len(first.items)
    message = Message(
        notice_id=tx.new_id(), revision=1, priority="routine", kind=core.KIND,
        title=translate(TITLE, lang).format(n=count), text=translate(TEXT, lang).format(n=count),
        area_name=place.zh if lang == "zh" else place.en,
        issuer=kinds.issuer(place) if lang == "zh" else kinds.issuer_en(place), sent_at=tx.now(),
        expires=tx.now() + timedelta(hours=HOURS), url="/notices", lang=lang, zone=place.tz,
    )  # fmt: skip
    keys = {each.key: (each.resident, each.binding.id) for each in group}
    made = outbox.plan_overviews(tx, message, first.binding.channel, Audience((first.area,)), keys)
    for each in group:
        for item in each.items:
            if each.key in made:
                item.state, item.outbox = "sent", made[each.key]
            else:
                # Today's has left already: they chose another time since, or two workers shared the items.
                who = standings[each.resident]
                at = item.due + timedelta(days=1)
                item.due = at if who.digest_at is None else preferences.next_at(item.due, who.digest_at, who.zone)
            tx.session.add(item)

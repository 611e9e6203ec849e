"""The two ways of the ladder that go from place to place: the loudspeaker of a community, and a visit at a door.

Both take one page in one transaction and keep their place in the step's own row, so that a city does not hold up the
writer, and a hub killed in between asks no door and no loudspeaker twice.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlmodel import col

from hub import directory, speaker
from hub.audience import Audience, ChannelBinding
from hub.civic.notices import coverage
from hub.civic.notices.coverage import Door
from hub.civic.notices.models import LadderStep, Notice, Speech
from hub.civic.notices.rungs import UNADDRESSED, Rung
from hub.db import Read, Tx
from hub.directory import Area, Resident
from hub.events import LoudspeakerWanted, VisitWanted
from hub.registry import Credential

# Each is an event, an audit row and a visit, 2-3 ms of CPU: an all-clear waits behind one page, and with readings
# beside it 40 doors held the writer for 0.2-0.4 s.
DOORS_PAGE = 12


def horns(read: Read, notice: Notice) -> set[str]:
    """The communities of a notice that have a loudspeaker; of an all-clear those where the alarm was to be said."""
    within = [area.code for area in directory.below(read, Audience.read(notice.audience).areas)]
    if notice.clears:
        asked = read.session.execute(select(col(Speech.area)).where(col(Speech.notice) == notice.clears)).scalars()
        said = {area.code for area in directory.below(read, list(asked))}
        within = [code for code in within if code in said]
    able = (col(Credential.kind) == speaker.KIND, col(Credential.revoked).is_(None), col(Credential.area).in_(within))
    return set(read.session.execute(select(col(Credential.area)).where(*able)).scalars())


def speak(tx: Tx, notice: Notice, step: LadderStep, rung: Rung) -> bool:
    """Ask one community's loudspeakers, if too few of its doors are reached. Says whether that was the last."""
    able = horns(tx, notice)
    places = [area for area in _ahead(tx, notice, step) if area.code in able]
    if not places:
        return True
    place = places[0]
    percent = coverage.summed(coverage.doors(tx, notice, place.code)).percent
    if rung.below_percent is None or percent < rung.below_percent:
        step.met += 1
        tx.emit(
            LoudspeakerWanted, cause=step.cause, notice=notice.id, revision=notice.revision, area=place.code,
            coverage=percent, priority=notice.priority,
        )  # fmt: skip
    else:
        step.passed += 1
    return _next(step, places)


def knock(tx: Tx, notice: Notice, step: LadderStep, rung: Rung, ways: Collection[str]) -> bool:
    """Ask for visits at one page of doors. Says whether that was the last."""
    places = _ahead(tx, notice, step)
    if not places:
        return True
    place, after = places[0], step.cursor.partition("/")[2]
    doors = [door for door in coverage.doors(tx, notice, place.code) if door.household > after]
    doors.sort(key=lambda door: door.household)
    page = doors[:DOORS_PAGE]
    told = _addressed(tx, place.code, ways) if rung.doors == UNADDRESSED else frozenset()
    for door in page:
        if _wanted(door, rung, told):
            step.met += 1
            _ask(tx, notice, step, rung, place, door)
        else:
            step.passed += 1
    if len(doors) > DOORS_PAGE:
        step.cursor = f"{place.code}/{page[-1].household}"
        return False
    return _next(step, places)


def _wanted(door: Door, rung: Rung, told: Collection[str]) -> bool:
    return not door.reached and door.household not in told and (bool(door.risks) or not rung.at_risk)


def _ask(tx: Tx, notice: Notice, step: LadderStep, rung: Rung, place: Area, door: Door) -> None:
    tx.emit(
        VisitWanted, cause=step.cause, notice=notice.id, revision=notice.revision, area=place.code,
        household=door.household, resident=None, reason="no_address" if rung.doors == UNADDRESSED else "unseen",
        rank=door.weight, priority=notice.priority, title=notice.title, expires=notice.expires,
    )  # fmt: skip


def _addressed(read: Read, area: str, ways: Collection[str]) -> frozenset[str]:
    """Homes where a channel of this hub leads to somebody: children have no address, and one reader tells the home."""
    rows = read.session.execute(
        select(col(Resident.household))
        .join(ChannelBinding, col(ChannelBinding.resident) == col(Resident.id))
        .where(
            col(Resident.area) == area, col(ChannelBinding.state) == "active",
            col(ChannelBinding.channel).in_(sorted(ways)),
        )
        .distinct()
    )  # fmt: skip
    return frozenset(rows.scalars())


def _ahead(read: Read, notice: Notice, step: LadderStep) -> Sequence[Area]:
    """The communities still to come, the one half done first. The cursor is `<community>/<household>`."""
    within = directory.below(read, Audience.read(notice.audience).areas)
    here = step.cursor.partition("/")[0]
    return sorted((area for area in within if area.code >= here), key=lambda area: area.code)


def _next(step: LadderStep, places: Sequence[Area]) -> bool:
    if len(places) > 1:
        step.cursor = f"{places[1].code}/"
        return False
    return True

"""Who has the loudspeakers say a notice, and what they report: emergencies at once, the ladder, the desk by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import col

from channels.base import Rendered
from hub import directory, reach
from hub.access import Subject
from hub.civic.notices import active, board, speech
from hub.civic.notices.events import SpeechWanted
from hub.civic.notices.models import Aloud, Clip, Notice, Played, Speech
from hub.civic.notices.speech import Hours
from hub.db import Read, Tx
from hub.directory import Area
from hub.errors import Conflict, NotAllowed
from hub.events import LoudspeakerWanted, NoticeReleased, SpeakerReported
from hub.i18n import _
from hub.reach import Proof, ReachNotice
from hub.registry import Credential
from hub.upsert import insert_for

CHANNEL = "loudspeaker"
ROUNDS_MAX = 20  # by hand; who says it more often talks to people who no longer listen


@dataclass(frozen=True, slots=True)
class Line:
    """One loudspeaker of the place and what it did last."""

    speaker: str
    place: Area
    played: Played | None


@dataclass(frozen=True, slots=True)
class State:
    """All that the desk shows of a notice's speech."""

    notice: Notice
    rendered: Rendered | None
    times: int
    hours: Hours
    asked: tuple[Speech, ...]
    lines: tuple[Line, ...]
    clip: Clip | None
    now: datetime

    @property
    def said(self) -> int:
        return sum(line.played is not None and line.played.result == "said" for line in self.lines)


def on_released(tx: Tx, event: NoticeReleased) -> None:
    if event.priority == "emergency":
        _want(tx, active.notice(tx, event.notice), event.areas, "emergency", event.actor)


def on_wanted(tx: Tx, event: LoudspeakerWanted) -> None:
    found = tx.session.get(Notice, event.notice)
    if found is not None and found.revision == event.revision:
        _want(tx, found, (event.area,), "ladder", event.actor)


def say(tx: Tx, by: Subject, ident: str) -> Notice:
    """Say it, or say it once more, wherever the notice holds: one person who may release notices there."""
    found = active.notice(tx, ident)
    paths = active.paths_of(tx, ident)
    if not any(all(by.may(each, path) for path in paths) for each in ("notices.release", "notices.emergency")):
        raise NotAllowed(_("Your role does not cover this here"))
    if found.state != "released" or not found.everybody:
        raise Conflict(_("Only a published notice for everybody can be said aloud"))
    standing = _asked(tx, found)
    if any(row.round >= ROUNDS_MAX for row in standing):
        raise Conflict(_("This has been said often enough"))
    _want(tx, found, [area.code for area in active.areas_of(tx, ident)], "desk", by.id)
    return found


def speak_english(tx: Tx, by: Subject, area: str, wanted: bool) -> None:
    """From now on the loudspeakers of this place say a translated notice in English too, or no longer."""
    by.require("notices.release", directory.area(tx, area).path)
    tx.session.merge(Aloud(area=area, english=wanted))
    tx.session.flush()
    board.mark(tx, [area])


def on_reported(tx: Tx, event: SpeakerReported) -> None:
    """The first report of a round stands. What was said whole counts as shown, like a screen that showed it."""
    about = tx.session.get(ReachNotice, event.notice)
    place = tx.session.get(Area, event.area)
    row = _of_place(tx, event, place) if place else None
    if about is None or place is None or row is None or event.round > row.round:
        return
    fresh = insert_for(tx)(Played).on_conflict_do_nothing(index_elements=["notice", "revision", "round", "speaker"])
    report = {
        "notice": event.notice, "revision": event.revision, "round": event.round, "speaker": event.speaker,
        "area": event.area, "result": event.result, "voice": event.voice, "seconds": event.seconds, "at": event.at,
    }  # fmt: skip
    tx.session.execute(fresh, [report])
    tx.touch("notices.speech", event.notice)
    if event.result == "said" and about.open and about.revision == event.revision:
        viewer = reach.screen_viewer(f"speaker {event.speaker}")
        evidence = f"{event.voice} {event.seconds} s"
        reach.record(tx, Proof(event.notice, event.revision, viewer, CHANNEL, "shown", event.at, evidence))


def state(read: Read, ident: str) -> State:
    found = active.notice(read, ident)
    areas = active.areas_of(read, ident)
    rendered = speech.spoken(read, found, areas)
    zone = areas[0].tz if areas else "Asia/Shanghai"
    return State(
        notice=found, rendered=rendered, times=speech.times(rendered) if rendered else 1,
        hours=speech.hours(found.priority, read.now(), zone), asked=tuple(_asked(read, found)),
        lines=tuple(_lines(read, found, areas)), clip=read.session.get(Clip, (found.id, found.revision)),
        now=read.now(),
    )  # fmt: skip


def _want(tx: Tx, notice: Notice, areas: Sequence[str], why: str, by: str) -> None:
    """Once per place and revision, whoever asks and for however wide an area; only the desk asks for another round."""
    if notice.state != "released" or not notice.everybody:
        return
    standing = {row.area: row for row in _asked(tx, notice)}
    # A place hears the highest round asked for it or around it: the desk's "once more" is above all that stand.
    round_ = 1 + max((row.round for row in standing.values()), default=0) if why == "desk" else 1
    moved = []
    for area in areas:
        if why != "desk" and not standing.keys().isdisjoint(directory.area(tx, area).path.split("/")):
            continue
        row = standing.get(area) or Speech(
            notice=notice.id, revision=notice.revision, area=area, why=why, wanted_by=by, wanted_at=tx.now()
        )
        row.round, row.why, row.wanted_by, row.wanted_at = round_, why, by, tx.now()
        tx.session.add(row)
        moved.append(area)
    if moved:
        tx.session.flush()
        tx.emit(SpeechWanted, notice=notice.id, revision=notice.revision, areas=tuple(moved), why=why)
        board.mark(tx, [each.code for each in directory.below(tx, moved)])
        tx.touch("notices.speech", notice.id)


def _asked(read: Read, notice: Notice) -> list[Speech]:
    rows = read.session.execute(
        select(Speech)
        .where(col(Speech.notice) == notice.id, col(Speech.revision) == notice.revision)
        .order_by(col(Speech.area))
        .execution_options(populate_existing=True)
    )
    return list(rows.scalars())


def _of_place(read: Read, event: SpeakerReported, place: Area) -> Speech | None:
    """What was asked of this place in that revision: a speaker proves nothing it was not asked to say."""
    rows = read.session.execute(
        select(Speech)
        .where(
            col(Speech.notice) == event.notice,
            col(Speech.revision) == event.revision,
            col(Speech.area).in_(place.path.split("/")),
        )
        .order_by(col(Speech.round).desc())
    )
    return rows.scalars().first()


def _lines(read: Read, notice: Notice, areas: Sequence[Area]) -> list[Line]:
    places = {each.code: each for each in directory.below(read, [area.code for area in areas])}
    accounts = read.session.execute(
        select(Credential)
        .where(col(Credential.kind) == "speaker", col(Credential.revoked).is_(None), col(Credential.area).in_(places))
        .order_by(col(Credential.area), col(Credential.user))
    ).scalars()
    latest: dict[str, Played] = {}
    for row in read.session.execute(
        select(Played)
        .where(col(Played.notice) == notice.id, col(Played.revision) == notice.revision)
        .order_by(col(Played.round))
    ).scalars():
        latest[row.speaker] = row
    return [Line(each.user, places[each.area], latest.get(each.user)) for each in accounts]

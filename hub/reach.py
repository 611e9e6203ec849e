"""The reach ledger (触达账): for each notice and viewer the best proof so far, which only ever rises.

A viewer is a resident or a screen. Beside each channel's proof stands the viewer's best on any channel (`best`), so
that read once anywhere is read everywhere. Counters move in the same transaction; every viewer stands in exactly one
level, so the sums are the audience's. Late and repeated receipts change nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import weakref
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Text, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, SQLModel, col

from hub.access import Subject, covers
from hub.db import Actor, Read, Store, Tx
from hub.directory import Area, Resident
from hub.events import NoticeSeen, ReachMoved
from hub.types import UtcTime

if TYPE_CHECKING:
    from hub.services import Services

LEVELS = ("accepted", "delivered", "shown", "seen", "acknowledged")
RANK = {level: rank for rank, level in enumerate(LEVELS, start=1)}
BEST = "best"  # the viewer's best proof on any channel
CLIENT_LEVELS = ("shown", "seen")  # what a screen may claim about itself; the rest needs more than its word
PROOFS_MAX = 50  # a screen shows a handful of notices; a longer list is an attack
PROOFS_PER_MINUTE_MAX = 120  # one viewer leafing fast through everything stays below it
VIEWERS_REMEMBERED_MAX = 50_000  # the limiter's memory: about 5 MB
_SURFACE_CHANNEL = {"resident": "web", "tv": "tv", "kiosk": "kiosk"}
_SCREENS = ("tv", "kiosk")


class ReachNotice(SQLModel, table=True):
    """What may be proved at all: a released notice, where, and how many people it is meant for."""

    __tablename__ = "reach_notice"
    notice: str = Field(primary_key=True, max_length=64)
    revision: int
    paths: str = Field(sa_column=Column(Text, nullable=False))  # JSON list of area paths
    audience: int
    open: bool


class Reach(SQLModel, table=True):
    __tablename__ = "reach"
    notice: str = Field(primary_key=True, max_length=64)
    revision: int = Field(primary_key=True)
    viewer: str = Field(primary_key=True, max_length=80)
    channel: str = Field(primary_key=True, max_length=16)
    level: int
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    evidence: str = Field(max_length=80)
    # When we knew that it was seen. `at` is the channel's word, and it moves on with an acknowledgement.
    seen_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))


class ReachCount(SQLModel, table=True):
    __tablename__ = "reach_count"
    notice: str = Field(primary_key=True, max_length=64)
    channel: str = Field(primary_key=True, max_length=24)  # a channel, or best:resident | best:screen
    level: int = Field(primary_key=True)
    n: int


@dataclass(frozen=True, slots=True)
class Proof:
    notice: str
    revision: int
    viewer: str  # "r:<resident>" or "s:<hash of a screen's token>"
    channel: str
    level: str
    at: datetime
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Sums:
    """`channels[name][level]` and `best[level]`: viewers whose highest proof this is; best counts people only."""

    audience: int
    best: Mapping[str, int]
    channels: Mapping[str, Mapping[str, int]]
    screens: Mapping[str, int]

    def at_least(self, channel: str, level: str) -> int:
        counts = self.best if channel == BEST else self.channels.get(channel, {})
        return sum(n for each, n in counts.items() if RANK[each] >= RANK[level])


def resident_viewer(resident: str) -> str:
    return f"r:{resident}"


def screen_viewer(token: str) -> str:
    return "s:" + hashlib.sha256(token.encode()).hexdigest()[:32]


def open_notice(tx: Tx, notice: str, revision: int, paths: Sequence[str], audience: int) -> None:
    """From now on screens may prove that they show it."""
    tx.session.merge(
        ReachNotice(notice=notice, revision=revision, paths=json.dumps(list(paths)), audience=audience, open=True)
    )
    tx.session.flush()


def open_first(tx: Tx, notice: str, paths: Sequence[str], audience: int) -> None:
    """The same for what nobody can have proved before, without a look."""
    tx.session.add(ReachNotice(notice=notice, revision=1, paths=json.dumps(list(paths)), audience=audience, open=True))


def audience_of(read: Read, notice: str) -> int:
    """How many people it was meant for when it went out."""
    about = read.session.get(ReachNotice, notice)
    return about.audience if about else 0


def count_anew(tx: Tx, notice: str, audience: int) -> None:
    tx.session.execute(update(ReachNotice).where(col(ReachNotice.notice) == notice).values(audience=audience))


def close_notice(tx: Tx, notice: str) -> None:
    tx.session.execute(update(ReachNotice).where(col(ReachNotice.notice) == notice).values(open=False))


def record(tx: Tx, proof: Proof) -> bool:
    """Enter one proof. Says whether anything rose."""
    return record_all(tx, [proof]) > 0


def record_all(tx: Tx, proofs: Sequence[Proof]) -> int:
    """Enter proofs in any order, repeated or late; returns how many viewers' standing rose."""
    by_notice: dict[str, list[Proof]] = defaultdict(list)
    for each in proofs:
        by_notice[each.notice].append(each)
    return sum(_record_notice(tx, notice, by_notice[notice]) for notice in sorted(by_notice))


def _record_notice(tx: Tx, notice: str, proofs: Sequence[Proof]) -> int:
    if tx.session.get_bind().dialect.name == "postgresql":
        # Two writers of one notice would count one viewer twice; sorted notices keep this free of deadlock.
        tx.session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:key))"), {"key": f"reach {notice}"})
    wanted: dict[tuple[int, str, str], Proof] = {}
    for each in proofs:
        for channel in (each.channel, BEST):
            place = (each.revision, each.viewer, channel)
            if place not in wanted or RANK[each.level] > RANK[wanted[place].level]:
                wanted[place] = each
    standing = _standing(tx, notice, {viewer for _revision, viewer, _channel in wanted})
    made, counts, risen = [], Counter[tuple[str, int]](), Counter[tuple[str, str]]()
    readers, known = _new_readers(wanted, standing), tx.now()
    for (revision, viewer, channel), proof in wanted.items():
        row, rank = standing.get((revision, viewer, channel)), RANK[proof.level]
        if row is not None and row.level >= rank:
            continue
        shelf = _shelf(viewer, channel)
        counts[shelf, rank] += 1
        if row is None:
            made.append(
                {"notice": notice, "revision": revision, "viewer": viewer, "channel": channel, "level": rank,
                 "at": proof.at, "evidence": proof.evidence[:80], "seen_at": _seen(rank, known)}
            )  # fmt: skip
        else:
            counts[shelf, row.level] -= 1
            row.level, row.at, row.evidence = rank, proof.at, proof.evidence[:80]
            row.seen_at = row.seen_at or _seen(rank, known)
            tx.session.add(row)
        if channel != BEST:
            risen[channel, proof.level] += 1
    if not counts:
        return 0
    if made:
        tx.session.execute(insert(Reach), made)
    tx.session.flush()
    _count(tx, notice, counts)
    for (channel, level), count in sorted(risen.items()):
        tx.emit(ReachMoved, notice=notice, channel=channel, level=level, count=count)
    tx.touch("notices.reach", notice)
    tx.touch("notices.ladder", notice)
    _tell(tx, notice, readers)
    return sum(risen.values())


def _new_readers(
    wanted: Mapping[tuple[int, str, str], Proof], standing: Mapping[tuple[int, str, str], Reach]
) -> set[tuple[int, str]]:
    """Revision and resident: who has seen it now and had not before, on whatever channel."""
    return {
        (place[0], place[1].removeprefix("r:"))
        for place, proof in wanted.items()
        if place[2] == BEST and place[1].startswith("r:") and RANK[proof.level] >= RANK["seen"]
        and (place not in standing or standing[place].level < RANK["seen"])
    }  # fmt: skip


def _tell(tx: Tx, notice: str, readers: set[tuple[int, str]]) -> None:
    """Who need not be followed any further; and only the places where somebody new has read it are drawn anew."""
    for revision in sorted({at for at, _resident in readers}):
        now = tuple(sorted(resident for at, resident in readers if at == revision))
        tx.emit(NoticeSeen, notice=notice, revision=revision, residents=now)
    _touch_places(tx, notice, {resident for _revision, resident in readers})


def _touch_places(tx: Tx, notice: str, readers: set[str]) -> None:
    """A city's notice has 1,557 of them."""
    homes = select(col(Resident.area)).where(col(Resident.id).in_(readers)).distinct()
    for area in sorted(tx.session.execute(homes).scalars()) if readers else ():
        tx.touch("notices.coverage", f"{notice}.{area}")


def _seen(rank: int, known: datetime) -> datetime | None:
    return known if rank >= RANK["seen"] else None


def _standing(tx: Tx, notice: str, viewers: set[str]) -> dict[tuple[int, str, str], Reach]:
    theirs = select(Reach).where(col(Reach.notice) == notice, col(Reach.viewer).in_(viewers))
    rows = tx.session.execute(theirs).scalars()
    return {(row.revision, row.viewer, row.channel): row for row in rows}


def _shelf(viewer: str, channel: str) -> str:
    return channel if channel != BEST else ("best:resident" if viewer.startswith("r:") else "best:screen")


def _count(tx: Tx, notice: str, counts: Mapping[tuple[str, int], int]) -> None:
    """One statement for first and later: two first writers would both find nothing to update, and one would fail."""
    dialect = postgresql if tx.session.get_bind().dialect.name == "postgresql" else sqlite
    rows = [
        {"notice": notice, "channel": shelf, "level": level, "n": change}
        for (shelf, level), change in sorted(counts.items())
    ]
    fresh = dialect.insert(ReachCount)
    place = [ReachCount.notice, ReachCount.channel, ReachCount.level]
    raised = {"n": col(ReachCount.n) + fresh.excluded.n}
    tx.session.execute(fresh.on_conflict_do_update(index_elements=place, set_=raised), rows)


def sums(read: Read, notice: str) -> Sums:
    about = read.session.get(ReachNotice, notice)
    shelves: dict[str, dict[str, int]] = defaultdict(dict)
    rows = read.session.execute(
        select(col(ReachCount.channel), col(ReachCount.level), col(ReachCount.n)).where(
            col(ReachCount.notice) == notice, col(ReachCount.n) > 0
        )
    )
    for shelf, level, n in rows:
        shelves[shelf][LEVELS[level - 1]] = n
    best, screens = shelves.pop("best:resident", {}), shelves.pop("best:screen", {})
    return Sums(about.audience if about else 0, best, dict(shelves), screens)


def best_of(read: Read, viewer: str, notices: Sequence[str]) -> dict[str, str]:
    """The viewer's best level for each of these notices: what is read already, on whatever screen."""
    rows = read.session.execute(
        select(col(Reach.notice), col(Reach.level))
        .where(col(Reach.viewer) == viewer, col(Reach.channel) == BEST, col(Reach.notice).in_(notices))
        .order_by(col(Reach.revision))
    )
    return {notice: LEVELS[level - 1] for notice, level in rows}


def has_seen(read: Read, notice: str, revision: int, residents: Sequence[str]) -> set[str]:
    rows = read.session.execute(
        select(col(Reach.viewer)).where(
            col(Reach.notice) == notice,
            col(Reach.revision) == revision,
            col(Reach.channel) == BEST,
            col(Reach.level) >= RANK["seen"],
            col(Reach.viewer).in_([resident_viewer(each) for each in residents]),
        )
    )
    return {viewer.removeprefix("r:") for viewer in rows.scalars()}


@dataclass
class _Desk:
    """Proofs that came while the last commit ran are written together: a thousand TVs turn their page at once."""

    waiting: list[tuple[Proof, asyncio.Future[bool]]] = field(default_factory=list)
    writing: asyncio.Task[None] | None = None
    spent: dict[str, tuple[float, int]] = field(default_factory=dict)

    def allows(self, viewer: str, monotonic: float) -> bool:
        since, count = self.spent.get(viewer, (monotonic, 0))
        if monotonic - since >= 60:
            since, count = monotonic, 0
        if len(self.spent) >= VIEWERS_REMEMBERED_MAX and viewer not in self.spent:
            self.spent.pop(next(iter(self.spent)))
        self.spent[viewer] = (since, count + 1)
        return count < PROOFS_PER_MINUTE_MAX


_DESKS: weakref.WeakKeyDictionary[Store, _Desk] = weakref.WeakKeyDictionary()


async def proof(
    services: Services, subject: Subject, proofs: Sequence[Mapping[str, Any]], *, terminal: str = ""
) -> int:
    """What a screen says it shows: `[{"notice": id, "rev": n, "level": "shown"|"seen"}]`. Returns how many counted.

    `terminal` is a screen's own opaque token where nobody is signed in (a TV without a binding). Anything malformed,
    not released, or not for the viewer's place is dropped without a word: a screen can do nothing about it.
    """
    channel = _SURFACE_CHANNEL.get(subject.surface) or ("tv" if terminal else "")
    viewer = _viewer(subject, terminal)
    desk = _DESKS.setdefault(services.store, _Desk())
    if not channel or not viewer or not desk.allows(viewer, services.clock.monotonic()):
        return 0
    now = services.clock.now()
    said = [
        Proof(str(each["notice"]), each["rev"], viewer, channel, str(each["level"]), now, f"{channel} page")
        for each in proofs[:PROOFS_MAX]
        if isinstance(each.get("notice"), str) and type(each.get("rev")) is int and each.get("level") in CLIENT_LEVELS
    ]
    if subject.kind == "tv" and subject.person:
        # Whoever bound this box said that a press of its keys is theirs (hub/box.py); what it only shows is nobody's.
        mine, why = resident_viewer(subject.person), "key of the home's TV"
        said += [replace(each, viewer=mine, evidence=why) for each in said if each.level == "seen"]
    fresh = await services.store.read(lambda read: _news(read, subject, said))
    if not fresh:
        return 0
    loop = asyncio.get_running_loop()
    told = [(each, loop.create_future()) for each in fresh]
    desk.waiting += told
    if desk.writing is None or desk.writing.done():
        desk.writing = loop.create_task(_write(services.store, desk), name="reach-proofs")
    return sum(await asyncio.gather(*(future for _each, future in told)))


def _viewer(subject: Subject, terminal: str) -> str:
    if subject.kind == "resident":
        return resident_viewer(subject.id)
    if subject.surface in _SCREENS and (subject.hut or subject.session):
        return screen_viewer(f"{subject.surface} {subject.hut or subject.session}")
    return screen_viewer(f"tv {terminal}") if terminal else ""


def _news(read: Read, subject: Subject, said: Sequence[Proof]) -> list[Proof]:
    """What is open, meant for this place, and higher than what is known: a repeat costs one read and no write."""
    open_now = {
        row.notice: row
        for row in read.session.execute(
            select(ReachNotice).where(
                col(ReachNotice.notice).in_({each.notice for each in said}), col(ReachNotice.open).is_(True)
            )
        ).scalars()
    }
    path = subject.area_path or (_path(read, subject.area) if subject.area else "")
    found = []
    for each in said:
        about = open_now.get(each.notice)
        # A TV without a session stands in no place we know; it only sees what its public page shows.
        if about is None or about.revision != each.revision:
            continue
        if path and not any(covers(granted, path) for granted in json.loads(about.paths)):
            continue
        row = read.session.get(Reach, (each.notice, each.revision, each.viewer, each.channel))
        if row is None or row.level < RANK[each.level]:
            found.append(each)
    return found


def _path(read: Read, code: str) -> str:
    area = read.session.get(Area, code)
    return area.path if area else ""


async def _write(store: Store, desk: _Desk) -> None:
    while desk.waiting:
        batch, desk.waiting = desk.waiting, []

        def enter(tx: Tx, batch: list[tuple[Proof, asyncio.Future[bool]]] = batch) -> int:
            return record_all(tx, [each for each, _future in batch])

        try:
            await store.write(enter, Actor("hub"))
        except Exception as fault:
            for _each, future in batch:
                if not future.done():
                    future.set_exception(fault)
            continue
        for _each, future in batch:
            if not future.done():
                future.set_result(True)

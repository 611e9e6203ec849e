"""The ladder (升级触达): a notice is followed up, way by way, until it has been seen, stopped or over.

It begins with the release, in the release's own transaction; `jobs.py` climbs the rest by the clock. Whatever a rung
asks for stands in the same transaction as its row, so a hub killed at any moment climbs each rung once. Who is left is
asked when the rung is climbed, never before.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import exists, select, update
from sqlmodel import col

from channels.text import one_line
from hub import audience, outbox, reach
from hub.access import Subject
from hub.audience import Audience
from hub.civic.notices import active, knocking, rules, rungs
from hub.civic.notices.events import LadderClimbed, LadderStopped
from hub.civic.notices.message import message_of
from hub.civic.notices.models import Ladder, LadderStep, Notice
from hub.civic.notices.rungs import LOUDSPEAKER, SCREENS, VISIT, Rung
from hub.db import Read, Tx
from hub.errors import Conflict, NotAllowed, Refused
from hub.events import NoticeEnded, VisitWanted
from hub.i18n import _

PERMISSIONS = ("notices.release", "notices.emergency")  # either of them, as for withdrawing
REASON_CHARS_MAX = 200
# Why a way was not taken.
ABSENT, NOBODY, PRIVATE = "absent", "nobody", "private"
_HALF_DONE = exists().where(
    col(LadderStep.notice) == col(Ladder.notice), col(LadderStep.revision) == col(Ladder.revision),
    col(LadderStep.state) == "going",
)  # fmt: skip
_UNDER_WAY = select(Ladder, _HALF_DONE).where(col(Ladder.state) == "climbing")


@dataclass(frozen=True, slots=True)
class Open:
    """A ladder under way: what the job must know of it."""

    notice: str
    revision: int
    begun_at: datetime
    due_s: int | None  # of the next rung; None: none is left
    going: bool  # a step is half done

    def waits(self, elapsed_s: float) -> bool:
        """Whether there is nothing to do for it yet. With no rung left it has to be closed."""
        return not self.going and self.due_s is not None and self.due_s > elapsed_s


@dataclass
class Pace:
    """How long a ladder has stood. A wall clock set back delays no rung: this process counts on without it."""

    _since: dict[tuple[str, int], float] = field(default_factory=dict)

    def elapsed_s(self, each: Open, now: datetime, monotonic: float) -> float:
        by_wall = max(0.0, (now - each.begun_at).total_seconds())
        since = self._since.setdefault((each.notice, each.revision), monotonic - by_wall)
        return max(by_wall, monotonic - since)

    def forget(self, under_way: Sequence[Open]) -> None:
        kept = {(each.notice, each.revision) for each in under_way}
        self._since = {key: since for key, since in self._since.items() if key in kept}


def begin(tx: Tx, notice: Notice, cause: str) -> None:
    """With the release: the rungs that are due at once. What stood for an earlier revision ends here."""
    if notice.revision > 1:
        _close(tx, notice.id, notice.revision - 1, "revised")
    made = await_begin(tx, notice, cause)
    tx.session.flush()
    _climb_to(tx, notice, made, 0.0, None)


def await_begin(tx: Tx, notice: Notice, cause: str) -> Ladder:
    """A ladder whose first rung, too, is left to the job: an all-clear stands on the screens without it."""
    ladders = rungs.standing()
    made = Ladder(
        notice=notice.id, revision=notice.revision, edition=ladders.edition,
        rungs=rungs.dumped(ladders.of(notice.kind, notice.ladder or notice.priority)), state="climbing", next=0,
        begun_at=tx.now(), cause=cause,
    )  # fmt: skip
    tx.session.add(made)
    return made


def under_way(read: Read) -> list[Open]:
    found = []
    for row, busy in read.session.execute(_UNDER_WAY):
        plan = rungs.loaded(row.rungs)
        due_s = plan[row.next].after_s if row.next < len(plan) else None
        found.append(Open(row.notice, row.revision, row.begun_at, due_s, bool(busy)))
    return found


def rungs_left(read: Read, ident: str) -> int:
    """How many still wait for their time."""
    mine = (col(Ladder.notice) == ident, col(Ladder.state) == "climbing")
    rows = read.session.execute(select(Ladder).where(*mine)).scalars()
    return sum(len(rungs.loaded(row.rungs)) - row.next for row in rows)


def go_on(tx: Tx, ident: str, revision: int, elapsed_s: float, ways: Collection[str]) -> bool:
    """Climb what is due, and take the next page of what is half done; says whether this notice still has a ladder.

    `ways` are the channels this hub can send on.
    """
    found = _locked(tx, ident, revision)
    notice = tx.session.get(Notice, ident, populate_existing=True)
    if found is None or notice is None or notice.revision != revision or not rules.holds(notice, tx.now()):
        return False
    _climb_to(tx, notice, found, elapsed_s, ways)
    for step in _going(tx, found):
        _take_on(tx, notice, found, step, ways)
    if found.next >= len(rungs.loaded(found.rungs)) and not _going(tx, found):
        found.state, found.ended_at = "climbed", tx.now()
        tx.session.add(found)
    tx.touch("notices.ladder", ident)
    return True


def climb_now(tx: Tx, by: Subject, ident: str, ways: Collection[str]) -> Ladder:
    """The next rung without waiting for its time; those above it keep theirs."""
    notice, found = _in_hand(tx, by, ident)
    plan = rungs.loaded(found.rungs)
    if found.next >= len(plan):
        raise Conflict(_("Every step of this notice has been taken"))
    _climb(tx, notice, found, plan[found.next], ways, by=by.id)
    return found


def stop(tx: Tx, by: Subject, ident: str, reason: str) -> Ladder:
    """No rung any more, and nothing that a later rung asked for and that has not left. The notice itself stays."""
    _notice, found = _in_hand(tx, by, ident)
    said = one_line(reason)[:REASON_CHARS_MAX]
    if not said:
        raise Refused(_("Say why the follow-up is stopped"))
    for rung in rungs.loaded(found.rungs)[: found.next]:
        for channel in rung.channels if rung.after_s else ():
            outbox.drop(tx, ident, found.revision, channel, "the follow-up was stopped")
    found.state, found.ended_at, found.by, found.why = "stopped", tx.now(), by.id, said
    tx.session.add(found)
    tx.session.flush()
    _halt(tx, ident)
    tx.emit(LadderStopped, notice=ident, revision=found.revision, rung=found.next)
    tx.touch("notices.ladder", ident)
    return found


def on_ended(tx: Tx, event: NoticeEnded) -> None:
    """With its notice. What it had planned is cancelled by the outbox, which hears the same."""
    _close(tx, event.notice, event.revision, event.how)


def may_steer(read: Read, who: Subject, ident: str) -> bool:
    paths = active.paths_of(read, ident)
    return any(all(who.may(each, path) for path in paths) for each in PERMISSIONS)


def standing(read: Read, notice: Notice) -> tuple[Ladder, list[LadderStep]] | None:
    """The ladder of the present revision with the steps taken, in order; None for a notice that has none."""
    found = read.session.get(Ladder, (notice.id, notice.revision), populate_existing=True)
    return (found, _steps(read, found)) if found else None


def _in_hand(tx: Tx, by: Subject, ident: str) -> tuple[Notice, Ladder]:
    notice = active.notice(tx, ident)
    if not may_steer(tx, by, ident):
        raise NotAllowed(_("Your role does not cover this here"))
    found = _locked(tx, ident, notice.revision)
    if found is None or not rules.holds(notice, tx.now()):
        raise Conflict(_("This notice is not followed up any more"))
    return notice, found


def _climb_to(tx: Tx, notice: Notice, found: Ladder, elapsed_s: float, ways: Collection[str] | None) -> None:
    plan = rungs.loaded(found.rungs)
    while found.next < len(plan) and plan[found.next].after_s <= elapsed_s:
        _climb(tx, notice, found, plan[found.next], ways)


def _climb(tx: Tx, notice: Notice, found: Ladder, rung: Rung, ways: Collection[str] | None, *, by: str = "") -> None:
    if found.next == 0:
        rung = _first(tx, notice, found, rung)
    told = tx.emit(
        LadderClimbed, cause=found.cause or None, notice=notice.id, revision=found.revision, rung=found.next,
        ways=rung.ways, edition=found.edition, by_hand=bool(by),
    )  # fmt: skip
    here = [way for way in rung.channels if ways is None or way in ways]
    planned = _plan(tx, notice, here, told.id) if here else []
    for way in rung.ways:
        why = _hindrance(tx, notice, way, here, planned)
        # At the release nobody has said yet which channels this hub has: the job confirms them in a moment.
        going = way in (LOUDSPEAKER, VISIT) or (ways is None and way in rungs.standing().channels)
        state = "skipped" if why else "going" if going else "done"
        tx.session.add(
            LadderStep(
                notice=notice.id, revision=found.revision, rung=found.next, way=way, state=state, why=why, at=tx.now(),
                by=by, cause=told.id,
            )
        )  # fmt: skip
    found.next += 1
    tx.session.add(found)
    tx.session.flush()
    tx.touch("notices.ladder", notice.id)


def _plan(tx: Tx, notice: Notice, here: Sequence[str], cause: str) -> list[str]:
    areas = active.areas_of(tx, notice.id)
    zh, en = message_of(notice, areas), message_of(notice, areas, "en")
    english = en if en.lang == "en" else None  # nobody translated it
    to = Audience.read(notice.audience)
    return outbox.plan(tx, zh, to, here, cause=cause, follows=notice.clears, english=english)


def _first(tx: Tx, notice: Notice, found: Ladder, rung: Rung) -> Rung:
    """A channel that was put into the folder and that no ladder names is told at once, as everything is."""
    known = rungs.standing().channels
    others = tuple(each for each in audience.bound_channels(tx) if each not in known)
    if notice.clears:
        people = audience.size(tx, Audience.read(notice.audience), notice.released_at)
        reach.count_anew(tx, notice.id, people)
    if not others:
        return rung
    whole = replace(rung, ways=rung.ways + others)
    found.rungs = rungs.dumped((whole, *rungs.loaded(found.rungs)[1:]))
    return whole


def _hindrance(tx: Tx, notice: Notice, way: str, here: Collection[str], planned: Collection[str]) -> str:
    """Why a way cannot be taken; nothing where it can."""
    if way in (SCREENS, LOUDSPEAKER) and not notice.everybody:
        return PRIVATE
    if way == LOUDSPEAKER:
        return "" if knocking.horns(tx, notice) else ABSENT
    if way == VISIT:
        return "" if tx.bus.listeners(VisitWanted) else ABSENT
    if way == SCREENS:
        return ""
    if way not in here:
        return ABSENT
    return "" if way in planned else NOBODY


def _take_on(tx: Tx, notice: Notice, found: Ladder, step: LadderStep, ways: Collection[str]) -> None:
    plan = rungs.loaded(found.rungs)
    if step.way == LOUDSPEAKER:
        over = knocking.speak(tx, notice, step, plan[step.rung])
    elif step.way == VISIT:
        leading = [channel for rung in plan for channel in rung.channels if channel in ways]
        over = knocking.knock(tx, notice, step, plan[step.rung], leading)
    else:
        over = True
        if step.way not in ways:
            outbox.drop(tx, notice.id, found.revision, step.way, "this hub has no such channel")
            step.state, step.why = "skipped", ABSENT
    if over and step.state == "going":
        step.state = "done"
    tx.session.add(step)
    tx.session.flush()


def _locked(tx: Tx, ident: str, revision: int) -> Ladder | None:
    """The ladder, if it is under way and in nobody else's hands."""
    return tx.session.execute(
        select(Ladder)
        .where(col(Ladder.notice) == ident, col(Ladder.revision) == revision, col(Ladder.state) == "climbing")
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


def _steps(read: Read, found: Ladder) -> list[LadderStep]:
    mine = (col(LadderStep.notice) == found.notice, col(LadderStep.revision) == found.revision)
    rows = read.session.execute(select(LadderStep).where(*mine).execution_options(populate_existing=True)).scalars()
    return sorted(rows, key=lambda step: (step.rung, step.way))


def _going(read: Read, found: Ladder) -> list[LadderStep]:
    return [step for step in _steps(read, found) if step.state == "going"]


def _halt(tx: Tx, ident: str) -> None:
    half = (col(LadderStep.notice) == ident, col(LadderStep.state) == "going")
    tx.session.execute(update(LadderStep).where(*half).values(state="done"))


def _close(tx: Tx, ident: str, revision: int, why: str) -> None:
    open_ones = (col(Ladder.notice) == ident, col(Ladder.revision) <= revision, col(Ladder.state) == "climbing")
    if tx.change(update(Ladder).where(*open_ones).values(state="ended", ended_at=tx.now(), why=why)):
        _halt(tx, ident)
        tx.touch("notices.ladder", ident)

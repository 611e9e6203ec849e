"""The ladder on the desk's page of a notice: what each rung did, whom it met, what comes next; climb now, stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlmodel import col

from channels import discover
from channels.base import Addressed
from hub import courier, reach
from hub.access import Subject, needs, subject
from hub.civic.notices import ladder, rungs
from hub.civic.notices.ladder import ABSENT, NOBODY, PRIVATE
from hub.civic.notices.message import DEFAULT_ZONE
from hub.civic.notices.models import Ladder, LadderStep, Notice
from hub.civic.notices.rungs import LOUDSPEAKER, SCREENS, UNADDRESSED, VISIT, Rung
from hub.db import Read
from hub.directory import Area, Staff
from hub.i18n import N_, _, pick
from hub.module import Topic
from hub.outbox import Fanout
from hub.page import actor, see_other, services
from hub.services import Services

WAYS = {
    SCREENS: N_("Screens"), "webpush": N_("App notification"), "wechat": N_("WeChat"), "sms": N_("Text message"),
    LOUDSPEAKER: N_("Loudspeaker"), VISIT: N_("Visit at the door"),
}  # fmt: skip
_WHY = {
    ABSENT: N_("Left out: this hub has no such way set up"),
    NOBODY: N_("Left out: nobody has given an address for it"),
    PRIVATE: N_("Left out: the notice is meant for some of the people only"),
}
_ENDED = {
    "revised": N_("A newer revision has taken its place"), "expired": N_("The notice has run out"),
    "retracted": N_("The notice was withdrawn"), "lifted": N_("The all-clear has been given"),
    "superseded": N_("Another notice has taken its place"),
}  # fmt: skip
REASONS = (
    N_("Everybody who matters knows"), N_("The community goes from door to door by itself"), N_("It disturbs too much"),
)  # fmt: skip
router = APIRouter()


@dataclass(frozen=True, slots=True)
class ShownStep:
    word: str
    state: str  # going | done | skipped | waits
    said: str
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class ShownRung:
    number: int
    after: str
    at: datetime  # when it was climbed, or when it is due
    state: str  # done | next | later | never
    steps: tuple[ShownStep, ...]


@router.post("/desk/notices/{ident}/ladder/climb", dependencies=[needs("notices.read")])
async def climb(request: Request, ident: str) -> Response:
    hub, who = services(request), subject(request)
    ways = channels_here(hub)
    await hub.store.write(lambda tx: ladder.climb_now(tx, who, ident, ways), actor(request))
    return see_other(f"/desk/notices/{ident}#ladder")


@router.post("/desk/notices/{ident}/ladder/stop", dependencies=[needs("notices.read")])
async def stop(request: Request, ident: str) -> Response:
    form, who = await request.form(), subject(request)
    reason = str(form.get("other", "")).strip() or str(form.get("reason", ""))
    await services(request).store.write(lambda tx: ladder.stop(tx, who, ident, reason), actor(request))
    return see_other(f"/desk/notices/{ident}#ladder")


def channels_here(hub: Services) -> frozenset[str]:
    """The channels that this hub can send on, as it is set up now."""
    return frozenset(name for name in discover() if isinstance(courier.open_channel(hub, name), Addressed))


def on_page(read: Read, who: Subject, notice: Notice) -> dict[str, Any]:
    """What the notice's page needs beside the live part: whether this reader may climb or stop."""
    found = ladder.standing(read, notice)
    steers = found is not None and found[0].state == "climbing" and ladder.may_steer(read, who, notice.id)
    return {
        "ladder_topic": f"notices.ladder:{notice.id}" if found else "", "may_steer": steers,
        "ladder_reasons": REASONS, "drawn_at": read.now(),
    }  # fmt: skip


def card(read: Read, ident: str) -> Mapping[str, Any]:
    notice = read.session.get(Notice, ident, populate_existing=True)
    found = ladder.standing(read, notice) if notice else None
    if notice is None or found is None:
        return {"ladder": None}
    standing, steps = found
    place = read.session.get(Area, notice.place)
    sums = reach.sums(read, ident)
    shown = _rungs(standing, steps, _fanouts(read, standing))
    following = next((each for each in shown if each.state == "next"), None)
    return {
        "ladder": standing, "rungs": shown, "next": following, "ended": _ended(read, standing),
        "left": max(0, sums.audience - sums.at_least(reach.BEST, "seen")), "all": sums.audience,
        "tz": place.tz if place else DEFAULT_ZONE,
    }  # fmt: skip


def _rungs(standing: Ladder, steps: Sequence[LadderStep], sent: Mapping[str, Fanout]) -> list[ShownRung]:
    shown = []
    for number, rung in enumerate(rungs.loaded(standing.rungs)):
        mine = {step.way: step for step in steps if step.rung == number}
        due = standing.begun_at + timedelta(seconds=rung.after_s)
        if mine:
            state, at = "done", next(iter(mine.values())).at
        elif standing.state == "climbing":
            state, at = ("next" if number == standing.next else "later"), due
        else:
            state, at = "never", due
        taken = tuple(_step(way, rung, mine.get(way), sent.get(way)) for way in rung.ways)
        shown.append(ShownRung(number + 1, _after(rung.after_s), at, state, taken))
    return shown


def _step(way: str, rung: Rung, step: LadderStep | None, sent: Fanout | None) -> ShownStep:
    word = _(WAYS.get(way, way))
    if step is None:
        return ShownStep(word, "waits", _will(way, rung))
    if step.state == "skipped":
        return ShownStep(word, "skipped", _(_WHY[step.why]), bool(step.by))
    return ShownStep(word, step.state, _did(way, rung, step, sent), bool(step.by))


def _will(way: str, rung: Rung) -> str:
    """What it is going to look for when its time has come."""
    if way == LOUDSPEAKER and rung.below_percent is None:
        return _("in every community of the notice")
    if way == LOUDSPEAKER:
        return _("where fewer than {n} % of the doors are reached").format(n=rung.below_percent)
    if way != VISIT:
        return _("to everyone who has not seen it by then")
    if rung.doors == UNADDRESSED:
        return _("at doors that no message can reach")
    return _("at doors where nobody has seen it by then")


def _did(way: str, rung: Rung, step: LadderStep, sent: Fanout | None) -> str:
    if way == SCREENS:
        return _("shown on every screen of the place")
    if way == LOUDSPEAKER:
        return _("communities asked: {met}; reached well enough: {passed}").format(met=step.met, passed=step.passed)
    if way == VISIT and rung.doors == UNADDRESSED:
        return _("doors with no way but a visit: {met}; doors that need none: {passed}").format(
            met=step.met, passed=step.passed
        )
    if way == VISIT:
        return _("doors to knock at: {met}; doors that need none: {passed}").format(met=step.met, passed=step.passed)
    counts = (sent.planned, sent.seen, sent.unreachable) if sent else (0, 0, 0)
    return _("messages: {met}; had seen it already: {seen}; no address here: {none}").format(
        met=counts[0], seen=counts[1], none=counts[2]
    )


def _after(after_s: int) -> str:
    if after_s == 0:
        return _("At once")
    if after_s % 3600 == 0:
        return _("After {n} h").format(n=after_s // 3600)
    return _("After {n} min").format(n=max(1, after_s // 60))


def _ended(read: Read, standing: Ladder) -> str:
    if standing.state == "climbed":
        return _("Every step has been taken")
    if standing.state == "ended":
        return _(_ENDED.get(standing.why, _ENDED["expired"]))
    if standing.state == "stopped":
        staff = read.session.get(Staff, standing.by)
        post = pick(staff.title_zh, staff.title_en) if staff else ""
        return _("Stopped by {who}: {why}").format(who=post or standing.by, why=_(standing.why))
    return ""


def _fanouts(read: Read, standing: Ladder) -> Mapping[str, Fanout]:
    mine = (col(Fanout.notice) == standing.notice, col(Fanout.revision) == standing.revision)
    rows = read.session.execute(select(Fanout).where(*mine).execution_options(populate_existing=True)).scalars()
    return {row.channel: row for row in rows}


def _staff(who: Subject, key: str) -> bool:
    """Counts, never persons: any desk may watch them."""
    return len(key) <= 36 and who.may("notices.read")


TOPICS = (Topic("notices.ladder", "notices/ladder.html", card, _staff),)

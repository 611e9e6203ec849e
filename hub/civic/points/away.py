"""A counter without a line (离线兑换): it hands over what it took along and nothing else, and nothing is given twice.

What waits here is bound to one counter until that counter is back or its lease ends (`take_along`): nobody else hands
it over, cancels it or lets it run out. What was handed over is sent once the line is there (`bring_back`), as often as
one likes; what cannot stand any more (its lease had ended and it went elsewhere) is kept as a conflict that somebody
looks into. The counter's own page knows each code only as a mark that costs a try some milliseconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlmodel import col

from hub import directory
from hub.access import Subject
from hub.civic.points import accounts, budget, rewards, shelf, tidings
from hub.civic.points.events import CounterMoved
from hub.civic.points.reward_models import Offline, OfflineLine, Redemption, Reward
from hub.db import Read, Tx
from hub.errors import Conflict, NotAllowed, NotFound
from hub.i18n import _

TAKEN_ALONG_MAX = 200  # what a counter can hand over in a day, and a sheet of paper can list
LEASE = timedelta(hours=12)  # a day in the yard; what is not back by then is everybody's again
GRACE = timedelta(hours=12)  # its page hands nothing over after the lease; its lines may come in this much later
ROUNDS = 20_000  # of the mark: some milliseconds a try; it is staff who hold the page, not the world
NAME_MAX = 40


@dataclass(frozen=True, slots=True)
class Handed:
    """A line as the counter says it."""

    redemption: str
    code: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Came:
    """How it was settled."""

    redemption: str
    state: str  # picked | refused
    why: str = ""


@dataclass(frozen=True, slots=True)
class Clash:
    """A line that could not stand. `gone`: one piece more left the shelf than the books say, `fen` is what it cost."""

    offline: str
    redemption: str
    counter: str
    reward: Reward | None
    why: str
    at: datetime
    gone: bool = False
    fen: int = 0


def take_along(tx: Tx, area: str, by: Subject, name: str = "") -> Offline:
    """Bind what waits here, and no other counter has, to this one."""
    accounts.alone(tx)
    waiting = (
        select(Redemption)
        .where(col(Redemption.area) == area, col(Redemption.state) == "held", col(Redemption.offline).is_(None))
        .order_by(col(Redemption.at))
        .limit(TAKEN_ALONG_MAX)
    )
    taken = list(tx.session.execute(waiting).scalars())
    if not taken:
        raise Conflict(_("Nothing waits here that no other counter has taken along"))
    made = Offline(
        id=tx.new_id(), area=area, by=by.id, at=tx.now(), name=name.strip()[:NAME_MAX], until=tx.now() + LEASE
    )
    tx.session.add(made)
    tx.session.flush()
    for each in taken:
        each.offline = made.id
        tx.session.add(OfflineLine(offline=made.id, redemption=each.id, state="taken", at=tx.now(), by=by.id))
    tx.session.flush()
    _moved(tx, made, "away", len(taken))
    return made


def sync(tx: Tx, ident: str, lines: Sequence[Handed], by: Subject) -> list[Came]:
    """What was handed over so far; the counter stays away with the rest."""
    accounts.alone(tx)
    away = one(tx, ident)
    return [_line(tx, away, line, by) for line in lines[:TAKEN_ALONG_MAX]]


def bring_back(tx: Tx, ident: str, lines: Sequence[tuple[str, str]] | Sequence[Handed], by: Subject) -> list[Came]:
    """The last of it; everything else is free again. Twice is once."""
    handed = [line if isinstance(line, Handed) else Handed(*line) for line in lines]
    came = sync(tx, ident, handed, by)
    _close(tx, one(tx, ident), "back")
    return came


def end_leases(tx: Tx) -> int:
    """What a counter did not bring back in its time is free again."""
    rows = tx.session.execute(
        select(Offline).where(col(Offline.closed_at).is_(None), col(Offline.until) <= tx.now() - GRACE)
    ).scalars()
    return sum(_close(tx, each, "lease-ended") for each in rows.all())


def look_into(tx: Tx, area: str, ident: str, redemption: str, by: Subject, *, write_off: bool = False) -> None:
    """Somebody has cleared up what became of goods that were handed over and could not be posted.

    Written off, the piece leaves the stock and what it cost is spent from this year's money, once; by somebody else
    than whoever brought the line, because goods go without anybody's points.
    """
    accounts.alone(tx)
    found, redeemed = tx.session.get(OfflineLine, (ident, redemption)), tx.session.get(Redemption, redemption)
    if found is None or found.state != "refused" or one(tx, ident).area != area:
        raise NotFound(_("There is no such redemption"))
    if found.seen_at is not None:
        return
    if write_off:
        if by.id == found.by:
            raise NotAllowed(_("Somebody else writes off what you brought back yourself"))
        if redeemed is None or redeemed.state == "held":
            raise Conflict(_("It still waits here; hand it over or give it back instead"))
        _written_off(tx, area, redeemed, f"{redemption}-{ident[-8:]}")
        tx.emit(CounterMoved, counter=ident, area=area, state="written-off", count=1)
    found.seen_at = tx.now()
    tx.session.flush()
    tx.touch("points.money", area)


def _written_off(tx: Tx, area: str, redeemed: Redemption, mark: str) -> None:
    piece = update(Reward).where(col(Reward.id) == redeemed.reward, col(Reward.stock) > 0)
    tx.change(piece.values(stock=col(Reward.stock) - 1))
    if redeemed.fen:
        year = budget.year_of(tx.now(), directory.area(tx, area).tz)
        budget.encumber(tx, area, year, redeemed.fen, f"loss:{mark}")
        budget.spend(tx, area, year, redeemed.fen, f"loss:{mark}")


def one(read: Read, ident: str) -> Offline:
    found = read.session.get(Offline, ident)
    if found is None:
        raise NotFound(_("No counter took anything along under this number"))
    return found


def out(read: Read, area: str) -> list[Offline]:
    """The counters that are away now."""
    query = select(Offline).where(col(Offline.area) == area, col(Offline.closed_at).is_(None))
    return list(read.session.execute(query.order_by(col(Offline.at))).scalars())


def clashes(read: Read, area: str) -> list[Clash]:
    rows = read.session.execute(
        select(OfflineLine, Offline, Redemption, Reward)
        .join(Offline, col(Offline.id) == col(OfflineLine.offline))
        .outerjoin(Redemption, col(Redemption.id) == col(OfflineLine.redemption))
        .outerjoin(Reward, col(Reward.id) == col(Redemption.reward))
        .where(col(Offline.area) == area, col(OfflineLine.state) == "refused", col(OfflineLine.seen_at).is_(None))
        .order_by(col(OfflineLine.at))
        .limit(TAKEN_ALONG_MAX)
    )
    return [
        Clash(
            away.id,
            line.redemption,
            away.name,
            reward,
            line.why,
            line.handed_at or line.at,
            redeemed is not None and redeemed.state != "held",
            redeemed.fen if redeemed is not None else 0,
        )
        for line, away, redeemed, reward in rows
    ]


def mark_of(offline: str, digits: str) -> str:
    """What the counter's page compares a code with."""
    return hashlib.pbkdf2_hmac("sha256", digits.encode(), offline.encode(), ROUNDS).hex()


def _line(tx: Tx, away: Offline, handed: Handed, by: Subject) -> Came:
    line = tx.session.get(OfflineLine, (away.id, handed.redemption))
    found = tx.session.get(Redemption, handed.redemption)
    if line is None or found is None:
        return Came(handed.redemption, "refused", _("This counter did not take it along"))
    if line.state == "picked":
        return Came(handed.redemption, "picked")
    why, fresh = _why_not(found, away, handed), line.state == "taken"
    if not why:
        try:
            rewards.hand_over(tx, found, by, offline=away.id)
        except (Conflict, NotAllowed) as error:  # the goods are gone all the same; somebody looks into it
            why = error.sentence
    line.state, line.why, line.at, line.by = "refused" if why else "picked", why[:160], tx.now(), by.id
    line.handed_at, line.seen_at = min(handed.at, tx.now()) if handed.at else None, None
    tx.session.flush()
    if why:
        tx.emit(CounterMoved, counter=away.id, area=away.area, state="conflict", count=1)
    if why and fresh:
        _tell(tx, found)
    return Came(handed.redemption, line.state, why)


def _why_not(found: Redemption, away: Offline, handed: Handed) -> str:
    if found.code != handed.code.strip():
        return _("The code is not the owner's")
    if found.state == "picked":
        return _("It was handed over elsewhere after this counter's time had ended")
    if found.state != "held":
        return _("It was given back after this counter's time had ended")
    if found.offline not in (None, away.id):
        return _("Another counter has it now, after this one's time had ended")
    return ""


def _tell(tx: Tx, found: Redemption) -> None:
    """Its owner hears that the books and the hands disagree, and what to do."""
    kind, _dash, owner = found.account.partition("-")
    reward = tx.session.get_one(Reward, found.reward)
    tidings.tell(
        tx, tidings.hearers(tx, kind, owner, tx.now().date()),
        tidings.about(tx, kind, owner, lambda: _("A pick-up of yours is being looked into")),
        lambda: _(
            "A counter without a line says it handed over {reward}, and the books say otherwise. No points were taken "
            "for it. If you have it twice, or never had it, tell the counter."
        ).format(reward=shelf.name(reward)),
    )  # fmt: skip


def _close(tx: Tx, away: Offline, how: str) -> bool:
    if away.closed_at is not None:
        return False
    away.closed_at = tx.now()
    free = tx.change(
        update(Redemption)
        .where(col(Redemption.offline) == away.id, col(Redemption.state) == "held")
        .values(offline=None)
        .execution_options(synchronize_session="fetch")
    )
    tx.session.flush()
    _moved(tx, away, how, free)
    return True


def _moved(tx: Tx, away: Offline, state: str, count: int) -> None:
    tx.emit(CounterMoved, counter=away.id, area=away.area, state=state, count=count)
    tx.touch("points.money", away.area)


def must_be_here(away: Offline, area: str) -> Offline:
    if away.area != area:
        raise NotFound(_("No counter took anything along under this number"))
    return away

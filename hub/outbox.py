"""The transactional outbox: what must leave the house is a row first, written with the decision that asked for it.

A notice becomes one fan-out per addressed channel, which turns into deliveries a page at a time; delivery.py takes them
and courier.py carries them. A row's state moves only forward: planned, claimed, accepted, delivered, shown, seen,
acknowledged, or out by expired, cancelled, dead, unreachable.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Date,
    Index,
    Row,
    Table,
    Text,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlmodel import Field, SQLModel, col

from channels.base import Message, Priority
from hub import audience, bell, digest, preferences, reach
from hub.audience import Audience, Target
from hub.db import Read, Tx
from hub.events import DeliveriesPlanned, NoticeEnded, NoticeSeen, PersonalMessage
from hub.preferences import Quiet
from hub.seal import SealedText
from hub.types import UtcTime
from hub.upsert import insert_for

# A drill is counted as routine: an exercise must not delay a real message.
RANK = {"routine": 1, "drill": 1, "important": 2, "urgent": 3, "emergency": 4}
OPEN = ("planned", "claimed")
FORWARD = ("accepted", "delivered", "shown", "seen", "acknowledged")
QUIET = "quiet hours"  # why a delivery is held back, or left to the screens because it ran out meanwhile
_TRIED = text("counted_day IS NOT NULL")


class Fanout(SQLModel, table=True):
    """One message to many on one channel: its words, once, and how far the fan-out has come."""

    __tablename__ = "fanout"
    id: str = Field(primary_key=True, max_length=36)
    notice: str = Field(max_length=64, index=True)
    revision: int
    channel: str = Field(max_length=16)
    audience: str = Field(default="", sa_column=Column(Text, nullable=False))
    cursor: str = Field(default="", max_length=80)
    done: bool = Field(default=False, index=True)
    folded: bool = Field(default=False, index=True)  # its deliveries have become counters
    planned: int = Field(default=0)
    unreachable: int = Field(default=0)  # people without an address on this channel
    declined: int = Field(default=0)  # who wants nothing of this class here
    digested: int = Field(default=0)  # who finds it in the daily overview
    seen: int = Field(default=0)  # people who had seen it by then: nothing was written for them
    follows: str = Field(default="", max_length=64)  # the notice it ends: only whom that had gone to here hear it
    untold: int = Field(default=0)  # people whom that notice had not gone to here
    rank: int
    priority: str = Field(max_length=16)
    kind: str = Field(max_length=32)
    title: str = Field(sa_column=Column(SealedText("fanout.title"), nullable=False))
    text: str = Field(sa_column=Column(SealedText("fanout.text"), nullable=False))
    area_name: str = Field(max_length=64)
    issuer: str = Field(max_length=64)
    sent_at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    not_before: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    expires: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    url: str = Field(max_length=200)
    lang: str = Field(max_length=8)
    # The same in English, where somebody wrote it, for those who asked to be written to in English.
    title_en: str | None = Field(default=None, sa_column=Column(SealedText("fanout.title")))
    text_en: str | None = Field(default=None, sa_column=Column(SealedText("fanout.text")))
    area_en: str = Field(default="", max_length=64)
    issuer_en: str = Field(default="", max_length=64)
    zone: str = Field(max_length=64)
    cause: str | None = Field(default=None, max_length=36)
    ended_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))  # nothing of it leaves from then on
    ended: str = Field(default="", max_length=200)  # why
    ends_as: str = Field(default="cancelled", max_length=16)  # what its open deliveries count as, swept or not
    recalls: bool = Field(default=False)  # whom it may have reached hears that it no longer holds
    spares_held: bool = Field(default=False)  # what a worker has in hand may still leave
    sweeping: bool = Field(default=False, index=True)  # deliveries of it stand open; sweep.py closes them in pages
    swept_to: str = Field(default="", max_length=64)  # the resident up to whom that is done


class Outbox(SQLModel, table=True):
    """One delivery: one message to one resident's address on one channel."""

    __tablename__ = "outbox"
    id: str = Field(primary_key=True, max_length=36)
    key: str = Field(max_length=200, unique=True)  # notice | revision | resident | channel (| recall)
    fanout: str = Field(foreign_key="fanout.id", max_length=36)
    notice: str = Field(max_length=64)
    revision: int
    resident: str = Field(max_length=64)
    channel: str = Field(max_length=16)
    binding: str = Field(foreign_key="channel_binding.id", max_length=36)
    purpose: str = Field(default="send", max_length=8)  # send | recall
    lang: str = Field(default="", max_length=8)  # empty: the fan-out's own
    rank: int
    state: str = Field(default="planned", max_length=16)
    not_before: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    expires: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    attempts: int = Field(default=0)
    lease: str | None = Field(default=None, max_length=36)
    lease_until: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    provider_id: str | None = Field(default=None, max_length=128)
    why: str = Field(default="", max_length=200)
    cause: str | None = Field(default=None, max_length=36)
    moved_at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    counted_day: date | None = Field(default=None, sa_type=Date)  # tried, and nobody knows whether it left
    counted_fen: int = Field(default=0)
    __table_args__ = (
        Index("ix_outbox_due", "channel", "state", "rank", "not_before", "fanout"),
        Index("ix_outbox_notice_resident", "notice", "resident"),
        Index("ix_outbox_channel_provider_id", "channel", "provider_id"),
        Index("ix_outbox_tried", "channel", "rank", "not_before", sqlite_where=_TRIED, postgresql_where=_TRIED),
    )


# How a delivery's state is told: what the night holds is not simply planned, what it outlasted not simply expired.
SAID = case(
    (and_(col(Outbox.state) == "planned", col(Outbox.why) == QUIET), "held"),
    (and_(col(Outbox.state) == "expired", col(Outbox.why) == QUIET), "screens only"),
    else_=col(Outbox.state),
)


class OutboxFold(SQLModel, table=True):
    """Deliveries of ordinary notices that are over, as counters."""

    __tablename__ = "outbox_fold"
    notice: str = Field(primary_key=True, max_length=64)  # empty: messages to one resident, all together
    channel: str = Field(primary_key=True, max_length=16)
    purpose: str = Field(primary_key=True, max_length=8)
    state: str = Field(primary_key=True, max_length=16)
    n: int


class OrphanReceipt(SQLModel, table=True):
    """A receipt that came before the provider's own answer was on disk."""

    __tablename__ = "orphan_receipt"
    id: int | None = Field(
        default=None,
        sa_column=Column(BigInteger().with_variant(sqlite.INTEGER(), "sqlite"), primary_key=True, autoincrement=True),
    )
    channel: str = Field(max_length=16)
    provider_id: str = Field(max_length=128, index=True)
    level: str = Field(max_length=16)
    at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    evidence: str = Field(max_length=80)
    why: str = Field(default="", max_length=200)
    until: datetime = Field(sa_column=Column(UtcTime, nullable=False))


_TABLE = cast(Table, Outbox.__table__)  # type: ignore[attr-defined]  # for a thousand rows the mapper costs more than SQLite
# What a correction is made of.
TO_RECALL = tuple(
    _TABLE.c[each]
    for each in ("key", "fanout", "notice", "revision", "resident", "channel", "binding", "lang", "rank", "cause")
)

# A try without an answer may have arrived, whatever became of the row since: its worker was killed, or the answer was
# lost on the way.
MAY_HAVE_ARRIVED = or_(col(Outbox.state).in_(FORWARD), col(Outbox.counted_day).is_not(None))
_UNDONE = select(col(Fanout.id)).where(col(Fanout.done).is_(False)).limit(1)


def plan(
    tx: Tx,
    message: Message,
    to: Audience,
    channels: Collection[str] | None = None,
    *,
    not_before: datetime | None = None,
    cause: str | None = None,
    follows: str = "",
    english: Message | None = None,
) -> list[str]:
    """Ask for a message to everyone of an audience who has not seen it by then, on these channels or on every one.

    Whoever chose English gets `english`, where there is one. Returns the channels that anybody at all can be reached
    on; on the others nothing is planned. `follows` is the notice whose end this tells: on each channel only those hear
    it to whom that one had gone there.
    """
    asked = [each for each in audience.bound_channels(tx) if channels is None or each in channels]
    for channel in asked:
        row = _fanout(tx, message, channel, str(to), not_before=not_before, cause=cause)
        row.follows = follows
        if english is not None:
            row.title_en, row.text_en = english.title, english.text
            row.area_en, row.issuer_en = english.area_name[:64], english.issuer[:64]
        tx.session.add(row)
    tx.session.flush()
    bell.pull(tx, bell.FAN_OUT)
    return asked


def plan_personal(tx: Tx, event: PersonalMessage) -> None:
    """A message to one resident. Its text is the event's own: the slice that asks keeps health values out of it."""
    message = Message(
        notice_id=event.id, revision=1, priority="routine", kind=event.kind, title=event.title, text=event.text,
        area_name="", issuer="", sent_at=event.at, expires=event.at + timedelta(days=3), url="/me",
    )  # fmt: skip
    for binding in audience.of_resident(tx, event.resident):
        row = _fanout(tx, message, binding.channel, "", cause=event.id)
        row.done = True
        tx.session.add(row)
        tx.session.flush()
        _plan_rows(tx, row, [Target(event.resident, binding.id)], None)


def plan_overviews(
    tx: Tx, message: Message, channel: str, to: Audience, keys: Mapping[str, tuple[str, str]]
) -> dict[str, str]:
    """One delivery for each key (resident, binding) that is new; one a day. Gives key -> delivery."""
    there = set(tx.session.execute(select(col(Outbox.key)).where(col(Outbox.key).in_(keys))).scalars())
    if there >= keys.keys():
        return {}
    fanout = _fanout(tx, message, channel, str(to))
    fanout.done = True
    tx.session.add(fanout)
    tx.session.flush()
    rows = [
        _row(tx, fanout, resident, binding) | {"key": key}
        for key, (resident, binding) in keys.items() if key not in there
    ]  # fmt: skip
    insert_new(tx, rows)
    mine = select(col(Outbox.key), col(Outbox.id)).where(col(Outbox.fanout) == fanout.id)
    made = {key: ident for key, ident in tx.session.execute(mine)}
    fanout.planned = len(made)
    tx.emit(DeliveriesPlanned, channel=channel, notice=message.notice_id, count=len(made))
    return made


def waits(read: Read) -> bool:
    """A look without a lock: is there anything for `spread`?"""
    return read.session.execute(_UNDONE).first() is not None


def spread(tx: Tx, limit: int = audience.PAGE_RESIDENTS, curfew: Quiet | None = None) -> bool:
    """Turn one page of the most urgent fan-out into deliveries. Says whether there was anything to do.

    `curfew` are the quiet hours of whoever has chosen none.
    """
    row = tx.session.execute(
        select(Fanout)
        .where(col(Fanout.done).is_(False))
        .order_by(col(Fanout.rank).desc(), col(Fanout.id))
        .limit(1)
        .with_for_update(skip_locked=True, key_share=True)  # delivery.claim looks at it meanwhile
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()
    if row is None:
        return False
    found = audience.page(tx, Audience.read(row.audience), row.channel, row.cursor, limit, row.sent_at)
    seen = reach.has_seen(tx, row.notice, row.revision, [each.resident for each in found.targets])
    left = [each for each in found.targets if each.resident not in seen]
    row.seen += len(found.targets) - len(left)
    if row.follows:
        told = _told(tx, row, [each.resident for each in left])
        row.untold += sum(each.resident not in told for each in left)
        left = [each for each in left if each.resident in told]
    addressed = [each for each in left if each.binding]
    _plan_rows(tx, row, addressed, curfew)
    row.unreachable += len(left) - len(addressed)
    row.cursor, row.done = found.after or row.cursor, found.after is None
    tx.session.add(row)
    tx.touch("notices.reach", row.notice)
    tx.touch("notices.ladder", row.notice)
    return True


def cancel(tx: Tx, notice: str, revision: int, why: str, *, recall: bool) -> None:
    """Nothing up to this revision leaves from now on; with `recall`, whom it may have reached is told.

    However many deliveries stand open, that is a mark on a handful of rows: delivery.py gives no worker anything of a
    marked fan-out, and sweep.py closes its deliveries in pages.
    """
    end(tx, (col(Fanout.notice) == notice, col(Fanout.revision) <= revision), why, recalls=recall)


def drop(tx: Tx, notice: str, revision: int, channel: str, why: str) -> None:
    """Nothing more of this on one channel: what has not left stays here."""
    mine = (col(Fanout.notice) == notice, col(Fanout.revision) == revision, col(Fanout.channel) == channel)
    # What is claimed is leaving at this moment; to call it cancelled would send a correction after it.
    end(tx, (*mine, col(Fanout.ended_at).is_(None)), why, spares_held=True)


def end(
    tx: Tx, which: Sequence[ColumnElement[bool]], why: str, *, recalls: bool = False, spares_held: bool = False
) -> None:
    # On PostgreSQL this waits for whoever is claiming of them, and whoever comes to claim later passes them over.
    ids = list(tx.session.execute(select(col(Fanout.id)).where(*which).with_for_update()).scalars())
    marks = {
        "done": True, "ended_at": tx.now(), "ended": why[:200], "ends_as": "cancelled", "recalls": recalls,
        "spares_held": spares_held, "sweeping": True, "swept_to": "",
    }  # fmt: skip
    if ids:
        tx.session.execute(update(Fanout).where(col(Fanout.id).in_(ids)).values(marks))
        bell.pull(tx, bell.SWEEP)


def run_out(tx: Tx, row: Fanout, why: str) -> None:
    """Its time is over, and there was something left. What is still to be planned of it is counted as it was meant."""
    row.ended_at, row.ended, row.ends_as, row.spares_held, row.sweeping = tx.now(), why, "expired", True, True
    tx.session.add(row)
    bell.pull(tx, bell.SWEEP)


def on_notice_seen(tx: Tx, event: NoticeSeen) -> None:
    """Read once anywhere is read everywhere: what still waits for these residents need not leave."""
    waits = and_(
        col(Outbox.notice) == event.notice, col(Outbox.revision) == event.revision, col(Outbox.purpose) == "send",
        col(Outbox.resident).in_(event.residents), col(Outbox.state) == "planned",
    )  # fmt: skip
    # What is claimed is leaving at this moment; to call it cancelled would send a correction after it.
    ended = {"state": "cancelled", "why": "seen on another screen already", "moved_at": tx.now()}
    tx.session.execute(update(Outbox).where(waits).values(ended))


def tell(tx: Tx, message: Message, resident: str, channel: str) -> bool:
    """One message to one resident on one channel, once for its id; False where nothing reaches them there any more.

    Unlike a PersonalMessage its words stand in no event: what somebody asked is answered to them alone.
    """
    for binding in audience.of_resident(tx, resident):
        if binding.channel == channel:
            row = _fanout(tx, message, channel, "")
            row.done, row.planned = True, 1
            tx.session.add(row)
            tx.session.flush()
            insert_new(tx, [_row(tx, row, resident, binding.id)])
            tx.emit(DeliveriesPlanned, channel=channel, notice=message.notice_id, count=1)
            return True
    return False


def on_notice_ended(tx: Tx, event: NoticeEnded) -> None:
    """Nothing leaves after the end; what was withdrawn is also taken back from those whom it may have reached."""
    cancel(tx, event.notice, event.revision, event.how, recall=event.how == "retracted")


def states(read: Read, notice: str) -> dict[str, dict[str, int]]:
    """Deliveries of a notice by channel and state, with those nobody reaches and those who had seen it."""
    found: dict[str, dict[str, int]] = {}
    said = _said(read, notice)
    standing = (
        select(col(Outbox.channel), said, func.count())
        .where(col(Outbox.notice) == notice, col(Outbox.purpose) == "send")
        .group_by(col(Outbox.channel), said)
    )
    folded = select(col(OutboxFold.channel), col(OutboxFold.state), col(OutboxFold.n)).where(
        col(OutboxFold.notice) == notice, col(OutboxFold.purpose) == "send"
    )
    # One statement: both halves are of one instant also where a transaction sees what others commit meanwhile.
    for channel, state, n in read.session.execute(union_all(standing, folded)):
        shelf = found.setdefault(channel, {})
        shelf[state] = shelf.get(state, 0) + int(n)
    rowless = {
        "unreachable": Fanout.unreachable, "seen already": Fanout.seen, "declined": Fanout.declined,
        "in the daily overview": Fanout.digested, "not told before": Fanout.untold,
    }  # fmt: skip
    none = select(col(Fanout.channel), *[func.sum(count) for count in rowless.values()])
    for channel, *counts in read.session.execute(
        none.where(col(Fanout.notice) == notice).group_by(col(Fanout.channel))
    ):
        for state, n in zip(rowless, counts, strict=True):
            if n:
                shelf = found.setdefault(channel, {})
                shelf[state] = shelf.get(state, 0) + int(n)
    return found


def _said(read: Read, notice: str) -> ColumnElement[str]:
    """As SAID; what is open of a fan-out that has ended counts as what it will be once it is swept."""
    ended = select(Fanout).where(col(Fanout.notice) == notice, col(Fanout.ended_at).is_not(None))
    over = [
        (and_(col(Outbox.fanout) == each.id, col(Outbox.state).in_(swept_states(each))), literal(each.ends_as))
        for each in read.session.execute(ended).scalars()
    ]
    return case(*over, else_=SAID) if over else SAID


def swept_states(row: Fanout) -> tuple[str, ...]:
    """Which deliveries of an ended fan-out end with it."""
    return ("planned",) if row.spares_held else OPEN


def _told(tx: Tx, row: Fanout, residents: Sequence[str]) -> set[str]:
    """To whom of these the notice that this one ends may have gone on the same channel."""
    gone = (
        col(Outbox.notice) == row.follows, col(Outbox.resident).in_(residents), col(Outbox.channel) == row.channel,
        col(Outbox.purpose) == "send", MAY_HAVE_ARRIVED,
    )  # fmt: skip
    return set(tx.session.execute(select(col(Outbox.resident)).where(*gone)).scalars())


def _fanout(
    tx: Tx, message: Message, channel: str, to: str, *, not_before: datetime | None = None, cause: str | None = None
) -> Fanout:
    return Fanout(
        id=tx.new_id(), notice=message.notice_id, revision=message.revision, channel=channel, audience=to,
        rank=RANK[message.priority], priority=message.priority, kind=message.kind, title=message.title,
        text=message.text, area_name=message.area_name, issuer=message.issuer, sent_at=message.sent_at,
        not_before=not_before or tx.now(), expires=message.expires, url=message.url, lang=message.lang,
        zone=message.zone, cause=cause,
    )  # fmt: skip


def message_of(row: Fanout, lang: str = "") -> Message:
    """What one delivery says; `lang` is the delivery's."""
    said = Message(
        row.notice, row.revision, cast(Priority, row.priority), row.kind, row.title, row.text, row.area_name,
        row.issuer, row.sent_at, row.expires, row.url, row.lang, row.zone, personal=not row.audience,
    )  # fmt: skip
    if lang != "en" or row.title_en is None or row.text_en is None:
        return said
    return replace(said, title=row.title_en, text=row.text_en, area_name=row.area_en, issuer=row.issuer_en, lang=lang)


def _plan_rows(tx: Tx, fanout: Fanout, targets: Sequence[Target], curfew: Quiet | None) -> None:
    """One delivery for each who wants it, when they want it; who wants none of these is counted and gets no row."""
    rows, waiting = list[dict[str, Any]](), list[tuple[str, datetime]]()
    asks = preferences.asks(fanout.priority, fanout.kind)
    standings = preferences.standings(tx, [each.resident for each in targets], curfew) if asks else {}
    english = preferences.english(tx, [each.resident for each in targets]) if fanout.title_en else set()
    begins, topic = max(tx.now(), fanout.not_before), preferences.class_of(fanout.kind)
    gathered = bool(fanout.audience) and fanout.priority in digest.PRIORITIES
    wake: dict[tuple[Quiet | None, str], datetime] = {}
    for each in targets:
        who = standings.get(each.resident)
        if who is None:
            rows.append(_row(tx, fanout, each.resident, each.binding))
        elif (fanout.channel, topic) in who.refused:
            fanout.declined += 1
        elif gathered and who.digest_at is not None:
            waiting.append((each.resident, preferences.next_at(begins, who.digest_at, who.zone)))
        else:
            # Of a page of a thousand nearly all share one night; the arithmetic of zones is dear.
            night = (who.quiet, who.zone)
            at = wake.get(night) or wake.setdefault(night, who.sendable_at(begins))
            rows.append(_row(tx, fanout, each.resident, each.binding) | held(at, begins, fanout.expires))
    for row in rows:
        row["lang"] = "en" if row["resident"] in english else ""
    digest.put(tx, fanout.notice, fanout.revision, waiting)
    fanout.digested += len(waiting)
    fanout.planned += len(rows)
    tx.session.add(fanout)
    if rows:
        insert_new(tx, rows)
        tx.emit(DeliveriesPlanned, channel=fanout.channel, notice=fanout.notice, count=len(rows), cause=fanout.cause)


def held(at: datetime, begins: datetime, expires: datetime | None) -> dict[str, Any]:
    """What quiet hours make of a delivery: nothing, later, or only the screens, where it would be over by then."""
    if at <= begins:
        return {}
    if expires is not None and at >= expires:
        return {"state": "expired", "why": QUIET}
    return {"not_before": at, "why": QUIET}


def _row(tx: Tx, fanout: Fanout, resident: str, binding: str | None) -> dict[str, Any]:
    return {
        "id": tx.new_id(), "key": f"{fanout.notice}|{fanout.revision}|{resident}|{fanout.channel}",
        "fanout": fanout.id, "notice": fanout.notice, "revision": fanout.revision, "resident": resident,
        "channel": fanout.channel, "binding": binding, "purpose": "send", "rank": fanout.rank,
        "state": fanout.ends_as if fanout.ended_at else "planned", "not_before": fanout.not_before,
        "expires": fanout.expires, "attempts": 0, "why": fanout.ended, "cause": fanout.cause, "moved_at": tx.now(),
    }  # fmt: skip


def recall_row(tx: Tx, row: Outbox | Row[Any]) -> dict[str, Any]:
    return {
        "id": tx.new_id(), "key": f"{row.key}|recall", "fanout": row.fanout, "notice": row.notice,
        "revision": row.revision, "resident": row.resident, "channel": row.channel, "binding": row.binding,
        "lang": row.lang, "purpose": "recall", "rank": row.rank, "state": "planned", "not_before": tx.now(),
        "expires": tx.now() + timedelta(days=1), "attempts": 0, "why": "", "cause": row.cause, "moved_at": tx.now(),
    }  # fmt: skip


def insert_new(tx: Tx, rows: list[dict[str, Any]]) -> None:
    """Only the one key may already be there (a page done twice); any other fault must be heard."""
    tx.session.execute(insert_for(tx)(_TABLE).on_conflict_do_nothing(index_elements=["key"]), rows)
    for channel in sorted({row["channel"] for row in rows}):
        bell.pull(tx, channel)

"""Calls (呼叫): a message of the hub's own to a colleague, a row first, with the decision that asked for it.

caller.py carries them. A state moves only forward: planned, claimed, accepted, delivered, seen, acknowledged, or out by
cancelled, expired, dead, unreachable. The link in a call acknowledges it without a password: it is signed, opens
nothing else, and ends with the call.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Column, Index, Text, and_, bindparam, delete, or_, select, update
from sqlmodel import Field, SQLModel, col

from channels.base import Accepted, Address, AddressGone, Dead, Delivery, Message, Outcome, Priority, Receipt, Retry
from hub import audience, backoff, bell, charges, contacts, quota
from hub.contacts import StaffContact
from hub.db import Read, Tx
from hub.errors import NotFound
from hub.events import CallMade, CallMoved
from hub.i18n import _
from hub.login import same
from hub.outbox import OrphanReceipt, Outbox
from hub.quota import Limits
from hub.reach import RANK
from hub.types import UtcTime

KEEP = timedelta(days=90)  # as the receipts of an emergency
EXPIRES = timedelta(hours=24)  # whoever is told a day late is told nothing
ATTEMPTS_MAX = 6  # twenty minutes: by then the next rung has been called
BELL = "calls"
QUIET = "quiet hours"
FORWARD = ("accepted", "delivered", "shown", "seen", "acknowledged")
RANKS = {"routine": 1, "important": 2, "urgent": 3}


class StaffCall(SQLModel, table=True):
    __tablename__ = "staff_call"
    __table_args__ = (
        Index("ix_staff_call_channel_state", "channel", "state"),
        Index("ix_staff_call_channel_provider_id", "channel", "provider_id"),
        Index("ix_staff_call_contact_made_at", "contact", "made_at"),
    )
    id: str = Field(primary_key=True, max_length=36)
    contact: str = Field(max_length=36)  # no foreign key: what was said stays when the address goes
    staff: str = Field(max_length=64)
    channel: str = Field(max_length=16)
    kind: str = Field(max_length=16)  # the asking slice's word for what it says
    area: str = Field(default="", max_length=12)
    priority: str = Field(max_length=16)
    title: str = Field(sa_column=Column(Text, nullable=False))
    text: str = Field(sa_column=Column(Text, nullable=False))
    area_name: str = Field(default="", max_length=64)
    count: int = Field(default=1)  # how many things it tells of
    state: str = Field(default="planned", max_length=16)
    why: str = Field(default="", max_length=200)
    not_before: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    expires: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    attempts: int = Field(default=0)
    lease: str | None = Field(default=None, max_length=36)
    lease_until: datetime | None = Field(default=None, sa_column=Column(UtcTime))
    provider_id: str | None = Field(default=None, max_length=128)
    made_at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    moved_at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    cause: str | None = Field(default=None, max_length=36)

    @property
    def left(self) -> bool:
        """Whether the colleague may have it."""
        return self.state in FORWARD or (self.state in ("claimed", "planned") and self.attempts > 0)


@dataclass(frozen=True, slots=True)
class Words:
    title: str
    text: str
    area: str = ""
    area_name: str = ""


@dataclass(frozen=True, slots=True)
class Claimed:
    delivery: Delivery
    lease: str


def plan(
    tx: Tx, to: StaffContact, kind: str, words: Words, priority: str, *, not_before: datetime | None = None
) -> StaffCall:
    """Ask for a call. A colleague's own quiet hours hold back what is not urgent."""
    begins = not_before or tx.now()
    at = to.sendable_at(begins, priority)
    row = StaffCall(
        id=tx.new_id(), contact=to.id, staff=to.staff, channel=to.channel, kind=kind, area=words.area,
        priority=priority, title=words.title[:200], text=words.text[:1000], area_name=words.area_name[:64],
        why=QUIET if at > begins else "", not_before=at, expires=at + EXPIRES, made_at=tx.now(), moved_at=tx.now(),
    )  # fmt: skip
    tx.session.add(row)
    tx.session.flush()
    said = tx.emit(CallMade, call=row.id, staff=row.staff, channel=row.channel, area=row.area, kind=kind)
    row.cause = said.id
    tx.session.flush()
    bell.pull(tx, BELL)
    return row


def waiting(read: Read, contact: str, kind: str) -> StaffCall | None:
    """A call that has not left, which may tell of one thing more."""
    rule = select(StaffCall).where(
        col(StaffCall.contact) == contact, col(StaffCall.kind) == kind, col(StaffCall.state) == "planned",
        col(StaffCall.attempts) == 0,
    )  # fmt: skip
    return read.session.execute(rule.order_by(col(StaffCall.id).desc()).limit(1)).scalar_one_or_none()


def lately(read: Read, contact: str, since: datetime) -> list[datetime]:
    """When this address was called since then, the newest first."""
    rule = select(col(StaffCall.not_before)).where(
        col(StaffCall.contact) == contact, col(StaffCall.made_at) >= since, col(StaffCall.state) != "cancelled"
    )
    return list(read.session.execute(rule.order_by(col(StaffCall.not_before).desc()).limit(100)).scalars())


def cancel(tx: Tx, row: StaffCall, why: str) -> None:
    if row.state == "planned":
        _move(tx, row, "cancelled", why)


def of(read: Read, ids: Collection[str]) -> list[StaffCall]:
    rule = select(StaffCall).where(col(StaffCall.id).in_(sorted(ids))).order_by(col(StaffCall.id))
    return list(read.session.execute(rule.execution_options(populate_existing=True)).scalars()) if ids else []


def due(read: Read, channel: str) -> bool:
    return read.session.execute(_ANY_DUE, {"channel": channel, "now": read.now()}).first() is not None


def claim(tx: Tx, channel: str, most: int, lease_s: float, limits: Limits = quota.NONE) -> list[Claimed]:
    """Take what is due. It counts in the channel's day as residents' messages do, urgent ones by the reserve."""
    wanted = _DUE.limit(most).with_for_update(skip_locked=True)
    rows = tx.session.execute(wanted, {"channel": channel, "now": tx.now()}).scalars().all()
    purse, lease, taken = quota.locked_purse(tx, channel, limits), tx.new_id(), list[Claimed]()
    for row in rows:
        to = tx.session.get(StaffContact, row.contact, populate_existing=True)
        if to is None:
            _move(tx, row, "unreachable", "the address is gone")
        elif row.expires <= tx.now():
            _move(tx, row, "expired", "it ran out before it could be sent")
        elif row.attempts or purse.take(RANKS[row.priority]):
            if not row.attempts:
                quota.count(tx, channel, 1, 0)
            row.state, row.lease, row.attempts = "claimed", lease, row.attempts + 1
            row.lease_until = tx.now() + timedelta(seconds=lease_s)
            tx.session.add(row)
            message = _message(tx, row, to)
            taken.append(Claimed(Delivery(row.id, row.id, message, Address(channel, to.address)), lease))
    tx.session.flush()
    return taken


def settle(tx: Tx, batch: Sequence[Claimed], outcomes: Sequence[Outcome]) -> None:
    for each, outcome in zip(batch, outcomes, strict=True):
        row = tx.session.get(StaffCall, each.delivery.id, populate_existing=True, with_for_update=True)
        if row is None or row.state != "claimed" or row.lease != each.lease:
            continue
        row.lease = row.lease_until = None
        match outcome:
            case Accepted(provider_id=ident):
                row.provider_id = ident or None
                _move(tx, row, "accepted", "")
                charges.charge(tx, [(row.id, row.channel, outcome)])
                _early(tx, row)
            case Retry(after_s=after_s, why=why) if row.attempts < ATTEMPTS_MAX:
                row.not_before = tx.now() + timedelta(seconds=backoff.wait_s(row.attempts, tx.rng, after_s))
                row.state, row.why, row.moved_at = "planned", why[:200], tx.now()
            case Retry(why=why):
                _move(tx, row, "dead", f"given up after {row.attempts} tries: {why}")
            case Dead(why=why):
                _move(tx, row, "dead", why)
            case AddressGone(why=why):
                _move(tx, row, "unreachable", why)
                contacts.gone(tx, row.channel, each.delivery.address.value)
        tx.session.add(row)
    tx.session.flush()


def receipt(tx: Tx, channel: str, said: Receipt) -> bool:
    """Proof that came back: whether it was about a call."""
    row = None
    if said.provider_id:
        mine = select(StaffCall).where(
            col(StaffCall.channel) == channel, col(StaffCall.provider_id) == said.provider_id
        )
        row = tx.session.execute(mine.limit(1)).scalar_one_or_none()
    elif said.address is not None and (to := contacts.find(tx, channel, said.address.value)) is not None:
        theirs = select(StaffCall).where(col(StaffCall.contact) == to.id, col(StaffCall.state).in_(FORWARD))
        row = tx.session.execute(theirs.order_by(col(StaffCall.moved_at).desc()).limit(1)).scalar_one_or_none()
        row = None if row is None or _a_resident_later(tx, row, said.address.value) else row
    if row is None:
        return False
    raise_to(tx, row, said.level, said.why or said.evidence)
    return True


def _a_resident_later(read: Read, row: StaffCall, address: str) -> bool:
    """Colleagues live here too: an answer belongs to what came to this telephone last."""
    bound = audience.find(read, row.channel, address)
    later = select(col(Outbox.id)).where(
        col(Outbox.binding) == bound.id, col(Outbox.state).in_(FORWARD), col(Outbox.moved_at) > row.moved_at
    ) if bound is not None else None  # fmt: skip
    return later is not None and read.session.execute(later.limit(1)).first() is not None


def _early(tx: Tx, row: StaffCall) -> None:
    """A receipt may overtake the answer that names its message."""
    if row.provider_id is None:
        return
    mine = (col(OrphanReceipt.channel) == row.channel, col(OrphanReceipt.provider_id) == row.provider_id)
    for orphan in tx.session.execute(select(OrphanReceipt).where(*mine)).scalars().all():
        raise_to(tx, row, orphan.level, orphan.why or orphan.evidence)
        tx.session.delete(orphan)


def raise_to(tx: Tx, row: StaffCall, level: str, why: str = "") -> None:
    """Late, doubled and unordered proof moves nothing back."""
    if level == "failed":
        if row.state in ("accepted", "claimed"):
            _move(tx, row, "unreachable", why)
    elif row.state not in FORWARD or RANK[level] > RANK[row.state]:
        _move(tx, row, level, "")
    tx.session.flush()


def link(read: Read, row: StaffCall) -> str:
    return f"/call/{row.id}.{_signature(read, row.id)}"


def by_link(read: Read, token: str) -> StaffCall:
    ident, _dot, signature = token.partition(".")
    row = read.session.get(StaffCall, ident) if same(signature, _signature(read, ident)) else None
    if row is None or row.expires + EXPIRES <= read.now():
        raise NotFound(_("This link has ended; sign in and look at the board"))
    return row


def prune(tx: Tx) -> int:
    return tx.change(delete(StaffCall).where(col(StaffCall.made_at) < tx.now() - KEEP))


_DUE = (
    select(StaffCall)
    .where(
        col(StaffCall.channel) == bindparam("channel"),
        or_(
            and_(col(StaffCall.state) == "claimed", col(StaffCall.lease_until) <= bindparam("now")),
            and_(col(StaffCall.state) == "planned", col(StaffCall.not_before) <= bindparam("now")),
        ),
    )
    .order_by(col(StaffCall.not_before))
    .execution_options(populate_existing=True)
)
_ANY_DUE = _DUE.with_only_columns(col(StaffCall.id)).limit(1)


def _message(read: Read, row: StaffCall, to: StaffContact) -> Message:
    return Message(
        notice_id=row.id, revision=1, priority=cast(Priority, row.priority), kind=row.kind, title=row.title,
        text=row.text, area_name=row.area_name, issuer="", sent_at=row.made_at, expires=row.expires,
        url=link(read, row), lang=to.lang, zone=to.zone,
    )  # fmt: skip


def _signature(read: Read, ident: str) -> str:
    return read.seal.mark(ident, "staff call")


def _move(tx: Tx, row: StaffCall, state: str, why: str) -> None:
    row.state, row.why, row.moved_at = state, why[:200], tx.now()
    tx.session.add(row)
    if state == "acknowledged":
        tx.session.execute(update(StaffContact).where(col(StaffContact.id) == row.contact).values(proved_at=tx.now()))
    tx.emit(CallMoved, call=row.id, staff=row.staff, channel=row.channel, area=row.area, level=state)

"""How the staff are reached (呼叫方式): each of them enters their own addresses, and says what may wait and when.

Residents' addresses stand in audience.py. A colleague has at most one address on a channel; a telephone, a WeChat
account or a browser belongs to one of them, and who enters it last has it. A group chat may be entered by several.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Column, UniqueConstraint, delete, select
from sqlmodel import Field, SQLModel, col

from hub.db import Read, Tx
from hub.errors import NotFound, Refused
from hub.events import ReachChanged
from hub.i18n import LANGUAGES, _
from hub.preferences import Quiet, sendable_at
from hub.rng import code
from hub.seal import SealedText
from hub.types import UtcTime

SHARED = ("apprise",)  # a chat of several colleagues
LEAST = ("routine", "important", "urgent")  # from which weight on somebody is called here
TOKEN_MINUTES, CODE_CHARS = 10, 8


class StaffContact(SQLModel, table=True):
    __tablename__ = "staff_contact"
    __table_args__ = (UniqueConstraint("staff", "channel"),)
    id: str = Field(primary_key=True, max_length=36)
    staff: str = Field(foreign_key="staff.id", max_length=64)
    channel: str = Field(max_length=16)
    address: str = Field(sa_column=Column(SealedText("staff_contact.address"), nullable=False))
    address_mark: str = Field(max_length=32, index=True)
    least: str = Field(default="important", max_length=16)
    quiet_start: int = Field(default=0)  # minutes after midnight; equal to the end: none
    quiet_end: int = Field(default=0)
    zone: str = Field(default="Asia/Shanghai", max_length=64)
    lang: str = Field(default="zh", max_length=8)
    made_at: datetime = Field(sa_column=Column(UtcTime, nullable=False))
    proved_at: datetime | None = Field(default=None, sa_column=Column(UtcTime))  # a call was answered from there

    @property
    def quiet(self) -> Quiet | None:
        return None if self.quiet_start == self.quiet_end else Quiet(self.quiet_start, self.quiet_end)

    def wants(self, priority: str) -> bool:
        return LEAST.index(priority) >= LEAST.index(self.least)

    def sendable_at(self, now: datetime, priority: str) -> datetime:
        """Urgent calls wake; the others wait for the end of one's own quiet hours."""
        return now if priority == LEAST[-1] else sendable_at(now, self.quiet, self.zone)


class StaffToken(SQLModel, table=True):
    """A one-time code: whoever writes it to the official account is this colleague."""

    __tablename__ = "staff_contact_token"
    token_hash: str = Field(primary_key=True, max_length=64)
    staff: str = Field(foreign_key="staff.id", max_length=64)
    expires: datetime = Field(sa_column=Column(UtcTime, nullable=False))


def of_staff(read: Read, staff: str) -> list[StaffContact]:
    rule = select(StaffContact).where(col(StaffContact.staff) == staff).order_by(col(StaffContact.channel))
    return list(read.session.execute(rule.execution_options(populate_existing=True)).scalars())


def of_many(read: Read, staff: Collection[str]) -> Mapping[str, Sequence[StaffContact]]:
    found: dict[str, list[StaffContact]] = defaultdict(list)
    rule = select(StaffContact).where(col(StaffContact.staff).in_(sorted(staff))).order_by(col(StaffContact.id))
    for row in read.session.execute(rule).scalars() if staff else ():
        found[row.staff].append(row)
    return found


def enter(tx: Tx, staff: str, channel: str, address: str) -> StaffContact:
    """From now on this colleague is reached there on this channel, and nowhere else on it."""
    mark = _mark(tx, channel, address)
    own = (col(StaffContact.staff) == staff) & (col(StaffContact.channel) == channel)
    taken = (col(StaffContact.address_mark) == mark) & (col(StaffContact.staff) != staff)
    if channel not in SHARED:
        tx.session.execute(delete(StaffContact).where(taken))
    row = tx.session.execute(select(StaffContact).where(own)).scalar_one_or_none()
    if row is None:
        row = StaffContact(
            id=tx.new_id(), staff=staff, channel=channel, address=address, address_mark=mark, made_at=tx.now()
        )
    if row.address_mark != mark:
        row.address, row.address_mark, row.made_at, row.proved_at = address, mark, tx.now(), None
    tx.session.add(row)
    tx.session.flush()
    tx.emit(ReachChanged, staff=staff, channel=channel, what="entered")
    return row


def choose(tx: Tx, staff: str, channel: str, least: str, quiet: Quiet | None, lang: str) -> StaffContact:
    row = one(tx, staff, channel)
    if least not in LEAST or lang not in LANGUAGES:
        raise Refused(_("This page is out of date; load it again"))
    row.least, row.lang = least, lang
    row.quiet_start, row.quiet_end = (quiet.start, quiet.end) if quiet else (0, 0)
    tx.session.add(row)
    tx.emit(ReachChanged, staff=staff, channel=channel, what="chosen")
    return row


def remove(tx: Tx, staff: str, channel: str) -> None:
    tx.session.delete(one(tx, staff, channel))
    tx.session.flush()
    tx.emit(ReachChanged, staff=staff, channel=channel, what="removed")


def one(read: Read, staff: str, channel: str) -> StaffContact:
    rule = select(StaffContact).where(col(StaffContact.staff) == staff, col(StaffContact.channel) == channel)
    row: StaffContact | None = read.session.execute(rule).scalar_one_or_none()
    if row is None:
        raise NotFound(_("You have entered no address there"))
    return row


def find(read: Read, channel: str, address: str) -> StaffContact | None:
    """Whose address it is; of a shared one nobody can say who wrote."""
    if channel in SHARED:
        return None
    mine = col(StaffContact.address_mark) == _mark(read, channel, address)
    return read.session.execute(select(StaffContact).where(mine)).scalar_one_or_none()


def gone(tx: Tx, channel: str, address: str) -> None:
    """The provider says that it works no more, or its holder wrote 退订."""
    row = find(tx, channel, address)
    if row is not None:
        remove(tx, row.staff, row.channel)


def token(tx: Tx, staff: str) -> str:
    """Short enough to be typed on a phone: 40 bits that hold for ten minutes, and each guess is a message."""
    text = code(tx.rng, CODE_CHARS)
    tx.session.execute(delete(StaffToken).where(col(StaffToken.expires) < tx.now()))
    tx.session.add(StaffToken(token_hash=_hash(text), staff=staff, expires=tx.now() + timedelta(minutes=TOKEN_MINUTES)))
    return text


def entered(tx: Tx, channel: str, address: str, said: str) -> bool:
    """Somebody wrote a word: whether it was a code of ours, which is used up with that."""
    row = tx.session.get(StaffToken, _hash(said.lower()), with_for_update=True) if len(said) == CODE_CHARS else None
    if row is None:
        return False
    tx.session.delete(row)
    if row.expires > tx.now():
        enter(tx, row.staff, channel, address)
    return True


def _mark(read: Read, channel: str, address: str) -> str:
    return read.seal.mark(f"{channel}|{address}", "staff address")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

"""The one vocabulary of domain events: frozen, each with an id, a cause, an actor and on whose behalf.

Following `cause` from event to event walks a TV notice back to the frame that made it. A slice may add events of its
own in its folder; those that several rooms hear stand here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TypeAlias

import msgspec

from devices.base import Value

ReadValue: TypeAlias = Value
"""A number of a reading is what the device's codec made of it: one object all the way from the frame to the rules."""


@dataclass(frozen=True, kw_only=True)
class Event:
    id: str
    at: datetime
    cause: str | None = None
    actor: str = "hub"
    on_behalf_of: str | None = None

    def subject(self) -> str:
        """The opaque id of what it is about, for the audit row. Never a name, never a value."""
        return ""


class StoredReading(msgspec.Struct, frozen=True, gc=False):
    """A reading as the batch wrote it; `cause` is the frame's own id. A struct: a thousand a second are made."""

    id: str
    cause: str
    kind: str
    device: str
    gateway: str
    hut: str | None
    area: str
    values: tuple[ReadValue, ...]
    quality: str
    reasons: tuple[str, ...]
    t_effective: datetime
    t_received: datetime
    t_basis: str
    late: bool
    weak_key: bool = False


@dataclass(frozen=True, kw_only=True)
class ReadingsStored(Event):
    """One batch. Listeners run in the batch's own transaction, before anything is acknowledged."""

    readings: tuple[StoredReading, ...]


@dataclass(frozen=True, kw_only=True)
class FrameQuarantined(Event):
    quarantine: str
    gateway: str
    device: str
    reason: str

    def subject(self) -> str:
        return self.quarantine


@dataclass(frozen=True, kw_only=True)
class GatewayChanged(Event):
    gateway: str
    area: str
    state: str

    def subject(self) -> str:
        return self.gateway


@dataclass(frozen=True, kw_only=True)
class DeviceChanged(Event):
    """A gateway says that one of its devices no longer answers, or answers again."""

    device: str
    hut: str | None
    area: str
    state: str

    def subject(self) -> str:
        return self.device


@dataclass(frozen=True, kw_only=True)
class DeviceMoved(Event):
    """A step in a device's life: registered, provisioned, active, quarantined, retired."""

    device: str
    hut: str | None
    area: str
    before: str
    after: str
    why: str

    def subject(self) -> str:
        return self.device


@dataclass(frozen=True, kw_only=True)
class CredentialChanged(Event):
    """An MQTT account's password was rotated or taken away."""

    user: str
    how: str  # rotated | revoked
    overlap_s: int = 0  # so long the old one works on

    def subject(self) -> str:
        return self.user


@dataclass(frozen=True, kw_only=True)
class TwinChanged(Event):
    """Somebody wished a device to be otherwise."""

    device: str
    version: int

    def subject(self) -> str:
        return self.device


@dataclass(frozen=True, kw_only=True)
class CommandOrdered(Event):
    """A device was told to do something. What exactly is sealed: a slip holds values."""

    command: str
    device: str
    name: str

    def subject(self) -> str:
        return self.device


@dataclass(frozen=True, kw_only=True)
class CommandEnded(Event):
    command: str
    device: str
    state: str  # done | failed | expired

    def subject(self) -> str:
        return self.device


@dataclass(frozen=True, kw_only=True)
class ReadingsRecalled(Event):
    """Readings of a device or a strip lot were flagged, with their reason; none was edited."""

    recall: str
    device: str
    lot: str
    reason: str
    count: int

    def subject(self) -> str:
        return self.recall


@dataclass(frozen=True, kw_only=True)
class ReadingRebound(Event):
    """Whose reading it is was put right by hand."""

    reading: str
    before: str | None
    person: str | None
    why: str

    def subject(self) -> str:
        return self.reading


@dataclass(frozen=True, kw_only=True)
class ReadingsErased(Event):
    """Somebody's readings lost what they said; which numbers stood there is nowhere any more."""

    person: str
    readings: tuple[str, ...]
    why: str  # self | desk | retention

    def subject(self) -> str:
        return self.person


@dataclass(frozen=True, kw_only=True)
class ReadingBound(Event):
    """A reading was tied to a person (or to a guest, for ever to nobody)."""

    reading: str
    person: str | None
    bound_by: str

    def subject(self) -> str:
        return self.reading


@dataclass(frozen=True, kw_only=True)
class ValuesSeen(Event):
    """Somebody else opened a person's values. How many, and where; never which numbers stood there."""

    person: str
    where: str
    count: int

    def subject(self) -> str:
        return self.person


@dataclass(frozen=True, kw_only=True)
class AlertRaised(Event):
    """A rule judged that a person should look. No value travels here."""

    alert: str
    rule: str
    level: str
    hut: str | None
    area: str
    reading: str

    def subject(self) -> str:
        return self.alert


@dataclass(frozen=True, kw_only=True)
class NoticeReleased(Event):
    notice: str
    revision: int
    priority: str
    areas: tuple[str, ...]

    def subject(self) -> str:
        return self.notice


@dataclass(frozen=True, kw_only=True)
class NoticeEnded(Event):
    """Retracted or expired: every screen drops it."""

    notice: str
    revision: int
    how: str
    areas: tuple[str, ...]

    def subject(self) -> str:
        return self.notice


@dataclass(frozen=True, kw_only=True)
class WarningTaken(Event):
    """Another office's warning came in; nothing is shown before two people here have relayed it."""

    warning: str
    says: str  # Alert, Update or Cancel

    def subject(self) -> str:
        return self.warning


@dataclass(frozen=True, kw_only=True)
class PasswordAsked(Event):
    """Somebody signed in was asked for the password once more before something weighty, rightly or wrongly."""

    staff: str
    proved: bool

    def subject(self) -> str:
        return self.staff


@dataclass(frozen=True, kw_only=True)
class DeliveriesPlanned(Event):
    channel: str
    notice: str
    count: int

    def subject(self) -> str:
        return self.notice


@dataclass(frozen=True, kw_only=True)
class ReachMoved(Event):
    """Someone's best proof for a notice rose."""

    notice: str
    channel: str
    level: str
    count: int = 1

    def subject(self) -> str:
        return self.notice


@dataclass(frozen=True, kw_only=True)
class NoticeSeen(Event):
    """These residents have now seen the notice, and had not before on any channel: nothing more need follow them."""

    notice: str
    revision: int
    residents: tuple[str, ...]

    def subject(self) -> str:
        return self.notice


@dataclass(frozen=True, kw_only=True)
class VisitWanted(Event):
    """The ladder asks for somebody at a door. Asked again for the same door and revision, it means the same visit."""

    notice: str
    revision: int
    area: str  # the community
    household: str
    resident: str | None  # whom to see; None: anybody behind the door
    reason: str  # unseen: nobody there has seen it; no_address: no channel of ours leads to this resident
    rank: int  # the door's risk: the greater, the sooner somebody knocks
    priority: str
    title: str
    expires: datetime | None

    def subject(self) -> str:
        return self.notice


@dataclass(frozen=True, kw_only=True)
class HelpWanted(Event):
    """A resident has answered a notice with 需要帮助: somebody goes there. What was asked stands in no event."""

    task: str  # of whoever owns it at the desk
    area: str  # the community
    household: str
    resident: str
    owner: str  # who of the staff answers for it; empty: nobody yet
    priority: str
    title: str  # of the notice
    due: datetime

    def subject(self) -> str:
        return self.task


@dataclass(frozen=True, kw_only=True)
class HelpAnswered(Event):
    """The call for help has its answer: nobody need go there for it any more."""

    task: str

    def subject(self) -> str:
        return self.task


@dataclass(frozen=True, kw_only=True)
class HelpBrought(Event):
    """Somebody was at the door of whoever had called for help, and was let in or spoke with the family."""

    task: str
    by: str

    def subject(self) -> str:
        return self.task


@dataclass(frozen=True, kw_only=True)
class LoudspeakerWanted(Event):
    """The ladder asks that a community's loudspeakers say a notice: too few doors have been reached by other ways."""

    notice: str
    revision: int
    area: str  # the community
    coverage: int  # doors reached in percent, rounded down
    priority: str

    def subject(self) -> str:
        return self.notice


@dataclass(frozen=True, kw_only=True)
class SpeakerReported(Event):
    """A loudspeaker says what became of something it was to say."""

    speaker: str
    area: str
    notice: str
    revision: int
    round: int
    result: str  # said | stopped | failed
    voice: str
    seconds: int

    def subject(self) -> str:
        return self.notice


@dataclass(frozen=True, kw_only=True)
class PersonalMessage(Event):
    """A slice asks that one resident be told something on the addressed channels; notices turn it into a delivery."""

    resident: str
    kind: str
    title: str
    text: str

    def subject(self) -> str:
        return self.resident


@dataclass(frozen=True, kw_only=True)
class ReachChanged(Event):
    """A colleague entered, changed or removed an address of their own. The address itself stands in no event."""

    staff: str
    channel: str
    what: str  # entered | chosen | removed

    def subject(self) -> str:
        return self.staff


@dataclass(frozen=True, kw_only=True)
class CallMade(Event):
    """A colleague is to be called; its cause says why."""

    call: str
    staff: str
    channel: str
    area: str
    kind: str

    def subject(self) -> str:
        return self.call


@dataclass(frozen=True, kw_only=True)
class CallMoved(Event):
    """What became of a call: a proof, or why it goes no further."""

    call: str
    staff: str
    channel: str
    area: str
    level: str  # accepted | delivered | shown | seen | acknowledged | cancelled | expired | dead | unreachable

    def subject(self) -> str:
        return self.call


class Posted(msgspec.Struct, frozen=True, gc=False):
    """What one movement did to one account that is somebody's; below zero, it went out. A struct, as a reading is."""

    account: str
    owner_kind: str
    owner: str
    amount: int
    balance: int
    reference: str


@dataclass(frozen=True, kw_only=True)
class PointsPosted(Event):
    """All that was posted together, in the order in which it stands in the ledger."""

    posted: tuple[Posted, ...]


@dataclass(frozen=True, kw_only=True)
class ActivityPublished(Event):
    """An activity is announced. A listener refuses an item by which nobody could be credited."""

    activity: str
    area: str
    item: str
    day: date

    def subject(self) -> str:
        return self.activity


@dataclass(frozen=True, kw_only=True)
class BoxBound(Event):
    """A television became a household's own, or is no longer (`bound` false)."""

    terminal: str
    household: str
    resident: str
    bound: bool

    def subject(self) -> str:
        return self.terminal


@dataclass(frozen=True, kw_only=True)
class ContactChanged(Event):
    """A public telephone number of an office was put up (`kept`) or taken away."""

    contact: str
    area: str
    kept: bool

    def subject(self) -> str:
        return self.contact


@dataclass(frozen=True, kw_only=True)
class GuideChanged(Event):
    """A guide of an office was published, changed or taken from the screens."""

    guide: str
    area: str
    rev: int
    state: str  # published | withdrawn

    def subject(self) -> str:
        return self.guide


@dataclass(frozen=True, slots=True)
class CreditRow:
    """One line of an attendance sheet: whose account, for what, how long, when. A child's effort is its household's."""

    owner_kind: str  # person | household | organisation
    owner: str
    item: str
    hours: Decimal
    day: date
    reference: str
    of_minor: bool = False


@dataclass(frozen=True, kw_only=True)
class SignatureRefused(Event):
    """Somebody tried to sign and separation of duties said no. What they tried is undone; that they tried is kept."""

    what: str  # `claim:<id>`, `sheet:<id>`, `budget:...`
    part: str
    why: str  # own | household | twice | declared | peer
    area: str = ""  # where whoever tried works

    def subject(self) -> str:
        return self.what


@dataclass(frozen=True, kw_only=True)
class ResidentsEntered(Event):
    """A page of an office's register was entered: how many came in and were put right. Who, only the directory says."""

    area: str
    residents: int
    changed: int

    def subject(self) -> str:
        return self.area


@dataclass(frozen=True, kw_only=True)
class BudgetAlert(Event):
    """70, 85, 95 or 100 per cent of a community's points money of a year is encumbered or spent."""

    area: str
    year: int
    percent: int

    def subject(self) -> str:
        return f"budget:{self.area}:{self.year}"


@dataclass(frozen=True, kw_only=True)
class SheetSubmitted(Event):
    """An attendance sheet is closed by its keeper. A listener that could not credit it says so now; it stays open."""

    sheet: str
    activity: str
    rows: tuple[CreditRow, ...]
    by: str

    def subject(self) -> str:
        return self.sheet


@dataclass(frozen=True, kw_only=True)
class SheetApproved(Event):
    """A second person approved it, once. `tell` is off where history is lived through again: nobody is told of it."""

    sheet: str
    activity: str
    rows: tuple[CreditRow, ...]
    verified_by: str
    approved_by: str
    tell: bool = True

    def subject(self) -> str:
        return self.sheet

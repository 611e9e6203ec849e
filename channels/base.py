"""What every way of reaching a person has in common: a message in, an outcome out, proof later.

Two shapes, two protocols. A `Broadcast` channel (web page, kiosk, TV) shows the set of active notices of a place: it
renders and nothing else, and the screens pull. An `Addressed` channel (WeChat, SMS, a visit) carries one delivery to
one address and answers what became of it. A `Listening` channel also understands what comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, TypeAlias, runtime_checkable

Priority: TypeAlias = Literal["routine", "important", "urgent", "emergency", "drill"]
Level: TypeAlias = Literal["accepted", "delivered", "shown", "seen", "acknowledged"]
Shape: TypeAlias = Literal["broadcast", "addressed"]
AddressKind: TypeAlias = Literal["household", "person", "place"]
InboundKind: TypeAlias = Literal["subscribed", "unsubscribed", "scanned", "clicked", "said"]

RETRACTION = "retraction"  # the kind of a message that takes an earlier notice back


class Clock(Protocol):
    """Only what a channel needs of time; the hub's clock fits as it is."""

    def now(self) -> datetime: ...


@dataclass(frozen=True)
class Message:
    """One revision of a notice, as a channel may know it: no person, no measured value."""

    notice_id: str
    revision: int
    priority: Priority
    kind: str
    title: str
    text: str
    area_name: str
    issuer: str
    sent_at: datetime
    expires: datetime | None
    url: str
    lang: str = "zh"
    zone: str = "Asia/Shanghai"  # the area's zone: a resident reads local time
    personal: bool = False  # for one resident alone: a lock screen or a text message says only that it is there


@dataclass(frozen=True)
class Address:
    kind: str  # which channel's kind of address: "wechat", "phone", ...
    value: str = field(repr=False)


@dataclass(frozen=True)
class Delivery:
    id: str
    idempotency_key: str
    message: Message
    address: Address
    large: bool = False


@dataclass(frozen=True)
class Page:
    lines: tuple[str, ...]
    dwell_s: float


@dataclass(frozen=True)
class Rendered:
    """What a person will read on this channel; also the desk's live preview."""

    title: str
    body: str = ""
    badge: str = ""  # the priority as a word, empty for a routine notice
    url: str = ""
    issuer: str = ""
    when: str = ""
    pages: tuple[Page, ...] = ()  # screens that turn pages
    fields: tuple[tuple[str, str], ...] = ()  # providers that want a filled-in form
    cut: bool = False  # something was left out; the whole text is behind `url`
    parts: int = 0  # what one copy is billed as, where a provider bills by the part
    cost_fen: int = 0


@dataclass(frozen=True)
class Skip:
    reason: str


@dataclass(frozen=True)
class Accepted:
    """The provider has it. That is all: never call this delivered."""

    provider_id: str
    at: datetime | None = None
    parts: int = 0  # billed parts, where the provider bills by the part
    cost_fen: int = 0


@dataclass(frozen=True)
class Retry:
    after_s: float | None  # None: the caller's own back-off
    why: str
    code: str = ""  # the provider's own code, for the operator


@dataclass(frozen=True)
class Dead:
    why: str
    code: str = ""


@dataclass(frozen=True)
class AddressGone:
    """This address will never work again; take it out of the directory."""

    why: str
    code: str = ""


Outcome: TypeAlias = Accepted | Retry | Dead | AddressGone


@dataclass(frozen=True)
class Receipt:
    """Proof that came back later. `level` only ever raises what is known; `failed` says it will not arrive."""

    provider_id: str
    level: Level | Literal["failed"]
    at: datetime
    evidence: str
    why: str = ""
    address: Address | None = None  # for providers whose receipt id cannot always be matched
    dedupe_key: str = ""


@dataclass(frozen=True)
class Inbound:
    """Something a person did towards us. `value` is the scene, the menu key or the text."""

    kind: InboundKind
    address: Address
    value: str = field(repr=False)
    at: datetime
    dedupe_key: str
    to: str = ""  # the provider's id of the message it answers, where the provider knows


Event: TypeAlias = Receipt | Inbound


@dataclass(frozen=True)
class Callback:
    """A provider's request to us, as the web layer received it."""

    method: str
    query: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    authorization: str = field(default="", repr=False)  # for providers that sign in a header


@dataclass(frozen=True)
class Remember:
    """A key to keep until then, written in the same transaction as the events: a crash in between loses neither."""

    key: str
    until: datetime


@dataclass(frozen=True)
class Reply:
    status: int
    body: str = ""
    media_type: str = "text/plain; charset=utf-8"
    events: tuple[Event, ...] = ()
    remember: tuple[Remember, ...] = ()
    refused: str = ""  # why nothing was taken from this request, for the counter and the log


@dataclass(frozen=True)
class Caps:
    """What a channel can and cannot do, in numbers the outbox and the reach ledger decide by."""

    shape: Shape
    address_kind: AddressKind
    ceiling: Level  # the best proof this channel can ever give
    title_chars_max: int
    body_chars_max: int
    recall: bool  # True: what was shown disappears. False: `recall` sends a correction
    obeys_quiet_hours: bool
    batch_max: int = 1
    per_s: float | None = None
    per_day: int | None = None
    idempotency_window_s: float | None = None  # how long the provider honours our key; None: it knows no key


class Broadcast(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str:
        """English msgid."""

    @property
    def caps(self) -> Caps: ...
    def render(self, message: Message, large: bool = False) -> Rendered | Skip:
        """Pure: the same message always reads the same."""


@runtime_checkable
class Addressed(Broadcast, Protocol):
    async def send(self, batch: Sequence[Delivery]) -> list[Outcome]:
        """One outcome for each delivery, in order. Never raises for what the network or the provider does."""

    async def recall(self, batch: Sequence[Delivery]) -> list[Outcome]:
        """Take back, or where nothing can be taken back, tell the same people that it no longer holds."""


@runtime_checkable
class Listening(Addressed, Protocol):
    def receive(self, callback: Callback, now: datetime, seen: Callable[[str], bool]) -> Reply:
        """Pure: what this request means. The caller stores `events` and `remember` in one transaction, then answers."""


@runtime_checkable
class Replying(Listening, Protocol):
    """A channel on which the answer to a callback may carry a sentence to the person who caused it."""

    def saying(self, reply: Reply, callback: Callback, text: str, now: datetime, chance: bytes) -> Reply:
        """`reply` with the sentence in it. Pure: `chance` is 32 random bytes."""


@dataclass(frozen=True, slots=True)
class Button:
    """One key of a channel's menu. `key` comes back as the value of a `clicked`."""

    name: str
    key: str


@runtime_checkable
class Menued(Addressed, Protocol):
    """A channel whose people see a menu."""

    async def set_menu(self, buttons: Sequence[Button]) -> Outcome:
        """In place of the one that stands. Never raises for what the network or the provider does."""


@runtime_checkable
class Offered(Addressed, Protocol):
    """A channel whose address a person's own browser offers."""

    @property
    def application_server_key(self) -> str:
        """Public: what the browser ties its offer to."""

    def address_of(self, said: Mapping[str, object]) -> Address:
        """ValueError when this is nothing we would send to."""


Channel: TypeAlias = Broadcast | Addressed | Listening

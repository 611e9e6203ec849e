"""What a resident writes back on a channel, or presses in its menu: the answer of the notice it is about.

Which notice that is the provider says, or else it is the youngest that reached this address. Whoever is not understood
is told once for each notice how to answer; to what comes after that the hub is silent, so two machines never talk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlmodel import col

from channels.answer import MENU, understood
from channels.base import Inbound, Message, Remember
from hub import audience, directory, outbox
from hub.access import Subject
from hub.audience import ChannelBinding
from hub.civic.notices import active, answers
from hub.civic.notices.models import Notice
from hub.db import Read, Tx
from hub.errors import LinliError
from hub.i18n import _, speaking
from hub.outbox import FORWARD, Outbox

TOLD = timedelta(days=3)  # as long as gateways repeat themselves; by then most notices are over


@dataclass(frozen=True, slots=True)
class Back:
    """What goes back at once, in words and by the name of its reviewed text."""

    kind: str  # heard | unclear
    words: str
    about: str  # an id: the same thing is said once


def heard(tx: Tx, event: Inbound, first: Callable[[Tx, Remember], bool]) -> Back | None:
    """Take the answer. None: there is nothing to say, or nobody we know to say it to."""
    bound = audience.find(tx, event.address.kind, event.address.value)
    if bound is None or bound.state != "active":
        return None
    said = understood(MENU.get(event.value, event.value))
    notice = _about(tx, event, bound)
    if notice is None and said.kind in answers.KINDS:
        notice = _youngest_here(tx, bound)
    with speaking("zh"):
        if said.kind and notice is not None:
            try:
                return _answered(tx, bound, notice, said.kind, said.text)
            except LinliError as error:
                return _once(tx, first, bound, notice.id, error.sentence)
        if event.kind == "clicked" and event.value not in MENU:
            return None  # another button of the menu; nobody tried to answer
        unclear = _("Not understood. Answer 1 received, 2 question (your words may follow), 3 I need help.")
        return _once(tx, first, bound, notice.id if notice else "none", unclear)


def say(tx: Tx, bound: ChannelBinding, back: Back) -> None:
    """By the outbox, for channels whose callbacks carry nothing back."""
    zone = directory.area(tx, directory.resident(tx, bound.resident).area).tz
    message = Message(
        notice_id=back.about, revision=1, priority="routine", kind=back.kind, title=back.words, text=back.words,
        area_name="", issuer="", sent_at=tx.now(), expires=tx.now() + timedelta(hours=12), url="/me", zone=zone,
    )  # fmt: skip
    outbox.tell(tx, message, bound.resident, bound.channel)


def _answered(tx: Tx, bound: ChannelBinding, notice: Notice, kind: str, text: str) -> Back | None:
    who = Subject(id=bound.resident, kind="resident")
    if kind == "received":
        answers.receive(tx, who, notice.id, bound.channel)
        return Back("heard", _("Thank you, the community knows that you have it."), "")
    task, opened = answers.open_task(tx, who, notice.id, kind, text[: answers.TEXT_CHARS_MAX], bound.channel)
    if not opened:
        return None
    return Back("heard", _("The community has it and answers soon. In danger of life dial 120."), f"{task.id}-heard")


def _once(tx: Tx, first: Callable[[Tx, Remember], bool], bound: ChannelBinding, about: str, words: str) -> Back | None:
    key = f"unclear {bound.id} {about}"
    if not first(tx, Remember(key, tx.now() + TOLD)):
        return None
    return Back("unclear", words, tx.new_id())


def _about(read: Read, event: Inbound, bound: ChannelBinding) -> Notice | None:
    """The notice this answers: what the provider says, else the youngest that arrived at this address."""
    sent = select(Notice).join(Outbox, col(Outbox.notice) == col(Notice.id)).where(col(Outbox.binding) == bound.id)
    sent = sent.order_by(col(Outbox.id).desc()).limit(1).execution_options(populate_existing=True)
    if event.to:
        named: Notice | None = read.session.execute(sent.where(col(Outbox.provider_id) == event.to)).scalars().first()
        if named is not None:
            return named
    arrived = sent.where(col(Outbox.purpose) == "send", col(Outbox.state).in_(FORWARD), col(Notice.state) == "released")
    youngest: Notice | None = read.session.execute(arrived).scalars().first()
    return youngest


def _youngest_here(read: Read, bound: ChannelBinding) -> Notice | None:
    """For a question or a call for help whose message is not known any more. Proof of receipt is never guessed."""
    here = active.notices_of(read, directory.resident(read, bound.resident).area)
    return max(here, key=lambda each: (each.released_at or each.drafted_at, each.id), default=None)

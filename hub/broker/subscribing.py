"""One filter of a SUBSCRIBE or UNSUBSCRIBE: the code the client gets, and the retained messages it is owed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from hub.broker import login, reasons
from hub.broker.message import Message
from hub.broker.packets import Subscription
from hub.broker.session import Entry, Session
from hub.broker.topics import shared_filter

if TYPE_CHECKING:
    from hub.broker.conversation import Conversation
    from hub.broker.server import Broker


class Owed(msgspec.Struct, frozen=True):
    """What a fresh subscription gets of what is retained."""

    entry: Entry
    messages: list[Message]


def subscribe(
    broker: Broker, talk: Conversation, session: Session, wanted: Subscription, identifier: int | None
) -> tuple[int, Owed | None]:
    refused = _refusal(broker, talk, session, wanted)
    if refused is not None:
        broker.counters.subscribes_refused += 1
        return refused, None
    entry = Entry(wanted, identifier)
    fresh = wanted.filter not in session.subscriptions
    # 3.8.3.1: 0 always, 1 only when the subscription is new, 2 never; 4.8.2: never to those who share.
    silent = wanted.retain_handling == 2 or (wanted.retain_handling == 1 and not fresh)
    found = [] if silent or shared_filter(wanted.filter) else broker.retained_for(wanted.filter)
    session.enter(wanted.filter, entry, owing=bool(found))  # [MQTT-3.8.4-3]: a second one replaces the first
    broker.router.subscribe(wanted.filter, session, entry)
    return wanted.qos, Owed(entry, found) if found else None


def _refusal(broker: Broker, talk: Conversation, session: Session, wanted: Subscription) -> int | None:
    limits = broker.limits
    inner = shared_filter(wanted.filter) or wanted.filter
    if not login.topic_fits(inner, limits):
        return reasons.FILTER_INVALID
    if not talk.receive.granted(inner):
        return reasons.NOT_AUTHORIZED
    wide = talk.account is not None and talk.account.kind in ("integrator", "hub")
    allowed = limits.subscriptions_integrator if wide else limits.subscriptions_device
    if wanted.filter not in session.subscriptions and len(session.subscriptions) >= allowed:
        return reasons.QUOTA_EXCEEDED
    return None


def unsubscribe(broker: Broker, session: Session, name: str) -> int:
    if not session.strike(name):
        return reasons.NO_SUBSCRIPTION_EXISTED
    broker.router.unsubscribe(name, session)
    return reasons.SUCCESS

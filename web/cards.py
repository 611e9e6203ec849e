"""Which cards a subject sees on a surface: each card's topic, keyed by what the card says it is keyed by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from hub.access import Subject
from hub.feed import Feed
from hub.module import Module


@dataclass(frozen=True, slots=True)
class Placed:
    topic: str  # name:key
    title: str  # msgid
    name: str


def placed(modules: Iterable[Module], feed: Feed, surface: str, who: Subject, *, area: str = "") -> list[Placed]:
    """The cards of a surface in their order, those left out which the subject may not watch or has no key for."""
    if area:
        who = replace(who, area=area)
    keys = {"area": who.area, "household": who.household, "resident": who.person, "hut": who.hut, "subject": who.id}
    cards = [card for module in modules for card in module.cards if card.surface == surface]
    found = []
    for card in sorted(cards, key=lambda card: card.order):
        key = keys.get(card.key)
        if key and feed.may_watch(who, f"{card.topic}:{key}"):
            found.append(Placed(f"{card.topic}:{key}", card.title, card.topic))
    return found

"""What screens show of the guides: at home, on the kiosk and TV, the page of all, the desk's list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub import directory
from hub.access import Subject
from hub.civic.guides import book
from hub.civic.guides.models import Guide
from hub.db import Read
from hub.i18n import N_, _, pick
from hub.module import Card, Topic

HOME_MAX = 4


@dataclass(frozen=True, slots=True)
class Shown:
    """A guide in the reader's language. The fee is always a sentence."""

    id: str
    title: str
    who: str
    steps: list[str]
    papers: list[str]
    fee: str
    free: bool
    fee_note: str
    time: str
    hours: str
    place: str
    phone: str
    office: str
    withdrawn: bool


def shown(read: Read, found: Guide) -> Shown:
    office = directory.area(read, found.area)
    return Shown(
        found.id, pick(found.zh, found.en), pick(found.who_zh, found.who_en),
        book.lines(pick(found.steps_zh, found.steps_en)), book.lines(pick(found.papers_zh, found.papers_en)),
        fee(found.fee_fen), not found.fee_fen, pick(found.fee_note_zh, found.fee_note_en), _time(found.days),
        pick(found.hours_zh, found.hours_en), pick(found.place_zh, found.place_en), found.phone,
        pick(office.zh, office.en), found.state == "withdrawn",
    )  # fmt: skip


def fee(fen: int) -> str:
    return _("{yuan} yuan").format(yuan=yuan(fen)) if fen else _("Free of charge")


def yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}" if fen % 100 else str(fen // 100)


def _time(days: int) -> str:
    return _("{n} working days").format(n=days) if days else _("Done while you wait")


def whole(read: Read, area: str) -> Mapping[str, Any]:
    return {"items": [shown(read, each) for each in book.offered(read, area)], "area": area}


def home(read: Read, area: str) -> Mapping[str, Any]:
    found = book.offered(read, area)
    return {"items": [shown(read, each) for each in found[:HOME_MAX]], "count": len(found), "area": area}


def desk(read: Read, area: str) -> Mapping[str, Any]:
    return {"items": [shown(read, each) for each in book.of_office(read, area)]}


def _anyone(_subject: Subject, key: str) -> bool:
    """Guides are public; what is no area code is refused before it reaches the cache."""
    return len(key) == 12 and key.isascii() and key.isdigit()


def _desk(subject: Subject, key: str) -> bool:
    return _anyone(subject, key) and bool(subject.paths("guides.read")) and subject.area == key


TOPICS = (
    Topic("guides.home", "guides/home.html", home, _anyone),
    Topic("guides.page", "guides/list.html", whole, _anyone),
    Topic("guides.tv", "guides/tv.html", whole, _anyone),
    Topic("guides.kiosk", "guides/kiosk.html", home, _anyone),
    Topic("guides.desk", "guides/desk_list.html", desk, _desk),
)
CARDS = (
    Card("kiosk_idle", "guides.kiosk", "area", order=40),
    Card("home", "guides.home", "area", order=60, title=N_("Guides")),
    Card("tv", "guides.tv", "area", order=30, title=N_("Guides")),
)

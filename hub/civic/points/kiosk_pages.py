"""我的积分 at a hut's kiosk: behind the card and the PIN, on the glass for a minute, then gone.

Nothing of a person stands in an address, and no cookie holds that a PIN was right: the page is drawn in answer to it
and to nothing else, so a step back or a reload shows the keys again.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse

from hub import directory, visitor
from hub.access import Subject, signed_in, subject
from hub.civic.points import accounts, cards, counter, holds, mall_pages, own_pages, tidings
from hub.civic.points.counter_pages import prove
from hub.db import Read
from hub.errors import LinliError, Refused
from hub.i18n import _
from hub.module import Topic
from hub.page import fragments, page, services

BACK_S = 60  # without a touch; as long as the hut's own page waits before it asks whether somebody is there
MOST_S = 240  # with touches: whoever comes next must not read on
PLACE = "/kiosk/-/points"
REACHABLE_MAX = 4
router = APIRouter(include_in_schema=False)
KIOSK = signed_in("kiosk")


@router.get(PLACE, dependencies=[KIOSK])
async def keys(request: Request) -> HTMLResponse:
    return await _keys(request)


@router.post(PLACE, dependencies=[KIOSK])
async def mine(request: Request, pin: Annotated[str, Form(max_length=8)]) -> HTMLResponse:
    who, store = subject(request), services(request).store
    try:
        person = await store.read(lambda read: _present(read, who))
        await prove(request, person.id, pin)
    except LinliError as error:
        return await _keys(request, error.sentence, error.status)
    seen = await store.read(lambda read: _statement(read, person))
    topic = f"{tidings.KIOSK}:{who.hut}"
    drawn = await fragments(request, [topic])
    return _kept_nowhere(
        page(
            request,
            "points/kiosk.html",
            hut=who.hut,
            topic=topic,
            back_s=BACK_S,
            most_s=MOST_S,
            fragments=drawn,
            **seen,
        )
    )


async def _keys(request: Request, wrong: str = "", status: int = 200) -> HTMLResponse:
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        person = visitor.at(read, who.hut)
        return {"here": person is not None, "pin": person is not None and counter.pin_of(read, person.id) is not None}

    seen = await services(request).store.read(look)
    drawn = page(
        request, "points/kiosk_keys.html", status, hut=who.hut, back_s=BACK_S, most_s=MOST_S, wrong=wrong, **seen
    )
    return _kept_nowhere(drawn)


def _kept_nowhere(drawn: HTMLResponse) -> HTMLResponse:
    drawn.headers["Cache-Control"] = "no-store"
    return drawn


def _present(read: Read, who: Subject) -> Subject:
    person = visitor.at(read, who.hut)
    if person is None:
        raise Refused(_("Show your card first"))
    return person


def _statement(read: Read, person: Subject) -> dict[str, Any]:
    """Surname and title, the newest entries, and what the points would buy today."""
    place = directory.area(read, person.area)
    seen = own_pages.slip_of(read, person.id)
    shelf = [
        item
        for _name, items in mall_pages.shown(read, place.code, mall_pages.rewards_times(read, place.code))
        for item in items
        if item["price"] <= seen["balance"] and not item["gone"] and not item["unpaid"]
    ]
    mine = [accounts.account_id("person", person.id)]
    home = accounts.account_id("household", person.household or "")
    held = accounts.held(read, [home])
    return seen | {
        "reachable": shelf[:REACHABLE_MAX], "more": max(0, len(shelf) - REACHABLE_MAX),
        "held": sum(holds.standing(read, mine).values()), "household": held[home].balance if home in held else 0,
    }  # fmt: skip


def figure(read: Read, hut: str) -> dict[str, Any]:
    """The balance of whoever has shown a card here; nothing once the visit is over."""
    person = visitor.at(read, hut)
    return cards.figures(read, person.id) if person is not None else {"known": False}


def _on_it(subject: Subject, key: str) -> bool:
    return subject.kind == "kiosk" and subject.hut == key


TOPICS = (Topic(tidings.KIOSK, "points/kiosk_figure.html", figure, _on_it),)

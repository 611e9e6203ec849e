"""The counter's pages: a code or a card, PIN or witness, the shelf, what waits or is disputed, hours without a line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import select
from sqlmodel import col
from starlette.concurrency import run_in_threadpool

from hub import directory, login
from hub.access import needs, subject
from hub.civic.points import accounts, away, counter, rewards, shelf
from hub.civic.points.mall_pages import line, rewards_times, shown
from hub.civic.points.rewards import Asked
from hub.civic.points.shelf import New
from hub.db import Read, Tx
from hub.directory import Staff, StaffRole
from hub.errors import LinliError, NotAllowed, Refused
from hub.i18n import _
from hub.page import actor, page, see_other, services
from hub.rng import code

Text = Annotated[str, Form(max_length=200)]
Whole = Annotated[int, Form()]
router = APIRouter(include_in_schema=False)
DESK = needs("points.counter")
PLACE = "/desk/counter"
WITNESSES = ("staff", "director", "grid_worker", "supervisor")  # they see the points desk, where it is asked


@router.get(PLACE, dependencies=[DESK])
async def desk(request: Request, back: int = 0) -> HTMLResponse:
    return await _desk(request, said=_("The counter is back") if back else "")


async def _desk(
    request: Request, wrong: str = "", status: int = 200, said: str = "", customer: dict[str, Any] | None = None,
    slip: str = "",
) -> HTMLResponse:  # fmt: skip
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        return {
            "tz": directory.area(read, who.area).tz, "out": away.out(read, who.area), "groups": shown(
                read, who.area, rewards_times(read, who.area)
            ),
            "waiting": [line(each, shelf.name(reward)) for each, reward in counter.waiting(read, who.area)],
            "disputed": [
                line(each, shelf.name(reward)) | {"said": each.dispute}
                for each, reward in counter.disputed(read, who.area)
            ],
            "clashes": [
                (each, shelf.name(each.reward) if each.reward else "") for each in away.clashes(read, who.area)
            ],
            "everything": shelf.rewards(read, who.area, everything=True),
            "colleagues": _colleagues(read, who.area, who.id), "kinds": shelf.KINDS,
        }  # fmt: skip

    now = await services(request).store.read(look)
    return page(
        request, "points/counter.html", status=status, wrong=wrong, said=said, customer=customer, slip=slip,
        once=code(services(request).rng, 16), **now,
    )  # fmt: skip


@router.post(f"{PLACE}/code", dependencies=[DESK])
async def by_code(request: Request, digits: Text) -> Response:
    who = subject(request)
    return await step(request, lambda tx: rewards.pick_up(tx, who.area, "".join(digits.split()), who))


@router.post(f"{PLACE}/card", dependencies=[DESK])
async def by_card(request: Request, card: Text) -> Response:
    """A POST: a card's number stands in no address."""
    who = subject(request)
    try:
        found = await services(request).store.read(lambda read: _customer(read, card, who.area))
    except LinliError as error:
        return await _desk(request, error.sentence, error.status)
    return await _desk(request, customer=found)


@router.post(f"{PLACE}/redeem", dependencies=[DESK])
async def redeem(
    request: Request, card: Text, reward: Text, once: Text, slot: Text = "", pin: Text = "", witness: Text = ""
) -> Response:
    """Card and PIN, or card and a colleague who stands beside and is named."""
    who, store = subject(request), services(request).store
    try:
        person = await store.read(lambda read: counter.by_card(read, card, who.area))
        colleagues = await store.read(lambda read: _colleagues(read, who.area, who.id))
        if pin:
            await prove(request, person.id, pin)
        elif witness not in dict(colleagues):
            raise NotAllowed(_("Without a PIN a colleague stands beside and is named"))
        asked = Asked(who, None if pin else witness)
        await store.write(
            lambda tx: counter.redeem_here(tx, person, reward, f"rd-{once}", asked, slot or None),
            actor(request, on_behalf_of=person.id),
        )
        found = await store.read(lambda read: _customer(read, card, who.area))
    except LinliError as error:
        return await _desk(request, error.sentence, error.status)
    return await _desk(
        request, said=_("Handed over. {points} points are left").format(points=found["balance"]), slip=person.id
    )


@router.post(f"{PLACE}/pin", dependencies=[DESK])
async def pin(request: Request, card: Text, digits: Text) -> Response:
    who = subject(request)
    return await step(
        request,
        lambda tx: counter.set_pin(tx, counter.by_card(tx, card, who.area).id, digits),
        said=_("The PIN is set"),
    )


@router.post(f"{PLACE}/shelf", dependencies=[DESK])
async def add(
    request: Request, kind: Text, zh: Text, price: Whole, yuan: Text = "0", en: Text = "", stock: Text = "",
    stars: Whole = 0, organisations: Text = "",
) -> Response:  # fmt: skip
    who = subject(request)
    return await step(
        request,
        lambda tx: shelf.add(
            tx, who.area, New(kind, zh, en, price, fen_of(yuan), _pieces(stock), stars, organisations == "yes")
        ),
        said=_("It is on the shelf"),
    )


@router.post(f"{PLACE}/shelf/{{ident}}", dependencies=[DESK])
async def change(request: Request, ident: str, what: Text, pieces: Text = "0", starts: Text = "") -> Response:
    who = subject(request)

    def work(tx: Tx) -> None:
        if what == "stock":
            shelf.restock(tx, who.area, ident, _pieces(pieces) or 0)
        elif what == "slot":
            shelf.offer_slot(
                tx, who.area, ident, _moment(starts, directory.area(tx, who.area).tz), _pieces(pieces) or 0
            )
        else:
            shelf.switch(tx, who.area, ident, on=what == "on")

    return await step(request, work, said=_("The shelf is changed"))


@router.post(f"{PLACE}/disputes/{{ident}}", dependencies=[DESK])
async def answer(request: Request, ident: str, words: Text = "", upheld: Text = "") -> Response:
    who = subject(request)
    return await step(
        request, lambda tx: counter.answer(tx, who.area, ident, who, words, upheld=upheld == "yes"),
        said=_("The answer is sent to its owner"),
    )  # fmt: skip


async def step(request: Request, work: Callable[[Tx], Any], said: str = "") -> Response:
    try:
        await services(request).store.write(work, actor(request))
    except LinliError as error:
        return await _desk(request, error.sentence, error.status)
    return await _desk(request, said=said) if said else see_other(PLACE)


async def prove(request: Request, resident: str, pin: str) -> None:
    """Argon2 takes its time in a thread of its own; a wrong try is counted before it is refused."""
    store = services(request).store
    phc = await store.read(lambda read: counter.pin_of(read, resident))
    proved = await run_in_threadpool(login.proves, phc, f"{resident}:{pin.strip()}")
    await store.write(lambda tx: counter.settle_pin(tx, resident, proved), actor(request))
    if not proved:
        raise NotAllowed(_("The PIN is wrong, or was tried too often; the desk can set a new one"))


def fen_of(yuan: str) -> int:
    """`25`, `25.5` or `25.00` yuan."""
    whole, _dot, rest = (yuan.strip() or "0").partition(".")
    if not (whole.isascii() and whole.isdigit() and len(whole) <= 9 and len(rest) <= 2 and (rest or "0").isdigit()):
        raise Refused(_("Give the money in yuan, as 25 or 25.50"))
    return int(whole) * 100 + int((rest + "00")[:2])


def _pieces(text: str) -> int | None:
    word = text.strip()
    if not word:
        return None
    if not (word.removeprefix("-").isascii() and word.removeprefix("-").isdigit() and len(word) < 8):
        raise Refused(_("Give the stock as a whole number"))
    return int(word)


def _moment(text: str, tz: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(tz))
    except ValueError:
        raise Refused(_("Give a time to come and the number of places")) from None


def _customer(read: Read, card: str, area: str) -> dict[str, Any]:
    person = counter.by_card(read, card, area)
    ident = accounts.account_id("person", person.id)
    found = accounts.held(read, [ident])
    return {
        "card": card.strip(), "name": directory.masked(person.name), "balance": found[ident].balance if found else 0,
        "pin": counter.pin_of(read, person.id) is not None,
        "mine": [line(each, shelf.name(reward)) for each, reward in rewards.of_accounts(read, [ident], 5)],
    }  # fmt: skip


def masked(read: Read, account: str) -> str:
    kind, _dash, owner = account.partition("-")
    return directory.masked(directory.resident(read, owner).name) if kind == "person" else ""


def _colleagues(read: Read, area: str, me: str) -> list[tuple[str, str]]:
    """Who may be named as standing beside: whoever can say on their own desk that it is so."""
    query = (
        select(col(Staff.id), col(Staff.name))
        .join(StaffRole, col(StaffRole.staff) == col(Staff.id))
        .where(
            col(StaffRole.area) == area,
            col(StaffRole.role).in_(WITNESSES),
            col(Staff.id) != me,
            col(Staff.active).is_(True),
        )
        .distinct()
        .order_by(col(Staff.id))
    )
    return [(ident, name) for ident, name in read.session.execute(query)]

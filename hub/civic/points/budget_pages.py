"""The points office's pages: the money of a year, a community's own caps, and the files that prove the ledger."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from hub import directory
from hub.access import Subject, needs, public, signed_in, subject
from hub.civic.points import (
    budget,
    cards,
    catalogue,
    chain,
    counter,
    export,
    keepers,
    local,
    recount,
    shelf,
    verify_ledger,
)
from hub.civic.points import proof as proofs
from hub.civic.points.counter_pages import fen_of
from hub.db import Read, Tx
from hub.directory import Area
from hub.errors import LinliError, NotFound, Refused
from hub.i18n import _, pick
from hub.page import actor, page, see_other, services

Text = Annotated[str, Form(max_length=80)]
router = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api/v1")
FLOW_DAYS = 90  # what a forecast takes as usual


@router.get("/desk/budget", dependencies=[needs("points.office")])
async def money(request: Request, area: str = "", year: int = 0) -> HTMLResponse:
    return await _money(request, area, year)


async def _money(request: Request, area: str, year: int, wrong: str = "", status: int = 200) -> HTMLResponse:
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        places = _places(read, who, "points.office")
        place = _chosen(places, area)
        return {"places": places, "place": place, **_figures(read, place, year)}

    shown = await services(request).store.read(look)
    return page(request, "points/budget.html", status=status, wrong=wrong, signs=who.may("points.money"), **shown)


@router.post("/desk/budget/{area}/{year}", dependencies=[needs("points.money")])
async def sign(
    request: Request, area: str, year: int, what: Text, residents: Text = "", city: Text = "50", yuan: Text = "",
    document: Text = "",
) -> Response:  # fmt: skip
    """One of three signatures: each of the three enters the figures, the third makes them hold."""
    who = subject(request)

    def work(tx: Tx) -> None:
        _chosen(_places(tx, who, "points.money"), area)
        if what == "grant":
            budget.grant(tx, area, year, _whole(residents), who, city=_whole(city))
        elif what == "more":
            budget.top_up(tx, area, year, fen_of(yuan), document, who)
        elif what == "close":
            budget.close_year(tx, area, year, who)
        else:
            budget.start_over(tx, area, year, document)

    return await _step(
        request, work, f"/desk/budget?area={area}&year={year}", lambda w, s: _money(request, area, year, w, s)
    )


@api.get("/budgets", dependencies=[needs("points.office")])
async def budgets(request: Request, year: int = 0) -> dict[str, Any]:
    who = subject(request)

    def look(read: Read) -> list[dict[str, Any]]:
        items = []
        for place in _places(read, who, "points.office"):
            found = _figures(read, place, year)
            if found["purse"] is not None:
                purse = found["purse"]
                items.append(
                    {
                        "area": purse.area, "year": purse.year, "residents": purse.residents, "granted": purse.granted,
                        "available": purse.available, "encumbered": purse.encumbered, "spent": purse.spent,
                        "lapsed": purse.lapsed, "alert": purse.alert, "coverage_percent": found["coverage"],
                    }
                )  # fmt: skip
        return items

    return {"items": await services(request).store.read(look), "after": None}


@router.get("/desk/catalogue", dependencies=[needs("points.catalogue")])
async def items(request: Request, area: str = "") -> HTMLResponse:
    return await _items(request, area)


async def _items(request: Request, area: str, wrong: str = "", status: int = 200) -> HTMLResponse:
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        places = _places(read, who, "points.catalogue")
        place = _chosen(places, area)
        today = read.now().astimezone(ZoneInfo(place.tz)).date()
        book, mine = catalogue.on(today), local.in_force(read, place.code, today)
        rows = []
        for item in book.items.values():
            here = local.applied(item, mine.get(item.code))
            caps = list(zip(item.caps, here.caps, strict=True))
            off = item.code in mine and mine[item.code].off
            rows.append({"item": item, "caps": [(cards.cap_words(a), a.limit, b.limit) for a, b in caps], "off": off})
        return {"places": places, "place": place, "book": book, "rows": rows, "today": today}

    return page(
        request, "points/catalogue_local.html", status=status, wrong=wrong, **await services(request).store.read(look)
    )


@router.post("/desk/catalogue/{area}/{code}", dependencies=[needs("points.catalogue")])
async def set_item(request: Request, area: str, code: str, since: Text) -> Response:
    who, form = subject(request), await request.form()
    limits = [str(value) for name, value in form.multi_items() if name == "limit"]

    def work(tx: Tx) -> None:
        place = _chosen(_places(tx, who, "points.catalogue"), area)
        item = catalogue.on(tx.now().astimezone(ZoneInfo(place.tz)).date()).item(code)
        given = tuple(_whole(each) for each in limits)
        local.set_item(tx, area, item, who, off=form.get("off") == "yes", limits=given, since=_day(since))

    then = f"/desk/catalogue?area={area}#{code}"
    return await _step(request, work, then, lambda wrong, status: _items(request, area, wrong, status))


@router.get("/desk/proof", dependencies=[needs("points.export")])
async def proof(request: Request) -> HTMLResponse:
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        places = _places(read, who, "points.export")
        names = {each.code: pick(each.zh, each.en) for each in places}
        return {
            "months": export.months(read, names) if names else [], "names": names, "proofs": proofs.look(read, names),
            "tz": cards.ZONE, "hour": recount.AT_HOUR,
        }  # fmt: skip

    return page(request, "points/proof.html", **await services(request).store.read(look))


@router.post("/desk/proof", dependencies=[needs("points.export")])
async def prove(request: Request) -> Response:
    """The whole chain of one's own communities, now."""
    who = subject(request)
    found = await services(request).store.read(
        lambda read: proofs.survey(read, [each.code for each in _places(read, who, "points.export")])
    )
    await services(request).store.write(lambda tx: proofs.keep(tx, found), actor(request))
    return see_other("/desk/proof")


@router.get("/desk/proof/{area}.{form}", dependencies=[needs("points.export")])
async def files(request: Request, area: str, form: str, month: str = "") -> Response:
    who = subject(request)
    if form not in ("csv", "beancount"):
        raise NotFound(_("There is no such file"))

    def look(read: Read) -> str:
        place = _chosen(_places(read, who, "points.export"), area)
        if form == "beancount":
            return export.beancount_file(read, [place.code])
        return export.csv_file(read, [place.code], month=month)

    return _file(await services(request).store.read(look), f"ledger-{area}{'-' + month if month else ''}.{form}")


@router.get("/me/points/proof.csv", dependencies=[signed_in("resident")])
async def own_file(request: Request, month: str = "") -> Response:
    """One's own entries in clear, everybody else's as hashes: enough to check the month's published head."""
    who = subject(request)

    def look(read: Read) -> str:
        place = directory.area(read, who.area)
        which = month or read.now().astimezone(ZoneInfo(place.tz)).strftime("%Y-%m")
        own = {*counter.own_accounts(who), *(each.account for each in keepers.of_person(read, who.id))}
        return export.csv_file(read, [place.code], month=which, whose=own)

    return _file(await services(request).store.read(look), f"my-points{'-' + month if month else ''}.csv")


@router.get("/points/heads", dependencies=[public("a head that nobody can see proves nothing")])
async def heads(request: Request) -> PlainTextResponse:
    """The newest hash of every community and month, as `verify_ledger.py` takes them."""
    found = await services(request).store.read(chain.heads)
    return PlainTextResponse("".join(f"{area}/{month}={head}\n" for (area, month), head in sorted(found.items())))


@router.get("/points/verify_ledger.py", dependencies=[public("a proof is for everyone")])
def program() -> Response:
    return _file(Path(verify_ledger.__file__).read_text(encoding="utf-8"), "verify_ledger.py")


def _figures(read: Read, place: Area, year: int) -> dict[str, Any]:
    which = year or budget.year_of(read.now(), place.tz)
    try:
        purse = budget.purse(read, place.code, which)
    except NotFound:
        purse = None
    points = budget.outstanding(read, place.code)
    issued, redeemed = budget.flow(read, place.code, read.now() - timedelta(days=FLOW_DAYS))
    yearly = purse.granted if purse else budget.counted_residents(read, place.code) * budget.RATE_FEN
    mix = counter.handed_over(read, place.code, FLOW_DAYS)
    return {
        "year": which, "purse": purse, "outstanding": points, "coverage": budget.coverage_percent(
            purse.available if purse else 0, points
        ),
        "forecast": budget.forecast(points, issued * 365 // FLOW_DAYS, redeemed * 365 // FLOW_DAYS, yearly),
        "issued": issued, "redeemed": redeemed, "counted": budget.counted_residents(read, place.code),
        "pending": budget.pending(read, place.code, which),
        "signed": budget.signatures(read, place.code, which), "low": budget.COVERAGE_LOW, "days": FLOW_DAYS,
        "mix": [(_(shelf.KINDS[kind]), mix.get(kind, 0)) for kind in shelf.KINDS],
    }  # fmt: skip


def _places(read: Read, who: Subject, permission: str) -> list[Area]:
    """The communities in which somebody holds the permission."""
    codes = [path.rpartition("/")[2] for path in who.paths(permission)]
    return directory.below(read, codes)


def _chosen(places: list[Area], area: str) -> Area:
    found = next((each for each in places if area in ("", each.code)), None)
    if found is None:
        raise NotFound(_("There is no such area"))
    return found


async def _step(request: Request, work: Callable[[Tx], None], then: str, again: Callable[[str, int], Any]) -> Response:
    try:
        await services(request).store.write(work, actor(request))
    except LinliError as error:
        shown: Response = await again(error.sentence, error.status)
        return shown
    return see_other(then)


def _whole(text: str) -> int:
    word = text.strip()
    if not (word.isascii() and word.isdigit() and len(word) <= 9):
        raise Refused(_("Give whole numbers"))
    return int(word)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise Refused(_("Give the day as 2026-11-22")) from None


def _file(text: str, name: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type="text/plain; charset=utf-8", headers=headers)

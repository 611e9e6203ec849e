"""The desk's pages: who has how many, what is overdue, handing over, the rounds, a list and results on paper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import select
from sqlmodel import col

from hub import audience, directory
from hub.access import Subject, needs, subject
from hub.civic.visits import book, cards, doors, knocks, paper, rounds, rules
from hub.civic.visits.doors import Door
from hub.civic.visits.knocks import Said
from hub.civic.visits.models import Knock, Visit
from hub.db import Read, Tx
from hub.directory import Area, Household
from hub.errors import LinliError, NotFound, Refused
from hub.i18n import _, pick
from hub.page import actor, page, page_live, see_other, services

Text = Annotated[str, Form(max_length=400)]
Many = Annotated[list[str], Form(max_length=doors.LISTED_MAX)]
router = APIRouter(include_in_schema=False)
DESK = needs("visits.desk")


@router.get("/desk/visits", dependencies=[DESK])
async def desk(request: Request, worker: str = "") -> HTMLResponse:
    return await _desk(request, worker)


async def _desk(request: Request, worker: str = "", wrong: str = "", status: int = 200) -> HTMLResponse:
    who = subject(request)
    topic = f"visits.desk:{who.area}"

    def look(read: Read) -> dict[str, Any]:
        found = doors.of_area(read, who.area)
        chosen = [door for door in found if cards.needs_desk(door)] if worker == "desk" else found
        chosen = [door for door in chosen if worker in ("", "desk", door.worker)]
        walked = rounds.of(read, who.area)
        return {
            "doors": chosen, "names": cards.names(read, who.area), "open": cards.work(read, who.area)["open"],
            "grids": [(grid, walked.get(grid, "")) for grid in rounds.grids(read, who.area)],
            "buildings": [
                (each.id, pick(each.zh, each.en)) for each in audience.buildings_in(read, [who.area])
            ],
        }  # fmt: skip

    shown = await services(request).store.read(look)
    return await page_live(
        request, "visits/desk.html", topics=[topic], status=status, topic=topic, worker=worker, wrong=wrong,
        words_max=rules.WORDS_CHARS_MAX, **shown,
    )  # fmt: skip


@router.get("/desk/visits/paper", dependencies=[DESK])
async def on_paper(request: Request, worker: str = "", order: str = "way") -> HTMLResponse:
    """A4, with room to write. Walked on paper, the way comes first."""
    place, found, named = await _taken(request, worker, "paper", by_risk=order == "risk")
    return page(
        request, "visits/paper.html", doors=found, place=pick(place.zh, place.en), worker=named.get(worker, ""),
        tz=place.tz, now=services(request).clock.now(), results=rules.RESULTS,
    )  # fmt: skip


@router.get("/desk/visits.csv", dependencies=[DESK])
async def as_file(request: Request, worker: str = "", order: str = "risk") -> Response:
    place, found, _named = await _taken(request, worker, "file", by_risk=order == "risk")
    headers = {"content-disposition": f'attachment; filename="visits-{place.code}.csv"'}
    return Response(paper.table(found), media_type="text/csv; charset=utf-8", headers=headers)


async def _taken(request: Request, worker: str, form: str, *, by_risk: bool) -> tuple[Area, list[Door], dict[str, str]]:
    who = subject(request)

    def take(tx: Tx) -> tuple[Area, list[Door], dict[str, str]]:
        found = [door for door in doors.of_area(tx, who.area, by_risk=by_risk) if worker in ("", door.worker)]
        paper.taken(tx, who.area, worker, form, found)
        return directory.area(tx, who.area), found, cards.names(tx, who.area)

    return await services(request).store.write(take, actor(request))


@router.post("/desk/visits", dependencies=[DESK])
async def send(request: Request, words: Text, building: Text = "", flat: Text = "") -> Response:
    who = subject(request)

    def open_one(tx: Tx) -> str:
        return book.by_hand(tx, who, _household(tx, who, building, flat), words).id

    return await _step(request, open_one)


@router.post("/desk/visits/over", dependencies=[DESK])
async def hand_over(request: Request, to: Text, visit: Many) -> Response:
    """All that are ticked, or none."""
    who = subject(request)
    return await _step(request, lambda tx: [book.hand_over(tx, who, each, to) for each in visit])


@router.post("/desk/visits/rounds", dependencies=[DESK])
async def give_round(request: Request, grid: Annotated[int, Form()], to: Text) -> Response:
    who = subject(request)
    return await _step(request, lambda tx: book.give_round(tx, who, who.area, grid, to))


@router.get("/desk/visits/{ident}", dependencies=[DESK])
async def one(request: Request, ident: str) -> HTMLResponse:
    return await _one(request, ident)


async def _one(request: Request, ident: str, wrong: str = "", status: int = 200) -> HTMLResponse:
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        found = book.visit(read, ident)
        place = directory.area(read, found.area)
        if not who.may("visits.desk", place.path):
            raise NotFound(_("There is no such visit"))
        [door] = doors.doors(read, col(Visit.id) == ident)
        names = cards.names(read, found.area)
        return {
            "door": door, "visit": found, "tz": place.tz, "names": names,
            "knocks": [_shown(read, each, names) for each in knocks.of_visit(read, ident)],
            "why": _(rules.CLOSED[found.why]) if found.why else "",
            "result": _(rules.RESULTS[found.result]) if found.result else "",
        }  # fmt: skip

    shown = await services(request).store.read(look)
    return page(
        request, "visits/one.html", status, results=rules.RESULTS, reveals=rules.REVEALS, wrong=wrong,
        note_max=rules.NOTE_CHARS_MAX, signature_max=rules.SIGNATURE_CHARS_MAX,
        key=services(request).rng.token(12).hex(), **shown,
    )  # fmt: skip


@router.post("/desk/visits/{ident}/result", dependencies=[DESK])
async def from_paper(
    request: Request, ident: str, key: Text, result: Text, person: Text = "", note: Text = "", signature: Text = ""
) -> Response:
    """What came back on paper, entered by the desk in the worker's place."""
    who, said = subject(request), Said(key, ident, result, person, note, signature)
    try:
        await services(request).store.write(lambda tx: knocks.record(tx, who, said, way="paper"), actor(request))
    except LinliError as error:
        return await _one(request, ident, error.sentence, error.status)
    return see_other(f"/desk/visits/{ident}")


@router.post("/desk/visits/{ident}/close", dependencies=[DESK])
async def close(request: Request, ident: str) -> Response:
    who = subject(request)
    return await _step(request, lambda tx: book.close(tx, who, ident))


async def _step(request: Request, work: Callable[[Tx], object]) -> Response:
    """One deed at the desk; what is refused is said on the desk itself."""
    try:
        await services(request).store.write(work, actor(request))
    except LinliError as error:
        return await _desk(request, wrong=error.sentence, status=error.status)
    return see_other("/desk/visits")


def _household(read: Read, who: Subject, building: str, flat: str) -> str:
    rows = read.session.execute(
        select(col(Household.id)).where(
            col(Household.area) == who.area, col(Household.building) == building, col(Household.flat) == flat.strip()
        )
    )
    found: str | None = rows.scalars().first()
    if found is None:
        raise Refused(_("There is no such door here"))
    return found


def _shown(read: Read, knock: Knock, names: dict[str, str]) -> dict[str, Any]:
    staff = read.session.get(directory.Staff, knock.by)
    by = names.get(knock.by) or (doors.worker_name(staff) if staff else knock.by)
    return {
        "word": _(rules.RESULTS[knock.result]), "by": by, "at": knock.at, "received_at": knock.received_at,
        "late": knock.late, "clock_off": knock.clock_off, "stands": knock.stands, "note": knock.note,
        "signature": knock.signature, "way": knock.way, "why": _(rules.CLOSED.get(knock.why, "")) if knock.why else "",
    }  # fmt: skip

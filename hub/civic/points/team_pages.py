"""A keeper's page of an organisation (代表单位): its account, claims in its name, what it redeems, gifts to the pool.

For whom somebody acts stands in the address, so that no screen is left in a mode that its next reader does not see.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from hub import directory
from hub.access import signed_in, subject
from hub.civic.points import beneficiary, book, cards, keepers, mall_pages, rewards, shelf, teams
from hub.civic.points import transfers as given
from hub.db import Read, Tx
from hub.errors import LinliError, Refused
from hub.i18n import _
from hub.page import actor, fragments, page, see_other, services
from hub.rng import code

Text = Annotated[str, Form(max_length=80)]
Once = Annotated[str, Form(min_length=32, max_length=32)]
OWN = signed_in("resident")
router = APIRouter(include_in_schema=False)


@router.get("/me/points/teams/{team}", dependencies=[OWN])
async def one(request: Request, team: str) -> HTMLResponse:
    return await _one(request, team)


@router.get("/me/points/teams/{team}/earlier", dependencies=[OWN])
async def earlier(request: Request, team: str, after: str) -> HTMLResponse:
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        kept = teams.must_act(read, who, team)
        return cards.lines_of(book.statement(read, kept.account, after=after[:60]))

    shown = await services(request).store.read(look)
    here = f"/me/points/teams/{team}"
    return page(request, "points/earlier.html", here=f"{here}/earlier?", back=here, tz=cards.ZONE, **shown)


@router.post("/me/points/teams/{team}/gift", dependencies=[OWN])
async def gift(request: Request, team: str, points: Text, once: Once) -> Response:
    who = subject(request)

    def work(tx: Tx) -> None:
        teams.must_act(tx, who, team, spends=True)
        wanted = points.strip()
        if not (wanted.isascii() and wanted.isdigit() and int(wanted)):
            raise Refused(_("Give the points as a whole number"))
        given.send(tx, who, beneficiary.one(tx, "organisation", team), None, int(wanted), once=once)

    return await _step(request, team, work)


@router.post("/me/points/teams/{team}/gifts/{ident}/cancel", dependencies=[OWN])
async def take_back(request: Request, team: str, ident: str) -> Response:
    who = subject(request)
    return await _step(request, team, lambda tx: given.cancel(tx, who, ident))


@router.post("/me/points/teams/{team}/redeem", dependencies=[OWN])
async def redeem(request: Request, team: str, reward: Text, once: Text, slot: Text = "") -> Response:
    who = subject(request)

    def work(tx: Tx) -> None:
        teams.must_act(tx, who, team, spends=True)
        owner = beneficiary.one(tx, "organisation", team)
        rewards.redeem(tx, owner, reward, f"rd-{once}"[:36], slot=slot or None, asker=who.id)

    return await _step(request, team, work)


@router.post("/me/points/teams/{team}/leave", dependencies=[OWN])
async def leave(request: Request, team: str) -> Response:
    who = subject(request)

    def work(tx: Tx) -> None:
        for each in keepers.standing(tx, team):
            if each.resident == who.person:
                teams.leave(tx, who, each.id)

    await services(request).store.write(work, actor(request, on_behalf_of=team[:64]))
    return see_other("/me/points")


async def _step(request: Request, team: str, work: Any) -> Response:
    try:
        await services(request).store.write(work, actor(request, on_behalf_of=team[:64]))
    except LinliError as error:
        return await _one(request, team, error.sentence, error.status)
    return see_other(f"/me/points/teams/{team}")


async def _one(request: Request, team: str, wrong: str = "", status: int = 200) -> HTMLResponse:
    who, rng = subject(request), services(request).rng

    def look(read: Read) -> dict[str, Any]:
        kept = teams.must_act(read, who, team)
        times = mall_pages.rewards_times(read, kept.area)
        return {
            "kept": kept, "role": _(keepers.ROLES[kept.role]), "tz": directory.area(read, kept.area).tz,
            "groups": mall_pages.shown(read, kept.area, times, teams=True),
            "sent": given.of_person(read, kept.account),
            "mine": [
                mall_pages.line(each, shelf.name(reward))
                for each, reward in rewards.of_accounts(read, [kept.account])
            ],
        }  # fmt: skip

    seen = await services(request).store.read(look)
    topic = f"points.team:{who.person}.{team}"
    return page(
        request, "points/team.html", status, wrong=wrong, topic=topic, states=mall_pages.STATES,
        fragments=await fragments(request, [topic]), once=code(rng, 16), once_gift=code(rng, 32), **seen,
    )  # fmt: skip

"""The pages of the door: one activity for the resident (sign up, in, out), the organiser's screen with the code."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from hub import directory, qr
from hub.access import needs, public, signed_in, subject
from hub.civic.activities import attendance, cards, people, programme, signin
from hub.db import Read
from hub.i18n import pick
from hub.page import acted, actor, page, page_live, public_base, see_other, services
from hub.rng import code

DEVICE = "linli_device"
DEVICE_S = 400 * 24 * 3600
Digits = Annotated[str, Form(max_length=12)]
Text = Annotated[str, Form(max_length=200)]
router = APIRouter(include_in_schema=False)


@router.get("/activities/{ident}", dependencies=[public("what takes place in a community is public")])
async def one(request: Request, ident: str, code: str = "") -> HTMLResponse:
    return await _one(request, ident, digits=code[:12])


@router.post("/activities/{ident}/signup", dependencies=[signed_in("resident")])
async def sign_up(request: Request, ident: str) -> Response:
    return await _step(request, ident, signin.sign_up)


@router.post("/activities/{ident}/giveup", dependencies=[signed_in("resident")])
async def give_up(request: Request, ident: str) -> Response:
    return await _step(request, ident, signin.give_up)


@router.post("/activities/{ident}/in", dependencies=[signed_in("resident")])
async def sign_in(request: Request, ident: str, digits: Digits) -> Response:
    """One phone signs in one person: the phone is known by a cookie that means nothing else."""
    who = subject(request)
    device = request.cookies.get(DEVICE, "") or code(services(request).rng, 24)
    done = await _step(request, ident, lambda tx, by, each: signin.sign_in(tx, by, each, digits, device))
    secure: bool = request.app.state.secure if "app" in request.scope else False
    if who.kind == "resident":
        done.set_cookie(DEVICE, device, max_age=DEVICE_S, path="/", secure=secure, httponly=True, samesite="lax")
    return done


@router.post("/activities/{ident}/out", dependencies=[signed_in("resident")])
async def sign_out(request: Request, ident: str, digits: Digits) -> Response:
    return await _step(request, ident, lambda tx, by, each: signin.sign_out(tx, by, each, digits))


@router.get("/me/activities", dependencies=[signed_in("resident")])
async def served(request: Request) -> HTMLResponse:
    """志愿服务证明: what this person took part in, to be printed."""
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        found = directory.resident(read, who.id)
        place = directory.area(read, found.area)
        rows = signin.served(read, found.id)
        return {
            "name": found.name, "place": pick(place.zh, place.en), "now": read.now(), "tz": place.tz,
            "rows": [(cards.shown(read, activity, place.tz), cards.hours(minutes)) for activity, minutes in rows],
            "hours": cards.hours(sum(minutes for _activity, minutes in rows)),
        }  # fmt: skip

    shown = await services(request).store.read(look)
    return page(request, "activities/served.html", **shown)


@router.get("/desk/activities/{ident}/door", dependencies=[needs("activities.write")])
async def screen(request: Request, ident: str) -> HTMLResponse:
    return await _screen(request, ident)


@router.post("/desk/activities/{ident}/door", dependencies=[needs("activities.write")])
async def counter(request: Request, ident: str, who: Text, why: Text, way: Text = "in") -> Response:
    """Somebody without a phone: entered here, with the reason."""
    by = subject(request)
    return await acted(
        request, lambda tx: signin.at_counter(tx, by, ident, who, why, out=way == "out"),
        f"/desk/activities/{ident}/door", lambda wrong, status: _screen(request, ident, wrong, status),
    )  # fmt: skip


@router.post("/desk/sheets/{ident}/arrivals", dependencies=[needs("activities.write")])
async def arrivals(request: Request, ident: str) -> Response:
    by = subject(request)
    await services(request).store.write(lambda tx: signin.take_over(tx, by, ident), actor(request))
    return see_other(f"/desk/sheets/{ident}")


async def _step(request: Request, ident: str, verb: Any) -> Response:
    who = subject(request)
    return await acted(
        request, lambda tx: verb(tx, who, ident), f"/activities/{ident}",
        lambda wrong, status: _one(request, ident, wrong=wrong, status=status),
    )  # fmt: skip


async def _one(request: Request, ident: str, *, digits: str = "", wrong: str = "", status: int = 200) -> HTMLResponse:
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        found = programme.activity(read, ident)
        place = directory.area(read, found.area)
        here = who.kind == "resident" and who.area == found.area
        ups, there = signin.of_person(read, [ident], who.person or "") if here else (set[str](), {})
        on = found.starts - signin.EARLY <= read.now() <= found.ends + signin.LATE and found.state == "planned"
        return {
            "activity": cards.shown(read, found, place.tz), "here": here, "up": ident in ups, "there": there.get(ident),
            "on": on, "seats": found.seats, "taken": signin.signed_up(read, ident), "tz": place.tz,
        }  # fmt: skip

    shown = await services(request).store.read(look)
    item = f"points.item:{shown['activity'].item}"
    topics = [item] if services(request).feed.may_watch(who, item) else []
    return await page_live(
        request,
        "activities/activity.html",
        topics=topics,
        status=status,
        item=item,
        wrong=wrong,
        digits=digits,
        **shown,
    )


async def _screen(request: Request, ident: str, wrong: str = "", status: int = 200) -> HTMLResponse:
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        found = programme.activity(read, ident)
        place = directory.area(read, found.area)
        who.require("activities.write", place.path)
        there = signin.presences(read, ident)
        known = {
            each.account: each for each in people.residents(read, [each.resident for each in there], read.now().date())
        }
        return {
            "activity": cards.shown(read, found, place.tz), "code": signin.code(read, ident), "tz": place.tz,
            "rows": [(known[f"person-{each.resident}"], each) for each in there if f"person-{each.resident}" in known],
            "gone": sum(each.went is not None for each in there), "quarter": attendance.STEP_MINUTES,
        }  # fmt: skip

    shown = await services(request).store.read(look)
    base = public_base(request)
    link = f"{base}/activities/{ident}?code={shown['code'].digits}"
    return page(request, "activities/door.html", status, wrong=wrong, qr=qr.svg(link), **shown)

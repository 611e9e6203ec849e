"""The buttons under a notice, what came back to the resident, and the desk's tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from hub import directory, reach
from hub.access import Subject, needs, signed_in, subject
from hub.civic.notices import active, answers, cards
from hub.civic.notices.message import DEFAULT_ZONE
from hub.civic.notices.models import Answer
from hub.db import Read
from hub.directory import Building, Household, Resident, Staff
from hub.errors import NotFound
from hub.i18n import N_, _, pick
from hub.module import Card, Topic
from hub.page import actor, page, page_live, see_other, services

WAY = "web"
WAYS = {
    "web": N_("web"), "sms": N_("sms"), "wechat": N_("wechat"), "kiosk": N_("kiosk"), "grid": N_("grid worker"),
}  # fmt: skip
router = APIRouter()


@router.post("/n/{ident}/answer", dependencies=[signed_in("resident")])
async def answer(request: Request, ident: str) -> Response:
    form, who = await request.form(), subject(request)
    kind, text = str(form.get("do", "")), str(form.get("text", ""))
    if kind == "received":
        await services(request).store.write(lambda tx: answers.receive(tx, who, ident, WAY), actor(request))
    else:
        await services(request).store.write(lambda tx: answers.ask(tx, who, ident, kind, text, WAY), actor(request))
    return see_other(f"/n/{ident}#answers")


@router.post("/tv/{area}/n/{ident}/received", dependencies=[signed_in("tv")])
async def received_on_tv(request: Request, area: str, ident: str) -> Response:
    """By tv.js, in the background: a box has no page to go to. A repeat costs a read and no write."""
    hub, who = services(request), subject(request)
    if area != who.area:
        raise NotFound(_("There is no such notice"))
    best = await hub.store.read(lambda read: reach.best_of(read, answers.screen_of(who), [ident]))
    if best.get(ident) != "acknowledged":
        await hub.store.write(lambda tx: answers.receive_on_screen(tx, who, ident), actor(request))
    return Response(status_code=204)


@router.post("/tv/{area}/n/{ident}/{kind}", dependencies=[signed_in("tv")])
async def asked_on_tv(request: Request, area: str, ident: str, kind: Literal["question", "help"]) -> Response:
    """有疑问, 需要帮助 by a key of a home's own television: whoever bound it is called back."""
    who = subject(request)
    if area != who.area or not who.person:
        raise NotFound(_("There is no such notice"))
    home = Subject(id=who.person, kind="resident", area=who.area, area_path=who.area_path, household=who.household)
    await services(request).store.write(lambda tx: answers.open_task(tx, home, ident, kind, "", "tv"), actor(request))
    return Response(status_code=204)


@router.get("/desk/answers", dependencies=[needs(answers.PERMISSION)])
async def tasks(request: Request) -> HTMLResponse:
    topic = f"notices.answers:{subject(request).area}"
    return await page_live(request, "notices/answers.html", topics=[topic], topic=topic)


@router.get("/desk/answers/{ident}", dependencies=[needs(answers.PERMISSION)])
async def one(request: Request, ident: str) -> HTMLResponse:
    """The telephone number stands here for the one who answers for the task, and for nobody else."""
    who = subject(request)

    def look(read: Read) -> dict[str, Any]:
        found = answers.task(read, who, ident)
        person = directory.resident(read, found.resident)
        mine = found.owner == who.id and found.replied_at is None
        return {
            "task": row(read, found), "notice": cards.shown(read, active.notice(read, found.notice)), "mine": mine,
            "greeting": directory.greeting(person.name, person.sex, directory.age(person.born, read.now().date())),
            "phone": (person.phone or "") if mine else "", "text_max": answers.TEXT_CHARS_MAX,
        }  # fmt: skip

    return page(request, "notices/answer_task.html", **await services(request).store.read(look))


@router.post("/desk/answers/{ident}/take", dependencies=[needs(answers.PERMISSION)])
async def take(request: Request, ident: str) -> Response:
    who = subject(request)
    await services(request).store.write(lambda tx: answers.take(tx, who, ident), actor(request))
    return see_other(f"/desk/answers/{ident}")


@router.post("/desk/answers/{ident}/reply", dependencies=[needs(answers.PERMISSION)])
async def reply(request: Request, ident: str) -> Response:
    who, text = subject(request), str((await request.form()).get("text", ""))
    await services(request).store.write(lambda tx: answers.reply(tx, who, ident, text), actor(request))
    return see_other("/desk/answers")


def row(read: Read, found: Answer) -> dict[str, Any]:
    """A task for the desk's screen: posts and doors, no names."""
    owner = read.session.get(Staff, found.owner) if found.owner else None
    home = read.session.get_one(Household, read.session.get_one(Resident, found.resident).household)
    building = read.session.get_one(Building, home.building)
    area = directory.area(read, found.area)
    return {
        "id": found.id, "kind": found.kind, "word": _(answers.KINDS[found.kind]), "text": found.text, "at": found.at,
        "due": found.due, "overdue": found.overdue, "reply": found.reply, "replied_at": found.replied_at,
        "door": directory.door(pick(building.zh, building.en), home.flat), "area": pick(area.zh, area.en),
        "tz": area.tz,
        "owner": (pick(owner.title_zh, owner.title_en) or owner.id) if owner else "",
        "title": cards.shown(read, active.notice(read, found.notice)).title, "way": _(WAYS.get(found.way, found.way)),
        "written": found.way if found.way in answers.WRITTEN else "",
    }  # fmt: skip


def desk_list(read: Read, area: str) -> Mapping[str, Any]:
    return {
        "waiting": [row(read, each) for each in answers.waiting(read, area)],
        "answered": [row(read, each) for each in answers.answered(read, area)],
    }


def desk_card(read: Read, area: str) -> Mapping[str, Any]:
    waits = answers.waiting(read, area)
    return {
        "count": len(waits), "help": sum(each.kind == "help" for each in waits),
        "overdue": sum(each.overdue for each in waits),
    }  # fmt: skip


def mine(read: Read, resident: str) -> Mapping[str, Any]:
    return {"asked": [_said(read, each) for each in answers.of_resident(read, resident)]}


def under_notice(read: Read, who: Subject, notice: str) -> Mapping[str, Any]:
    """What this resident has answered to this notice."""
    viewer = reach.resident_viewer(who.id)
    level = reach.best_of(read, viewer, [notice]).get(notice, "")
    return {"received": level == "acknowledged", "text_max": answers.TEXT_CHARS_MAX}


def _said(read: Read, each: Answer) -> dict[str, Any]:
    shown = cards.shown(read, active.notice(read, each.notice))
    return {
        "url": shown.url, "title": shown.title, "word": _(answers.KINDS[each.kind]), "text": each.text, "at": each.at,
        "reply": each.reply, "replied_at": each.replied_at, "due": each.due, "tz": shown.tz or DEFAULT_ZONE,
    }  # fmt: skip


def _own(who: Subject, key: str) -> bool:
    return who.kind == "resident" and who.id == key


def _desk(who: Subject, key: str) -> bool:
    return who.area == key and who.may(answers.PERMISSION)


TOPICS = (
    Topic("notices.mine", "notices/answers_mine.html", mine, _own),
    Topic("notices.answers", "notices/answers_list.html", desk_list, _desk),
    Topic("notices.asked", "notices/answers_card.html", desk_card, _desk),
)
CARDS = (Card("me", "notices.mine", "subject", order=70), Card("desk", "notices.asked", "area", order=5))

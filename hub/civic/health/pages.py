"""The kiosk's pages: one page, and a form for each thing a neighbour may do on it. A kiosk acts on its own hut only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from hub import directory, readings, registry
from hub.access import Subject, signed_in
from hub.civic.health import alerts, kiosk, meals, slip
from hub.civic.health.idle import Patience
from hub.civic.health.models import KioskSession
from hub.db import Read, Tx
from hub.errors import NotAllowed, NotFound
from hub.i18n import _, pick
from hub.page import actor, page_live, see_other, services
from hub.services import Services

Verb = Callable[[Tx], object]
Kiosk = Annotated[Subject, signed_in("kiosk")]


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)
    _page(routes)
    _visit(routes)
    _eaten(routes)
    _result(routes)
    _help(routes)
    _demo(routes)
    return routes


def _page(routes: APIRouter) -> None:
    @routes.get("/kiosk/{hut}")
    async def kiosk_page(request: Request, hut: str, who: Kiosk) -> Response:
        own_hut(who, hut)
        hub = services(request)
        place, area = await hub.store.read(lambda read: _place(read, hut))
        keys = {"area": area.code, "hut": hut}
        cards, covers = (_placed(hub, who, surface, keys) for surface in ("kiosk_idle", "kiosk_overlay"))
        return await page_live(
            request,
            "health/kiosk.html",
            [f"{kiosk.TOPIC}:{hut}", *cards, *covers],
            hut=place,
            place=pick(area.zh, area.en),
            idle_cards=cards,
            covers=covers,
            patience=Patience.of(hub.config),
            now_ms=readings.to_ms(hub.clock.now()),
            demo=hub.demo,
        )


def _placed(hub: Services, who: Subject, surface: str, keys: Mapping[str, str]) -> list[str]:
    """The live topics that other slices put on this screen."""
    cards = [card for module in hub.modules for card in module.cards if card.surface == surface]
    topics = [f"{card.topic}:{keys[card.key]}" for card in cards if card.key in keys]
    return [topic for topic in topics if hub.feed.may_watch(who, topic)]


def _visit(routes: APIRouter) -> None:
    """Coming, measuring, looking back, going."""

    @routes.post("/kiosk/{hut}/start")
    async def start(request: Request, hut: str, who: Kiosk) -> Response:
        return await _act(request, who, hut, lambda tx: kiosk.open_session(tx, hut))

    @routes.post("/kiosk/{hut}/guest")
    async def guest(request: Request, hut: str, who: Kiosk) -> Response:
        return await _act(request, who, hut, lambda tx: kiosk.open_session(tx, hut, guest=True))

    @routes.post("/kiosk/{hut}/card")
    async def card(request: Request, hut: str, card: Annotated[str, Form(max_length=64)], who: Kiosk) -> Response:
        return await _act(request, who, hut, lambda tx: kiosk.present_card(tx, hut, card))

    @routes.post("/kiosk/{hut}/consent")
    async def consent(request: Request, hut: str, who: Kiosk) -> Response:
        return await _act(request, who, hut, lambda tx: kiosk.agree(tx, hut))

    @routes.post("/kiosk/{hut}/unnamed")
    async def unnamed(request: Request, hut: str, who: Kiosk) -> Response:
        return await _act(request, who, hut, lambda tx: kiosk.measure_unnamed(tx, hut))

    @routes.post("/kiosk/{hut}/choose")
    async def choose(request: Request, hut: str, kind: Annotated[str, Form(max_length=16)], who: Kiosk) -> Response:
        return await _act(request, who, hut, lambda tx: kiosk.choose(tx, hut, kind))

    for verb, stage in (
        ("again", "ready"),
        ("ready", "ready"),
        ("history", "history"),
        ("back", "result"),
    ):
        _turn(routes, verb, stage)

    @routes.post("/kiosk/{hut}/rest")
    async def rest(request: Request, hut: str, who: Kiosk) -> Response:
        return await _act(request, who, hut, lambda tx: kiosk.rest(tx, hut))

    @routes.post("/kiosk/{hut}/touch")
    async def touch(request: Request, hut: str, who: Kiosk) -> Response:
        return await _act(request, who, hut, lambda tx: kiosk.touch(tx, hut))

    @routes.post("/kiosk/{hut}/end")
    async def end(request: Request, hut: str, who: Kiosk) -> Response:
        return await _act(request, who, hut, lambda tx: kiosk.end(tx, hut))


def _eaten(routes: APIRouter) -> None:
    """When one last ate, before a glucose or beside its result."""

    @routes.post("/kiosk/{hut}/meal")
    async def meal(request: Request, hut: str, who: Kiosk, meal: Annotated[str, Form(max_length=16)] = "") -> Response:
        return await _act(request, who, hut, lambda tx: meals.answer(tx, hut, meal))

    @routes.post("/kiosk/{hut}/ask-meal")
    async def ask_meal(request: Request, hut: str, who: Kiosk) -> Response:
        return await _act(request, who, hut, lambda tx: kiosk.ask_meal(tx, hut))


def _result(routes: APIRouter) -> None:
    """Whose the result is, and the slip of it."""

    @routes.post("/kiosk/{hut}/whose")
    async def whose(request: Request, hut: str, mine: Annotated[bool, Form()], who: Kiosk) -> Response:
        return await _act(request, who, hut, lambda tx: kiosk.answer_whose(tx, hut, mine))

    @routes.post("/kiosk/{hut}/slip")
    async def printed(request: Request, hut: str, who: Kiosk) -> Response:
        return await _act(request, who, hut, lambda tx: slip.show(tx, hut))


def _turn(routes: APIRouter, verb: str, stage: str) -> None:
    @routes.post(f"/kiosk/{{hut}}/{verb}", name=f"kiosk_{verb}")
    async def turn(request: Request, hut: str, who: Kiosk) -> Response:
        return await _act(request, who, hut, lambda tx: kiosk.turn_to(tx, hut, stage))


def _help(routes: APIRouter) -> None:
    """When a person is needed."""

    @routes.post("/kiosk/{hut}/call")
    async def call(request: Request, hut: str, who: Kiosk) -> Response:
        return await _act(request, who, hut, lambda tx: _with_visit(tx, hut, lambda visit: alerts.call(tx, visit)))

    @routes.post("/kiosk/{hut}/symptom")
    async def symptom(request: Request, hut: str, who: Kiosk) -> Response:
        return await _act(request, who, hut, lambda tx: _with_visit(tx, hut, lambda visit: alerts.feels_ill(tx, visit)))

    @routes.post("/kiosk/{hut}/doctor")
    async def doctor(request: Request, hut: str, yes: Annotated[bool, Form()], who: Kiosk) -> Response:
        return await _act(
            request, who, hut, lambda tx: _with_visit(tx, hut, lambda visit: alerts.tell_doctor(tx, visit, yes))
        )


def _demo(routes: APIRouter) -> None:
    """演示:刷卡, 演示:量血压: they start the ordinary way, a card's number here and a true frame over MQTT there."""

    @routes.post("/kiosk/{hut}/demo-card")
    async def demo_card(request: Request, hut: str, who: Kiosk) -> Response:
        stage = _stage(request)
        return await _act(request, who, hut, lambda tx: kiosk.open_session(tx, hut, card=stage.card(hut)))

    @routes.post("/kiosk/{hut}/demo-measure")
    async def demo_measure(
        request: Request, hut: str, who: Kiosk, kind: Annotated[str, Form(max_length=16)] = "bp"
    ) -> Response:
        own_hut(who, hut)
        if kind not in kiosk.KINDS:
            raise NotFound(_("This hut cannot measure that"))
        stage = _stage(request)
        await services(request).store.write(lambda tx: _chosen(tx, hut, kind), actor(request))
        await stage.measure(hut, kind)
        return see_other(f"/kiosk/{hut}")


def _chosen(tx: Tx, hut: str, kind: str) -> None:
    """What was chosen by hand stays, with what was said of the last meal."""
    visit = kiosk.open_at(tx, hut)
    if visit is None or (visit.stage, visit.focus) != ("measuring", kind):
        kiosk.choose(tx, hut, kind)


def own_hut(who: Subject, hut: str) -> None:
    if who.hut != hut:
        raise NotAllowed(_("This screen belongs to another hut; pair it again"))


async def _act(request: Request, who: Subject, hut: str, verb: Verb) -> Response:
    own_hut(who, hut)
    await services(request).store.write(verb, actor(request))
    return see_other(f"/kiosk/{hut}")


def _with_visit(tx: Tx, hut: str, verb: Callable[[KioskSession], None]) -> None:
    visit = kiosk.open_at(tx, hut)
    if visit is not None and visit.began is not None:
        kiosk.touch(tx, hut)
        verb(visit)
        tx.touch(kiosk.TOPIC, hut)


def _stage(request: Request) -> Any:
    hub = services(request)
    if not hub.demo or hub.stage is None:
        raise NotFound(_("There is nothing here for you"))
    return hub.stage


def _place(read: Read, hut: str) -> tuple[registry.Hut, directory.Area]:
    found = registry.hut(read, hut)
    return found, directory.area(read, found.area)

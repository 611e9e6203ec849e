"""/operate: the operator's board, a hut's own page, the readings as a table, and 已处理."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response

from hub.access import Subject, needs
from hub.civic.operations import acts, board, cards, errands, flow, history, recent, scope, setaside, work
from hub.civic.operations.scope import ACT, VIEW
from hub.civic.operations.words import DEVICE_WORDS, QUALITY_WORDS
from hub.db import Read, Tx
from hub.errors import NotFound
from hub.i18n import _, language
from hub.page import actor, fragments, page, page_live, see_other, services
from hub.registry import Device

Viewer = Annotated[Subject, needs(VIEW)]
Actor = Annotated[Subject, needs(ACT)]


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)
    routes.add_api_route("/operate", operate, methods=["GET"])
    routes.add_api_route("/operate/huts/{hut}", hut, methods=["GET"])
    routes.add_api_route("/operate/devices/{ident}", device, methods=["GET"])
    routes.add_api_route("/operate/readings", listed, methods=["GET"])
    routes.add_api_route("/operate/quarantine/{ident}/seen", seen, methods=["POST"])
    return routes


async def operate(
    request: Request,
    who: Viewer,
    window: Annotated[str, Query(max_length=4)] = "24h",
    did: Annotated[str, Query(max_length=36)] = "",
) -> Response:
    if window not in recent.WINDOWS:
        raise NotFound(_("There is nothing here for you"))
    within = scope.of(who).key
    names = {"work": cards.WORK, "huts": cards.HUTS, "devices": cards.DEVICES, "quarantine": cards.QUARANTINE}
    here = {part: f"{name}:{within}" for part, name in names.items()}
    here["recent"] = f"{cards.RECENT}:{cards.plot_key(window, within)}"
    topics = list(here.values())
    _renew(request, topics)
    drawn = await fragments(request, topics) | _memory(request)
    act = await services(request).store.read(lambda read: acts.newest(read, who, did))
    return page(
        request,
        "operations/operate.html",
        fragments=drawn,
        here=here,
        window=window,
        may_act=who.may(ACT),
        undo=act,
        undo_word=acts.word_of(act) if act else "",
        undo_left_ms=acts.left_ms(act, services(request).clock.now()) if act else 0,
    )


async def hut(request: Request, hut: str, who: Viewer, window: Annotated[str, Query(max_length=4)] = "24h") -> Response:
    if window not in recent.WINDOWS:
        raise NotFound(_("There is nothing here for you"))
    place = await services(request).store.read(lambda read: cards.one(read, scope.of(who), hut))
    plot = cards.plot_key(window, place.path, hut)
    topics = [f"{cards.HUT}:{cards.hut_key(place)}", f"{cards.RECENT}:{plot}"]
    _renew(request, topics)
    return await page_live(request, "operations/hut.html", topics, place=place, window=window, topics_here=topics)


async def device(
    request: Request, ident: str, who: Viewer, window: Annotated[str, Query(max_length=4)] = "7d"
) -> Response:
    """One device: its history with the alarms on it, where its readings come from, and its place in the queue."""
    if window not in history.WINDOWS:
        raise NotFound(_("There is nothing here for you"))
    within = scope.of(who)

    def look(read: Read) -> dict[str, Any]:
        known = read.session.get(Device, ident)
        home = (known.hut or known.gateway) if known is not None else ""
        places = board.look(read, within, home) if home else []
        pairs = [(box, place) for place in places for box in place.boxes if box.id == ident]
        if known is None or not pairs:
            raise NotFound(_("There is no such device"))
        box, place = pairs[0]
        tasks = [task for task in work.every(read, within) if task.key.startswith(f"device/{ident}/")]
        return {
            "box": box, "place": place, "tasks": tasks, "plot": history.draw(read, ident, known.gateway, window),
            "due": known.calibration_due, "today": read.now().date(), "twin": errands.twin_of(read, ident),
            "commands": errands.commands_of(read, ident),
        }  # fmt: skip

    found = await services(request).store.read(look)
    papers = any(each.name == "fleet" for each in services(request).modules)
    return page(
        request, "operations/device.html", **found, windows=tuple(history.WINDOWS), papers=papers, words=DEVICE_WORDS,
        qualities=QUALITY_WORDS, command_words=errands.COMMANDS, ends=errands.STATES,
    )  # fmt: skip


async def listed(request: Request, who: Viewer, device: Annotated[str, Query(max_length=64)] = "") -> Response:
    within = scope.of(who)
    rows, places = await services(request).store.read(
        lambda read: (recent.newest(read, within, device or None), board.look(read, within))
    )
    return page(
        request,
        "operations/readings.html",
        rows=rows,
        device=device,
        names={box.id: (box.name, place.name) for place in places for box in place.boxes},
        qualities=QUALITY_WORDS,
        at=services(request).clock.now(),
    )


async def seen(
    request: Request, ident: str, who: Actor, all_before: Annotated[str, Form(max_length=3)] = ""
) -> Response:
    within = scope.of(who, ACT)

    def write(tx: Tx) -> str:
        setaside.see(tx, within, ident, and_before=all_before == "yes", who=who)
        return next((event.act for event in tx.events if isinstance(event, acts.WorkActed)), "")

    did = await services(request).store.write(write, actor(request))
    return see_other(f"/operate?did={did}#quarantine" if did else "/operate#quarantine")


def _renew(request: Request, topics: list[str]) -> None:
    """Forget what was drawn while nobody looked: only for those who look does the job keep it fresh."""
    feed = services(request).feed
    unseen = [topic.partition(":") for topic in topics if not feed.viewers(topic)]
    feed.committed((), frozenset((name, key) for name, _colon, key in unseen))


def _memory(request: Request) -> dict[str, str]:
    """The fragments that the store knows nothing of, drawn for this page; the job keeps them fresh."""
    hub = services(request)
    meter = {"flow": flow.measure(hub.ingest, hub.clock.now())}
    alarms = {"tasks": work.troubles(hub.ingest.trouble, hub.down)}
    return {
        f"{cards.FLOW}:all": hub.render("operations/flow.html", meter, language()),
        f"{cards.ALARM}:all": hub.render("operations/alarm.html", alarms, language()),
    }

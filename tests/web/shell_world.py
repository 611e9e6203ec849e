"""The shell with one tiny slice and a real server: what the tests of web/ stand on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from hub import login
from hub.access import Permissions, needs, public, signed_in, subject
from hub.bus import Bus
from hub.clock import SystemClock
from hub.db import Store, Tx
from hub.errors import Conflict
from hub.feed import Feed
from hub.i18n import N_, _
from hub.ingest import Ingest
from hub.module import Card, Module, Nav, Topic
from hub.page import actor, page, page_live, see_other, services
from hub.registry import Registry
from hub.services import Services
from tests.world import LIUHE, make_store, people
from web.app import create_app
from web.render import make_render
from web.serve import HttpServer

TEMPLATES = Path(__file__).parent / "templates"
PASSWORD = "a long pass phrase"


@dataclass
class Tiny:
    """A slice whose whole state is a list of notes: enough to see live fragments, forms and permissions."""

    notes: list[dict[str, Any]] = field(default_factory=list)
    emergency: list[dict[str, Any]] = field(default_factory=list)
    points: int = 1351
    drawn: int = 0

    def module(self) -> Module:
        return Module(
            name="tiny",
            title=N_("Tiny"),
            router=self.router,
            permissions={"tiny.write": ("staff",), "tiny.own": ("resident",)},
            topics=(
                Topic("tiny.notes", "tiny/notes.html", self._notes, lambda who, key: True),
                Topic("tiny.tv", "tiny/tv.html", self._notes, lambda who, key: True),
                Topic("tiny.tv_hours", "tiny/tv_hours.html", lambda read, key: {}, lambda who, key: True),
                Topic("tiny.alarm", "tiny/alarm.html", self._alarm, lambda who, key: True),
                Topic("tiny.purse", "tiny/purse.html", self._purse, lambda who, key: who.household == key),
                Topic("tiny.form", "tiny/form.html", lambda read, key: {}, lambda who, key: who.area == key),
            ),
            cards=(
                Card("home", "tiny.purse", "household", 1),
                Card("home", "tiny.notes", "area", 2),
                Card("me", "tiny.form", "area", 1),
                Card("tv", "tiny.tv", "area", 1, N_("Notices")),
                Card("tv", "tiny.tv_hours", "area", 2, N_("Guide")),
                Card("tv_overlay", "tiny.alarm", "area"),
            ),
            nav=(
                Nav("resident", "/tiny", N_("Points"), "tiny.own", "points", 40),
                Nav("staff", "/desk/tiny", N_("Tiny"), "tiny.write", "notice", 10),
                Nav("staff", "/tiny-books", N_("Books"), "tiny.write", "tasks", 20),
            ),
            csrf_exempt=("/signed/tiny",),
        )

    def _notes(self, read: Any, key: str) -> dict[str, Any]:
        self.drawn += 1
        return {"notes": self.notes, "now": read.now()}

    def _alarm(self, read: Any, key: str) -> dict[str, Any]:
        return {"notes": self.emergency}

    def _purse(self, read: Any, key: str) -> dict[str, Any]:
        return {"points": self.points}

    def router(self) -> APIRouter:
        routes = APIRouter()

        @routes.get("/desk/tiny", dependencies=[needs("tiny.write")])
        async def desk(request: Request) -> HTMLResponse:
            topic = f"tiny.notes:{LIUHE}"
            return await page_live(request, "tiny/desk.html", [topic], topic=topic)

        @routes.post("/desk/tiny", dependencies=[needs("tiny.write")])
        async def write(request: Request, title: str = Form(max_length=200)) -> Response:
            await services(request).store.write(lambda tx: self.note(tx, title), actor(request))
            return see_other("/desk/tiny")

        @routes.get("/tiny-books", dependencies=[needs("tiny.write")])
        async def books(request: Request) -> HTMLResponse:
            return HTMLResponse(subject(request).kind)

        @routes.get("/tiny", dependencies=[signed_in("resident")])
        async def own(request: Request) -> HTMLResponse:
            return page(request, "tiny/own.html")

        @routes.get("/tiny/broken", dependencies=[public("a test of the last net")])
        async def broken() -> None:
            raise RuntimeError("王桂兰 151 mmHg")

        @routes.get("/tiny/conflict", dependencies=[public("a test of sentences")])
        async def conflict() -> None:
            raise Conflict(_("What was sent is too large"))

        @routes.post("/signed/tiny", dependencies=[public("signed by the sender")])
        async def hook() -> dict[str, bool]:
            return {"ok": True}

        @routes.get("/kiosk/{hut}", dependencies=[signed_in("kiosk")])
        async def kiosk(request: Request, hut: str) -> HTMLResponse:
            return page(request, "tiny/kiosk.html")

        @routes.get("/api/v1/tiny", dependencies=[needs("tiny.write")])
        async def listing() -> dict[str, Any]:
            return {"items": self.notes, "after": None}

        @routes.post("/api/v1/tiny", dependencies=[needs("tiny.write")], status_code=201)
        async def create(request: Request) -> dict[str, Any]:
            return {"id": "n"}

        return routes

    def note(self, tx: Tx, title: str, body: str = "") -> None:
        self.notes.insert(0, {"id": f"n{len(self.notes)}", "rev": 1, "title": title, "body": body, "at": tx.now()})
        tx.touch("tiny.notes", LIUHE)
        tx.touch("tiny.tv", LIUHE)


@dataclass
class Shell:
    tiny: Tiny
    store: Store
    services: Services
    app: Any
    url: str = ""
    loop: asyncio.AbstractEventLoop | None = None

    def write(self, work: Callable[[Tx], Any]) -> Any:
        """A transaction on the running server's loop, so that its screens hear of it."""
        if self.loop is None:
            return self.store.write_now(work)
        return asyncio.run_coroutine_threadsafe(self.store.write(work), self.loop).result(10)

    def token(self, surface: str, kind: str, ident: str, area: str = "") -> str:
        return str(self.write(lambda tx: login.open_session(tx, surface, kind, ident, area=area)))

    def code(self, surface: str, kind: str, ident: str, area: str = "") -> str:
        return str(self.write(lambda tx: login.issue_code(tx, surface, kind, ident, area=area)))


def make_shell(folder: Path, *, demo: bool = False, config: dict[str, str] | None = None, inline: bool = True) -> Shell:
    bus = Bus()
    store = make_store(folder, bus=bus, inline=inline)
    if not store.read_now(lambda read: read.session.get(login.Login, "s-staff")):
        store.write_now(people)
        store.write_now(_logins)
    tiny = Tiny()
    modules = (tiny.module(),)
    render = make_render(modules, None, folders=[TEMPLATES])
    clock = SystemClock()
    feed = Feed(store, [topic for module in modules for topic in module.topics], render, clock)
    bus.observe(feed.committed)
    registry = Registry(store, clock)
    hub = Services(
        store=store,
        feed=feed,
        registry=registry,
        ingest=Ingest(store, registry, clock, store.rng),
        clock=clock,
        rng=store.rng,
        net=None,  # type: ignore[arg-type]
        permissions=Permissions(module.permissions or {} for module in modules),
        modules=modules,
        render=render,
        data=folder,
        config=config or {},
        demo=demo,
    )
    return Shell(tiny, store, hub, create_app(hub))


def _logins(tx: Tx) -> None:
    login.set_password(tx, "s-staff", "staff", "s-staff", PASSWORD)
    login.set_password(tx, tx.seal.mark("10012345678", "phone"), "resident", "r-wang", PASSWORD)


@contextmanager
def running(shell: Shell) -> Iterator[Shell]:
    """The shell behind a real socket, in a thread with a loop of its own."""
    server = HttpServer(shell.services, shell.app)
    ready = threading.Event()
    ends: dict[str, Any] = {}

    async def live() -> None:
        ends["loop"], ends["stop"] = asyncio.get_running_loop(), asyncio.Event()
        task = asyncio.create_task(server.run(ends["stop"]))
        await server.started.wait()
        ready.set()
        await task

    thread = threading.Thread(target=lambda: asyncio.run(live()), name="shell", daemon=True)
    thread.start()
    if not ready.wait(20):
        raise RuntimeError("the test server did not start")
    shell.url, shell.loop = server.url, ends["loop"]
    try:
        yield shell
    finally:
        ends["loop"].call_soon_threadsafe(ends["stop"].set)
        thread.join(10)
        assert not thread.is_alive(), "the test server did not stop"
        shell.store.close()

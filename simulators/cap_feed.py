"""A simulated weather office: it posts its warnings to the hub's `/cap` as they come, and serves them as an Atom feed.

`GET /feed.atom`; `GET /sim/inbox` (what the hub answered to each, newest first); `POST /sim/mode {"mode"}`; `POST
/sim/say {"kind", "colour", "status"}` makes it speak now; `/` shows what it said. It never relays: two people do.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import escape
from typing import cast

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from simulators.far_end import Asked, Mood, life, serving, sim_endpoint
from simulators.weather_office import Bulletin, Office

EVERY_S, FIRST_S = 3 * 3600.0, 20.0  # of life; the demo's first warning stands soon after its first page
GAP_S_MIN = 60.0  # however fast the demo lives: a desk must be able to read what it decides about
AGAIN_S = (1.0, 5.0, 30.0)  # a warning that the hub did not take is said again, as often as this, then left in the feed
POST_S = 10.0
KEPT = 200
_PAGE = """<!doctype html>
<html lang="zh"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="5"><title>{name}（模拟）</title><style>
body {{ margin: 0; background: #f6f4ef; color: #182125; font: 17px/1.6 "Noto Sans CJK SC", sans-serif; }}
header {{ border-bottom: 1px solid #d5cfc2; padding: 10px 16px; text-align: center; }}
header small, footer {{ color: #4c5a60; font-size: 14px; }}
main {{ max-width: 560px; margin: 0 auto; padding: 12px; }}
article {{ background: #e4ded2; border-radius: 14px; padding: 10px 14px; margin: 0 0 12px; }}
</style></head><body>
<header>{name}<br><small>模拟的气象台 · 预警只送到值班台，由两人签发才会上屏</small></header>
<main>{articles}</main></body></html>
"""
_STATUS = {"Actual": "", "Exercise": "【演练】", "Test": "【测试】"}


@dataclass(frozen=True)
class WeatherSim:
    """The office and its line to one hub."""

    office: Office
    cap_url: str  # where it posts
    token: str = field(repr=False)
    every_s: float = EVERY_S
    first_s: float = FIRST_S
    slow_s: tuple[float, float] = (2.0, 4.0)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class _World:
    def __init__(self, config: WeatherSim, net: httpx.AsyncClient) -> None:
        self.config, self._net = config, net
        self._dice = random.Random(f"{config.office.seed} pace")
        self.mood = Mood(random.Random(f"{config.office.seed} faults"), config.slow_s)
        self.answers: deque[dict[str, object]] = deque(maxlen=KEPT)
        self.under_way: set[asyncio.Task[None]] = set()
        if config.every_s:
            self._keep(asyncio.create_task(self._days(), name="weather office"))

    def tell_later(self, said: Bulletin) -> None:
        self._keep(asyncio.create_task(self.tell(said), name=f"warning {said.identifier}"))

    async def tell(self, said: Bulletin) -> None:
        """Post one message until the hub takes it or refuses it; the same bytes each time."""
        tries: list[str] = []
        entry: dict[str, object] = {
            "identifier": said.identifier, "kind": said.kind, "status": said.status, "headline": said.headline,
            "sent": said.sent.isoformat(), "answers": tries,
        }  # fmt: skip
        self.answers.appendleft(entry)
        body = self.config.office.document(said)
        for pause_s in (*AGAIN_S, None):
            tries.append(await self._post(body))
            if pause_s is None or not (tries[-1][0] == "5" or not tries[-1].isdigit()):
                return
            await asyncio.sleep(pause_s)

    async def _post(self, body: bytes) -> str:
        head = {"authorization": f"Bearer {self.config.token}", "content-type": "application/cap+xml"}
        try:
            answer = await self._net.post(self.config.cap_url, content=body, headers=head, timeout=POST_S)
        except httpx.HTTPError as fault:
            return type(fault).__name__
        return str(answer.status_code)

    async def _days(self) -> None:
        await asyncio.sleep(self.config.first_s)
        while True:
            await self.tell(self.config.office.speak(self.config.now()))
            await asyncio.sleep(max(GAP_S_MIN, self.config.every_s * self._dice.uniform(0.5, 1.5)))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)


def create_app(config: WeatherSim) -> Starlette:
    return Starlette(
        lifespan=life(config.cap_url, lambda net: _World(config, net)),
        routes=[
            Route("/feed.atom", _feed),
            Route("/sim/mode", sim_endpoint(_mode), methods=["POST"]),
            Route("/sim/say", sim_endpoint(_say), methods=["POST"]),
            Route("/sim/inbox", _inbox),
            Route("/", _shown),
        ],
    )


@asynccontextmanager
async def running(config: WeatherSim, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """The office, at work; yields its URL and stops it at the end."""
    async with serving(create_app(config), host, port) as url:
        yield url


def _world(request: Request) -> _World:
    return cast(_World, request.app.state.world)


async def _feed(request: Request) -> Response:
    world = _world(request)
    if faulty := await world.mood.fault():
        return faulty
    return Response(world.config.office.feed(), media_type="application/atom+xml")


async def _mode(request: Request, asked: Asked) -> Asked:
    world = _world(request)
    world.mood.set(asked.get("mode"))
    return {"mode": world.mood.name}


async def _say(request: Request, asked: Asked) -> Asked:
    world = _world(request)
    kind, status = str(asked.get("kind", "Alert")), str(asked.get("status", "Actual"))
    if kind not in ("Alert", "Update", "Cancel") or status not in _STATUS:
        raise ValueError("kind is Alert, Update or Cancel; status Actual, Exercise or Test")
    said = world.config.office.say(world.config.now(), kind, colour=str(asked.get("colour", "")), status=status)
    world.tell_later(said)
    return {"identifier": said.identifier, "headline": said.headline}


async def _inbox(request: Request) -> Response:
    return JSONResponse({"items": list(_world(request).answers), "after": None})


async def _shown(request: Request) -> Response:
    office = _world(request).config.office
    articles = "".join(map(_article, reversed(office.said[-50:]))) or "<p>还没有发布预警。</p>"
    return HTMLResponse(_PAGE.format(name=escape(office.name), articles=articles))


def _article(said: Bulletin) -> str:
    local, until = said.sent + timedelta(hours=8), said.expires + timedelta(hours=8)
    end = "" if said.kind == "Cancel" else f" · 至 {until:%m-%d %H:%M}"
    return (
        f"<article><b>{_STATUS[said.status]}{escape(said.headline)}</b>"
        f"<footer>{local:%m-%d %H:%M} 发布{end} · {escape(said.identifier)}</footer></article>"
    )

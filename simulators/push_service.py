"""A push service with its phones, as an application server meets them: subscriptions, encrypted messages, receipts.

`POST /sim/subscribe {"who", "key"}` gives what a browser's `subscribe()` gives; `GET /sim/inbox` shows what the phones
decrypted; `POST /sim/mode` (`mode`; or `status` with `times`; or `receipts` false), `/sim/phone {"who", "online"}`,
`/sim/leave {"who"}`, `/sim/tap {"token"}`; `/` shows the lock screens. Seeded.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from typing import cast

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from simulators.far_end import Asked, Mood, life, serving, sim_endpoint, whole_number
from simulators.push_platform import Arrival, Platform, Rejected, seed_of

TRY_S = 5.0
SHOWN_MAX = 50
_PAGE = """<!doctype html>
<html lang="zh"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="3"><title>手机推送（模拟）</title><style>
body {{ margin: 0; background: #2b3a40; color: #f6f4ef; font: 17px/1.6 "Noto Sans CJK SC", sans-serif; }}
header {{ padding: 10px 16px; text-align: center; }} header small {{ font-size: 14px; }}
main {{ max-width: 430px; margin: 0 auto; padding: 12px; }}
article {{ background: #f6f4ef; color: #182125; border-radius: 14px; padding: 10px 14px; margin: 0 0 12px; }}
h2 {{ font-size: 17px; margin: 0; }} p {{ margin: 0; }} footer {{ color: #4c5a60; font-size: 14px; }}
</style></head><body>
<header>锁屏<br><small>推送服务模拟服务器 · 最近 {count} 条</small></header>
<main>{articles}</main></body></html>
"""


@dataclass(frozen=True)
class PushSim:
    callback_url: str = ""  # where the phones' service worker reports; empty: it does not
    seed: int | str = 1
    receipt_delay_s: tuple[float, float] = (0.1, 0.6)
    slow_s: tuple[float, float] = (2.0, 4.0)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class _World:
    def __init__(self, config: PushSim, net: httpx.AsyncClient) -> None:
        self.config, self._net = config, net
        self.mood = Mood(random.Random(f"{config.seed} faults"), config.slow_s)
        self.platform = Platform("", seed_of(f"{config.seed} keys"), config.now)
        self._chance = random.Random(f"{config.seed} line")
        self.receipts = True
        self.statuses: deque[int] = deque()
        self.under_way: set[asyncio.Task[str]] = set()

    def report_later(self, arrival: Arrival) -> None:
        if not self.receipts:
            return
        task = asyncio.create_task(self._shown(arrival), name=f"shown {arrival.tag}")
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)

    async def _shown(self, arrival: Arrival) -> str:
        await asyncio.sleep(self._chance.uniform(*self.config.receipt_delay_s))
        return await self.report(arrival.token, "shown")

    async def report(self, token: str, did: str) -> str:
        """What sw.js tells the hub."""
        if not self.config.callback_url:
            return ""
        body = json.dumps({"r": token, "did": did}).encode()
        try:
            answer = await self._net.post(self.config.callback_url, content=body, timeout=TRY_S)
        except httpx.HTTPError as fault:
            return type(fault).__name__
        return str(answer.status_code)


def create_app(config: PushSim) -> Starlette:
    sim = {
        "/sim/mode": _mode, "/sim/subscribe": _subscribe, "/sim/phone": _phone, "/sim/leave": _leave, "/sim/tap": _tap,
    }  # fmt: skip
    return Starlette(
        lifespan=life(config.callback_url, lambda net: _World(config, net)),
        routes=[
            Route("/push/{ident}", _push, methods=["POST"]),
            *(Route(path, sim_endpoint(answer), methods=["POST"]) for path, answer in sim.items()),
            Route("/sim/inbox", _inbox),
            Route("/", _screens),
        ],
    )


@asynccontextmanager
async def running(config: PushSim, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """The simulator, listening; yields its URL and stops it at the end."""
    async with serving(create_app(config), host, port) as url:
        yield url


def _world(request: Request) -> _World:
    world = cast(_World, request.app.state.world)
    world.platform.origin = f"{request.url.scheme}://{request.url.netloc}"
    return world


async def _push(request: Request) -> Response:
    world = _world(request)
    if faulty := await world.mood.fault():
        return faulty
    if world.statuses:
        return Response(status_code=world.statuses.popleft(), headers={"retry-after": "1"})
    try:
        arrival = world.platform.take(request.path_params["ident"], request.headers, await request.body())
    except Rejected as rejected:
        return JSONResponse({"reason": rejected.why}, rejected.status)
    if arrival:
        world.report_later(arrival)
    return Response(status_code=201, headers={"location": f"/message/{world.platform.chance.getrandbits(64):016x}"})


async def _mode(request: Request, asked: Asked) -> Asked:
    world = _world(request)
    if "mode" in asked:
        world.mood.set(asked["mode"])
    if "receipts" in asked:
        world.receipts = asked["receipts"] is True
    if "status" in asked:
        status = whole_number(asked["status"], "status", 200, 599)
        world.statuses.extend([status] * whole_number(asked.get("times", 1), "times", 1, 10_000))
    return {"mode": world.mood.name, "receipts": world.receipts, "statuses": list(world.statuses)}


async def _subscribe(request: Request, asked: Asked) -> Asked:
    return _world(request).platform.subscribe(str(asked.get("who", "")), str(asked.get("key", "")))


async def _phone(request: Request, asked: Asked) -> Asked:
    world = _world(request)
    arrived = world.platform.switch(str(asked.get("who", "")), asked.get("online") is True)
    for arrival in arrived:
        world.report_later(arrival)
    return {"arrived": len(arrived)}


async def _leave(request: Request, asked: Asked) -> Asked:
    _world(request).platform.leave(str(asked.get("who", "")))
    return {"ok": True}


async def _tap(request: Request, asked: Asked) -> Asked:
    """Somebody opens a notification."""
    return {"answer": await _world(request).report(str(asked.get("token", "")), "opened")}


async def _inbox(request: Request) -> Response:
    who = request.query_params.get("who", "")
    found = [asdict(each) for each in _world(request).platform.inbox if who in {"", each.who}]
    return JSONResponse({"items": found, "after": None})


async def _screens(request: Request) -> Response:
    shown = list(_world(request).platform.inbox)[:SHOWN_MAX]
    articles = "".join(map(_article, shown)) or "<p>还没有收到推送。</p>"
    return HTMLResponse(_PAGE.format(count=len(shown), articles=articles))


def _article(arrival: Arrival) -> str:
    local = datetime.fromisoformat(arrival.at) + timedelta(hours=8)
    body = f"<p>{escape(arrival.body)}</p>" if arrival.body else ""
    return (
        f"<article><h2>{escape(arrival.title)}</h2>{body}"
        f"<footer>邻里 · {local:%m-%d %H:%M:%S} · {escape(arrival.who)}</footer></article>"
    )

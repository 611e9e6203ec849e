"""An SMS gateway as its customer meets it: signed requests, phones that receive and answer, reports that come later.

`GET /sim/inbox`, `POST /sim/mode` (`mode`; or `code` with `times`; or `report`, the status of reports to come; or
`fen`, the money left), `POST /sim/reply {"number", "text"}`; `/` shows the phones. Seeded: the same calls in the same
order give the same ids, delays and losses.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from html import escape
from typing import cast

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from simulators.far_end import Asked, Mood, asked_of, life, serving, sim_endpoint, whole_number
from simulators.sms_platform import Arrival, Platform, Rejected, mark_of

TRIES_MAX, TRY_S = 3, 5.0
ATTEMPTS_KEPT, SHOWN_MAX = 1_000, 50
_PAGE = """<!doctype html>
<html lang="zh"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="3"><title>短信（模拟）</title><style>
body {{ margin: 0; background: #f6f4ef; color: #182125; font: 17px/1.6 "Noto Sans CJK SC", sans-serif; }}
header {{ border-bottom: 1px solid #d5cfc2; padding: 10px 16px; text-align: center; }}
header small, time, footer {{ color: #4c5a60; font-size: 14px; }}
main {{ max-width: 430px; margin: 0 auto; padding: 12px; }}
article {{ background: #e4ded2; border-radius: 14px; padding: 10px 14px; margin: 4px 40px 16px 0; }}
time {{ display: block; text-align: center; }} footer {{ padding-top: 4px; }}
</style></head><body>
<header>短信<br><small>短信网关模拟服务器 · 最近 {count} 条</small></header>
<main>{articles}</main></body></html>
"""


@dataclass(frozen=True)
class SmsSim:
    """One customer's account on the simulated gateway."""

    access_id: str
    secret: str = field(repr=False)
    sign: str = "邻里"
    templates: Mapping[str, str] = field(default_factory=dict)
    callback_url: str = ""
    seed: int = 1
    report_delay_s: tuple[float, float] = (0.3, 2.0)
    slow_s: tuple[float, float] = (2.0, 4.0)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class _World:
    def __init__(self, config: SmsSim, net: httpx.AsyncClient) -> None:
        self.config, self._net = config, net
        self._chance = random.Random(f"{config.seed} line")
        self.mood = Mood(random.Random(f"{config.seed} faults"), config.slow_s)
        self.platform = Platform(
            config.access_id,
            config.secret,
            config.sign,
            config.templates,
            random.Random(f"{config.seed} ids"),
            config.now,
        )
        self.report = "DELIVRD"
        self.codes: deque[str] = deque()
        self.attempts: deque[dict[str, object]] = deque(maxlen=ATTEMPTS_KEPT)
        self.under_way: set[asyncio.Task[None]] = set()

    def report_later(self, arrival: Arrival) -> None:
        if self.report == "none":
            return
        delay_s = self._chance.uniform(*self.config.report_delay_s)
        task = asyncio.create_task(self._report(arrival, self.report, delay_s), name=f"report {arrival.id}")
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)

    async def _report(self, arrival: Arrival, code: str, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        at = self.config.now().isoformat()
        await self.tell({"type": "report", "id": arrival.id, "number": arrival.number, "code": code, "at": at})

    async def tell(self, event: Mapping[str, object]) -> dict[str, object]:
        """Post one event. The same bytes under the same signature are tried again, as long as nothing answers."""
        answers: list[str] = []
        body = json.dumps({"events": [event]}, ensure_ascii=False).encode()
        at, nonce = str(int(self.config.now().timestamp())), f"{self._chance.getrandbits(96):024x}"
        mark = mark_of(self.config.secret, "callback", self.config.access_id, at, nonce, body)
        head = f"LINLI1-HMAC-SHA256 id={self.config.access_id}, time={at}, nonce={nonce}, signature={mark}"
        for _ in range(TRIES_MAX if self.config.callback_url else 0):
            try:
                answer = await self._net.post(
                    self.config.callback_url,
                    content=body,
                    headers={"authorization": head, "content-type": "application/json"},
                    timeout=TRY_S,
                )
                answers.append(str(answer.status_code))
            except httpx.HTTPError as fault:
                answers.append(type(fault).__name__)
            if answers[-1] == "200":
                break
        attempt: dict[str, object] = {"event": dict(event), "answers": answers}
        self.attempts.appendleft(attempt)
        return attempt


def create_app(config: SmsSim) -> Starlette:
    return Starlette(
        lifespan=life(config.callback_url, lambda net: _World(config, net)),
        routes=[
            Route("/v1/messages", _messages, methods=["POST"]),
            Route("/sim/mode", sim_endpoint(_mode), methods=["POST"]),
            Route("/sim/reply", sim_endpoint(_reply), methods=["POST"]),
            Route("/sim/inbox", _inbox),
            Route("/sim/callbacks", _callbacks),
            Route("/", _phones),
        ],
    )


@asynccontextmanager
async def running(config: SmsSim, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """The simulator, listening; yields its URL and stops it at the end."""
    async with serving(create_app(config), host, port) as url:
        yield url


def _world(request: Request) -> _World:
    return cast(_World, request.app.state.world)


async def _messages(request: Request) -> Response:
    world = _world(request)
    if faulty := await world.mood.fault():
        return faulty
    try:
        world.platform.admit(request.headers.get("authorization", ""), await request.body())
        if world.codes:
            raise Rejected(world.codes.popleft())
        ident, billed, arrival = world.platform.send(await asked_of(request))
    except Rejected as rejected:
        return JSONResponse({"code": rejected.code})
    except ValueError:
        return JSONResponse({"code": "REQUEST"})
    if arrival:
        world.report_later(arrival)
    return JSONResponse({"code": "OK", "id": ident, "parts": billed})


async def _mode(request: Request, asked: Asked) -> Asked:
    world = _world(request)
    if "mode" in asked:
        world.mood.set(asked["mode"])
    if "report" in asked:
        world.report = str(asked["report"])
    if "code" in asked:
        world.codes.extend([str(asked["code"])] * whole_number(asked.get("times", 1), "times", 1, 10_000))
    if "fen" in asked:
        world.platform.fen = whole_number(asked["fen"], "fen", 0, 10**9)
    return {"mode": world.mood.name, "report": world.report, "codes": list(world.codes)}


async def _reply(request: Request, asked: Asked) -> Asked:
    """Somebody answers: {"number", "text"}, and the gateway passes it on (上行短信)."""
    world, number = _world(request), str(asked.get("number", ""))
    if not number:
        raise ValueError("number is missing")
    ident = f"up-{len(world.attempts):06d}-{world.config.now():%H%M%S%f}"
    at = world.config.now().isoformat()
    said = {"type": "reply", "id": ident, "number": number, "text": str(asked.get("text", "")), "at": at}
    return await world.tell(said)


async def _inbox(request: Request) -> Response:
    number = request.query_params.get("number", "")
    found = [asdict(each) for each in _world(request).platform.inbox if number in {"", each.number}]
    return JSONResponse({"items": found, "after": None})


async def _callbacks(request: Request) -> Response:
    return JSONResponse({"items": list(_world(request).attempts), "after": None})


async def _phones(request: Request) -> Response:
    shown = list(_world(request).platform.inbox)[:SHOWN_MAX]
    articles = "".join(map(_article, shown)) or "<p>还没有收到短信。</p>"
    return HTMLResponse(_PAGE.format(count=len(shown), articles=articles))


def _article(arrival: Arrival) -> str:
    local = datetime.fromisoformat(arrival.at) + timedelta(hours=8)
    whose = f"{arrival.number[:3]}****{arrival.number[-4:]}"
    return (
        f"<time>{local:%m-%d %H:%M:%S}</time><article>{escape(arrival.text)}"
        f"<footer>{whose} · 计费 {arrival.parts} 条</footer></article>"
    )

"""Another system that takes webhooks: it checks signature, age and repetition as ours tells it to, and keeps an inbox.

`POST /hook` takes; `GET /sim/inbox` shows what was believed, newest first, and why the rest was not; `POST /sim/mode`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.far_end import Asked, Mood, serving, sim_endpoint

AGE_S_MAX = 300
INBOX_MAX = 1_000


@dataclass
class ReceiverSim:
    secret: str = field(default="", repr=False)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    answer: int = 204  # what it says to a message it believes
    inbox: deque[dict[str, object]] = field(default_factory=lambda: deque(maxlen=INBOX_MAX))
    refused: list[str] = field(default_factory=list)
    calls: int = 0


def create_app(world: ReceiverSim) -> Starlette:
    mood = Mood(random.Random("webhook receiver"), (2.0, 4.0))
    known: set[str] = set()

    async def hook(request: Request) -> Response:
        world.calls += 1
        if (fault := await mood.fault()) is not None:
            return fault
        body = await request.body()
        if why := _wrong(world, request, body):
            world.refused.append(why)
            return Response(status_code=401)
        if world.answer >= 300:
            return Response(status_code=world.answer, headers={"location": "/elsewhere"})
        ident = request.headers["webhook-id"]
        if ident not in known:  # told twice is heard once
            known.add(ident)
            world.inbox.appendleft(json.loads(body))
        return Response(status_code=world.answer)

    async def inbox(_request: Request) -> Response:
        return JSONResponse({"items": list(world.inbox), "refused": world.refused[-20:], "after": None})

    async def mode(_request: Request, asked: Asked) -> Asked:
        mood.set(asked.get("mode"))
        return {"mode": mood.name}

    return Starlette(
        routes=[
            Route("/hook", hook, methods=["POST"]),
            Route("/sim/inbox", inbox),
            Route("/sim/mode", sim_endpoint(mode), methods=["POST"]),
        ]
    )


@asynccontextmanager
async def running(world: ReceiverSim, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    async with serving(create_app(world), host, port) as url:
        yield url


def _wrong(world: ReceiverSim, request: Request, body: bytes) -> str:
    ident, at = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
    key = base64.b64decode(world.secret.removeprefix("whsec_"))
    mark = base64.b64encode(hmac.new(key, f"{ident}.{at}.".encode() + body, hashlib.sha256).digest()).decode()
    if not hmac.compare_digest(f"v1,{mark}", request.headers.get("webhook-signature", "")):
        return "signature"
    if not at.isdigit() or abs(world.now().timestamp() - int(at)) > AGE_S_MAX:
        return "age"
    return ""

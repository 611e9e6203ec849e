"""What the simulated providers share: moods that can be set from outside, JSON in and out, a life and a socket."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import Any, Protocol

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from simulators.trust import trust

MODES = ("ok", "slow", "hang", "5xx", "flap")
HANG_S_MAX = 60.0  # a hung call is let go at last, so that a forgotten mode cannot hold sockets for ever
BODY_BYTES_MAX = 64 * 1024

Asked = Mapping[str, object]
Endpoint = Callable[[Request], Awaitable[Response]]


class Mood:
    """What a provider does to a call before it looks at it."""

    def __init__(self, chance: random.Random, slow_s: tuple[float, float]) -> None:
        self._chance, self._slow_s = chance, slow_s
        self.name = "ok"
        self._let_go = asyncio.Event()

    def set(self, name: object) -> None:
        if name not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}")
        self.name = str(name)
        self._let_go.set()
        self._let_go = asyncio.Event()

    async def fault(self) -> Response | None:
        match self.name:
            case "slow":
                await asyncio.sleep(self._chance.uniform(*self._slow_s))
            case "hang":
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._let_go.wait(), HANG_S_MAX)
                return Response(status_code=504)
            case "5xx":
                return HTMLResponse("<html><h1>502 Bad Gateway</h1></html>", status_code=502)
            case "flap" if self._chance.random() < 0.5:
                return HTMLResponse("<html><h1>503 Service Unavailable</h1></html>", status_code=503)
        return None


async def asked_of(request: Request) -> Asked:
    body = await request.body()
    asked = json.loads(body) if len(body) <= BODY_BYTES_MAX else None
    if not isinstance(asked, dict):
        raise ValueError("a JSON object is expected")
    return asked


def sim_endpoint(answer: Callable[[Request, Asked], Awaitable[Asked]]) -> Endpoint:
    """A knob of the simulation itself: what cannot be done is said with 422."""

    async def endpoint(request: Request) -> Response:
        try:
            return JSONResponse(dict(await answer(request, await asked_of(request))))
        except ValueError as fault:
            return JSONResponse({"error": str(fault)}, status_code=422)

    return endpoint


def whole_number(value: object, name: str, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{name} must be a whole number from {least} to {most}")
    return value


class World(Protocol):
    """A provider's state while it runs, with what it still has to say to its customer."""

    @property
    def under_way(self) -> Collection[asyncio.Task[Any]]: ...


def life(
    callback_url: str, make: Callable[[httpx.AsyncClient], World]
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """A lifespan: the world with its own line out, and at the end nothing left under way."""

    @asynccontextmanager
    async def lived(app: Starlette) -> AsyncIterator[None]:
        async with httpx.AsyncClient(trust_env=False, verify=trust(callback_url)) as net:
            app.state.world = world = make(net)
            yield
            for task in tuple(world.under_way):
                task.cancel()
            await asyncio.gather(*world.under_way, return_exceptions=True)

    return lived


class _Server(uvicorn.Server):
    """Leaves Ctrl-C to the program it is a part of."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: Starlette, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    # Bound here, because uvicorn answers a taken port with sys.exit and would take the whole program with it. Callers
    # that are quicker than its start wait in the socket's queue.
    with socket.create_server((host, port)) as listening:
        server = _Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1))
        task = asyncio.create_task(server.serve(sockets=[listening]), name=f"server on {host}")
        try:
            yield f"http://{host}:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task

"""The HTTP server: uvicorn on a socket we bound ourselves, with our own signals and a clean stop under a second.

uvicorn would leave the process by `sys.exit` when a port is taken, in the middle of the task group; so the port is
found here, before anything runs, and a taken one means the next free one.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from functools import partial

import uvicorn
from fastapi import FastAPI

from hub.errors import Unavailable
from hub.i18n import _
from hub.services import Services
from web.live import Live
from web.quick import QuickHttp

PORTS_TRIED = 50
STOP_S = 0.8  # answers under way may end; then they are cut


def bind(host: str, port: int) -> socket.socket:
    """The port, or the next free one; 0 takes any."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in range(port, min(port + PORTS_TRIED, 65536)) if port else (0,):
        door = socket.socket(family, socket.SOCK_STREAM)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((host, candidate))
        except OSError:
            door.close()
            continue
        door.setblocking(False)
        return door
    raise Unavailable(_("No free port from {port} on; choose another with --port").format(port=port))


class _Quiet(uvicorn.Server):
    """Signals belong to whoever runs the whole program; `begun` says when requests are taken."""

    def __init__(self, config: uvicorn.Config, begun: asyncio.Event) -> None:
        super().__init__(config)
        self._begun = begun

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._begun.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    def __init__(self, services: Services, app: FastAPI, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.services, self.app = services, app
        self.socket = bind(host, port)
        self.host, self.port = host, int(self.socket.getsockname()[1])
        self.started = asyncio.Event()

    @property
    def url(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{name}:{self.port}"

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`; then live screens are told to come back (1012) and answers under way end."""
        live: Live = self.app.state.live
        config = uvicorn.Config(
            self.app,
            http=partial(QuickHttp, self.app.state.quick),  # type: ignore[arg-type] # called as a class is
            ws=live.take,  # type: ignore[arg-type] # a factory of protocols, as uvicorn calls it
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=True,
            timeout_keep_alive=20,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=32 * 1024,
        )
        server = _Quiet(config, self.started)
        serving = asyncio.create_task(server.serve(sockets=[self.socket]), name="http")
        revising = asyncio.create_task(live.revise(), name="live-revise")
        stopping = asyncio.create_task(stop.wait(), name="http-stop")
        try:
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
                raise Unavailable(_("The web server ended by itself"))
        finally:
            for task in (revising, stopping):
                task.cancel()
            server.should_exit = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await live.close()
                    await asyncio.shield(serving)
            server.force_exit = True
            await asyncio.gather(serving, revising, stopping, return_exceptions=True)

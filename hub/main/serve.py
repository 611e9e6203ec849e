"""`linli serve`: the hub for real use. No simulators, no demo logins, no stage."""

from __future__ import annotations

import asyncio
import os
import resource
import signal

from rich.console import Console

from hub import garbage
from hub.logs import configure
from hub.main import wiring
from hub.main.running import Running
from hub.mqtt import PahoDoor
from hub.settings import Settings


async def _serve(settings: Settings, roles: tuple[str, ...], console: Console) -> None:
    stop = asyncio.Event()

    def asked() -> None:
        if stop.is_set():
            os._exit(130)  # the second Ctrl-C means now
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked)
    hub = Running(wiring.services(settings))
    await hub.start(settings, roles)
    garbage.started()
    if hub.http is not None:
        console.print(f"web {hub.http.url}")
    for name, (host, port) in hub.mqtt_listeners.items():
        console.print(f"{name} {host}:{port}")
    console.print("ready")
    behind = asyncio.create_task(_say_behind(hub, console), name="say-behind")
    try:
        await stop.wait()
    finally:
        behind.cancel()
        await hub.finish()


async def _say_behind(hub: Running, console: Console) -> None:
    """An operator's own broker may be away just now; readings come from when it has granted our subscriptions."""
    if isinstance(hub.door, PahoDoor):
        await hub.door.wait_until_ready()
        console.print(f"behind the MQTT broker at {hub.door.address.host}:{hub.door.address.port}")


def _open_files() -> None:
    """A connection is an open file, and many systems give a program 1,024 that would grant twenty times as many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run(settings: Settings, *, roles: tuple[str, ...] = ("all",)) -> None:
    configure(settings.log_level)
    _open_files()
    asyncio.run(_serve(settings, roles, Console(stderr=True, highlight=False)))

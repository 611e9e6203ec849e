"""Where a foreign client goes and what it wants there; and the two brokers it is tried on, with all their listeners."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hub.broker.peer import write_mosquitto_config
from hub.rng import SeededRng
from tests.broker.rig import EVERYBODY, SECRET, _answers, _free_port, house
from tests.broker.test_broker_tls import certificate
from tests.conftest import program

USER = "watch"  # may publish and subscribe to home/#
WAIT_S = 10.0


class Refused(Exception):
    """The broker did not let this client in."""


@dataclass(frozen=True, slots=True)
class Place:
    """A broker on this machine: ports by way in."""

    ports: dict[str, int]  # tcp | tls | ws
    ca: Path


@dataclass(frozen=True, slots=True)
class Wish:
    version: int  # 4 | 5
    name: str
    secret: str = SECRET
    keeps: bool = False  # a session that outlives the line
    will: tuple[str, str] | None = None
    way: str = "tcp"


@dataclass(frozen=True, slots=True)
class Heard:
    topic: str
    payload: str
    qos: int
    retain: bool


class Guest(Protocol):
    """A foreign client library or program, made to do what the matrix asks."""

    async def open(self, place: Place, wish: Wish) -> None:
        """Raises Refused."""

    async def subscribe(self, name: str, qos: int) -> None: ...

    async def publish(self, topic: str, payload: str, qos: int, retain: bool = False) -> None: ...

    async def message(self) -> Heard: ...

    async def close(self) -> None: ...

    async def tear(self) -> None:
        """Gone without a goodbye."""


@contextlib.asynccontextmanager
async def ours(folder: Path) -> AsyncIterator[Place]:
    pair = certificate(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair)
    async with house() as home:
        _, tls = await home.broker.listen("127.0.0.1", 0, tls=context)
        _, ws = await home.broker.listen("127.0.0.1", 0, websocket=True)
        yield Place({"tcp": home.port, "tls": tls, "ws": ws}, pair)


@contextlib.asynccontextmanager
async def mosquittos(folder: Path) -> AsyncIterator[Place]:
    """Debian's mosquitto with our accounts, TLS and WebSocket."""
    pair = certificate(folder)
    ports = {way: _free_port() for way in ("tcp", "tls", "ws")}
    accounts = [(account, SECRET) for account in EVERYBODY]
    config = write_mosquitto_config(accounts, ports["tcp"], folder, SeededRng(2), user="root")
    words = config.read_text()
    words += f"listener {ports['ws']} 127.0.0.1\nprotocol websockets\n"
    words += f"listener {ports['tls']} 127.0.0.1\ncertfile {pair}\nkeyfile {pair}\n"
    config.write_text(words)
    binary = program("mosquitto")
    assert binary is not None
    process = await asyncio.create_subprocess_exec(
        binary, "-c", str(config), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(WAIT_S):
            while not await _answers(ports["tls"]):
                assert process.returncode is None, "mosquitto ended at once"
                await asyncio.sleep(0.02)  # it has no other way to say that it listens
        yield Place(ports, pair)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()

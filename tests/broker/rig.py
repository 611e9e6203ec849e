"""What the broker's tests share: accounts, a sink that can block, a client that speaks in packets, mosquitto."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from hub.broker import Broker, Limits
from hub.broker.codec import Parser, encode
from hub.broker.packets import Connack, Connect, Packet, Puback, Publish, Suback, Subscribe, Subscription, Will
from hub.broker.peer import write_mosquitto_config
from hub.broker.properties import NONE, Properties
from hub.clock import Clock, SystemClock
from hub.rng import SeededRng
from hub.uplink import Account, Uplink, Verdict
from tests.conftest import program

AREA = "420802000000"
START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
WAIT_S = 10.0


def gateway(name: str) -> Account:
    tree = f"linli/1/{AREA}/{name}"
    return Account(
        name,
        "gateway",
        (f"{tree}/up/#", f"{tree}/birth", f"{tree}/state", f"{tree}/twin/+/reported"),
        (f"{tree}/receipt", f"{tree}/dn/#", f"{tree}/twin/+/desired", f"linli/1/{AREA}/board", "linli/1/hub/state"),
        area=AREA,
    )


SCREEN = Account("screen-1", "screen", (), (f"linli/1/{AREA}/board", "linli/1/hub/state"))
INTEGRATOR = Account("watch", "integrator", ("home/#",), ("linli/1/#", "home/#"), ("linli/1/+/hut-2/#",))
HUB = Account(
    "hub",
    "hub",
    ("linli/1/#",),
    ("linli/1/+/+/up/#", "linli/1/+/+/birth", "linli/1/+/+/state", "linli/1/+/+/twin/+/reported", "linli/1/hub/state"),
)
EVERYBODY = (gateway("hut-1"), gateway("hut-2"), SCREEN, INTEGRATOR, HUB)
SECRET = "open-sesame"


class Book:
    """Accounts by name; one password for all."""

    def __init__(self) -> None:
        self.accounts = {account.id: account for account in EVERYBODY}

    async def authenticate(self, username: str, password: bytes) -> Account | None:
        return self.accounts.get(username) if password == SECRET.encode() else None


@dataclass
class Shelf:
    """The hub's side of the door. `open` clear: `put` waits. `settling` false: nothing is settled until told.
    `pressure`: how full the queue claims to be."""

    settling: bool = True
    pressure: float = 0.0
    got: list[Uplink] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    links: list[tuple[str, str, bool]] = field(default_factory=list)
    listeners: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self._changed = asyncio.Event()
        self._queue: asyncio.Queue[Uplink] | None = None

    def fill(self, queue: asyncio.Queue[Uplink]) -> None:
        """From here on a bounded queue stands behind, whose owner settles when it likes."""
        self.settling, self._queue = False, queue

    async def put(self, uplink: Uplink) -> None:
        await self.open.wait()
        if self._queue is not None:
            await self._queue.put(uplink)
            self.pressure = self._queue.qsize() / self._queue.maxsize
        self.got.append(uplink)
        self._changed.set()
        if self.settling:
            uplink.settle(Verdict.STORED)

    def refused(self, reason: str) -> None:
        self.refusals.append(reason)
        self._changed.set()

    def linked(self, account: str, connection: str, up: bool) -> None:
        self.links.append((account, connection, up))
        self._changed.set()

    def listening(self, account: str) -> None:
        self.listeners.append(account)
        self._changed.set()

    async def until(self, true: Callable[[], bool]) -> None:
        """Waits for the event, not for the time."""
        async with asyncio.timeout(WAIT_S):
            while not true():
                self._changed.clear()
                await self._changed.wait()

    async def holds(self, count: int) -> list[Uplink]:
        await self.until(lambda: len(self.got) >= count)
        return self.got

    @property
    def payloads(self) -> list[bytes]:
        return [uplink.payload for uplink in self.got]


@dataclass
class House:
    broker: Broker
    shelf: Shelf
    book: Book
    host: str
    port: int
    clients: list[Client] = field(default_factory=list)

    async def client(self, version: int = 5, name: str = "hut-1", **wanted: object) -> Client:
        """A client that has been let in."""
        client = await self.stranger(version)
        answer = await client.login(name, **wanted)  # type: ignore[arg-type]
        assert answer.reason == 0
        return client

    async def stranger(self, version: int = 5) -> Client:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        self.clients.append(Client(reader, writer, version))
        return self.clients[-1]


@contextlib.asynccontextmanager
async def house(clock: Clock | None = None, limits: Limits | None = None) -> AsyncIterator[House]:
    shelf, book = Shelf(), Book()
    broker = Broker(book, shelf, clock or SystemClock(), SeededRng(1), limits=limits or Limits())
    host, port = await broker.listen("127.0.0.1", 0)
    home = House(broker, shelf, book, host, port)
    try:
        yield home
    finally:
        await broker.stop()
        for client in home.clients:
            await client.vanish()
    assert broker.counters.faults == 0


class Client:
    """Packets over a real socket, so that a test can say exactly what crosses the line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, version: int) -> None:
        self.reader = reader
        self.writer = writer
        self.version = version
        self._parser = Parser(1_000_000, version=version)
        self._packets: list[Packet] = []

    async def login(
        self,
        name: str | None = "hut-1",
        *,
        secret: str | None = SECRET,
        client_id: str = "c1",
        clean: bool = True,
        will: Will | None = None,
        keep_alive_s: int = 60,
        properties: Properties = NONE,
    ) -> Connack:
        password = None if secret is None else secret.encode()
        await self.send(Connect(self.version, client_id, clean, keep_alive_s, name, password, will, properties))
        answer = await self.next()
        assert isinstance(answer, Connack)
        return answer

    async def send(self, *packets: Packet) -> None:
        await self.raw(b"".join(encode(packet, self.version) for packet in packets))

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def next(self) -> Packet | None:
        """The next packet, or None when the broker has closed the line."""
        async with asyncio.timeout(WAIT_S):
            while not self._packets:
                try:
                    data = await self.reader.read(65_536)
                except ConnectionError:
                    return None
                if not data:
                    return None
                self._packets += self._parser.feed(data)
        return self._packets.pop(0)

    async def publish(self, topic: str, payload: bytes, packet_id: int = 1, **more: object) -> Packet | None:
        """QoS 1, and what comes back."""
        await self.send(Publish(topic, payload, 1, packet_id=packet_id, **more))  # type: ignore[arg-type]
        return await self.next()

    async def subscribe(self, *names: str, qos: int = 1) -> tuple[int, ...]:
        await self.send(Subscribe(9, tuple(Subscription(name, qos) for name in names)))
        answer = await self.next()
        assert isinstance(answer, Suback)
        return answer.reasons

    async def message(self) -> Publish:
        """The next message; a QoS 1 one is acknowledged."""
        packet = await self.next()
        assert isinstance(packet, Publish), packet
        if packet.qos == 1:
            await self.send(Puback(packet.packet_id))
        return packet

    async def vanish(self) -> None:
        """Ends without DISCONNECT, as a power cut would."""
        self.writer.transport.abort()  # type: ignore[attr-defined]
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def device(port: int, version: int = 5, name: str = "hut-1", **wanted: object) -> AsyncIterator[Client]:
    """A client that has been let in, at any broker. To mosquitto equal client ids are one session, whoever logs in."""
    wanted.setdefault("client_id", name)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = Client(reader, writer, version)
    try:
        assert (await client.login(name, **wanted)).reason == 0  # type: ignore[arg-type]
        yield client
    finally:
        await client.vanish()


def up(name: str = "hut-1", device: str = "bp-1", codec: str = "sig.2a35") -> str:
    return f"linli/1/{AREA}/{name}/up/{device}/{codec}"


@contextlib.asynccontextmanager
async def mosquitto(folder: Path, more: Iterable[tuple[Account, str]] = ()) -> AsyncIterator[int]:
    """Debian's broker with our accounts, and more with secrets of their own; yields its port."""
    port = _free_port()
    config = write_mosquitto_config(
        [*((account, SECRET) for account in EVERYBODY), *more],
        port,
        folder,
        SeededRng(2),
        user="root" if os.geteuid() == 0 else "",
    )
    binary = program("mosquitto")
    assert binary is not None
    process = await asyncio.create_subprocess_exec(
        binary, "-c", str(config), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(WAIT_S):
            while not await _answers(port):
                assert process.returncode is None, "mosquitto ended at once"
                await asyncio.sleep(0.01)  # it has no other way to say that it listens
        yield port
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return True


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])

"""What the clause tests share: an account that may do everything, and short ways to say and to expect."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.broker import Limits, wire
from hub.broker import packets as p
from hub.broker.properties import Properties
from hub.clock import Clock, SystemClock
from hub.uplink import Account
from tests.broker.lasting import Lasting
from tests.broker.rig import Client, House, house

FREE = Account("free", "integrator", ("#", "$x/#"), ("#", "$x/#"))
KEPT = Properties(session_expiry_s=600)
BOTH = pytest.mark.parametrize("version", [4, 5])


@contextlib.asynccontextmanager
async def hall(clock: Clock | None = None, limits: Limits | None = None) -> AsyncIterator[House]:
    """A broker in memory; the long form keeps its sessions on disk, where the same clauses hold."""
    async with contextlib.AsyncExitStack() as stack:
        opened = house(clock, limits)
        if os.environ.get("LINLI_TEST_LONG") == "1":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            opened = Lasting(folder / "broker.db", clock or SystemClock(), limits or Limits()).house()
        home = await stack.enter_async_context(opened)
        home.book.accounts["free"] = FREE
        yield home


async def enter(home: House, version: int = 5, client_id: str = "c", **wanted: object) -> Client:
    """A client of the account that may do everything."""
    return await home.client(version, "free", client_id=client_id, **wanted)


async def stays(home: House, version: int, client_id: str = "c") -> tuple[Client, p.Connack]:
    """A client whose session is kept, in either version's words, and whether it was there before."""
    client = await home.stranger(version)
    kept = KEPT if version == 5 else Properties()
    answer = await client.login("free", client_id=client_id, clean=False, properties=kept)
    assert answer.reason == 0
    return client, answer


async def assert_closed(client: Client, code: int | None = None) -> None:
    """The line ends; MQTT 5 is told why, when a code is given and the client was in."""
    answer = await client.next()
    if code is not None and client.version == 5:
        assert answer == p.Disconnect(code), answer
        answer = await client.next()
    assert answer is None, answer


async def assert_quiet(client: Client) -> None:
    """Nothing stands on the line but the answer to a ping."""
    await client.send(p.Pingreq())
    assert await client.next() == p.Pingresp()


def frame(first: int, body: bytes) -> bytes:
    return bytes((first,)) + wire.varint(len(body)) + body


def connect(
    version: int,
    *,
    name: bytes = b"MQTT",
    level: int | None = None,
    flags: int = 0xC2,
    body: bytes | None = None,
    properties: bytes = b"\x00",
) -> bytes:
    """A CONNECT by hand; the payload is client id `c`, user `free` and the right password unless told."""
    payload = wire.binary(b"c") + wire.binary(b"free") + wire.binary(b"open-sesame") if body is None else body
    head = wire.binary(name) + bytes((version if level is None else level, flags)) + b"\x00\x3c"
    return frame(0x10, head + (properties if version == 5 else b"") + payload)


def publish(
    version: int, topic: bytes = b"a", *, first: int = 0x30, packet_id: bytes = b"", properties: bytes = b"\x00"
) -> bytes:
    return frame(first, wire.binary(topic) + packet_id + (properties if version == 5 else b"") + b"x")


def subscribe(version: int, *filters: bytes, options: int = 0, packet_id: bytes = b"\x00\x01") -> bytes:
    entries = b"".join(wire.binary(name) + bytes((options,)) for name in filters)
    return frame(0x82, packet_id + (b"\x00" if version == 5 else b"") + entries)


def unsubscribe(version: int, *filters: bytes, packet_id: bytes = b"\x00\x01") -> bytes:
    entries = b"".join(wire.binary(name) for name in filters)
    return frame(0xA2, packet_id + (b"\x00" if version == 5 else b"") + entries)


def about(*values: bytes) -> bytes:
    """Properties with their length in front."""
    whole = b"".join(values)
    return wire.varint(len(whole)) + whole


async def next_publish(client: Client) -> p.Publish:
    """The next message, not acknowledged."""
    packet = await client.next()
    assert isinstance(packet, p.Publish), packet
    return packet


async def next_by_qos(client: Client, count: int) -> list[p.Publish]:
    """The next so many messages, QoS by QoS: order binds within a QoS, and on disk QoS 2 may wait longer than QoS 1."""
    return sorted([await next_publish(client) for _ in range(count)], key=lambda packet: packet.qos)


async def kept_subscriber(home: House, version: int, qos: int = 2, name: str = "sub", **more: int) -> Client:
    kept = Properties(session_expiry_s=600, **more) if version == 5 else Properties()
    client = await home.client(version, "free", client_id=name, clean=False, properties=kept)
    assert await client.subscribe("a", qos=qos) == (qos,)
    return client

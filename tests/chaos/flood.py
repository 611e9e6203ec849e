"""Many lean MQTT 3.1.1 clients in one process: packets made by hand, so that the hub is the limit and not the driver.

Each client is one gateway's line. It sends true cuff frames, every one with a key of its own, and keeps the number of
each reading for which PUBACK came: the oracle that `lost` holds against the store.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import struct
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from devices import topics
from simulators.load import CODEC, USERS, Account

CONNACK_OK, SUBACK, PUBACK = b"\x20\x02\x00\x00", 0x90, 0x40
ID_MAX = 65_535
_FRAME = struct.Struct("<BHHHHBBBBBHB")  # flags, three pressures, time, pulse, user
SPAN_S = 3_600  # the readings of a flood were taken within the last hour


def connect_packet(account: Account, client_id: str, keepalive_s: int = 300) -> bytes:
    said = [client_id.encode(), account.id.encode(), account.password.encode()]
    body = b"\x00\x04MQTT\x04\xc2" + struct.pack(">H", keepalive_s)
    body += b"".join(struct.pack(">H", len(each)) + each for each in said)
    return b"\x10" + _length(len(body)) + body


def subscribe_packet(topic: str) -> bytes:
    name = topic.encode()
    body = struct.pack(">HH", 1, len(name)) + name + b"\x01"
    return b"\x82" + _length(len(body)) + body


def _length(size: int) -> bytes:
    out = bytearray()
    while True:
        size, digit = divmod(size, 128)
        out.append(digit | (0x80 if size else 0))
        if not size:
            return bytes(out)


class Frames:
    """The n-th reading of a gateway: another device, user or second each time."""

    def __init__(self, account: Account) -> None:
        self._devices = account.devices
        self._heads = [
            struct.pack(">H", len(topic)) + topic
            for topic in (topics.up(account.area, account.id, device, CODEC).encode() for device in account.devices)
        ]
        self._begin = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=SPAN_S)

    def device(self, n: int) -> str:
        return self._devices[n % len(self._devices)]

    def payload(self, n: int) -> bytes:
        second, user = divmod(n // len(self._devices), USERS)
        return self.payload_at(n, self._begin + timedelta(seconds=second), user)

    def payload_at(self, n: int, at: datetime, user: int) -> bytes:
        top = 100 + n % 60
        return _FRAME.pack(
            0x0E, top, 70, 80, at.year, at.month, at.day, at.hour, at.minute, at.second, 60 + n % 30, user
        )

    def publish(self, n: int, packet_id: int) -> bytes:
        body = self._heads[n % len(self._heads)] + struct.pack(">H", packet_id) + self.payload(n)
        return b"\x32" + _length(len(body)) + body


class Flooder(asyncio.Protocol):
    def __init__(self, account: Account, client_id: str, *, window: int, subscribe: bool = False) -> None:
        self.account, self.frames = account, Frames(account)
        self.window, self.due = window, 0.0  # readings it may still send; open end for a closed loop
        self.acked: list[int] = []
        self.latencies_s: deque[float] = deque(maxlen=200_000)
        self.ready, self.lost = asyncio.Event(), asyncio.Event()
        self._client_id, self._subscribe = client_id, subscribe
        self._next, self._last_id = 0, 0
        self._flying: dict[int, tuple[int, float]] = {}
        self._buffer, self._paused = b"", False
        self._transport: asyncio.Transport | None = None

    @property
    def in_flight(self) -> int:
        return len(self._flying)

    @property
    def sent(self) -> int:
        return self._next

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(connect_packet(self.account, self._client_id))

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        at, end, now = 0, len(data), asyncio.get_running_loop().time()
        while end - at >= 2 and end - at >= 2 + data[at + 1]:
            kind = data[at] & 0xF0
            if kind == PUBACK:
                n, sent = self._flying.pop((data[at + 2] << 8) | data[at + 3])
                self.acked.append(n)
                self.latencies_s.append(now - sent)
            elif kind == CONNACK_OK[0]:
                self._accepted(data[at : at + 4])
            elif kind == SUBACK:
                self.ready.set()
            at += 2 + data[at + 1]  # nothing longer than 127 bytes is sent to us
        self._buffer = data[at:]
        self.push()

    def _accepted(self, answer: bytes) -> None:
        assert self._transport is not None
        if answer != CONNACK_OK:
            self._transport.abort()
        elif self._subscribe:
            self._transport.write(subscribe_packet(topics.receipt(self.account.area, self.account.id)))
        else:
            self.ready.set()

    def push(self) -> None:
        """Send what is due, as far as window and socket allow."""
        if not self.ready.is_set() or self._transport is None:
            return
        out, now = [], asyncio.get_running_loop().time()
        while self.due >= 1 and len(self._flying) < self.window and not self._paused:
            self._last_id = self._last_id % ID_MAX + 1
            out.append(self.frames.publish(self._next, self._last_id))
            self._flying[self._last_id] = (self._next, now)
            self._next += 1
            self.due -= 1
            if len(out) >= 64:
                self._transport.write(b"".join(out))
                out.clear()
        if out:
            self._transport.write(b"".join(out))

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self.push()

    def connection_lost(self, _why: Exception | None) -> None:
        self.ready.clear()
        self.lost.set()

    def drop(self) -> None:
        if self._transport is not None:
            self._transport.abort()


async def dial(port: int, clients: Iterable[Flooder]) -> None:
    loop = asyncio.get_running_loop()
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
        await client.ready.wait()


def lost(database: Path, clients: Sequence[Flooder]) -> tuple[int, int]:
    """Acknowledged readings that the store does not hold, and rows it holds twice."""
    with closing(sqlite3.connect(database)) as store:
        rows = store.execute("SELECT device, raw_sha256 FROM reading").fetchall()
    stored = set(rows)
    missing = 0
    for client in clients:
        for n in client.acked:
            digest = hashlib.sha256(client.frames.payload(n)).hexdigest()
            missing += (client.frames.device(n), digest) not in stored
    return missing, len(rows) - len(stored)


def quantile_ms(seconds: Iterable[float], share: float) -> float:
    ordered = sorted(seconds)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 2) if ordered else 0.0

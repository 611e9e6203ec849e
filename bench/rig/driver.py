"""The driver: publishes at QoS 1 as fast as it is let or at a fixed rate, and notes when each was acknowledged.

A process of its own (`python -m bench.rig.driver`), told by lines of JSON on its standard input, so that its cost is
nobody else's. All packets are made before the clock starts; while it runs it only copies bytes: about half a
microsecond a message, far below every contestant. It says how busy it was, so that one can see if it was the limit.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from bench.rig import town

WINDOW = 480  # unacknowledged messages a connection may have: a little below the hub's receive maximum of 500
TICK_S = 0.001
DEADLINE_S = 300.0
PUBACK_BYTES = 4


@dataclass(frozen=True, slots=True)
class Order:
    """One wave: what to send where."""

    host: str
    port: int
    accounts: dict[str, str]
    messages: int  # over all connections
    first_second: int
    rate: float = 0.0  # 0: as fast as it goes
    connections: int = len(town.GATEWAYS)
    records: int = 1  # in one message; more than one: envelopes
    boot: str = "b1"
    log: str = ""  # where the times of sending and acknowledging go


@dataclass(slots=True)
class Done:
    sent: int = 0
    acknowledged: int = 0
    began: float = 0.0
    ended: float = 0.0
    cpu_s: float = 0.0
    lost: list[str] = field(default_factory=list)


def connect_packet(user: str, password: str, client: str) -> bytes:
    body = b"\x00\x04MQTT\x04\xc2\x00\x00" + b"".join(_text(each) for each in (client, user, password))
    return b"\x10" + _length(len(body)) + body


def publish_packet(topic: str, payload: bytes, packet_id: int) -> bytes:
    body = _text(topic) + packet_id.to_bytes(2, "big") + payload
    return b"\x32" + _length(len(body)) + body


def _text(text: str) -> bytes:
    return len(text.encode()).to_bytes(2, "big") + text.encode()


def _length(number: int) -> bytes:
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


class Sender(asyncio.Protocol):
    """One gateway's connection. `stream` holds all its packets, `ends` where each ends."""

    def __init__(self, hello: bytes, packets: list[bytes]) -> None:
        self._hello = hello
        self.stream = b"".join(packets)
        self.ends = [0]
        for packet in packets:
            self.ends.append(self.ends[-1] + len(packet))
        self.total = len(packets)
        self.sent = self.acknowledged = 0
        self.allowed = 0  # how many may be out by now: all, or what the rate has come to
        self.welcome = asyncio.get_running_loop().create_future()
        self.finished = asyncio.Event()
        self.sent_at: list[tuple[float, int]] = []
        self.acknowledged_at: list[tuple[float, int]] = []
        self.broken = ""
        self._rest = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._hello)

    def data_received(self, data: bytes) -> None:
        if not self.welcome.done():
            self.welcome.set_result(data[:4] == b"\x20\x02\x00\x00")
            data = data[4:]
        whole, self._rest = divmod(self._rest + len(data), PUBACK_BYTES)
        if whole:
            self.acknowledged += whole
            self.acknowledged_at.append((time.monotonic(), self.acknowledged))
            self.push()
            if self.acknowledged >= self.total:
                self.finished.set()

    def connection_lost(self, error: Exception | None) -> None:
        if self.acknowledged < self.total:
            self.broken = f"the line ended after {self.acknowledged} of {self.total}"
        self.finished.set()

    def push(self) -> None:
        """Send what the window and the rate allow, in one write."""
        until = min(self.total, self.allowed, self.acknowledged + WINDOW)
        if until > self.sent and self._transport is not None:
            self.sent_at.append((time.monotonic(), until))
            self._transport.write(self.stream[self.ends[self.sent] : self.ends[until]])
            self.sent = until

    def close(self) -> None:
        if self._transport is not None:
            self._transport.write(b"\xe0\x00")
            self._transport.close()


def senders(order: Order) -> list[Sender]:
    share = order.messages // order.connections
    made = []
    for number, (user, password) in enumerate(list(order.accounts.items())[: order.connections]):
        names = town.topics_of(user, packed=order.records > 1)
        if order.records > 1:
            bodies = town.envelopes(number, share, order.first_second, order.records, order.boot)
        else:
            bodies = town.payloads(number, share, order.first_second)
        packets = [
            publish_packet(names[place % len(names)], body, place % 65_000 + 1) for place, body in enumerate(bodies)
        ]
        made.append(Sender(connect_packet(user, password, f"{user}-driver"), packets))
    return made


async def drive(order: Order) -> Done:
    loop = asyncio.get_running_loop()
    lines = senders(order)
    for line in lines:
        await loop.create_connection(lambda line=line: line, order.host, order.port)  # type: ignore[misc]
        if not await line.welcome:
            raise ConnectionRefusedError("the broker refused the login")
    busy, done = time.process_time(), Done(began=time.monotonic())
    async with asyncio.timeout(DEADLINE_S + (order.messages / order.rate if order.rate else 0)):
        if order.rate:
            await _pace(lines, order.rate)
        else:
            for line in lines:
                line.allowed = line.total
                line.push()
        for line in lines:
            await line.finished.wait()
    done.ended, done.cpu_s = time.monotonic(), time.process_time() - busy
    for line in lines:
        done.sent += line.sent
        done.acknowledged += line.acknowledged
        done.lost += [line.broken] if line.broken else []
        line.close()
    if order.log:
        _keep(Path(order.log), lines)
    return done


def _keep(path: Path, lines: list[Sender]) -> None:
    log = [{"sent": line.sent_at, "acknowledged": line.acknowledged_at} for line in lines]
    path.write_text(json.dumps(log), encoding="utf-8")


async def _pace(lines: list[Sender], rate: float) -> None:
    """An open loop: whoever is slow does not slow the residents down."""
    began, each = time.monotonic(), rate / len(lines)
    while any(line.allowed < line.total for line in lines):
        due = int((time.monotonic() - began) * each) + 1
        for line in lines:
            line.allowed = min(due, line.total)
            line.push()
        await asyncio.sleep(TICK_S)


def main() -> int:
    """One order a line; one report a line."""
    for line in sys.stdin:
        order = Order(**cast("dict[str, Any]", json.loads(line)))
        done = asyncio.run(drive(order))
        print(json.dumps({name: getattr(done, name) for name in Done.__dataclass_fields__}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

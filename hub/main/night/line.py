"""A gateway's line on the simulated net: real MQTT 5 bytes, no paho, no socket. Same face as `simulators.line.Line`.

A line may have a second lane (another client id of the same account): entries then overtake each other, and when one
lane is cut, a gap stays between entries that arrived.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hub.broker.codec import MalformedPacket, Parser, encode
from hub.broker.packets import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Subscription,
)
from hub.broker.packets import Will as MqttWill
from hub.main.night.net import Call, Net
from simulators.line import Address, LineLost, LineRefused, PublishRefused, Will

OPEN_TIMEOUT_S = 10.0
INFLIGHT_MAX = 100
PACKET_BYTES_MAX = 1 << 20
Heard = Callable[[str, bytes], None]


@dataclass
class Habits:
    """What this gateway's software does that the protocol allows; the night turns them on and off."""

    lanes: int = 1
    repeats: bool = False  # says some messages twice
    garbage: bool = False  # sometimes sends bytes that are no MQTT


class Lane:
    """One MQTT connection, from CONNECT to its end."""

    def __init__(self, net: Net, address: tuple[str, int], connect: Connect, name: str, heard: Heard) -> None:
        self._net, self._address, self._connect, self._name, self._heard = net, address, connect, name, heard
        self._parser = Parser(PACKET_BYTES_MAX, version=5)
        self._answers: dict[int, asyncio.Future[None]] = {}
        self._queue: deque[tuple[Publish, asyncio.Future[None]]] = deque()
        self._next_id = 0
        self._call: Call | None = None
        self._accepted: asyncio.Future[None] = net.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._ponged = True
        self.lost = asyncio.Event()

    async def open(self) -> None:
        self._call = self._net.dial(self._address, self._name, self)
        self._write(self._connect)
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                await self._accepted
        except TimeoutError:
            self.end()
            raise LineRefused("no answer to CONNECT") from None
        self._timer = self._net.call_later(self._connect.keep_alive_s / 2, self._ping)

    def send(self, topic: str, payload: bytes, retain: bool) -> asyncio.Future[None]:
        answer: asyncio.Future[None] = self._net.create_future()
        self._queue.append((Publish(topic, payload, 1, retain), answer))
        self._send_what_fits()
        return answer

    async def subscribe(self, filters: Sequence[str]) -> None:
        answer: asyncio.Future[None] = self._net.create_future()
        number = self._free_id()
        self._answers[number] = answer
        self._write(Subscribe(number, tuple(Subscription(each, 1) for each in filters)))
        await answer

    def babble(self, garbage: bytes) -> None:
        if self._call is not None and not self.lost.is_set():
            self._call.to_server(garbage)

    def repeat(self, topic: str, payload: bytes, retain: bool) -> None:
        """The same message again, under another packet id, without waiting for the first."""
        _quiet(self.send(topic, payload, retain))

    def close(self) -> None:
        if not self.lost.is_set():
            self._write(Disconnect())
        self.end()

    def drop(self) -> None:
        if self._call is not None:
            self._call.cut("pulled")
        self.end()

    def end(self) -> None:
        self.lost.set()
        if self._timer is not None:
            self._timer.cancel()
        if self._call is not None:
            self._call.hang_up(from_client=True)
        waiting = [self._accepted, *self._answers.values(), *(answer for _packet, answer in self._queue)]
        self._answers.clear()
        self._queue.clear()
        for answer in waiting:
            _fail(answer, LineLost("the connection ended before the hub acknowledged"))

    # What the net calls.

    def arrived(self, data: bytes) -> None:
        if self.lost.is_set():
            return
        try:
            for packet in self._parser.feed(data):
                self._take(packet)
        except MalformedPacket:
            self.drop()

    def ended(self) -> None:
        self.end()

    def _take(self, packet: Packet) -> None:
        match packet:
            case Connack(reason=0):
                if not self._accepted.done():
                    self._accepted.set_result(None)
            case Connack(reason=reason):
                _fail(self._accepted, LineRefused(f"the hub refused the connection: 0x{reason:02x}"))
            case Publish():
                if packet.qos:
                    self._write(Puback(packet.packet_id))
                self._heard(packet.topic, packet.payload)
            case Puback():
                self._answered(packet.packet_id, packet.reason)
            case Suback():
                self._answered(packet.packet_id, max(packet.reasons) if max(packet.reasons) >= 0x80 else 0)
            case Pingresp():
                self._ponged = True
            case _:
                self.end()

    def _answered(self, number: int, reason: int) -> None:
        answer = self._answers.pop(number, None)
        if answer is not None and reason >= 0x80:
            _fail(answer, PublishRefused(reason, "refused"))
        elif answer is not None and not answer.done():
            answer.set_result(None)
        self._send_what_fits()

    def _send_what_fits(self) -> None:
        while self._queue and len(self._answers) < INFLIGHT_MAX and not self.lost.is_set():
            packet, answer = self._queue.popleft()
            number = self._free_id()
            self._answers[number] = answer
            self._write(Publish(packet.topic, packet.payload, 1, packet.retain, False, number))
        if self.lost.is_set():
            for _packet, answer in self._queue:
                _fail(answer, LineLost("not connected"))
            self._queue.clear()

    def _free_id(self) -> int:
        self._next_id = self._next_id % 65_535 + 1
        return self._next_id

    def _ping(self) -> None:
        if self.lost.is_set():
            return
        if not self._ponged:
            self.drop()
            return
        self._ponged = False
        self._write(Pingreq())
        self._timer = self._net.call_later(self._connect.keep_alive_s / 2, self._ping)

    def _write(self, packet: Packet) -> None:
        if self._call is not None:
            self._call.to_server(encode(packet, 5))


class SimLine:
    """`simulators.line.Line` on this net."""

    def __init__(
        self,
        net: Net,
        habits: Habits,
        chance: random.Random,
        address: Address,
        user: str,
        password: str,
        *,
        client_id: str,
        will: Will | None = None,
        keepalive_s: int = 30,
        on_message: Heard | None = None,
    ) -> None:
        self._habits, self._chance = habits, chance
        self.lost = asyncio.Event()
        self._lanes: list[Lane] = []
        said = MqttWill(will.topic, will.payload, 1, True) if will is not None else None
        for number in range(habits.lanes):
            connect = Connect(
                5, f"{client_id}-{number}" if number else client_id, True, keepalive_s, user, password.encode(),
                said if number == 0 else None,
            )  # fmt: skip
            self._lanes.append(Lane(net, (address.host, address.port), connect, user, on_message or _deaf))

    async def open(self) -> None:
        first, *others = self._lanes
        first.lost = self.lost  # the line is as long-lived as its first lane
        await first.open()
        for lane in others:
            try:
                await lane.open()
            except OSError:
                lane.end()
        self._lanes = [lane for lane in self._lanes if lane is first or not lane.lost.is_set()]

    async def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, properties: Mapping[str, str] | None = None
    ) -> None:
        await self._lanes[0].send(topic, payload, retain)

    def send(
        self, topic: str, payload: bytes, *, retain: bool = False, properties: Mapping[str, str] | None = None
    ) -> asyncio.Future[None]:
        lane = self._lanes[0]
        if len(self._lanes) > 1 and not retain:  # `state` and `birth` belong to the first lane
            lane = self._chance.choice([each for each in self._lanes if each is lane or not each.lost.is_set()])
        if self._habits.repeats and self._chance.random() < 0.2:
            lane.repeat(topic, payload, retain)
        answer = lane.send(topic, payload, retain)
        if self._habits.garbage and self._chance.random() < 0.05:
            lane.babble(self._chance.randbytes(self._chance.randrange(1, 40)))
        return answer

    async def subscribe(self, filters: Sequence[str]) -> None:
        await self._lanes[0].subscribe(filters)

    async def close(self) -> None:
        for lane in self._lanes:
            lane.close()

    async def drop(self) -> None:
        for lane in self._lanes:
            lane.drop()


def _deaf(_topic: str, _payload: bytes) -> None:
    """A second lane hears nothing: receipts are for the line's first one."""


def _fail(answer: asyncio.Future[None], why: Exception) -> None:
    if not answer.done():
        answer.set_exception(why)
        answer.exception()  # whoever waited may be gone; that is no error of its own


def _quiet(answer: asyncio.Future[None]) -> None:
    answer.add_done_callback(lambda done: done.cancelled() or done.exception())

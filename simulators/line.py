"""One MQTT 5 connection driven by asyncio: paho's own loop uses select() and threads, and a fleet can afford neither.

A line lives once: `open`, use, `close` (with DISCONNECT) or `drop` (the cable is pulled, so the will is due). What was
not acknowledged when it ends raises LineLost; sending again is the outbox's business, never paho's.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

INFLIGHT_MAX = 500  # on the way at once, if the hub allows as many
MISC_EVERY_S = 1.0  # keep-alive is checked to the second
OPEN_TIMEOUT_S = 10.0


class LineRefused(ConnectionError):
    """The hub answered CONNECT with a refusal, for example a wrong password."""


class LineLost(ConnectionError):
    """The connection ended before the hub acknowledged."""


class PublishRefused(PermissionError):
    """PUBACK with a failure: a topic outside the gateway's rights, a payload too large."""

    def __init__(self, code: int, name: str) -> None:
        self.code = code
        super().__init__(f"the hub refused the message: {name} (0x{code:02x})")


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Will:
    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class _Message:
    topic: str
    payload: bytes
    retain: bool
    properties: Mapping[str, str]


class Line:
    def __init__(
        self,
        address: Address,
        user: str,
        password: str,
        *,
        client_id: str,
        will: Will | None = None,
        keepalive_s: int = 30,
        on_message: Callable[[str, bytes], None] | None = None,
    ) -> None:
        self._address, self._keepalive_s = address, keepalive_s
        self._on_message = on_message
        self._answers: dict[int, asyncio.Future[None]] = {}
        self._queue: deque[tuple[_Message, asyncio.Future[None]]] = deque()
        self._room = INFLIGHT_MAX
        self._subscribed: dict[int, asyncio.Future[None]] = {}
        self._attached: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.lost = asyncio.Event()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        self._client.username_pw_set(user, password)
        self._client.max_inflight_messages_set(0)  # paho does not read the hub's receive maximum: `send` does
        if will is not None:
            self._client.will_set(will.topic, will.payload, qos=1, retain=True)

    async def open(self) -> None:
        """Connected and accepted when this returns; LineRefused or OSError when not."""
        self._loop = asyncio.get_running_loop()
        self._accepted: asyncio.Future[None] = self._loop.create_future()
        self._wire()
        # Name look-up and connect() block, hence a thread; from then on every byte moves in this loop.
        await asyncio.to_thread(
            self._client.connect, self._address.host, self._address.port, self._keepalive_s, clean_start=True
        )
        self._attach()
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                await self._accepted
        except TimeoutError:
            await self.drop()
            raise LineRefused("no answer to CONNECT; is this an MQTT port?") from None
        except BaseException:
            self._end()
            raise

    async def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, properties: Mapping[str, str] | None = None
    ) -> None:
        """QoS 1: returns when the hub has acknowledged."""
        await self.send(topic, payload, retain=retain, properties=properties)

    def send(
        self, topic: str, payload: bytes, *, retain: bool = False, properties: Mapping[str, str] | None = None
    ) -> asyncio.Future[None]:
        """Goes out in order, as soon as the hub has room for it; the future is done at PUBACK, or fails with
        PublishRefused or LineLost."""
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((_Message(topic, payload, retain, properties or {}), answer))
        self._send_what_fits()
        return answer

    async def subscribe(self, filters: Sequence[str]) -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        _rc, mid = self._client.subscribe([(each, SubscribeOptions(qos=1)) for each in filters])
        if mid is None or self.lost.is_set():
            raise LineLost("not connected")
        self._subscribed[mid] = answer
        await answer

    async def close(self) -> None:
        """Say goodbye: the will is not published."""
        if not self.lost.is_set():
            self._client.disconnect()
            if not self.lost.is_set() and self._client.want_write():
                self._client.loop_write()
        self._end()

    async def drop(self) -> None:
        """Pull the cable."""
        if self._attached is not None and not self.lost.is_set():
            self._attached.shutdown(socket.SHUT_RDWR)
            await self.lost.wait()
        self._end()

    def _send_what_fits(self) -> None:
        while self._queue and (len(self._answers) < self._room or self.lost.is_set()):
            message, answer = self._queue.popleft()
            said: Properties | None = None
            if message.properties:
                said = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
                said.UserProperty = list(message.properties.items())
            info = None
            if not self.lost.is_set():
                info = self._client.publish(message.topic, message.payload, 1, message.retain, said)
            if info is None or info.rc != mqtt.MQTT_ERR_SUCCESS:
                _fail(answer, LineLost("not connected"))
            else:
                self._answers[info.mid] = answer

    def _wire(self) -> None:
        client = self._client
        client.on_connect, client.on_disconnect, client.on_message = self._connected, self._disconnected, self._arrived
        client.on_publish, client.on_subscribe = self._published, self._granted
        client.on_socket_register_write = self._want_write
        client.on_socket_unregister_write = self._want_no_write
        client.on_socket_close = self._detach

    def _connected(
        self, _c: mqtt.Client, _u: Any, _f: mqtt.ConnectFlags, code: ReasonCode, said: Properties | None
    ) -> None:
        self._room = min(getattr(said, "ReceiveMaximum", INFLIGHT_MAX), INFLIGHT_MAX)
        if code.is_failure:
            _fail(self._accepted, LineRefused(f"the hub refused the connection: {code}"))
        elif not self._accepted.done():
            self._accepted.set_result(None)

    def _disconnected(
        self, _c: mqtt.Client, _u: Any, _f: mqtt.DisconnectFlags, code: ReasonCode, _p: Properties | None
    ) -> None:
        _fail(self._accepted, LineRefused(f"the connection ended before it was accepted: {code}"))
        self._end()

    def _arrived(self, _c: mqtt.Client, _u: Any, message: mqtt.MQTTMessage) -> None:
        if self._on_message is not None:
            self._on_message(message.topic, bytes(message.payload))

    def _published(self, _c: mqtt.Client, _u: Any, mid: int, code: ReasonCode, _p: Properties | None) -> None:
        answer = self._answers.pop(mid, None)
        if answer is None:
            return
        if code.is_failure:
            _fail(answer, PublishRefused(code.value, str(code)))
        elif not answer.done():
            answer.set_result(None)
        # Not from within paho's callback: it would write, and may read again, before this packet is done.
        self._loop.call_soon(self._send_what_fits)

    def _granted(self, _c: mqtt.Client, _u: Any, mid: int, codes: list[ReasonCode], _p: Properties | None) -> None:
        answer = self._subscribed.pop(mid, None)
        refused = [str(code) for code in codes if code.is_failure]
        if answer is None:
            return
        if refused:
            _fail(answer, LineRefused(f"the hub refused a subscription: {refused[0]}"))
        elif not answer.done():
            answer.set_result(None)

    def _attach(self) -> None:
        found = self._client.socket()
        if not isinstance(found, socket.socket):
            raise LineRefused("the connection was closed at once")
        self._attached = found
        self._loop.add_reader(found, self._read)
        if self._client.want_write():
            self._loop.add_writer(found, self._client.loop_write)
        self._timer = self._loop.call_later(MISC_EVERY_S, self._tick)

    def _read(self) -> None:
        try:
            self._client.loop_read()
        except Exception:
            # paho passes on what a callback raises and keeps the packet: without an end it would be read for ever.
            self._end()
            raise

    def _want_write(self, _client: mqtt.Client, _userdata: Any, sock: Any) -> None:
        if self._attached is not None:  # before that we are still in the connecting thread
            self._loop.add_writer(sock, self._client.loop_write)

    def _want_no_write(self, _client: mqtt.Client, _userdata: Any, sock: Any) -> None:
        if self._attached is not None:
            self._loop.remove_writer(sock)

    def _detach(self, _client: mqtt.Client, _userdata: Any, sock: Any) -> None:
        if self._attached is not None:
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)
            self._attached = None

    def _tick(self) -> None:
        if self._client.loop_misc() == mqtt.MQTT_ERR_SUCCESS and not self.lost.is_set():
            self._timer = self._loop.call_later(MISC_EVERY_S, self._tick)

    def _end(self) -> None:
        """Once the line is gone, whoever waits must know."""
        self.lost.set()
        if self._attached is not None:
            sock = self._attached
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)
            self._attached = None
            sock.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        queued = [answer for _, answer in self._queue]
        self._queue.clear()
        for answer in [*self._answers.values(), *self._subscribed.values(), *queued]:
            _fail(answer, LineLost("the connection ended before the hub acknowledged"))
        self._answers.clear()
        self._subscribed.clear()


def _fail(answer: asyncio.Future[None], why: Exception) -> None:
    if not answer.done():
        answer.set_exception(why)
        answer.exception()  # whoever waited may be gone; that is no error of its own

"""Guests that are Python libraries: paho-mqtt on its own thread, aiomqtt and gmqtt on this loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import Any

import aiomqtt
import gmqtt
import paho.mqtt.client as paho
from gmqtt.mqtt.handler import MQTTConnectError
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.interop.place import USER, WAIT_S, Heard, Place, Refused, Wish

EXPIRY_S = 600


def trust(place: Place) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(place.ca))


def kept() -> Properties:
    made = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    made.SessionExpiryInterval = EXPIRY_S
    return made


class Paho:
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._heard: asyncio.Queue[Heard] = asyncio.Queue()
        self._answers: asyncio.Queue[Any] = asyncio.Queue()

    async def open(self, place: Place, wish: Wish) -> None:
        five = wish.version == 5
        self._client = client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=wish.name,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            transport="websockets" if wish.way == "ws" else "tcp",
            clean_session=None if five else not wish.keeps,
        )
        client.username_pw_set(USER, wish.secret)
        if wish.way == "tls":
            client.tls_set_context(trust(place))
        if wish.will:
            client.will_set(*wish.will, qos=1)
        client.on_connect = lambda *said: self._tell(self._answers, said[3])
        client.on_subscribe = lambda *said: self._tell(self._answers, said[3])
        client.on_message = lambda _c, _u, m: self._tell(
            self._heard, Heard(m.topic, m.payload.decode(), m.qos, bool(m.retain))
        )
        more = {"clean_start": not wish.keeps, "properties": kept() if wish.keeps else None} if five else {}
        await asyncio.to_thread(client.connect, "127.0.0.1", place.ports[wish.way], **more)
        client.loop_start()
        code = await self._answer()
        if code.is_failure:
            client.disconnect()
            await asyncio.to_thread(client.loop_stop)
            raise Refused(str(code))

    def _tell(self, where: asyncio.Queue[Any], what: object) -> None:
        self._loop.call_soon_threadsafe(where.put_nowait, what)

    async def _answer(self) -> Any:
        async with asyncio.timeout(WAIT_S):
            return await self._answers.get()

    async def subscribe(self, name: str, qos: int) -> None:
        self._client.subscribe(name, qos)
        codes = await self._answer()
        assert not codes[0].is_failure, codes

    async def publish(self, topic: str, payload: str, qos: int, retain: bool = False) -> None:
        told = self._client.publish(topic, payload, qos, retain)
        await asyncio.to_thread(told.wait_for_publish, WAIT_S)
        assert told.is_published()

    async def message(self) -> Heard:
        async with asyncio.timeout(WAIT_S):
            return await self._heard.get()

    async def close(self) -> None:
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    async def tear(self) -> None:
        line = self._client.socket()
        self._client._thread_terminate = True  # type: ignore[assignment] # else it would come back
        if isinstance(line, socket.socket):
            line.shutdown(socket.SHUT_RDWR)
        await asyncio.to_thread(self._client.loop_stop)


class Aiomqtt:
    async def open(self, place: Place, wish: Wish) -> None:
        five = wish.version == 5
        session: dict[str, Any] = {"clean_session": not wish.keeps}
        if five:
            session = {"clean_start": not wish.keeps, "properties": kept() if wish.keeps else None}
        self._client = aiomqtt.Client(
            "127.0.0.1",
            place.ports[wish.way],
            username=USER,
            password=wish.secret,
            identifier=wish.name,
            protocol=aiomqtt.ProtocolVersion.V5 if five else aiomqtt.ProtocolVersion.V311,
            will=aiomqtt.Will(*wish.will, qos=1) if wish.will else None,
            transport="websockets" if wish.way == "ws" else "tcp",
            tls_context=trust(place) if wish.way == "tls" else None,
            **session,
        )
        try:
            await self._client.__aenter__()
        except aiomqtt.MqttCodeError as error:
            raise Refused(str(error)) from error

    async def subscribe(self, name: str, qos: int) -> None:
        await self._client.subscribe(name, qos)

    async def publish(self, topic: str, payload: str, qos: int, retain: bool = False) -> None:
        await self._client.publish(topic, payload, qos, retain)

    async def message(self) -> Heard:
        async with asyncio.timeout(WAIT_S):
            found = await anext(aiter(self._client.messages))
        assert isinstance(found.payload, bytes)
        return Heard(str(found.topic), found.payload.decode(), found.qos, bool(found.retain))

    async def close(self) -> None:
        await self._client.__aexit__(None, None, None)

    async def tear(self) -> None:
        line = self._client._client.socket()
        assert isinstance(line, socket.socket)
        line.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(aiomqtt.MqttError):
            await self._client.__aexit__(None, None, None)


class Gmqtt:
    def __init__(self) -> None:
        self._heard: asyncio.Queue[Heard] = asyncio.Queue()
        self._granted: asyncio.Queue[Any] = asyncio.Queue()

    async def open(self, place: Place, wish: Wish) -> None:
        five = wish.version == 5
        more: dict[str, Any] = {"session_expiry_interval": EXPIRY_S} if five and wish.keeps else {}
        will = gmqtt.Message(wish.will[0], wish.will[1], qos=1) if wish.will else None
        self._client = client = gmqtt.Client(wish.name, clean_session=not wish.keeps, will_message=will, **more)
        client.set_auth_credentials(USER, wish.secret)
        client.set_config({"reconnect_retries": 0})
        client.on_message = self._take
        client.on_subscribe = lambda _client, _mid, codes, _properties: self._granted.put_nowait(codes)
        context = trust(place) if wish.way == "tls" else False
        try:
            async with asyncio.timeout(WAIT_S):
                await client.connect("127.0.0.1", place.ports[wish.way], ssl=context, version=5 if five else 4)
        except MQTTConnectError as error:
            raise Refused(str(error)) from error

    def _take(self, _client: object, topic: str, payload: bytes, qos: int, properties: dict[str, Any]) -> int:
        self._heard.put_nowait(Heard(topic, payload.decode(), qos, bool(properties.get("retain"))))
        return 0

    async def subscribe(self, name: str, qos: int) -> None:
        self._client.subscribe(name, qos)
        async with asyncio.timeout(WAIT_S):
            assert (await self._granted.get())[0] < 0x80

    async def publish(self, topic: str, payload: str, qos: int, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=qos, retain=retain)
        await self._client._wait_qos_queue_drained()

    async def message(self) -> Heard:
        async with asyncio.timeout(WAIT_S):
            return await self._heard.get()

    async def close(self) -> None:
        await self._client.disconnect()

    async def tear(self) -> None:
        self._client._is_active = False  # else it would come back
        self._client._connection._transport.abort()
        await asyncio.sleep(0)

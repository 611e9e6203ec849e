"""The front door on an operator's own MQTT broker, through paho-mqtt.

    door = PahoDoor("mqtts://hub:secret@broker.example:8883/?share=linli", sink, clock, rng)
    await door.start()              # returns at once; it connects, and reconnects, for ever
    await door.wait_until_ready()
    ...
    await door.stop()

A message is acknowledged after the hub has settled it (`manual_ack`), so a killed hub gets it again.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from hub.broker.acks import AckQueue, Unacknowledged
from hub.broker.acl import Acl
from hub.broker.announce import HUB_STATE_TOPIC, hub_state
from hub.broker.deliveries import Deliveries
from hub.clock import Clock
from hub.mqtt_address import Address, parse_url
from hub.mqtt_line import PahoLine
from hub.rng import Rng
from hub.uplink import Uplink, UplinkSink, Verdict

log = logging.getLogger(__name__)

UPLINK_FILTER = "linli/1/+/+/up/#"
NOTE_FILTERS = ("linli/1/+/+/birth", "linli/1/+/+/state", "linli/1/+/+/twin/+/reported")
GATEWAY_LEVEL = 3  # linli/1/{area}/{gateway}/...: that broker's ACL guards it

KEEP_ALIVE_S = 60
CONNECT_TIMEOUT_S = 10.0
RECEIVE_MAXIMUM = 500  # unacknowledged messages on their way to the disk
# MQTT 5 keeps what waits under the receive maximum. QoS 0 and 3.1.1 do not: beyond twice that the socket is not read.
WAITING_MAX = 2 * RECEIVE_MAXIMUM
SESSION_EXPIRY_S = 7 * 86_400
DELIVERIES_MAX = 2 * RECEIVE_MAXIMUM  # those whose acknowledgement the broker may not have got
PUBLISHES_QUEUED_MAX = 10_000
FAREWELL_S = 0.5  # a broker under load answers late, and the whole stop has 3 s
BACKOFF_S = (0.5, 30.0)  # doubles between the two, with full jitter


class DoorClosed(Exception):
    """The front door was stopped, or the broker refused the message."""


@dataclass(slots=True)
class DoorCounters:
    connects: int = 0
    connect_failures: int = 0
    lost: int = 0
    publishes_in: int = 0
    acknowledged: int = 0


class PahoDoor:
    """`announce`: publish our own state, and the will that takes it back. With several workers one should do so; by
    default it is on unless the URL names a share group."""

    def __init__(self, url: str, sink: UplinkSink, clock: Clock, rng: Rng, *, announce: bool | None = None) -> None:
        self.address = parse_url(url)
        self.counters = DoorCounters()
        self._sink = sink
        self._clock = clock
        self._rng = rng
        self._announce = self.address.share is None if announce is None else announce
        self._client = _client(self.address)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        self._line = PahoLine(self._client, clock)
        self._ours = Acl((UPLINK_FILTER, *NOTE_FILTERS, *self.address.foreign))
        self._acks = AckQueue()
        self._deliveries = Deliveries(f"paho-{rng.token(4).hex()}", DELIVERIES_MAX)
        self._waiting: deque[tuple[int, Uplink]] = deque()
        self._arrived = asyncio.Event()
        self._ready = asyncio.Event()
        self._subscribing: int | None = None
        self._published: dict[int, asyncio.Future[None]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._hushed = False
        self._stopping = False

    # The door.

    async def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._stay_connected(), name="mqtt-door-connect"),
            asyncio.create_task(self._put_all(), name="mqtt-door-put"),
        ]

    async def wait_until_ready(self) -> None:
        """Returns once the broker has granted our subscriptions."""
        await self._ready.wait()

    @property
    def connected(self) -> bool:
        return self._ready.is_set()

    @property
    def faults(self) -> int:
        return self._line.faults

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """QoS 1 waits for a connection and for the broker's PUBACK; QoS 0 is lost while there is none."""
        if not qos:
            if self._ready.is_set() and not self._stopping:
                self._client.publish(topic, payload, 0, retain)
            return
        await self._ready.wait()
        if self._stopping:
            raise DoorClosed("The MQTT door is closed.")
        info = self._client.publish(topic, payload, qos, retain)
        if info.rc is MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:
            raise DoorClosed("Too many messages are waiting for the MQTT broker.")
        # paho repeats it on the next connection under the same identifier, so this outlives a lost one.
        done = self._published[info.mid] = asyncio.get_running_loop().create_future()
        try:
            await done
        finally:
            self._published.pop(info.mid, None)

    async def cut(self, account: str) -> None:
        """An operator's broker owns its connections: whoever revokes a credential there ends them there."""

    def hush(self) -> None:
        """First half of a clean stop: nothing new is taken, the broker keeps it for us; what is under way is still
        settled and acknowledged, so that the hub can empty its queue before `stop`."""
        self._hushed = True

    async def stop(self) -> None:
        """Says that the hub goes, and goes. What is not settled is not acknowledged; the broker keeps it for us."""
        told = True
        if self._announce and self._ready.is_set():
            farewell = self.publish(HUB_STATE_TOPIC, hub_state("offline", self._clock.now()), retain=True)
            try:
                await asyncio.wait_for(farewell, FAREWELL_S)
            except (TimeoutError, DoorClosed):
                told = False
                log.warning("hub state not announced")
        self._stopping = True
        self._ready.set()  # whoever waits to publish is told that the door is closed
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for waiting in self._published.values():
            if not waiting.done():
                waiting.set_exception(DoorClosed("The MQTT door was closed before the broker acknowledged."))
        if self._line.open and told:
            self._line.goodbye()
        self._line.drop()  # without a DISCONNECT our will says it for us

    # Staying connected.

    async def _stay_connected(self) -> None:
        failures = 0
        while True:
            if failures:
                ceiling = min(BACKOFF_S[1], BACKOFF_S[0] * 2 ** min(failures, 10))
                await self._clock.sleep(self._rng.uniform(0, ceiling))
            faults = self._line.faults
            try:
                await self._connect()
                await self._line.watch(self._ready)
            except Exception as error:  # no address, no route, no TLS: the operator reads it, and we try again
                self.counters.connect_failures += 1
                log.warning("mqtt broker not reached", extra={"error": type(error).__name__, "attempt": failures + 1})
            well = self._ready.is_set() and faults == self._line.faults
            failures = 0 if well else failures + 1
            self._forget_connection()

    async def _connect(self) -> None:
        client, address = self._client, self.address
        if self._announce:
            # Set before each connect: a will says when the line it hangs on began.
            client.will_set(HUB_STATE_TOPIC, hub_state("offline", self._clock.now()), qos=1, retain=True)
        if address.version == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = SESSION_EXPIRY_S
            properties.ReceiveMaximum = RECEIVE_MAXIMUM
            client.connect_async(address.host, address.port, KEEP_ALIVE_S, clean_start=False, properties=properties)
        else:
            client.connect_async(address.host, address.port, KEEP_ALIVE_S)
        self._acks = AckQueue()  # what an older connection still owes: there the identifiers named other messages
        await self._line.connect()

    def _forget_connection(self) -> None:
        if self._ready.is_set():
            self.counters.lost += 1
            log.warning("mqtt broker lost")
        self._ready.clear()
        self._line.drop()
        # Unacknowledged ones come again; QoS 0 would not.
        self._waiting = deque(item for item in self._waiting if item[0] == 0)

    async def _put_all(self) -> None:
        """Hands messages to the hub one after the other; while it waits, the broker waits."""
        while True:
            while self._waiting:
                _, uplink = self._waiting.popleft()
                try:
                    await self._sink.put(uplink)
                except Exception as error:  # unacknowledged, so it comes again on the next connection
                    self._line.fault(error)
                if len(self._waiting) <= RECEIVE_MAXIMUM:
                    self._line.read_on()
            self._arrived.clear()
            await self._arrived.wait()

    # What paho calls.

    def _on_connect(
        self, client: Client, _userdata: object, _flags: ConnectFlags, reason: ReasonCode, _properties: object
    ) -> None:
        if reason.is_failure:
            log.error("mqtt broker refused the login", extra={"reason": str(reason)})
            self._line.lost.set()
            return
        self.counters.connects += 1
        share = self.address.share
        # Only the readings are shared: retained messages are not sent on shared subscriptions (MQTT 5, 4.8.2), and
        # births and states are the same whoever takes them twice.
        turns = [f"$share/{share}/{each}" if share else each for each in (UPLINK_FILTER, *self.address.foreign)]
        filters = (*turns, *NOTE_FILTERS)
        if self.address.version == "5":
            _, self._subscribing = client.subscribe([(name, SubscribeOptions(qos=1)) for name in filters])
        else:
            _, self._subscribing = client.subscribe([(name, 1) for name in filters])
        if self._announce:
            client.publish(HUB_STATE_TOPIC, hub_state("online", self._clock.now()), 1, True)

    def _on_subscribe(
        self, _client: Client, _userdata: object, mid: int, reasons: list[ReasonCode], _properties: object
    ) -> None:
        if mid != self._subscribing:
            return
        if any(reason.is_failure for reason in reasons):
            log.error("mqtt broker refused a subscription", extra={"reason": ", ".join(map(str, reasons))})
            self._line.lost.set()
        else:
            self._ready.set()

    def _on_disconnect(
        self, _client: Client, _userdata: object, _flags: DisconnectFlags, _reason: ReasonCode, _properties: object
    ) -> None:
        self._line.lost.set()

    def _on_publish(self, _client: Client, _userdata: object, mid: int, reason: ReasonCode, _: object) -> None:
        done = self._published.get(mid)
        if done is None or done.done():
            return
        if reason.is_failure:
            done.set_exception(DoorClosed(f"The MQTT broker refused the message: {reason}."))
        else:
            done.set_result(None)

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        self.counters.publishes_in += 1
        self._line.arrived += 1
        if self._hushed:
            return
        waiting = self._acks.add(message.mid, message.qos) if message.qos else Unacknowledged(0, 0)
        settle = partial(self._settle, waiting)
        topic = _topic(message)
        if not self._ours.allowed(topic):  # left over in the session from older filters, or not UTF-8
            self._sink.refused("bad-topic")
            settle(Verdict.NOTED)
            return
        uplink = Uplink(
            _account(topic),
            topic,
            bytes(message.payload),
            self._clock.now(),
            settle,
            _user_properties(message),
            message.dup,
            message.retain,
            delivery=self._deliveries.name(message.mid, topic, message.payload, message.dup) if message.qos else None,
        )
        self._waiting.append((message.qos, uplink))
        self._arrived.set()
        if len(self._waiting) > WAITING_MAX:
            self._line.hold()

    def _settle(self, waiting: Unacknowledged, _verdict: Verdict) -> None:
        if waiting.qos == 0 or not self._line.open:
            return
        for done in self._acks.settle(waiting):
            self.counters.acknowledged += 1
            self._client.ack(done.packet_id, done.qos)


def _client(address: Address) -> Client:
    modern = address.version == "5"
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=address.client_id,
        clean_session=None if modern else False,
        protocol=MQTTProtocolVersion.MQTTv5 if modern else MQTTProtocolVersion.MQTTv311,
        manual_ack=True,
    )
    client.max_inflight_messages_set(RECEIVE_MAXIMUM)
    client.max_queued_messages_set(PUBLISHES_QUEUED_MAX)
    client.connect_timeout = CONNECT_TIMEOUT_S
    if address.username is not None:
        client.username_pw_set(address.username, address.password)
    if address.tls:
        client.tls_set_context(ssl.create_default_context(cafile=address.ca))
    return client


def _topic(message: MQTTMessage) -> str:
    try:
        return message.topic
    except UnicodeDecodeError:
        return ""


def _account(topic: str) -> str:
    """The gateway, as that broker's ACL guards it; of another maker's message nobody in particular."""
    return topic.split("/")[GATEWAY_LEVEL] if topic.startswith("linli/") else "foreign"


def _user_properties(message: MQTTMessage) -> Mapping[str, str]:
    pairs = getattr(message.properties, "UserProperty", None) if message.properties is not None else None
    return dict(pairs) if pairs else {}

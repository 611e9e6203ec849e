"""What is said on one connection: login, publishing, subscribing, leaving. It acts on packets and knows no sockets.

A publish of a gateway or integrator goes to the hub's sink; its PUBACK or PUBREC leaves when the hub settles it, and
only then do subscribers see it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from devices.topics import receipt
from hub.broker import login, reasons
from hub.broker import message as messages
from hub.broker.acks import AckQueue, Unacknowledged
from hub.broker.acl import Acl
from hub.broker.aliases import Names
from hub.broker.codec import MalformedPacket, encode
from hub.broker.packets import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)
from hub.broker.properties import NONE
from hub.broker.properties import PUBLISH as PUBLISH_TYPE
from hub.broker.session import Session
from hub.broker.subscribing import Owed, subscribe, unsubscribe
from hub.broker.topics import matches
from hub.broker.wills import LastWill
from hub.uplink import Account, Uplink, Verdict

if TYPE_CHECKING:
    from hub.broker.line import Line
    from hub.broker.server import Broker

UPLINK_KINDS = frozenset({"gateway", "integrator", "speaker"})  # whose publishes the hub stores
_NO_USER_PROPERTIES: Mapping[str, str] = {}
_PINGRESP = b"\xd0\x00"
FAREWELL_BYTES = 4  # a DISCONNECT with its reason


class Conversation:
    def __init__(self, broker: Broker, line: Line) -> None:
        self._broker = broker
        self.line = line
        self.account: Account | None = None
        self.session: Session | None = None
        self.version = 4
        self.keep_alive_s = 0
        self.welcome = False  # CONNACK 0 has been sent
        self.over = False  # nothing more is taken
        self.will: LastWill | None = None
        self.finished = asyncio.Event()
        self.receive = Acl(())
        self._publish_acl = Acl(())
        self._acks = AckQueue()
        self._twice = 0  # QoS 2 messages that stand there and among those received, until they are on disk
        self._room = asyncio.Event()
        self._aliases: dict[int, str] = {}
        self._linked = False
        self._names: Names | None = None

    async def take(self, packet: Packet | MalformedPacket) -> None:
        if type(packet) is Publish and self.session is not None:
            await self._publish(packet)
        elif isinstance(packet, MalformedPacket):
            self._refuse_bytes(packet)
        elif self.session is None:
            if isinstance(packet, Connect):
                await self._connect(packet)
            else:
                self.end(None)
        else:
            self._answer(packet, self.session)

    def _answer(self, packet: Packet, session: Session) -> None:
        match packet:
            case Pingreq():
                self.line.send(_PINGRESP)
            case Puback() | Pubcomp():
                session.acknowledged(packet.packet_id, self._broker.clock.monotonic())
                self.flush()
            case Pubrec():
                self._recorded(packet, session)
            case Pubrel():
                known = session.release_received(packet.packet_id)
                # After the disk: else a restart would take the next message of this identifier for a repetition.
                done = Pubcomp(packet.packet_id, reasons.SUCCESS if known else reasons.ID_NOT_FOUND)
                self._after_disk(session, partial(self._send, done))
            case Subscribe():
                self._subscribe(packet, session)
            case Unsubscribe():
                codes = tuple(unsubscribe(self._broker, session, name) for name in packet.filters)
                answer = Unsuback(packet.packet_id, codes)
                self._after_disk(session, partial(self._send, answer), patient=False)
            case Disconnect():
                self._disconnect(packet, session)
            case _:  # a second CONNECT [MQTT-3.1.0-2], AUTH without a method (4.12), or a packet only servers send
                self.end(reasons.PROTOCOL_ERROR)

    # Coming.

    async def _connect(self, connect: Connect) -> None:
        broker, limits = self._broker, self._broker.limits
        self.version = connect.version
        if (why := login.refusal(connect, limits)) is not None:
            return self._turn_away(why)
        account = await broker.accounts.authenticate(connect.username or "", connect.password or b"")
        if self.over or account is None:
            return self._turn_away(reasons.BAD_LOGIN)
        self._publish_acl, self.receive = (
            Acl(account.publish, account.deny),
            Acl(account.subscribe, account.deny),
        )
        if (why := login.will_refusal(connect, self._publish_acl, limits)) is not None:
            return self._turn_away(why)
        client_id = connect.client_id or f"auto-{broker.rng.token(8).hex()}"
        self.account = account  # from here on `cut` finds this connection
        await broker.credits.login(self.line, account.id)
        await broker.free_name((account.id, client_id))
        if (will := broker.wills.back((account.id, client_id), connect.clean_start)) is not None:
            await broker.last_will(will)
        if not self.over and (why := broker.no_room(account.id, client_id)) is not None:
            self._turn_away(why)
        return None if self.over else await self._let_in(connect, account, client_id)

    async def _let_in(self, connect: Connect, account: Account, client_id: str) -> None:
        broker, limits = self._broker, self._broker.limits
        session, present = broker.attach(self, account, client_id, connect.clean_start)
        session.version = connect.version
        session.expiry_s = login.session_expiry_s(connect, limits)
        session.peer_receive_maximum = connect.properties.receive_maximum or 65_535
        session.peer_packet_bytes_max = connect.properties.maximum_packet_bytes
        self.session = session
        session.write_down(None)
        self.keep_alive_s = login.keep_alive_s(connect, limits)
        if (most := connect.properties.topic_alias_maximum or 0) > 0:
            self._names = Names(min(most, limits.topic_alias_max), session.peer_packet_bytes_max)
        if connect.will is not None:
            message = messages.of_packet(connect.will, broker.clock.monotonic(), session.id)
            delay_s = float(connect.will.properties.will_delay_s or 0)
            self.will = LastWill((account.id, client_id), account, message, self.line.id, delay_s)
            broker.wills.made(self.will)
        if session.journal is not None:
            await session.journal.settled()
        if self.over:
            return None
        greeting = login.greeting(connect, client_id, limits) if connect.version == 5 else NONE
        self._send(Connack(present, reasons.SUCCESS, greeting))
        if self.over:  # it allows no packet as long as that one, and [MQTT-3.14.0-1] no DISCONNECT before it
            return None
        self.welcome = True
        if account.kind == "gateway":
            self._linked = True
            broker.sink.linked(account.id, self.line.id, True)
        forgotten = session.forgotten_retained()
        session.resume(broker.clock.monotonic())
        for entry in forgotten:
            broker.offer_retained(session, Owed(entry, broker.retained_for(entry.subscription.filter)))
        self.flush()
        return None

    def _turn_away(self, reason: int) -> None:
        if self.over:
            return
        self._broker.counters.logins_refused += 1
        self.over = True
        # [MQTT-3.2.2-6]: no session is present when the code is not 0.
        self.line.close(encode(Connack(False, reasons.connack_code(reason, self.version)), self.version))

    # Publishing.

    async def _publish(self, packet: Publish) -> None:
        broker, account, session = self._broker, self.account, self.session
        if account is None or session is None:
            return
        broker.counters.publishes_in += 1
        topic = packet.topic
        if packet.properties is not NONE:
            if packet.properties.subscription_ids:  # [MQTT-3.3.4-6]
                return self.end(reasons.PROTOCOL_ERROR)
            if packet.properties.topic_alias is not None:
                topic = self._aliased(packet, packet.properties.topic_alias)
                if not topic:
                    return self.end(reasons.TOPIC_ALIAS_INVALID)
        if packet.qos and not await self._admitted(packet, session):
            return
        if not self._lawful(packet, topic):
            return
        waiting = self._acks.add(packet.packet_id, packet.qos) if packet.qos else Unacknowledged(0, 0)
        delivery = session.delivery(packet, topic) if packet.qos else None
        settle = partial(self._settle, packet, topic, waiting, delivery)
        if account.kind not in UPLINK_KINDS:  # only the hub's own tools: their word is not a reading
            return settle(Verdict.NOTED)
        user = packet.properties.user
        await broker.sink.put(
            Uplink(
                account.id,
                topic,
                packet.payload,
                self.line.received,
                settle,
                dict(user) if user else _NO_USER_PROPERTIES,
                packet.dup,
                packet.retain,
                self.line.id,
                delivery,
            )
        )

    async def _admitted(self, packet: Publish, session: Session) -> bool:
        """Whether this message of QoS 1 or 2 is to be taken; if not, it has been answered."""
        if packet.packet_id in self._acks:
            if packet.dup:
                # The first copy is on its way to the disk and will be acknowledged; a second acknowledgement could
                # later hit another message under the same identifier.
                self._broker.counters.repeats_ignored += 1
            else:  # [MQTT-2.2.1-3]
                self.end(reasons.PROTOCOL_ERROR)
            return False
        if packet.qos == 2 and packet.packet_id in session.received:  # [MQTT-4.3.3-10]
            self._after_disk(session, partial(self._send, Pubrec(packet.packet_id)))
            return False
        maximum = self._broker.limits.receive_maximum
        under_way = len(self._acks) + len(session.received) - self._twice
        if self.version == 5 and under_way >= maximum:  # [MQTT-3.3.4-9]
            self.end(reasons.RECEIVE_MAXIMUM_EXCEEDED)
            return False
        while len(self._acks) >= maximum:  # 3.1.1 has no such figure: it is held back by TCP
            self._room.clear()
            await self._room.wait()
        return not self.over

    def _lawful(self, packet: Publish, topic: str) -> bool:
        limits, counters = self._broker.limits, self._broker.counters
        if len(packet.payload) > limits.payload_bytes_max:
            counters.refused_too_large += 1
            self._broker.sink.refused("too-large")
            self.end(reasons.TOO_LARGE)
            return False
        if not login.topic_fits(topic, limits):
            counters.refused_bad_topic += 1
            self._refuse_publish(packet, "bad-topic", reasons.TOPIC_INVALID)
            return False
        if topic[0] == "$" or not self._publish_acl.allowed(topic):  # 4.7.2: such topics are the server's own
            counters.refused_acl += 1
            self._refuse_publish(packet, "acl", reasons.NOT_AUTHORIZED)
            return False
        return True

    def _refuse_publish(self, packet: Publish, counted_as: str, reason: int) -> None:
        """[MQTT-3.3.5-2] in 5: a reason code. 3.1.1 can only close; a PUBACK would say it was stored."""
        self._broker.sink.refused(counted_as)
        if self.version != 5:
            self.end(reason)
        elif packet.qos:
            waiting = self._acks.add(packet.packet_id, packet.qos)
            self._acknowledge(self._acks.settle(waiting, reason))

    def _settle(
        self, packet: Publish, topic: str, waiting: Unacknowledged, delivery: str | None, verdict: Verdict
    ) -> None:
        """The hub has the message on disk. It may come late (the connection is gone) or twice (nothing happens)."""
        if waiting.taken:
            return
        waiting.taken = True
        session, journal = self.session, self._broker.journal
        mark = 0 if journal is None else journal.mark
        if session is not None:
            # QoS 2 on two lines of one session comes twice from the hub; subscribers must see it once.
            if packet.qos < 2 or session.first_settled(packet.packet_id, delivery or ""):
                self._broker.forward(packet, topic, session)
            if packet.qos == 2:
                session.record_received(packet.packet_id)
                self._twice += 1
        if packet.qos == 0:
            waiting.settled = True
        elif journal is None or journal.mark == mark:
            self._acknowledge(self._acks.settle(waiting))
        else:  # somebody who is away, or a topic, is to have it after a crash as well
            journal.then(lambda: self._acknowledge(self._acks.settle(waiting)))

    def _acknowledge(self, ready: list[Unacknowledged]) -> None:
        for done in ready:
            if done.qos == 1 and not done.reason:
                self.line.send(b"\x40\x02" + done.packet_id.to_bytes(2, "big"))  # the same bytes in both versions
            elif done.qos == 1:
                self._send(Puback(done.packet_id, done.reason))
            else:
                self._twice -= done.taken
                self._send(Pubrec(done.packet_id, done.reason))
        self._broker.counters.acknowledged += len(ready)
        if ready:
            self._room.set()

    def _aliased(self, packet: Publish, alias: int) -> str:
        """3.3.2.3.4; empty when the alias is unknown or beyond what we allowed [MQTT-3.3.2-9]."""
        if alias > self._broker.limits.topic_alias_max:
            return ""
        if packet.topic:
            self._aliases[alias] = packet.topic
        return self._aliases.get(alias, "")

    # Subscribing.

    def _subscribe(self, packet: Subscribe, session: Session) -> None:
        identifiers = packet.properties.subscription_ids
        answers = [
            subscribe(self._broker, self, session, wanted, identifiers[0] if identifiers else None)
            for wanted in packet.subscriptions
        ]
        suback = Suback(packet.packet_id, tuple(reasons.suback_code(code, self.version) for code, _ in answers))
        # A client that was told so may leave at once and count on its queue.
        self._after_disk(session, partial(self._send, suback), patient=False)
        for _, retained in answers:
            if retained is not None:
                self._broker.offer_retained(session, retained)
        self.flush()
        account, granted = self.account, [code < reasons.UNSPECIFIED for code, _ in answers]
        if account is not None and account.kind == "gateway":
            mine = receipt(account.area, account.id)
            if any(ok and matches(each.filter, mine) for each, ok in zip(packet.subscriptions, granted, strict=True)):
                self._broker.sink.listening(account.id)

    def _recorded(self, packet: Pubrec, session: Session) -> None:
        if packet.reason >= reasons.UNSPECIFIED:
            session.acknowledged(packet.packet_id, self._broker.clock.monotonic())
            self.flush()
        else:
            known = session.recorded(packet.packet_id)
            release = Pubrel(packet.packet_id, reasons.SUCCESS if known else reasons.ID_NOT_FOUND)
            self._after_disk(session, partial(self._send, release))

    def flush(self) -> None:
        """Send what the session has ready: once it is written down, that a restart may repeat it under its name."""
        session = self.session
        if session is None or not (ready := session.take()):
            return
        if session.journal is None:
            return self._send_all(ready)
        once: list[Publish | Pubrel] = []  # a QoS 2 message that was sent and forgotten would come twice
        rest: list[Publish | Pubrel] = []
        for packet in ready:
            (once if isinstance(packet, Pubrel) or packet.qos == 2 else rest).append(packet)
        if once:
            self._after_disk(session, partial(self._send_all, once))
        if rest:
            self._after_disk(session, partial(self._send_all, rest), patient=False)
        return None

    def _send_all(self, packets: list[Publish | Pubrel]) -> None:
        for packet in packets:
            self._broker.counters.publishes_out += isinstance(packet, Publish)
            self._send(packet)

    def _after_disk(self, session: Session, call: Callable[[], None], *, patient: bool = True) -> None:
        """An impatient call does not wait while the disk refuses."""
        if session.journal is None:
            call()
        else:
            session.journal.then(call, patient=patient)

    def pause(self) -> None:
        if self.session is not None:
            self.session.writable = False

    def go_on(self) -> None:
        if self.session is not None and not self.over:
            self.session.writable = True
            self.session.advance(self._broker.clock.monotonic())
            self.flush()

    # Leaving.

    def _disconnect(self, packet: Disconnect, session: Session) -> None:
        if packet.reason != reasons.DISCONNECT_WITH_WILL:  # [MQTT-3.1.2-10], [MQTT-3.14.4-3]
            self._forget_will()
        expiry = packet.properties.session_expiry_s
        if expiry is not None:
            if expiry and not session.expiry_s:  # 3.14.2.2.2
                return self.end(reasons.PROTOCOL_ERROR)
            session.expiry_s = min(expiry, self._broker.limits.session_expiry_s_max)
        self.over = True
        self.line.close(linger=False)

    def _forget_will(self) -> None:
        if self.will is not None:
            self._broker.wills.undone(self.will)
            self.will = None

    def _refuse_bytes(self, error: MalformedPacket) -> None:
        counters = self._broker.counters
        counters.malformed += 1
        if self.welcome and error.kind == PUBLISH_TYPE:
            why = {reasons.TOO_LARGE: "too-large", reasons.TOPIC_INVALID: "bad-topic"}.get(error.reason_code)
            counters.refused_too_large += error.reason_code == reasons.TOO_LARGE
            counters.refused_bad_topic += error.reason_code == reasons.TOPIC_INVALID
            self._broker.sink.refused(why or "malformed")
        self._broker.note("bad packet", self.line.id, error.sentence)
        if not self.welcome and error.reason_code == reasons.UNSUPPORTED_VERSION:
            return self._turn_away(error.reason_code)
        self.end(error.reason_code)

    def end(self, reason: int | None) -> None:
        """The server ends the conversation: MQTT 5 clients are told why [MQTT-4.13.1-1], others see the line close."""
        if self.over:
            return
        self.over = True
        self._room.set()
        if not self.welcome:
            self._broker.counters.connections_refused += 1
        told = self.welcome and self.version == 5 and reason is not None
        self.line.close(encode(Disconnect(reason or 0), 5) if told else b"")

    async def finish(self) -> None:
        """The line is gone and all its packets are taken: publish the will, give the session free. Once."""
        self.over = True
        self._room.set()
        if self.finished.is_set():
            return
        try:
            if self.session is not None and self.account is not None:
                await self._broker.leave(self, self.account, self.session)
        finally:
            if self._linked and self.account is not None:
                self._linked = False
                self._broker.sink.linked(self.account.id, self.line.id, False)
            self.finished.set()

    def _send(self, packet: Packet) -> None:
        if self._names is not None and isinstance(packet, Publish):
            packet = self._names.shorten(packet)
        frame = encode(packet, self.version)
        limit = self.session.peer_packet_bytes_max if self.session is not None else None
        if limit is not None and len(frame) > limit:  # [MQTT-3.1.2-24]; a PUBLISH has been judged before
            return self.end(reasons.TOO_LARGE if limit >= FAREWELL_BYTES else None)
        return self.line.send(frame)

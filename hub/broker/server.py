"""The embedded MQTT broker: who is connected, which sessions live, who gets what.

    broker = Broker(accounts, sink, clock, rng)
    host, port = await broker.listen("127.0.0.1", 0)
    ...
    await broker.stop()

It is a `Door` (hub/uplink.py). No exception on a line stops it; what went wrong is counted and logged by connection id.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial

from hub.broker import message as messages
from hub.broker import reasons
from hub.broker.announce import HUB_STATE_TOPIC, hub_state
from hub.broker.conversation import UPLINK_KINDS, Conversation
from hub.broker.counters import Counters
from hub.broker.limits import DEFAULT, Limits
from hub.broker.line import READ_BYTES_MAX, Line
from hub.broker.message import Message
from hub.broker.packets import Publish
from hub.broker.retained import Retained
from hub.broker.session import Entry, Offer, Session
from hub.broker.subscribing import Owed
from hub.broker.topics import FilterTree
from hub.broker.websocket import Framed
from hub.clock import Clock
from hub.rng import Rng
from hub.uplink import Account, Accounts, Uplink, UplinkSink, Verdict

log = logging.getLogger(__name__)

Name = tuple[str, str]  # (username, client id): take-over happens only inside one username
LISTEN_BACKLOG = 1_024  # ten thousand gateways come back together after a power cut
STOP_S = 0.5


@dataclass(slots=True)
class _LateWill:
    due_s: float
    account: Account
    will: Message
    connection: str


class Broker:
    def __init__(
        self, accounts: Accounts, sink: UplinkSink, clock: Clock, rng: Rng, *, limits: Limits = DEFAULT
    ) -> None:
        self.accounts = accounts
        self.sink = sink
        self.clock = clock
        self.rng = rng
        self.limits = limits
        self.counters = Counters()
        self.subscriptions: FilterTree[Session, Entry] = FilterTree()
        self.retained = Retained(limits)
        self.inbox = memoryview(bytearray(READ_BYTES_MAX))
        self.hushed = False
        self._boot = rng.token(4).hex()
        self._numbers = 0
        self._lines: set[Line] = set()
        self._empty = asyncio.Event()
        self._live: dict[Session, Conversation] = {}
        self._sessions: dict[Name, Session] = {}
        self._connected: Counter[str] = Counter()  # live connections by account
        self._owned: Counter[str] = Counter()  # sessions by account
        self._deadlines: dict[Name, float] = {}  # of sessions nobody is connected to
        self._late_wills: dict[Name, _LateWill] = {}
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None
        self._stopping = False

    # Opening and closing the house.

    async def listen(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        sock: socket.socket | None = None,
        tls: ssl.SSLContext | None = None,
        websocket: bool = False,
    ) -> tuple[str, int]:
        """Opens one listener (call it again for another) and says where it stands."""
        loop = asyncio.get_running_loop()
        where = {"sock": sock} if sock is not None else {"host": host, "port": port}
        kind = self._framed if websocket else self._line
        server = await loop.create_server(kind, ssl=tls, backlog=LISTEN_BACKLOG, **where)
        self._servers.append(server)
        if self._sweeper is None:
            self._sweeper = loop.create_task(self._sweep(), name="broker-sweep")
            await self.publish(HUB_STATE_TOPIC, hub_state("online", self.clock.now()), retain=True)
        address = server.sockets[0].getsockname()
        return str(address[0]), int(address[1])

    def hush(self) -> None:
        """First half of a clean stop: no new connection, nothing more is read; what is under way is still settled
        and acknowledged, so that the hub can empty its queue before `stop`. Gateways hear that they should wait."""
        self._farewell()
        self.hushed = True
        for server in self._servers:
            server.close()
        for line in self._lines:
            line.rebalance()

    async def stop(self) -> None:
        """Ends every line within a second. No wills: the gateways are well, it is we who go."""
        self._farewell()
        self._stopping = True
        self.hushed = False
        for server in self._servers:
            server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        for task in tuple(self._tasks):
            task.cancel()
        lines = tuple(self._lines)
        for line in lines:
            line.talk.end(reasons.SHUTTING_DOWN)
        await asyncio.gather(*(line.drain(STOP_S) for line in lines))
        for line in lines:
            line.abort()
        if self._lines:
            await asyncio.wait({asyncio.create_task(self._empty.wait())}, timeout=STOP_S)
        self._servers.clear()
        self._sweeper = None

    def _farewell(self) -> None:
        if not self.hushed and not self._stopping:
            self._route(Message(HUB_STATE_TOPIC, hub_state("offline", self.clock.now()), 1, True), "")

    @property
    def connections(self) -> int:
        return len(self._lines)

    @property
    def sessions(self) -> int:
        return len(self._sessions)

    # The door, as the hub uses it.

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        self._route(Message(topic, payload, qos, retain), "")

    async def cut(self, account: str) -> None:
        """Ends every connection of the account now and forgets its sessions; what waits unread on them is dropped."""
        for line in tuple(self._lines):
            talk = line.talk
            if talk.account is not None and talk.account.id == account:
                self.counters.cut += 1
                if talk.session is not None:
                    talk.session.expiry_s = 0
                talk.end(reasons.NOT_AUTHORIZED)
        for name in [name for name in self._deadlines if name[0] == account]:
            self._forget(name)

    # What a line reports.

    def _line(self) -> Line:
        self._numbers += 1
        return Line(self, f"{self._boot}-{self._numbers}")

    def _framed(self) -> Framed:
        return Framed(self._line(), self.limits)

    def opened(self, line: Line) -> None:
        self._lines.add(line)
        self._empty.clear()
        self.counters.connections_opened += 1
        if self._stopping or self.hushed or len(self._lines) > self.limits.connections_max:
            line.talk.end(None)

    def closed(self, line: Line) -> None:
        self._lines.discard(line)
        if not self._lines:
            self._empty.set()

    def fault(self, line_id: str, error: Exception) -> None:
        """Never the exception's text: it may quote what somebody sent."""
        self.counters.faults += 1
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
        log.error("connection failed", extra={"connection": line_id, "error": type(error).__name__, "where": where})

    def note(self, what: str, line_id: str, sentence: str) -> None:
        log.info(what, extra={"connection": line_id, "reason": sentence})

    # Names and sessions.

    async def free_name(self, name: Name) -> None:
        """Ends whoever holds this session now and waits until their will is out, so that a gateway's `offline` never
        comes after its new `online` [MQTT-3.1.4-3]."""
        while (session := self._sessions.get(name)) is not None and (holder := self._live.get(session)) is not None:
            if not holder.over:
                self.counters.taken_over += 1
                holder.end(reasons.TAKEN_OVER)
            await holder.finished.wait()

    def no_room(self, account: str, client_id: str) -> int | None:
        if self._connected[account] >= self.limits.connections_per_account:
            return reasons.QUOTA_EXCEEDED
        if (account, client_id) not in self._sessions and self._owned[account] >= self.limits.sessions_per_account:
            return reasons.QUOTA_EXCEEDED
        return None

    def attach(self, talk: Conversation, account: Account, client_id: str, clean: bool) -> tuple[Session, bool]:
        """The session for this login, and whether it was there before (the Session Present flag)."""
        name = (account.id, client_id)
        self._late_wills.pop(name, None)  # [MQTT-3.1.3-9]
        if clean:
            self._forget(name)  # [MQTT-3.1.2-4]
        session = self._sessions.get(name)
        present = session is not None
        if session is None:
            session = Session(self.rng.token(8).hex(), account.id, client_id, self.limits, self.retained.holds)
            self._sessions[name] = session
            self._owned[account.id] += 1
        # Rights may have shrunk since the subscriptions were granted.
        for wanted in [wanted for wanted in session.subscriptions if not talk.receive.granted(wanted)]:
            del session.subscriptions[wanted]
            self.subscriptions.remove(wanted, session)
        self._deadlines.pop(name, None)
        self._live[session] = talk
        self._connected[account.id] += 1
        return session, present

    async def leave(self, talk: Conversation, account: Account, session: Session) -> None:
        name = (session.username, session.client_id)
        session.pause()
        try:
            if talk.will is not None and not self._stopping:
                if talk.will_delay_s and session.expiry_s:
                    due_s = self.clock.monotonic() + min(talk.will_delay_s, session.expiry_s)
                    self._late_wills[name] = _LateWill(due_s, account, talk.will, talk.line.id)
                else:
                    await self._last_will(account, talk.will, talk.line.id)
        finally:
            del self._live[session]
            _less(self._connected, account.id)
            if session.expiry_s:
                self._deadlines[name] = self.clock.monotonic() + session.expiry_s
            else:
                self._forget(name)

    def _forget(self, name: Name) -> None:
        session = self._sessions.pop(name, None)
        self._deadlines.pop(name, None)
        if session is not None:
            _less(self._owned, name[0])
            for wanted in session.subscriptions:
                self.subscriptions.remove(wanted, session)

    async def _last_will(self, account: Account, will: Message, connection: str) -> None:
        self.counters.wills += 1
        if account.kind not in UPLINK_KINDS:
            return self._route(will, account.id)

        def settle(_: Verdict) -> None:
            self._route(will, account.id)

        user = dict(will.properties.user)
        uplink = Uplink(account.id, will.topic, will.payload, self.clock.now(), settle, user, False, will.retain)
        uplink.connection = connection
        await self.sink.put(uplink)

    # Who gets what.

    def forward(self, packet: Publish, topic: str, session: Session) -> None:
        """A client's message that has been settled."""
        if packet.retain or self.subscriptions.matching(topic):
            message = messages.of_packet(packet, self.clock.monotonic(), session.id, topic)
            self._route(message, session.username)

    def _route(self, message: Message, owner: str) -> None:
        if message.retain and not self.retained.keep(message, owner):
            self.counters.retained_refused += 1
        found = self.subscriptions.matching(message.topic)
        if not found:
            return
        wanted: dict[Session, list[Entry]] = {}
        for session, entry in found:
            if not (entry.subscription.no_local and session.id == message.origin):  # [MQTT-3.8.3-3]
                wanted.setdefault(session, []).append(entry)
        now = self.clock.monotonic()
        for session, entries in wanted.items():
            # [MQTT-3.3.4-2]: overlapping subscriptions get one copy at the highest QoS, with all identifiers.
            qos = min(message.qos, max(entry.subscription.qos for entry in entries))
            identifiers = tuple(entry.identifier for entry in entries if entry.identifier is not None)
            retain = message.retain and any(entry.subscription.retain_as_published for entry in entries)
            self._judge(session, session.offer(message, qos, retain, identifiers, now))

    def offer_retained(self, session: Session, owed: Owed) -> None:
        self._judge(session, session.offer_retained(owed.messages, owed.entry, self.clock.monotonic()))

    def _judge(self, session: Session, offer: Offer) -> None:
        talk = self._live.get(session)
        if offer is Offer.DROPPED:
            self.counters.dropped += 1
        elif offer is Offer.OVERFLOW and talk is not None:
            if not talk.over:
                self.counters.slow_cut += 1
            talk.end(reasons.QUOTA_EXCEEDED)
        elif talk is not None:
            talk.flush()

    async def _sweep(self) -> None:
        """Looks at every deadline once a second; a timer for each of ten thousand lines would cost more."""
        while True:
            await self.clock.sleep(self.limits.sweep_s)
            try:
                self._sweep_once(self.clock.monotonic())
            except Exception as error:  # the sweeper must outlive whatever one line does
                self.fault("sweep", error)

    def _sweep_once(self, now: float) -> None:
        for line in tuple(self._lines):
            line.check(now)
        for name in [name for name, deadline_s in self._deadlines.items() if deadline_s <= now]:
            self._forget(name)
        for name in [name for name, late in self._late_wills.items() if late.due_s <= now]:
            late = self._late_wills.pop(name)
            # A task of its own: while the hub's queue is full the sweep must go on.
            self._start(self._last_will(late.account, late.will, late.connection), late.connection)

    def _start(self, work: Coroutine[None, None, None], line_id: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=f"broker-will-{line_id}")
        self._tasks.add(task)
        task.add_done_callback(partial(self._done, line_id))

    def _done(self, line_id: str, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self.fault(line_id, error)


def _less(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]

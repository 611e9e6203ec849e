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
from functools import partial

from hub.broker import message as messages
from hub.broker import reasons
from hub.broker.announce import HUB_STATE_TOPIC, hub_state, said_again
from hub.broker.conversation import UPLINK_KINDS, Conversation
from hub.broker.counters import Counters
from hub.broker.credits import Credits, Gate
from hub.broker.journal import Journal
from hub.broker.limits import DEFAULT, Limits
from hub.broker.line import READ_BYTES_MAX, Line
from hub.broker.message import Message
from hub.broker.packets import Publish
from hub.broker.restoring import restore_retained, restore_sessions, restore_wills
from hub.broker.retained import Retained
from hub.broker.routing import Router
from hub.broker.session import Offer, Session
from hub.broker.subscribing import Owed
from hub.broker.topics import shared_filter
from hub.broker.vitals import Standing, Vitals
from hub.broker.websocket import Framed
from hub.broker.wills import LastWill, Name, Wills
from hub.clock import Clock
from hub.rng import Rng
from hub.uplink import Account, Accounts, Uplink, UplinkSink, Verdict

log = logging.getLogger(__name__)

LISTEN_BACKLOG = 1_024  # ten thousand gateways come back together after a power cut
STOP_S = 0.5


class Broker:
    def __init__(
        self,
        accounts: Accounts,
        sink: UplinkSink,
        clock: Clock,
        rng: Rng,
        *,
        limits: Limits = DEFAULT,
        journal: Journal | None = None,
    ) -> None:
        self.accounts = accounts
        self.sink = sink
        self.clock = clock
        self.rng = rng
        self.limits = limits
        self.counters = Counters()
        self.credits = Credits(limits, sink, clock, self.counters)
        self.journal = journal  # None: sessions, queues and retained messages end with the process
        self.router = Router(limits, clock, self.counters, journal, self._judge)
        self.wills = Wills(clock, journal)
        self._vitals, self._vitals_due_s = Vitals(), clock.monotonic()
        self._opened_s = clock.monotonic()
        self.inbox = memoryview(bytearray(READ_BYTES_MAX))
        self.hushed = False
        self._boot = rng.token(4).hex()
        self._numbers = 0
        self._lines: dict[Line, None] = {}  # in the order they came, so that a simulated night replays
        self._empty = asyncio.Event()
        self._live: dict[Session, Conversation] = {}
        self._sessions: dict[Name, Session] = {}
        self._connected: Counter[str] = Counter()  # live connections by account
        self._owned: Counter[str] = Counter()  # sessions by account
        self._deadlines: dict[Name, float] = {}  # of sessions nobody is connected to
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
        if self._sweeper is None:
            await self._restore()
        where = {"sock": sock} if sock is not None else {"host": host, "port": port}
        kind = partial(self._framed if websocket else self._line, self.credits.gate())
        server = await loop.create_server(kind, ssl=tls, backlog=LISTEN_BACKLOG, **where)
        self._servers.append(server)
        if self._sweeper is None:
            self._sweeper = loop.create_task(self._sweep(), name="broker-sweep")
            online = Message(HUB_STATE_TOPIC, hub_state("online", self.clock.now()), 1, True)
            self.router.route(online, "", fleeting=True)
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
        await self.credits.stop()
        for task in tuple(self._tasks):
            task.cancel()
        if self.journal is not None:  # what the hub has settled may still be on its way to the disk
            await self.journal.drained(STOP_S)
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
        if self.journal is not None:
            await self.journal.close()

    def _farewell(self) -> None:
        if not self.hushed and not self._stopping:
            offline = Message(HUB_STATE_TOPIC, hub_state("offline", self.clock.now()), 1, True)
            self.router.route(offline, "", fleeting=True)

    @property
    def retained(self) -> Retained:
        return self.router.retained

    @property
    def connections(self) -> int:
        return len(self._lines)

    @property
    def trouble(self) -> str | None:
        """Why what is owed to kept sessions cannot be written, and is not acknowledged."""
        return None if self.journal is None else self.journal.trouble

    @property
    def sessions(self) -> int:
        return len(self._sessions)

    # The door, as the hub uses it.

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Returns when it is on disk for whom it is kept, or while the disk refuses at once: a board must still go out,
        and the hub says boards again after a restart."""
        mark = 0 if self.journal is None else self.journal.mark
        self.router.route(Message(topic, payload, qos, retain), "", fleeting=said_again(topic))
        if self.journal is not None and self.journal.mark != mark:
            await self.journal.settled()

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

    def _line(self, gate: Gate) -> Line:
        self._numbers += 1
        return Line(self, f"{self._boot}-{self._numbers}", gate)

    def _framed(self, gate: Gate) -> Framed:
        return Framed(self._line(gate), self.limits)

    def opened(self, line: Line) -> None:
        self._lines[line] = None
        self._empty.clear()
        self.counters.connections_opened += 1
        if self._stopping or self.hushed or len(self._lines) > self.limits.connections_max:
            line.talk.end(None)

    def closed(self, line: Line) -> None:
        self._lines.pop(line, None)
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
        if clean:
            self._forget(name)  # [MQTT-3.1.2-4]
        session = self._sessions.get(name)
        present = session is not None
        if session is None:
            session = self._new_session(name)
        # Rights may have shrunk since the subscriptions were granted.
        for wanted in tuple(session.subscriptions):
            if not talk.receive.granted(shared_filter(wanted) or wanted):
                session.strike(wanted)
                self.router.unsubscribe(wanted, session)
        self._deadlines.pop(name, None)
        self._live[session] = talk
        self._connected[account.id] += 1
        return session, present

    async def leave(self, talk: Conversation, account: Account, session: Session) -> None:
        name = (session.username, session.client_id)
        session.pause()
        try:
            if talk.will is not None and not self._stopping:
                if talk.will.delay_s and session.expiry_s:
                    self.wills.delay(talk.will, min(talk.will.delay_s, session.expiry_s))
                else:
                    await self.last_will(talk.will)
            elif talk.will is not None:
                self.wills.undone(talk.will)
        finally:
            del self._live[session]
            _less(self._connected, account.id)
            if session.expiry_s:
                self._deadlines[name] = self.clock.monotonic() + session.expiry_s
                session.write_down(self.clock.now().timestamp() + session.expiry_s)
                if not self._stopping:
                    left = session.surrender(partial(self.router.others_connected, session))
                    self.router.hand_over(session, left)
            else:
                self._forget(name)

    def _new_session(self, name: Name) -> Session:
        session = Session(
            self.rng.token(8).hex(),
            *name,
            self.limits,
            self.router.current,
            journal=self.journal,
            counters=self.counters,
        )
        self._sessions[name] = session
        self._owned[name[0]] += 1
        return session

    def _forget(self, name: Name) -> None:
        session = self._sessions.pop(name, None)
        self._deadlines.pop(name, None)
        if session is not None:
            _less(self._owned, name[0])
            for wanted in session.subscriptions:
                self.router.unsubscribe(wanted, session)
            self.router.hand_over(session, session.surrender(lambda share: True, sent=True))
            session.end()

    async def last_will(self, will: LastWill) -> None:
        self.counters.wills += 1
        account, message = will.account, will.message

        def settle(_: Verdict) -> None:
            self.router.route(message, account.id)
            self.wills.undone(will)

        if account.kind not in UPLINK_KINDS:
            return settle(Verdict.NOTED)
        user = dict(message.properties.user)
        uplink = Uplink(account.id, message.topic, message.payload, self.clock.now(), settle, user)
        uplink.retain, uplink.connection = message.retain, will.connection
        await self.sink.put(uplink)

    # After a restart.

    async def _restore(self) -> None:
        journal = self.journal
        if journal is None:
            return
        journal.fault = self.fault
        rows = await journal.open()
        now_s = self.clock.now().timestamp()
        closed_s = min(now_s, journal.last_alive_s() + 2 * self.limits.sweep_s)
        for name, session, ends_s in restore_sessions(rows, self._new_session, self.router, journal, self.clock):
            left_s = (closed_s + session.expiry_s if ends_s is None else ends_s) - now_s
            # A wall clock that was set back must not keep a session for years.
            left_s = min(left_s, session.expiry_s)
            self._deadlines[name] = self.clock.monotonic() + left_s
            session.write_down(now_s + left_s)
        restore_retained(rows, self.router, self.clock)
        restore_wills(rows, self.wills, closed_s, self.limits.will_grace_s)
        self._sweep_once(self.clock.monotonic())

    # Who gets what.

    def forward(self, packet: Publish, topic: str, session: Session) -> None:
        """A client's message that has been settled."""
        if packet.retain or self.router.wanted(topic):
            message = messages.of_packet(packet, self.clock.monotonic(), session.id, topic)
            self.router.route(message, session.username)

    def retained_for(self, name: str) -> list[Message]:
        """What a fresh subscription of this filter gets at once."""
        if name.startswith("$SYS"):
            return list(self._vitals.matching(name, self._standing(self.clock.monotonic()), self.counters))
        return list(self.retained.matching(name))

    def _standing(self, now: float) -> Standing:
        sessions = self._sessions.values()
        wanted = sum(len(session.subscriptions) for session in sessions)
        return Standing(int(now - self._opened_s), len(self._live), len(sessions), wanted, self.retained.count)

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
            self.counters.sessions_expired += 1
            self._forget(name)
        self.router.expire(now)
        if now >= self._vitals_due_s:
            self._vitals_due_s = now + self.limits.vitals_s
            for each in self._vitals.news(self._standing(now), self.counters):
                self.router.say(each)
        for will in self.wills.due(now):
            # A task of its own: while the hub's queue is full the sweep must go on.
            self._start(self.last_will(will), will.connection)
        if self.journal is not None:
            self.journal.alive()

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

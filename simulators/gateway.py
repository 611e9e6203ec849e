"""A gateway: an outbox on disk and a line to the hub that comes and goes. What is in the outbox is sent until the hub's
receipt says that it is settled; what the gateway says of itself (birth, state, will, twin) is contracts.md 1.

A simulated hut and a real one run this very file (decision 0013).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from devices import pack, topics
from devices.pack import Record
from simulators.clock import Now, utc_now
from simulators.journal import Entry, Journal
from simulators.line import Address, Line, LineLost, PublishRefused, Will
from simulators.plan import DevicePlan

HEARTBEAT_S = 60.0
RECEIPT_WAIT_S = 30.0  # without a receipt for so long, what is pending is sent again
RECONNECT_FIRST_S, RECONNECT_MAX_S = 0.2, 30.0
GOODBYE_S = 2.0
WINDOW = 50  # envelopes on the way at once: a flood after a cut must leave room for other gateways
FIRMWARE = "linli-sim-1"

log = logging.getLogger(__name__)


class Wire(Protocol):
    """What a gateway needs of its line; `Line` is the real one, a simulated night brings its own."""

    @property
    def lost(self) -> asyncio.Event: ...
    async def open(self) -> None: ...
    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None: ...
    def send(self, topic: str, payload: bytes, *, retain: bool = False) -> asyncio.Future[None]: ...
    async def subscribe(self, filters: Sequence[str]) -> None: ...
    async def close(self) -> None: ...
    async def drop(self) -> None: ...


class Dial(Protocol):
    def __call__(
        self,
        address: Address,
        user: str,
        password: str,
        *,
        client_id: str,
        will: Will | None = None,
        on_message: Callable[[str, bytes], None] | None = None,
    ) -> Wire: ...


class Orders(Protocol):
    """Who carries out what the hub asks of the devices. Answers come by `Gateway.answer`, perhaps much later: a cuff
    is only there while somebody measures."""

    def ordered(self, device: str, ident: str, order: Mapping[str, object]) -> None: ...
    def wished(self, device: str, body: Mapping[str, object]) -> None: ...


class Gateway:
    def __init__(
        self,
        id: str,
        area: str,
        password: str,
        devices: Sequence[DevicePlan],
        *,
        address: Address,
        journal: Journal,
        now: Now = utc_now,
        heartbeat_s: float = HEARTBEAT_S,
        receipt_wait_s: float = RECEIPT_WAIT_S,
        dial: Dial = Line,
        firmware: str = FIRMWARE,
        orders: Orders | None = None,
    ) -> None:
        self.id, self.area, self.journal = id, area, journal
        self.silent: set[str] = set()  # devices that no longer answer the gateway
        self.counts: Counter[str] = Counter()
        self.facts: dict[str, Mapping[str, str]] = {}  # serial and firmware, as a device itself has told them
        self.trouble = ""  # why the last line ended, for a person to read
        self._password, self._devices, self._address, self._now = password, devices, address, now
        self._heartbeat_s, self._receipt_wait_s, self._dial = heartbeat_s, receipt_wait_s, dial
        self._firmware, self._orders = firmware, orders
        self._line: Wire | None = None
        self._task: asyncio.Task[None] | None = None
        self._resend: asyncio.TimerHandle | None = None
        self._online, self._offline, self._line_wanted = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._hub_up, self._work, self._troubled = asyncio.Event(), asyncio.Event(), asyncio.Event()
        for event in (self._offline, self._line_wanted, self._hub_up):
            event.set()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._handed_over = 0  # the highest seq sent on this line

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self.run(), name=f"gateway-{self.id}")

    async def run(self) -> None:
        """Keep a line to the hub until cancelled; lines come and go, the outbox stays."""
        pause_s = RECONNECT_FIRST_S
        while True:
            await self._line_wanted.wait()
            try:
                await self._session()
            except (OSError, PublishRefused) as trouble:
                self.trouble = str(trouble)
                self._troubled.set()
                log.info("line ended", extra={"gateway": self.id, "why": self.trouble})
            finally:
                if self._online.is_set():
                    pause_s = RECONNECT_FIRST_S
                await self._hang_up()
            self.counts["lines_lost"] += 1
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, RECONNECT_MAX_S)

    async def stop(self) -> None:
        """Say offline, disconnect, close the outbox."""
        if self._line is not None and self._online.is_set():
            try:
                async with asyncio.timeout(GOODBYE_S):
                    await self._line.publish(topics.state(self.area, self.id), self._state("offline"), retain=True)
            except (TimeoutError, OSError, PublishRefused) as trouble:
                log.info("the last state was not taken", extra={"gateway": self.id, "why": str(trouble)})
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            if not self._task.cancelled() and (broken := self._task.exception()) is not None:
                raise broken
            self._task = None
        await self._hang_up()
        self.journal.close()

    async def online(self) -> None:
        """Returns once the hub has taken birth and state."""
        waiting = asyncio.get_running_loop().create_task(self._online.wait())
        try:
            await asyncio.wait([waiting, *([self._task] if self._task else [])], return_when=asyncio.FIRST_COMPLETED)
            if self._task is not None and self._task.done():
                await self._task
        finally:
            waiting.cancel()

    async def first_line(self) -> None:
        """As `online`, for a program that is alone: what is wrong at the first attempt is raised, not tried again."""
        loop = asyncio.get_running_loop()
        waiting = {loop.create_task(self.online()), loop.create_task(self._troubled.wait())}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        if not self._online.is_set():
            raise ConnectionError(f"{self.id} got no line to the hub: {self.trouble}")

    async def cut(self) -> None:
        """Pull the cable: the hub hears the will; entries gather in the outbox until `mend`."""
        self._line_wanted.clear()
        if self._line is not None:
            await self._line.drop()
        await self._offline.wait()

    def mend(self) -> None:
        self._line_wanted.set()

    def keep(self, device: str, records: Sequence[Record]) -> Entry:
        """Into the outbox: on disk when this returns, and sent as soon as there is a line."""
        entry = self.journal.append(device, records)
        self._work.set()
        return entry

    async def settled(self, seq: int | None = None) -> None:
        """Returns once the hub's receipt covers this entry, or all there are now."""
        wanted = max((entry.seq for entry in self.journal.pending()), default=0) if seq is None else seq
        if self.journal.settled < wanted:
            answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((wanted, answer))
            await answer

    async def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Straight onto the line, past the outbox; PublishRefused or LineLost when the hub did not take it."""
        await self.online()
        if self._line is None:
            raise LineLost("not connected")
        await self._line.publish(topic, payload, retain=retain)

    async def report(self, device: str, state: str, said: Mapping[str, object] | None = None) -> None:
        """What the gateway knows of a device: in its twin, and in a new birth."""
        body = json.dumps({"s": state, "at": self._now().isoformat(), **(said or {})}).encode()
        await self.say(topics.twin_reported(self.area, self.id, device), body, retain=True)
        await self.say(topics.birth(self.area, self.id), self._birth(), retain=True)

    def answer(self, device: str, ident: str, *, ok: bool, said: str = "") -> None:
        """The end of an order. Without a line the hub asks again, and hears it then."""
        body: dict[str, object] = {"ok": True, "result": said} if ok else {"ok": False, "error": said}
        if self._line is not None and self._online.is_set():
            self._line.send(topics.done(self.area, self.id, device, ident), json.dumps(body).encode())
        self.counts["answers"] += 1

    async def _session(self) -> None:
        state, offline = topics.state(self.area, self.id), self._state("offline")
        line = self._dial(
            self._address,
            self.id,
            self._password,
            client_id=self.id,
            will=Will(state, offline),
            on_message=self._arrived,
        )
        self._line, self._handed_over = line, 0
        self._offline.clear()
        await line.open()
        own = f"{topics.ROOT}/{self.area}/{self.id}"
        wishes = [f"{own}/twin/+/desired"] if self._orders is not None else []
        await line.subscribe([topics.receipt(self.area, self.id), f"{own}/dn/#", topics.HUB_STATE, *wishes])
        await line.publish(topics.birth(self.area, self.id), self._birth(), retain=True)
        await line.publish(state, self._state("online"), retain=True)
        self.counts["lines"] += 1
        self.trouble = ""
        self._online.set()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._heartbeat(line)), group.create_task(self._pump(line))]
            await line.lost.wait()
            for task in tasks:
                task.cancel()

    async def _hang_up(self) -> None:
        self._online.clear()
        if self._resend is not None:
            self._resend.cancel()
        if self._line is not None:
            await self._line.close()
            self._line = None
        self._offline.set()

    async def _heartbeat(self, line: Wire) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            said = line.send(topics.state(self.area, self.id), self._state("online"), retain=True)
            taken = await _taken(said)
            self.counts["heartbeats"] += taken

    async def _pump(self, line: Wire) -> None:
        """Send what the outbox holds, oldest first, at most WINDOW unacknowledged."""
        room = asyncio.Semaphore(WINDOW)

        async def carry(entry: Entry) -> None:
            topic = topics.pack(self.area, self.id, entry.device)
            envelope = pack.build(self.journal.boot, entry.seq, self._now(), entry.records)
            try:
                taken = await _taken(line.send(topic, envelope))
                self.counts["acknowledged"] += taken
            finally:
                room.release()

        async with asyncio.TaskGroup() as group:
            while True:
                self._work.clear()
                for entry in self.journal.pending(after=self._handed_over):
                    await self._hub_up.wait()
                    await room.acquire()
                    self._handed_over = entry.seq
                    self.counts["envelopes"] += 1
                    group.create_task(carry(entry))
                self._await_receipt()
                await self._work.wait()

    def _await_receipt(self) -> None:
        """Look again later: what still has no receipt then is sent again."""
        if self._resend is not None:
            self._resend.cancel()
        if self.journal.pending():
            self._resend = asyncio.get_running_loop().call_later(self._receipt_wait_s, self._send_again)

    def _send_again(self) -> None:
        self._handed_over = self.journal.settled
        self.counts["resend_rounds"] += 1
        self._work.set()

    def _arrived(self, topic: str, payload: bytes) -> None:
        try:
            body = json.loads(payload or b"{}")
        except ValueError:
            body = None
        if not isinstance(body, dict):
            log.warning("not a JSON object", extra={"gateway": self.id, "topic": topic})
            return
        match topics.parse(topic):
            case topics.Receipt():
                self._receipt(str(body.get("boot")), int(body.get("seq", 0)))
            case topics.HubState() if body.get("s") == "offline":
                self._hub_up.clear()
            case topics.HubState():
                self._hub_up.set()
            case topics.Cmd(_, _, device, id) if self._orders is not None:
                self._orders.ordered(device, id, body)
            case topics.TwinDesired(_, _, device) if self._orders is not None:
                self._orders.wished(device, body)
            case topics.Cmd(_, _, device, id):
                self._obey(topics.done(self.area, self.id, device, id), str(body.get("name")))

    def _receipt(self, boot: str, seq: int) -> None:
        self.journal.settle(boot, seq)
        self.counts["receipts"] += 1
        for wanted, answer in self._waiting:
            if wanted <= self.journal.settled and not answer.done():
                answer.set_result(None)
        self._waiting = [(wanted, answer) for wanted, answer in self._waiting if not answer.done()]

    def _obey(self, done: str, name: str) -> None:
        """The one command of these devices is setting the clock, the only cure for a wrong one."""
        known = name == "sync-clock"
        result: dict[str, object] = {"ok": True, "result": {}} if known else {"ok": False, "error": f"unknown: {name}"}
        if self._line is not None:
            self._line.send(done, json.dumps(result).encode())
        self.counts["commands"] += 1

    def _birth(self) -> bytes:
        told = FIRMWARE if self._orders is None else ""  # of a real device its firmware is known when it said so
        devices = [
            {"id": one.id, "profile": one.profile, "serial": one.serial, "firmware": told, **self.facts.get(one.id, {})}
            for one in self._devices
            if one.id not in self.silent
        ]
        kept = {"boot": self.journal.boot, "from": self.journal.settled + 1}
        return json.dumps({**kept, "firmware": self._firmware, "devices": devices}).encode()

    def _state(self, state: str) -> bytes:
        return json.dumps({"s": state, "boot": self.journal.boot, "at": self._now().isoformat()}).encode()


async def _taken(answer: asyncio.Future[None]) -> bool:
    """Whether PUBACK came. A lost line ends the session by itself; a refused message waits for the next round."""
    try:
        await answer
    except (LineLost, PublishRefused):
        return False
    return True

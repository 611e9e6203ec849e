"""Readings at a steady rate through a handful of gateways, with an oracle of what the hub acknowledged.

    python -m simulators.load --host 127.0.0.1 --port 1883 --gateway lh-hut-1:SECRET:420802002001:lh1-bp-1,lh1-bp-2 \
        --rate 500 --seconds 60 --oracle acked.jsonl --seed 1

The oracle file gets one line for every PUBACK seen, fsynced: `{"key", "device", "gateway", "hex", "n"}`, where `key` is
the reading's idempotency key by devices.identity. Whatever the hub does meanwhile, each of these must be stored once.
A gateway keeps what is not acknowledged and sends it again on its next line, as a device does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from devices import topics
from devices.codecs import codec
from devices.identity import anchor_of, key
from devices.profile import Profile, profile
from simulators.baseline import Pressure
from simulators.chance import between, draw
from simulators.clock import Now, utc_now
from simulators.equipment import HUTS
from simulators.frames import frame
from simulators.line import Address, Line, PublishRefused
from simulators.plan import DevicePlan

CODEC, PROFILE = "sig.2a35", "generic.sig.2a35"
WAITING_MAX = 50_000  # readings a gateway keeps while the hub is away: 100 s at 500/s through one
INFLIGHT_MAX = 400
USERS = 250  # device time has one second; the user index tells the readings of a second apart
RECONNECT_FIRST_S, RECONNECT_MAX_S = 0.05, 1.0
DRAIN_S = 30.0
SYNC_EVERY_S = 0.01  # one fsync covers what was acknowledged meanwhile
LATENCIES_MAX = 200_000


@dataclass(frozen=True, slots=True)
class Account:
    """ID:PASSWORD:AREA[:DEVICE,DEVICE...]; without devices, the cuffs of the demo's hut of that name."""

    id: str
    password: str = field(repr=False)
    area: str
    devices: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Account:
        id, _, rest = text.partition(":")
        password, _, rest = rest.partition(":")
        area, _, named = rest.partition(":")
        devices = tuple(named.split(",")) if named else _cuffs(id)
        if not (id and password and area and devices):
            raise ValueError("a gateway is ID:PASSWORD:AREA:DEVICE[,DEVICE...], and its devices must be cuffs")
        return cls(id, password, area, devices)


@dataclass(slots=True)
class Reading:
    n: int
    device: str
    payload: bytes
    key: str
    offered: float
    sent: int = 0


class Oracle:
    """The file of what was acknowledged: lines gather for a few milliseconds, then one fsync covers them."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")
        self._lines: list[bytes] = []
        self.written = 0

    def acknowledged(self, gateway: str, reading: Reading) -> None:
        line = {
            "key": reading.key,
            "device": reading.device,
            "gateway": gateway,
            "hex": reading.payload.hex(),
            "n": reading.n,
        }
        self._lines.append(json.dumps(line, separators=(",", ":")).encode() + b"\n")

    async def sync(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            await asyncio.to_thread(self._write, b"".join(lines))
            self.written += len(lines)

    def close(self) -> None:
        if self._lines:
            self._write(b"".join(self._lines))
            self.written += len(self._lines)
        self._file.close()

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()
        os.fsync(self._file.fileno())


class Maker:
    """The n-th reading of a run: a true cuff frame whose key nothing else in this run or a later one has."""

    def __init__(self, seed: str, now: Now) -> None:
        self._seed, self._now = seed, now
        self._model: Profile = profile(PROFILE)
        self._last: dict[str, tuple[datetime, int]] = {}

    def make(self, n: int, device: str, offered: float) -> Reading:
        at, user = self._slot(device)
        bits = draw(self._seed, device, "load", n, "bp")
        top, low = between(100, 170, bits), between(55, 90, bits >> 8)
        vital = Pressure(top, low, low + (top - low) * 35 // 100, between(55, 100, bits >> 16))
        plan = DevicePlan(device, "", "bp", PROFILE, "", "", "", codec=CODEC)
        payload = frame(plan, vital, at, user).payload
        measurement = codec(CODEC).decode(payload, self._model)[0]
        anchor = anchor_of(measurement, unique="")
        if anchor.weak:
            raise ValueError("this frame has no key of its own, so the oracle could claim nothing about it")
        return Reading(n, device, payload, key(device, "bp", anchor.text), offered)

    def _slot(self, device: str) -> tuple[datetime, int]:
        """Device time and user index. When a second is used up the device's clock runs ahead by one."""
        now = self._now().replace(microsecond=0)
        # The first reading takes the coming second: a run that ended just now may have used up this one.
        at, user = self._last.get(device, (now, USERS))
        at, user = (now, 0) if now > at else (at, user + 1)
        if user >= USERS:
            at, user = at + timedelta(seconds=1), 0
        self._last[device] = (at, user)
        return at, user


class Sender:
    """One gateway: what it has to send, and its line while it has one."""

    def __init__(self, account: Account, address: Address, oracle: Oracle, counts: Counter[str]) -> None:
        self.account = account
        self.latencies_ms: list[float] = []
        self._address, self._oracle, self._counts = address, oracle, counts
        self._waiting: deque[Reading] = deque()
        self._inflight: dict[int, Reading] = {}
        self._work = asyncio.Event()
        self.idle = asyncio.Event()  # nothing outstanding
        self.idle.set()

    @property
    def outstanding(self) -> int:
        return len(self._waiting) + len(self._inflight)

    @property
    def in_flight(self) -> int:
        """Sent on this line and not answered."""
        return len(self._inflight)

    def offer(self, reading: Reading) -> None:
        if self.outstanding >= WAITING_MAX:
            self._counts["overflowed"] += 1
            return
        self.idle.clear()
        self._waiting.append(reading)
        self._work.set()

    async def run(self) -> None:
        pause_s = RECONNECT_FIRST_S
        while True:
            line = Line(self._address, self.account.id, self.account.password, client_id=f"{self.account.id}-load")
            try:
                await line.open()
                self._counts["connects"] += 1
                pause_s = RECONNECT_FIRST_S
                await self._session(line)
            except OSError:
                self._counts["lines_lost"] += 1
            finally:
                await line.close()
                # Oldest first: what had no PUBACK goes out again, with the same bytes.
                self._waiting.extendleft(sorted(self._inflight.values(), key=lambda one: -one.n))
                self._inflight.clear()
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, RECONNECT_MAX_S)

    async def _session(self, line: Line) -> None:
        loop = asyncio.get_running_loop()
        lost = loop.create_task(line.lost.wait())
        try:
            while not line.lost.is_set():
                self._work.clear()
                while self._waiting and len(self._inflight) < INFLIGHT_MAX and not line.lost.is_set():
                    self._send(line, self._waiting.popleft(), loop)
                work = loop.create_task(self._work.wait())
                await asyncio.wait([work, lost], return_when=asyncio.FIRST_COMPLETED)
                work.cancel()
            raise ConnectionError("the line is gone")
        finally:
            lost.cancel()

    def _send(self, line: Line, reading: Reading, loop: asyncio.AbstractEventLoop) -> None:
        self._counts["sent"] += 1
        self._counts["resent"] += reading.sent > 0
        reading.sent += 1
        self._inflight[reading.n] = reading

        def answered(answer: asyncio.Future[None]) -> None:
            self._work.set()
            trouble = answer.exception()
            if trouble is None and self._inflight.pop(reading.n, None) is not None:
                self._counts["acked"] += 1
                self._oracle.acknowledged(self.account.id, reading)
                if len(self.latencies_ms) < LATENCIES_MAX:
                    self.latencies_ms.append((loop.time() - reading.offered) * 1000)
            elif isinstance(trouble, PublishRefused):
                self._inflight.pop(reading.n, None)
                self._counts["refused"] += 1
            if not self.outstanding:
                self.idle.set()

        topic = topics.up(self.account.area, self.account.id, reading.device, CODEC)
        line.send(topic, reading.payload).add_done_callback(answered)


async def load(
    address: Address,
    accounts: Sequence[Account],
    *,
    rate: float,
    seconds: float,
    oracle: Path,
    seed: str,
    now: Now = utc_now,
) -> dict[str, object]:
    """Offer `rate` readings a second for `seconds`, then wait for what is outstanding. Says what really happened."""
    loop = asyncio.get_running_loop()
    counts: Counter[str] = Counter()
    book = Oracle(oracle)
    senders = [Sender(account, address, book, counts) for account in accounts]
    tasks = [loop.create_task(sender.run()) for sender in senders]
    done = asyncio.Event()
    syncing = loop.create_task(_keep_synced(book, done))
    began = loop.time()
    try:
        await _offer(senders, Maker(seed, now), rate, seconds, counts)
        offered_s = loop.time() - began
        with contextlib.suppress(TimeoutError):  # what is still outstanding then stands in the report
            async with asyncio.timeout(DRAIN_S):
                for sender in senders:
                    await sender.idle.wait()
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        # Never cancelled: its thread may be in the middle of a write.
        done.set()
        ended += await asyncio.gather(syncing, return_exceptions=True)
        book.close()
    for trouble in ended:
        if isinstance(trouble, Exception):
            raise trouble
    return _report(senders, counts, book, offered_s, loop.time() - began)


async def _offer(senders: Sequence[Sender], maker: Maker, rate: float, seconds: float, counts: Counter[str]) -> None:
    """An open loop: a hub that is slow or away does not slow the residents down."""
    loop = asyncio.get_running_loop()
    began, n = loop.time(), 0
    total = round(rate * seconds)
    while n < total:
        due = min(total, int((loop.time() - began) * rate) + 1)
        for number in range(n, due):
            sender = senders[number % len(senders)]
            devices = sender.account.devices
            sender.offer(maker.make(number, devices[number // len(senders) % len(devices)], loop.time()))
            counts["offered"] += 1
        n = due
        await asyncio.sleep(max(0.002, began + n / rate - loop.time()))


async def _keep_synced(book: Oracle, done: asyncio.Event) -> None:
    while not done.is_set():
        await book.sync()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), SYNC_EVERY_S)


def _report(
    senders: Sequence[Sender], counts: Counter[str], book: Oracle, offered_s: float, took_s: float
) -> dict[str, object]:
    latencies = sorted(ms for sender in senders for ms in sender.latencies_ms)

    def at(share: float) -> float | None:
        return round(latencies[min(len(latencies) - 1, int(share * len(latencies)))], 2) if latencies else None

    named = ("offered", "sent", "resent", "acked", "refused", "overflowed")
    return {
        **{name: counts[name] for name in named},
        "outstanding": sum(sender.outstanding for sender in senders),
        "oracle": book.written,
        "connects": counts["connects"],
        "reconnects": max(0, counts["connects"] - len(senders)),
        "lines_lost": counts["lines_lost"],
        "offered_s": round(offered_s, 3),
        "took_s": round(took_s, 3),
        "acked_per_s": round(counts["acked"] / took_s, 1) if took_s else 0.0,
        "ack_ms": {"p50": at(0.5), "p99": at(0.99), "max": at(1.0)},
    }


def _cuffs(gateway: str) -> tuple[str, ...]:
    return tuple(device.id for hut in HUTS for device in hut.devices if hut.gateway == gateway and device.kind == "bp")


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m simulators.load", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--gateway", action="append", required=True, type=Account.parse, metavar="ID:PASSWORD:AREA[:DEVICE,...]"
    )
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--oracle", type=Path, required=True)
    parser.add_argument("--seed", default="1")
    said = parser.parse_args(words)
    done = asyncio.run(
        load(
            Address(said.host, said.port),
            said.gateway,
            rate=said.rate,
            seconds=said.seconds,
            oracle=said.oracle,
            seed=said.seed,
        )
    )
    print(json.dumps(done))
    return 0


if __name__ == "__main__":
    sys.exit(main())

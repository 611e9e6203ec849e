"""Kill the broker alone with -9, again and again, between a publisher and a subscriber with kept sessions.

    python -m tests.broker.killed --kills 100 --seed 1

The oracles are two files of their own: the publisher's (sent before it sends, acknowledged when it is told) and the
subscriber's (got before it answers). Neither asks the broker. At the end every acknowledged message must have been got,
those of QoS 2 exactly once.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from hub.broker import Broker
from hub.broker import packets as p
from hub.broker.journal import Journal
from hub.broker.properties import Properties
from hub.broker.vault import Vault
from hub.clock import SystemClock
from hub.db import ThreadRunner
from hub.rng import SystemRng
from tests.broker.lasting import SEAL
from tests.broker.rig import Book, Client, Shelf, up

ROOT = Path(__file__).resolve().parents[2]
KEPT = Properties(session_expiry_s=3_600)
WINDOW = 40
PATIENCE_S = 30.0


@dataclass
class Figures:
    kills: int = 0
    acknowledged_before: list[int] = field(default_factory=list)  # of each kill
    in_flight: list[int] = field(default_factory=list)  # sent and not acknowledged at the kill
    owed: list[int] = field(default_factory=list)  # acknowledged and not yet got at the kill
    sent: int = 0
    acknowledged: int = 0
    got: int = 0
    repeated: int = 0  # QoS 1 that came again, as it may
    lost: int = 0
    doubled: int = 0  # QoS 2 that came again, as it may not


class Run:
    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.dice = random.Random(seed)
        self.port = 0
        self.figures = Figures()
        self.up = asyncio.Event()
        self.clients: list[Client] = []
        self.finishing = False
        self.sent: set[int] = set()
        self.acknowledged: set[int] = set()
        self.got: Counter[int] = Counter()
        self._changed = asyncio.Event()
        self._process: Process | None = None

    async def start(self) -> None:
        words = [sys.executable, "-m", "tests.broker.killed", "--serve", str(self.folder / "broker.db")]
        self._process = await asyncio.create_subprocess_exec(*words, "--port", str(self.port), stdout=PIPE, cwd=ROOT)
        assert self._process.stdout is not None
        self.port = int(await asyncio.wait_for(self._process.stdout.readline(), PATIENCE_S))
        self.up.set()

    async def kill(self) -> None:
        self.up.clear()
        self.figures.acknowledged_before.append(len(self.acknowledged))
        self.figures.in_flight.append(len(self.sent - self.acknowledged))
        self.figures.owed.append(len(self.acknowledged - self.got.keys()))
        self.figures.kills += 1
        await self.stop()

    async def connect(self, name: str) -> Client | None:
        await self.up.wait()
        try:
            client = Client(*await asyncio.open_connection("127.0.0.1", self.port), 5)
        except OSError:  # killed meanwhile
            return None
        self.clients.append(client)
        try:
            await client.login(name, client_id=f"{name}-1", clean=False, properties=KEPT)
        except (OSError, AssertionError):
            return None
        return client

    def note(self, file: TextIO, word: str, number: int) -> None:
        file.write(f"{word} {number}\n")
        file.flush()
        self._changed.set()

    async def until(self, acknowledged: int) -> None:
        await self.wait(lambda: len(self.acknowledged) >= acknowledged)

    async def wait(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                self._changed.clear()
                await self._changed.wait()

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()


def qos_of(number: int) -> int:
    return 1 + number % 2


async def publisher(run: Run, file: TextIO) -> None:
    """Numbers, in QoS 1 and 2 by turns; what is not answered is said again on the next line."""
    open_: dict[int, tuple[int, bool]] = {}  # packet id -> number, and whether PUBREC has come
    while not (run.finishing and run.sent == run.acknowledged and not open_):
        client = await run.connect("hut-1")
        if client is None:
            continue
        with contextlib.suppress(ConnectionError):
            for packet_id, (number, recorded) in open_.items():
                await client.send(p.Pubrel(packet_id) if recorded else _publish(number, packet_id, dup=True))
            while await _publish_on(run, file, client, open_):
                pass
        await client.vanish()


def _publish(number: int, packet_id: int, dup: bool = False) -> p.Publish:
    return p.Publish(up(), b"%d" % number, qos_of(number), dup=dup, packet_id=packet_id)


async def _publish_on(run: Run, file: TextIO, client: Client, open_: dict[int, tuple[int, bool]]) -> bool:
    while not run.finishing and len(open_) < WINDOW:
        number = len(run.sent) + 1
        packet_id = next(each for each in range(1, WINDOW + 1) if each not in open_)
        run.sent.add(number)
        run.note(file, "sent", number)
        open_[packet_id] = (number, False)
        await client.send(_publish(number, packet_id))
    if not open_:
        return False
    answer = await client.next()
    match answer:
        case p.Puback(packet_id=packet_id):
            number, _ = open_.pop(packet_id)
        case p.Pubrec(packet_id=packet_id):
            number, _ = open_[packet_id]
            open_[packet_id] = (number, True)
            await client.send(p.Pubrel(packet_id))
        case p.Pubcomp(packet_id=packet_id):
            open_.pop(packet_id, None)
            return True
        case _:
            return False
    run.acknowledged.add(number)
    run.note(file, "acknowledged", number)
    return True


async def subscriber(run: Run, file: TextIO) -> None:
    """Comes and goes, sometimes without an answer; remembers QoS 2 identifiers as a client must."""
    received: set[int] = set()
    while True:
        client = await run.connect("watch")
        if client is None:
            continue
        owed = len(run.acknowledged - run.got.keys())  # never near the end of its queue
        patience = owed // 2 + run.dice.randrange(1, 120)
        with contextlib.suppress(ConnectionError, TimeoutError):
            while (patience > 0 or run.finishing) and (packet := await client.next()) is not None:
                patience -= 1
                await _answer(run, file, client, packet, received)
        await client.vanish()
        with contextlib.suppress(TimeoutError):
            more = len(run.acknowledged) + run.dice.randrange(1, 60)
            await run.wait(lambda more=more: run.finishing or len(run.acknowledged) >= more)  # type: ignore[misc]


async def _answer(run: Run, file: TextIO, client: Client, packet: p.Packet, received: set[int]) -> None:
    match packet:
        case p.Publish(qos=1):
            run.got[int(packet.payload)] += 1
            run.note(file, "got", int(packet.payload))
            await client.send(p.Puback(packet.packet_id))
        case p.Publish(qos=2):
            if packet.packet_id not in received:
                received.add(packet.packet_id)
                run.got[int(packet.payload)] += 1
                run.note(file, "got", int(packet.payload))
            await client.send(p.Pubrec(packet.packet_id))
        case p.Pubrel():
            received.discard(packet.packet_id)
            await client.send(p.Pubcomp(packet.packet_id))


async def run(folder: Path, *, kills: int, seed: int) -> Figures:
    going = Run(folder, seed)
    await going.start()
    with (folder / "publisher.txt").open("w") as sent, (folder / "subscriber.txt").open("w") as got:
        first = await going.connect("watch")  # the subscription stands before the first message
        assert first is not None
        await first.subscribe(up(), qos=2)
        await first.vanish()
        tasks = [asyncio.create_task(publisher(going, sent)), asyncio.create_task(subscriber(going, got))]
        try:
            for _ in range(kills):
                await going.until(len(going.acknowledged) + going.dice.randrange(40, 250))
                await going.kill()
                await going.start()
            await going.until(len(going.acknowledged) + 50)
            going.finishing = True
            await tasks[0]
            with contextlib.suppress(TimeoutError):  # what is lost is counted from the files
                await going.wait(lambda: going.got.keys() >= going.acknowledged)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await going.stop()
            for client in going.clients:
                await client.vanish()
    return _judge(folder, going.figures)


def _judge(folder: Path, figures: Figures) -> Figures:
    """By the two files alone."""
    said = [line.split() for line in (folder / "publisher.txt").read_text().splitlines()]
    acknowledged = {int(number) for word, number in said if word == "acknowledged"}
    got = Counter(int(line.split()[1]) for line in (folder / "subscriber.txt").read_text().splitlines())
    figures.sent = sum(word == "sent" for word, _ in said)
    figures.acknowledged, figures.got = len(acknowledged), len(got)
    figures.lost = len(acknowledged - got.keys())
    figures.repeated = sum(count - 1 for number, count in got.items() if qos_of(number) == 1)
    figures.doubled = sum(count - 1 for number, count in got.items() if qos_of(number) == 2)
    return figures


async def serve(path: Path, port: int) -> None:
    """The broker in a process of its own: a hub that settles at once, a disk that is real."""
    journal = Journal(Vault(path, SEAL), ThreadRunner("broker", 1), SystemClock())
    broker = Broker(Book(), Shelf(), SystemClock(), SystemRng(), journal=journal)
    _, port = await broker.listen("127.0.0.1", port)
    print(port, flush=True)
    await asyncio.Event().wait()


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--kills", type=int, default=100)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--serve", type=Path)
    words.add_argument("--port", type=int, default=0)
    given = words.parse_args()
    if given.serve is not None:
        asyncio.run(serve(given.serve, given.port))
        return
    with tempfile.TemporaryDirectory(prefix="linli-broker-") as folder:
        print(asyncio.run(run(Path(folder), kills=given.kills, seed=given.seed)))


if __name__ == "__main__":
    main()

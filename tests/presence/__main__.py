"""Presence by the wall clock: a hub process, a line of MQTT for each hut, and an operator's live board that is watched.

    python -m tests.presence --huts 1557 --silent 100

Of the silenced huts half lose their line (the will comes at once) and half hang with the line open (the broker counts
one and a half keep-alives). The last line on standard output is JSON: how long from silence until the board said so,
how many were never said, and how many were said that had not fallen silent. The exit code is 1 unless both are 0.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import resource
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from websockets.asyncio.client import connect
from websockets.typing import Origin

from devices import topics
from devices.profile import profile
from hub import directory, login, registry
from hub.db import Tx
from hub.main import wiring
from hub.settings import load as load_settings
from simulators.load import CODEC, PROFILE, Account
from tests.chaos.flood import Frames
from tests.chaos.hub_process import HubProcess, free_port

AREA = "420802002001"
KEEPALIVE_S = 30  # the shortest a gateway of ours uses
BOUND_S = 1.5 * KEEPALIVE_S + 15.0  # and the board's own looks, on a machine under other people's work
AT_ONCE = 200
AWAKE_S = 180.0
GOOD, DEAD = "ok", "bad"
_CELL = re.compile(r'cell-(\w+)" href="/operate/huts/([^"]+)"')
_TILE = re.compile(r'ops-tile-(\w+)" href="/operate/huts/([^"]+)"')


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text.encode())) + text.encode()


def _packet(kind: int, body: bytes) -> bytes:
    size, length = len(body), bytearray()
    while True:
        size, digit = divmod(size, 128)
        length.append(digit | (0x80 if size else 0))
        if not size:
            return bytes([kind]) + bytes(length) + body


class HutLine(asyncio.Protocol):
    """A gateway by hand: login with a will, birth, one reading, then pings."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.awake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None
        self._state = topics.state(account.area, account.id)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        will = _text(self._state) + _text(json.dumps({"s": "offline", "boot": "b1"}))
        head = _text("MQTT") + struct.pack(">BBH", 4, 0x80 | 0x40 | 0x20 | 0x08 | 0x04 | 0x02, KEEPALIVE_S)
        body = head + _text(self.account.id) + will + _text(self.account.id) + _text(self.account.password)
        self.transport.write(_packet(0x10, body))

    def data_received(self, data: bytes) -> None:
        if data[:1] == b"\x20" and self.transport is not None:
            birth = json.dumps({"boot": "b1", "firmware": "1", "devices": []}).encode()
            self._say(topics.birth(self.account.area, self.account.id), birth, 1, retain=True)
            self._say(self._state, b'{"s": "online", "boot": "b1"}', 2, retain=True)
            self._say(*_reading(self.account), 3)
            data = data[4:]
        if b"\x40\x02\x00\x03" in data and not self.awake.done():
            self.awake.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.awake.done():
            self.awake.set_exception(ConnectionError("the hub hung up"))

    def ping(self) -> None:
        if self.transport is not None:
            self.transport.write(b"\xc0\x00")

    def cut(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def _say(self, topic: str, payload: bytes, number: int, *, retain: bool = False) -> None:
        assert self.transport is not None
        self.transport.write(_packet(0x32 | retain, _text(topic) + struct.pack(">H", number) + payload))


def _reading(account: Account) -> tuple[str, bytes]:
    """One taken just now, by a cuff whose clock is right."""
    now = datetime.now(profile(PROFILE).zone)
    return topics.up(account.area, account.id, account.devices[0], CODEC), Frames(account).payload_at(0, now, 1)


@dataclass
class Board:
    """What the operator's live board says of each hut, and when it first said otherwise."""

    says: dict[str, str] = field(default_factory=dict)
    dead_at: dict[str, float] = field(default_factory=dict)
    turned: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, html: str) -> None:
        self.says = {hut: level for level, hut in _CELL.findall(html) or _TILE.findall(html)}
        for hut, level in self.says.items():
            if level == DEAD:
                self.dead_at.setdefault(hut, time.monotonic())
        self.turned.set()

    async def until(self, met: Callable[[], bool], seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                while not met():
                    self.turned.clear()
                    await self.turned.wait()
        except TimeoutError:
            return False
        return True


def furnish(data: Path, huts: int) -> tuple[list[Account], str]:
    def work(tx: Tx) -> tuple[list[Account], str]:
        directory.found_area(tx, AREA, "community", "千屋", "A thousand huts")
        accounts = []
        for number in range(huts):
            hut, cuff = f"hut-{number:04}", f"bp-{number:04}"
            registry.found_hut(tx, hut, AREA, hut, hut)
            accounts.append(Account(hut, registry.add_gateway(tx, hut, AREA, hut), AREA, (cuff,)))
            registry.add_device(tx, cuff, hut, PROFILE)
        return accounts, login.create_token(tx, "operator", AREA)

    store = wiring.open_store(load_settings({"data_dir": data}, {}))
    try:
        return store.write_now(work)
    finally:
        store.close()


async def watch(url: str, token: str, board: Board) -> None:
    address = f"ws{url[4:]}/live?surface=staff&lang=en"
    cookie = {"Cookie": f"linli_staff={token}"}
    async with connect(
        address, origin=Origin(url), additional_headers=cookie, compression=None, proxy=None, max_size=1 << 24
    ) as socket:
        await socket.send(json.dumps({"sub": [f"operations.huts:{AREA}"], "since": {}}))
        async for message in socket:
            said = json.loads(message)
            if "refused" in said:
                raise PermissionError("the board was refused")
            board.hear(said["html"])


async def wake(accounts: Sequence[Account], port: int) -> list[HutLine]:
    loop, gate = asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE)

    async def enter(account: Account) -> HutLine:
        async with gate:
            line = HutLine(account)
            await loop.create_connection(lambda: line, "127.0.0.1", port)
            await line.awake
            return line

    async with asyncio.timeout(AWAKE_S):
        return list(await asyncio.gather(*(enter(account) for account in accounts)))


async def beat(lines: Sequence[HutLine], hung: set[str]) -> None:
    while True:
        for line in lines:
            if line.account.id not in hung:
                line.ping()
        await asyncio.sleep(KEEPALIVE_S / 3)  # the heartbeat itself


async def run(folder: Path, huts: int, silent: int, seed: int) -> dict[str, Any]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    accounts, token = furnish(folder / "data", huts)
    hub = HubProcess(folder / "data", free_port(), readme=True)
    await hub.start()
    board, hung, since = Board(), set[str](), dict[str, float]()
    tasks: list[asyncio.Task[None]] = []
    lines: list[HutLine] = []
    try:
        lines = await wake(accounts, hub.mqtt_port)
        tasks.append(asyncio.create_task(beat(lines, hung)))
        tasks.append(asyncio.create_task(watch(hub.web_url, token, board)))
        watching = tasks[-1]
        watching.add_done_callback(lambda _task: board.turned.set())
        await board.until(lambda: list(board.says.values()).count(GOOD) == huts or watching.done(), AWAKE_S)
        if list(board.says.values()).count(GOOD) < huts:
            raise RuntimeError(f"not all huts came up: {Counter(board.says.values())}")
        board.dead_at.clear()
        chosen = random.Random(seed).sample(lines, silent)
        for number, line in enumerate(chosen):
            since[line.account.id] = time.monotonic()
            hung.add(line.account.id)
            if number % 2 == 0:
                line.cut()
        await board.until(lambda: set(board.dead_at) >= set(since), BOUND_S)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for line in lines:
            line.cut()
        await hub.stop()
    cut = [line.account.id for line in chosen[::2]]
    return {
        "scenario": "presence",
        "huts": huts,
        "silent": silent,
        "missed": len(set(since) - set(board.dead_at)),
        "false": len(set(board.dead_at) - set(since)),
        "line_lost_s": _spread([board.dead_at[hut] - since[hut] for hut in cut if hut in board.dead_at]),
        "line_hangs_s": _spread(
            [board.dead_at[hut] - since[hut] for hut in since if hut not in cut and hut in board.dead_at]
        ),
        "keepalive_s": KEEPALIVE_S,
    }


def _spread(waits: Sequence[float]) -> dict[str, float]:
    ordered = sorted(waits)
    if not ordered:
        return {}
    return {
        "p50": round(ordered[len(ordered) // 2], 2),
        "p99": round(ordered[int(len(ordered) * 0.99)], 2),
        "max": round(ordered[-1], 2),
    }


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--huts", type=int, default=1_557)
    words.add_argument("--silent", type=int, default=100)
    words.add_argument("--seed", type=int, default=1)
    given = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="linli-presence-") as folder:
        figures = asyncio.run(run(Path(folder), given.huts, given.silent, given.seed))
    kept = not figures["missed"] + figures["false"]
    print(json.dumps({**figures, "kept": kept}))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())

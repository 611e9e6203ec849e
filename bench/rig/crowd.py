"""Thousands of television boxes in one program: sockets that listen and boxes that ask, on one `epoll` and no library.

A program of its own (`python -m bench.rig.crowd`), told by lines of JSON on its standard input. A frame costs it one
system call and a look at its bytes, so that it is not what limits the hub; what it used itself stands in every answer.
Times are of the monotonic clock, which all programs of one machine share.
"""

from __future__ import annotations

import base64
import json
import os
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

AT_ONCE = 200  # connections on their way
OPEN_S = 120.0
ROOM_BYTES = 1 << 18
_END = b"\r\n\r\n"


@dataclass(slots=True)
class Box:
    """One connection: what is still missing of an answer or a frame, and what it was told last."""

    line: socket.socket
    where: tuple[str, int]
    asks: bytes  # the whole handshake, or the head of every poll without its end
    listens: bool
    stash: bytes = b""
    upgraded: bool = False
    frames: int = 0
    tag: bytes = b""
    asked_at: float = 0.0
    met: bool = False
    cut: bool = False


@dataclass
class Wanted:
    """What all boxes look out for now; each is counted once."""

    holds: bytes = b"\x00"
    times: list[float] = field(default_factory=list)
    left: int = 0


class Crowd:
    def __init__(self) -> None:
        self._ready = select.epoll()
        self._boxes: dict[int, Box] = {}
        self._room = bytearray(ROOM_BYTES)
        self._view = memoryview(self._room)
        self._wanted: dict[bool, Wanted] = {True: Wanted(), False: Wanted()}
        self._due: deque[Box] = deque()
        self._every_s = 0.0
        self._began = 0.0
        self._turns = 0
        self._sub = b""
        self._last: list[bytes] = []  # frames of the first box that listens, as they came
        self.answers: dict[bytes, int] = {}
        self.waits: list[float] = []
        self.octets = self.reopened = 0
        self._asking: list[Box] = []

    def open(self, host: str, port: int, listens: bool, path: str, tokens: list[str], sub: list[list[str]]) -> None:
        """One box for each token, its topics in turn from `sub`; returns when all have what stands now."""
        waiting = iter(enumerate(tokens))
        coming: set[int] = set()
        until = time.monotonic() + OPEN_S
        while time.monotonic() < until:
            while len(coming) < AT_ONCE and (given := next(waiting, None)) is not None:
                coming.add(self._opened(host, port, listens, path, given[1], sub[given[0] % len(sub)]))
            if not coming:
                return
            self._turn(0.1)
            coming = {fd for fd in coming if not self._settled(self._boxes[fd], len(sub[0]))}
        raise TimeoutError(f"{len(coming)} boxes are not open yet")

    def _settled(self, box: Box, topics: int) -> bool:
        return box.frames >= topics if box.listens else bool(box.tag)

    def _opened(self, host: str, port: int, listens: bool, path: str, token: str, topics: list[str]) -> int:
        line = socket.create_connection((host, port), timeout=30)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # As a browser on an old box asks; the hub reads all of it.
        head = (
            f"Host: {host}:{port}\r\nOrigin: http://{host}:{port}\r\nCookie: linli_tv={token}\r\n"
            "User-Agent: Mozilla/5.0 (Linux; Android 4.4.2; EC6108V9) AppleWebKit/537.36 Chrome/30.0 Safari/537.36\r\n"
            "Accept-Language: zh-CN,zh;q=0.8\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\n"
        )
        if listens:
            key = base64.b64encode(os.urandom(16)).decode()
            asks = (
                f"GET {path} HTTP/1.1\r\n{head}Upgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
            ).encode()
        else:
            asks = f"GET {path}{''.join(f'&t={topic}' for topic in topics)} HTTP/1.1\r\n{head}".encode()
        box = Box(line, (host, port), asks, listens)
        if listens:
            line.sendall(asks)
            box.asks = _masked(json.dumps({"sub": topics, "since": {}}).encode())
        else:
            self._ask(box)
        line.setblocking(False)
        self._boxes[line.fileno()] = box
        self._asking += [] if listens else [box]
        self._ready.register(line.fileno(), select.EPOLLIN)
        return line.fileno()

    def _ask(self, box: Box) -> None:
        """On the line it has; a hub lets go of one that was quiet for long, and a browser opens another."""
        if box.cut:
            box.line = socket.create_connection(box.where, timeout=30)
            box.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            box.line.setblocking(False)
            box.cut, self.reopened = False, self.reopened + 1
            self._boxes[box.line.fileno()] = box
            self._ready.register(box.line.fileno(), select.EPOLLIN)
        box.asked_at = time.monotonic()
        with suppress(ConnectionError):  # cut meanwhile: it is read next, and asked again
            box.line.send(box.asks + (b"If-None-Match: " + box.tag + b"\r\n\r\n" if box.tag else b"\r\n"))

    def arm(self, holds: str) -> None:
        listening = [box for box in self._boxes.values() if box.listens]
        for listens, boxes in ((True, listening), (False, self._asking)):
            # Those that do not ask now will not hear of it.
            count = len(boxes) if listens or self._every_s else 0
            self._wanted[listens] = Wanted(holds.encode(), left=count)
            for box in boxes:
                box.met = False
        self._last = []

    def ask_every(self, seconds: float) -> None:
        """From now on each box that asks does so this often, evenly spread; 0 stops them."""
        self._every_s, self._turns, self._began = seconds, 0, time.monotonic()
        self._due = deque(self._asking)
        self.answers, self.waits = {}, []

    def turn_for(self, seconds: float, *, until_met: bool) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if until_met and not any(wanted.left for wanted in self._wanted.values()):
                return
            self._turn(min(left, 0.01 if self._every_s else 0.1))

    def _turn(self, wait_s: float) -> None:
        for fd, _what in self._ready.poll(wait_s):
            self._heard(self._boxes[fd])
        if self._every_s:
            owed = int((time.monotonic() - self._began) / self._every_s * len(self._due)) - self._turns
            for _box in range(owed):
                self._turns += 1
                self._due.rotate(-1)
                if not self._due[0].asked_at:  # else its last answer is still on its way
                    self._ask(self._due[0])

    def _heard(self, box: Box) -> None:
        count = 0
        with suppress(ConnectionError):
            count = box.line.recv_into(self._room)
        if not count:
            self._lost(box)
            return
        self.octets += count
        if box.listens:
            data = box.stash + bytes(self._view[:count])
            box.stash = self._frames_of(box, data)
        else:
            box.stash = self._answer_of(box, box.stash + bytes(self._view[:count]))

    def _lost(self, box: Box) -> None:
        if box.listens or box.stash:
            raise ConnectionError(f"the line of a box that {'listens' if box.listens else 'asks'} was cut")
        del self._boxes[box.line.fileno()]
        self._ready.unregister(box.line.fileno())
        box.line.close()
        box.cut = True
        if box.asked_at:  # it asked while the hub let go
            self._ask(box)

    def _frames_of(self, box: Box, data: bytes) -> bytes:
        if not box.upgraded:
            head, end, data = data.partition(_END)
            if not end:
                return head
            if not head.startswith(b"HTTP/1.1 101"):
                raise ConnectionError(repr(head[:60]))
            box.upgraded = True
            box.line.send(box.asks)
        while len(data) >= 2:
            size, start = data[1], 2
            if size == 126:
                size, start = int.from_bytes(data[2:4], "big"), 4
            elif size == 127:
                size, start = int.from_bytes(data[2:10], "big"), 10
            if len(data) < start + size:
                break
            if data[0] & 15 == 9:
                box.line.send(b"\x8a" + bytes((0x80 | size,)) + bytes(4) + data[start : start + size])
            elif data[0] & 15 == 1:
                box.frames += 1
                self._seen(box, data)
                if box is next(iter(self._boxes.values())):
                    self._last.append(data[start : start + size])
            data = data[start + size :]
        return data

    def _answer_of(self, box: Box, data: bytes) -> bytes:
        head, end, body = data.partition(_END)
        if not end:
            return data
        lowered = head.lower()
        size = int(lowered.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]) if b"content-length:" in lowered else 0
        if len(body) < size:
            return data
        code = head[9:12]
        self.answers[code] = self.answers.get(code, 0) + 1
        self.waits.append(time.monotonic() - box.asked_at)
        box.asked_at = 0.0
        if code == b"200":
            at = lowered.index(b"etag:") + 5
            box.tag = head[at:].split(b"\r\n", 1)[0].strip()
            self._seen(box, body)
        return b""

    def _seen(self, box: Box, data: bytes) -> None:
        wanted = self._wanted[box.listens]
        if not box.met and wanted.holds in data:
            box.met = True
            wanted.times.append(time.monotonic())
            wanted.left -= 1

    def told(self) -> dict[str, Any]:
        sockets, polls = self._wanted[True], self._wanted[False]
        return {
            "sockets": sockets.times,
            "polls": polls.times,
            "missing": sockets.left + polls.left,
            "answers": {code.decode(): count for code, count in self.answers.items()},
            "waits_ms": [round(wait * 1000, 2) for wait in sorted(self.waits)[:: max(1, len(self.waits) // 200)]],
            "frames": [frame.decode() for frame in self._last],
            "octets": self.octets,
            "reopened": self.reopened,
        }

    def close(self) -> None:
        for fd, box in self._boxes.items():
            self._ready.unregister(fd)
            box.line.close()
        self._boxes.clear()
        self._asking = []
        self._every_s, self._due = 0.0, deque()


def _masked(body: bytes) -> bytes:
    head = bytes((0x81, 0x80 | (126 if len(body) > 125 else len(body))))
    return head + (len(body).to_bytes(2, "big") if len(body) > 125 else b"") + bytes(4) + body


def _orders() -> Iterator[dict[str, Any]]:
    for line in sys.stdin:
        yield json.loads(line)


def main() -> None:
    crowd = Crowd()
    verbs: dict[str, Callable[..., None]] = {
        "open": crowd.open, "arm": crowd.arm, "every": crowd.ask_every, "close": crowd.close,
        "wait": lambda seconds: crowd.turn_for(seconds, until_met=True),
        "stand": lambda seconds: crowd.turn_for(seconds, until_met=False),
    }  # fmt: skip
    for order in _orders():
        before = time.process_time()
        verbs[order.pop("do")](**order)
        print(json.dumps({**crowd.told(), "cpu_s": time.process_time() - before}), flush=True)


if __name__ == "__main__":
    main()

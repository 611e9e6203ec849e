"""The limit: mosquitto from publish to subscribe at QoS 1, nothing decoded, nothing stored. No hub can be faster on it.

Run as a program this file is the subscriber: it acknowledges by the packet, counts, and keeps the count in a file.
"""

from __future__ import annotations

import asyncio
import mmap
import struct
import sys
from pathlib import Path

from bench.contestants.base import Opened
from bench.rig import peer, town
from bench.rig.driver import connect_packet
from bench.rig.process import Program, python

name, what = "limit", "mosquitto, publish to subscribe, nothing stored"
_COUNT = struct.Struct("<Q")
SUBSCRIBE = b"\x82\x0c\x00\x01\x00\x07linli/#\x01"


class FileCount:
    def __init__(self, path: Path) -> None:
        path.write_bytes(_COUNT.pack(0))
        self._file = path.open("r+b")
        self._map = mmap.mmap(self._file.fileno(), _COUNT.size)

    def now(self) -> int:
        return int(_COUNT.unpack(self._map[: _COUNT.size])[0])

    def put(self, count: int) -> None:
        self._map[: _COUNT.size] = _COUNT.pack(count)

    def close(self) -> None:
        self._map.close()
        self._file.close()


def open(folder: Path) -> Opened:
    broker, port = peer.start(folder)
    count = FileCount(folder / "count")
    tap = Program(python("bench.contestants.limit", str(port), str(folder / "count")), folder / "tap.log", speaks=True)
    tap.ask("")
    return Opened(port, dict.fromkeys(town.GATEWAYS, "x"), [broker, tap], count)


class Tap(asyncio.Protocol):
    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _COUNT.size)
        self._count, self._rest = 0, b""
        self._transport: asyncio.Transport | None = None
        self.subscribed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(connect_packet("tap", "x", "tap") + SUBSCRIBE)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        place, end, acks = 0, len(data), []
        while end - place >= 5:
            length, body = data[place + 1], place + 2
            if length > 127:  # none of ours is longer than two length bytes can say
                length, body = length & 127 | data[body] << 7, body + 1
            if body + length > end:
                break
            if data[place] & 0xF0 == 0x30:
                at = body + 2 + (data[body] << 8 | data[body + 1])
                acks.append(b"\x40\x02" + data[at : at + 2])
            elif data[place] == 0x90:
                self.subscribed.set()
            place = body + length
        self._rest = data[place:]
        if acks and self._transport is not None:
            self._transport.write(b"".join(acks))
            self._count += len(acks)
            self._map[: _COUNT.size] = _COUNT.pack(self._count)


async def _listen(port: int, path: Path) -> None:
    loop = asyncio.get_running_loop()
    tap = Tap(path)
    await loop.create_connection(lambda: tap, "127.0.0.1", port)
    await asyncio.wait_for(tap.subscribed.wait(), 10.0)
    await loop.run_in_executor(None, sys.stdin.readline)
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)  # until whoever started us closes it


if __name__ == "__main__":
    asyncio.run(_listen(int(sys.argv[1]), Path(sys.argv[2])))

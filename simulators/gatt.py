"""A recorded GATT peripheral: services, characteristics and memory from a script, with connections that break.

    {"address": "F8:33:31:00:11:22", "name": "BLEsmart_0000", "services": ["1810"], "rssi": -60,
     "characteristics": {"2a25": {"read": "53..."}, "2a2b": {"read": "e407...", "write": true}, "2a35": {}},
     "records": [{"uuid": "2a35", "hex": "1e..."}, ...],        what its memory holds, oldest first
     "keeps": false,                                            a meter keeps its memory; a cuff forgets what arrived
     "breaks_after": [1, 0]}                                    connections break after one value, then at once

A value is forgotten, or counted as told, only once whoever listens has returned: that is the confirmation of an
indication. A listener that dies with it in hand has not confirmed it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RACP, REPORT_ALL = "2a52", b"\x01\x01"
ALL_TOLD, NONE_THERE = b"\x06\x00\x01\x01", b"\x06\x00\x01\x06"
CONTEXT = "2a34"


@dataclass(frozen=True, slots=True)
class Advert:
    address: str
    name: str
    services: tuple[str, ...]
    rssi: int


@dataclass
class Peripheral:
    """A device as it was recorded, and what it still holds."""

    address: str
    name: str
    services: tuple[str, ...]
    characteristics: Mapping[str, Mapping[str, Any]]
    memory: list[tuple[str, bytes]]
    keeps: bool = False
    breaks_after: list[int] = field(default_factory=list)
    rssi: int = -60
    visits: int = 0
    written: list[tuple[str, bytes]] = field(default_factory=list)
    told_all: bool = False  # to somebody who stayed until the end

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Peripheral:
        return cls(
            address=str(raw["address"]),
            name=str(raw.get("name", "")),
            services=tuple(raw.get("services", ())),
            characteristics=dict(raw["characteristics"]),
            memory=[(each["uuid"], bytes.fromhex(each["hex"])) for each in raw.get("records", ())],
            keeps=bool(raw.get("keeps", False)),
            breaks_after=list(raw.get("breaks_after", ())),
            rssi=int(raw.get("rssi", -60)),
        )

    @classmethod
    def load(cls, path: Path) -> Peripheral:
        return cls.parse(json.loads(path.read_text("utf-8")))

    @property
    def awake(self) -> bool:
        """Whether it still advertises: it has something to tell that nobody has heard to the end."""
        return bool(self.memory) and not (self.keeps and self.told_all)

    def advert(self) -> Advert:
        return Advert(self.address, self.name, self.services, self.rssi)


class Link:
    """One connection with a recorded peripheral."""

    def __init__(self, peripheral: Peripheral) -> None:
        self.lost = asyncio.Event()
        self._peripheral = peripheral
        self._left = peripheral.breaks_after.pop(0) if peripheral.breaks_after else None
        self._heard: dict[str, Callable[[bytes], None]] = {}
        self._telling: asyncio.Task[None] | None = None
        peripheral.visits += 1

    @property
    def characteristics(self) -> Collection[str]:
        return self._peripheral.characteristics.keys()

    async def read(self, uuid: str) -> bytes:
        self._alive()
        return bytes.fromhex(str(self._peripheral.characteristics[uuid].get("read", "")))

    async def write(self, uuid: str, value: bytes) -> None:
        self._alive()
        if not self._peripheral.characteristics[uuid].get("write"):
            raise OSError("write not permitted")
        self._peripheral.written.append((uuid, value))
        if uuid == RACP and value == REPORT_ALL:
            self._begin()

    async def listen(self, uuid: str, heard: Callable[[bytes], None]) -> None:
        self._alive()
        self._heard[uuid] = heard
        if RACP not in self._peripheral.characteristics:
            self._begin()

    async def close(self) -> None:
        self.lost.set()
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.wait([self._telling])
            if not self._telling.cancelled():
                self._telling.exception()  # whoever listened knows it already

    def _begin(self) -> None:
        if self._telling is None:
            self._telling = asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        """All of the memory, each value confirmed by the listener's return, until the connection breaks."""
        await asyncio.sleep(0)
        device, told = self._peripheral, 0
        for uuid, value in list(device.memory):
            if self._left is not None and told >= self._left:
                self.lost.set()
                return
            listener = self._heard.get(uuid)
            if listener is None:
                continue
            try:
                listener(value)
            except Exception:
                self.lost.set()  # not confirmed, so not forgotten
                raise
            told += 1
            if not device.keeps:
                device.memory.remove((uuid, value))
            await asyncio.sleep(0)
        device.told_all = True
        if RACP in self._heard:
            self._heard[RACP](ALL_TOLD if told else NONE_THERE)
        else:
            self.lost.set()  # a cuff switches itself off

    def _alive(self) -> None:
        if self.lost.is_set():
            raise ConnectionError("the device is gone")


class RecordedRadio:
    """A room with recorded devices. `watch` ends when none of them has anything more to tell."""

    def __init__(self, peripherals: Sequence[Peripheral]) -> None:
        self.peripherals = {each.address: each for each in peripherals}
        self.paired: list[str] = []

    async def watch(self) -> AsyncIterator[Advert]:
        while True:
            awake = [each for each in self.peripherals.values() if each.awake]
            if not awake:
                return
            for each in awake:
                yield each.advert()
            await asyncio.sleep(0)

    async def connect(self, address: str) -> Link:
        found = self.peripherals.get(address)
        if found is None:
            raise ConnectionError(f"nobody answers at {address}")
        return Link(found)

    async def pair(self, address: str) -> None:
        await self.connect(address)
        self.paired.append(address)

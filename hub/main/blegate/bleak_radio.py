"""The radio of a Linux box: bleak over BlueZ. An extra (`linli[ble]`), imported only where a radio is asked for.

BlueZ confirms an indication before we see it: between that and our disk lies the time of one callback. A device that
keeps its memory (a meter with RACP) tells it again; a cuff that forgets does not, and this window cannot be closed
from here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from typing import Any

from hub import extras
from hub.main.blegate.radio import Heard, Link, NoRadio, Radio, Seen

_BASE = "-0000-1000-8000-00805f9b34fb"


@dataclass(frozen=True, slots=True)
class Advert:
    address: str
    name: str
    services: tuple[str, ...]
    rssi: int


def radio() -> Radio:
    try:
        import bleak
    except ImportError:
        raise NoRadio(f"reading Bluetooth devices needs the extra `ble`: {extras.command('ble')}") from None
    return BleakRadio(bleak)


def short(uuid: str) -> str:
    """ "00002a35-0000-1000-8000-00805f9b34fb" -> "2a35"; a private one stays whole."""
    text = uuid.lower()
    return text[4:8] if text.startswith("0000") and text.endswith(_BASE) else text


def full(uuid: str) -> str:
    return f"0000{uuid}{_BASE}" if len(uuid) == 4 else uuid


class BleakLink:
    def __init__(self, client: Any, lost: asyncio.Event, trouble: type[Exception]) -> None:
        self.lost, self._client, self._trouble = lost, client, trouble
        self._names = {short(each.uuid): each for each in client.services.characteristics.values()}

    @property
    def characteristics(self) -> Collection[str]:
        return self._names.keys()

    async def read(self, uuid: str) -> bytes:
        return bytes(await self._ask(self._client.read_gatt_char(full(uuid))))

    async def write(self, uuid: str, value: bytes) -> None:
        await self._ask(self._client.write_gatt_char(full(uuid), value, response=True))

    async def listen(self, uuid: str, heard: Heard) -> None:
        await self._ask(self._client.start_notify(full(uuid), lambda _sender, value: heard(bytes(value))))

    async def close(self) -> None:
        await self._ask(self._client.disconnect())
        self.lost.set()

    async def _ask(self, asked: Any) -> Any:
        try:
            return await asked
        except self._trouble as trouble:
            raise (ConnectionError if self.lost.is_set() else OSError)(str(trouble)) from trouble


class BleakRadio:
    def __init__(self, bleak: Any) -> None:
        self._bleak = bleak
        self._trouble: type[Exception] = bleak.exc.BleakError
        self._near: dict[str, Any] = {}

    async def watch(self) -> AsyncIterator[Seen]:
        heard: asyncio.Queue[Advert] = asyncio.Queue(maxsize=1_000)

        def advertised(device: Any, said: Any) -> None:
            self._near[device.address] = device
            services = tuple(short(each) for each in said.service_uuids or ())
            if not heard.full():  # it says so again within a second
                heard.put_nowait(Advert(device.address, said.local_name or device.name or "", services, said.rssi))

        try:
            async with self._bleak.BleakScanner(detection_callback=advertised):
                while True:
                    yield await heard.get()
        except (self._trouble, OSError) as trouble:  # OSError: there is no D-Bus at all
            raise NoRadio(
                f"Bluetooth does not answer ({trouble}); is bluetoothd running and the adapter on?"
            ) from trouble

    async def connect(self, address: str) -> Link:
        lost = asyncio.Event()
        client = self._bleak.BleakClient(
            self._near.get(address, address), disconnected_callback=lambda _client: lost.set()
        )
        try:
            await client.connect()
        except self._trouble as trouble:
            raise ConnectionError(str(trouble)) from trouble
        return BleakLink(client, lost, self._trouble)

    async def pair(self, address: str) -> None:
        client = self._bleak.BleakClient(self._near.get(address, address), pair=True)
        try:
            await client.connect()
            await client.disconnect()
        except self._trouble as trouble:
            raise ConnectionError(str(trouble)) from trouble

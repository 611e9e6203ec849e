"""The port to Bluetooth: what the gateway needs of a stack. bleak is one, a recorded peripheral (simulators/gatt.py)
another.

Characteristics are named by their 16-bit number in small letters ("2a35"). Whoever loses a connection raises
ConnectionError.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Protocol, TypeAlias

Heard: TypeAlias = Callable[[bytes], None]
"""Called with each notified or indicated value. Once it has returned the value is on this machine's disk."""


class Seen(Protocol):
    """One advertisement."""

    @property
    def address(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def services(self) -> Sequence[str]: ...
    @property
    def rssi(self) -> int: ...


class Link(Protocol):
    """One connection. `lost` is set when it ends, whoever ended it."""

    @property
    def lost(self) -> asyncio.Event: ...
    @property
    def characteristics(self) -> Collection[str]: ...
    async def read(self, uuid: str) -> bytes: ...
    async def write(self, uuid: str, value: bytes) -> None: ...
    async def listen(self, uuid: str, heard: Heard) -> None: ...
    async def close(self) -> None: ...


class Radio(Protocol):
    def watch(self) -> AsyncIterator[Seen]:
        """Advertisements as they come, for ever; a recorded radio ends."""

    async def connect(self, address: str) -> Link: ...
    async def pair(self, address: str) -> None: ...


class NoRadio(RuntimeError):
    """There is no Bluetooth here; the sentence says what to do."""

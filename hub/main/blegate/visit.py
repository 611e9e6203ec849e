"""A visit: one connection with one device, from who it is to the last record it had.

Order matters. The device's own idea of the time is read before the right one is written, so that a wrong clock is known
and not only cured; measurements are listened to before a meter is asked for its memory; each value is on disk before
the device is told that it arrived, as far as the Bluetooth stack lets us say so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timezone
from functools import partial
from typing import TypeVar

from devices.frame import date_time
from devices.pack import Record
from devices.profile import Profile
from hub.main.blegate.radio import Link
from simulators.clock import Now

log = logging.getLogger(__name__)
T = TypeVar("T")
CURRENT_TIME, DATE_TIME, RACP, BATTERY = "2a2b", "2a08", "2a52", "2a19"
TEXTS = {"2a29": "maker", "2a24": "model", "2a25": "serial", "2a26": "firmware", "2a27": "hardware", "2a28": "software"}
TEXT_CHARS_MAX = 64
REPORT_ALL, DONE = b"\x01\x01", b"\x06\x00\x01\x01"
NO_RECORDS = b"\x06\x00\x01\x06"
QUIET_S = 20.0  # a cuff keeps the connection open while it pumps; silent for longer, it has nothing more to say
STEP_S = 10.0  # for one read or write; a device that does not answer must not keep the others waiting
HALF_S = 2.0  # the second part of a record comes at once or never
Keep = Callable[[Sequence[Record]], None]

# A frame whose flags say that another one belongs to it, and from where that one comes.
_FOLLOWED: Mapping[str, tuple[int, int, str]] = {
    "2a18": (1, 0x10, "2a34"),  # flags u8, bit 4: the context follows
    "2a9c": (2, 0x1000, "2a9c"),  # flags u16, bit 12: a multiple packet
}


@dataclass
class Told:
    """What a device said of itself in one visit."""

    facts: dict[str, str] = field(default_factory=dict)
    battery: int | None = None
    clock_offset_s: int | None = None  # ours minus the device's, before it was set
    clock_set: bool = False
    records: int = 0
    answered: bool | None = None  # whether the meter said that it had told all; None: it was not asked
    ended: str = ""


class Visit:
    def __init__(self, link: Link, profile: Profile, keep: Keep, now: Now, *, quiet_s: float = QUIET_S) -> None:
        self._link, self._profile, self._keep, self._now = link, profile, keep, now
        self._quiet_s = quiet_s
        self._half: tuple[str, Record] | None = None
        self._half_ends: asyncio.TimerHandle | None = None
        self._word = asyncio.Event()  # something came
        self.told = Told()

    async def run(self) -> Told:
        """Everything the device has; what came before the connection broke is kept all the same."""
        try:
            await self._introduce()
            await self._set_clock()
            await self._listen()
            if RACP in self._link.characteristics:
                await self._ask_memory()
            await self._until_quiet()
        except (ConnectionError, TimeoutError, OSError) as broken:
            self.told.ended = str(broken) or type(broken).__name__
        finally:
            self._let_half_go()
            with suppress(ConnectionError, TimeoutError, OSError):
                await within(self._link.close())
        return self.told

    async def _introduce(self) -> None:
        for uuid, name in TEXTS.items():
            if uuid in self._link.characteristics:
                text = (await self._read(uuid)).split(b"\0")[0].decode("utf-8", "replace").strip()
                if text.isprintable() and text:
                    self.told.facts[name] = text[:TEXT_CHARS_MAX]
        if BATTERY in self._link.characteristics:
            level = await self._read(BATTERY)
            if level and level[0] <= 100:
                self.told.battery = level[0]

    async def _set_clock(self) -> None:
        uuid = next((each for each in (CURRENT_TIME, DATE_TIME) if each in self._link.characteristics), None)
        if uuid is None or not self._profile.clock_sync:
            return
        said = clock_of(await self._read(uuid), self._profile.zone)
        if said is not None:
            self.told.clock_offset_s = round((self._now() - said).total_seconds())
        value = clock_bytes(self._now(), self._profile.zone, long=uuid == CURRENT_TIME)
        try:
            await within(self._link.write(uuid, value))
            self.told.clock_set = True
        except (TimeoutError, OSError) as refused:
            if self._link.lost.is_set():
                raise
            # Some cuffs show their clock and let nobody set it; they still measure.
            log.info("a device keeps its own time", extra={"why": str(refused)})

    async def _listen(self) -> None:
        wanted = {each.lower() for each in self._profile.codec} & set(self._link.characteristics)
        if "2a18" in wanted and "2a34" in self._link.characteristics:
            wanted.add("2a34")
        if RACP in self._link.characteristics:
            await within(self._link.listen(RACP, self._memory_said))
        for uuid in sorted(wanted, reverse=True):  # the context's before the glucose's: it follows at once
            await within(self._link.listen(uuid, partial(self._heard, uuid)))

    async def _ask_memory(self) -> None:
        self.told.answered = False
        await within(self._link.write(RACP, REPORT_ALL))

    def _memory_said(self, value: bytes) -> None:
        if value[:4] in (DONE, NO_RECORDS):
            self.told.answered = True
        self._word.set()

    async def _until_quiet(self) -> None:
        """Until the device hangs up, has told all of its memory, or has been quiet for long."""
        while not self._link.lost.is_set() and not self.told.answered:
            self._word.clear()
            waits = [asyncio.ensure_future(each.wait()) for each in (self._link.lost, self._word)]
            try:
                done, _pending = await asyncio.wait(waits, timeout=self._quiet_s, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in waits:
                    each.cancel()
            if not done:
                return

    def _heard(self, uuid: str, value: bytes) -> None:
        codec = self._profile.codec.get(uuid.upper(), f"sig.{uuid}")
        record = Record(codec, value, self._now())
        if self._half is not None and self._half[0] == uuid:
            first, self._half = self._half[1], None
            self._kept((first, record))
        else:
            self._let_half_go()
            follower = _follower(uuid, value)
            if follower is not None and follower in self._link.characteristics:
                self._half = (follower, record)
                self._half_ends = asyncio.get_running_loop().call_later(HALF_S, self._let_half_go)
            else:
                self._kept((record,))
        self._word.set()

    def _let_half_go(self) -> None:
        """The other part did not come: the first is kept alone, and its codec says that a part is missing."""
        if self._half_ends is not None:
            self._half_ends.cancel()
            self._half_ends = None
        if self._half is not None:
            record, self._half = self._half[1], None
            self._kept((record,))

    def _kept(self, records: Sequence[Record]) -> None:
        self._keep(records)
        self.told.records += 1

    async def _read(self, uuid: str) -> bytes:
        return await within(self._link.read(uuid))


async def within(step: Awaitable[T]) -> T:
    """One step of a visit, bounded. Not wait_for: in 3.11 it swallows a cancellation that meets the step's end."""
    async with asyncio.timeout(STEP_S):
        return await step


def _follower(uuid: str, value: bytes) -> str | None:
    known = _FOLLOWED.get(uuid)
    if known is None:
        return None
    width, bit, follower = known
    return follower if int.from_bytes(value[:width], "little") & bit else None


def clock_bytes(at: datetime, zone: timezone, *, long: bool) -> bytes:
    """Current Time (2A2B, with weekday and 1/256 s) or Date Time (2A08), in the device's own zone."""
    local = at.astimezone(zone)
    short = local.year.to_bytes(2, "little") + bytes((local.month, local.day, local.hour, local.minute, local.second))
    if not long:
        return short
    manual = 1  # adjust reason: set by hand of the gateway
    return short + bytes((local.isoweekday(), local.microsecond * 256 // 1_000_000, manual))


def clock_of(value: bytes, zone: timezone) -> datetime | None:
    """What the device says it is; None: it does not know, or says a day that never was."""
    if len(value) < 7:
        return None
    try:
        said = date_time(int.from_bytes(value[:2], "little"), *value[2:7])
    except ValueError:
        return None
    return None if said is None else said.replace(tzinfo=zone).astimezone(UTC)

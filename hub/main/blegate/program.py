"""The program of a hut's box: it watches for its devices, visits each that wakes up, and hands what they had to the
outbox; orders of the hub wait until their device is there.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from devices.codecs import codec
from devices.pack import Record
from hub.main.blegate.radio import Radio, Seen
from hub.main.blegate.setup import Place, Setup
from hub.main.blegate.slip import PrinterTrouble, escpos, print_to
from hub.main.blegate.visit import QUIET_S, Told, Visit
from simulators.clock import Now, utc_now
from simulators.gateway import Gateway
from simulators.journal import Journal
from simulators.line import LineLost, PublishRefused
from simulators.plan import DevicePlan

log = logging.getLogger(__name__)
VERSION = "linli-gateway-1"
CONNECT_S = 20.0
REST_S = 5.0  # a cuff goes on advertising for a while after it has told all
SEEN_MAX = 5_000  # records a meter tells again at every visit; the hub folds them too, this only spares the line
ORDERS_MAX = 200


@dataclass(frozen=True, slots=True)
class Order:
    id: str
    name: str
    args: Mapping[str, object]
    expires: datetime


class BleGateway:
    """`await program.run()` works until cancelled, or until the radio has nothing more to tell (a recorded one)."""

    def __init__(
        self,
        setup: Setup,
        radio: Radio,
        journal: Journal,
        *,
        now: Now = utc_now,
        quiet_s: float = QUIET_S,
        rest_s: float = REST_S,
        receipt_wait_s: float = 30.0,
    ) -> None:
        self.setup = setup
        self._radio, self._now, self._quiet_s, self._rest_s = radio, now, quiet_s, rest_s
        self._told_before: OrderedDict[str, None] = OrderedDict()
        self._orders: dict[str, dict[str, Order]] = defaultdict(dict)
        self._ended: OrderedDict[str, tuple[bool, str]] = OrderedDict()  # answers, for a hub that asks again
        self._rests: dict[str, float] = {}
        self._printing: set[asyncio.Task[None]] = set()
        self.gateway = Gateway(
            setup.gateway,
            setup.area,
            setup.password,
            [_plan(setup, place) for place in setup.devices],
            address=setup.address,
            journal=journal,
            now=now,
            receipt_wait_s=receipt_wait_s,
            firmware=VERSION,
            orders=self,
        )

    async def run(self) -> None:
        self.gateway.start()
        try:
            async for seen in self._radio.watch():
                place = self.setup.at(seen.address)
                if place is not None and not self._resting(place):
                    await self.visit(place, seen)
        finally:
            for task in self._printing:
                task.cancel()

    async def visit(self, place: Place, seen: Seen) -> Told | None:
        """One connection. Its radio may fail; the device wakes up again, and what it kept it tells again."""
        try:
            async with asyncio.timeout(CONNECT_S):
                link = await self._radio.connect(place.address)
        except (ConnectionError, TimeoutError, OSError) as trouble:
            log.info("no connection", extra={"device": place.id, "why": str(trouble)})
            return None
        visit = Visit(link, place.model, lambda records: self._keep(place, records), self._now, quiet_s=self._quiet_s)
        told = await visit.run()
        self._rests[place.id] = asyncio.get_running_loop().time() + self._rest_s
        self._answer(place, told)
        await self._tell(place, told, seen)
        return told

    def _keep(self, place: Place, records: Sequence[Record]) -> None:
        """On disk when this returns. A meter's memory comes again at every visit: what it has numbered or dated and was
        kept once is not kept twice; what names itself by nothing is never folded here, two people may be alike."""
        mark = _mark(place, records)
        if mark is not None and mark in self._told_before:
            return
        self.gateway.keep(place.id, records)
        if mark is not None:
            self._told_before[mark] = None
            if len(self._told_before) > SEEN_MAX:
                self._told_before.popitem(last=False)

    async def _tell(self, place: Place, told: Told, seen: Seen) -> None:
        facts: dict[str, str] = {name: told.facts[name] for name in ("serial", "firmware") if name in told.facts}
        self.gateway.facts[place.id] = facts
        said: dict[str, object] = {name: value for name, value in told.facts.items() if name not in facts}
        said |= {"rssi": seen.rssi, "records": told.records, "clock_set": told.clock_set}
        if told.battery is not None:
            said["battery"] = told.battery
        if told.clock_offset_s is not None:
            said["clock_offset_s"] = told.clock_offset_s
        try:
            async with asyncio.timeout(self._quiet_s):
                await self.gateway.report(place.id, "online", said)
        except (TimeoutError, LineLost, PublishRefused):
            log.info("the twin waits for the next visit", extra={"device": place.id})

    # -- what the hub asks ----------------------------------------------------------------------------------------
    def ordered(self, device: str, ident: str, order: Mapping[str, object]) -> None:
        if ident in self._ended:
            ok, said = self._ended[ident]
            self.gateway.answer(device, ident, ok=ok, said=said)
            return
        try:
            expires = datetime.fromisoformat(str(order.get("expires")))
        except ValueError:
            expires = self._now()
        args = order.get("args")
        made = Order(ident, str(order.get("name")), args if isinstance(args, dict) else {}, expires)
        if expires.tzinfo is None or expires <= self._now():
            self._end(device, made, ok=False, said="expired")
        elif made.name == "print" and device == self.setup.printer_device:
            task = asyncio.get_running_loop().create_task(self._print(device, made))
            self._printing.add(task)
            task.add_done_callback(self._printing.discard)
        elif made.name in ("sync-clock", "read-records") and any(each.id == device for each in self.setup.devices):
            if sum(map(len, self._orders.values())) < ORDERS_MAX:
                self._orders[device][ident] = made  # done when the device is there
        else:
            self._end(device, made, ok=False, said=f"unknown: {made.name}")

    def wished(self, device: str, body: Mapping[str, object]) -> None:
        """Nothing of these devices can be set but their clock, which every visit does; the twin says what is."""

    def _waiting(self, device: str, name: str) -> list[Order]:
        now = self._now()
        mine = self._orders[device]
        for ident in [ident for ident, order in mine.items() if order.expires <= now]:
            del mine[ident]  # the hub has ended it by itself
        return [order for order in mine.values() if order.name == name]

    def _answer(self, place: Place, told: Told) -> None:
        for order in self._waiting(place.id, "sync-clock"):
            off = "" if told.clock_offset_s is None else f"{told.clock_offset_s:+d} s"
            self._end(place.id, order, ok=told.clock_set, said=off if told.clock_set else "its clock cannot be set")
        for order in self._waiting(place.id, "read-records"):
            self._end(place.id, order, ok=told.answered is not False, said=f"{told.records}")

    def _end(self, device: str, order: Order, *, ok: bool, said: str) -> None:
        self._orders[device].pop(order.id, None)
        self._ended[order.id] = ok, said
        if len(self._ended) > ORDERS_MAX:
            self._ended.popitem(last=False)
        self.gateway.answer(device, order.id, ok=ok, said=said)

    async def _print(self, device: str, order: Order) -> None:
        lines = order.args.get("lines")
        texts = [str(each) for each in lines] if isinstance(lines, list) else []
        try:
            await print_to(self.setup.printer, escpos(str(order.args.get("title", "")), texts))
        except PrinterTrouble as trouble:
            self._end(device, order, ok=False, said=str(trouble))
        else:
            self._end(device, order, ok=True, said="")

    def _resting(self, place: Place) -> bool:
        return asyncio.get_running_loop().time() < self._rests.get(place.id, 0.0)


def _plan(setup: Setup, place: Place) -> DevicePlan:
    model = place.model
    return DevicePlan(place.id, setup.gateway, model.kind, model.id, "", model.title_zh, model.title_en)


def _mark(place: Place, records: Sequence[Record]) -> str | None:
    """What a record is known again by; None where it carries neither a number nor a time of its own."""
    first = records[0]
    try:
        measured = codec(first.codec).decode(first.payload, place.model)
    except ValueError:
        return None  # the hub will say what is wrong with it
    if not any(each.anchor is not None or each.at is not None for each in measured):
        return None
    whole = b"|".join(record.payload for record in records)
    return hashlib.sha256(f"{place.id}|{first.codec}|".encode() + whole).hexdigest()

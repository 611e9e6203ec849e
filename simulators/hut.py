"""A simulated health hut: people sit down, devices measure, and their true frames leave through the gateway's outbox.

hut = Hut(plan, password, address=Address("127.0.0.1", 1883), journal=Journal.open(path, new_boot), seed="linli-1")
hut.start()
await hut.online()
sent = await hut.measure("lh1-bp-1", grandmother)    # or Pressure(186, 112, 138, 92); None: the cuff fails
await hut.settled(sent)
await hut.stop()
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from devices import pack, topics
from devices.pack import Record
from simulators import faults as bad
from simulators import nasty
from simulators.baseline import (
    Air,
    Body,
    Glucose,
    Oximetry,
    Pressure,
    Rhythm,
    Temperature,
    air,
    body,
    bp,
    glucose,
    rhythm,
    spo2,
    temp,
)
from simulators.clock import Now, utc_now
from simulators.faults import Fault, Faults
from simulators.frames import MEASURES, Vital, frame
from simulators.gateway import HEARTBEAT_S, Gateway
from simulators.journal import Entry, Journal
from simulators.line import Address, LineLost, PublishRefused
from simulators.plan import DevicePlan, HutPlan, PersonPlan
from simulators.visits import Visit, gaps

OLD = frozenset(  # made here; all others in nasty.py
    {
        *(Fault.DUPLICATE, Fault.MALFORMED, Fault.ALL_NAN, Fault.CLOCK_WRONG, Fault.LINE_CUT_THEN_FLOOD),
        *(Fault.UNKNOWN_DEVICE, Fault.IMPOSSIBLE_DATE, Fault.OVERSIZED, Fault.CONFLICT, Fault.WRONG_TOPIC),
    }
)
REPEAT_GAP_S = 60.0  # between the two readings of a cuff (devices.md 7.5)


class DeviceDead(RuntimeError):
    """The device has been switched off by `die`."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One act of measuring on its way. `seq` is its entry in the outbox; None where it went past the outbox."""

    device: str
    seq: int | None
    payload: bytes
    fault: Fault | None


def new_boot() -> str:
    """A journal's name must never come twice, seed or no seed: (boot, seq) names a reading for ever."""
    return f"b{secrets.token_hex(6)}"


class Hut:
    """`mode` is `pack` (envelopes from the outbox) or `raw` (each frame alone on `up/<device>/<codec>`, no outbox)."""

    def __init__(
        self,
        plan: HutPlan,
        password: str,
        *,
        address: Address,
        journal: Journal,
        seed: str,
        now: Now = utc_now,
        faults: Faults | None = None,
        mode: str = "pack",
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self.plan, self.mode = plan, mode
        self.gateway = Gateway(
            plan.gateway,
            plan.area,
            password,
            plan.devices,
            address=address,
            journal=journal,
            now=now,
            heartbeat_s=heartbeat_s,
        )
        self._seed, self._now = seed, now
        self._faults = faults or Faults(seed, {})
        self._devices = {device.id: device for device in plan.devices}
        self._last: dict[str, tuple[datetime, Vital | None]] = {}
        self._measured: Counter[str] = Counter()

    @property
    def counts(self) -> Counter[str]:
        """What really happened, by name."""
        return self.gateway.counts

    def start(self) -> None:
        self.gateway.start()

    async def online(self) -> None:
        await self.gateway.online()

    async def settled(self, sent: Sent | None = None) -> None:
        """Returns once the hub's receipt covers this measurement, or all so far."""
        await self.gateway.settled(sent.seq if sent else None)

    async def stop(self) -> None:
        await self.gateway.stop()

    async def cut(self) -> None:
        """The hut loses its line: the hub hears the will, readings gather."""
        await self.gateway.cut()

    async def mend(self) -> None:
        """The line is back, and what gathered floods in."""
        self.gateway.mend()
        await self.gateway.online()

    async def die(self, device: str) -> None:
        """One device falls silent; the gateway reports that it no longer answers."""
        self.gateway.silent.add(self._devices[device].id)
        await self.gateway.report(device, "offline")

    async def revive(self, device: str) -> None:
        self.gateway.silent.discard(device)
        await self.gateway.report(device, "online")

    async def measure(
        self,
        device: str,
        who: PersonPlan | Vital | None,
        *,
        at: datetime | None = None,
        attempt: int = 1,
        fault: Fault | None = None,
        user_index: int | None = None,
    ) -> Sent:
        """A person, given values, or None (the attempt fails: NaN in every field). Returns when it is in the outbox."""
        plan = self._devices[device]
        if device in self.gateway.silent:
            raise DeviceDead(f"{device} has been switched off")
        self._measured[device] += 1
        n = self._measured[device]
        before = self._last.get(device)
        fault = _possible(fault or self._faults.pick(device, n), plan, before is not None and before[1] is not None)
        moment = at.replace(microsecond=0) if at else _moment(self._now(), before[0] if before else None)
        vital = self._vital(plan, who, moment, attempt) if isinstance(who, PersonPlan) else who
        made = self._frame(plan, vital, moment, fault, user_index, n)
        self._last[device] = (max(moment, before[0]) if before else moment, vital)
        self.counts["measured"] += 1
        if fault is not None:
            self.counts[f"fault {fault}"] += 1
        return await self._send(plan, made, moment, fault, n)

    async def flood(self, device: str, people: Sequence[PersonPlan]) -> list[Sent]:
        """Cut the line, measure everybody, mend it: the outbox comes at once."""
        await self.cut()
        sent = [await self.measure(device, person) for person in people]
        await self.mend()
        return sent

    async def live(self, people: Sequence[PersonPlan], speed: float = 1.0) -> None:
        """Visits by their natural schedule until cancelled, `speed` times as often; times in the frames stay true."""
        for gap_s, visit in gaps(self._seed, self.plan, self._now(), people):
            await asyncio.sleep(gap_s / speed)
            await self.visit(visit, speed)

    async def visit(self, visit: Visit, speed: float = 1.0) -> None:
        """One person at every working device of the hut: the cuff twice, the others once."""
        self.counts["visits"] += 1
        for device in self.plan.devices:
            if device.codec is None or device.condition == "offline" or device.id in self.gateway.silent:
                continue
            if device.staff_only:
                continue  # a drop of blood is taken by staff, by appointment
            await self.measure(device.id, visit.person)
            if device.kind == "bp":
                await asyncio.sleep(REPEAT_GAP_S / speed)
                await self.measure(device.id, visit.person, attempt=2)

    def _vital(self, plan: DevicePlan, who: PersonPlan, at: datetime, attempt: int) -> Vital:
        if plan.kind == "bp":
            return bp(self._seed, who, at, attempt)
        if plan.kind == "spo2":
            return spo2(self._seed, who, at)
        if plan.kind == "temp":
            return temp(self._seed, who, at)
        kind = MEASURES.get(plan.kind, plan.kind)
        if kind == "glucose":
            return glucose(self._seed, who, at)
        if kind in ("weight", "body"):
            return body(self._seed, who, at)
        if kind == "ecg":
            return rhythm(self._seed, who, at)
        if kind == "env":
            return air(self._seed, self.plan.id, at)
        if kind == "bp":
            return bp(self._seed, who, at, attempt)
        raise ValueError(f"{plan.id} measures nothing by itself")

    def _frame(
        self, plan: DevicePlan, vital: Vital | None, at: datetime, fault: Fault | None, user: int | None, n: int
    ) -> bytes:
        bits = self._faults.bits(plan.id, n, "detail")
        if fault is not None and fault not in OLD:
            return nasty.frame_under(fault, plan, vital, at, user)
        said: datetime | None = at
        if fault is Fault.ALL_NAN:
            vital = None
        elif fault is Fault.CLOCK_WRONG:
            said = bad.wrong_clock(at, bits)
        elif fault is Fault.CONFLICT:
            said, before = self._last.get(plan.id, (at, vital))
            vital = _other(before)
        made = frame(plan, vital, said, user)
        if fault is Fault.MALFORMED:
            return bad.truncated(made.payload, bits)
        if fault is Fault.IMPOSSIBLE_DATE and made.device_time is not None:
            return bad.impossible_date(made.payload, made.device_time)
        return bad.oversized(bits) if fault is Fault.OVERSIZED else made.payload

    async def _send(self, plan: DevicePlan, made: bytes, at: datetime, fault: Fault | None, n: int) -> Sent:
        device = "ghost-1" if fault is Fault.UNKNOWN_DEVICE else plan.id
        gateway = f"{self.plan.gateway}-x" if fault is Fault.WRONG_TOPIC else self.plan.gateway
        assert plan.codec is not None  # noqa: S101 - frame() has refused devices without one
        record = Record(plan.codec, made, at)
        # What the hub must refuse never enters the outbox: it would be sent again for ever.
        if self.mode == "raw" or fault in (Fault.OVERSIZED, Fault.WRONG_TOPIC):
            try:
                await self.gateway.say(topics.up(self.plan.area, gateway, device, plan.codec), made)
            except (PublishRefused, LineLost):
                if fault is None:
                    raise
                self.counts["refused"] += 1
            return Sent(device, None, made, fault)
        if fault is not None:
            await self._beside(fault, plan, record, at, n)
        entry = self.gateway.keep(device, [*nasty.chatter(plan, at), record] if fault is Fault.CHATTER else [record])
        if fault is Fault.DUPLICATE:
            self.gateway.keep(device, [record])
        if fault is Fault.RESENT:
            await self._resend(device, entry)
        if fault is Fault.LINE_CUT_THEN_FLOOD:
            await self.cut()
            for _ in range(1, bad.FLOOD_READINGS):
                before, vital = self._last[plan.id]
                moment = _moment(before, before)
                self._last[plan.id] = (moment, vital)
                entry = self.gateway.keep(plan.id, [Record(plan.codec, frame(plan, vital, moment).payload, moment)])
            self.gateway.mend()
        return Sent(device, entry.seq, made, fault)

    async def _resend(self, device: str, entry: Entry) -> None:
        """The same entry again past the outbox: boot, seq and bytes."""
        envelope = pack.build(self.gateway.journal.boot, entry.seq, self._now(), entry.records)
        try:
            await self.gateway.say(topics.pack(self.plan.area, self.plan.gateway, device), envelope)
        except (PublishRefused, LineLost):
            self.counts["refused"] += 1

    async def _beside(self, fault: Fault, plan: DevicePlan, record: Record, at: datetime, n: int) -> None:
        """What this fault says beside the entry. The hub may refuse it, and may end the line over it."""
        bits = self._faults.bits(plan.id, n, "beside")
        for said in nasty.beside(fault, self.plan, plan, record, at, bits):
            try:
                await self.gateway.say(said.topic, said.payload, retain=said.retain)
                self.counts["said beside"] += 1
            except (PublishRefused, LineLost):
                self.counts["refused"] += 1


def _possible(fault: Fault | None, plan: DevicePlan, measured_before: bool) -> Fault | None:
    """A device without a clock has no wrong one, and a conflict needs a reading to conflict with."""
    if fault in (Fault.CLOCK_WRONG, Fault.IMPOSSIBLE_DATE, Fault.CONFLICT) and not plan.clock:
        return None
    if fault in (Fault.IMPOSSIBLE_DATE, Fault.ALL_NAN) and plan.kind in ("json", "module", "ecg", "env"):
        return None
    if fault is not None and not nasty.possible(fault, plan):
        return None
    return None if fault is Fault.CONFLICT and not measured_before else fault


def _moment(at: datetime, before: datetime | None) -> datetime:
    """To the second, and never the same twice for one device: a real cuff needs half a minute between readings."""
    moment = at.replace(microsecond=0)
    return moment if before is None else max(moment, before + timedelta(seconds=1))


def _other(vital: Vital | None) -> Vital | None:
    """Another content for the same moment."""
    match vital:
        case Pressure(sys, dia, mean, pulse):
            return Pressure(sys + 1, dia, mean, pulse)
        case Oximetry(saturation, pulse, pi):
            return Oximetry(saturation - 1, pulse, pi)
        case Temperature(cel):
            return Temperature(cel + 1)
        case Glucose(mmol_l):
            return Glucose(mmol_l + 1)
        case Body(kg, cm, fat, water, ohm):
            return Body(kg + 1, cm, fat + 1, water, ohm)
        case Rhythm(rate, drawn):
            return Rhythm(rate + 1, drawn)
        case Air(cel, humidity, co2):
            return Air(cel + 1, humidity, co2)
    return None

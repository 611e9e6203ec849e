"""A hut in which everything goes wrong, before a whole hub: each fault by name, and the sums add up at the end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from hub import readings, registry
from hub.db import Tx
from simulators import equipment, nasty
from simulators.baseline import Body, Glucose, Oximetry, Pressure, Temperature
from simulators.faults import Fault
from simulators.frames import MEASURES, Vital
from simulators.plan import DevicePlan, HutPlan
from tests.doors.town import EMBEDDED, PLAN, Town, town, within

pytestmark = pytest.mark.anyio

MORE = ("module", "json")
DEVICES = {each.kind: each.id for each in reversed(PLAN.devices) if each.codec} | {kind: f"lh1-{kind}" for kind in MORE}
VITALS: dict[str, Vital] = {
    "bp": Pressure(151, 93, 112, 72),
    "spo2": Oximetry(97, 71, Decimal("3.4")),
    "temp": Temperature(Decimal("36.5")),
    "glucose": Glucose(Decimal("5.6")),
    "weight": Body(*(Decimal(number) for number in ("62.30", "168.0", "23.4", "33.10", "500"))),
}
VITALS["body"] = VITALS["weight"]
# What each fault must leave behind in quarantine; all others are readings, or not let in.
POISON = {
    Fault.MALFORMED: "truncated",
    Fault.UNKNOWN_DEVICE: "unknown-device",
    Fault.IMPOSSIBLE_DATE: "impossible-date",
    Fault.CONFLICT: "conflict",
    Fault.GLUED: "trailing-bytes",
    Fault.BAD_CHECKSUM: "bad-checksum",
    Fault.STRINGS: "not-a-number",
    Fault.BOM: "bad-json",
    Fault.GBK: "not-utf8",
    Fault.WILDCARD_ID: "bad-id",
}
REFUSED = {Fault.WRONG_TOPIC, Fault.OVERSIZED, Fault.TWO_GATEWAYS, Fault.MAC_SPELLINGS}
# The last ones: they say of the gateway itself that it is gone or doubled.
LAST = (Fault.WILL_WITHOUT_BIRTH, Fault.LATE_WILL, Fault.STALE_STATE, Fault.CLONED_SERIAL)


def furnish(tx: Tx) -> None:
    for kind in MORE:
        registry.add_device(tx, DEVICES[kind], PLAN.gateway, equipment.MORE[kind][0])


def plan_with_more() -> HutPlan:
    more = []
    for kind in MORE:
        model, wire = equipment.MORE[kind]
        ident, clock = DEVICES[kind], kind == "json"
        more.append(DevicePlan(ident, PLAN.gateway, kind, model, f"M-{kind}", kind, kind, codec=wire, clock=clock))
    return replace(PLAN, devices=(*PLAN.devices, *more))


def kind_for(fault: Fault) -> str:
    return (nasty.NEEDS.get(fault) or ("bp",))[0]


async def test_every_fault_ends_where_its_name_says(tmp_path: Path) -> None:
    async with town(EMBEDDED, tmp_path) as it:
        await it.store.write(furnish)
        await it.hub.services.registry.load()
        hut = it.hut_of(plan_with_more())
        await within(hut.online())
        for kind, ident in DEVICES.items():
            await hut.measure(ident, VITALS[MEASURES.get(kind, kind)])
        for fault in (*(each for each in Fault if each not in LAST), *LAST):
            await within(hut.online())
            kind = kind_for(fault)
            if fault is Fault.CONFLICT:
                await hut.measure(DEVICES[kind], VITALS[kind])  # with which to disagree
            before = (it.quarantined(), hut.counts["refused"])
            async with asyncio.timeout(20):
                sent = await hut.measure(DEVICES[kind], VITALS[MEASURES.get(kind, kind)], fault=fault)
            assert sent.fault is fault, f"{fault} was not possible at a {kind}"
            if sent.seq is not None and fault not in LAST:
                await within(hut.settled(sent))
            if fault in POISON:
                assert POISON[fault] in it.quarantined()[len(before[0]) :], fault
            if fault in REFUSED:
                assert hut.counts["refused"] == before[1] + 1, fault
        await within(hut.online())
        await it.until(lambda: not it.hub.services.ingest.waiting)
        _nothing_from_a_special_word(it)


def _nothing_from_a_special_word(it: Town) -> None:
    rows = it.readings()
    assert len(rows) > 40
    numbers = [
        (row, value)
        for row in rows
        for value in it.store.read_now(lambda read, row=row: readings.values(read, row))  # type: ignore[misc]
        if value.value is not None
    ]
    assert not [value for _row, value in numbers if value.value in (2047, 2046, 2048, 65535)]
    assert not [row for row, value in numbers if value.code == "glucose" and row.kind == "control"]
    beyond = [row for row in rows if "result_too" in row.reasons]
    assert [row.quality for row in beyond] == ["suspect", "suspect"]

"""Nasty frames: devices.md 7.8 by name. Each switch makes exactly the bytes, the clock or the messages of its name.

Three kinds: what a body shows instead (`instead`), what happens to the bytes of a frame (`spoiled`), and what is said
beside the frame, straight onto the line or into the outbox (`beside`). hut.py asks them in this order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from devices import pack, topics
from devices.base import Measurement, Value
from devices.codecs import codec
from devices.pack import Record
from devices.profile import profile
from simulators.baseline import Body, Glucose, Pressure
from simulators.faults import Fault
from simulators.frames import Vital, frame
from simulators.plan import DevicePlan, HutPlan

CHATTER_FRAMES = 20
# Faults that say something beside the frame.
BESIDE = frozenset(
    {
        *(Fault.TWO_GATEWAYS, Fault.SEQ_GAP, Fault.WILL_WITHOUT_BIRTH, Fault.LATE_WILL, Fault.STALE_STATE),
        *(Fault.CLONED_SERIAL, Fault.WILDCARD_ID, Fault.MAC_SPELLINGS, Fault.BATTERY_DYING),
    }
)
DRIFT = timedelta(seconds=30 * 11)
CLOCKS: Mapping[Fault, Callable[[datetime], datetime | None]] = {
    Fault.CLOCK_SLOW: lambda at: at - timedelta(minutes=16),
    Fault.CLOCK_FAST: lambda at: at + timedelta(days=731),
    Fault.CLOCK_UNSET: lambda _at: None,
    Fault.CLOCK_1970: lambda at: at.replace(year=1970, month=1, day=1),
    Fault.CLOCK_DRIFT: lambda at: at - DRIFT,
    Fault.CLOCK_JUMP: lambda at: at.replace(year=2000, month=1, day=1),
    Fault.OUT_OF_ORDER: lambda at: at - timedelta(minutes=10),
}
# The device kinds a switch needs; without one in the hut it is not possible there.
NEEDS: Mapping[Fault, tuple[str, ...]] = {
    **dict.fromkeys(CLOCKS, ("bp", "temp", "glucose", "height_weight", "body", "json")),
    Fault.NRES: ("bp", "spo2"),
    Fault.GLUED: ("bp", "spo2", "temp", "glucose", "height_weight", "body", "module"),
    Fault.BAD_CHECKSUM: ("module",),
    Fault.UNIT_FLIPPED: ("bp",),
    Fault.STRINGS: ("json",),
    Fault.LEFTOVERS: ("json",),
    Fault.NUMBER_AS_TEXT: ("json",),
    Fault.BOM: ("json",),
    Fault.GBK: ("json",),
    Fault.HI: ("glucose",),
    Fault.LO: ("glucose",),
    Fault.CONTROL_SOLUTION: ("glucose",),
    Fault.UNSTABLE_WEIGHT: ("height_weight", "body"),
    Fault.WRONG_PERSON: ("height_weight", "body", "module"),
    Fault.CHILD_ON_CUFF: ("bp", "json"),
    Fault.CHATTER: ("bp",),
    Fault.RESENT: (),
}


def possible(fault: Fault, plan: DevicePlan) -> bool:
    return not NEEDS.get(fault) or plan.kind in NEEDS[fault]


def instead(fault: Fault, vital: Vital | None) -> Vital | None:
    """What the device measures under this fault."""
    if fault is Fault.UNSTABLE_WEIGHT:
        return None
    if fault is Fault.CHILD_ON_CUFF and isinstance(vital, Pressure):
        return Pressure(sys=84, dia=48, mean=60, pulse=118)
    if fault is Fault.WRONG_PERSON and isinstance(vital, Body):
        return replace(vital, kg=vital.kg + 25)
    if fault in (Fault.HI, Fault.LO) and isinstance(vital, Glucose):
        return replace(vital, beyond="Hi" if fault is Fault.HI else "Lo")
    return vital


def spoiled(fault: Fault, payload: bytes) -> bytes:
    """What becomes of the frame's bytes."""
    if fault is Fault.NRES:
        return payload[:1] + b"\x00\x08" + payload[3:]
    if fault is Fault.GLUED:
        return payload + payload
    if fault is Fault.BAD_CHECKSUM:
        return payload[:-1] + bytes([payload[-1] ^ 0x55])
    if fault is Fault.UNIT_FLIPPED:
        return bytes([payload[0] ^ 1]) + payload[1:]
    if fault is Fault.BOM:
        return b"\xef\xbb\xbf" + payload
    if fault is Fault.GBK:
        return payload[:-1] + ',"name":"王小明"}'.encode("gbk")
    if fault is Fault.NUMBER_AS_TEXT:
        said = json.loads(payload)
        return json.dumps(said | {"sys": str(said.get("sys") or 120)}, ensure_ascii=False).encode()
    if fault in (Fault.STRINGS, Fault.LEFTOVERS):
        said = json.loads(payload)
        said["sys"] = "偏高" if fault is Fault.STRINGS else float(said.get("sys") or 120) + 0.00000305
        return json.dumps(said, ensure_ascii=False).encode()
    return payload


def control(plan: DevicePlan, at: datetime) -> bytes:
    """The meter's morning check: 5.5 mmol/L of a bottle."""
    model = profile(plan.profile or "")
    local = at.astimezone(model.zone).replace(tzinfo=None, microsecond=0)
    said = (Value("control", Decimal("5.5"), "mmol/L"),)
    bottle: dict[str, str | int] = {"sample": "control", "site": "control"}
    number = str(int(at.timestamp()) % 65_536)
    return codec(plan.codec or "").encode(Measurement("control", said, local, (), bottle, number), model)


@dataclass(frozen=True, slots=True)
class Message:
    """Said straight onto the line."""

    topic: str
    payload: bytes
    retain: bool = False


def beside(fault: Fault, hut: HutPlan, plan: DevicePlan, record: Record, at: datetime, bits: int) -> Sequence[Message]:
    """What is said beside the frame, or instead of its entry."""
    own = f"{topics.ROOT}/{hut.area}/{hut.gateway}"
    up = f"{own}/up/{plan.id}"
    if fault is Fault.TWO_GATEWAYS:
        return (Message(topics.up(hut.area, f"{hut.gateway}-next", plan.id, record.codec), record.payload),)
    if fault is Fault.SEQ_GAP:
        boot = f"gap-{bits:x}"[:32]
        return tuple(
            Message(f"{up}/pack", pack.build(boot, seq, at, [replace(record, at=at, anchor=f"gap{bits % 1000}x{seq}")]))
            for seq in (1, 3)
        )
    if fault in (Fault.WILL_WITHOUT_BIRTH, Fault.LATE_WILL, Fault.STALE_STATE):
        return (_state(fault, own, at, bits),)
    if fault is Fault.CLONED_SERIAL:
        devices = [{"id": plan.id, "serial": "CLONE-1"}, {"id": f"{plan.id}-b", "serial": "CLONE-1"}]
        return (Message(f"{own}/birth", json.dumps({"boot": "cloned", "devices": devices}).encode(), True),)
    if fault is Fault.WILDCARD_ID:
        raw = {
            "boot": "wild",
            "seq": 1 + bits % 1_000_000,
            "records": [{"codec": "sig.+/#", "hex": record.payload.hex()}],
        }
        return (Message(f"{up}/pack", json.dumps(raw).encode()),)
    if fault is Fault.MAC_SPELLINGS:
        spelled = ("A4:C1:38:00:00:01", "a4-c1-38-00-00-01", "A4C1.3800.0001", "a4c138000001")[bits % 4]
        data = {"ble_mac": spelled, "attribute": "WBP_JUMPER", "value": {"bp_high": 120, "bp_low": 80, "pr": 70}}
        return (Message("CM4_BLE_GW_TX", json.dumps({"type": "reportAttribute", "data": data}).encode()),)
    if fault is Fault.BATTERY_DYING:
        return (Message(f"{up}/sig.2a19", b"\x03"),)
    return ()


def _state(fault: Fault, own: str, at: datetime, bits: int) -> Message:
    """Each is put right by the next heartbeat, which names the boot that lives."""
    said = at - timedelta(days=7) if fault is Fault.STALE_STATE else at
    word = "online" if fault is Fault.STALE_STATE else "offline"
    boot = "before" if fault is Fault.LATE_WILL else f"nobody-{bits % 1000}"
    return Message(f"{own}/state", json.dumps({"s": word, "boot": boot, "at": said.isoformat()}).encode(), True)


def chatter(plan: DevicePlan, at: datetime) -> list[Record]:
    """Ten intermediate cuff pressures a second, deflating: no result among them."""
    model = profile("generic.sig.2a36")
    records = []
    for step in range(CHATTER_FRAMES):
        pressure = Measurement("cuff", (Value("cuff", Decimal(180 - 5 * step), "mm[Hg]"),))
        moment = at + timedelta(milliseconds=100 * step)
        records.append(Record("sig.2a36", codec("sig.2a36").encode(pressure, model), moment))
    return records


def frame_under(fault: Fault, plan: DevicePlan, vital: Vital | None, at: datetime, user_index: int | None) -> bytes:
    """The frame of a device under one of the faults of this file."""
    if fault is Fault.CONTROL_SOLUTION:
        return control(plan, at)
    clock = CLOCKS.get(fault)
    made = frame(plan, instead(fault, vital), clock(at) if clock else at, user_index)
    return spoiled(fault, made.payload)

"""What goes wrong in real huts, as named switches with a rate: seeded, bounded, one at a time.

`Faults.pick` decides, the functions below make the bad bytes; hut.py does what concerns the line.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from simulators.chance import draw, unit

OVERSIZED_BYTES = 300_000  # above every limit the hub publishes (128 KiB)


class Fault(StrEnum):
    DUPLICATE = "duplicate"  # the same record again, in an entry of its own
    MALFORMED = "malformed"  # a truncated frame
    ALL_NAN = "all-nan"  # the cuff gave up: NaN in every field
    CLOCK_WRONG = "clock-wrong"  # 16 minutes slow, two years fast, or not set
    LINE_CUT_THEN_FLOOD = "line-cut-then-flood"  # the cable is pulled; readings gather and come at once
    UNKNOWN_DEVICE = "unknown-device"  # a device nobody has registered
    IMPOSSIBLE_DATE = "impossible-date"  # month 13
    OVERSIZED = "oversized"  # 300 KB
    CONFLICT = "conflict"  # the same device time with another content
    WRONG_TOPIC = "wrong-topic"  # into another gateway's tree
    # the line and the gateway (simulators/nasty.py)
    RESENT = "resent"  # PUBACK was lost: the same entry again, boot and seq and all
    TWO_GATEWAYS = "two-gateways"  # the neighbour's gateway has heard the device too
    OUT_OF_ORDER = "out-of-order"  # an older record after a newer one
    SEQ_GAP = "seq-gap"  # an outbox that lost an entry
    WILL_WITHOUT_BIRTH = "will-without-birth"  # offline, said of a session nobody saw begin
    LATE_WILL = "late-will"  # the will of the session before, after the new one has begun
    STALE_STATE = "stale-state"  # a retained state from last week
    CLONED_SERIAL = "cloned-serial"  # a birth in which two devices have one serial number
    WILDCARD_ID = "wildcard-id"  # wildcard characters where an id belongs
    CHATTER = "chatter"  # ten frames a second
    # clocks
    CLOCK_SLOW = "clock-slow"  # 16 minutes behind
    CLOCK_FAST = "clock-fast"  # two years ahead
    CLOCK_UNSET = "clock-unset"  # year 0
    CLOCK_1970 = "clock-1970"
    CLOCK_DRIFT = "clock-drift"  # 30 s a day, eleven days on
    CLOCK_JUMP = "clock-jump"  # back to the maker's epoch after a new battery
    # frames
    NRES = "nres"  # the special word for "not at this resolution" where a number was
    GLUED = "glued"  # two frames in one
    BAD_CHECKSUM = "bad-checksum"  # of a serial frame
    UNIT_FLIPPED = "unit-flipped"  # the unit bit says kPa, the number is mmHg
    STRINGS = "strings"  # words where JSON should have numbers
    NUMBER_AS_TEXT = "number-as-text"  # "108", as real gateways send it: read as the number
    LEFTOVERS = "leftovers"  # 36.43000031
    MAC_SPELLINGS = "mac-spellings"  # a device named by its address, each time spelled otherwise
    BOM = "bom"  # JSON behind a byte order mark
    GBK = "gbk"  # JSON in GBK
    # what was measured
    HI = "hi"  # the strip is above its range
    LO = "lo"
    CONTROL_SOLUTION = "control-solution"  # the morning's check of the meter
    UNSTABLE_WEIGHT = "unstable-weight"  # somebody stepped off
    WRONG_PERSON = "wrong-person"  # another person on the scale
    CHILD_ON_CUFF = "child-on-cuff"
    EXPIRED_CALIBRATION = "expired-calibration"  # a good reading of a device whose certificate has run out
    BATTERY_DYING = "battery-dying"  # 3 %


# 1 % bad frames (domain.md 7, rule 5), spread over what happens most.
USUAL: Mapping[Fault, float] = {
    Fault.DUPLICATE: 0.003,
    Fault.MALFORMED: 0.002,
    Fault.ALL_NAN: 0.003,
    Fault.CLOCK_WRONG: 0.002,
}
FLOOD_READINGS = 20  # gathered while the line is cut
CLOCKS = ("slow", "fast", "unset")
_SLOW, _FAST = timedelta(minutes=-16), timedelta(days=731)


ALL: Mapping[Fault, float] = {fault: 0.02 for fault in Fault if fault is not Fault.LINE_CUT_THEN_FLOOD} | {
    Fault.LINE_CUT_THEN_FLOOD: 0.01  # twenty readings each time
}


class Faults:
    """Which fault the n-th reading of a device gets. `each_max` bounds every kind, so a long run stays legible."""

    def __init__(self, seed: str, rates: Mapping[Fault, float], each_max: int = 50) -> None:
        self._seed, self._rates, self._each_max = seed, dict(rates), each_max
        self.done: Counter[Fault] = Counter()

    def pick(self, device: str, n: int) -> Fault | None:
        u = unit(self._seed, device, "fault", n, "kind")
        for fault, rate in self._rates.items():
            if u < rate:
                if self.done[fault] >= self._each_max:
                    return None
                self.done[fault] += 1
                return fault
            u -= rate
        return None

    def bits(self, device: str, n: int, field: str) -> int:
        return draw(self._seed, device, "fault", n, field)


def truncated(payload: bytes, bits: int) -> bytes:
    """The frame cut somewhere after its first byte."""
    return payload[: 1 + bits % (len(payload) - 1)]


def wrong_clock(at: datetime, bits: int) -> datetime | None:
    """What a device's clock says instead of `at`; None: it was never set (year 0)."""
    kind = CLOCKS[bits % len(CLOCKS)]
    return {"slow": at + _SLOW, "fast": at + _FAST, "unset": None}[kind]


def impossible_date(payload: bytes, device_time: datetime) -> bytes:
    """The month of the frame's own time becomes 13. No encoder would write that, so the bytes are changed by hand."""
    known = device_time
    said = struct.pack("<HBBBBB", known.year, known.month, known.day, known.hour, known.minute, known.second)
    place = payload.find(said)
    if place < 0:
        raise ValueError("this frame carries no time")
    return payload[: place + 2] + b"\x0d" + payload[place + 3 :]


def oversized(bits: int) -> bytes:
    return (bits.to_bytes(8, "big") * (OVERSIZED_BYTES // 8 + 1))[:OVERSIZED_BYTES]

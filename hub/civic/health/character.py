"""In character? A weight or a height far from one's own earlier ones is perhaps the neighbour's: the kiosk asks first.

Only what hardly changes from visit to visit can say so. A pressure may double in an hour, so it never does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from statistics import median

from hub import readings
from hub.db import Read
from hub.events import ReadValue

KINDS = ("weight", "body", "height")
WEIGHT_OFF = Decimal("0.08")  # devices.md 7.7: of one's own earlier weight; clothes and a meal explain less
HEIGHT_OFF_CM = Decimal(3)
HOLDS = timedelta(days=365)  # a year later anybody may have another weight
EARLIER_MAX = 5  # whose median is one's own: one stranger's number among them moves nothing


def out_of_character(now: Mapping[str, Decimal], earlier: Mapping[str, Sequence[Decimal]]) -> tuple[str, ...]:
    """The codes that do not fit. Without a history nothing can be out of it."""
    found = []
    for code in ("weight", "height"):
        before = earlier.get(code, ())
        if code not in now or not before:
            continue
        own = median(before)
        limit = own * WEIGHT_OFF if code == "weight" else HEIGHT_OFF_CM
        if abs(now[code] - own) > limit:
            found.append(code)
    return tuple(found)


def doubts(read: Read, person: str, kind: str, values: Sequence[ReadValue]) -> tuple[str, ...]:
    """What in a new reading is unlike this person."""
    if kind not in KINDS:
        return ()
    now = {value.code: value.value for value in values if value.value is not None}
    return out_of_character(now, _earlier(read, person)) if now else ()


def _earlier(read: Read, person: str) -> Mapping[str, Sequence[Decimal]]:
    since, found = read.now() - HOLDS, dict[str, list[Decimal]]()
    for kind in KINDS:
        for row in readings.of_person(read, person, kind, since=since, limit=EARLIER_MAX):
            for value in readings.values(read, row) if row.quality == "ok" else ():
                if value.value is not None:
                    found.setdefault(value.code, []).append(value.value)
    return {code: numbers[:EARLIER_MAX] for code, numbers in found.items()}

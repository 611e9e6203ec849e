"""Merge: two notifications of a device that are one record, put behind one another before they are read.

A meter says a value (2A18) and what was eaten (2A34) apart; a scale cuts a long record (2A9C) in two. Within one
envelope both halves are at hand, so that one payload gives one reading, today and at every replay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from devices.codecs import sig_2a9c, sig_2a18, sig_2a34
from devices.pack import Record

_FIRST = {sig_2a18.ID, sig_2a9c.ID}


def joined(records: Sequence[Record]) -> list[tuple[int, Record]]:
    """(place in the envelope, record), the second half of a pair inside its first one."""
    if not any(record.codec in _FIRST for record in records):
        return list(enumerate(records))
    taken: set[int] = set()
    whole = []
    for place, record in enumerate(records):
        if place in taken:
            continue
        other = _second(records, place, taken)
        if other is not None:
            taken.add(other)
            record = replace(record, payload=record.payload + records[other].payload)
        whole.append((place, record))
    return whole


def _second(records: Sequence[Record], place: int, taken: set[int]) -> int | None:
    first = records[place]
    if first.codec == sig_2a18.ID and sig_2a18.is_first_of_two(first.payload):
        number = first.payload[1:3]
        for other in range(place + 1, len(records)):
            later = records[other]
            if later.codec == sig_2a34.ID and other not in taken and later.payload[1:3] == number:
                return other
    if first.codec == sig_2a9c.ID and sig_2a9c.is_first_of_two(first.payload) and place + 1 < len(records):
        return place + 1 if records[place + 1].codec == sig_2a9c.ID else None
    return None

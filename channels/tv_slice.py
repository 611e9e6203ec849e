"""A slice that copies from nothing, moved: to other lines of a picture, and among pictures that copy.

What a slice holds does not know where it stands; only its head does. So a band of a hundred lines is coded alone, and
its slices are set into any picture by writing their heads anew (ITU-T H.264, 7.3.3): the block they begin with, and,
where the picture is none of those that begin everything, which one in the row it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ESCAPED = re.compile(rb"\x00\x00(?=[\x00-\x03])")
_HEAD_BYTES_MAX = 24
_BEGINS, _COPIES = 5, 1  # kinds of units: a picture that begins everything, and one among others
_USE = 2  # how a picture that others copy from is marked


@dataclass(slots=True)
class _Bits:
    """The bits of a head, from the left."""

    value: int
    left: int

    def take(self, count: int) -> str:
        self.left -= count
        return format((self.value >> self.left) & ((1 << count) - 1), f"0{count}b") if count else ""

    def number(self) -> str:
        """One number of the kind that says its own length, as it stands."""
        zeros = 0
        while not (self.value >> (self.left - 1 - zeros)) & 1:
            zeros += 1
        return self.take(2 * zeros + 1)


def counter_bits(parameters: bytes) -> int:
    """How many bits say which picture in the row it is; from a main-profile sequence parameter set."""
    bits = _bits(parameters[4:])
    bits.number()
    count = int(bits.number(), 2) + 3
    if int(bits.number(), 2) - 1 != 2:
        raise ValueError("pictures are numbered in another order than they are shown")
    return count


def moved(unit: bytes, first_block: int, place: int, counter: int) -> bytes:
    """A slice of a picture that begins everything, as one of the `place`th picture after such a one."""
    whole = unit.replace(b"\x00\x00\x03", b"\x00\x00")
    bits = _bits(whole[1:])
    bits.number()  # the block it began with
    kind, parameters = bits.number(), bits.number()
    bits.take(counter)
    head = _written(first_block) + kind + parameters + format(place, f"0{counter}b")
    ident, marks = bits.number(), bits.take(2)
    head += ident + marks if place == 0 else "0"
    head += bits.number() + bits.number()  # how fine it is coded; that its edges are not smoothed
    head += "1" * (-len(head) % 8)
    used = min(len(whole) - 1, _HEAD_BYTES_MAX) * 8 - bits.left
    data = whole[1 + -(-used // 8) :]
    name = whole[:1] if place == 0 else bytes((_USE << 5 | _COPIES,))
    return name + _ESCAPED.sub(b"\x00\x00\x03", int(head, 2).to_bytes(len(head) // 8, "big") + data)


def _bits(data: bytes) -> _Bits:
    part = data[:_HEAD_BYTES_MAX]
    return _Bits(int.from_bytes(part, "big"), len(part) * 8)


def _written(number: int) -> str:
    said = format(number + 1, "b")
    return "0" * (len(said) - 1) + said

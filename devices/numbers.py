"""SFLOAT and FLOAT of IEEE 11073-20601 as Decimal: precision is information, and a special value is never a number.

An SFLOAT is 4 bits of signed exponent above 12 bits of signed mantissa, a FLOAT 8 above 24; the value is
mantissa x 10^exponent. 0xF014 is 2.0 and 0xE0C8 is 2.00. Positive exponents become plain integers (0x1002 is 20), as
the HL7 PHD guide prints them.
The special values are whole words (exponent 0): 0x07FF is "not a number", but 0xF7FF is 204.7.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache

from devices.base import EncodeError

# Offsets from the middle of the mantissa's range, the same for both widths: 0x07FF/0x007FFFFF is NaN and so on.
# -> data-absent-reason of FHIR. "error" stands for NRes (not at this resolution) and for the reserved word.
_SPECIAL: Mapping[int, str] = {
    -2: "positive-infinity",
    -1: "not-a-number",
    0: "error",
    1: "error",
    2: "negative-infinity",
}
_WORD_OF_REASON: Mapping[str, int] = {"positive-infinity": -2, "not-a-number": -1, "error": 0, "negative-infinity": 2}


@dataclass(frozen=True, slots=True)
class _Format:
    mantissa_bits: int
    exponent_bits: int
    absent: Mapping[int, str] = field(init=False)

    def __post_init__(self) -> None:
        middle = 1 << (self.mantissa_bits - 1)
        object.__setattr__(self, "absent", {middle + offset: reason for offset, reason in _SPECIAL.items()})

    def decode(self, word: int) -> Decimal | str:
        if (reason := self.absent.get(word)) is not None:
            return reason
        mantissa = _signed(word & ((1 << self.mantissa_bits) - 1), self.mantissa_bits)
        exponent = _signed(word >> self.mantissa_bits, self.exponent_bits)
        if exponent >= 0:
            return Decimal(mantissa * 10**exponent)
        # Built from its parts, so that no decimal context can round it.
        return Decimal((int(mantissa < 0), tuple(map(int, str(abs(mantissa)))), exponent))

    def encode(self, value: Decimal | str) -> int:
        if isinstance(value, str):
            return (1 << (self.mantissa_bits - 1)) + _WORD_OF_REASON[value]
        sign, digits, exponent = value.as_tuple()
        if not isinstance(exponent, int):
            raise EncodeError(f"{value} is not a number; say why it is absent")
        mantissa = int("".join(map(str, digits))) * (-1 if sign else 1)
        for m, e in _spellings(mantissa, exponent):
            word = ((e & ((1 << self.exponent_bits) - 1)) << self.mantissa_bits) | (m & ((1 << self.mantissa_bits) - 1))
            if _fits(m, self.mantissa_bits) and _fits(e, self.exponent_bits) and word not in self.absent:
                return word
        raise EncodeError(f"{value} does not fit into {self.mantissa_bits + self.exponent_bits} bits")


_SFLOAT = _Format(mantissa_bits=12, exponent_bits=4)
_FLOAT = _Format(mantissa_bits=24, exponent_bits=8)


@cache  # at most 65,536 words, and a hut's cuffs use a few hundred of them
def sfloat(word: int) -> Decimal | str:
    """The number in a 16-bit word, or the reason why there is none."""
    return _SFLOAT.decode(word)


def float32(word: int) -> Decimal | str:
    """The number in a 32-bit word, or the reason why there is none."""
    return _FLOAT.decode(word)


def sfloat_word(value: Decimal | str) -> int:
    """The 16-bit word for a number or an absent reason; EncodeError where it would have to be rounded."""
    return _SFLOAT.encode(value)


def float32_word(value: Decimal | str) -> int:
    return _FLOAT.encode(value)


def _spellings(mantissa: int, exponent: int) -> Iterator[tuple[int, int]]:
    """The same value as mantissa x 10^exponent, the given precision first, then coarser and finer ones."""
    if mantissa == 0:
        yield 0, min(max(exponent, -8), 7)
        return
    yield mantissa, exponent
    m, e = mantissa, exponent
    while m % 10 == 0:
        m, e = m // 10, e + 1
        yield m, e
    for shift in range(1, 8):
        yield mantissa * 10**shift, exponent - shift


def _signed(raw: int, bits: int) -> int:
    return raw - (1 << bits) if raw >> (bits - 1) else raw


def _fits(value: int, bits: int) -> bool:
    return -(1 << (bits - 1)) <= value < 1 << (bits - 1)

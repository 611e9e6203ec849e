"""The words every codec speaks: Measurement, Value, DecodeError, and what a codec file must offer.

ValueError
  + DecodeError   what arrived cannot be read; the hub puts it into quarantine with one clear sentence
  + EncodeError   what a simulator wants to say has no place in the wire format
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from devices.fields import Field
    from devices.profile import Profile

DeviceTime: TypeAlias = datetime
"""Local time as the device said it: without a zone (the profile owns that) and cut to the second."""


@dataclass(frozen=True, slots=True)
class Strip:
    """A recorded curve: far too many numbers for `values`. The bytes of the frame are where it is kept."""

    lead: str
    rate_hz: int
    nv_per_count: int  # nanovolt
    samples: tuple[int, ...]


ABSENT_REASONS = frozenset({"not-a-number", "error", "positive-infinity", "negative-infinity"})

# Why a payload could not be read: machine code -> sentence. The hub translates the sentence, so it stays constant
# and everything that varies is a field.
SENTENCES: Mapping[str, str] = {
    "truncated": "The frame ends after {got} bytes; {needs} are needed",
    "trailing-bytes": "The frame has {extra} bytes more than its flags announce",
    "impossible-date": "The device time {time} does not exist",
    "too-large": "The payload has {got} bytes; at most {limit} are read",
    "not-utf8": "The payload is not UTF-8 text",
    "bad-json": "The payload is not valid JSON (character {position})",
    "not-finite": "The payload holds {token}, which JSON does not know",
    "too-deep": "The payload is nested deeper than {limit} levels",
    "duplicate-key": "The key {key} stands twice in one object",
    "not-an-object": "{field} must be a JSON object",
    "missing-field": "The field {field} is missing",
    "not-text": "The field {field} must be text of 1 to {limit} characters",
    "not-an-integer": "The field {field} must be a whole number from {least} to {most}",
    "not-a-list": "The field {field} must be a list of 1 to {limit} records",
    "bad-id": "The field {field} must be a name of small letters, digits, dots and hyphens",
    "bad-hex": "The field {field} must be pairs of hexadecimal digits",
    "bad-time": "The field {field} must be a time with its offset from UTC",
    "not-a-number": "The field {field} must be a number",
    "no-map": "The profile {profile} does not say where in the JSON its values stand",
    "other-device": "The field {field} does not name this model",
    "bad-version": "The field {field} asks for a version or a feature that is not known here",
    "other-record": "The two parts belong to different records ({first} and {second})",
    "reserved-value": "The field {field} holds {value}, which has no meaning there",
    "bad-checksum": "The checksum is {said}, the bytes add up to {sum}",
    "other-codec": "A device of the profile {profile} does not speak {codec}",
    "unknown-codec": "No codec is named {codec}",
    "unknown-profile": "No device profile is named {profile}",
}


class DecodeError(ValueError):
    """What arrived cannot be read. `sentence` is the untranslated template, `fields` fills it."""

    def __init__(self, reason: str, **fields: str | int) -> None:
        self.reason = reason
        self.sentence = SENTENCES[reason]
        self.fields: Mapping[str, str | int] = fields
        super().__init__(self.sentence.format(**fields))


class EncodeError(ValueError):
    """This measurement has no form in this wire format."""


@dataclass(frozen=True, slots=True)
class Value:
    """One number with its unit, or the reason why there is none. Never both, never neither, never NaN."""

    code: str  # our short name, devices/codes.py
    value: Decimal | None
    unit: str  # UCUM
    absent_reason: str | None = None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.absent_reason is None):
            raise ValueError(f"{self.code}: either a value or the reason why there is none")
        if self.value is not None and not self.value.is_finite():
            raise ValueError(f"{self.code}: {self.value} is not a number")
        if self.absent_reason is not None and self.absent_reason not in ABSENT_REASONS:
            raise ValueError(f"{self.code}: unknown reason {self.absent_reason}")

    @classmethod
    def of(cls, code: str, said: Decimal | str, unit: str) -> Value:
        """From a number or an absent reason, as devices/numbers.py answers them."""
        return cls(code, None, unit, said) if isinstance(said, str) else cls(code, said, unit)

    @property
    def said(self) -> Decimal | str:
        """The number, or the reason why there is none: what `of` took."""
        return self.value if self.value is not None else self.absent_reason or "not-a-number"

    @property
    def text(self) -> str | None:
        """The decimal string of contracts.md: plain digits, trailing zeros kept, never an exponent."""
        return None if self.value is None else format(self.value, "f")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One act of measuring. A blood pressure is one Measurement with three or four values, never three."""

    kind: str
    values: tuple[Value, ...]
    at: DeviceTime | None = None  # None: no time on the wire, or the device says its clock is not set
    quality_flags: tuple[str, ...] = ()  # status bits by name, in the order of the bits
    context: Mapping[str, str | int] = field(default_factory=dict, hash=False)  # user_index, site, meal ...
    anchor: str | None = None  # the device's own record number
    orig: tuple[Value, ...] = ()  # as the device said it, only where its unit is not ours
    strip: Strip | None = None  # an ECG's curve

    def value(self, code: str) -> Value | None:
        return next((value for value in self.values if value.code == code), None)

    def said(self, code: str) -> Value | None:
        """The value in the device's own unit."""
        return next((value for value in self.orig if value.code == code), None) or self.value(code)

    @property
    def failed(self) -> bool:
        """The device reported, but measured nothing."""
        return all(value.value is None for value in self.values)


@dataclass(frozen=True, slots=True)
class Example:
    """A frame and what it means; `where` says which device or text it comes from."""

    payload: bytes
    measurements: tuple[Measurement, ...]
    where: str = ""


class Codec(Protocol):
    """One wire format. A module in devices/codecs/ with these names is a codec; nothing else is needed."""

    @property
    def ID(self) -> str: ...
    @property
    def VERSION(self) -> int: ...
    @property
    def FLAGS(self) -> Sequence[str]: ...
    @property
    def EXAMPLES(self) -> Sequence[Example]: ...
    @property
    def REJECTS(self) -> Sequence[bytes]: ...

    def decode(self, payload: bytes, profile: Profile) -> list[Measurement]: ...

    def encode(self, measurement: Measurement, profile: Profile) -> bytes: ...

    def fields(self, payload: bytes, profile: Profile) -> list[Field]:
        """Every byte of the payload in exactly one field, whatever the bytes are; never an error."""
        ...

"""Layout: one description of a binary frame that reads it, writes it, and names its every byte.

    _LAYOUT = Layout("GSS 2A8E", [Part("height", "u16", Quantity("height", "m", step="0.01"))], flags=None)

A frame may begin with flags; a part stands in it when its `bit` is set (or, with `unless`, is not). Each combination
is one precompiled struct, so that reading a cuff's frame costs a few microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from struct import Struct
from typing import Any

from devices.base import DecodeError, DeviceTime, EncodeError, Value
from devices.codes import CODES
from devices.fields import Field, Role, Told, covering, unread
from devices.frame import YEAR_MIN, date_time, sfloat_value
from devices.numbers import float32, float32_word, sfloat_word
from devices.profile import Profile
from devices.units import UNITS
from devices.words import absent_words, flag_words

_STRUCT_OF = {"u8": "B", "i8": "b", "u16": "H", "i16": "h", "u24": "3s", "u32": "I", "sfloat": "H", "float32": "I"}
_STRUCT_OF["time"] = "HBBBBB"
_ITEMS = {"time": 6}
_BITS = {"u8": 8, "u16": 16, "u24": 24, "u32": 32}
_NO_TIME = (0, 0, 0, 0, 0, 0)
TEXT = "text"  # the rest of the frame, as UTF-8
SAMPLES = "i16*"  # the rest of the frame, as signed words
WORDS = "u16*"  # the rest of the frame, as unsigned words
_REST = {TEXT: 1, SAMPLES: 2, WORDS: 2}


@dataclass(frozen=True, slots=True)
class Quantity:
    """How a raw number becomes a Value: which code, which unit, and for plain integers which step."""

    code: str
    unit: str
    step: str | None = None
    absent: Mapping[int, str] = field(default_factory=dict, hash=False)  # raw integer -> why there is no number
    other: tuple[int, str, str | None] | None = None  # flag bit, and the unit and step it stands for

    def unit_and_step(self, flags: int) -> tuple[str, str | None]:
        if self.other is not None and flags & self.other[0]:
            return self.other[1], self.other[2]
        return self.unit, self.step

    def value(self, form: str, raw: int, flags: int) -> Value:
        unit, step = self.unit_and_step(flags)
        if form == "sfloat":
            return sfloat_value(self.code, raw, unit)
        if form == "float32":
            return Value.of(self.code, float32(raw), unit)
        if raw in self.absent:
            return Value.of(self.code, self.absent[raw], unit)
        return Value(self.code, Decimal(raw) * Decimal(step or "1"), unit)

    def raw(self, form: str, value: Value | None, flags: int) -> int:
        """What stands in the frame for this value; EncodeError where it would have to be rounded."""
        said: Decimal | str = value.said if value else "not-a-number"
        if form == "sfloat":
            return sfloat_word(said)
        if form == "float32":
            return float32_word(said)
        if isinstance(said, str):
            found = next((raw for raw, reason in self.absent.items() if reason == said), None)
            if found is None:
                raise EncodeError(f"this frame has no word for a {self.code} that is {said}")
            return found
        _unit, step = self.unit_and_step(flags)
        steps = said / Decimal(step or "1")
        if steps != steps.to_integral_value() or int(steps) in self.absent:
            raise EncodeError(f"{said} is no multiple of {step} for {self.code}")
        return int(steps)


Tell = Callable[[Any, int], Told]


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a frame. What is not a Quantity says what it means by `flags`, `choices` or `tell`."""

    name: str
    form: str
    quantity: Quantity | None = None
    bit: int = 0
    unless: int = 0
    role: Role = "value"
    title: Told | None = None
    flags: Callable[[int], tuple[str, ...]] | None = None  # status bits -> names
    choices: Mapping[int, Told] | None = None
    tell: Tell | None = None

    @property
    def called(self) -> Told:
        if self.title is not None:
            return self.title
        code = CODES[self.quantity.code] if self.quantity else None
        return Told(code.zh, code.en) if code else Told(self.name, self.name)


@dataclass(frozen=True, slots=True)
class _Shape:
    """The parts of one combination of flags."""

    struct: Struct
    parts: tuple[tuple[Part, int, int, int], ...]  # part, first item, start, end
    rest: Part | None


FLAGS_TITLE = Told("标志", "Flags")
TIME_TITLE = Told("设备时间", "Device time")


def time_part(bit: int = 0) -> Part:
    return Part("time", "time", bit=bit, role="time", title=TIME_TITLE)


class Layout:
    """`clause` names the text this is taken from; `named` are flag bits without a field of their own."""

    def __init__(
        self,
        clause: str,
        parts: Sequence[Part],
        *,
        flags: str | None = "u8",
        named: Mapping[int, Told] | None = None,
        order: str = "<",
    ) -> None:
        self.clause, self.parts, self.named = clause, tuple(parts), dict(named or {})
        self._flags_form, self._order = flags, order
        self._head = 0 if flags is None else _BITS[flags] // 8
        self._mask = 0
        for part in self.parts:
            self._mask |= part.bit | part.unless
        self._shapes: dict[int, _Shape] = {}

    # -- reading ---------------------------------------------------------------------------------------------------
    def unpack(self, payload: bytes) -> tuple[Any, ...]:
        """The flags and every item they announce, flat (a time is six items). DecodeError where the payload is longer
        or shorter than that. The quickest way in, for frames without a rest."""
        shape = self._shape(self.flags_of(payload))
        size = shape.struct.size
        if len(payload) != size:
            raise _misfit(len(payload), size)
        return shape.struct.unpack(payload)

    def read(self, payload: bytes) -> dict[str, Any]:
        """The parts by name; `flags` where the frame has them. A time is a DeviceTime or, not known, None."""
        found, extra = self.take(payload)
        if extra:
            raise DecodeError("trailing-bytes", extra=len(extra))
        return found

    def take(self, payload: bytes) -> tuple[dict[str, Any], bytes]:
        """The parts by name, and what follows this frame in the payload."""
        flags = self.flags_of(payload)
        shape = self._shape(flags)
        size = shape.struct.size
        if len(payload) < size:
            raise DecodeError("truncated", got=len(payload), needs=size)
        items = shape.struct.unpack_from(payload)
        found: dict[str, Any] = {} if self._flags_form is None else {"flags": flags}
        for part, item, _start, _end in shape.parts:
            found[part.name] = self._item(part, items, item)
        extra = payload[size:]
        if shape.rest is not None:
            found[shape.rest.name] = self._rest(shape.rest, extra)
            extra = b""
        return found, extra

    def flags_of(self, payload: bytes) -> int:
        if len(payload) < self._head:
            raise DecodeError("truncated", got=len(payload), needs=self._head)
        return int.from_bytes(payload[: self._head], "little")

    def value(self, found: Mapping[str, Any], name: str) -> Value:
        """A part that was read, as a Value in the frame's own unit."""
        part = self._part(name)
        assert part.quantity is not None  # noqa: S101 - a codec asks only for quantities of its own layout
        return part.quantity.value(part.form, found[name], found.get("flags", 0))

    def values(self, found: Mapping[str, Any]) -> list[Value]:
        """Every quantity that was read, in the order of the frame."""
        flags = found.get("flags", 0)
        return [
            part.quantity.value(part.form, found[part.name], flags)
            for part in self.parts
            if part.quantity is not None and part.name in found
        ]

    # -- writing ---------------------------------------------------------------------------------------------------
    def raw(self, name: str, value: Value | None, flags: int = 0) -> int:
        part = self._part(name)
        assert part.quantity is not None  # noqa: S101
        return part.quantity.raw(part.form, value, flags)

    def write(self, said: Mapping[str, Any], flags: int = 0) -> bytes:
        """The frame of these raw parts. Their flag bits are set here; `flags` are those without a field."""
        for part in self.parts:
            if part.name in said:
                flags |= part.bit
        shape = self._shape(flags)
        items: list[Any] = [] if self._flags_form is None else [flags]
        for part, _item, _start, _end in shape.parts:
            if part.name not in said:
                raise EncodeError(f"this frame cannot leave out its {part.name}")
            items += self._items(part, said[part.name])
        rest = b""
        if shape.rest is not None:
            rest = self._rest_bytes(shape.rest, said[shape.rest.name])
        try:
            return shape.struct.pack(*items) + rest
        except Exception as wrong:
            raise EncodeError(f"a number does not fit into its field: {wrong}") from wrong

    # -- naming ----------------------------------------------------------------------------------------------------
    def fields(self, payload: bytes, profile: Profile, at: int = 0) -> list[Field]:
        """Every byte of the payload in one field; what does not belong to this frame is `unread`."""
        found, end = self.named_fields(payload, profile, at)
        if end < len(payload):
            found.append(unread(end, len(payload)))
        return covering(found, len(payload))

    def named_fields(self, payload: bytes, profile: Profile, at: int = 0) -> tuple[list[Field], int]:
        """The fields of the frame that begins at `at`, and where it ends."""
        body = payload[at:]
        if len(body) < self._head:
            return ([unread(at, len(payload), cut=True)] if body else []), len(payload)
        flags = self.flags_of(body)
        shape = self._shape(flags)
        found = [] if self._flags_form is None else [self._flags_field(flags, at)]
        size = shape.struct.size
        items = shape.struct.unpack(body[:size].ljust(size, b"\0"))
        for part, item, start, end in shape.parts:
            if end > len(body):
                if start < len(body):
                    found.append(unread(at + start, len(payload), cut=True))
                return found, len(payload)
            found.append(self._field(part, self._raw(part, items, item), flags, profile, at + start, at + end))
        end = at + size
        if shape.rest is not None and end < len(payload):
            found.append(self._rest_field(shape.rest, payload[end:], end, flags))
            end = len(payload)
        return found, end

    # -- inside ----------------------------------------------------------------------------------------------------
    def _shape(self, flags: int) -> _Shape:
        known = self._shapes.get(flags & self._mask)
        if known is None:
            known = self._shapes[flags & self._mask] = self._made(flags & self._mask)
        return known

    def _made(self, flags: int) -> _Shape:
        spelled = self._order + (_STRUCT_OF[self._flags_form] if self._flags_form else "")
        item, rest = (1 if self._flags_form else 0), None
        parts = []
        for part in self.parts:
            if (part.bit and not flags & part.bit) or flags & part.unless:
                continue
            if part.form in _REST:
                rest = part
                continue
            start = Struct(spelled).size
            spelled += _STRUCT_OF.get(part.form, part.form)
            parts.append((part, item, start, Struct(spelled).size))
            item += _ITEMS.get(part.form, 1)
        return _Shape(Struct(spelled), tuple(parts), rest)

    def _part(self, name: str) -> Part:
        return next(part for part in self.parts if part.name == name)

    def _raw(self, part: Part, items: tuple[Any, ...], item: int) -> Any:
        if part.form == "time":
            return items[item : item + 6]
        return int.from_bytes(items[item], "little") if part.form == "u24" else items[item]

    def _item(self, part: Part, items: tuple[Any, ...], item: int) -> Any:
        raw = self._raw(part, items, item)
        return date_time(*raw) if part.form == "time" else raw

    def _items(self, part: Part, said: Any) -> list[Any]:
        if part.form == "time":
            return _time_items(said)
        return [said.to_bytes(3, "little")] if part.form == "u24" else [said]

    def _rest(self, part: Part, payload: bytes) -> Any:
        if part.form == TEXT:
            try:
                return payload.decode("utf-8")
            except UnicodeDecodeError:
                raise DecodeError("not-utf8") from None
        if len(payload) % 2:
            raise DecodeError("truncated", got=len(payload), needs=len(payload) + 1)
        return Struct(f"{self._order}{len(payload) // 2}{'h' if part.form == SAMPLES else 'H'}").unpack(payload)

    def _rest_bytes(self, part: Part, said: Any) -> bytes:
        if part.form == TEXT:
            return str(said).encode()
        return Struct(f"{self._order}{len(said)}{'h' if part.form == SAMPLES else 'H'}").pack(*said)

    def _flags_field(self, flags: int, at: int) -> Field:
        zh, en = [], []
        for part in self.parts:
            if part.bit and flags & part.bit and part.called.en not in en:
                zh.append(part.called.zh)
                en.append(part.called.en)
        for bit, told in self.named.items():
            if flags & bit:
                zh.append(told.zh)
                en.append(told.en)
        text = Told("、".join(zh) or "无可选字段", ", ".join(en) or "no optional field")
        return Field(at, at + self._head, "flags", FLAGS_TITLE, f"{self.clause} Flags", "layout", text)

    def _field(self, part: Part, raw: Any, flags: int, profile: Profile, start: int, end: int) -> Field:
        return Field(
            start, end, part.name, part.called, self._clause(part), part.role, _told(part, raw, flags, profile)
        )

    def _rest_field(self, part: Part, body: bytes, start: int, flags: int) -> Field:
        if part.form == TEXT:
            text = body.decode("utf-8", "replace")
            told = Told(text, text)
        elif part.tell is not None and len(body) % 2 == 0:
            told = part.tell(self._rest(part, body), flags)
        else:
            told = Told(f"{len(body) // 2} 个数", f"{len(body) // 2} numbers")
        return Field(start, start + len(body), part.name, part.called, self._clause(part), part.role, told)

    def _clause(self, part: Part) -> str:
        bits = part.bit or part.unless
        said = f"{self.clause}, {part.called.en}"
        if bits:
            state = "set" if part.bit else "clear"
            said += f" (flag bit {bits.bit_length() - 1} {state})"
        return said + (", IEEE 11073-20601 " + part.form.upper() if part.form in ("sfloat", "float32") else "")


def _told(part: Part, raw: Any, flags: int, profile: Profile) -> Told:
    if part.quantity is not None:
        value = part.quantity.value(part.form, raw, flags)
        unit = profile.unit_override.get(value.code, value.unit)
        if value.text is None:
            return absent_words(value.absent_reason or "")
        return Told(f"{value.text} {UNITS[unit].zh}", f"{value.text} {UNITS[unit].en}")
    if part.form == "time":
        try:
            at = date_time(*raw)
        except DecodeError:
            return Told("不存在的日期", "a date that does not exist")
        return Told(f"{at:%Y-%m-%d %H:%M:%S}", f"{at:%Y-%m-%d %H:%M:%S}") if at else flag_words("clock_not_set")
    if part.flags is not None:
        words = [flag_words(name) for name in part.flags(raw)]
        return Told("、".join(each.zh for each in words) or "正常", ", ".join(each.en for each in words) or "none set")
    if part.choices is not None:
        return part.choices.get(raw, Told(f"{raw}（保留）", f"{raw} (reserved)"))
    return part.tell(raw, flags) if part.tell is not None else Told(str(raw), str(raw))


def _time_items(at: DeviceTime | None) -> list[Any]:
    """None is written as year 0, what a device with an empty clock sends."""
    if at is None:
        return list(_NO_TIME)
    if at.year < YEAR_MIN:
        raise EncodeError(f"a device cannot say the year {at.year}")
    return [at.year, at.month, at.day, at.hour, at.minute, at.second]


def _misfit(got: int, size: int) -> DecodeError:
    if got < size:
        return DecodeError("truncated", got=got, needs=size)
    return DecodeError("trailing-bytes", extra=got - size)

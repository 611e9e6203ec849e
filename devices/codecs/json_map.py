"""JSON of any vendor whose profile has a `map` (devices/json_map.py): the profile says where each value stands.

Numbers may come as text ("108"). "Hi" and "Lo" are beyond the range, "" and null are no value. A number with five
places or more behind the point is a 32-bit leftover (36.43000031): it is rounded to the profile's resolution, and what
came stays in `orig`. `scrub` drops whatever the profile does not map before anything is kept: names, ID numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from devices.base import DecodeError, EncodeError, Example, Measurement, Value
from devices.codes import CODES
from devices.fields import Field, Told
from devices.json_map import JsonMap, ValuePath, word_of
from devices.json_text import ABSENT, Leaf, Name, at, build, kept_only, number, parse, put
from devices.json_text import fields as json_fields
from devices.units import UNITS, canonical

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION = "json.map", 1
FLAGS = ("unstable", "unsuccessful", "irregular_pulse", "movement", "clock_not_set")

LEFTOVER_PLACES = 5  # behind the point; no device of a hut measures so finely
_WORDS: Mapping[str, str] = {
    "hi": "positive-infinity",
    "lo": "negative-infinity",
    "": "not-a-number",
    "-": "not-a-number",
    "--": "not-a-number",
    "---": "not-a-number",
    "nan": "not-a-number",
    "err": "error",
    "error": "error",
}
_SPELLED = {"positive-infinity": "HI", "negative-infinity": "LO", "not-a-number": None, "error": "ERR"}


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    found = _map_of(profile)
    root = parse(payload)
    if not isinstance(root, dict):
        raise DecodeError("not-an-object", field="payload")
    for path, meant in found.where.items():
        said = at(root, path)
        if said is ABSENT or word_of(said) != meant:
            raise DecodeError("other-device", field=".".join(path))
    said_values = _values(root, found)
    values, orig = without_leftovers(said_values, profile)
    time = at(root, found.time.path) if found.time else ABSENT
    moment = found.time.read(time, profile.zone) if found.time and time is not ABSENT else None
    flags = tuple(name for name in FLAGS if _is_set(root, found, name))
    if time is not ABSENT and moment is None:
        flags += ("clock_not_set",)
    return [Measurement(profile.kind, values, moment, flags, _context(root, found), _anchor(root, found), orig)]


def without_leftovers(said: list[Value], profile: Profile) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """The stored values, and as the device said them where that differs by unit or by leftover digits."""
    values, orig = canonical(said, profile)
    own = {value.code for value in orig}
    kept = list(orig)
    tidy = []
    for value in values:
        clean = _tidy(value, profile)
        if clean is not value and value.code not in own:
            kept.append(value)
        tidy.append(clean)
    return tuple(tidy), tuple(kept)


def _tidy(value: Value, profile: Profile) -> Value:
    exponent = value.value.as_tuple().exponent if value.value is not None else 0
    if value.value is None or not isinstance(exponent, int) or exponent > -LEFTOVER_PLACES:
        return value
    step = profile.resolution.get(value.code, CODES[value.code].resolution)
    clean = (value.value / step).to_integral_value(ROUND_HALF_UP) * step
    return Value(value.code, clean.quantize(step), value.unit)


def _values(root: object, found: JsonMap) -> list[Value]:
    values = []
    for code, each in found.values.items():
        said = at(root, each.path)
        if said is not ABSENT:
            values.append(_value(code, said, each.unit_of(root), ".".join(each.path)))
    if not values:
        raise DecodeError("missing-field", field=".".join(next(iter(found.values.values())).path))
    return values


def _value(code: str, said: object, unit: str, field: str) -> Value:
    word = "" if said is None else str(said).strip().lower()
    if (said is None or isinstance(said, str)) and word in _WORDS:
        return Value.of(code, _WORDS[word], unit)
    return Value(code, number(said, field), unit)


def _is_set(root: object, found: JsonMap, name: str) -> bool:
    flag = (found.flags or {}).get(name)
    said = at(root, flag.path) if flag else ABSENT
    return flag is not None and said is not ABSENT and word_of(said) == flag.meant


def _context(root: object, found: JsonMap) -> dict[str, str | int]:
    context: dict[str, str | int] = {}
    if found.user and isinstance(user := at(root, found.user), int) and 0 <= user <= 255:
        context["user_index"] = user
    for name, each in (found.context or {}).items():
        said = at(root, each.path)
        if said is not ABSENT and word_of(said) in each.words:
            context[name] = each.words[word_of(said)]
    return context


def _anchor(root: object, found: JsonMap) -> str | None:
    said = at(root, found.number) if found.number else ABSENT
    text = str(said)
    return text if isinstance(said, int | str) and text.isascii() and text.isalnum() and len(text) <= 64 else None


def encode(measurement: Measurement, profile: Profile) -> bytes:
    found = _map_of(profile)
    root: dict[str, Any] = {}
    for path, meant in found.where.items():
        put(root, path, meant)
    for code, each in found.values.items():
        value = measurement.said(code)
        if value is None:
            continue
        put(root, each.path, _SPELLED[value.absent_reason] if value.absent_reason else value.value)
        if each.unit_path:
            _put_unit(root, each, value.unit)
    if found.time and (measurement.at or "clock_not_set" in measurement.quality_flags):
        put(root, found.time.path, found.time.say(measurement.at, profile.zone))
    _put_context(root, measurement, found)
    return build(root)


def _put_unit(root: dict[str, Any], each: ValuePath, unit: str) -> None:
    said = next((word for word, meant in (each.units or {}).items() if meant == unit), None)
    if said is None and unit != each.unit:
        raise EncodeError(f"this JSON has no word for the unit {unit}")
    if said is not None:
        put(root, each.unit_path, said)


def _put_context(root: dict[str, Any], measurement: Measurement, found: JsonMap) -> None:
    if found.user and "user_index" in measurement.context:
        put(root, found.user, measurement.context["user_index"])
    if found.number and measurement.anchor is not None:
        put(root, found.number, measurement.anchor)
    for name, words in (found.context or {}).items():
        for word, meaning in words.words.items():
            if measurement.context.get(name) == meaning:
                put(root, words.path, word)
    for name, flag in (found.flags or {}).items():
        if name in measurement.quality_flags:
            put(root, flag.path, {"true": True, "false": False}.get(flag.meant, flag.meant))


def scrub(payload: bytes, profile: Profile) -> bytes:
    return kept_only(payload, profile.map.kept if profile.map else lambda _path: False)


def fields(payload: bytes, profile: Profile) -> list[Field]:
    found = profile.map or JsonMap({}, {})
    values = {each.path: code for code, each in found.values.items()}
    units = {each.unit_path for each in found.values.values()}

    def named(leaf: Leaf) -> Name | None:
        text = Told(str(leaf.value), str(leaf.value))
        if leaf.path in values:
            code = CODES[values[leaf.path]]
            unit = UNITS[found.values[code.name].unit]
            told = Told(f"{leaf.value} {unit.zh}", f"{leaf.value} {unit.en}")
            return code.name, Told(code.zh, code.en), "value", told
        if found.time and leaf.path == found.time.path:
            return "time", Told("设备时间", "Device time"), "time", text
        if leaf.path in found.where or leaf.path in units or not found.kept(leaf.path):
            return ("where", Told("型号标识", "Model"), "layout", text) if found.kept(leaf.path) else None
        return "context", Told("附加信息", "Context"), "context", text

    return json_fields(payload, f"profile {profile.ref}", named)


def _map_of(profile: Profile) -> JsonMap:
    if profile.map is None:
        raise DecodeError("no-map", profile=profile.id)
    return profile.map


def _bp(sys: str, dia: str, pulse: str) -> tuple[Value, ...]:
    said = (("sys", sys, "mm[Hg]"), ("dia", dia, "mm[Hg]"), ("pulse", pulse, "/min"))
    return tuple(Value.of(code, Decimal(each), unit) for code, each, unit in said)


_TAKEN = datetime(2026, 3, 15, 8, 30, 5)  # noqa: DTZ001

EXAMPLES = [
    Example(
        b'{"sys": 138, "dia": 88, "pulse": 72, "time": 1773534605, "user": 1}',
        (Measurement("bp", _bp("138", "88", "72"), _TAKEN, (), {"user_index": 1}),),
        "the plain form of the generic profile",
    ),
    Example(
        '{"name":"王小明","idcard":"420802196001011234","sys":"138","dia":"88","pulse":"72"}'.encode(),
        (Measurement("bp", _bp("138", "88", "72")),),
        "numbers as text, and a name and an ID number that are dropped",
    ),
    Example(
        b'{"sys": 138.00000305, "dia": 88, "pulse": 72, "moved": true}',
        (
            Measurement(
                "bp",
                _bp("138", "88", "72"),
                None,
                ("movement",),
                orig=(Value.of("sys", Decimal("138.00000305"), "mm[Hg]"),),
            ),
        ),
        "a 32-bit leftover, and the arm moved",
    ),
    Example(
        b'{"sys": null, "dia": "--", "pulse": 72, "time": 0}',
        (
            Measurement(
                "bp",
                (
                    Value.of("sys", "not-a-number", "mm[Hg]"),
                    Value.of("dia", "not-a-number", "mm[Hg]"),
                    Value.of("pulse", Decimal(72), "/min"),
                ),
                None,
                ("clock_not_set",),
            ),
        ),
        "no value, and a clock at its epoch",
    ),
]
REJECTS = [
    b"",
    b"[]",
    b"{}",
    b'{"sys": true, "dia": 88}',
    b'{"sys": "high blood", "dia": 88}',
    b'{"sys": NaN, "dia": 88}',
    b'{"sys": 138, "sys": 118}',
    b'{"sys": 1e99999, "dia": 88}',
    b'\xef\xbb\xbf{"sys": 138, "dia": 88}',  # a byte order mark
    b'{"name": "\xcd\xf5", "sys": 138, "dia": 88}',  # GBK
    b'{"sys": 138, "dia": 88, "time": "yesterday"}',
]

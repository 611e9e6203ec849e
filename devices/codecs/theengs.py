"""OpenMQTTGateway and Theengs Gateway JSON: a Bluetooth advert they have decoded, on `home/+/BTtoMQTT/#`.

    {"id":"A4:C1:38:..","rssi":-62,"model":"LYWSD03MMC","tempc":21.4,"hum":48,"batt":90}

With `weight` it is a scale's (`weighing_mode` person), else the room's air. The gateway is a program of its own; only
its property names stand here. The address says which device speaks and is read before, not kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from devices.base import DecodeError, EncodeError, Example, Measurement, Value
from devices.codecs.json_map import without_leftovers
from devices.codes import CODES
from devices.fields import Field, Told
from devices.json_text import ABSENT, Leaf, Name, at, build, kept_only, number, parse
from devices.json_text import fields as json_fields
from devices.units import UNITS

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION = "theengs", 1
FLAGS: tuple[str, ...] = ()

_AIR: Mapping[str, tuple[str, str]] = {
    "tempc": ("air_temp", "Cel"),
    "hum": ("humidity", "%"),
    "pres": ("air_pressure", "hPa"),
    "co2": ("co2", "[ppm]"),
    "lux": ("light", "lx"),
    "batt": ("battery", "%"),
}
_SCALE: Mapping[str, tuple[str, str]] = {"weight": ("weight", "kg"), "impedance": ("impedance", "Ohm")}
_UNITS = {"kg": "kg", "lb": "[lb_av]"}
_NUMBERS: Mapping[str, tuple[str, str]] = {**_AIR, **_SCALE}


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    root = parse(payload)
    if not isinstance(root, dict):
        raise DecodeError("not-an-object", field="payload")
    if "weight" in root:
        kind, table = "weight", dict(_SCALE)
        if (mode := root.get("weighing_mode", "person")) != "person":
            raise DecodeError("other-device", field="weighing_mode" if isinstance(mode, str) else "?")
        unit = _UNITS.get(str(root.get("unit", "kg")))
        if unit is None:
            raise DecodeError("other-device", field="unit")
        table["weight"] = ("weight", unit)
    else:
        kind, table = "env", dict(_AIR)
    said = [
        Value(code, number(root[name], name), unit)
        for name, (code, unit) in table.items()
        if at(root, (name,)) is not ABSENT
    ]
    if not said:
        raise DecodeError("missing-field", field="tempc")
    values, orig = without_leftovers(said, profile)
    return [Measurement(kind, values, orig=orig)]


def encode(measurement: Measurement, profile: Profile) -> bytes:
    root: dict[str, Any] = {}
    for name, (code, _unit) in _NUMBERS.items():
        value = measurement.said(code)
        if value is None:
            continue
        if value.value is None:
            raise EncodeError("an advert that was decoded has its number")
        root[name] = value.value
        if code == "weight":
            root["unit"] = next(word for word, unit in _UNITS.items() if unit == value.unit)
            root["weighing_mode"] = "person"
    return build(root)


def scrub(payload: bytes, profile: Profile) -> bytes:
    kept = {(name,) for name in (*_NUMBERS, "unit", "weighing_mode")}
    return kept_only(payload, lambda path: path in kept)


def fields(payload: bytes, profile: Profile) -> list[Field]:
    def named(leaf: Leaf) -> Name | None:
        text = Told(str(leaf.value), str(leaf.value))
        if len(leaf.path) == 1 and leaf.path[0] in _NUMBERS:
            code, unit = _NUMBERS[leaf.path[0]]
            told = Told(f"{leaf.value} {UNITS[unit].zh}", f"{leaf.value} {UNITS[unit].en}")
            return code, Told(CODES[code].zh, CODES[code].en), "value", told
        known = leaf.path in (("unit",), ("weighing_mode",))
        return ("unit", Told("单位与模式", "Unit, mode"), "layout", text) if known else None

    return json_fields(payload, "Theengs property", named)


def _air(*said: tuple[str, str, str]) -> tuple[Value, ...]:
    return tuple(Value.of(code, Decimal(each), unit) for code, each, unit in said)


EXAMPLES = [
    Example(
        b'{"id":"A4:C1:38:00:00:01","rssi":-62,"model":"LYWSD03MMC","tempc":21.4,"tempf":70.52,"hum":48.2,"batt":90}',
        (Measurement("env", _air(("air_temp", "21.4", "Cel"), ("humidity", "48.2", "%"), ("battery", "90", "%"))),),
        "a thermometer on the wall of the hut",
    ),
    Example(
        b'{"id":"C8:47:8C:00:00:01","weighing_mode":"person","unit":"kg","weight":61.35,"impedance":503}',
        (Measurement("weight", _air(("weight", "61.35", "kg"), ("impedance", "503", "Ohm"))),),
        "a scale",
    ),
    Example(
        b'{"unit":"lb","weight":154.7}',
        (
            Measurement(
                "weight", _air(("weight", "70.17", "kg")), orig=(Value.of("weight", Decimal("154.7"), "[lb_av]"),)
            ),
        ),
        "in pounds",
    ),
]
REJECTS = [
    b"",
    b"{}",
    b'{"id":"45:e1:74:12:6e:00","rssi":-89,"servicedata":"fe0000"}',  # an advert nobody decoded
    b'{"weighing_mode":"object","unit":"kg","weight":5}',  # the parcel of somebody
    b'{"unit":"jin","weight":120}',
    b'{"tempc":"warm"}',
]

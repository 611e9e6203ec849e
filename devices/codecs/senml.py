"""SenML, RFC 8428: base fields resolved in full, relative times as "so long ago". For the air of a hut.

    [{"bn":"urn:dev:mac:0024befffe804ff1:","bt":1773534605,"bu":"Cel","n":"t","v":21.4},{"n":"h","u":"%RH","v":48}]

`resolve` gives every record of a pack as the RFC means it, whatever it measures; `decode` keeps those with a unit of
this hub's table, grouped by name prefix and time. A field that ends in "_" must be understood, a `bver` above 10 is a
later version: either refuses the whole pack. The list of units has neither mmHg nor mmol/L: no body is measured so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from devices.base import DecodeError, DeviceTime, EncodeError, Example, Measurement, Value
from devices.codecs.json_map import without_leftovers
from devices.codes import CODES
from devices.fields import Field, Told
from devices.json_text import Leaf, Name, build, number, parse
from devices.json_text import fields as json_fields

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION, KIND = "senml", 1, "env"
FLAGS: tuple[str, ...] = ()

VERSION_MAX = 10
RELATIVE_BELOW = Decimal(2**28)  # section 4.5.3: smaller times are relative to now
RECORDS_MAX = 1_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*")  # section 4.5.1
_BASE = ("bn", "bt", "bu", "bv", "bs", "bver")
_OWN = ("n", "u", "v", "vs", "vb", "vd", "s", "t", "ut")
_UNITS: Mapping[str, tuple[str, str]] = {
    "Cel": ("air_temp", "Cel"),
    "%RH": ("humidity", "%"),
    "Pa": ("air_pressure", "Pa"),
    "ppm": ("co2", "[ppm]"),
    "lx": ("light", "lx"),
    "%EL": ("battery", "%"),
}
_SPELLED = {code: unit for unit, (code, _ucum) in _UNITS.items()}
_UCUM = {code: ucum for code, ucum in _UNITS.values()}


@dataclass(frozen=True, slots=True)
class Resolved:
    """One record with its base fields applied (section 4.6); a relative time stays relative: no clock is asked."""

    name: str
    unit: str | None
    value: Decimal | None = None
    text: str | None = None
    boolean: bool | None = None
    data: str | None = None
    total: Decimal | None = None
    time: Decimal = Decimal(0)
    update: Decimal | None = None

    @property
    def relative(self) -> bool:
        return self.time < RELATIVE_BELOW


def resolve(payload: bytes) -> list[Resolved]:
    """The resolved records; DecodeError where RFC 8428 has the pack refused."""
    pack = parse(payload)
    if not isinstance(pack, list) or not 0 < len(pack) <= RECORDS_MAX:
        raise DecodeError("not-a-list", field="pack", limit=RECORDS_MAX)
    base: dict[str, Any] = {}
    found = []
    for place, record in enumerate(pack):
        if not isinstance(record, dict):
            raise DecodeError("not-an-object", field=f"pack[{place}]")
        _check(record, place)
        base |= {name: record[name] for name in _BASE if name in record}
        if base.get("bver", VERSION_MAX) != pack[0].get("bver", VERSION_MAX):
            raise DecodeError("bad-version", field="bver")
        if (one := _resolved(record, base)) is not None:
            found.append(one)
    if not found:
        raise DecodeError("missing-field", field="v")
    return found


def _check(record: Mapping[str, object], place: int) -> None:
    for name in record:
        if name.endswith("_"):
            raise DecodeError("bad-version", field=name if name.isascii() and name.isidentifier() else "?")
    version = record.get("bver", VERSION_MAX)
    if not isinstance(version, int) or isinstance(version, bool) or not 0 < version <= VERSION_MAX:
        raise DecodeError("bad-version", field="bver")
    for name in ("bn", "bu", "n", "u", "vs", "vd"):
        if not isinstance(record.get(name, ""), str):
            raise DecodeError("not-text", field=f"pack[{place}].{name}", limit=64)
    if not isinstance(record.get("vb", False), bool):
        raise DecodeError("reserved-value", field=f"pack[{place}].vb", value="?")
    if sum(name in record for name in ("v", "vs", "vb", "vd")) > 1:
        raise DecodeError("duplicate-key", key="v")


def _resolved(record: Mapping[str, Any], base: Mapping[str, Any]) -> Resolved | None:
    if not any(name in record for name in ("v", "vs", "vb", "vd", "s", "bv", "bs")):
        return None  # base fields alone
    name = str(base.get("bn", "")) + str(record.get("n", ""))
    if not _NAME.fullmatch(name):
        raise DecodeError("bad-id", field="n")
    value = None
    if "v" in record or ("bv" in base and not any(each in record for each in ("vs", "vb", "vd"))):
        value = _sum(base.get("bv"), record.get("v"), "v")
    total = _sum(base.get("bs"), record.get("s"), "s") if "s" in record or "bs" in base else None
    return Resolved(
        name,
        record.get("u", base.get("bu")),
        value,
        record.get("vs"),
        record.get("vb"),
        record.get("vd"),
        total,
        _sum(base.get("bt"), record.get("t"), "t"),
        None if "ut" not in record else _own_number(record["ut"], "ut"),
    )


def _sum(base: object, own: object, field: str) -> Decimal:
    return sum((_own_number(each, field) for each in (base, own) if each is not None), Decimal(0))


def _own_number(said: object, field: str) -> Decimal:
    if isinstance(said, str):
        raise DecodeError("not-a-number", field=field)
    return number(said, field)


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    groups: dict[tuple[str, Decimal], dict[str, Value]] = {}
    for record in resolve(payload):
        if record.value is None or record.unit is None or record.unit not in _UNITS:
            continue
        code, unit = _UNITS[record.unit]
        group = groups.setdefault((_prefix(record.name), record.time), {})
        if code in group:
            raise DecodeError("duplicate-key", key=code)
        group[code] = Value(code, record.value, unit)
    if not groups:
        raise DecodeError("missing-field", field="u")
    return [_measured(prefix, time, list(said.values()), profile) for (prefix, time), said in groups.items()]


def _measured(prefix: str, time: Decimal, said: list[Value], profile: Profile) -> Measurement:
    values, orig = without_leftovers(said, profile)
    context: dict[str, str | int] = {"sensor": prefix[:64]} if prefix else {}
    if time >= RELATIVE_BELOW:
        return Measurement(KIND, values, _local(time, profile), (), context, prefix[:64] or None, orig)
    if time <= -RELATIVE_BELOW:
        raise DecodeError("bad-time", field="t")
    if time < 0:
        context["ago_s"] = int(-time)
    return Measurement(KIND, values, None, (), context, orig=orig)


def _prefix(name: str) -> str:
    """What names of one sensor have in common: all up to the last separator."""
    cut = max(name.rfind(mark) for mark in ":/.")
    return name[: cut + 1]


def _local(time: Decimal, profile: Profile) -> DeviceTime:
    try:
        return datetime.fromtimestamp(int(time), UTC).astimezone(profile.zone).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        raise DecodeError("bad-time", field="t") from None


def encode(measurement: Measurement, profile: Profile) -> bytes:
    first: dict[str, Any] = {}
    if "sensor" in measurement.context:
        first["bn"] = measurement.context["sensor"]
    if measurement.at is not None:
        first["bt"] = int(measurement.at.replace(tzinfo=profile.zone).timestamp())
    elif "ago_s" in measurement.context:
        first["bt"] = -int(measurement.context["ago_s"])
    records: list[dict[str, Any]] = []
    for value in measurement.values:
        said = measurement.said(value.code) or value
        if said.value is None or said.code not in _SPELLED:
            raise EncodeError(f"SenML has no record for a {value.code} without a number")
        amount = said.value
        if said.unit != _UCUM[said.code]:
            if (said.code, said.unit) != ("air_pressure", "hPa"):
                raise EncodeError(f"SenML has no unit for {said.unit}")
            amount = amount * 100
        records.append({"n": said.code, "u": _SPELLED[said.code], "v": amount})
    if not records:
        raise EncodeError("a pack needs a record")
    return build([first | records[0], *records[1:]])


def fields(payload: bytes, profile: Profile) -> list[Field]:
    titles = {
        "bn": Told("基准名称", "Base name"),
        "bt": Told("基准时间", "Base time"),
        "bu": Told("基准单位", "Base unit"),
        "bver": Told("版本", "Version"),
        "n": Told("名称", "Name"),
        "u": Told("单位", "Unit"),
        "t": Told("时间", "Time"),
        "v": Told("数值", "Value"),
    }

    def named(leaf: Leaf) -> Name | None:
        name = leaf.path[-1] if leaf.path else ""
        if name not in (*_BASE, *_OWN):
            return None
        role = (
            "value" if name in ("v", "vs", "vb", "vd", "s", "bv", "bs") else "time" if name in ("t", "bt") else "layout"
        )
        text = Told(str(leaf.value), str(leaf.value))
        return name, titles.get(name, Told(name, name)), role, text  # type: ignore[return-value]

    return json_fields(payload, "RFC 8428", named)


def _air(*said: tuple[str, str]) -> tuple[Value, ...]:
    return tuple(Value.of(code, Decimal(each), CODES[code].unit) for code, each in said)


EXAMPLES = [
    Example(
        b'[{"bn":"urn:dev:mac:0024befffe804ff1:","bt":1773534605,"bu":"Cel","n":"t","v":21.4},{"n":"h","u":"%RH","v":48}]',
        (
            Measurement(
                KIND,
                _air(("air_temp", "21.4"), ("humidity", "48")),
                datetime(2026, 3, 15, 8, 30, 5),  # noqa: DTZ001
                (),
                {"sensor": "urn:dev:mac:0024befffe804ff1:"},
                "urn:dev:mac:0024befffe804ff1:",
            ),
        ),
        "base name, time and unit, after the RFC's section 5.1",
    ),
    Example(
        b'[{"n":"t","u":"Cel","v":23.1,"t":-60},{"n":"t","u":"Cel","v":23.5}]',
        (
            Measurement(KIND, _air(("air_temp", "23.1")), context={"ago_s": 60}),
            Measurement(KIND, _air(("air_temp", "23.5"))),
        ),
        "relative times: a minute ago, and now",
    ),
    Example(
        b'[{"bv":20,"bu":"Cel","n":"a","v":1.5},{"n":"p","u":"Pa","v":101305.0},{"n":"door","vb":true}]',
        (
            Measurement(
                KIND,
                _air(("air_temp", "21.5"), ("air_pressure", "1013.3")),
                orig=(Value.of("air_pressure", Decimal("101325.0"), "Pa"),),
            ),
        ),
        "a base value is added to every value; a boolean is nobody's measurement here",
    ),
]
REJECTS = [
    b"",
    b"{}",
    b"[]",
    b'[{"n":"t","u":"Cel","v":23.1,"bver":11}]',
    b'[{"n":"t","u":"Cel","v":23.1,"future_":1}]',
    b'[{"n":"t","u":"Cel","v":"23.1"}]',
    b'[{"n":"-t","u":"Cel","v":23.1}]',  # a name must begin with a letter or a digit
    b'[{"n":"t","u":"Cel","v":1,"vs":"one"}]',
    b'[{"n":"t","u":"mmHg","v":120}]',  # a unit the RFC does not know
]

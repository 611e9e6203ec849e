"""FHIR R4 Observation in: what a clinic's own system or a phone app hands over, one resource a frame.

Read: status, code (LOINC), value or components with their dataAbsentReason, effectiveDateTime, identifier. UCUM units
only. Who it is about is not read and not kept: whose a reading is, the hut's visit says (hub/civic/health/binding.py).
An Observation that was withdrawn (`entered-in-error`, `cancelled`) or is not finished is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from devices.base import ABSENT_REASONS, DecodeError, EncodeError, Example, Measurement, Value
from devices.codecs.json_map import without_leftovers
from devices.codes import CODES, KINDS
from devices.fields import Field, Told
from devices.json_map import TimePath
from devices.json_text import Leaf, Name, Path, build, kept_only, number, parse
from devices.json_text import fields as json_fields
from devices.units import UNITS, convertible

if TYPE_CHECKING:
    from devices.profile import Profile

ID, VERSION = "fhir.observation", 1
FLAGS: tuple[str, ...] = ()

STATUSES = ("final", "amended", "corrected", "preliminary")
LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
_TIME = TimePath(("effectiveDateTime",), "iso")
_CODE_OF: Mapping[str, str] = {
    loinc: code.name
    for code in reversed(list(CODES.values()))  # `pulse` and `hr` share a code; the first of the table is meant
    for loinc in ((code.loinc,) if code.loinc else ()) + code.loinc_more
}
_KIND_OF: Mapping[str, str] = {kind.loinc: kind.name for kind in KINDS.values() if kind.loinc}
_KIND_OF_CODE: Mapping[str, str] = {
    **{code: kind.name for kind in KINDS.values() for code in kind.needed if kind.of_person},
    "pulse": "hr",
    "bmi": "weight",
}
_KEPT = {
    "resourceType",
    "status",
    "code",
    "component",
    "valueQuantity",
    "dataAbsentReason",
    "effectiveDateTime",
    "value",
}


def decode(payload: bytes, profile: Profile) -> list[Measurement]:
    root = parse(payload)
    if not isinstance(root, dict) or root.get("resourceType") != "Observation":
        raise DecodeError("other-device", field="resourceType")
    if root.get("status") not in STATUSES:
        raise DecodeError("reserved-value", field="status", value="?")
    components = root.get("component")
    loinc = _loinc(root, "code")
    if isinstance(components, list) and components:
        kind = _KIND_OF.get(loinc, "")
        said = [_value(each, f"component[{place}]") for place, each in enumerate(components)]
    else:
        value = _value(root, "")
        said, kind = [value], _KIND_OF_CODE.get(value.code, "")
        if kind == "hr":
            said = [Value("hr", value.value, value.unit, value.absent_reason)]
    if not kind:
        raise DecodeError("other-device", field="code")
    if len({value.code for value in said}) < len(said):
        raise DecodeError("duplicate-key", key="component")
    values, orig = without_leftovers(said, profile)
    at = _TIME.read(root["effectiveDateTime"], profile.zone) if "effectiveDateTime" in root else None
    return [Measurement(kind, values, at, orig=orig)]


def _loinc(holder: Mapping[str, Any], field: str) -> str:
    code = holder.get("code")
    coding = code.get("coding") if isinstance(code, dict) else None
    for each in coding if isinstance(coding, list) else ():
        if isinstance(each, dict) and each.get("system") == LOINC and isinstance(each.get("code"), str):
            return str(each["code"])
    raise DecodeError("missing-field", field=f"{field}.coding" if field else "code.coding")


def _value(holder: object, field: str) -> Value:
    if not isinstance(holder, dict):
        raise DecodeError("not-an-object", field=field or "Observation")
    code = _CODE_OF.get(_loinc(holder, field))
    if code is None:
        raise DecodeError("other-device", field=f"{field or 'Observation'}.code")
    quantity = holder.get("valueQuantity")
    if quantity is None:
        return Value.of(code, _why_absent(holder, field), CODES[code].unit)
    if not isinstance(quantity, dict):
        raise DecodeError("not-an-object", field=f"{field}.valueQuantity".lstrip("."))
    unit = quantity.get("code")
    if not isinstance(unit, str) or quantity.get("system") != UCUM or unit not in UNITS or not convertible(code, unit):
        raise DecodeError("other-device", field=f"{field}.valueQuantity.code".lstrip("."))
    if "value" not in quantity or isinstance(quantity["value"], str):
        raise DecodeError("not-a-number", field=f"{field}.valueQuantity.value".lstrip("."))
    return Value(code, number(quantity["value"], f"{field}.valueQuantity.value".lstrip(".")), unit)


def _why_absent(holder: Mapping[str, Any], field: str) -> str:
    reason = holder.get("dataAbsentReason")
    coding = reason.get("coding") if isinstance(reason, dict) else None
    first = coding[0] if isinstance(coding, list) and coding else None
    if not isinstance(first, dict):
        raise DecodeError("missing-field", field=f"{field}.valueQuantity".lstrip("."))
    return str(first.get("code")) if first.get("code") in ABSENT_REASONS else "error"


def encode(measurement: Measurement, profile: Profile) -> bytes:
    if not measurement.values:
        raise EncodeError("an Observation needs a value, or the reason why there is none")
    root: dict[str, Any] = {"resourceType": "Observation", "status": "final"}
    said = [measurement.said(value.code) or value for value in measurement.values]
    panel = KINDS[measurement.kind].loinc if measurement.kind == "bp" else None
    if panel:
        root["code"] = _coding(panel)
        root["component"] = [_written(value) for value in said]
    elif len(said) == 1:
        root |= _written(said[0])
    else:
        raise EncodeError("only a blood pressure has several values in one Observation")
    if measurement.at is not None:
        root["effectiveDateTime"] = measurement.at.replace(tzinfo=profile.zone).isoformat()
    return build(root)


def _written(value: Value) -> dict[str, Any]:
    code = CODES[value.code]
    if code.loinc is None:
        raise EncodeError(f"{value.code} has no LOINC code")
    if value.value is None:
        return {"code": _coding(code.loinc), "dataAbsentReason": {"coding": [{"code": value.absent_reason}]}}
    quantity = {"value": value.value, "system": UCUM, "code": value.unit}
    return {"code": _coding(code.loinc), "valueQuantity": quantity}


def _coding(loinc: str) -> dict[str, Any]:
    return {"coding": [{"system": LOINC, "code": loinc}]}


def _kept(path: Path) -> bool:
    return bool(path) and path[0] in _KEPT and "text" not in path and "display" not in path


def scrub(payload: bytes, profile: Profile) -> bytes:
    return kept_only(payload, _kept)


def fields(payload: bytes, profile: Profile) -> list[Field]:
    def named(leaf: Leaf) -> Name | None:
        text = Told(str(leaf.value), str(leaf.value))
        if not _kept(leaf.path):
            return None
        if leaf.path[0] == "effectiveDateTime":
            return "time", Told("测量时间", "Time"), "time", text
        if leaf.path[-1] == "value":
            return "value", Told("数值", "Value"), "value", text
        return "code", Told("编码", "Code"), "layout", text

    return json_fields(payload, "FHIR R4 Observation", named)


def _quantity(value: str, unit: str) -> str:
    return f'"valueQuantity":{{"value":{value},"unit":"{unit}","system":"{UCUM}","code":"{unit}"}}'


def _code(loinc: str) -> str:
    return f'"code":{{"coding":[{{"system":"{LOINC}","code":"{loinc}"}}]}}'


_PRESSURES = ",".join(
    f"{{{_code(loinc)},{_quantity(value, unit)}}}"
    for loinc, value, unit in (("8480-6", "107", "mm[Hg]"), ("8462-4", "60", "mm[Hg]"))
)
_HEAD = '{"resourceType":"Observation","status":"final",'

EXAMPLES = [
    Example(
        f'{_HEAD}{_code("85354-9")},"subject":{{"reference":"Patient/1","display":"王小明"}},'
        f'"effectiveDateTime":"2026-03-15T08:30:05+08:00","component":[{_PRESSURES}]}}'.encode(),
        (
            Measurement(
                "bp",
                (Value.of("sys", Decimal(107), "mm[Hg]"), Value.of("dia", Decimal(60), "mm[Hg]")),
                datetime(2026, 3, 15, 8, 30, 5),  # noqa: DTZ001
            ),
        ),
        "a blood pressure panel; whose it is, is dropped",
    ),
    Example(
        f"{_HEAD}{_code('8310-5')},{_quantity('97.9', '[degF]')}}}".encode(),
        (
            Measurement(
                "temp",
                (Value.of("temp", Decimal("36.6"), "Cel"),),
                orig=(Value.of("temp", Decimal("97.9"), "[degF]"),),
            ),
        ),
        "a temperature in Fahrenheit",
    ),
    Example(
        f'{_HEAD}{_code("2708-6")},"dataAbsentReason":{{"coding":[{{"code":"not-a-number"}}]}}}}'.encode(),
        (Measurement("spo2", (Value.of("spo2", "not-a-number", "%"),)),),
        "no value, and why",
    ),
]
REJECTS = [
    b"",
    b"{}",
    b'{"resourceType":"Patient"}',
    f"{_HEAD}{_code('8310-5')},{_quantity('36.6', 'Cel')}}}".replace("final", "entered-in-error").encode(),
    f"{_HEAD}{_code('8310-5')},{_quantity('36.6', 'kg')}}}".encode(),
    f'{_HEAD}{_code("8310-5")},"valueQuantity":{{"value":36.6,"unit":"C"}}}}'.encode(),
    f"{_HEAD}{_code('1-1')},{_quantity('36.6', 'Cel')}}}".encode(),
    f"{_HEAD}{_code('8310-5')}}}".encode(),
]

"""FHIR R4 resources as plain dicts, made from our own rows: Observation, Device, DeviceMetric and the clock's truth.

Pure but for the opening of sealed values. The form follows HL7's Personal Health Device guide: one Observation for a
blood pressure with its components, MDC beside LOINC, UCUM units, a reason wherever there is no number, and the device's
own clock beside the hub's. `encode` keeps 2.0 and 2.00 apart: precision is information.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from devices.codes import CODES, KINDS, mdc
from devices.profile import all_profiles
from hub.derived import Derived
from hub.events import ReadValue
from hub.readings import Reading, from_ms
from hub.recall import Flagged
from hub.registry import Device

Json = dict[str, Any]
MDC, LOINC, UCUM = "urn:iso:std:iso:11073:10101", "http://loinc.org", "http://unitsofmeasure.org"
_HL7 = "http://terminology.hl7.org/CodeSystem"
IDENTIFIER = "urn:linli:observation"
PERSON = "urn:linli:resident"
MEDIA_TYPE = "application/fhir+json"
RECALL, CALIBRATION_DUE = "urn:linli:recall", "urn:linli:calibration-due"
# What a recall takes back: the number was never one of this body. A lapsed certificate takes nothing back.
WITHDRAWN = ("recalled", "lot_bad")
CLOCK, CLOCK_MDC = "clock", 67975  # the device's time beside the hub's: MDC_ATTR_TIME_ABS
# What was last eaten before a glucose: an Observation of its own, as the PHD guide has it (IEEE 11073-10417).
MEAL, MEAL_MDC = "meal", 8417864  # MDC_CTXT_GLU_MEAL
_MEALS: Mapping[str, tuple[int, str]] = {
    "before": (8417868, "Before a meal"), "after": (8417872, "After a meal"), "fasting": (8417876, "Fasting"),
    "casual": (8417880, "At any hour"), "bedtime": (8417908, "At bedtime"),
}  # fmt: skip
_PROFILE = "http://hl7.org/fhir/StructureDefinition/"
_PROFILES: Mapping[str, str] = {
    "bp": "bp",
    "spo2": "oxygensat",
    "temp": "bodytemp",
    "weight": "bodyweight",
    "height": "bodyheight",
    "bmi": "bmi",
    "pulse": "heartrate",
    "hr": "heartrate",
}
# A blood pressure is one Observation; what its device says of the pulse is another.
COMPONENTS: Mapping[str, tuple[str, ...]] = {"bp": ("sys", "dia", "map")}
# Not of a person's body, or not a number FHIR has a code of ours for.
_SPECIALISATION: Mapping[str, int] = {
    "bp": 528391, "spo2": 528388, "temp": 528392, "weight": 528399, "height": 528399, "body": 528404, "glucose": 528401,
}  # fmt: skip
_GATEWAY_MDC = 531981
_UNIT_CODES: Mapping[str, str] = {"/min": "{beat}/min", "Cel": "Cel", "mm[Hg]": "mmHg"}
_encoder = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class Code:
    """What a search may ask for: where a code of the world is found in our readings."""

    kind: str
    part: str  # "" for the kind's own Observation, else what its id ends in


@dataclass(frozen=True, slots=True)
class Meal:
    """What is known of the last meal, and since when if a person said it later than the device."""

    word: str
    said_at: datetime | None = None


def encode(resource: Json) -> bytes:
    return _encoder.encode(resource)


def observations(
    row: Reading,
    values: Sequence[ReadValue],
    zone: str,
    mass_index: Derived | None = None,
    flagged: Flagged | None = None,
    meal: Meal | None = None,
) -> Iterator[Json]:
    """Everything one reading says, the chief Observation first, each with what a recall said of it since. Nothing of a
    reading that is nobody's."""
    for made in _said(row, values, zone, mass_index, meal):
        if flagged is not None:
            _mark(made, flagged)
        yield made


def _mark(made: Json, flagged: Flagged) -> None:
    """Decision 0018: withdrawn, so that also a reader who knows no tag of ours does not count on the number."""
    made["meta"]["lastUpdated"] = max(datetime.fromisoformat(made["meta"]["lastUpdated"]), flagged.at).isoformat()
    made["meta"]["tag"] = [{"system": RECALL, "code": reason.replace("_", "-")} for reason in flagged.reasons]
    if set(flagged.reasons) & set(WITHDRAWN):
        made["status"] = "entered-in-error"


def _said(
    row: Reading, values: Sequence[ReadValue], zone: str, mass_index: Derived | None, meal: Meal | None
) -> Iterator[Json]:
    if row.person is None:
        return
    chief = chief_part(row.kind)
    shown = [value for value in values if value.code not in COMPONENTS.get(row.kind, ())]
    if row.kind in COMPONENTS:
        yield _panel(row, values, zone)
    for value in sorted(shown, key=lambda each: each.code != chief):
        if value.code not in CODES or (value.code == "bmi" and mass_index is not None):
            continue
        yield _single(row, value, zone, "" if value.code == chief else value.code)
    if mass_index is not None:
        made = _single(row, mass_index.value, zone, "bmi")
        made["derivedFrom"] = [{"reference": f"Observation/{each}"} for each in mass_index.readings]
        made["method"] = {"text": "derived"}
        if mass_index.mismatch and mass_index.said is not None:
            made["note"] = [{"text": f"The device says {mass_index.said}; that does not fit its weight and height"}]
        yield made
    if meal is not None and meal.word in _MEALS:
        yield _meal(row, meal, zone)
    if row.t_device is not None:
        yield _clock(row, zone)


def chief_part(kind: str) -> str:
    """The number that carries the reading's own id; of a panel none does."""
    needed = KINDS[kind].needed if kind in KINDS else ()
    return "" if kind in COMPONENTS else (needed[0] if needed else "")


def part_id(code: str) -> str:
    """FHIR's ids know no underscore."""
    return code.replace("_", "-")


def codes() -> dict[tuple[str, str], set[Code]]:
    """(system, code) -> where it is found, for searching."""
    found: dict[tuple[str, str], set[Code]] = {}

    def enter(system: str, code: str | int | None, where: Code) -> None:
        if code is not None:
            found.setdefault((system, str(code)), set()).add(where)

    for name in COMPONENTS:
        enter(LOINC, KINDS[name].loinc, Code(name, ""))
        enter(MDC, KINDS[name].mdc, Code(name, ""))
    for code in CODES.values():
        for kind in KINDS:
            if code.name in COMPONENTS.get(kind, ()):
                continue
            where = Code(kind, "" if code.name == chief_part(kind) else part_id(code.name))
            enter(MDC, mdc(code.name, kind), where)
            for loinc in (code.loinc, *code.loinc_more):
                enter(LOINC, loinc, where)
    for kind in KINDS:
        enter(MDC, CLOCK_MDC, Code(kind, CLOCK))
    enter(MDC, MEAL_MDC, Code("glucose", MEAL))
    return found


def _head(row: Reading, zone: str, part: str) -> Json:
    at = from_ms(row.t_effective_ms).astimezone(ZoneInfo(zone))
    changed = from_ms(row.bound_at_ms if row.bound_at_ms is not None else row.t_received_ms)
    return {
        "resourceType": "Observation",
        "id": f"{row.id}-{part_id(part)}" if part else row.id,
        "meta": {"lastUpdated": changed.isoformat()},
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/observation-gatewayDevice",
                "valueReference": {"reference": f"Device/{gateway_id(row.gateway)}"},
            }
        ],
        "status": "preliminary"
        if row.quality == "suspect"
        else "final",  # a failed one is final, and says why it is empty
        "subject": {"reference": f"Patient/{row.person}", "identifier": {"system": PERSON, "value": row.person}},
        "effectiveDateTime": at.isoformat(),
        "device": {"reference": f"Device/{row.device}"},
    }


def _identified(resource: Json, row: Reading, code: int | None) -> None:
    """The export's own key: the same reading sent twice is one Observation to a server that creates conditionally."""
    stamp = row.t_device or from_ms(row.t_effective_ms).isoformat()
    text = "-".join((row.serial or row.device, str(row.person), PERSON, str(code or row.kind), stamp))
    resource["identifier"] = [{"system": IDENTIFIER, "value": text}]


def _panel(row: Reading, values: Sequence[ReadValue], zone: str) -> Json:
    kind = KINDS[row.kind]
    made = _head(row, zone, "")
    made["meta"]["profile"] = [_PROFILE + _PROFILES[row.kind]]
    _identified(made, row, kind.mdc)
    made["category"] = _category("vital-signs")
    made["code"] = {"coding": _codings([kind.loinc], kind.mdc, kind.en), "text": kind.en}
    said = {value.code: value for value in values}
    parts = []
    for name in COMPONENTS[row.kind]:
        needed = name in kind.needed
        if name in said or needed:
            part: Json = {"code": _code_of(name, row.kind)}
            parts.append(part | _answer(said.get(name), row))
    made["component"] = parts
    return made


def _single(row: Reading, value: ReadValue, zone: str, part: str) -> Json:
    made = _head(row, zone, part)
    if value.code in _PROFILES:
        made["meta"]["profile"] = [_PROFILE + _PROFILES[value.code]]
    _identified(made, row, mdc(value.code, row.kind))
    made["category"] = _category("laboratory" if value.code in _LABORATORY else "vital-signs")
    made["code"] = _code_of(value.code, row.kind)
    made |= _answer(value, row)
    return made


_LABORATORY = ("glucose", "uric_acid", "cholesterol", "hba1c", "control")


def _meal(row: Reading, meal: Meal, zone: str) -> Json:
    made = _head(row, zone, MEAL)
    code, words = _MEALS[meal.word]
    if meal.said_at is not None:
        made["meta"]["lastUpdated"] = max(datetime.fromisoformat(made["meta"]["lastUpdated"]), meal.said_at).isoformat()
    made["status"] = "final"
    made["category"] = _category("laboratory")
    made["code"] = {"coding": [{"system": MDC, "code": str(MEAL_MDC)}], "text": "Meal context"}
    made["valueCodeableConcept"] = {"coding": [{"system": MDC, "code": str(code)}], "text": words}
    made["derivedFrom"] = [{"reference": f"Observation/{row.id}"}]
    return made


def _clock(row: Reading, zone: str) -> Json:
    """What the device's clock showed when the hub's showed its own: whoever doubts a time finds the offset here."""
    made = _head(row, zone, CLOCK)
    profile = all_profiles().get(row.profile.partition("@")[0])
    offset: timezone = profile.zone if profile is not None else timezone(timedelta(hours=8))
    said = datetime.fromisoformat(str(row.t_device))
    told = row.t_gateway_ms if row.t_gateway_ms is not None else row.t_received_ms
    made["effectiveDateTime"] = from_ms(told).astimezone(ZoneInfo(zone)).isoformat()
    made["status"] = "final"
    made["code"] = {"coding": [{"system": MDC, "code": str(CLOCK_MDC)}], "text": "Device time beside the hub's time"}
    made["valueDateTime"] = (said if said.tzinfo else said.replace(tzinfo=offset)).isoformat()
    return made


def _answer(value: ReadValue | None, row: Reading) -> Json:
    """A number with its unit, or why there is none. A failed measurement never has one."""
    if value is not None and value.value is not None and row.quality != "bad":
        unit = CODES[value.code].unit if value.code in CODES else value.unit
        number = Decimal(format(value.value, "f"))
        quantity = {"value": number, "unit": _UNIT_CODES.get(unit, unit), "system": UCUM, "code": value.unit}
        return {"valueQuantity": quantity}
    reason = (value.absent_reason if value is not None else "unknown") or "error"
    return {"dataAbsentReason": {"coding": [{"system": f"{_HL7}/data-absent-reason", "code": reason}]}}


def _code_of(name: str, kind: str) -> Json:
    known = CODES[name]
    return {"coding": _codings([known.loinc, *known.loinc_more], mdc(name, kind), known.en), "text": known.en}


def _codings(loincs: Sequence[str | None], mdc_code: int | None, display: str) -> list[Json]:
    found: list[Json] = [{"system": LOINC, "code": loinc} for loinc in loincs if loinc]
    if mdc_code is not None:
        found.append({"system": MDC, "code": str(mdc_code)})
    return found or [{"system": "urn:linli:code", "code": display.lower().replace(" ", "-")}]


def _category(code: str) -> list[Json]:
    return [{"coding": [{"system": f"{_HL7}/observation-category", "code": code}]}]


def gateway_id(gateway: str) -> str:
    """Gateways are Devices too; a dot keeps their ids apart from those of the things behind them."""
    return f"gateway.{gateway}"


def device(row: Device, today: date) -> Json:
    profile = all_profiles().get(row.profile or "")
    made: Json = {
        "resourceType": "Device",
        "id": row.id,
        "status": "inactive" if row.state == "retired" else "active",
        "deviceName": [{"name": row.en, "type": "user-friendly-name"}],
        "identifier": [{"system": "urn:linli:device", "value": row.id}],
        "parent": {"reference": f"Device/{gateway_id(row.gateway)}"},
    }
    if row.serial:
        made["serialNumber"] = row.serial
    if row.firmware:
        made["version"] = [{"type": {"text": "firmware"}, "value": row.firmware}]
    if row.kind in _SPECIALISATION:
        made["specialization"] = [{"systemType": {"coding": [{"system": MDC, "code": str(_SPECIALISATION[row.kind])}]}}]
    made["type"] = {"text": KINDS[row.kind].en if row.kind in KINDS else row.kind}
    if profile is not None:
        made["modelNumber"] = profile.ref
        clock = "set by the gateway" if profile.clock_sync else "never set"
        made["property"] = [{"type": {"text": "clock"}, "valueCode": [{"text": clock}]}]
    return made


def gateway(ident: str) -> Json:
    return {
        "resourceType": "Device",
        "id": gateway_id(ident),
        "status": "active",
        "identifier": [{"system": "urn:linli:gateway", "value": ident}],
        "type": {"coding": [{"system": MDC, "code": str(_GATEWAY_MDC)}], "text": "Gateway"},
    }


def metric_codes(kind: str) -> tuple[str, ...]:
    """The numbers a device of this kind is calibrated for."""
    return KINDS[kind].needed if kind in KINDS and KINDS[kind].of_person else ()


def metric(row: Device, code: str, today: date) -> Json:
    """What a device measures, in which unit, and whether its certificate still holds."""
    known = CODES[code]
    if row.calibration_due is None:
        state = "calibrated" if row.calibration else "unspecified"
    else:
        state = "calibrated" if row.calibration_due >= today else "calibration-required"
    made: Json = {
        "resourceType": "DeviceMetric",
        "id": f"{row.id}.{part_id(code)}",
        "type": _code_of(code, row.kind),
        "unit": {"coding": [{"system": UCUM, "code": known.unit}], "text": known.unit},
        "source": {"reference": f"Device/{row.id}"},
        "operationalStatus": "on" if row.state == "active" else "off",
        "category": "measurement",
        "calibration": [_calibration(row, state)],
    }
    if row.calibration:
        made["identifier"] = [{"system": "urn:linli:certificate", "value": row.calibration}]
    return made


def _calibration(row: Device, state: str) -> Json:
    """From the certificate in force: when it was issued, and the last day on which it holds."""
    made: Json = {"type": "unspecified", "state": state}
    if row.calibrated_on is not None:
        made["time"] = datetime.combine(row.calibrated_on, time(), ZoneInfo("Asia/Shanghai")).isoformat()
    if row.calibration_due is not None:
        made["extension"] = [{"url": CALIBRATION_DUE, "valueDate": row.calibration_due.isoformat()}]
    return made


def bundle(kind: str, entries: Sequence[Json], base: str, links: Mapping[str, str] | None = None) -> Json:
    made: Json = {"resourceType": "Bundle", "type": kind}
    if links:
        made["link"] = [{"relation": relation, "url": url} for relation, url in links.items()]
    made["entry"] = [
        {"fullUrl": f"{base}/{each['resourceType']}/{each['id']}", "resource": each}
        | ({"search": {"mode": "match"}} if kind == "searchset" else {})
        for each in entries
    ]
    if not made["entry"]:
        del made["entry"]  # FHIR knows no empty list
    return made


def outcome(code: str, sentence: str) -> Json:
    issue = {"severity": "error", "code": code, "diagnostics": sentence}
    return {"resourceType": "OperationOutcome", "issue": [issue]}

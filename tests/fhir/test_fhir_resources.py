"""Our resources are FHIR: by the validator of fhir.resources (R4B), and by rules of vital signs it does not know."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.device import Device
from fhir.resources.R4B.devicemetric import DeviceMetric
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.operationoutcome import OperationOutcome
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.base import Value
from devices.codes import CODES, KINDS
from hub import fhir
from hub.civic.fhir.search import PARAMETERS, question
from hub.civic.fhir.statement import capability
from hub.derived import Derived
from hub.readings import Reading
from hub.recall import Flagged
from hub.registry import Device as OurDevice
from tests.world import START

ZONE = "Asia/Shanghai"
UNITS = {code.unit for code in CODES.values()}


def reading(kind: str = "bp", **more: Any) -> Reading:
    ms = int(START.timestamp() * 1000)
    plain: dict[str, Any] = {
        "id": "0192aaaa-0000-7000-8000-000000000001", "key": "k", "kind": kind, "device": "bp-1", "gateway": "lh-hut-1",
        "area": "420802002001", "person": "r-wang", "bound_by": "card", "bound_at_ms": ms, "quality": "ok",
        "sealed_values": b"", "t_received_ms": ms, "t_effective_ms": ms, "t_basis": "device", "serial": "A1",
        "profile": "generic.sig.2a35@1", "codec": "sig.2a35@1", "raw_sha256": "0" * 64, "cause": "f",
    }  # fmt: skip
    return Reading(**{**plain, **more})


def value(code: str, number: str | None, absent: str | None = None) -> Value:
    return Value(code, None if number is None else Decimal(number), CODES[code].unit, absent)


def made(row: Reading, *values: Value, mass_index: Derived | None = None) -> list[dict[str, Any]]:
    return list(fhir.observations(row, values, ZONE, mass_index))


def check(resource: dict[str, Any]) -> None:
    """What the validator lets pass: HL7's rules for vital signs and the PHD guide's for codes and numbers."""
    Observation.model_validate_json(fhir.encode(resource))
    assert resource["status"] in ("final", "preliminary", "entered-in-error")
    assert resource["subject"]["reference"].startswith("Patient/")
    assert resource["effectiveDateTime"]
    parts = resource.get("component", [resource])
    if "component" in resource:
        assert not {"valueQuantity", "dataAbsentReason"} & resource.keys()
    for part in parts:
        if "valueDateTime" in part:
            continue
        assert ("valueQuantity" in part) != ("dataAbsentReason" in part)
        systems = {coding["system"] for coding in part["code"]["coding"]}
        assert systems
        if "valueQuantity" in part:
            assert part["valueQuantity"]["system"] == fhir.UCUM
            assert part["valueQuantity"]["code"] in UNITS
            assert isinstance(part["valueQuantity"]["value"], Decimal)
    if any(each.endswith(("/bp", "/heartrate", "/oxygensat")) for each in resource["meta"].get("profile", ())):
        assert {fhir.LOINC, fhir.MDC} <= {coding["system"] for coding in resource["code"]["coding"]}
        assert resource["category"][0]["coding"][0]["code"] == "vital-signs"


def test_a_blood_pressure_is_one_observation_with_two_components_and_a_reason() -> None:
    panel, pulse = made(reading(), value("sys", "151"), value("dia", "93"), value("map", None, "not-a-number"),
                        value("pulse", "76"))  # fmt: skip
    check(panel)
    check(pulse)
    codes = [part["code"]["coding"][0]["code"] for part in panel["component"]]
    assert codes == ["8480-6", "8462-4", "8478-0"]
    assert {coding["code"] for coding in panel["code"]["coding"]} == {"85354-9", "150020"}
    assert panel["component"][2]["dataAbsentReason"]["coding"][0]["code"] == "not-a-number"
    assert "valueQuantity" not in panel["component"][2]
    assert pulse["id"].endswith("-pulse")
    assert [coding["code"] for coding in pulse["code"]["coding"]] == ["8867-4", "149546"]


def test_both_required_components_stand_there_even_when_the_cuff_failed() -> None:
    (panel,) = made(reading(quality="bad"), value("sys", "186"), value("dia", None, "error"))
    check(panel)
    assert len(panel["component"]) == 2
    assert not [part for part in panel["component"] if "valueQuantity" in part]


def test_precision_survives_the_wire() -> None:
    (warm,) = made(reading("temp", profile="generic.sig.2a1c@1"), value("temp", "36.50"))
    check(warm)
    assert b'"value":36.50' in fhir.encode(warm)


@pytest.mark.parametrize("reason", ["positive-infinity", "negative-infinity"])
def test_hi_and_lo_have_no_number(reason: str) -> None:
    (sweet,) = made(reading("glucose", quality="bad"), value("glucose", None, reason))
    check(sweet)
    assert sweet["dataAbsentReason"]["coding"][0]["code"] == reason


def test_the_identifier_is_that_of_the_phd_guide_and_holds_no_value() -> None:
    (panel,) = made(reading(t_device=None), value("sys", "151"), value("dia", "93"))
    text = panel["identifier"][0]["value"]
    assert text.startswith("A1-r-wang-urn:linli:resident-150020-")
    assert "151" not in text


def test_the_clock_of_the_device_stands_beside_the_hubs() -> None:
    row = reading(t_device="2026-11-22T08:44:00", t_gateway_ms=int(START.timestamp() * 1000))
    *_rest, clock = made(row, value("sys", "151"), value("dia", "93"))
    check(clock)
    assert clock["code"]["coding"][0]["code"] == "67975"
    assert (clock["effectiveDateTime"], clock["valueDateTime"]) == (
        "2026-11-22T09:00:00+08:00", "2026-11-22T08:44:00+08:00",
    )  # fmt: skip


def test_the_mass_index_is_the_hubs_and_says_what_it_is_made_of() -> None:
    index = Derived(value("bmi", "22.9"), ("w", "h"), Decimal("24.5"))
    weight, bmi = made(reading("weight"), value("weight", "70.00"), value("bmi", "24.5"), mass_index=index)
    check(weight)
    check(bmi)
    assert bmi["valueQuantity"]["value"] == Decimal("22.9")
    assert [each["reference"] for each in bmi["derivedFrom"]] == ["Observation/w", "Observation/h"]
    assert "24.5" in bmi["note"][0]["text"]


def test_what_is_nobodys_is_no_observation() -> None:
    assert made(reading(person=None), value("sys", "151"), value("dia", "93")) == []


NUMBERS = st.one_of(st.none(), st.decimals(0, 300, places=2).map(str))


@settings(max_examples=25)
@given(
    st.sampled_from([kind for kind in KINDS if KINDS[kind].of_person]),
    st.dictionaries(st.sampled_from(sorted(CODES)), NUMBERS, max_size=5),
    st.sampled_from(["ok", "suspect", "bad"]),
)
def test_whatever_was_measured_is_valid_and_a_bad_one_has_no_number(
    kind: str, said: dict[str, str | None], quality: str
) -> None:
    values = [value(code, number, None if number is not None else "error") for code, number in said.items()]
    for each in made(reading(kind, quality=quality), *values):
        check(each)
        assert quality != "bad" or b"valueQuantity" not in fhir.encode(each)


@pytest.mark.parametrize(
    ("reasons", "status"),
    [
        (("recalled",), "entered-in-error"),
        (("uncalibrated", "lot_bad"), "entered-in-error"),
        (("uncalibrated",), "final"),
    ],
)
def test_what_was_recalled_is_withdrawn_in_every_part_of_it(reasons: tuple[str, ...], status: str) -> None:
    at = START + timedelta(days=3)
    numbers = (value("sys", "151"), value("dia", "93"), value("pulse", "76"))
    said = list(fhir.observations(reading(), numbers, ZONE, None, Flagged(reasons, at)))
    assert len(said) == 2
    for each in said:
        check(each)
        assert each["status"] == status
        assert [tag["code"] for tag in each["meta"]["tag"]] == [reason.replace("_", "-") for reason in reasons]
        assert datetime.fromisoformat(each["meta"]["lastUpdated"]) == at
    assert said[0]["component"][0]["valueQuantity"]["value"] == Decimal(151), "what was shown stays explainable"


def test_the_statement_promises_what_the_search_understands() -> None:
    """Every parameter it names is taken, and every one that is taken it names."""
    (rest,) = capability(START, "http://x/fhir/R4")["rest"]
    named = {each["name"] for each in rest["resource"][0]["searchParam"]}
    given = {"_count": "2", "_id": "a", "_lastUpdated": "2026", "category": "vital-signs", "code": "8480-6",
             "date": "2026", "device": "bp-1", "patient": "r-wang", "subject": "r-wang", "_sort": "-date"}  # fmt: skip
    assert set(given) == set(PARAMETERS)
    assert named == set(PARAMETERS) - {"_count", "_sort"}, "those two are no search parameters but how to answer"
    for name in PARAMETERS:
        question([(name, given[name])], ZoneInfo(ZONE))
    assert {each["type"] for each in rest["resource"]} == {"Observation", "Device", "DeviceMetric"}
    assert all({act["code"] for act in each["interaction"]} == {"read", "search-type"} for each in rest["resource"])


def test_devices_and_their_calibration_are_valid() -> None:
    row = OurDevice(id="bp-1", gateway="lh-hut-1", profile="omron-hem9200t", kind="bp", zh="血压计", en="Cuff",
                    serial="A1", firmware="1.2", calibration="c-1", calibration_due=date(2026, 11, 21),
                    calibrated_on=date(2025, 11, 22))  # fmt: skip
    for each in (fhir.device(row, START.date()), fhir.gateway("lh-hut-1")):
        Device.model_validate_json(fhir.encode(each))
    states = []
    for today in (date(2026, 11, 21), date(2026, 11, 22)):
        metric = fhir.metric(row, "sys", today)
        DeviceMetric.model_validate_json(fhir.encode(metric))
        (calibration,) = metric["calibration"]
        assert calibration["time"] == "2025-11-22T00:00:00+08:00"
        assert calibration["extension"] == [{"url": fhir.CALIBRATION_DUE, "valueDate": "2026-11-21"}]
        states.append(calibration["state"])
    assert states == ["calibrated", "calibration-required"]


def test_statement_outcome_and_bundle_are_valid() -> None:
    CapabilityStatement.model_validate_json(fhir.encode(capability(START, "http://x/fhir/R4")))
    OperationOutcome.model_validate_json(fhir.encode(fhir.outcome("not-found", "x")))
    entries = made(reading(), value("sys", "151"), value("dia", "93"))
    whole = fhir.encode(fhir.bundle("searchset", entries, "http://x/fhir/R4", {"self": "http://x/fhir/R4/Observation"}))
    Bundle.model_validate_json(whole)
    assert json.loads(whole)["entry"][0]["fullUrl"].endswith(entries[0]["id"])
    assert "entry" not in fhir.bundle("searchset", [], "http://x")


@pytest.mark.parametrize("word", ["fasting", "before", "after", "bedtime", "casual"])
def test_a_meal_is_an_observation_of_its_own_that_points_at_the_glucose(word: str) -> None:
    row, later = reading("glucose"), START + timedelta(hours=2)
    sweet, meal = fhir.observations(row, [value("glucose", "6.1")], ZONE, meal=fhir.Meal(word, later))
    check(sweet)
    Observation.model_validate_json(fhir.encode(meal))
    assert meal["derivedFrom"] == [{"reference": f"Observation/{sweet['id']}"}]
    assert meal["code"]["coding"] == [{"system": fhir.MDC, "code": "8417864"}]
    said = int(meal["valueCodeableConcept"]["coding"][0]["code"])
    assert (said >> 16, said in range(8417868, 8417909)) == (128, True)  # MDC's partition of these codes
    assert datetime.fromisoformat(meal["meta"]["lastUpdated"]) == later
    assert len(list(fhir.observations(row, [value("glucose", "6.1")], ZONE, meal=fhir.Meal("brunch")))) == 1

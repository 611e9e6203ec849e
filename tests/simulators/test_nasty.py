"""Every nasty frame of devices.md 7.8 by its name: refused, absent or doubted as the page says, in a nurse's words."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from devices import words
from devices.base import DecodeError, Measurement
from devices.codecs import codec
from devices.identity import effective_time
from devices.pack import Record
from devices.profile import profile
from devices.quality import judge
from simulators import equipment, nasty
from simulators.baseline import Body, Glucose, Oximetry, Pressure, Temperature
from simulators.faults import ALL, Fault
from simulators.frames import Vital
from simulators.plan import DevicePlan

AT = datetime(2026, 11, 22, 0, 30, 5, tzinfo=UTC)
KINDS = {**equipment.MODELS, **equipment.MORE}
VITALS: dict[str, Vital] = {
    "bp": Pressure(151, 93, 112, 72),
    "json": Pressure(151, 93, 112, 72),
    "spo2": Oximetry(97, 71, Decimal("3.4")),
    "temp": Temperature(Decimal("36.5")),
    "glucose": Glucose(Decimal("5.6")),
}
BODY = Body(Decimal("62.30"), Decimal("168.0"), Decimal("23.4"), Decimal("33.10"), Decimal(500))


def device(kind: str) -> DevicePlan:
    model, wire = KINDS[kind]
    return DevicePlan("d-1", "g-1", kind, model, "S-1", kind, kind, codec=wire, clock=kind not in equipment.CLOCKLESS)


def sent(fault: Fault, kind: str) -> bytes:
    return nasty.frame_under(fault, device(kind), VITALS.get(kind, BODY), AT, None)


def read(fault: Fault, kind: str) -> tuple[Measurement, str, tuple[str, ...]]:
    model, wire = KINDS[kind]
    (found,) = codec(wire).decode(sent(fault, kind), profile(model))
    return (found, *judge(found, profile(model)))


REFUSED = [
    (Fault.GLUED, "bp", "trailing-bytes"),
    (Fault.GLUED, "temp", "trailing-bytes"),
    (Fault.GLUED, "glucose", "trailing-bytes"),
    (Fault.GLUED, "module", "trailing-bytes"),
    (Fault.BAD_CHECKSUM, "module", "bad-checksum"),
    (Fault.STRINGS, "json", "not-a-number"),
    (Fault.BOM, "json", "bad-json"),
    (Fault.GBK, "json", "not-utf8"),
]


@pytest.mark.parametrize(("fault", "kind", "reason"), REFUSED)
def test_what_cannot_be_read_is_refused_in_one_sentence(fault: Fault, kind: str, reason: str) -> None:
    with pytest.raises(DecodeError) as refused:
        read(fault, kind)
    assert refused.value.reason == reason


DOUBTED = [
    (Fault.NRES, "bp", "bad", "missing_value"),
    (Fault.NRES, "spo2", "bad", "no_value"),
    (Fault.UNIT_FLIPPED, "bp", "bad", "out_of_range"),
    (Fault.UNSTABLE_WEIGHT, "height_weight", "bad", "unsuccessful"),
    (Fault.UNSTABLE_WEIGHT, "body", "bad", "unsuccessful"),
    (Fault.HI, "glucose", "suspect", "result_too_high"),
    (Fault.LO, "glucose", "suspect", "result_too_low"),
    (Fault.CLOCK_UNSET, "bp", "ok", "clock_not_set"),
]


@pytest.mark.parametrize(("fault", "kind", "quality", "reason"), DOUBTED)
def test_what_is_no_good_number_is_flagged_in_words(fault: Fault, kind: str, quality: str, reason: str) -> None:
    found, got, reasons = read(fault, kind)
    assert got == quality
    assert reason in reasons
    assert all(name in words.FLAGS or name in words.REASONS for name in reasons)
    if fault in (Fault.NRES, Fault.HI, Fault.LO, Fault.UNSTABLE_WEIGHT):
        assert found.values[0].value is None, "no number comes from a special word"


@pytest.mark.parametrize(
    ("fault", "basis"),
    [
        (Fault.CLOCK_SLOW, "device_adjusted"),
        (Fault.CLOCK_DRIFT, "device_adjusted"),
        (Fault.OUT_OF_ORDER, "device_adjusted"),
        (Fault.CLOCK_FAST, "gateway"),
        (Fault.CLOCK_UNSET, "gateway"),
        (Fault.CLOCK_1970, "gateway"),
        (Fault.CLOCK_JUMP, "gateway"),
    ],
)
def test_a_wrong_clock_moves_no_reading_by_more_than_the_gateway_says(fault: Fault, basis: str) -> None:
    (found, _quality, flags) = read(fault, "bp")
    zone = profile(KINDS["bp"][0]).zone
    said = effective_time(found.at, zone, AT, AT, clock_not_set="clock_not_set" in flags)
    assert (said.at, said.basis) == (AT, basis)


def test_a_control_solution_is_nobodys_value() -> None:
    found, _quality, _reasons = read(Fault.CONTROL_SOLUTION, "glucose")
    assert found.kind == "control"
    assert found.value("glucose") is None


def test_a_leftover_of_32_bits_is_the_number_that_was_meant() -> None:
    found, quality, _reasons = read(Fault.LEFTOVERS, "json")
    assert (found.values[0].text, quality) == ("151", "ok")
    assert found.orig[0].text == "151.00000305"


def test_a_number_in_quotes_is_the_number() -> None:
    assert b'"sys": "151"' in sent(Fault.NUMBER_AS_TEXT, "json")
    found, quality, _reasons = read(Fault.NUMBER_AS_TEXT, "json")
    assert (found.values[0].text, found.orig, quality) == ("151", (), "ok")


def test_other_people_are_true_readings_of_somebody_else() -> None:
    """Nothing in the frame is wrong: whose it is, the visit must ask (hub/civic/health/binding.py)."""
    for fault, kind in ((Fault.WRONG_PERSON, "height_weight"), (Fault.CHILD_ON_CUFF, "bp")):
        found, quality, _reasons = read(fault, kind)
        assert quality == "ok"
        assert found.values[0].text in ("87.300", "87.30", "84")


def test_every_switch_is_known_and_all_means_all() -> None:
    assert set(ALL) == set(Fault)
    assert sum(ALL.values()) < 1, "some readings must stay good"
    record = Record("sig.2a35", b"\0", AT)
    for fault in nasty.BESIDE:
        assert nasty.beside(fault, equipment.HUTS[0], device("bp"), record, AT, 7), f"{fault} says nothing"

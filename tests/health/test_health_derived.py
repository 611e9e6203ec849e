"""What the hub works out itself: body mass index and a visit's mean, each with the readings it leans on."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.base import Value
from hub import derived, recall
from hub.civic.health import bands, figures
from hub.civic.health.figures import Shown
from hub.civic.health.rules import Band, in_force, judge, wants_another
from tests.health.hutrig import WANG, Hut

MEALS = [("fasting", "6.0", "in_range"), ("fasting", "6.1", "high"), ("after", "7.7", "in_range"),
         ("after", "7.8", "high"), ("casual", "11.1", "high"), (None, "12", "none"), (None, "16.7", "urgent"),
         ("fasting", "3.9", "urgent")]  # fmt: skip


@pytest.fixture
def hut(tmp_path: Path) -> Hut:
    return Hut(tmp_path)


def value(code: str, number: str | None, unit: str = "", absent: str | None = None) -> Value:
    return Value(code, None if number is None else Decimal(number), unit, absent)


def kept(hut: Hut, ident: str) -> tuple[Band, ...]:
    return hut.store.read_now(lambda read: bands.of(read, hut.reading(ident)))


def shown(hut: Hut, ident: str) -> Shown:
    return hut.store.read_now(lambda read: figures.shown(read, hut.reading(ident)))


@pytest.mark.parametrize(("meal", "number", "level"), MEALS)
def test_glucose_is_judged_by_the_meal_and_without_one_only_at_the_limits(
    meal: str | None, number: str, level: str
) -> None:
    (band,) = judge("glucose", [value("glucose", number)], quality="ok", meal=meal)
    assert band.level == level
    assert band.why_none == ("meal" if level == "none" else "")


@pytest.mark.parametrize(("reason", "arrow"), [("positive-infinity", "up"), ("negative-infinity", "down")])
def test_hi_and_lo_are_urgent_without_a_number_whatever_the_quality(reason: str, arrow: str) -> None:
    (band,) = judge("glucose", [value("glucose", None, absent=reason)], quality="bad")
    assert (band.level, band.arrow) == ("urgent", arrow)


def test_hi_is_shown_as_hi_and_calls_someone(hut: Hut) -> None:
    hut.visit(WANG)
    visit = hut.session()
    assert visit is not None
    no_number = value("glucose", None, "mmol/L", "positive-infinity")
    ident = hut.enter("glucose", [no_number], person="r-wang", session=visit.id, quality="bad", reasons="no_value")
    assert [figure.text for figure in shown(hut, ident).large] == ["Hi"]
    assert [(alert.level, alert.rule) for alert in hut.alerts()] == [("confirmed", "glucose")]


@pytest.mark.parametrize(
    ("age", "number", "level", "ruleset"),
    [(79, "21.9", "in_range", "bmi-adult"), (80, "21.9", "low", "bmi-80"), (80, "26.9", "in_range", "bmi-80"),
     (40, "24.0", "high", "bmi-adult"), (17, "30", "none", "bmi-adult"), (None, "18.4", "low", "bmi-adult")],
)  # fmt: skip
def test_the_very_old_have_a_table_of_their_own_and_children_none(
    age: int | None, number: str, level: str, ruleset: str
) -> None:
    (band,) = judge("weight", [value("bmi", number)], quality="ok", age=age)
    assert (band.level, band.ruleset) == (level, ruleset)
    assert band.why_none == ("age" if level == "none" else "")


@pytest.mark.parametrize(
    ("site", "number", "level"),
    [
        ("mouth", "37.2", "in_range"),
        ("rectum", "37.7", "in_range"),
        ("ear", "38.5", "none"),
        ("armpit", "37.3", "high"),
    ],
)
def test_each_site_has_its_table_or_no_word(site: str, number: str, level: str) -> None:
    (band,) = judge("temp", [value("temp", number)], quality="ok", site=site)
    assert band.level == level


def test_an_expired_certificate_takes_the_word_and_says_why(hut: Hut) -> None:
    high = [value("sys", "190", "mm[Hg]"), value("dia", "115", "mm[Hg]")]
    ident = hut.enter("bp", high, person="r-wang", reasons="uncalibrated")
    assert {band.why_none for band in kept(hut, ident) if band.measure == "bp"} == {"uncalibrated"}
    assert not hut.alerts()
    assert "检定" in shown(hut, ident).unjudged


def test_the_mass_index_is_ours_and_a_device_that_says_otherwise_is_named(hut: Hut) -> None:
    tall = hut.enter("height", [value("height", "175.0", "cm")], person="r-lin")
    hut.clock.advance(1)
    heavy = hut.enter("weight", [value("weight", "70.00", "kg"), value("bmi", "24.5", "kg/m2")], person="r-lin")
    page = shown(hut, heavy)
    assert page.mass_index is not None
    assert page.mass_index.text == "22.9"
    assert "24.5" in page.mismatch
    (band,) = kept(hut, heavy)
    assert (band.level, set(band.readings)) == ("in_range", {tall, heavy})


def test_nobody_elses_height_makes_an_index(hut: Hut) -> None:
    hut.enter("height", [value("height", "175.0", "cm")], person="r-lin")
    hut.clock.advance(1)
    heavy = hut.enter("weight", [value("weight", "70.00", "kg")], person="r-wang")
    assert shown(hut, heavy).mass_index is None


def test_two_pressures_of_a_visit_have_a_mean_with_its_own_word(hut: Hut) -> None:
    hut.visit(WANG)
    first = hut.measure(values={"sys": "144", "dia": "84", "pulse": "70"})
    assert "再测一次" in hut.page()
    hut.clock.advance(70)
    second = hut.measure(values={"sys": "131", "dia": "81", "pulse": "70"})
    page = hut.page()
    assert "138/83" in page.replace("</b>", "")
    assert "第三次" in page  # 13 mmHg apart
    mean = next(band for band in kept(hut, second) if band.measure == "mean")
    assert (mean.level, mean.readings) == ("in_range", (first, second))
    assert not shown(hut, first).mean


def test_a_mean_calls_nobody(hut: Hut) -> None:
    hut.visit(WANG)
    for sys in ("186", "184"):
        hut.measure(values={"sys": sys, "dia": "112", "pulse": "80"})
        hut.clock.advance(90)
    assert {alert.rule for alert in hut.alerts()} == {"bp"}


@settings(max_examples=25)
@given(st.decimals(20, 250, places=2), st.decimals(100, 220, places=1))
def test_the_index_is_weight_over_height_squared(weight: Decimal, height: Decimal) -> None:
    made = derived.body_mass_index(weight, height)
    assert abs(made * (height / 100) ** 2 - weight) <= Decimal("0.05") * (height / 100) ** 2
    assert made.as_tuple().exponent == -1


@settings(max_examples=25)
@given(st.lists(st.decimals(60, 260, places=0), min_size=1, max_size=4))
def test_another_is_asked_for_until_two_agree_or_three_stand(tops: list[Decimal]) -> None:
    why = wants_another(in_force("bp").repeat, tops)
    assert why == ("once" if len(tops) == 1 else "differ" if len(tops) == 2 and abs(tops[1] - tops[0]) > 10 else "")


def test_nothing_is_made_of_a_recalled_reading(hut: Hut) -> None:
    """Neither an index of a recalled height nor the word of a mean with a recalled pressure."""
    height = hut.enter("height", [value("height", "160", "cm")], person="r-lin")
    hut.clock.advance(60)
    weight = hut.enter("weight", [value("weight", "72.0", "kg")], person="r-lin")
    before = hut.store.read_now(lambda read: bands.of(read, hut.reading(weight)))
    assert [(band.measure, height in band.readings) for band in before] == [("bmi", True)]
    query = recall.Query(device="bp-1", since=hut.clock.now() - timedelta(hours=1), until=hut.clock.now())
    hut.act(lambda tx: recall.flag(tx, query, "recalled", "the stick was bent"))
    after = hut.store.read_now(lambda read: bands.of(read, hut.reading(weight)))
    assert [(band.level, band.readings) for band in after] == [("none", (weight,))]

"""A resident's own side: trends of every kind, the export, the usual values, what is drawn and to whom."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import httpx
import pytest
from fhir.resources.R4B.bundle import Bundle
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.base import Value
from devices.codes import CODES
from hub import recall
from hub.civic.health import baseline, consents, figures, resident, rules, trend
from hub.civic.health.trend import Sample
from hub.db import Read
from hub.events import PersonalMessage
from hub.i18n import speaking
from tests.health.hutrig import Hut
from tests.health.test_health_pages import ask
from tests.world import START

UNITS = {code: CODES[code].unit for code in ("sys", "dia", "glucose", "spo2", "temp", "weight", "hr")}
USUAL = {"bp": "125", "glucose": "5.2", "spo2": "97", "temp": "36.5", "weight": "62.30", "hr": "70"}


@pytest.fixture
def hut(tmp_path: Path) -> Hut:
    return Hut(tmp_path)


def values(kind: str, number: str) -> list[Value]:
    codes = trend.DRAWN[kind][0]
    return [Value(code, Decimal(number if code != "dia" else "80"), UNITS[code]) for code in codes]


def fill(hut: Hut, kind: str, number: str, days: range) -> None:
    for day in days:
        hut.enter(kind, values(kind, number), person="r-wang", at=START - timedelta(days=day, hours=1))


def test_every_kind_has_a_drawing_with_its_gaps_and_its_band(hut: Hut) -> None:
    for kind, number in USUAL.items():
        fill(hut, kind, number, range(2))
        fill(hut, kind, number, range(9, 11))
    drawn = hut.store.read_now(lambda read: trend.of_person(read, "r-wang"))
    assert [each.kind for each in drawn] == list(trend.DRAWN)
    for each in drawn:
        assert len(each.lines[0].stretches) == 2, each.kind
        assert (each.range is not None) == (each.kind in ("bp", "spo2", "temp"))
    page = hut.store.read_now(lambda read: hut.render("health/readings.html", resident.every(read, "r-wang"), "zh"))
    assert page.count("data-trend=") == len(trend.DRAWN)


@settings(max_examples=25)
@given(
    st.sampled_from(list(trend.DRAWN)),
    st.lists(st.tuples(st.integers(0, 13), st.decimals(1, 290, places=1)), min_size=1, max_size=8),
    st.integers(5, 95),
)
def test_whatever_is_drawn_stays_in_its_box(kind: str, said: list[tuple[int, Decimal]], age: int) -> None:
    width = len(trend.DRAWN[kind][0])
    samples = [
        Sample(START - timedelta(days=day), (number,) * width, urgent=False) for day, number in sorted(said)[::-1]
    ]
    measure = trend.DRAWN[kind][1]
    shaded = rules.fitting(measure, age) if measure else None
    made = trend.draw(kind, samples, START, ZoneInfo("Asia/Shanghai"), shaded=shaded)
    for line in made.lines:
        for x, y in line.dots:
            assert 0 <= x <= trend.WIDTH
            assert 0 <= y <= trend.HEIGHT
    assert len(made.marks) <= 8


def test_a_child_is_shown_no_range_of_grown_ups(hut: Hut) -> None:
    hut.enter("bp", values("bp", "108"), person="r-boy")
    (drawn,) = hut.store.read_now(lambda read: trend.of_person(read, "r-boy"))
    assert drawn.range is None


def test_the_range_of_the_fasting_is_not_drawn_under_a_meal(hut: Hut) -> None:
    for hour, meal in enumerate(("fasting", "fasting", "after")):
        at = START - timedelta(hours=hour + 1)
        hut.enter("glucose", values("glucose", "6.5"), person="r-lin", at=at, context=f'{{"meal":"{meal}"}}')
        drawn = hut.store.read_now(lambda read: trend.of_kind(read, "r-lin", "glucose"))
        assert drawn is not None
        assert (drawn.range.high if drawn.range else "") == ("6.1" if meal == "fasting" else "")


def test_the_range_of_oxygen_ends_at_a_hundred_per_cent(hut: Hut) -> None:
    hut.enter("spo2", values("spo2", "97"), person="r-lin")
    drawn = hut.store.read_now(lambda read: trend.of_kind(read, "r-lin", "spo2"))
    assert drawn is not None
    assert drawn.range is not None
    assert (drawn.range.low, drawn.range.high) == ("95", "100")


def test_the_export_is_a_table_and_a_valid_bundle_of_ones_own(hut: Hut) -> None:
    fill(hut, "bp", "151", range(2))
    hut.enter("bp", [Value("sys", Decimal(199), "mm[Hg]"), Value("dia", Decimal(99), "mm[Hg]")], person="r-lin")
    hut.enter("height", [Value("height", Decimal("160.0"), "cm")], person="r-wang")
    hut.enter("weight", [Value("weight", Decimal("56.30"), "kg")], person="r-wang")

    async def asks(client: httpx.AsyncClient, _csrf: str) -> list[Any]:
        return [(await client.get(f"/me/health/export.{form}")) for form in ("csv", "json")]

    table, bundle = ask(hut, "resident", "resident", "r-wang", asks)
    rows = list(csv.reader(io.StringIO(table.content.decode("utf-8-sig"))))
    assert "199" not in table.text
    assert {row[3] for row in rows[1:]} == {"151", "80", "160.0", "56.30", "22.0"}
    assert [row[9] for row in rows if row[3] == "22.0"] == ["1"]  # worked out
    Bundle.model_validate_json(bundle.content)
    people = {each["resource"]["subject"]["reference"] for each in json.loads(bundle.content)["entry"]}
    assert people == {"Patient/r-wang"}


def test_nobody_is_compared_who_did_not_ask(hut: Hut) -> None:
    told: list[Any] = []
    hut.store.bus.on(PersonalMessage, lambda _tx, event: told.append(event))
    fill(hut, "bp", "125", range(10, 19))
    fill(hut, "bp", "150", range(3))
    assert not told
    assert not hut.store.read_now(lambda read: baseline.of_person(read, "r-wang"))


def test_who_asked_is_told_once_and_without_a_number(hut: Hut) -> None:
    told: list[Any] = []
    hut.store.bus.on(PersonalMessage, lambda _tx, event: told.append(event))
    hut.act(consents.give, "r-wang", "trend")
    fill(hut, "bp", "125", range(10, 19))
    assert not told
    fill(hut, "bp", "150", range(4))
    assert [(each.resident, each.title) for each in told] == [("r-wang", "您家有1条新消息")]
    (moved,) = hut.store.read_now(lambda read: baseline.of_person(read, "r-wang"))
    with speaking("zh"):
        assert "高" in hut.store.read_now(lambda read: baseline.of_person(read, "r-wang"))[0].words
    assert moved.version == "baseline@1"


@settings(max_examples=25)
@given(
    st.lists(st.integers(110, 130), min_size=8, max_size=20),
    st.lists(st.integers(110, 130), min_size=3, max_size=6),
    st.integers(0, 60),
)
def test_more_change_is_never_less_told(usual: list[int], recent: list[int], more: int) -> None:
    rules = baseline.in_force()
    (rule,) = [each for each in rules.rules if each.kind == "bp"]

    def told(step: int) -> str:
        before = [(START - timedelta(days=8 + place), Decimal(number)) for place, number in enumerate(usual)]
        now = [(START - timedelta(hours=place), Decimal(number + step)) for place, number in enumerate(recent)]
        return baseline.moved(rules, rule, before + now, START)

    if told(more) == "up":
        assert told(more + 10) == "up"
    assert told(60) == "up"
    assert told(-60) == "down"


def test_a_recalled_device_takes_its_words_back(hut: Hut) -> None:
    ident = hut.enter("bp", values("bp", "151"), person="r-wang")

    def shown(read: Read) -> figures.Shown:
        return figures.shown(read, hut.reading(ident))

    assert hut.store.read_now(shown).judged
    query = recall.Query(START - timedelta(days=1), START + timedelta(days=1), device="bp-1")
    hut.act(recall.flag, query, "recalled", "cuff leaks")
    later = hut.store.read_now(shown)
    assert not later.judged
    assert later.unjudged


def test_the_drawings_are_well_formed(hut: Hut) -> None:
    fill(hut, "bp", "125", range(3))

    async def asks(client: httpx.AsyncClient, _csrf: str) -> tuple[int, str]:
        return (await client.get("/me/health/trends?days=7")).status_code, (
            await client.get("/me/health/trends?days=365")
        ).text

    refused, page = ask(hut, "resident", "resident", "r-wang", asks)
    assert refused == 422
    for svg in re.findall(r"<svg class=\"chart.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(svg)  # noqa: S314 - our own drawing
    assert "最近 365 天" in page

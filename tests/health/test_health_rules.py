"""The words beside a number: the tables of devices.md 5, what is never judged, and the words that are never said."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hub.civic.health
from hub.civic.health.rules import (
    ADVICE,
    DEFAULT_SETS,
    WORDS,
    Band,
    classify,
    confirms,
    gravest,
    in_force,
    judge,
    may_be_urgent,
    parse,
    rulesets,
)
from hub.events import ReadValue
from hub.i18n import translate

FOLDER = Path(hub.civic.health.__file__).parent
FORBIDDEN = ("确诊", "患有", "高血压病", "处方", "用药", "治愈")
ALLOWED = {"偏高", "偏低", "参考范围内", "请休息后复测", "建议咨询医生", "请尽快就医"}


def values(**numbers: str | None) -> tuple[ReadValue, ...]:
    return tuple(
        ReadValue(code, None if number is None else Decimal(number), "", "not-a-number" if number is None else None)
        for code, number in numbers.items()
    )


def bp(sys: str | None, dia: str | None, ruleset: str = "bp-cn-2024", **more: object) -> Band:
    return classify("bp", values(sys=sys, dia=dia), rulesets()[ruleset], **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sys", "dia", "level", "name"),
    [
        ("119", "79", "in_range", "normal"),
        ("120", "79", "in_range", "high-normal"),
        ("119", "80", "in_range", "high-normal"),
        ("139", "89", "in_range", "high-normal"),
        ("140", "89", "high", "grade-1"),
        ("139", "90", "high", "grade-1"),
        ("159", "99", "high", "grade-1"),
        ("160", "85", "high", "grade-2"),
        ("130", "100", "high", "grade-2"),
        ("179", "109", "high", "grade-2"),
        ("180", "85", "urgent", "grade-3"),
        ("130", "110", "urgent", "grade-3"),
        ("186", "112", "urgent", "grade-3"),
        ("89", "65", "low", "low"),
        ("100", "59", "low", "low"),
        ("90", "60", "in_range", "normal"),
        ("150", "55", "high", "grade-1"),
    ],
)
def test_the_higher_of_two_pressures_decides(sys: str, dia: str, level: str, name: str) -> None:
    band = bp(sys, dia)
    assert (band.level, band.name) == (level, name)
    assert (band.ruleset, band.version) == ("bp-cn-2024", 1)


@pytest.mark.parametrize(("sys", "level"), [("129", "in_range"), ("130", "high"), ("152", "high"), ("180", "urgent")])
def test_the_stricter_edition_is_another_file(sys: str, level: str) -> None:
    assert bp(sys, "75", "bp-cn-2022").level == level
    assert DEFAULT_SETS["bp"][0] == "bp-cn-2024"


@pytest.mark.parametrize(
    ("kind", "code", "number", "level"),
    [
        ("spo2", "spo2", "98", "in_range"),
        ("spo2", "spo2", "95", "in_range"),
        ("spo2", "spo2", "94", "low"),
        ("spo2", "spo2", "93", "low"),
        ("spo2", "spo2", "90", "low"),
        ("spo2", "spo2", "89", "urgent"),
        ("temp", "temp", "35.9", "low"),
        ("temp", "temp", "36.0", "in_range"),
        ("temp", "temp", "37.2", "in_range"),
        ("temp", "temp", "37.3", "high"),
        ("temp", "temp", "38.1", "high"),
        ("temp", "temp", "39.0", "high"),
        ("temp", "temp", "39.1", "urgent"),
        ("temp", "temp", "41.1", "urgent"),
        ("bp", "pulse", "40", "urgent"),
        ("bp", "pulse", "41", "low"),
        ("bp", "pulse", "60", "in_range"),
        ("bp", "pulse", "100", "in_range"),
        ("bp", "pulse", "101", "high"),
        ("bp", "pulse", "131", "urgent"),
    ],
)
def test_the_other_tables_are_those_of_the_study(kind: str, code: str, number: str, level: str) -> None:
    assert classify(kind, values(**{code: number}), in_force(code)).level == level


@pytest.mark.parametrize("quality", ["suspect", "bad"])
def test_nothing_of_doubtful_quality_is_judged(quality: str) -> None:
    band = bp("200", "120", quality=quality)
    assert (band.level, band.word, band.why_none) == ("none", "", "quality")


def test_a_missing_number_is_never_judged() -> None:
    assert bp(None, "120").why_none == "absent"
    assert bp("200", None).why_none == "absent"
    assert classify("spo2", values(), in_force("spo2")).why_none == "absent"


def test_the_adult_table_says_nothing_of_a_child() -> None:
    assert bp("145", "70", age=17).why_none == "age"
    assert bp("145", "70", age=18).level == "high"
    assert classify("spo2", values(spo2="88"), in_force("spo2"), age=5).level == "urgent"


def test_an_ear_is_no_armpit() -> None:
    assert classify("temp", values(temp="38.5"), in_force("temp"), site="ear").why_none == "site"
    assert classify("temp", values(temp="38.5"), in_force("temp"), site="armpit").level == "high"


def test_the_gravest_band_speaks_for_the_reading() -> None:
    bands = judge("bp", values(sys="118", dia="76", pulse="135"), quality="ok")
    chief = gravest(bands)
    assert chief is not None
    assert (chief.measure, chief.level) == ("pulse", "urgent")
    assert gravest(()) is None


@given(
    sys=st.integers(40, 300),
    dia=st.integers(20, 250),
    more_sys=st.integers(0, 60),
    more_dia=st.integers(0, 60),
    ruleset=st.sampled_from(["bp-cn-2024", "bp-cn-2022"]),
)
@settings(max_examples=200)
def test_a_higher_pressure_is_never_judged_milder(
    sys: int, dia: int, more_sys: int, more_dia: int, ruleset: str
) -> None:
    order = {"low": 0, "in_range": 1, "high": 2, "urgent": 3}
    lower, higher = bp(str(sys), str(dia), ruleset), bp(str(sys + more_sys), str(dia + more_dia), ruleset)
    assert order[higher.level] >= order[lower.level] or lower.level == "in_range"
    if lower.level in ("high", "urgent"):
        assert order[higher.level] >= order[lower.level]
    # And the stricter edition is never the milder one.
    if bp(str(sys), str(dia)).level == "high":
        assert bp(str(sys), str(dia), "bp-cn-2022").level == "high"


@given(number=st.decimals(0, 400, places=2), measure=st.sampled_from(["spo2", "temp", "pulse"]))
@settings(max_examples=200)
def test_every_number_finds_a_grade(number: Decimal, measure: str) -> None:
    kind = "bp" if measure == "pulse" else measure
    assert classify(kind, values(**{measure: str(number)}), in_force(measure)).level != "none"


def test_a_second_value_confirms_only_after_the_rest() -> None:
    confirm = in_force("bp").confirm
    assert not confirms(confirm, 59)
    assert confirms(confirm, 60)
    assert confirms(confirm, 300)
    assert not confirms(confirm, 1801)
    assert not confirms(None, 300)


def test_every_rule_set_names_its_sources_and_a_wrong_one_stops_the_start() -> None:
    assert all(each.sources and each.version >= 1 for each in rulesets().values())
    text = (FOLDER / "rulesets" / "bp-cn-2024.toml").read_text("utf-8")
    for broken in (
        text.replace('word = "high"', 'word = "sick"', 1),
        text.replace('level = "urgent"', 'level = "dreadful"', 1),
        re.sub(r"sources = \[.*?\]", "sources = []", text, flags=re.DOTALL),
        text.replace("from = 180", "from = 180, below = 200", 1),
    ):
        with pytest.raises(ValueError, match=r"not allowed|opinion|one bound"):
            parse(broken)


def test_only_the_allowed_words_judge() -> None:
    said = {translate(word, "zh") for word, _arrow in WORDS.values()} | {
        translate(advice, "zh") for advice in ADVICE.values() if advice
    }
    assert said == ALLOWED


def test_a_forbidden_word_stands_nowhere_in_the_slice() -> None:
    for path in [*FOLDER.rglob("*.html"), *FOLDER.rglob("*.po"), *FOLDER.glob("*.py"), *FOLDER.rglob("*.js")]:
        text = path.read_text("utf-8")
        assert not [word for word in FORBIDDEN if word in text], path.name


NUMBERS = st.one_of(st.none(), st.decimals(0, 300, places=1).map(str))


@settings(max_examples=300)
@given(
    kind=st.sampled_from(["bp", "spo2", "temp", "weight"]),
    said=st.fixed_dictionaries({}, optional=dict.fromkeys(["sys", "dia", "map", "pulse", "spo2", "temp"], NUMBERS)),
    quality=st.sampled_from(["ok", "suspect", "bad"]),
)
def test_what_is_urgent_is_never_passed_over_by_the_quick_look(
    kind: str, said: dict[str, str | None], quality: str
) -> None:
    found = judge(kind, values(**said), quality=quality)
    if any(band.level == "urgent" for band in found):
        assert may_be_urgent(kind, values(**said))


def test_the_quick_look_passes_over_a_calm_reading() -> None:
    assert not may_be_urgent("bp", values(sys="128", dia="82", map="97", pulse="72"))
    assert may_be_urgent("bp", values(sys="128", dia="112"))

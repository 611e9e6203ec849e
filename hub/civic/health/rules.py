"""The health rules, pure: which plain word belongs to a reading, and is it urgent. Feedback, never a diagnosis.

A rule set is a versioned data file in `rulesets/`; its grades stand from the gravest down and the first to fit decides.
A number that is missing, a measurement of doubtful quality, an age or a site the set was not made for: no word at all.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from hub.events import ReadValue
from hub.i18n import N_

Level: TypeAlias = Literal["low", "in_range", "high", "urgent", "none"]
Arrow: TypeAlias = Literal["up", "down", "level", ""]
LEVELS: tuple[Level, ...] = ("low", "in_range", "high", "urgent", "none")

# All the words a judgement may use (domain.md 4.2); the file of a rule set can only choose among them.
WORDS: Mapping[str, tuple[str, Arrow]] = {
    "high": (N_("On the high side"), "up"),
    "low": (N_("On the low side"), "down"),
    "in_range": (N_("Within the reference range"), "level"),
}
ADVICE: Mapping[str, str] = {
    "": "",
    "rest": N_("Rest, then measure again"),
    "doctor": N_("Consider asking a doctor"),
    "soon": N_("See a doctor soon"),
}
DISCLAIMER = N_("For self-check only, not a basis for diagnosis")

# The sets in force, by what they judge: of several, the first made for the age, the site and the meal at hand.
# Changing a row is changing what people are told.
DEFAULT_SETS: Mapping[str, tuple[str, ...]] = {
    "bp": ("bp-cn-2024",),
    "spo2": ("spo2-rest",),
    "temp": ("temp-armpit", "temp-mouth", "temp-rectum"),
    "pulse": ("pulse-rest",),
    "glucose": ("glucose-fasting", "glucose-after-meal", "glucose-casual", "glucose-any"),
    "bmi": ("bmi-adult", "bmi-80"),
}
# What is judged in a reading of each kind, the chief thing first.
MEASURES: Mapping[str, tuple[str, ...]] = {
    "bp": ("bp", "pulse"),
    "spo2": ("spo2", "pulse"),
    "temp": ("temp",),
    "glucose": ("glucose",),
    "weight": ("bmi",),
    "height": ("bmi",),
    "body": ("bmi",),
}
MEAN = "mean"  # the measure of the mean pressure of a visit: a word for people, never a reason to call anybody
# Reasons that take the word from a reading whatever its quality: a certificate that has run out, and later recalls.
SILENCES = ("uncalibrated", "recalled", "lot_bad")
_GRAVITY: Mapping[Level, int] = {"none": 0, "in_range": 1, "low": 2, "high": 2, "urgent": 3}
_FOLDER = Path(__file__).parent / "rulesets"


@dataclass(frozen=True, slots=True)
class Limit:
    """One comparison. Exactly one of the four bounds is set."""

    code: str
    at_least: Decimal | None = None
    above: Decimal | None = None
    below: Decimal | None = None
    at_most: Decimal | None = None

    def holds(self, number: Decimal) -> bool:
        return (
            (self.at_least is not None and number >= self.at_least)
            or (self.above is not None and number > self.above)
            or (self.below is not None and number < self.below)
            or (self.at_most is not None and number <= self.at_most)
        )


@dataclass(frozen=True, slots=True)
class Grade:
    name: str
    level: Level
    word: str
    advice: str
    limits: tuple[Limit, ...]  # one that holds is enough: the higher of two pressures decides


@dataclass(frozen=True, slots=True)
class Confirm:
    """An urgent first value asks for a second one, measured not before and not after these many seconds."""

    after_s: int
    within_s: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """How often one measures in a visit, how long apart, and how far two may differ before a third is asked for."""

    readings: int
    after_s: int
    differ: Decimal


@dataclass(frozen=True, slots=True)
class Ruleset:
    id: str
    version: int
    measure: str
    title_zh: str
    title_en: str
    sources: tuple[str, ...]
    age_min: int
    sites: tuple[str, ...]  # empty: wherever it was measured
    confirm: Confirm | None  # None: one urgent value is enough
    reference: Mapping[str, tuple[Decimal, Decimal]] = field(hash=False)  # code -> (from, below), for charts
    grades: tuple[Grade, ...] = ()
    age_max: int | None = None
    meals: tuple[str, ...] = ()  # empty: whenever it was measured
    between: str = ""  # why nothing is said of a number that no grade fits
    beyond: Mapping[str, str] = field(default_factory=dict, hash=False)  # "Hi", "Lo" of a meter -> the grade it gets
    repeat: Repeat | None = None

    @property
    def codes(self) -> frozenset[str]:
        return frozenset(limit.code for grade in self.grades for limit in grade.limits)


@dataclass(frozen=True, slots=True)
class Band:
    """A judgement, with the rule set that made it and the readings it leans on."""

    measure: str
    level: Level
    word: str = ""  # msgid
    arrow: Arrow = ""
    advice: str = ""  # msgid
    name: str = ""  # the guideline's own name of the grade; never shown to a resident
    ruleset: str = ""
    version: int = 0
    readings: tuple[str, ...] = ()
    why_none: str = ""  # quality | one of SILENCES | absent | age | site | meal | no-rule


def classify(
    kind: str,
    values: Sequence[ReadValue],
    ruleset: Ruleset,
    *,
    quality: str = "ok",
    age: int | None = None,
    site: str | None = None,
    meal: str | None = None,
    reasons: Sequence[str] = (),
    readings: tuple[str, ...] = (),
) -> Band:
    """The band of one measure of a reading. An unknown age counts as grown up: guests are told so on the screen."""
    numbers = {value.code: value.value for value in values if value.value is not None}
    grade, why_none = _beyond(values, ruleset, reasons), ""
    if grade is None:
        why_none = _why_none(kind, numbers, ruleset, quality, age, site, meal, reasons)
    if grade is None and not why_none:
        grade = next((each for each in ruleset.grades if _holds(each, numbers)), None)
    if grade is not None:
        word, arrow = WORDS[grade.word]
        return Band(
            ruleset.measure,
            grade.level,
            word,
            arrow,
            ADVICE[grade.advice],
            grade.name,
            ruleset.id,
            ruleset.version,
            readings,
        )
    return Band(
        ruleset.measure,
        "none",
        ruleset=ruleset.id,
        version=ruleset.version,
        readings=readings,
        why_none=why_none or ruleset.between or "no-rule",
    )


def _holds(grade: Grade, numbers: Mapping[str, Decimal]) -> bool:
    return any(limit.holds(numbers[limit.code]) for limit in grade.limits if limit.code in numbers)


def _beyond(values: Sequence[ReadValue], ruleset: Ruleset, reasons: Sequence[str]) -> Grade | None:
    """ "Hi" and "Lo" of a meter: no number at all, and urgent all the same."""
    said = {value.absent_reason for value in values if value.code in ruleset.codes and value.value is None}
    name = next((ruleset.beyond[sign] for sign in ruleset.beyond if sign in said or (said and sign in reasons)), None)
    return next((grade for grade in ruleset.grades if grade.name == name), None)


def _why_none(
    kind: str,
    numbers: Mapping[str, Decimal],
    ruleset: Ruleset,
    quality: str,
    age: int | None,
    site: str | None,
    meal: str | None,
    reasons: Sequence[str],
) -> str:
    if ruleset.measure not in MEASURES.get(kind, ()):
        return "no-rule"
    if quality != "ok":
        return "quality"
    if silent := [reason for reason in SILENCES if reason in reasons]:
        return silent[0]
    if not ruleset.codes <= numbers.keys():
        return "absent"
    return unfit(ruleset, age, site, meal)


def unfit(ruleset: Ruleset, age: int | None, site: str | None, meal: str | None) -> str:
    """Why a set was not made for this measurement; nothing when it was."""
    if age is not None and (age < ruleset.age_min or (ruleset.age_max is not None and age > ruleset.age_max)):
        return "age"
    if ruleset.sites and site is not None and site not in ruleset.sites:
        return "site"
    if ruleset.meals and meal not in ruleset.meals:
        return "meal"
    return ""


def fitting(measure: str, age: int | None = None, site: str | None = None, meal: str | None = None) -> Ruleset:
    """The set of those in force that was made for this age, site and meal; else the first, which then says why not."""
    sets = [rulesets()[name] for name in DEFAULT_SETS[measure]]
    return next((each for each in sets if not unfit(each, age, site, meal)), sets[0])


def judge(
    kind: str,
    values: Sequence[ReadValue],
    *,
    quality: str,
    age: int | None = None,
    site: str | None = None,
    meal: str | None = None,
    reasons: Sequence[str] = (),
    readings: tuple[str, ...] = (),
) -> tuple[Band, ...]:
    """Every band of a reading by the sets in force, the chief measure first. A kind without rules gives none."""
    return tuple(
        classify(
            kind,
            values,
            fitting(measure, age, site, meal),
            quality=quality,
            age=age,
            site=site,
            meal=meal,
            reasons=reasons,
            readings=readings,
        )
        for measure in MEASURES.get(kind, ())
    )


def may_be_urgent(kind: str, values: Sequence[ReadValue]) -> bool:
    """Whether some number is so far out that a grown-up's reading could be urgent. It only says which readings to
    judge: nine of ten are not, and a batch holds hundreds."""
    limits = _urgent_limits(kind)
    for value in values:
        number = value.value
        if number is not None and any(limit.holds(number) for limit in limits.get(value.code, ())):
            return True
        if number is None and kind == "glucose":
            return True  # "Hi" and "Lo" have no number
    return False


@cache
def _urgent_limits(kind: str) -> Mapping[str, tuple[Limit, ...]]:
    found: dict[str, tuple[Limit, ...]] = {}
    for measure in MEASURES.get(kind, ()):
        for name in DEFAULT_SETS[measure]:
            for grade in rulesets()[name].grades:
                for limit in grade.limits if grade.level == "urgent" else ():
                    found[limit.code] = (*found.get(limit.code, ()), limit)
    return found


def gravest(bands: Sequence[Band]) -> Band | None:
    """The band that speaks for the reading; of equals the chief measure's."""
    return max(bands, key=lambda band: _GRAVITY[band.level], default=None)


def confirms(confirm: Confirm | None, elapsed_s: float) -> bool:
    """Whether a second urgent value, this long after the first, confirms it."""
    return confirm is not None and confirm.after_s <= elapsed_s <= confirm.within_s


def wants_another(repeat: Repeat | None, tops: Sequence[Decimal]) -> str:
    """Whether a visit that has these upper pressures, oldest first, should measure again: once, differ, or not."""
    if repeat is None or not tops:
        return ""
    if len(tops) < repeat.readings:
        return "once"
    return "differ" if len(tops) == repeat.readings and abs(tops[-1] - tops[-2]) > repeat.differ else ""


def in_force(measure: str) -> Ruleset:
    """The set that speaks for most: what a chart shades."""
    return fitting(measure)


@cache
def rulesets() -> Mapping[str, Ruleset]:
    """Every file of the folder by its id. A file that is wrong stops the start: it is our own."""
    found = {}
    for path in sorted(_FOLDER.glob("*.toml")):
        loaded = parse(path.read_text("utf-8"))
        if loaded.id != path.stem:
            raise ValueError(f"{path.name}: the id is {loaded.id}, the file should be named after it")
        found[loaded.id] = loaded
    return found


def parse(text: str) -> Ruleset:
    raw: dict[str, Any] = tomllib.loads(text, parse_float=Decimal)
    made = Ruleset(
        id=raw["id"],
        version=raw["version"],
        measure=raw["measure"],
        title_zh=raw["title_zh"],
        title_en=raw["title_en"],
        sources=tuple(raw["sources"]),
        age_min=raw["age_min"],
        sites=tuple(raw.get("sites", ())),
        confirm=Confirm(**raw["confirm"]) if "confirm" in raw else None,
        reference={code: (Decimal(low), Decimal(high)) for code, (low, high) in raw["reference"].items()},
        grades=tuple(_grade(each) for each in raw["grade"]),
        age_max=raw.get("age_max"),
        meals=tuple(raw.get("meals", ())),
        between=raw.get("between", ""),
        beyond=dict(raw.get("beyond", {})),
        repeat=_repeat(raw["repeat"]) if "repeat" in raw else None,
    )
    for grade in made.grades:
        if grade.level not in LEVELS or grade.word not in WORDS or grade.advice not in ADVICE:
            raise ValueError(f"{made.id}: the grade {grade.name} uses a level or a word that is not allowed")
    if unknown := set(made.beyond.values()) - {grade.name for grade in made.grades}:
        raise ValueError(f"{made.id}: no grade is named {', '.join(sorted(unknown))}")
    if not made.sources:
        raise ValueError(f"{made.id}: a rule set without a source is an opinion")
    return made


def _repeat(raw: Mapping[str, Any]) -> Repeat:
    return Repeat(raw["readings"], raw["after_s"], Decimal(raw["differ"]))


def _grade(raw: Mapping[str, Any]) -> Grade:
    limits = tuple(_limit(each) for each in raw["any"])
    return Grade(raw["name"], cast("Level", raw["level"]), raw["word"], raw["advice"], limits)


def _limit(raw: Mapping[str, Any]) -> Limit:
    names = {"from": "at_least", "above": "above", "below": "below", "to": "at_most"}
    bounds = {names[name]: Decimal(bound) for name, bound in raw.items() if name != "code"}
    if len(bounds) != 1:
        raise ValueError(f"a limit has one bound, not {sorted(raw)}")
    return Limit(raw["code"], **bounds)

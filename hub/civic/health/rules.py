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

# The sets in force, by what they judge. Changing a row is changing what people are told.
DEFAULT_SETS: Mapping[str, str] = {
    "bp": "bp-cn-2024",
    "spo2": "spo2-rest",
    "temp": "temp-armpit",
    "pulse": "pulse-rest",
}
# What is judged in a reading of each kind, the chief thing first.
MEASURES: Mapping[str, tuple[str, ...]] = {"bp": ("bp", "pulse"), "spo2": ("spo2", "pulse"), "temp": ("temp",)}
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
    why_none: str = ""  # quality | absent | age | site | no-rule


def classify(
    kind: str,
    values: Sequence[ReadValue],
    ruleset: Ruleset,
    *,
    quality: str = "ok",
    age: int | None = None,
    site: str | None = None,
    readings: tuple[str, ...] = (),
) -> Band:
    """The band of one measure of a reading. An unknown age counts as grown up: guests are told so on the screen."""
    numbers = {value.code: value.value for value in values if value.value is not None}
    why_none = _why_none(kind, numbers, ruleset, quality, age, site)
    if not why_none:
        for grade in ruleset.grades:
            if any(limit.holds(numbers[limit.code]) for limit in grade.limits if limit.code in numbers):
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
        why_none=why_none or "no-rule",
    )


def _why_none(
    kind: str, numbers: Mapping[str, Decimal], ruleset: Ruleset, quality: str, age: int | None, site: str | None
) -> str:
    if ruleset.measure not in MEASURES.get(kind, ()):
        return "no-rule"
    if quality != "ok":
        return "quality"
    if not ruleset.codes <= numbers.keys():
        return "absent"
    if age is not None and age < ruleset.age_min:
        return "age"
    if ruleset.sites and site is not None and site not in ruleset.sites:
        return "site"
    return ""


def judge(
    kind: str,
    values: Sequence[ReadValue],
    *,
    quality: str,
    age: int | None = None,
    site: str | None = None,
    readings: tuple[str, ...] = (),
) -> tuple[Band, ...]:
    """Every band of a reading by the sets in force, the chief measure first. A kind without rules gives none."""
    return tuple(
        classify(kind, values, in_force(measure), quality=quality, age=age, site=site, readings=readings)
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
    return False


@cache
def _urgent_limits(kind: str) -> Mapping[str, tuple[Limit, ...]]:
    found: dict[str, tuple[Limit, ...]] = {}
    for measure in MEASURES.get(kind, ()):
        for grade in in_force(measure).grades:
            for limit in grade.limits if grade.level == "urgent" else ():
                found[limit.code] = (*found.get(limit.code, ()), limit)
    return found


def gravest(bands: Sequence[Band]) -> Band | None:
    """The band that speaks for the reading; of equals the chief measure's."""
    return max(bands, key=lambda band: _GRAVITY[band.level], default=None)


def confirms(confirm: Confirm | None, elapsed_s: float) -> bool:
    """Whether a second urgent value, this long after the first, confirms it."""
    return confirm is not None and confirm.after_s <= elapsed_s <= confirm.within_s


def in_force(measure: str) -> Ruleset:
    return rulesets()[DEFAULT_SETS[measure]]


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
    )
    for grade in made.grades:
        if grade.level not in LEVELS or grade.word not in WORDS or grade.advice not in ADVICE:
            raise ValueError(f"{made.id}: the grade {grade.name} uses a level or a word that is not allowed")
    if not made.sources:
        raise ValueError(f"{made.id}: a rule set without a source is an opinion")
    return made


def _grade(raw: Mapping[str, Any]) -> Grade:
    limits = tuple(_limit(each) for each in raw["any"])
    return Grade(raw["name"], cast("Level", raw["level"]), raw["word"], raw["advice"], limits)


def _limit(raw: Mapping[str, Any]) -> Limit:
    names = {"from": "at_least", "above": "above", "below": "below", "to": "at_most"}
    bounds = {names[name]: Decimal(bound) for name, bound in raw.items() if name != "code"}
    if len(bounds) != 1:
        raise ValueError(f"a limit has one bound, not {sorted(raw)}")
    return Limit(raw["code"], **bounds)

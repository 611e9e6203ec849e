"""When a device must be kept out of use: pure rules over what was gathered. Their limits and sentences are data.

Every finding names its rule and what the rule's sentence is filled with; no value of a person is among that.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, Literal, TypeAlias

from hub.i18n import pick

Action: TypeAlias = Literal["quarantine", "tell"]
_FILE = Path(__file__).with_name("rules.toml")


@dataclass(frozen=True, slots=True)
class Rule:
    id: str
    version: int
    action: Action
    zh: str
    en: str
    limits: Mapping[str, int]
    words: Mapping[str, tuple[str, ...]]  # lists of codes
    by_code: Mapping[str, int]  # a limit for each kind of value

    def sentence(self, fields: Mapping[str, object]) -> str:
        return pick(self.zh, self.en).format(**fields)


@dataclass(frozen=True, slots=True)
class Finding:
    device: str
    gateway: str
    rule: str
    fields: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Middle:
    """The median of what a device said in one part of the day, and of how many."""

    value: Decimal
    count: int


@cache
def rules() -> Mapping[str, Rule]:
    """Every rule by its id, in the order of the file. A file that is wrong stops the start: it is our own."""
    return parse(_FILE.read_text("utf-8"))


def parse(text: str) -> Mapping[str, Rule]:
    raw = tomllib.loads(text)
    return {each["id"]: _rule(each, raw["version"]) for each in raw["rule"]}


def _rule(raw: Mapping[str, Any], version: int) -> Rule:
    if raw["action"] not in ("quarantine", "tell"):
        raise ValueError(f"{raw['id']}: a rule quarantines or tells")
    limits = {name: value for name, value in raw.items() if isinstance(value, int)}
    words = {name: tuple(value) for name, value in raw.items() if isinstance(value, list)}
    return Rule(raw["id"], version, raw["action"], raw["zh"], raw["en"], limits, words, raw.get("by_code", {}))


def implausible(rule: Rule, readings: int, bad: int) -> Mapping[str, str | int] | None:
    """More than so many per cent of a day's measurements make no sense."""
    if readings < rule.limits["readings_min"] or bad * 100 <= readings * rule.limits["percent"]:
        return None
    return {"readings": readings, "bad": bad, "percent": rule.limits["percent"], "hours": rule.limits["hours"]}


def skewed(rule: Rule, offsets_s: Sequence[int]) -> Mapping[str, str | int] | None:
    """The newest measurements are all off by about the same: a clock. One that is off alone may be an old record."""
    newest = offsets_s[: rule.limits["readings_min"]]
    if len(newest) < rule.limits["readings_min"] or max(newest) - min(newest) > rule.limits["spread_s"]:
        return None
    if min(abs(offset) for offset in newest) <= rule.limits["offset_s"]:
        return None
    return {"readings": len(newest), "minutes": round(abs(median(newest)) / 60)}


def drifted(rule: Rule, before: Sequence[Decimal], lately: Sequence[Decimal]) -> Mapping[str, str | int] | None:
    """The device's last days beside what its gateway has seen before. Medians: one ill neighbour moves nothing."""
    least = rule.limits["readings_min"]
    if len(before) < least or len(lately) < least:
        return None
    then = median(before)
    if then == 0:
        return None
    percent = abs(median(lately) - then) * 100 / abs(then)
    if percent <= rule.limits["percent"]:
        return None
    return {"days": rule.limits["days"], "percent": round(percent), "readings": len(lately)}


def apart(
    rule: Rule, code: str, own: Mapping[int, Middle], others: Sequence[tuple[str, Mapping[int, Middle]]]
) -> Mapping[str, str | int] | None:
    """A device beside the same model in other huts, each part of the day for itself.

    Huts differ by their people, so what counts is how far it lies off in terms of how far those lie apart (the median
    distance from their middle), beside a limit for the kind of value.
    """
    shares: list[tuple[Decimal, Decimal, int]] = []  # off by, apart by, in percent; of how many readings
    huts: set[str] = set()
    for part, mine in own.items():
        least = rule.limits["part_min"]
        there = [(hut, parts[part].value) for hut, parts in others if part in parts and parts[part].count >= least]
        if mine.count < least or len({hut for hut, _value in there}) < rule.limits["huts_min"]:
            continue
        middle = median(value for _hut, value in there)
        if middle <= 0:
            continue
        spread = median(abs(value - middle) for _hut, value in there)
        shares.append(((mine.value - middle) * 100 / middle, spread * 100 / middle, mine.count))
        huts |= {hut for hut, _value in there}
    count = sum(each for *_shares, each in shares)
    if count < rule.limits["readings_min"] or code not in rule.by_code:
        return None
    off = sum((share * each for share, _spread, each in shares), Decimal(0)) / count
    spread = sum((each * of for _share, each, of in shares), Decimal(0)) / count
    if abs(off) <= rule.by_code[code] or abs(off) <= spread * rule.limits["spreads"]:
        return None
    return {"days": rule.limits["days"], "percent": f"{round(off):+d}", "huts": len(huts), "readings": count}

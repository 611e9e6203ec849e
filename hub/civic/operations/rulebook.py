"""Alert rules as text: one TOML that people read, sign and rehearse. Here it becomes values, or a sentence why not.

A rule names what it is `on`, `when` it holds (threshold with hysteresis, equality, silence, rate of change, all, any),
for how long, and how it climbs: by worse figures, or by time in which nobody acknowledges.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hub.access import ROLES
from hub.errors import Refused
from hub.i18n import _

LEVELS = ("info", "warn", "bad")
SUBJECTS = ("gateway", "device", "hub")
CALLED = tuple(role for role in ROLES if role != "resident")  # whom a rule may have called
GATHER_S, CALLS_PER_HOUR = 60, 12  # as the storm folding looks; more than one call in five minutes is not read
RULES_MAX, CONDITIONS_MAX, DEPTH_MAX = 100, 20, 4  # more would not be read before it is signed
TEXT_CHARS_MAX = 40_000
SECONDS_MAX = 30 * 86_400
Kind: TypeAlias = Literal["above", "below", "is", "silent", "rises", "falls", "all", "any"]
_ID = re.compile(r"[a-z][a-z0-9-]{0,62}")
_FIGURE = re.compile(r"[a-z][a-z0-9_]{0,30}")
_QUIET = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")
_LEAVES = {
    "above": {"clear"},
    "below": {"clear"},
    "is": set(),
    "silent_s": set(),
    "rises": {"within_s"},
    "falls": {"within_s"},
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A leaf with its own memory (`number` is its place in the rule), or several under `all` or `any`."""

    kind: Kind
    number: int = 0
    figure: str = ""
    limit: Decimal = Decimal(0)
    clear: Decimal = Decimal(0)  # where a threshold that was passed lets go again
    word: str = ""
    seconds: int = 0
    parts: tuple[Condition, ...] = ()

    def leaves(self) -> tuple[Condition, ...]:
        return (self,) if not self.parts else tuple(leaf for part in self.parts for leaf in part.leaves())


@dataclass(frozen=True, slots=True)
class Step:
    """How an open alarm climbs and comes down again: while worse figures last, or while nobody acknowledges."""

    level: str
    to: str  # the role that is called
    when: Condition | None
    after_s: int  # of nobody acknowledging; only without `when`
    for_s: int
    ease_s: int


@dataclass(frozen=True, slots=True)
class Rule:
    id: str
    on: str
    zh: str
    en: str
    level: str
    to: str  # the role that is called when it is raised; empty: the board says it
    when: Condition
    for_s: int
    clear_for_s: int
    quiet: tuple[time, time] | None
    steps: tuple[Step, ...]

    @property
    def figures(self) -> frozenset[str]:
        every = [self.when, *(step.when for step in self.steps if step.when is not None)]
        return frozenset(leaf.figure for each in every for leaf in each.leaves())


@dataclass(frozen=True, slots=True)
class Rulebook:
    tz: ZoneInfo
    rules: tuple[Rule, ...]
    gather_s: int = GATHER_S  # so long a call that is not grave waits for others, to be one call with them
    calls_per_hour: int = CALLS_PER_HOUR  # to one address; what is beyond waits and is told together. Grave ones go

    def rule(self, ident: str) -> Rule | None:
        return next((rule for rule in self.rules if rule.id == ident), None)


def read(text: str) -> Rulebook:
    """The rules of a text. Refused names the rule and what is wrong with it."""
    if len(text) > TEXT_CHARS_MAX:
        raise Refused(_("The text of the rules is too long"))
    try:
        body = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise Refused(_("The text is not TOML: {why}").format(why=error)) from None
    try:
        zone = ZoneInfo(str(body.get("tz", "Asia/Shanghai")))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Refused(_("There is no time zone of this name: {name}").format(name=body.get("tz"))) from None
    rows = body.get("rule", [])
    if not isinstance(rows, list) or len(rows) > RULES_MAX or set(body) - {"tz", "rule", "gather_s", "calls_per_hour"}:
        raise Refused(_("A text of rules has a tz and up to {count} [[rule]] tables").format(count=RULES_MAX))
    rules = tuple(_rule(row) for row in rows)
    twice = {rule.id for rule in rules if sum(1 for other in rules if other.id == rule.id) > 1}
    if twice:
        raise _wrong(sorted(twice)[0], _("it stands there twice"))
    return Rulebook(
        zone, rules, _whole(body, "gather_s", GATHER_S, 0, 600), _whole(body, "calls_per_hour", CALLS_PER_HOUR, 1, 600)
    )


def _whole(body: Mapping[str, Any], name: str, otherwise: int, least: int, most: int) -> int:
    said = body.get(name, otherwise)
    if isinstance(said, bool) or not isinstance(said, int) or not least <= said <= most:
        raise Refused(_("{name} is a whole number from {least} to {most}").format(name=name, least=least, most=most))
    return said


def _rule(row: Any) -> Rule:
    ident = str(row.get("id", "")) if isinstance(row, dict) else ""
    if not _ID.fullmatch(ident):
        raise Refused(_("Each rule needs an id of small letters, digits and hyphens"))
    known = {"id", "on", "zh", "en", "level", "to", "when", "for_s", "clear_for_s", "quiet", "step"}
    _known(ident, row, known)
    counter = _Counter(ident)
    steps = row.get("step", [])
    if row.get("on") not in SUBJECTS:
        raise _wrong(ident, _("`on` must be one of: {names}").format(names=", ".join(SUBJECTS)))
    if not (isinstance(row.get("zh"), str) and isinstance(row.get("en"), str)):
        raise _wrong(ident, _("it needs words in Chinese and in English (zh, en)"))
    if not isinstance(steps, list) or len(steps) > len(LEVELS) * 2:
        raise _wrong(ident, _("`step` must be a few [[rule.step]] tables"))
    return Rule(
        id=ident,
        on=row["on"],
        zh=row["zh"][:64],
        en=row["en"][:64],
        level=_level(ident, row),
        to=_role(ident, row),
        when=_condition(ident, row.get("when"), counter, 0),
        for_s=_seconds(ident, row, "for_s"),
        clear_for_s=_seconds(ident, row, "clear_for_s"),
        quiet=_quiet(ident, row.get("quiet")),
        steps=tuple(_step(ident, each, counter) for each in steps),
    )


def _step(ident: str, row: Any, counter: _Counter) -> Step:
    _known(ident, row, {"level", "to", "when", "after_s", "for_s", "ease_s"})
    if ("when" in row) == ("after_s" in row):
        raise _wrong(ident, _("a step climbs either `when` figures get worse or `after_s` seconds of nobody's answer"))
    when = _condition(ident, row["when"], counter, 0) if "when" in row else None
    return Step(
        level=_level(ident, row),
        to=_role(ident, row),
        when=when,
        after_s=_seconds(ident, row, "after_s"),
        for_s=_seconds(ident, row, "for_s"),
        ease_s=_seconds(ident, row, "ease_s"),
    )


class _Counter:
    """Numbers the leaves of one rule, in the order in which they stand."""

    def __init__(self, ident: str) -> None:
        self.ident, self.next = ident, 0

    def take(self) -> int:
        self.next += 1
        if self.next > CONDITIONS_MAX:
            raise _wrong(self.ident, _("it has more conditions than anybody can read"))
        return self.next


def _condition(ident: str, said: Any, counter: _Counter, depth: int) -> Condition:
    if not isinstance(said, dict) or not said:
        raise _wrong(ident, _("`when` must be a condition in braces"))
    for word in ("all", "any"):
        if word in said:
            parts = said[word]
            if set(said) != {word} or not isinstance(parts, list) or not parts or depth >= DEPTH_MAX:
                raise _wrong(ident, _("`all` and `any` hold a list of conditions and nothing else"))
            made = tuple(_condition(ident, part, counter, depth + 1) for part in parts)
            return Condition("all" if word == "all" else "any", parts=made)
    figure = said.get("figure")
    if not isinstance(figure, str) or not _FIGURE.fullmatch(figure):
        raise _wrong(ident, _("a condition needs the name of a figure"))
    words = [word for word in _LEAVES if word in said]
    if len(words) != 1 or set(said) - {"figure", words[0], *_LEAVES[words[0]]}:
        raise _wrong(ident, _("a condition says one of: {names}").format(names=", ".join(_LEAVES)))
    return _leaf(ident, figure, words[0], said, counter.take())


def _leaf(ident: str, figure: str, word: str, said: Mapping[str, Any], number: int) -> Condition:
    match word:
        case "is":
            return Condition("is", number, figure, word=str(said["is"]))
        case "silent_s":
            return Condition("silent", number, figure, seconds=_seconds(ident, said, "silent_s", least=1))
        case "rises" | "falls":
            limit = _number(ident, said[word])
            if limit <= 0:
                raise _wrong(ident, _("a rate of change is a number above 0"))
            seconds = _seconds(ident, said, "within_s", least=1)
            return Condition("rises" if word == "rises" else "falls", number, figure, limit, seconds=seconds)
    limit = _number(ident, said[word])
    clear = _number(ident, said["clear"]) if "clear" in said else limit
    if (clear > limit) if word == "above" else (clear < limit):
        raise _wrong(ident, _("`clear` must lie on the quiet side of the threshold"))
    return Condition("above" if word == "above" else "below", number, figure, limit, clear)


def number(said: object) -> Decimal | None:
    """A figure as a number, or None where it is a word or nothing."""
    if said is None or isinstance(said, bool):
        return None
    try:
        found = Decimal(str(said))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _number(ident: str, said: object) -> Decimal:
    found = number(said)
    if found is None:
        raise _wrong(ident, _("{said} is not a number").format(said=said))
    return found


def _seconds(ident: str, row: Mapping[str, Any], name: str, least: int = 0) -> int:
    said = row.get(name, 0)
    if isinstance(said, bool) or not isinstance(said, int) or not least <= said <= SECONDS_MAX:
        raise _wrong(ident, _("{name} must be whole seconds").format(name=name))
    return said


def _level(ident: str, row: Mapping[str, Any]) -> str:
    if row.get("level") not in LEVELS:
        raise _wrong(ident, _("`level` must be one of: {names}").format(names=", ".join(LEVELS)))
    return str(row["level"])


def _role(ident: str, row: Mapping[str, Any]) -> str:
    said = row.get("to", "")
    if said and said not in CALLED:
        raise _wrong(ident, _("`to` must be one of: {names}").format(names=", ".join(CALLED)))
    return str(said)


def _quiet(ident: str, said: object) -> tuple[time, time] | None:
    if said is None:
        return None
    found = _QUIET.fullmatch(said) if isinstance(said, str) else None
    try:
        parts = [int(part) for part in found.groups()] if found else []
        begin, end = time(parts[0], parts[1]), time(parts[2], parts[3])
    except (ValueError, IndexError):
        raise _wrong(ident, _("quiet hours are written as 22:00-07:00")) from None
    return (begin, end) if begin != end else None


def _known(ident: str, row: Any, names: set[str]) -> None:
    strange = sorted(set(row) - names) if isinstance(row, dict) else ["?"]
    if strange:
        raise _wrong(ident, _("nobody knows what {name} means").format(name=strange[0]))


def _wrong(ident: str, why: str) -> Refused:
    return Refused(_("Rule {ident}: {why}").format(ident=ident, why=why))

"""The evaluator of alert rules: pure, over one ordered stream. The live run and a rehearsal are this and nothing else.

Nothing is looked at but the entries: no clock, no store. An instance (a rule on one subject) is judged when a figure it
watches changed, when somebody acknowledged, or when a time it waits for has passed: so a month of a city is walked in a
moment, and it makes no difference how often anybody looks.
"""

from __future__ import annotations

import heapq
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hub.civic.operations.rulebook import LEVELS, Condition, Rule, Rulebook, number

Figures = Mapping[str, Mapping[str, Any]]  # subject -> name -> what it says now; None: it says nothing any more


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the stream. `full` holds every subject, `look` what changed, `ack` names a rule and a subject."""

    seq: int
    at: datetime
    kind: str
    body: Mapping[str, Any]


@dataclass
class Climb:
    """A step of an open alarm."""

    since: int | None = None
    on: bool = False
    gone: int | None = None


@dataclass
class Instance:
    """What one rule remembers of one subject. Times are milliseconds."""

    passed: dict[str, bool] = field(default_factory=dict)  # thresholds, by the leaf's number
    trail: dict[str, list[tuple[int, str]]] = field(default_factory=dict)  # values inside a window, by leaf
    since: int | None = None
    raised: int | None = None
    gone: int | None = None
    acked: bool = False
    told: bool = False
    level: str = ""
    to: str = ""
    climbs: list[Climb] = field(default_factory=list)
    due: int | None = None  # when to look again though nothing changed

    @property
    def idle(self) -> bool:
        return self.raised is None and self.since is None and not any(self.passed.values()) and not self.trail


class Judge:
    def __init__(self, book: Rulebook) -> None:
        self.book = book
        self.seq = 0
        self.figures: dict[str, dict[str, Any]] = {}
        self._instances: dict[tuple[int, str], Instance] = {}
        self._due: list[tuple[int, int, str]] = []
        self._watch: dict[tuple[str, str], list[int]] = defaultdict(list)  # kind of subject, figure -> rules
        for place, rule in enumerate(book.rules):
            for figure in sorted(rule.figures):
                self._watch[rule.on, figure].append(place)

    def step(self, entry: Entry) -> list[str]:
        """Take one entry in; gives the lines of what the rules say to it."""
        now = int(entry.at.timestamp() * 1000)
        self.seq = entry.seq
        lines: list[str] = []
        wanted: set[tuple[int, str]] = set()
        if entry.kind == "ack":
            wanted |= self._acknowledged(entry.body)
        else:
            if entry.kind == "full":
                lines += [
                    line for gone in sorted(set(self.figures) - set(entry.body)) for line in self._end(gone, entry)
                ]
            wanted |= self._changed(entry.body, full=entry.kind == "full")
        while self._due and self._due[0][0] <= now:
            _at, place, subject = heapq.heappop(self._due)
            wanted.add((place, subject))
        for place, subject in sorted(wanted):
            lines += self._judge(place, subject, now, entry)
        return lines

    def open(self) -> list[tuple[str, str]]:
        """Rule and subject of every open alarm."""
        return sorted(
            (self.book.rules[place].id, subject) for (place, subject), held in self._instances.items() if held.raised
        )

    def dump(self) -> str:
        """All it remembers, so that another may go on from here."""
        held = {f"{place} {subject}": asdict(each) for (place, subject), each in self._instances.items()}
        return json.dumps(
            {"seq": self.seq, "figures": self.figures, "held": held}, sort_keys=True, separators=(",", ":")
        )

    @classmethod
    def load(cls, book: Rulebook, text: str) -> Judge:
        made, body = cls(book), json.loads(text)
        made.seq, made.figures = body["seq"], body["figures"]
        for key, said in body["held"].items():
            place, _blank, subject = key.partition(" ")
            climbs = [Climb(**each) for each in said.pop("climbs")]
            trail = {leaf: [(at, value) for at, value in walked] for leaf, walked in said.pop("trail").items()}
            made._keep((int(place), subject), Instance(climbs=climbs, trail=trail, **said))
        return made

    def _keep(self, key: tuple[int, str], held: Instance) -> None:
        self._instances[key] = held
        if held.due is not None:
            heapq.heappush(self._due, (held.due, *key))

    def _changed(self, body: Figures, *, full: bool) -> set[tuple[int, str]]:
        found: set[tuple[int, str]] = set()
        for subject, said in body.items():
            known = self.figures.setdefault(subject, {})
            missing = {name: None for name in known if name not in said} if full else {}
            for name, value in {**missing, **said}.items():
                if known.get(name) == value:
                    continue
                known[name] = value
                if value is None:
                    del known[name]
                found |= {(place, subject) for place in self._watch.get((subject.partition(":")[0], name), ())}
        return found

    def _acknowledged(self, body: Mapping[str, Any]) -> set[tuple[int, str]]:
        for place, rule in enumerate(self.book.rules):
            held = self._instances.get((place, str(body.get("subject"))))
            if rule.id == body.get("rule") and held is not None and held.raised is not None:
                held.acked = bool(body.get("acked", True))
                return {(place, str(body["subject"]))}
        return set()

    def _end(self, subject: str, entry: Entry) -> list[str]:
        """A thing that is no longer there has no alarms."""
        self.figures.pop(subject, None)
        lines = []
        for key in sorted(key for key in self._instances if key[1] == subject):
            held = self._instances.pop(key)
            if held.raised is not None:
                lines.append(_line(entry, self.book.rules[key[0]], subject, held, "ended"))
        return lines

    def _judge(self, place: int, subject: str, now: int, entry: Entry) -> list[str]:
        rule, key = self.book.rules[place], (place, subject)
        if subject not in self.figures:
            return []
        held = self._instances.get(key) or Instance(climbs=[Climb() for _step in rule.steps])
        due: list[int] = []
        holds = self._holds(rule.when, held, subject, now, due)
        worse = [
            self._holds(step.when, held, subject, now, due) if step.when is not None else False for step in rule.steps
        ]
        lines: list[str] = []
        if held.raised is None:
            held.since = (held.since if held.since is not None else now) if holds else None
            if held.since is not None and now - held.since >= rule.for_s * 1000:
                held.raised, held.level, held.to, held.told = now, rule.level, rule.to, False
                _climb(rule, held, worse, now, due)
                held.told = not self._hushed(rule, held, now)
                lines.append(_line(entry, rule, subject, held, "raised"))
            elif held.since is not None:
                due.append(held.since + rule.for_s * 1000)
        else:
            lines += self._go_on(rule, held, holds, worse, subject, now, entry, due)
        if held.raised is not None and not held.told:
            due.append(self._morning(rule, now))
        held.due = min((at for at in due if at > now), default=None)
        self._instances.pop(key, None)
        if not held.idle or held.due is not None:
            self._keep(key, held)
        return lines

    def _go_on(
        self, rule: Rule, held: Instance, holds: bool, worse: Sequence[bool], subject: str, now: int, entry: Entry,
        due: list[int],
    ) -> list[str]:  # fmt: skip
        """An alarm that is open: is it over, has it climbed, may it be told now?"""
        held.gone = None if holds else (held.gone if held.gone is not None else now)
        if held.gone is not None and now - held.gone >= rule.clear_for_s * 1000:
            line = _line(entry, rule, subject, held, "cleared")
            held.raised, held.since, held.gone, held.acked, held.told = None, None, None, False, False
            held.level, held.to, held.climbs = "", "", [Climb() for _step in rule.steps]
            return [line]
        if held.gone is not None:
            due.append(held.gone + rule.clear_for_s * 1000)
        before = held.level, held.to
        _climb(rule, held, worse, now, due)
        lines = []
        if (held.level, held.to) != before:
            lines.append(_line(entry, rule, subject, held, "level"))
        if not held.told and not self._hushed(rule, held, now):
            held.told = True
            lines.append(_line(entry, rule, subject, held, "told"))
        return lines

    def _holds(self, said: Condition, held: Instance, subject: str, now: int, due: list[int]) -> bool:
        """Whether a condition holds now. Every leaf is asked, so that each remembers what it needs."""
        if said.parts:
            found = [self._holds(part, held, subject, now, due) for part in said.parts]
            return all(found) if said.kind == "all" else any(found)
        value, leaf = self.figures[subject].get(said.figure), str(said.number)
        if said.kind == "is":
            return value is not None and str(value) == said.word
        if said.kind == "silent":
            heard = number(value)
            if heard is None:
                return False
            until = int(heard * 1000) + said.seconds * 1000
            if now < until:
                due.append(until)
            return now >= until
        if said.kind in ("above", "below"):
            return _passed(said, held, leaf, value)
        return _moved(said, held, leaf, value, now, due)

    def _hushed(self, rule: Rule, held: Instance, now: int) -> bool:
        """Quiet hours hold back what is not grave."""
        if rule.quiet is None or held.level == LEVELS[-1]:
            return False
        here = datetime.fromtimestamp(now / 1000, UTC).astimezone(self.book.tz).time()
        begin, end = rule.quiet
        return begin <= here < end if begin < end else here >= begin or here < end

    def _morning(self, rule: Rule, now: int) -> int:
        """The next end of the quiet hours."""
        here = datetime.fromtimestamp(now / 1000, UTC).astimezone(self.book.tz)
        end = rule.quiet[1] if rule.quiet else here.time()
        at = here.replace(hour=end.hour, minute=end.minute, second=0, microsecond=0)
        if at <= here:
            at += timedelta(days=1)
        return int(at.timestamp() * 1000)


def _passed(said: Condition, held: Instance, leaf: str, value: object) -> bool:
    """A threshold with hysteresis: passed at `limit`, let go at `clear`; without a value it was never passed."""
    at = number(value)
    if at is None:
        held.passed.pop(leaf, None)
        return False
    beyond, back = (at > said.limit, at <= said.clear) if said.kind == "above" else (at < said.limit, at >= said.clear)
    held.passed[leaf] = beyond or (held.passed.get(leaf, False) and not back)
    return held.passed[leaf]


def _moved(said: Condition, held: Instance, leaf: str, value: object, now: int, due: list[int]) -> bool:
    """Whether it rose or fell by so much within the window. The value at the window's beginning counts."""
    at, start = number(value), now - said.seconds * 1000
    trail = held.trail.get(leaf, [])
    if at is None:
        held.trail.pop(leaf, None)
        return False
    if not trail or trail[-1][1] != str(at):
        trail = [*trail, (now, str(at))]
    while len(trail) > 1 and trail[1][0] <= start:
        trail = trail[1:]
    held.trail[leaf] = trail
    if len(trail) > 1:
        due.append(trail[1][0] + said.seconds * 1000)
    others = [found for _at, each in trail if (found := number(each)) is not None]
    return (at - min(others) if said.kind == "rises" else max(others) - at) >= said.limit


def _climb(rule: Rule, held: Instance, worse: Sequence[bool], now: int, due: list[int]) -> None:
    """Which steps hold now, and with them the level and who is called."""
    raised = held.raised or now
    for step, climb, worsened in zip(rule.steps, held.climbs, worse, strict=True):
        holds = worsened if step.when is not None else not held.acked and now - raised >= step.after_s * 1000
        if step.when is None and not held.acked:
            due.append(raised + step.after_s * 1000)
        if holds:
            climb.gone, climb.since = None, climb.since if climb.since is not None else now
            climb.on = climb.on or now - climb.since >= step.for_s * 1000
            due.append(climb.since + step.for_s * 1000)
            continue
        climb.since = None
        if climb.on:
            climb.gone = climb.gone if climb.gone is not None else now
            climb.on = now - climb.gone < step.ease_s * 1000
            due.append(climb.gone + step.ease_s * 1000)
    reached = [
        (rule.level, rule.to),
        *((step.level, step.to) for step, climb in zip(rule.steps, held.climbs, strict=True) if climb.on),
    ]
    held.level = max((level for level, _to in reached), key=LEVELS.index)
    held.to = next((to for level, to in reversed(reached) if level == held.level), "")


def _line(entry: Entry, rule: Rule, subject: str, held: Instance, what: str) -> str:
    """One line of the log. These bytes are what a rehearsal must repeat."""
    said = {
        "at": entry.at.astimezone(UTC).isoformat(),
        "level": held.level,
        "rule": rule.id,
        "seq": entry.seq,
        "subject": subject,
        "to": held.to,
        "told": held.told,
        "what": what,
    }
    return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

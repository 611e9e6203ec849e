"""Alert rules: what each kind of condition means, the climb and the quiet, and that a rehearsal is the live run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlmodel import col

from hub import registry
from hub.access import Subject
from hub.civic.operations import acts, alarms, rule_sets, rulebook, stream, work
from hub.civic.operations.alarms import SHIPPED, Memory
from hub.civic.operations.judge import Entry, Judge
from hub.civic.operations.models import Alarm, Figure, RuleSet, Verdict
from hub.civic.operations.scope import WHOLE
from hub.db import Read
from hub.errors import Conflict, LinliError, NotAllowed, Refused
from tests.operations.opsrig import HUT, OTHER, Ops
from tests.world import LIUHE, START, TAYING, staff

STEP = 30
LONG = 60 if os.environ.get("LINLI_TEST_LONG") == "1" else 1  # each builds a store and lives through some minutes
HUB: dict[str, Any] = {"waiting": 0, "trouble": 0, "down": 0, "disk_free_mb": 40_960}


def rule(body: str, on: str = "hub", more: str = "") -> rulebook.Rulebook:
    head = f'[[rule]]\nid = "r"\non = "{on}"\nzh = "甲"\nen = "A"\nlevel = "warn"\n'
    return rulebook.read(f"{head}{body}\n{more}")


def walk(book: rulebook.Rulebook, story: list[dict[str, Any]], start: datetime = START) -> list[str]:
    """`what` of each line, with the entry by which it was said: 'raised@3'."""
    judge, found = Judge(book), []
    for number, told in enumerate(story):
        said = dict(told)
        kind = said.pop("kind", "full" if number == 0 else "look")
        entry = Entry(number, start + timedelta(seconds=STEP * number), kind, said)
        found += [f"{line['what']}@{line['seq']}" for line in map(json.loads, judge.step(entry))]
    return found


def hub(*values: object, name: str = "x") -> list[dict[str, Any]]:
    """A story of one figure of the hub; None: nothing new."""
    return [{"hub": {name: value}} if value is not None else {} for value in values]


def test_a_threshold_holds_for_its_time_and_lets_go_at_its_own_place() -> None:
    book = rule('for_s = 60\nclear_for_s = 30\nwhen = { figure = "x", above = 10, clear = 5 }')
    assert walk(book, hub(11, None, None, 7, None, 4, None, None)) == ["raised@2", "cleared@6"]
    assert walk(book, hub(11, 4, 11, None, 11, None)) == ["raised@4"], "what did not last starts anew"
    assert walk(book, hub(10, None, None)) == [], "at the threshold is not above it"


def test_all_and_any_silence_words_and_rates() -> None:
    both = rule(
        'when = { all = [{ figure = "x", above = 1 }, '
        '{ any = [{ figure = "s", is = "a" }, { figure = "s", is = "b" }] }] }'
    )
    story = [{"hub": {"x": 2, "s": "c"}}, {"hub": {"s": "b"}}, {"hub": {"x": 0}}]
    assert walk(both, story) == ["raised@1", "cleared@2"]
    silent = rule('when = { figure = "heard", silent_s = 75 }')
    at = int(START.timestamp())
    assert walk(silent, hub(at, None, None, at + 90, None, name="heard")) == []
    assert walk(silent, hub(at, None, None, None, at + 120, name="heard")) == ["raised@3", "cleared@4"]
    rate = rule('when = { figure = "x", rises = 5, within_s = 60 }')
    assert walk(rate, hub(0, 3, 6, 6, None, None)) == ["raised@2", "cleared@3"]
    assert walk(rate, hub(0, 2, 4, 6, 8)) == [], "so slowly is no jump"
    falls = rule('when = { figure = "x", falls = 5, within_s = 60 }')
    assert walk(falls, hub(9, 3)) == ["raised@1"]


def test_what_is_not_known_raises_nothing_and_what_is_gone_ends() -> None:
    book = rule('when = { figure = "x", below = 5 }', on="device")
    assert walk(book, [{"device:a": {"y": 1}}, {"device:a": {"x": "high"}}]) == []
    gone = [{"device:a": {"x": 1}}, {"kind": "full", "device:b": {"x": 9}}]
    assert walk(book, gone) == ["raised@0", "ended@1"]
    assert walk(book, [{"device:a": {"x": 1}}, {"device:a": {"x": None}}]) == ["raised@0", "cleared@1"]


CLIMBS = """
[[rule.step]]
level = "bad"
to = "director"
after_s = 60
ease_s = 30
"""


def test_nobody_answering_climbs_and_an_answer_comes_down_again() -> None:
    book = rule('when = { figure = "x", above = 1 }', more=CLIMBS)
    ack = {"kind": "ack", "rule": "r", "subject": "hub", "acked": True}
    assert walk(book, [*hub(2, None, None), ack, *hub(None, None, 0)]) == [
        "raised@0",
        "level@2",
        "level@4",
        "cleared@6",
    ]
    assert walk(book, [*hub(2), dict(ack), *hub(None, None, None)]) == ["raised@0"], "who has it is not called again"


def test_worse_figures_climb_and_better_ones_come_down_after_a_while() -> None:
    worse = '[[rule.step]]\nlevel = "bad"\nwhen = { figure = "x", above = 9, clear = 7 }\nease_s = 60'
    book = rule('when = { figure = "x", above = 1 }', more=worse)
    assert walk(book, hub(2, 10, 8, 6, None, None, 0)) == ["raised@0", "level@1", "level@5", "cleared@6"]


def test_quiet_hours_wait_for_the_morning_unless_it_is_grave() -> None:
    night = datetime.fromisoformat("2026-11-22T23:58:00+08:00")
    book = rule('quiet = "22:00-00:00"\nwhen = { figure = "x", above = 1 }', more=CLIMBS.replace("60", "600"))
    assert walk(book, hub(2, None, None, None, None, None), night) == ["raised@0", "told@4"]
    grave = rule('quiet = "22:00-00:00"\nwhen = { figure = "x", above = 1 }', more=CLIMBS)
    assert walk(grave, hub(2, None, None), night) == ["raised@0", "level@2", "told@2"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("rule = 3", "TOML|\\[\\[rule\\]\\]"),
        ('[[rule]]\nid = "A"', "id"),
        ('[[rule]]\nid = "a"\non = "person"', "on"),
        ('[[rule]]\nid="a"\non="hub"\nzh="a"\nen="a"\nlevel="warn"\nwhen={figure="x", above=1, clear=2}', "clear"),
        ('[[rule]]\nid="a"\non="hub"\nzh="a"\nen="a"\nlevel="warn"\nwhen={figure="x", around=1}', "."),
        ('[[rule]]\nid="a"\non="hub"\nzh="a"\nen="a"\nlevel="warn"\nfor_s="1"\nwhen={figure="x", above=1}', "for_s"),
        ('[[rule]]\nid="a"\non="hub"\nzh="a"\nen="a"\nlevel="warn"\nwhen={figure="x", above=1}\nif=1', "if"),
    ],
)
def test_a_text_that_cannot_be_read_says_why(text: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        rulebook.read(text)


def test_the_shipped_rules_can_be_read() -> None:
    assert {"hut-line-down", "device-faulty", "hub-stands-still"} <= {
        each.id for each in rulebook.read(SHIPPED.read_text(encoding="utf-8")).rules
    }


# A book with every kind of condition, on few subjects with few values, so that stories meet themselves often.
BUSY = rulebook.read(
    SHIPPED.read_text(encoding="utf-8")
    + """
[[rule]]
id = "busy"
on = "device"
zh = "甲"
en = "A"
level = "info"
for_s = 45
clear_for_s = 45
quiet = "09:02-09:05"
when = { any = [
    { figure = "x", above = 5, clear = 2 },
    { figure = "heard", silent_s = 100 },
    { figure = "x", rises = 4, within_s = 90 },
] }

[[rule.step]]
level = "warn"
to = "operator"
after_s = 120
ease_s = 40

[[rule.step]]
level = "bad"
when = { all = [{ figure = "x", above = 7, clear = 6 }, { figure = "state", is = "offline" }] }
for_s = 30
ease_s = 60
"""
)
figures = st.fixed_dictionaries(
    {},
    optional={
        "x": st.one_of(st.none(), st.integers(0, 9)),
        "heard": st.integers(0, 600).map(lambda after: int(START.timestamp()) + after),
        "state": st.sampled_from(["online", "offline", "faulty"]),
    },
)
looked = st.dictionaries(st.sampled_from(["device:a", "device:b"]), figures, max_size=2)
acked = st.builds(
    lambda rule, subject, yes: {"rule": rule, "subject": subject, "acked": yes},
    st.sampled_from(["busy", "device-dead"]),
    st.sampled_from(["device:a", "device:b"]),
    st.booleans(),
)
told = st.one_of(
    st.tuples(st.just("look"), looked), st.tuples(st.just("full"), looked), st.tuples(st.just("ack"), acked)
)
stories = st.lists(st.tuples(st.integers(1, 90), told), max_size=40)


def entries(story: list[tuple[int, tuple[str, dict[str, Any]]]]) -> list[Entry]:
    at, found = START, []
    for seq, (after, (kind, body)) in enumerate(story, 1):
        at += timedelta(seconds=after)
        found.append(Entry(seq, at, kind, body))
    return found


class Restless(Judge):
    """The same evaluator that looks at everything with every entry, as if it had no sense of what can have changed."""

    def step(self, entry: Entry) -> list[str]:
        for place, each in enumerate(self.book.rules):
            self._due += [(0, place, subject) for subject in self.figures if subject.startswith(each.on)]
        self._due.sort()
        return super().step(entry)


@settings(max_examples=60)
@given(stories)
def test_it_makes_no_difference_how_often_anybody_looks(story: list[tuple[int, tuple[str, dict[str, Any]]]]) -> None:
    calm, restless = Judge(BUSY), Restless(BUSY)
    for entry in entries(story):
        assert calm.step(entry) == restless.step(entry)


@settings(max_examples=40)
@given(stories, st.integers(0, 40))
def test_a_judge_won_back_from_a_snapshot_says_the_same(
    story: list[tuple[int, tuple[str, dict[str, Any]]]], cut: int
) -> None:
    whole, first = Judge(BUSY), Judge(BUSY)
    said, again = [], []
    for number, entry in enumerate(entries(story)):
        if number == cut:
            first = Judge.load(BUSY, first.dump())
        said += whole.step(entry)
        again += first.step(entry)
    assert said == again
    assert whole.dump() == first.dump()


@pytest.fixture
def ops(tmp_path: Path) -> Iterator[Ops]:
    made = Ops(tmp_path)
    made.say(HUT, LIUHE, "online")
    made.say(OTHER, TAYING, "online")
    yield made
    made.store.close()


def log(ops: Ops, version: int) -> list[str]:
    rule = select(col(Verdict.line)).where(col(Verdict.ruleset) == version).order_by(col(Verdict.id))
    return ops.store.read_now(lambda read: list(read.session.execute(rule).scalars()))


def rehearsed(ops: Ops, version: int, text: str) -> list[str]:
    def run(read: Read) -> list[str]:
        force = rule_sets.get(read, version)
        after = (
            read.session.execute(
                select(col(RuleSet.first_seq)).where(
                    col(RuleSet.version) > version, col(RuleSet.first_seq).is_not(None)
                )
            )
            .scalars()
            .first()
        )
        until = after - 1 if after is not None else None
        return list(alarms.rehearse(read, rulebook.read(text), force.first_seq, until).lines)

    return ops.store.read_now(run)


def live(
    ops: Ops, seconds: int, memory: Memory | None = None, step: int = STEP, hub: dict[str, Any] = HUB
) -> Memory | None:
    for _look in range(seconds // step):
        ops.clock.advance(step)
        memory = ops.act(lambda tx, memory=memory: alarms.look(tx, hub, memory))
    return memory


moves = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 12)),
        st.tuples(st.just("line"), st.sampled_from(["online", "offline"])),
        st.tuples(st.just("ack"), st.just("")),
        st.tuples(st.just("undo"), st.just("")),
        st.tuples(st.just("crash"), st.just("")),
        st.tuples(st.just("retire"), st.sampled_from(["active", "quarantined"])),
        st.tuples(st.just("waiting"), st.integers(0, 12_000)),
        st.tuples(st.just("disk_free_mb"), st.sampled_from([200, 1_000, 3_000, 40_960])),
        st.tuples(st.just("battery"), st.integers(0, 100)),
        st.tuples(st.just("sleep"), st.integers(1, 14)),
    ),
    max_size=8,
)


# Rates, hysteresis, both kinds of steps, OR and AND, quiet hours and their morning, a crash in the middle of it.
EVERYTHING: list[tuple[str, Any]] = [
    ("waiting", 3_500), ("waiting", 6_000), ("wait", 3), ("crash", ""), ("waiting", 9_500), ("waiting", 4_000),
    ("wait", 5), ("waiting", 500), ("disk_free_mb", 1_000), ("wait", 3), ("disk_free_mb", 200), ("disk_free_mb", 3_000),
    ("battery", 14), ("battery", 20), ("battery", 4), ("sleep", 14), ("line", "offline"), ("wait", 6), ("crash", ""),
    ("sleep", 9), ("battery", 60), ("disk_free_mb", 40_960), ("wait", 3), ("line", "online"), ("wait", 4),
]  # fmt: skip
SPOKEN = {"hut-line-down", "hub-queue", "hub-disk", "device-battery"}


# Each example builds a store: a failing one is told as it was found, not made smaller for minutes.
@settings(max_examples=LONG, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@example([("line", "offline"), ("wait", 2), ("crash", ""), ("wait", 6), ("ack", ""), ("undo", ""), ("line", "online")])
@example(EVERYTHING)
@given(moves)
def test_a_rehearsal_over_the_kept_stream_is_the_live_run_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, story: list[tuple[str, Any]]
) -> None:
    ops = Ops(tmp_path_factory.mktemp("rules"))
    try:
        ops.say(OTHER, TAYING, "online")
        hub = dict(HUB)
        memory = live(ops, STEP)
        for what, how in story:
            memory = None if what == "crash" else memory
            hub |= {what: how} if what in hub else {}
            _move(ops, what, how)
            memory = live(ops, STEP * how if what == "wait" else STEP, memory, hub=hub)
        said = log(ops, 1)
        if story == EVERYTHING:
            assert {json.loads(line)["rule"] for line in said} >= SPOKEN
            assert {json.loads(line)["what"] for line in said} == {"raised", "level", "told", "cleared"}
        assert rehearsed(ops, 1, SHIPPED.read_text(encoding="utf-8")) == said
        standing = ops.store.read_now(lambda read: alarms.listed(read, WHOLE, over=False))
        opened = [json.loads(line) for line in said]
        ended = sum(1 for line in opened if line["what"] in ("cleared", "ended"))
        assert len(standing) == sum(1 for line in opened if line["what"] == "raised") - ended
    finally:
        ops.store.close()


def _move(ops: Ops, what: str, how: Any) -> None:
    standing = ops.store.read_now(lambda read: alarms.listed(read, WHOLE, over=False))
    match what:
        case "line":
            ops.say(OTHER, TAYING, how)
        case "ack" if standing:
            ops.act(lambda tx: alarms.acknowledge(tx, "s-operator", tx.session.get(Alarm, standing[0].id)))
        case "undo" if standing:
            ops.act(lambda tx: alarms.release(tx, tx.session.get(Alarm, standing[0].id)))
        case "battery":
            row = Figure(subject="device:bp-2", name="battery", value=str(how), at=ops.clock.now())
            ops.act(lambda tx: tx.session.merge(row))
        case "sleep":
            ops.clock.advance(int(how) * 3_600)
        case "retire":
            ops.act(lambda tx: setattr(tx.session.get(registry.Device, "bp-2"), "state", how))


def test_an_answer_in_the_queue_stops_the_climb(ops: Ops) -> None:
    memory = live(ops, STEP)
    ops.say(OTHER, TAYING, "offline")
    memory = live(ops, 180, memory)
    task = next(each for each in ops.store.read_now(lambda read: work.look(read, WHOLE)).tasks if each.alarms)
    assert task.key == f"place/{OTHER}/offline", "what stands in the queue already is not told twice"
    ops.act(lambda tx: acts.acknowledge(tx, ops.subject(), task.key, TAYING))
    memory = live(ops, 14_400 + 1_200, memory, 1_200)
    (alarm,) = [
        each
        for each in ops.store.read_now(lambda read: alarms.listed(read, WHOLE, over=False))
        if each.rule == "hut-line-down"
    ]
    assert (alarm.level, alarm.acked_at is not None) == ("warn", True)
    assert memory is not None


def test_rules_change_only_by_two_people_over_one_text(ops: Ops) -> None:
    operator, director = (
        ops.subject(),
        Subject(id="s-other", kind="staff", grants=ops.subject().grants, person="p-other"),
    )
    director = director.with_permissions(operator.permissions)  # type: ignore[arg-type]
    memory = live(ops, STEP)
    text = SHIPPED.read_text(encoding="utf-8").replace("for_s = 120", "for_s = 30")
    made = ops.act(lambda tx: rule_sets.propose(tx, operator, text, "quicker"))
    assert [each.mark for each in rule_sets.difference(SHIPPED.read_text(encoding="utf-8"), text)].count("+") == 1
    with pytest.raises(NotAllowed):
        ops.act(lambda tx: rule_sets.sign(tx, operator, made.version))
    with pytest.raises(NotAllowed):
        ops.act(lambda tx: rule_sets.sign(tx, staff(ops.store, "s-director"), made.version))
    memory = live(ops, STEP, memory)
    assert memory is not None
    assert memory.version == 1, "a proposal judges nothing"

    def forge(tx: Any) -> None:
        row = rule_sets.get(tx, made.version)
        row.text = row.text.replace("warn", "info")
        tx.session.add(row)

    before = made.text
    ops.act(forge)
    with pytest.raises(Conflict):
        ops.act(lambda tx: rule_sets.sign(tx, director, made.version))

    def mend(tx: Any) -> None:
        row = rule_sets.get(tx, made.version)
        row.text = before
        tx.session.add(row)

    ops.act(mend)
    ops.act(lambda tx: rule_sets.sign(tx, director, made.version))
    memory = live(ops, STEP, memory)
    assert memory is not None
    assert memory.version == made.version
    assert rehearsed(ops, 1, SHIPPED.read_text(encoding="utf-8")) == log(ops, 1)
    with pytest.raises(LinliError):
        ops.act(lambda tx: rule_sets.propose(tx, operator, "rule = 1", "broken"))


def test_a_batch_leaves_no_value_of_a_person_in_the_stream(ops: Ops) -> None:
    ops.busy_day()
    live(ops, STEP)
    bodies = [str(entry.body) for entry in ops.store.read_now(lambda read: list(stream.entries(read, 1)))]
    assert bodies
    assert not [
        word for word in ("187", "sys", "pulse", "r-wang") if word in " ".join(bodies).replace(str(START.year), "")
    ]

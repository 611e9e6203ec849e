"""The oracle of the reach scenario: nothing of ours but SQL on a dead hub's file, and the far end's own journal."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

PROOFS = {"accepted": 1, "delivered": 2, "shown": 3, "seen": 4, "acknowledged": 5}
WAITING = ("planned", "claimed")


@dataclass(frozen=True)
class Story:
    """What the driver did with a notice, in seconds of its clock; None: never."""

    notice: str
    audience: int
    released: float
    cancelled: float | None
    expires: float


@dataclass
class Snapshot:
    """The store between two lives of the hub."""

    states: dict[str, str]  # delivery -> state
    levels: dict[tuple[str, str, str], int]  # notice, viewer, channel -> proof


@dataclass
class Verdict:
    looks: int = 0
    rows_seen: int = 0
    wrong_sums: list[str] = field(default_factory=list)
    moved_back: list[str] = field(default_factory=list)
    too_late: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    not_told: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        faults = (self.wrong_sums, self.moved_back, self.too_late, self.twice, self.not_told, self.missing)
        return not any(faults)


def look(database: Path, before: Snapshot | None, stories: Sequence[Story], verdict: Verdict) -> Snapshot:
    """Between two lives: every sum is the audience's, and nothing stands lower than at the last look."""
    with closing(sqlite3.connect(database)) as store:
        now = _snapshot(store)
        verdict.looks += 1
        verdict.rows_seen = max(verdict.rows_seen, len(now.states))
        for story in stories:
            verdict.wrong_sums += _sums(store, story)
        verdict.wrong_sums += _ledger(store)
    if before is not None:
        verdict.moved_back += [
            f"{ident}: {was} -> {now.states[ident]}"
            for ident, was in before.states.items()
            if ident in now.states and _backwards(was, now.states[ident])
        ]
        verdict.moved_back += [
            f"{place}: {level} -> {now.levels.get(place, 0)}"
            for place, level in before.levels.items()
            if now.levels.get(place, 0) < level
        ]
    return now


def _snapshot(store: sqlite3.Connection) -> Snapshot:
    states = dict(store.execute("SELECT id, state FROM outbox").fetchall())
    rows = store.execute("SELECT notice, viewer, channel, level FROM reach").fetchall()
    return Snapshot(states, {(notice, viewer, channel): level for notice, viewer, channel, level in rows})


def _backwards(was: str, now: str) -> bool:
    """Proof only rises; what is out stays out, unless proof says that it had arrived after all."""
    if was in PROOFS:
        failed_later = was == "accepted" and now == "unreachable"  # the provider's own word that it never arrived
        return PROOFS.get(now, 0) < PROOFS[was] and not failed_later
    return was not in WAITING and now in WAITING


def _sums(store: sqlite3.Connection, story: Story) -> list[str]:
    """Rows, what they have folded into, and who gets no row: for each way all the people that were paged so far."""
    wrong = []
    standing: Counter[str] = Counter()
    for table, count in (("outbox", "count(*)"), ("outbox_fold", "sum(n)")):
        rows = store.execute(
            f"SELECT channel, {count} FROM {table} WHERE notice = ? AND purpose = 'send' GROUP BY channel",  # noqa: S608
            (story.notice,),
        )
        standing.update(dict(rows.fetchall()))
    fanouts = store.execute(
        "SELECT channel, planned, unreachable + seen + declined + digested + untold, done FROM fanout WHERE notice = ?",
        (story.notice,),
    ).fetchall()
    for channel, planned, rowless, done in fanouts:
        if standing[channel] != planned:
            wrong.append(f"{story.notice} {channel}: {standing[channel]} deliveries, {planned} planned")
        whole = planned + rowless
        if done and story.cancelled is None and whole != story.audience:
            wrong.append(f"{story.notice} {channel}: {whole} of {story.audience}")
    return wrong


def _ledger(store: sqlite3.Connection) -> list[str]:
    """The reach ledger's counters are its rows."""
    rows = store.execute(
        "SELECT notice, CASE channel WHEN 'best' THEN 'best:resident' ELSE channel END, level, count(*)"
        " FROM reach GROUP BY 1, 2, 3"
    ).fetchall()
    counts = store.execute("SELECT notice, channel, level, n FROM reach_count WHERE n > 0").fetchall()
    return [f"ledger {each}" for each in set(rows) ^ set(counts)]


def judge(journal: Path, stories: Sequence[Story], grace_s: float, verdict: Verdict) -> None:
    """What phones showed: once, in time, and taken back where it no longer holds."""
    by_notice: Mapping[str, Story] = {story.notice: story for story in stories}
    sent: dict[str, set[tuple[str, str]]] = defaultdict(set)
    recalled: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for line in journal.read_text(encoding="utf-8").splitlines():
        said = json.loads(line)
        story, place = by_notice[said["notice"]], (said["way"], said["to"])
        if said["p"] == "recall":
            recalled[said["notice"]].add(place)
            continue
        if place in sent[said["notice"]]:
            verdict.twice.append(f"{said['notice']} {place}")
        sent[said["notice"]].add(place)
        over = min(story.expires, story.expires if story.cancelled is None else story.cancelled)
        if said["at"] > over + grace_s:
            verdict.too_late.append(f"{said['notice']} {place} {said['at'] - over:.2f} s after the end")
    for story in stories:
        if story.cancelled is not None:
            left = sent[story.notice] - recalled[story.notice]
            verdict.not_told += [f"{story.notice} {place}" for place in sorted(left)]


def complete(journal: Path, database: Path, story: Story, expected: set[tuple[str, str]], verdict: Verdict) -> int:
    """A notice that ran its whole time: who does not have it on a way has seen it on another, or was given up and that
    is said. Returns how many were given up."""
    lines = (json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines())
    got = {(each["way"], each["to"]) for each in lines if each["notice"] == story.notice and each["p"] == "send"}
    with closing(sqlite3.connect(database)) as store:
        rows = store.execute("SELECT channel, resident, state FROM outbox WHERE notice = ?", (story.notice,)).fetchall()
        seen = store.execute(
            "SELECT viewer FROM reach WHERE notice = ? AND channel = 'best' AND level >= ?",
            (story.notice, PROOFS["seen"]),
        ).fetchall()
    states = {(channel, f"{channel}-{resident.removeprefix('r-')}"): state for channel, resident, state in rows}
    seers = {viewer.removeprefix("r:r-") for (viewer,) in seen}
    for place in sorted(expected - got):
        if states.get(place) == "dead":
            continue
        if states.get(place) in PROOFS or place[1].rpartition("-")[2] not in seers:
            verdict.missing.append(f"{story.notice} {place} {states.get(place)}")
    return sum(state == "dead" for state in states.values())

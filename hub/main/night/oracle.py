"""The oracle: writes down what the world did before the hub hears of it, and never asks the hub.

When the night is over it reads the database file itself.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from hub.main.night.far import Shown

FRESH_S, FRESH_MARGIN_S = 600, 90  # an urgent value calls somebody while it is fresh; a commit may be retried meanwhile
CLAIMED_S = 40.0  # a message that a worker had in its hands when the notice ended may still arrive
DEADLINE_S = 12.0  # for a channel that has been well all night
SHORT_S = 600.0  # what holds for less may run out while a channel is ill
CLOCK_AGREES_S = 120


@dataclass(eq=False)
class Kept:
    """One record as a device made it. `first`: the one it repeats."""

    gateway: str
    device: str
    codec: str
    payload: bytes
    at: datetime
    skew_s: float
    clocked: bool
    urgent: bool = False
    good: bool = True
    plain: bool = False
    acknowledged: bool = False
    boot: str = ""
    seq: int = 0
    first: Kept | None = None

    @property
    def sha(self) -> str:
        return hashlib.sha256(self.payload).hexdigest()


@dataclass(eq=False)
class Told:
    """One notice as the desk believes it."""

    ident: str
    title: str
    areas: tuple[str, ...]
    people: tuple[str, ...]
    released_s: float  # when the desk knew
    asked_s: float
    expires_s: float
    retracted: bool = False
    ended_s: float | None = None  # when the desk knew that it was withdrawn
    calm: bool = False  # nothing happened to hub or disk around its release


@dataclass(eq=False)
class Moved:
    """Points the office wanted to move. `done` is None while nobody knows."""

    reference: str
    source: str
    destination: str
    amount: int
    done: bool | None = None


@dataclass
class Oracle:
    folder: Path
    kept: list[Kept] = field(default_factory=list)
    notices: list[Told] = field(default_factory=list)
    moves: list[Moved] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # what was seen while the night went on

    def keeps(self, kept: Kept) -> None:
        self.kept.append(kept)
        line = {"gateway": kept.gateway, "device": kept.device, "sha": kept.sha, "at": kept.at.isoformat()}
        with (self.folder / "oracle.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def acknowledged(self, kept: Kept) -> None:
        kept.acknowledged = True

    def blame(self, sentence: str) -> None:
        if sentence not in self.wrong:
            self.wrong.append(sentence)

    def verdict(self, database: Path, arrived: Sequence[Shown], start: datetime) -> list[str]:
        """Everything that is wrong, in sentences; empty when all promises held."""
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        try:
            return [
                *self.wrong,
                *_readings(self, connection),
                *_alerts(self, connection),
                *_ledger(self, connection),
                *_deliveries(self, arrived),
            ]
        finally:
            connection.close()


def _readings(oracle: Oracle, connection: sqlite3.Connection) -> list[str]:
    """P1, P3, P4, P5: nothing lost, nothing twice, marked where the clock was wrong, poison set aside."""
    wrong = []
    rows: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    found = connection.execute("SELECT device, raw_sha256, boot, seq, t_basis, gateway FROM reading").fetchall()
    for device, sha, boot, seq, basis, gateway in found:
        rows[device, sha].append((f"{gateway}|{boot}|{seq}", basis))
    expected: dict[tuple[str, str], list[Kept]] = defaultdict(list)
    for kept in oracle.kept:
        if kept.good and kept.first is None:
            expected[kept.device, kept.sha].append(kept)
    for key, wanted in expected.items():
        got = rows.pop(key, [])
        must = [kept for kept in wanted if not kept.plain or kept.acknowledged]
        if len(got) < len(must):
            how = "acknowledged and then lost" if must[0].plain else "kept in an outbox and never stored"
            wrong.append(f"P1 {key[0]}: {len(must) - len(got)} of {len(must)} readings {how} ({must[0].at:%H:%M:%S})")
        if len(got) > len(wanted):
            wrong.append(f"P3 {key[0]}: stored {len(got)} times, made {len(wanted)} times ({wanted[0].at:%H:%M:%S})")
        for kept in wanted:
            if kept.clocked and abs(kept.skew_s) > CLOCK_AGREES_S and any(basis == "device" for _e, basis in got):
                wrong.append(f"P4 {key[0]}: a clock {kept.skew_s:.0f} s off was believed")
    wrong += [f"P3 {device}: a reading nobody has made ({sha[:8]})" for device, sha in rows]
    bad = Counter(kept.sha for kept in oracle.kept if not kept.good)
    aside = Counter(sha for (sha,) in connection.execute("SELECT raw_sha256 FROM quarantine"))
    wrong += [f"P5 {sha[:8]}: set aside {aside[sha]} times, sent {n}" for sha, n in bad.items() if aside[sha] != n]
    strangers = set(aside) - set(bad)
    wrong += [f"P5 a good record was set aside ({sha[:8]})" for sha in strangers]
    return wrong


def _alerts(oracle: Oracle, connection: sqlite3.Connection) -> list[str]:
    """P3, P4: an urgent value calls somebody once, in the reading's own transaction; an old one never as 'now'."""
    wrong = []
    urgent = {(kept.device, kept.sha): kept for kept in oracle.kept if kept.urgent and kept.first is None}
    calls = Counter(
        reading for (reading,) in connection.execute("SELECT reading FROM health_alert WHERE reading IS NOT NULL")
    )
    found = connection.execute("SELECT id, device, raw_sha256, t_received_ms, t_effective_ms FROM reading").fetchall()
    for ident, device, sha, received_ms, effective_ms in found:
        age_s, called = (received_ms - effective_ms) / 1000, calls.get(ident, 0)
        if (device, sha) not in urgent:
            if called:
                wrong.append(f"P4 {device}: a calm value called somebody")
        elif age_s <= FRESH_S - FRESH_MARGIN_S and called != 1:
            wrong.append(f"P3 {device}: an urgent value called somebody {called} times")
        elif age_s > FRESH_S and called:
            wrong.append(f"P4 {device}: a value {age_s:.0f} s old called somebody as if it were now")
    return wrong


def _ledger(oracle: Oracle, connection: sqlite3.Connection) -> list[str]:
    """P9: double entry, no negative balance, each reference at most once, nothing lost and nothing invented."""
    wrong = []
    balances: Counter[str] = Counter()
    posted: dict[str, tuple[str, str, int]] = {}
    rows = connection.execute(
        "SELECT t.reference, p.source, p.destination, p.amount FROM points_posting p JOIN points_txn t ON t.id = p.txn"
    )
    for reference, source, destination, amount in rows:
        if reference in posted:
            wrong.append(f"P9 {reference} was posted twice")
        posted[reference] = (source, destination, amount)
        balances[source] -= amount
        balances[destination] += amount
    for ident, kind, balance in connection.execute("SELECT id, kind, balance FROM points_account"):
        if balance != balances[ident]:
            wrong.append(f"P9 {ident}: balance {balance}, postings say {balances[ident]}")
        if balance < 0 and kind != "issue":
            wrong.append(f"P9 {ident}: {balance} points")
    for move in oracle.moves:
        there = posted.pop(move.reference, None)
        if move.done and there is None:
            wrong.append(f"P9 {move.reference} was answered and is not in the ledger")
        if move.done is False and there is not None:
            wrong.append(f"P9 {move.reference} was refused and is in the ledger")
        if there is not None and there[2] != move.amount:
            wrong.append(f"P9 {move.reference}: {there[2]} points instead of {move.amount}")
    return wrong + [f"P9 {reference} was never asked for" for reference in posted]


def _deliveries(oracle: Oracle, arrived: Sequence[Shown]) -> list[str]:
    """P8, P6: once on each channel, not after the end unless taken back, and in time where the channel is well."""
    wrong = []
    shown: dict[tuple[str, str, str], list[Shown]] = defaultdict(list)
    for each in arrived:
        shown[each.channel, each.address, each.title].append(each)
    for told in oracle.notices:
        for person in told.people:
            for channel in ("wechat", "phone", "post"):
                mine = [one for one in shown.pop((channel, f"{channel}-{person}", told.title), []) if not one.recall]
                back = [one for one in arrived if one.recall and one.channel == channel and told.title in one.title
                        and one.address == f"{channel}-{person}"]  # fmt: skip
                wrong += _one_delivery(told, channel, person, mine, back)
    wrong += [f"P8 {key[0]}: a message nobody has released" for key, rest in shown.items() if not rest[0].recall]
    return wrong


def _one_delivery(told: Told, channel: str, person: str, mine: Sequence[Shown], back: Sequence[Shown]) -> list[str]:
    where = f"{channel} {person} {told.title}"
    wrong = []
    if len(mine) > 1:
        wrong.append(f"P8 {where}: shown {len(mine)} times")
    if not mine and not told.retracted and told.expires_s - told.released_s > SHORT_S:
        wrong.append(f"P8 {where}: never arrived")
    end = told.ended_s if told.ended_s is not None else told.expires_s
    if mine and mine[0].at_s > end + CLAIMED_S:
        wrong.append(f"P8 {where}: shown {mine[0].at_s - end:.0f} s after its end")
    if told.retracted and (len(back) > 1 or (mine and not back)):
        wrong.append(f"P8 {where}: withdrawn, shown {len(mine)} times, taken back {len(back)} times")
    if channel == "post" and told.calm and not told.retracted:
        late_s = mine[0].at_s - told.released_s if mine else -1.0
        if late_s > DEADLINE_S:
            wrong.append(f"P6 {where}: {late_s:.1f} s on a channel that was well")
    return wrong

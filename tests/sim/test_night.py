"""P1, P3, P4, P5, P6, P8, P9, P10, P18 on virtual time: the shipped hub, every fault of the outside world, one seed.

The long form: `python -m tests.sim --seed 1 --minutes 15 --nights 60`.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hub.main.night.faults import Kind
from hub.main.night.night import Night, Played
from hub.main.night.trace import Trace
from tests.sim.bugs import BUGS, Bug
from tests.sim.shrink import again, shrink
from tests.sources import ROOT

LONG = os.environ.get("LINLI_TEST_LONG") == "1"
SEEDS = range(1, 21 if LONG else 2)
MINUTES = 15.0 if LONG else 1.5
BUG_MINUTES, BUG_OFTEN, BUG_SEEDS = 2.0, 4.0, 5
# The two that take the most nights to be caught have all the time of the long run.
QUICK = [bug for bug in BUGS if LONG or not bug.name.startswith(("calls for help", "folds repeats"))]
REPLAY = """
from hub import garbage
garbage.spare_start()
from hub.main.night.faults import Kind
from hub.main.night.night import Night
print(Night("again", 0.5, tuple(Kind)).play().trace.hash)
"""


def told(played: Played) -> str:
    return "\n".join((f"seed {played.seed}: {again(played)}", *played.wrong[:20]))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_night_of_faults_keeps_every_promise(seed: int) -> None:
    played = Night(str(seed), MINUTES).play()
    print(f"seed {seed}: {played.speed:.0f} x life, {played.counts}, {', '.join(played.kinds)}")
    assert not played.wrong, told(played)
    assert played.kinds, "a night without a fault proves little"
    assert played.counts["records"] > 60 * MINUTES
    assert played.counts["messages"] > 10


def test_a_night_of_everything_at_once_keeps_every_promise() -> None:
    played = Night("5", 15.0 if LONG else 3.0, tuple(Kind), often=2.0).play()
    print(f"{played.speed:.0f} x life, {played.counts}")
    assert not played.wrong, told(played)
    assert set(played.kinds) == set(Kind)
    assert played.counts["hub lives"] > 4
    assert played.counts["commits refused"] > 0


def test_entries_that_overtake_each_other_on_two_lines_leave_no_gap() -> None:
    played = Night("1", BUG_MINUTES, (Kind.REORDER,), often=BUG_OFTEN).play()
    assert not played.wrong, told(played)
    assert any("second lane" in line.what for line in played.trace.lines)


def test_a_quiet_night_is_quiet() -> None:
    played = Night("quiet", 1.0, ()).play()
    assert not played.wrong, told(played)
    assert played.counts["hub lives"] == 1
    assert played.counts["commits refused"] == 0


def test_the_same_seed_is_the_same_night_in_another_process() -> None:
    here = Night("again", 0.5, tuple(Kind)).play()
    other = subprocess.run(
        [sys.executable, "-c", REPLAY],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == here.trace.hash
    assert Night("another", 0.1, ()).play().trace.hash != here.trace.hash


@pytest.mark.parametrize("bug", QUICK, ids=[bug.name.replace(" ", "-") for bug in QUICK])
def test_a_planted_bug_is_caught_within_five_seeds(bug: Bug) -> None:
    caught = None
    for seed in range(1, BUG_SEEDS + 1):
        played = Night(str(seed), BUG_MINUTES, bug.kinds, plant=bug.plant, often=BUG_OFTEN).play()
        caught = next((sentence for sentence in played.wrong if sentence.startswith(bug.shows_as)), None)
        if caught is not None:
            print(f"{bug.name}: seed {seed}, {played.cpu_s:.1f} s: {caught}")
            break
    assert caught is not None, f"{bug.name} went unseen through {BUG_SEEDS} nights"


def test_a_failing_night_is_made_small() -> None:
    seen = []

    def play(minutes: float, kinds: object) -> Played:
        # Fails as long as it has a minute and the crash; what it takes is not what is tested here.
        assert isinstance(kinds, tuple)
        seen.append((minutes, kinds))
        fails = minutes >= 1.0 and Kind.HUB_CRASH in kinds
        return _made(minutes, kinds, ("P1 lost",) if fails else ())

    small = shrink(_made(8.0, (Kind.CUT, Kind.HUB_CRASH, Kind.CLOCK), ("P1 lost",)), play)
    assert (small.minutes, small.kinds) == (1.0, (Kind.HUB_CRASH,))
    assert again(small) == "python -m tests.sim --seed s --minutes 1 --faults hub-crash"
    assert len(seen) <= 8


def _made(minutes: float, kinds: tuple[Kind, ...], wrong: tuple[str, ...]) -> Played:
    return Played("s", minutes, kinds, (), Trace(lambda: 0.0), wrong, {}, minutes * 60, 1.0)

"""P2: what was acknowledged survives a power cut at any moment, after a kill and after a failed fsync as well."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.disk import FAILING
from tests.power.disk import LostSync, Said, Step, Sync, Write, broken_sync, never
from tests.power.machine import Machine, power, scratch, stored
from tests.power.rebuild import Cut, cuts

CUTS = 300
BATCHES, BATCH = 60, 10
LOG, STORE = "linli.db-wal", "linli.db"


@pytest.fixture
def rebuilt(tmp_path: Path) -> Iterator[Path]:
    folder = scratch(tmp_path)
    yield folder
    shutil.rmtree(folder)


def lost(machine: Machine, rebuilt: Path, points: list[int], seed: int) -> tuple[list[Cut], list[str]]:
    """All cuts, and what was acknowledged and is not there after one of them."""
    made, missing = [], []
    for cut in cuts(machine.start, machine.disk.trace, points, random.Random(seed)):
        cut.put(rebuilt)
        missing += [f"step {cut.at}: {each}" for each in cut.said - stored(rebuilt)]
        made.append(cut)
    return made, missing


def test_no_power_cut_takes_what_was_acknowledged(tmp_path: Path, rebuilt: Path) -> None:
    machine = power(tmp_path / "disk")
    with machine.store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal", "another journal proves nothing"
    for batch in range(BATCHES):
        machine.send(*range(batch * BATCH, (batch + 1) * BATCH))
    trace = list(machine.disk.trace)
    machine.off()
    machine.disk.trace = trace  # what a clean stop does is not under test
    dice = random.Random(20)
    made, missing = lost(machine, rebuilt, [dice.randrange(len(trace) + 1) for _ in range(CUTS)], 21)
    in_doubt = sum(cut.unsynced > 0 for cut in made)
    acknowledged = sum(isinstance(step, Said) for step in trace)
    checkpoints = sum(step == Sync(STORE) for step in trace)
    print(f"{len(made)} cuts, {in_doubt} with writes in doubt, {acknowledged} acknowledged, {checkpoints} check-points")
    assert len(made) == CUTS
    assert in_doubt > CUTS // 2
    assert acknowledged == BATCHES * BATCH
    assert checkpoints >= 5
    assert missing == []


class BrokenSync:
    """A disk whose n-th sync of a batch fails. With `then_nothing`, the process gets no further than that."""

    def __init__(self, machine: Machine, nth: int, *, then_nothing: bool) -> None:
        self._left, self._then_nothing, self._frames, self._over = nth, then_nothing, False, False
        machine.disk.refuses = self

    def __call__(self, step: Step) -> Exception | None:
        if self._over and self._then_nothing:
            return broken_sync()
        self._frames |= isinstance(step, Write) and step.file == LOG and step.offset > 0
        if step != Sync(LOG) or not self._frames:  # the first sync of a new log is only of its head
            return None
        self._frames = False
        self._left -= 1
        self._over = self._left <= 0
        return broken_sync() if self._over else None


def all_cuts_after(trace: list[Step], first: int) -> list[int]:
    return list(range(first, len(trace) + 1))


@pytest.mark.parametrize("kernel", ["still has the pages", "has given the pages up"])
@pytest.mark.parametrize("nth", [1, 2, 5])
def test_a_repetition_is_not_believed_before_it_is_on_the_disk(
    kernel: str, nth: int, tmp_path: Path, rebuilt: Path
) -> None:
    """Killed between writing and syncing (or the sync fails), started again, the device repeats, then the power goes:
    the kernel had shown frames to the new process that were nowhere else."""
    machine = power(tmp_path / "disk")
    BrokenSync(machine, nth, then_nothing=True)
    for batch in range(nth):
        numbers = range(batch * BATCH, (batch + 1) * BATCH)
        (machine.send if batch < nth - 1 else machine.send_into_trouble)(*numbers)
    trace = machine.disk.trace
    del trace[next(at for at, step in enumerate(trace) if isinstance(step, LostSync)) + 1 :]
    if kernel == "still has the pages":
        trace.pop()
    machine.kill()
    restarted = len(trace)
    machine.boot()
    machine.send(*range((nth - 1) * BATCH, nth * BATCH))
    assert machine.ingest.meter.duplicate == BATCH, "the new process was to see the frames of the old one"
    trace = list(trace)
    machine.off()
    machine.disk.trace = trace
    made, missing = lost(machine, rebuilt, all_cuts_after(trace, restarted) * 3, nth)
    assert max(len(cut.said) for cut in made) == nth * BATCH
    assert missing == []


@pytest.mark.parametrize("nth", [1, 4])
def test_a_failed_sync_is_not_made_good_by_the_next_one(nth: int, tmp_path: Path, rebuilt: Path) -> None:
    """The hub stays up: what it tries again is written again, not only synced again."""
    machine = power(tmp_path / "disk")
    BrokenSync(machine, nth, then_nothing=False)
    for batch in range(nth - 1):
        machine.send(*range(batch * BATCH, (batch + 1) * BATCH))

    def mend() -> None:
        machine.disk.refuses = never

    assert machine.send_until_trouble(mend, *range((nth - 1) * BATCH, nth * BATCH)) == FAILING
    machine.send(*range(nth * BATCH, (nth + 1) * BATCH))
    trace = list(machine.disk.trace)
    machine.off()
    machine.disk.trace = trace
    failed = next(number for number, step in enumerate(trace) if isinstance(step, LostSync))
    made, missing = lost(machine, rebuilt, all_cuts_after(trace, failed) * 2, nth)
    assert max(len(cut.said) for cut in made) == (nth + 1) * BATCH
    assert missing == []

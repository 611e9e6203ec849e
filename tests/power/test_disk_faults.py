"""P14: a disk that is full or fails costs time, never a reading: nothing is acknowledged meanwhile, the hub stays up,
the operator is told why, and it goes on by itself when the disk does.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from hub import disk as below
from hub import registry
from hub.db import Tx
from hub.reserve import Reserve
from tests.power.disk import Disk, Said, Step, Sync, Truncate, Write, broken_sync, broken_write, full, never
from tests.power.machine import Machine, power, stored

MIB = 1024 * 1024
FAULTS: dict[str, tuple[str, type[Step], Callable[[], Exception]]] = {
    "full": (below.FULL, Write, full),
    "write": (below.FAILING, Write, broken_write),
    "sync": (below.FAILING, Sync, broken_sync),
}


@pytest.mark.parametrize("nth", [1, 3, 9])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_disk_that_refuses_costs_time_and_no_reading(fault: str, nth: int, tmp_path: Path) -> None:
    sentence, kind, error = FAULTS[fault]
    machine = Machine(tmp_path)
    machine.send(*range(10))
    seen, refused_at = 0, 0

    def refuses(step: Step) -> Exception | None:
        nonlocal seen, refused_at
        seen += isinstance(step, kind)
        if not isinstance(step, kind) or seen < nth:
            return None
        refused_at = refused_at or len(machine.disk.trace)
        return error()

    def mend() -> None:
        meanwhile = machine.disk.trace[refused_at:]
        assert not [step for step in meanwhile if isinstance(step, Said)], "acknowledged while the disk refused"
        machine.disk.refuses = never

    machine.disk.refuses = refuses
    batch, why = 0, ""
    while not why:
        batch += 1
        why = machine.send_until_trouble(mend, *range(batch * 10, batch * 10 + 10))
    assert why == sentence
    assert machine.ingest.trouble is None
    said = {step.what for step in machine.disk.trace if isinstance(step, Said)}
    assert len(said) == (batch + 1) * 10 == machine.ingest.meter.stored
    machine.off()
    assert stored(tmp_path) == said


def test_faults_at_random_lose_and_double_nothing(tmp_path: Path) -> None:
    """One write in a hundred fails, one in a hundred finds the disk full, one sync in ten fails."""
    machine, dice, met = Machine(tmp_path), random.Random(7), dict[str, int]()

    def flaky(step: Step) -> Exception | None:
        for name, (_, kind, error) in FAULTS.items():
            if isinstance(step, kind) and dice.random() < (0.1 if kind is Sync else 0.01):
                met[name] = met.get(name, 0) + 1
                return error()
        return None

    machine.disk.refuses = flaky
    for batch in range(40):
        machine.send_until_trouble(lambda: None, *range(batch * 5, batch * 5 + 5))
    machine.disk.refuses = never
    print(met)
    assert set(met) == set(FAULTS), "every kind of fault was to be met"
    said = {step.what for step in machine.disk.trace if isinstance(step, Said)}
    meter = machine.ingest.meter
    # A commit that reports an error may have happened; its repetition is then a duplicate.
    assert len(said) == 200 == meter.stored + meter.duplicate
    assert machine.ingest.meter.balanced()
    machine.off()
    assert stored(tmp_path) == said


class Room:
    """A disk of so many bytes, of which a reserve file takes its part."""

    def __init__(self, disk: Disk, reserve: Path, left: int) -> None:
        self._reserve, self.left = reserve, left
        self._sizes: dict[str, int] = {path.name: path.stat().st_size for path in disk.folder.iterdir()}

    def __call__(self, step: Step) -> Exception | None:
        if isinstance(step, Truncate):
            self._sizes[step.file] = min(self._sizes.get(step.file, 0), step.size)
        if isinstance(step, Write):
            size = self._sizes.get(step.file, 0)
            grown = max(size, step.offset + len(step.data))
            held = self._reserve.stat().st_size if self._reserve.exists() else 0
            if grown > size and sum(self._sizes.values()) - size + grown + held > self.left:
                return full()
            self._sizes[step.file] = grown
        return None


def test_a_full_disk_lets_through_what_cannot_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reserve is given up once; readings wait, an emergency is written into its room; then it is taken again."""
    machine = power(tmp_path / "disk")
    reserve = Reserve(tmp_path, MIB, machine.clock)
    machine.store.reserve = reserve
    free = 10 * MIB
    monkeypatch.setattr("hub.reserve.free_bytes", lambda _folder: free)
    assert reserve.held()
    taken = sum(path.stat().st_size for path in (tmp_path / "disk").iterdir())
    machine.disk.refuses = Room(machine.disk, reserve.path, taken + MIB + 400_000)
    free = 0

    def urgent(tx: Tx) -> None:
        registry.found_hut(tx, f"hut-{tx.new_id()[-6:]}", "420802002001", "应急", "Emergency")

    def emergency_goes_and_space_is_made() -> None:
        nonlocal free
        assert not reserve.path.exists()
        for _ in range(3):
            machine.clock.advance(5)
            machine.store.write_now(urgent)
        machine.disk.refuses = never
        free = 10 * MIB

    said, batch = "", 0
    while not said:
        batch += 1
        said = machine.send_until_trouble(emergency_goes_and_space_is_made, *range(batch * 20, batch * 20 + 20))
        assert batch < 100, "the disk was to fill up"
    assert said == below.FULL
    assert reserve.path.stat().st_size == MIB
    acknowledged = {step.what for step in machine.disk.trace if isinstance(step, Said)}
    assert len(acknowledged) == batch * 20
    machine.off()
    assert stored(tmp_path / "disk") == acknowledged


def test_without_a_reading_in_the_way_the_first_urgent_write_takes_the_reserve(tmp_path: Path) -> None:
    machine = power(tmp_path / "disk")
    reserve = Reserve(tmp_path, MIB, machine.clock)
    machine.store.reserve = reserve
    assert reserve.held()
    machine.disk.refuses = lambda step: full() if isinstance(step, Write) and reserve.path.exists() else None
    machine.store.write_now(lambda tx: registry.found_hut(tx, "urgent", "420802002001", "应急", "Emergency"))
    assert not reserve.path.exists()
    machine.disk.refuses = lambda step: full() if isinstance(step, Write) else None
    with pytest.raises(OperationalError, match="no space"):
        machine.store.write_now(lambda tx: registry.found_hut(tx, "more", "420802002001", "更多", "More"))
    machine.disk.refuses = never
    machine.off()


def test_readings_leave_the_reserve_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given up once, it is room for notices: a reading is not even tried before the reserve could be taken again."""
    machine = power(tmp_path / "disk")
    free = 10 * MIB
    monkeypatch.setattr("hub.reserve.free_bytes", lambda _folder: free)
    machine.store.reserve = Reserve(tmp_path, MIB, machine.clock)
    assert machine.store.reserve.held()
    assert machine.store.reserve.give_up()
    free = MIB
    writes = len(machine.disk.trace)

    def space_is_made() -> None:
        nonlocal free
        assert len(machine.disk.trace) == writes
        free = 10 * MIB

    assert machine.send_until_trouble(space_is_made, 1, 2, 3) == below.FULL
    assert machine.ingest.meter.stored == 3
    machine.off()

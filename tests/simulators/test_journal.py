"""The gateway's outbox keeps what it promised, whenever the power goes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from devices.pack import Record
from simulators import journal as journal_module
from simulators.journal import Journal, JournalBroken, OutboxFull

RECORD = Record("sig.2a35", bytes.fromhex("008a005800ff07"), datetime(2026, 11, 22, 1, 0, tzinfo=UTC), "41")


def _boots() -> Callable[[], str]:
    number = count(1)
    return lambda: f"b{next(number)}"


def test_an_entry_keeps_its_boot_and_number_over_restarts(tmp_path: Path) -> None:
    boots = _boots()
    first = Journal.open(tmp_path / "outbox", boots)
    entry = first.append("bp-1", [RECORD])
    first.close()
    again = Journal.open(tmp_path / "outbox", boots)
    assert (again.boot, again.pending()) == ("b1", [entry])
    assert again.append("bp-1", [RECORD]).seq == 2
    again.close()


def test_a_new_journal_has_a_new_name(tmp_path: Path) -> None:
    boots = _boots()
    one, two = Journal.open(tmp_path / "a", boots), Journal.open(tmp_path / "b", boots)
    assert one.boot != two.boot
    one.close()
    two.close()


def test_only_a_receipt_for_this_journal_trims(tmp_path: Path) -> None:
    outbox = Journal.open(tmp_path / "outbox", _boots())
    for _ in range(5):
        outbox.append("bp-1", [RECORD])
    outbox.settle("another", 5)
    outbox.settle("b1", 99)
    assert [entry.seq for entry in outbox.pending()] == [1, 2, 3, 4, 5]
    outbox.settle("b1", 3)
    outbox.settle("b1", 2)
    assert [entry.seq for entry in outbox.pending()] == [4, 5]
    assert [entry.seq for entry in outbox.pending(after=4)] == [5]
    outbox.close()


def test_a_kill_while_writing_tears_only_what_nobody_was_promised(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    outbox = Journal.open(path, _boots())
    kept = outbox.append("bp-1", [RECORD])
    before = path.stat().st_size
    outbox.append("bp-1", [RECORD])
    outbox.close()
    whole = path.read_bytes()
    for size in range(before, len(whole)):
        path.write_bytes(whole[:size])
        again = Journal.open(path, _boots())
        assert again.pending() == [kept]
        more = again.append("spo2-1", [RECORD])
        again.close()
        last = Journal.open(path, _boots())
        assert last.pending() == [kept, more]
        last.close()


def test_several_entries_under_one_sync_are_numbered_in_order_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    outbox = Journal.open(path, _boots())
    first = outbox.append("bp-1", [RECORD])
    rest = outbox.extend("bp-2", [[RECORD], [RECORD, RECORD]])
    assert [entry.seq for entry in (first, *rest)] == [1, 2, 3]
    outbox.close()
    again = Journal.open(path, _boots())
    assert again.pending() == [first, *rest]
    assert again.append("bp-1", [RECORD]).seq == 4
    again.close()


def test_a_long_outbox_is_not_written_anew_at_every_receipt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "COMPACT_AFTER_BYTES", 0)
    outbox = Journal.open(tmp_path / "outbox", _boots())
    outbox.extend("bp-1", [[RECORD]] * 64)
    written: list[int] = []
    rewrite = outbox._rewrite
    monkeypatch.setattr(outbox, "_rewrite", lambda: (written.append(len(outbox.pending())), rewrite()))
    for seq in range(1, 65):
        outbox.settle("b1", seq)
    assert written == [32, 16, 8, 4, 2, 1, 0]
    outbox.close()


def test_damage_before_the_last_line_is_said_and_nothing_is_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    outbox = Journal.open(path, _boots())
    outbox.append("bp-1", [RECORD])
    outbox.append("bp-1", [RECORD])
    outbox.close()
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(b"sig.2a35")] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(JournalBroken, match="line 2 of 3"):
        Journal.open(path, _boots())
    assert path.read_bytes() == damaged


def test_a_full_outbox_says_so_and_keeps_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "ENTRIES_MAX", 3)
    outbox = Journal.open(tmp_path / "outbox", _boots())
    for _ in range(3):
        outbox.append("bp-1", [RECORD])
    with pytest.raises(OutboxFull):
        outbox.append("bp-1", [RECORD])
    assert len(outbox.pending()) == 3
    outbox.close()


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from(["bp-1", "spo2-1"])),
        st.tuples(st.just("settle"), st.integers(0, 30)),
        st.tuples(st.just("kill"), st.binary(max_size=40)),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(_STEPS, st.sampled_from([200, 1_000_000]))
@example([("kill", b"\r\x00")], 200)  # a torn tail with a carriage return in it was taken for two lines
def test_the_outbox_is_a_queue_that_survives_any_kill(steps: list[tuple[str, object]], compact_after: int) -> None:
    """Against a model: a list and a number. A kill leaves torn bytes behind, and may forget the latest receipt only
    where that was never promised to survive."""
    boots = _boots()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_module, "COMPACT_AFTER_BYTES", compact_after)
        path = Path(folder) / "outbox"
        outbox = Journal.open(path, boots)
        waiting: list[tuple[int, str]] = []
        next_seq, settled = 1, 0
        for step, what in steps:
            if step == "append":
                assert outbox.append(str(what), [RECORD]).seq == next_seq
                waiting.append((next_seq, str(what)))
                next_seq += 1
            elif step == "settle":
                seq = int(str(what))
                outbox.settle("b1", seq)
                if settled < seq < next_seq:
                    settled = seq
                    waiting = [each for each in waiting if each[0] > seq]
            elif isinstance(what, bytes):
                outbox.close()
                with path.open("ab") as file:
                    file.write(what.replace(b"\n", b""))
                outbox = Journal.open(path, boots)
            assert outbox.boot == "b1"
            assert [(entry.seq, entry.device) for entry in outbox.pending()] == waiting
        outbox.close()

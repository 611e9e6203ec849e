"""Events: listeners act in the same transaction, observers hear only what was committed, causes form a chain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from hub.bus import Bus
from hub.db import Tx
from hub.events import AlertRaised, Event, NoticeReleased
from tests.world import make_store


def test_what_a_listener_emits_is_caused_by_what_it_heard(tmp_path: Path) -> None:
    bus = Bus()
    heard: list[tuple[Sequence[Event], frozenset[tuple[str, str]]]] = []

    def on_alert(tx: Tx, event: AlertRaised) -> None:
        tx.emit(NoticeReleased, notice="n-1", revision=1, priority="urgent", areas=())
        tx.touch("notices.home", "a")

    bus.on(AlertRaised, on_alert)
    bus.observe(lambda events, touched: heard.append((events, touched)))
    store = make_store(tmp_path, bus=bus)
    store.write_now(
        lambda tx: tx.emit(
            AlertRaised, cause="frame-1", alert="a-1", rule="bp", level="urgent", hut=None, area="x", reading="r-1"
        )
    )
    (events, touched) = heard[-1]
    assert [type(event).__name__ for event in events] == ["AlertRaised", "NoticeReleased"]
    assert events[0].cause == "frame-1"
    assert events[1].cause == events[0].id
    assert touched == {("notices.home", "a")}


def test_nobody_hears_of_a_transaction_that_failed(tmp_path: Path) -> None:
    bus = Bus()
    heard: list[object] = []
    bus.observe(lambda events, touched: heard.append(events))
    store = make_store(tmp_path, bus=bus)

    def half(tx: Tx) -> None:
        tx.emit(NoticeReleased, notice="n-1", revision=1, priority="routine", areas=())
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        store.write_now(half)
    assert heard == []


def test_one_deaf_observer_does_not_silence_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bus = Bus()
    heard: list[object] = []

    def deaf(_events: Sequence[Event], _touched: frozenset[tuple[str, str]]) -> None:
        raise ValueError("broken screen")

    bus.observe(deaf)
    bus.observe(lambda events, touched: heard.append(events))
    store = make_store(tmp_path, bus=bus)
    store.write_now(lambda tx: tx.emit(NoticeReleased, notice="n", revision=1, priority="routine", areas=()))
    assert len(heard) == 1
    assert "an observer failed" in caplog.text

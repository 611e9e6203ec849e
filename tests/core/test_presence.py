"""Presence: one pure decision, and what gateways say of themselves."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from devices import topics
from hub import presence, registry
from hub.arrival import Note
from hub.db import Store, Tx
from hub.presence import Heard, Line, device_state
from tests.world import LIUHE, START, make_store, people

DAY = 86_400


@pytest.mark.parametrize(
    ("gateway", "heard", "state"),
    [
        ("online", None, "never-seen"),
        ("never-seen", None, "never-seen"),
        ("online", Heard(START), "online"),
        ("online", Heard(START - timedelta(seconds=DAY + 1)), "quiet"),
        ("online", Heard(START, failed_in_a_row=3), "faulty"),
        ("online", Heard(START, failed_in_a_row=2), "online"),
        ("online", Heard(START, clock_offset_s=121), "clock-wrong"),
        ("online", Heard(START, clock_offset_s=-960), "clock-wrong"),
        ("online", Heard(START, clock_offset_s=120), "online"),
        ("online", Heard(START, gone=True), "offline"),
        ("offline", Heard(START), "offline"),
        ("asleep", Heard(START), "asleep"),
        ("never-seen", Heard(START), "offline"),
    ],
)
def test_dead_is_told_from_quiet(gateway: str, heard: Heard | None, state: str) -> None:
    line = Line(gateway, START, START) if gateway != "never-seen" else Line()
    assert device_state(line, heard, DAY, START) == state
    assert state in presence.STATES


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = make_store(tmp_path)

    def furnish(tx: Tx) -> None:
        people(tx)
        registry.found_hut(tx, "lh-hut-1", LIUHE, "小屋", "Hut")
        registry.add_gateway(tx, "lh-hut-1", LIUHE, "lh-hut-1")
        registry.add_device(tx, "bp-1", "lh-hut-1", "generic.sig.2a35")

    store.write_now(furnish)
    return store


def say(store: Store, topic: topics.Birth | topics.State | topics.TwinReported, connection: str, **body: str) -> str:
    note = Note(topic, json.dumps(body).encode(), START, connection)
    store.write_now(lambda tx: presence.note(tx, note))
    row = store.read_now(lambda read: presence.gateways(read).get("lh-hut-1"))
    return row.state if row else "never-seen"


BIRTH, STATE = topics.Birth(LIUHE, "lh-hut-1"), topics.State(LIUHE, "lh-hut-1")


def test_birth_brings_a_gateway_online_and_its_will_takes_it_down(store: Store) -> None:
    assert say(store, BIRTH, "c1", boot="b1") == "online"
    assert say(store, STATE, "c1", s="offline") == "offline"


def test_the_late_will_of_an_old_connection_does_not_kill_the_new_one(store: Store) -> None:
    say(store, BIRTH, "c1", boot="b1")
    say(store, BIRTH, "c2", boot="b1")
    assert say(store, STATE, "c1", s="offline") == "online"
    assert say(store, STATE, "c2", s="offline") == "offline"


def test_nonsense_about_oneself_changes_nothing(store: Store) -> None:
    say(store, BIRTH, "c1", boot="b1")
    for body in ({"s": "exploded"}, {}):
        assert say(store, STATE, "c1", **body) == "online"
    store.write_now(lambda tx: presence.note(tx, Note(STATE, b"\xff[", START, "c1")))
    assert say(store, STATE, "c1", s="online") == "online"


def test_a_gateway_speaks_for_its_own_devices_only(store: Store) -> None:
    say(store, topics.TwinReported(LIUHE, "lh-hut-1", "bp-1"), "c1", s="offline")
    assert store.read_now(lambda read: presence.heard(read)["bp-1"].gone)
    say(store, topics.TwinReported(LIUHE, "other-gw", "bp-1"), "c1", s="online")
    assert store.read_now(lambda read: presence.heard(read)["bp-1"].gone)

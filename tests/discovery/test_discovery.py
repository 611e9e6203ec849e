"""Home Assistant hears of rooms and kiosks, and of persons nothing: over every topic and payload that is published."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from devices.base import Value
from devices.codes import CODES, KINDS
from hub import registry
from hub.civic.discovery import publishing
from hub.civic.discovery.publishing import Said, everything
from hub.db import Tx
from tests.health.hutrig import HUT, LIUHE, WANG, Hut, run_apart, services_of

ROOM = {"air_temp", "humidity", "air_pressure", "co2", "light"}  # all that may ever be told of a room
PEOPLE = re.compile("王|林|桂兰|r-wang|r-lin|h-wang|LH-0000|10012345")


@pytest.fixture(scope="module")
def hut(tmp_path_factory: pytest.TempPathFactory) -> Hut:
    made = Hut(Path(tmp_path_factory.mktemp("discovery")))

    def furnish(tx: Tx) -> None:
        registry.add_device(tx, "room-1", HUT, "xiaomi-lywsd03mmc", "室内温湿度", "Room")
        registry.add_device(tx, "printer-1", HUT, None, "打印机", "Printer", kind="printer", upkeep="out_of_paper")

    made.act(furnish)
    return made


class Door:
    """What the front door is told to publish."""

    def __init__(self) -> None:
        self.told: list[tuple[str, bytes, bool]] = []

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        assert qos == 1
        self.told.append((topic, payload, retain))

    async def cut(self, account: str) -> None:
        raise AssertionError(account)


def room_says(hut: Hut, device: str, kind: str, values: list[Value], person: str | None = None) -> None:
    ident = hut.enter(kind, values, person=person)

    def move(tx: Tx) -> None:
        row = tx.session.get(publishing.Reading, ident)
        assert row is not None
        row.device = device
        row.t_received_ms += hut.number  # each is newer than the one before
        tx.session.add(row)

    hut.act(move)


def test_a_room_and_its_hut_are_found_with_unit_class_and_availability(hut: Hut) -> None:
    room_says(hut, "room-1", "env", [Value("air_temp", Decimal("21.50"), "Cel"), Value("humidity", Decimal(48), "%")])
    told = hut.store.read_now(everything)
    room = json.loads(told["homeassistant/device/linli-room-1/config"])
    assert room["cmps"]["air_temp"]["unit_of_measurement"] == "°C"
    assert room["availability_topic"] == "linli/1/hub/state"
    assert json.loads(told[room["state_topic"]]) == {"air_temp": "21.50", "humidity": "48"}
    kiosk = json.loads(told[f"homeassistant/linli/linli-hut-{HUT}/state"])
    assert kiosk == {"line": "OFF", "paper": "ON", "upkeep": "ON", "waiting": 1}
    for part in room["cmps"].values():
        assert part["unique_id"].startswith("linli-room-1")


NUMBERS = st.decimals(1, 300, places=2)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.sampled_from(sorted(KINDS)),
    st.dictionaries(st.sampled_from(sorted(CODES)), NUMBERS, min_size=1, max_size=4),
    st.sampled_from([None, "r-wang"]),
    st.sampled_from(["bp-1", "room-1"]),
)
@example("env", {"pulse": Decimal(72), "air_temp": Decimal(21)}, None, "room-1")
def test_of_persons_nothing_is_published_whatever_was_measured(
    hut: Hut, kind: str, said: dict[str, Decimal], person: str | None, device: str
) -> None:
    room_says(hut, device, kind, [Value(code, number, CODES[code].unit) for code, number in said.items()], person)
    for topic, payload in hut.store.read_now(everything).items():
        text = payload.decode()
        assert not PEOPLE.search(topic + text)
        if not topic.startswith("homeassistant/linli/linli-hut-") and topic.endswith("/state"):
            assert set(json.loads(text)) <= ROOM
        for code in json.loads(text).get("cmps", ()):
            assert code in ROOM or code in ("line", "upkeep", "paper", "waiting")


def test_a_visit_and_an_urgent_value_change_nothing_that_is_published(hut: Hut) -> None:
    before = hut.store.read_now(everything)
    hut.visit(WANG)
    hut.measure(values={"sys": "186", "dia": "112", "map": "137", "pulse": "80"})
    assert hut.store.read_now(everything) == before
    assert "186" not in str(before)


def test_only_news_is_published_and_what_is_gone_is_taken_back(hut: Hut) -> None:
    door, said = Door(), Said()
    services: Any = replace(services_of(hut), door=door)
    room_says(hut, "room-1", "env", [Value("co2", Decimal(700), "[ppm]")])
    assert run_apart(publishing.publish(services, said)) == len(door.told) >= 4
    assert all(retain for _topic, _payload, retain in door.told)
    assert run_apart(publishing.publish(services, said)) == 0

    def retire(tx: Tx) -> None:
        row = tx.session.get(registry.Device, "room-1")
        assert row is not None
        row.state = "retired"
        tx.session.add(row)

    hut.act(retire)
    before = len(door.told)
    assert run_apart(publishing.publish(services, said)) == 2
    assert {payload for _topic, payload, _retain in door.told[before:]} == {b""}
    assert all(LIUHE not in topic for topic, _payload, _retain in door.told)

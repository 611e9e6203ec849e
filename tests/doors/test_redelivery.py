"""A frame with nothing of its own to tell it by (a thermometer without a clock): said again, it is one reading; a new
one of equal content is another. The promise is the door's, so each door keeps it in its own way.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from devices import topics
from hub.broker import packets as p
from hub.broker.properties import Properties
from hub.mqtt import PahoDoor
from tests.broker.rig import Client
from tests.conftest import needs
from tests.doors.town import EMBEDDED, MOSQUITTO, PLAN, Town, town

pytestmark = pytest.mark.anyio
TOPIC = topics.up(PLAN.area, PLAN.gateway, "lh1-temp-1", "sig.2a1c")
WARM = bytes.fromhex("00" + "6d0100ff")  # 36.5 Cel, no time
KEPT = Properties(session_expiry_s=3600)
VERSION = pytest.mark.parametrize("version", [4, 5])


async def line(it: Town, version: int) -> Client:
    properties = {"properties": KEPT} if version == 5 else {}
    return await it.client(PLAN.gateway, version, clean=False, **properties)


@VERSION
async def test_a_frame_said_again_after_a_lost_puback_is_one_reading(version: int, tmp_path: Path) -> None:
    async with town(EMBEDDED, tmp_path) as it:
        first = await line(it, version)
        await first.send(p.Publish(TOPIC, WARM, 1, packet_id=7))
        await it.until(lambda: it.ingest.meter.stored == 1)
        await first.vanish()  # without having read its PUBACK
        second = await line(it, version)
        assert await second.publish(TOPIC, WARM, 7, dup=True) == p.Puback(7)
        assert len(it.readings()) == 1
        assert it.ingest.meter.duplicate == 1
        # The same identifier and the same temperature, but not said to be a repetition: the next neighbour's.
        assert await second.publish(TOPIC, WARM, 7) == p.Puback(7)
        assert len(it.readings()) == 2
        assert all(row.weak_key for row in it.readings())


@VERSION
async def test_a_frame_said_again_while_the_store_refuses_is_one_reading(version: int, tmp_path: Path) -> None:
    async with town(EMBEDDED, tmp_path) as it:
        with it.refusing_store():
            first = await line(it, version)
            await first.send(p.Publish(TOPIC, WARM, 1, packet_id=7))
            await it.until(lambda: it.ingest.trouble is not None)
            await first.vanish()
            second = await line(it, version)
            await second.send(p.Publish(TOPIC, WARM, 1, packet_id=7, dup=True))
            await it.until(lambda: it.ingest.waiting == 1)
        assert await second.next() == p.Puback(7)
        assert len(it.readings()) == 1


@needs("mosquitto")
@VERSION
async def test_what_an_operators_broker_delivers_again_is_one_reading(version: int, tmp_path: Path) -> None:
    async with town(MOSQUITTO, tmp_path) as it:
        hut = await line(it, version)
        door = it.hub.door
        assert isinstance(door, PahoDoor)
        with it.refusing_store():
            await hut.publish(TOPIC, WARM, 7)
            await it.until(lambda: it.ingest.trouble is not None)
            door._line._socket.shutdown(2)
            await it.until(lambda: door.counters.lost == 1 and door.connected)
            await it.until(lambda: it.ingest.waiting == 1)
        await it.until(lambda: it.ingest.meter.duplicate == 1)
        await hut.publish(TOPIC, WARM, 7)
        await it.until(lambda: it.ingest.meter.stored == 2)
        assert len(it.readings()) == 2

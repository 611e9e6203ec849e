"""A hub whose disk refuses while its gateways go on: the published order, with the real queue and the real store."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from devices import topics
from hub.broker import Broker
from hub.broker import packets as p
from hub.broker.credits import Stage
from hub.settings import Settings
from tests.broker.rig import Client
from tests.doors import town as streets
from tests.doors.town import CUFF, EMBEDDED, OTHER, PLAN, town

pytestmark = pytest.mark.anyio
QUEUE, FLOOD, LINES, EACH = 2_000, 2_000, 4, 200


async def acknowledged(client: Client, count: int) -> list[int]:
    found = []
    for _ in range(count):
        packet = await client.next()
        assert isinstance(packet, p.Puback), packet
        found.append(packet.packet_id)
    return found


async def test_readings_of_qos_0_go_first_and_none_of_qos_1_goes_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def small(data: Path, port: int = 0, url: str = "") -> Settings:
        return replace(usual(data, port, url), ingest_queue_frames_max=QUEUE, ingest_batch_frames_max=500)

    usual = streets.settings
    monkeypatch.setattr(streets, "settings", small)
    async with town(EMBEDDED, tmp_path) as it:
        broker, meter = it.hub.door, it.ingest.meter
        assert isinstance(broker, Broker)
        lossy = await it.client(PLAN.gateway)
        strict = [await it.client(OTHER.gateway, client_id=f"line-{number}") for number in range(LINES)]
        device = OTHER.devices[0].id
        with it.refusing_store():
            for start in range(0, FLOOD, 100):
                topic = topics.up(PLAN.area, PLAN.gateway, CUFF, "sig.2a35")
                await lossy.send(*(p.Publish(topic, b"%d" % number) for number in range(start, start + 100)))
            await lossy.send(p.Pingreq())
            assert await lossy.next() == p.Pingresp()
            shed = broker.counters.shed_rate
            assert broker.credits.stage is Stage.SHED
            assert shed > 100
            assert meter.refused == {"rate": shed}
            for number, client in enumerate(strict):
                topic = topics.up(OTHER.area, OTHER.gateway, device, "sig.2a35")
                said = (p.Publish(topic, b"%d %d" % (number, n), 1, packet_id=n) for n in range(1, EACH + 1))
                await client.send(*said)
            await it.until(lambda: broker.credits.waiting)
            assert broker.credits.stage is Stage.CUT
            assert broker.counters.paused_messages > 0
            assert broker.counters.shed_rate == shed
        answers = await asyncio.gather(*(acknowledged(client, EACH) for client in strict))
        assert answers == [list(range(1, EACH + 1))] * LINES
        await it.until(lambda: it.ingest.waiting == 0)
        assert broker.credits.stage is Stage.CALM
        assert meter.ingested == FLOOD + LINES * EACH

"""Gateways that come back all at once are told where they stand by a few looks at the store, not by one each."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from hub import receipts, registry
from hub.clock import SystemClock
from hub.db import Tx
from hub.ingest import Ingest
from hub.registry import Registry
from hub.rng import SeededRng
from tests.world import LIUHE, make_store, people, until

GATEWAYS = [f"gw-{number:03}" for number in range(300)]


class Door:
    def __init__(self) -> None:
        self.said: dict[str, Any] = {}

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        assert (qos, retain) == (1, False)
        self.said[topic.split("/")[3]] = json.loads(payload)

    async def cut(self, account: str) -> None:
        raise AssertionError(account)


def test_three_hundred_that_come_back_at_once_cost_a_few_looks_and_each_hears_its_own(tmp_path: Path) -> None:
    async def go() -> None:
        store, looks = make_store(tmp_path, inline=False), list[int]()

        def furnish(tx: Tx) -> None:
            people(tx)
            for number, gateway in enumerate(GATEWAYS):
                registry.add_gateway(tx, gateway, LIUHE)
                receipts.settle(tx, {(gateway, "b1"): range(1, number + 2)})

        store.write_now(furnish)
        book, door = Registry(store, SystemClock()), Door()
        book.look()
        ingest = Ingest(store, book, SystemClock(), SeededRng("back"))
        ingest.door = door
        counted = store.read_now

        def count(work: Any) -> Any:
            looks.append(1)
            return counted(work)

        store.read_now = count  # type: ignore[method-assign]
        for gateway in GATEWAYS:
            ingest.listening(gateway)
        await until(lambda: len(door.said) == len(GATEWAYS))
        assert door.said == {gateway: {"boot": "b1", "seq": number + 1} for number, gateway in enumerate(GATEWAYS)}
        assert len(looks) <= 2
        store.close()

    asyncio.run(go())

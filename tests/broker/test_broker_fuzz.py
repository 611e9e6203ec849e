"""Random and torn packets against the codec and a live broker; the long form is `python -m tests.broker.fuzz`."""

from __future__ import annotations

import asyncio
import os
import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.broker import packets as p
from tests.broker.fuzz import broker, codec_round, fuzz
from tests.broker.rig import house
from tests.broker.sockets import call, dial

LONG = os.environ.get("LINLI_TEST_LONG") == "1"


# A seed and not hypothesis's own dice: those may stop a test half-way, in the middle of a connection.
SEEDS = st.integers(0, 2**32)


@settings(max_examples=20_000 if LONG else 1_000)
@given(SEEDS)
def test_the_codec_reads_or_refuses_and_nothing_else(seed: int) -> None:
    found = codec_round(random.Random(seed))
    assert set(found) <= {"packets", "refused"}


@settings(max_examples=3_000 if LONG else 60)
@given(st.lists(SEEDS, min_size=1, max_size=4))
def test_a_live_broker_outlives_whatever_it_is_told(several: list[int]) -> None:
    async def scenario() -> int:
        async with broker() as live:
            await asyncio.gather(*(live.round(random.Random(seed)) for seed in several))
            await live.alive()
            return live.found["rounds"]

    assert asyncio.run(scenario()) == len(several)


def test_the_long_form_counts_what_it_did() -> None:
    told = asyncio.run(fuzz(seed=20, minutes=2.0 if LONG else 0.02))
    assert told["live"]["rounds"] > 5  # type: ignore[index]
    assert told["codec"]["refused"] > 50  # type: ignore[index]
    assert told["codec"]["packets"] > 500  # type: ignore[index]


@pytest.mark.anyio
@pytest.mark.parametrize("known", [False, True])
async def test_a_size_is_refused_before_room_is_made_for_it(known: bool) -> None:
    """Forty lines announce packets and frames of 200 MB each and send their beginning."""
    async with house() as home:
        _, web_port = await home.broker.listen("127.0.0.1", 0, websocket=True)
        tracemalloc.start()
        try:
            for number in range(20):
                async with call(home.port) as client, dial(web_port) as (web, pipe):
                    if known:
                        for each, name in ((client, "hut-1"), (web, "hut-2")):
                            assert (await each.login(name, client_id=f"c{number}")).reason == 0
                    first = b"\x30" if known else b"\x10"
                    await client.raw(first + b"\xff\xff\xff\x5f" + bytes(30_000))
                    pipe.writer.write(b"\x82\xff\x00\x00\x00\x00\x0c\x00\x00\x00abcd" + bytes(30_000))
                    assert await client.next() == (p.Disconnect(0x95) if known else None)
                    assert await web.next() is None
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 8 * 2**20

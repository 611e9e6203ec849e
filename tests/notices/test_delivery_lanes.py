"""The lanes: an emergency never waits behind routine messages, a dead provider holds nobody else up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update
from sqlmodel import select

from channels.base import Accepted, Dead, Outcome, Retry
from hub import audience, breaker, courier, outbox
from hub.breaker import PAUSED, Breaker, Bucket
from hub.civic.notices import desk
from hub.civic.operations import work
from hub.db import Tx
from hub.outbox import Outbox
from hub.services import Services
from tests.notices.far_channel import FarChannel
from tests.notices.office import Office
from tests.notices.office_app import make_shell

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def at_work(services: Services, *channels: FarChannel) -> AsyncIterator[None]:
    jobs = [courier.fan_out(services), *(courier.keep_carrying(services, each) for each in channels)]
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await services.net.aclose()
        services.store.close()


async def released(services: Services, office: Office, priority: str) -> str:
    """Through the hub's own store, whose commits ring the bell."""
    made = office.draft(priority=priority)
    if priority == "emergency":
        await services.store.write(lambda tx: desk.approve(tx, office.director, made.id))
    by = office.publisher if priority == "emergency" else office.staff
    await services.store.write(lambda tx: desk.release(tx, by, made.id))
    return made.id


async def settled(office: Office, state: str, count: int) -> None:
    """Looks again after each transaction of the hub."""
    loop, moved = asyncio.get_running_loop(), asyncio.Event()

    def look_again(_events: object, _touched: object) -> None:
        loop.call_soon_threadsafe(moved.set)

    office.store.bus.observe(look_again)
    query = select(Outbox).where(Outbox.state == state)
    async with asyncio.timeout(15):
        while len(office.store.read_now(lambda read: read.session.execute(query).scalars().all())) < count:
            await moved.wait()
            moved.clear()


async def test_an_emergency_leaves_while_a_routine_batch_hangs(tmp_path: Path) -> None:
    office, shell = make_shell(tmp_path)
    far = FarChannel(hangs=frozenset({"routine"}))
    async with at_work(shell.services, far):
        await released(shell.services, office, "routine")
        await far.met(2)
        await released(shell.services, office, "emergency")
        await settled(office, "accepted", 2)
        sent = {each.message.priority for each in far.came[2:]}
    assert sent == {"emergency"}


async def test_a_dead_provider_holds_no_other_channel_up(tmp_path: Path) -> None:
    office, shell = make_shell(tmp_path)
    shell.write(lambda tx: audience.bind(tx, "r-wang", "webpush", "https://push.example/wang"))
    dead, living = FarChannel(hangs=frozenset({"routine", "emergency"})), FarChannel("webpush")
    async with at_work(shell.services, dead, living):
        for priority in ("routine", "emergency"):
            await released(shell.services, office, priority)
        await dead.met(4)
        await settled(office, "accepted", 2)
        assert {each.message.priority for each in living.came} == {"routine", "emergency"}


async def test_a_worker_wakes_for_what_is_planned_without_a_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its next look would come after an hour."""
    monkeypatch.setattr(courier, "POLL_S", 3_600.0)
    office, shell = make_shell(tmp_path)
    far = FarChannel()
    async with at_work(shell.services, far):
        await settled(office, "planned", 0)
        await released(shell.services, office, "routine")
        await far.met(2)
    assert len(far.came) == 2


async def test_a_provider_that_fails_is_left_alone_and_both_desk_and_operator_can_see_it(tmp_path: Path) -> None:
    office, shell = make_shell(tmp_path)
    way, health = FarChannel(answers=[Retry(0.0, "the provider has a fault", "http 502")] * 6), Breaker()
    shell.write(lambda tx: breaker.begin(tx, "wechat", courier.Way.of(shell.services, way).limits))
    made = office.released()
    office.spread()
    for _try in range(breaker.BREAKER_BATCHES):
        shell.write(_due_again)
        await courier.carry_once(shell.services, way, health)
    [state] = shell.store.read_now(breaker.states)
    assert (state.state, state.why, state.failures) == (PAUSED, "the provider has a fault", 3)
    [task] = work.queue([], 0, None, [state]).tasks
    assert (task.word.text, task.href) == ("A provider is away", "/desk/letters")
    now = shell.services.clock.monotonic()
    assert health.waits(now + breaker.EXPRESS_LONGEST_S - 1)
    assert not health.waits(now + breaker.EXPRESS_LONGEST_S + 1, express=True), "an emergency knocks sooner"
    shell.write(_due_again)
    await courier.carry_once(shell.services, way, health)
    assert [each.state for each in shell.store.read_now(breaker.states)] == [breaker.OK]
    assert shell.store.read_now(lambda read: outbox.states(read, made.id))["wechat"]["accepted"] == 2
    await shell.services.net.aclose()
    shell.store.close()


def _due_again(tx: Tx) -> None:
    tx.session.execute(update(Outbox).values(not_before=tx.now()))


TAKES = st.lists(st.tuples(st.booleans(), st.integers(1, 25), st.integers(0, 30)), max_size=40)


@settings(max_examples=25)
@given(TAKES, st.integers(1, 30), st.integers(1, 100))
def test_an_emergency_never_waits_behind_routine_messages_and_all_keep_the_pace(
    takes: list[tuple[bool, int, int]], burst: int, per_s: int
) -> None:
    """Whatever routine messages took, it finds the very room it would find without them."""
    both, alone, now, left = Bucket(per_s, burst), Bucket(per_s, burst), 0.0, 0
    for express, wanted, tenths in takes:
        now += tenths / 10
        room = both.room(now, express=express)
        if express:
            assert room == alone.room(now, express=True)
            alone.take(min(wanted, room), express=True)
        both.take(min(wanted, room), express=express)
        left += min(wanted, room)
        assert left <= 2 * burst + now * per_s + 1e-3
        now += both.wait_s(express=express)
        assert both.room(now, express=express) >= 1, "nobody waits for ever"


OUTCOMES = st.lists(st.lists(st.sampled_from([Accepted("a"), Dead("d"), Retry(None, "busy")]), min_size=1), max_size=30)


@settings(max_examples=25)
@given(OUTCOMES)
def test_a_breaker_opens_only_after_failures_in_a_row_and_one_answer_closes_it(batches: list[list[Outcome]]) -> None:
    health, row, now = Breaker(), 0, 0.0
    for outcomes in batches:
        health.judge(outcomes, now)
        row = row + 1 if all(isinstance(each, Retry) for each in outcomes) else 0
        assert health.open == (row >= breaker.BREAKER_BATCHES)
        assert health.waits(now) == health.open
        assert health.left_s(now) <= breaker.BREAKER_LONGEST_S
        now += health.left_s(now) + 0.1

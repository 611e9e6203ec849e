"""One token for one account: renewed in time, replaced when refused, and never a storm of forced refreshes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from channels.base import AddressGone, Dead, Retry
from channels.post import Refusal
from channels.wechat_codes import RULES, outcome_of
from channels.wechat_token import Grant, MemoryTokenStore, TokenHolder


class HandClock:
    def __init__(self) -> None:
        self._now = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class TokenSource:
    """Gives out tokens as the platform does: the same one until it expires or is forced."""

    def __init__(self, clock: HandClock) -> None:
        self._clock, self.asked, self._number, self._until = clock, [], 0, clock.now()  # type: ignore[var-annotated]

    async def __call__(self, force: bool) -> Grant | Refusal:
        self.asked.append(force)
        await asyncio.sleep(0)
        if force or self._clock.now() >= self._until:
            self._number += 1
            self._until = self._clock.now() + timedelta(seconds=7200)
        return Grant(f"token-{self._number}", (self._until - self._clock.now()).total_seconds())


def holder(clock: HandClock, source: TokenSource, store: MemoryTokenStore | None = None) -> TokenHolder:
    return TokenHolder(source, store or MemoryTokenStore(), clock)


def test_a_hundred_senders_at_once_fetch_one_token() -> None:
    async def scene() -> None:
        clock = HandClock()
        source = TokenSource(clock)
        tokens = holder(clock, source)
        assert set(await asyncio.gather(*(tokens.get() for _ in range(100)))) == {"token-1"}
        assert source.asked == [False]

    asyncio.run(scene())


def test_a_token_is_renewed_five_minutes_before_it_ends() -> None:
    async def scene() -> None:
        clock = HandClock()
        source = TokenSource(clock)
        tokens = holder(clock, source)
        await tokens.get()
        clock.advance(6899)
        await tokens.get()
        assert source.asked == [False]
        clock.advance(2)
        assert await tokens.get() == "token-1"  # the platform may still hand out the old one
        await tokens.get()
        assert source.asked == [False, False]
        clock.advance(300)
        assert await tokens.get() == "token-2"

    asyncio.run(scene())


def test_a_refused_token_is_replaced_once_for_all_who_held_it() -> None:
    async def scene() -> None:
        clock = HandClock()
        source = TokenSource(clock)
        tokens = holder(clock, source)
        await tokens.get()
        assert set(await asyncio.gather(*(tokens.replace("token-1") for _ in range(20)))) == {"token-2"}
        assert source.asked == [False, False, True]

    asyncio.run(scene())


def test_two_workers_with_their_own_memory_do_not_force_each_other_out() -> None:
    async def scene() -> None:
        clock = HandClock()
        source = TokenSource(clock)
        one, other = holder(clock, source), holder(clock, source)
        assert await one.get() == await other.get() == "token-1"
        assert await one.replace("token-1") == "token-2"
        assert await other.replace("token-1") == "token-2"
        assert source.asked.count(True) == 1

    asyncio.run(scene())


def test_a_forced_refresh_is_not_asked_for_twice_within_thirty_seconds() -> None:
    async def scene() -> None:
        clock = HandClock()
        source = TokenSource(clock)
        tokens = holder(clock, source)
        await tokens.get()
        assert await tokens.replace("token-1") == "token-2"
        refused = await tokens.replace("token-2")
        assert refused == Refusal(Retry(30.0, "WeChat refuses the access token"), for_all=True)
        clock.advance(31)
        assert await tokens.replace("token-2") == "token-3"

    asyncio.run(scene())


def test_a_token_never_shows_in_a_repr() -> None:
    async def scene() -> None:
        clock, store = HandClock(), MemoryTokenStore()
        value = await holder(clock, TokenSource(clock), store).get()
        assert isinstance(value, str)
        assert value not in repr(await store.load())
        assert value not in repr(Grant(value, 1.0))

    asyncio.run(scene())


@pytest.mark.parametrize("errcode", RULES)
def test_every_listed_code_has_an_outcome_with_a_reason_and_itself(errcode: int) -> None:
    outcome = outcome_of(errcode, datetime(2026, 11, 22, 15, 59, tzinfo=UTC))
    assert isinstance(outcome, Retry | Dead | AddressGone)
    assert outcome.why
    assert outcome.code == str(errcode)
    if errcode == 45009:
        assert outcome == Retry(60.0, RULES[errcode].why, "45009")
